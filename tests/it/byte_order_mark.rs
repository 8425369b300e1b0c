//! The byte order mark that some editors write is ignored wherever text is read.

use crate::support::account::{APP_ID, APP_SECRET};
use crate::support::*;

const MARK: &str = "\u{feff}";

#[test]
fn the_configuration_may_begin_with_a_byte_order_mark() {
    let account = Setup::new().stopped();
    account.rewrite_config(|config| format!("{MARK}{config}"));
    account.command(&["check"]).ok();
    account.rewrite_config(|config| format!("{config}nonsense = 1\n"));
    let lines = std::fs::read_to_string(account.config_path()).unwrap();
    let last = lines.lines().count();
    let ran = account.command(&["check"]);
    ran.refused().complains(&format!("wechat.conf:{last}: "));
}

#[test]
fn the_secret_may_begin_with_a_byte_order_mark() {
    let platform = Platform::start();
    let setup = Setup::new()
        .platform(&platform)
        .unset("account.app_secret")
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .set("account.app_secret_file", "\"app_secret\"");
    let file = setup.folder().join("app_secret");
    std::fs::write(file, format!("{MARK}{APP_SECRET}\r\n")).unwrap();
    let account = setup.stopped();
    account.command(&["token"]).ok();
}

#[test]
fn standard_input_may_begin_with_a_byte_order_mark() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let input = format!("{MARK}oOne\r\noTwo\r\n");
    Ran::of(account.program(&["blacklist", "add", "-"]), &input).ok();
    let sent = platform.bodies("/cgi-bin/tags/members/batchblacklist");
    assert_eq!(sent[0]["openid_list"], serde_json::json!(["oOne", "oTwo"]));
}

#[test]
fn json_may_begin_with_a_byte_order_mark() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let article = r#"{"title": "Open day", "content": "x", "thumb_media_id": "SYN_cover"}"#;
    let file = account.folder().join("day.json");
    std::fs::write(&file, format!("{MARK}{article}")).unwrap();
    account.command(&["article", "draft", "day.json"]).ok();
    // As in --news "$(cat news.json)".
    let news = format!(r#"{MARK}[{{"title": "t", "url": "https://example.com/"}}]"#);
    account.command(&["send", FAN, "--news", &news]).ok();
}

#[test]
fn a_push_from_a_file_may_begin_with_a_byte_order_mark_in_every_mode() {
    let json = r#"{"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 1, "MsgType": "text", "Content": "hi", "MsgId": "7"}"#;
    for mode in ["plain", "compatible", "secure"] {
        let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
        let account = Setup::new()
            .set("account.app_id", &format!("\"{APP_ID}\""))
            .set("account.mode", &format!("\"{mode}\""))
            .set("account.aes_key", &format!("\"{key}\""))
            .start();
        let file = account.folder().join("push.json");
        std::fs::write(&file, format!("{MARK}{json}")).unwrap();
        account
            .simulate(&["text", "--xml", &file.display().to_string()])
            .ok()
            .says("200 OK");
        account.store().is("SELECT content FROM messages", &["hi"]);
    }
}
