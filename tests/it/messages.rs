//! Messages with more than a text: how lists show them, one message in full, and saving their files.

use crate::support::*;
use serde_json::json;

const GET: &str = "/cgi-bin/media/get";

/// An account that received a message of every kind.
fn with_messages(platform: &Platform) -> Account {
    let account = Setup::new().platform(platform).rules("").start();
    for push in [
        image(),
        voice(""),
        voice("请帮我查一下订单"),
        video(),
        shortvideo(),
        location(""),
        location("上海市黄浦区人民大道"),
        file("price list.pdf"),
        location_report(),
        text("hello"),
    ] {
        account.post(&push).is_success();
    }
    account
}

#[test]
fn lists_describe_messages_without_a_text() {
    let platform = Platform::start();
    let account = with_messages(&platform);
    let list = account.command(&["messages", "list"]);
    for shown in [
        "[image]",
        "[voice]",
        "请帮我查一下订单",
        "[video]",
        "[short video]",
        "[location] 31.230416, 121.473701",
        "上海市黄浦区人民大道",
        "price list.pdf",
        "31.230416, 121.473701",
        "hello",
    ] {
        list.ok().says(shown);
    }
    account
        .command(&["followers", "show", FAN])
        .ok()
        .says("[image]");
    let json = account.command(&["messages", "list", "--json"]).json();
    let ids: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| row["media_id"].clone())
        .collect();
    let expected = json!([
        "SYN_image",
        "SYN_voice",
        "SYN_voice",
        "SYN_video",
        "SYN_video",
        null,
        null,
        null,
        null,
        null
    ]);
    assert_eq!(json!(ids), expected);
    let view = "SELECT media_id FROM messages_v WHERE media_id IS NOT NULL ORDER BY id LIMIT 1";
    account.store().is(view, &["SYN_image"]);
}

#[test]
fn show_prints_everything_about_a_message() {
    let platform = Platform::start();
    let account = with_messages(&platform);
    account
        .command(&["messages", "show", "1"])
        .ok()
        .says("SYN_image")
        .says("http://mmbiz.qpic.cn/SYNTHETIC/0")
        .says("wechatd messages save 1 --out FILE")
        .says("<PicUrl>");
    account
        .command(&["messages", "show", "6"])
        .ok()
        .says("31.230416, 121.473701");
    account
        .command(&["messages", "show", "8"])
        .ok()
        .says("128.4 KB");
    let json = account.command(&["messages", "show", "4", "--json"]).json();
    assert_eq!(json["media_id"], "SYN_video");
    assert_eq!(json["msg_type"], "video");
    assert!(
        json["xml"].as_str().unwrap().contains("SYN_thumb"),
        "{json}"
    );
    for command in ["show", "save"] {
        account
            .command(&["messages", command, "11"])
            .failed()
            .complains("no message 11")
            .complains("messages list");
    }
}

#[test]
fn show_prints_the_full_name_of_the_rule_and_the_scan() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        name = "what somebody scanned with the button of the shop"
        event = "scancode_waitmsg"
        text = "{scan}"
        "#,
    );
    account
        .post(&scanned("SHOP", "EAN_13,6901234567892"))
        .is_text("EAN_13,6901234567892");
    account
        .command(&["messages", "show", "1"])
        .ok()
        .says("what somebody scanned with the button of the shop")
        .says("scanned      EAN_13,6901234567892");
}

#[test]
fn save_fetches_the_file_of_a_message() {
    let platform = Platform::start();
    let account = with_messages(&platform);
    let read = |name: &str| std::fs::read(account.folder().join(name)).unwrap();
    account
        .command(&["messages", "save", "1", "--out", "photo.gif"])
        .ok();
    assert_eq!(read("photo.gif"), b"GIF89a of SYN_image");
    let piped = account.command(&["messages", "save", "2"]);
    assert_eq!(piped.ok().stdout, "GIF89a of SYN_voice");
    let json = account
        .command(&["messages", "save", "1", "--out", "photo.gif", "--json"])
        .json();
    assert_eq!(
        (&json["file"], &json["bytes"]),
        (&json!("photo.gif"), &json!(19))
    );
    // For a video the platform gives a URL, which needs no token.
    let url = format!("{}/cgi-bin/showqrcode?ticket=SYN", platform.url());
    platform.fault(GET, Fault::Body(json!({ "video_url": url }).to_string()));
    account
        .command(&["messages", "save", "4", "--out", "tour.mp4"])
        .ok();
    assert!(!read("tour.mp4").is_empty());
    let fetched = platform.calls().pop().unwrap();
    assert_eq!(fetched.path, "/cgi-bin/showqrcode");
    assert!(!fetched.query.contains_key("access_token"), "{fetched:?}");
    // Messages without a file, and a file that has expired.
    account
        .command(&["messages", "save", "8", "--out", "x"])
        .failed()
        .complains("only its name and size");
    account
        .command(&["messages", "save", "10", "--out", "x"])
        .failed()
        .complains("nothing that can be fetched");
    platform.fault(GET, Fault::Errcode(40007, "invalid media_id"));
    account
        .command(&["messages", "save", "1", "--out", "x"])
        .failed()
        .complains("40007")
        .complains("http://mmbiz.qpic.cn/SYNTHETIC/0");
    assert!(!account.folder().join("x").exists());
    account
        .command(&["messages", "save", "1", "--json"])
        .refused()
        .complains("--out");
}

#[test]
fn check_warns_about_media_ids_that_expire() {
    let platform = Platform::start();
    let rules = r#"
        [[rule]]
        name = "poster"
        message = "text"
        image = "SYN_image_1"
        [[rule]]
        name = "sent"
        message = "voice"
        voice = "SYN_voice"
        [[rule]]
        name = "stays"
        message = "image"
        image = "SYN_permanent_image_1"
        [[menu.button]]
        name = "Poster"
        type = "media_id"
        media_id = "SYN_image_1"
        "#;
    let account = Setup::new().platform(&platform).rules(rules).start();
    std::fs::write(account.folder().join("poster.gif"), "GIF89a").unwrap();
    let check = || account.command(&["check"]);
    assert!(!check().ok().stdout.contains("material upload"));
    account.post(&voice("")).is_status(200);
    account
        .command(&["media", "upload", "poster.gif"])
        .ok()
        .says("SYN_image_1");
    let warned = check();
    warned
        .ok()
        .says("poster: the media_id SYN_image_1 ends at")
        .says("sent: the media_id SYN_voice is of a file that somebody sent")
        .says("button Poster: the media_id SYN_image_1 ends at")
        .says("`wechatd material upload`");
    assert!(
        !warned.stdout.contains("SYN_permanent_image_1"),
        "{}",
        warned.stdout
    );
    let json = account.command(&["check", "--json"]).json();
    assert_eq!(json["advice"].as_array().map(Vec::len), Some(2), "{json}");
    // Also after the media_id has expired and the file was uploaded again.
    store::change(
        &account.store_path(),
        "UPDATE media SET expires_at = unixepoch() - 60",
    );
    account
        .command(&["media", "upload", "poster.gif"])
        .ok()
        .says("SYN_image_2");
    check()
        .ok()
        .says("poster: the media_id SYN_image_1 ended at");
}

#[test]
fn forgetting_a_person_erases_their_media_ids() {
    let platform = Platform::start();
    let account = with_messages(&platform);
    account.command(&["followers", "forget", FAN, "--yes"]).ok();
    assert_eq!(account.store().count("messages"), 0);
    let bytes = std::fs::read(account.store_path()).unwrap();
    assert!(!bytes.windows(9).any(|part| part == b"SYN_image"));
}
