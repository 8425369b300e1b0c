//! The window in which a person can be answered, as `wechatd send` sees it; and the rows of `sent`.

use crate::support::*;
use serde_json::{Value, json};

const SEND: &str = "/cgi-bin/message/custom/send";

const HOUR: i64 = 3_600;

fn send(account: &Account, arguments: &[&str]) -> Ran {
    account.command(&[&["send", FAN], arguments].concat())
}

/// What is left after one more message.
#[track_caller]
fn window(account: &Account) -> Value {
    send(account, &["hello", "--json"]).json()["window"].clone()
}

/// Open with this many messages left, for about so many seconds.
#[track_caller]
fn is_open(window: &Value, left: u8, of: u8, seconds: i64) {
    let until = window["until"].as_i64().unwrap_or_default() - now();
    let is_it = window["open"] == true && window["left"] == left && window["of"] == of;
    assert!(
        is_it && (seconds - 30..=seconds).contains(&until),
        "{window}"
    );
}

/// Time passes: all that is in the store happened earlier.
fn pass(account: &Account, seconds: i64) {
    store::pass(&account.store_path(), seconds);
}

/// A push comes, later than everything else.
fn comes(account: &Account, push: &Push) {
    pass(account, 1);
    account.post(push).is_status(200);
}

#[test]
fn five_messages_go_to_somebody_who_wrote_and_three_after_a_tap() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    comes(&account, &text("hello"));
    pass(&account, 1);
    let first = send(&account, &["one"]);
    first.ok().says("sent");
    let about = first.stderr.trim_end();
    first.expect(
        about.ends_with(" min left, at most 4 of 5 messages")
            && (about.contains("47 h 59") || about.contains("48 h 0"))
            && about.lines().count() == 1,
        "one line about the window",
    );
    for left in [3, 2, 1] {
        is_open(&window(&account), left, 5, 48 * HOUR);
    }
    let fifth = window(&account);
    assert_eq!(
        (&fifth["open"], &fifth["shut"]),
        (&json!(false), &json!("used_up"))
    );
    // Only a warning: the platform decides.
    send(&account, &["one more"])
        .ok()
        .says("sent")
        .complains("all messages of this window were sent, as far as known here; WeChat decides");
    assert_eq!(platform.count(SEND), 6);

    comes(&account, &text("are you there?"));
    is_open(&window(&account), 4, 5, 48 * HOUR);
    pass(&account, 48 * HOUR);
    assert_eq!(window(&account)["shut"], "over");
    send(&account, &["hello"])
        .ok()
        .complains("has not written in the last 48 hours")
        .complains("opens it for 48 hours; a follow, a scan or a tap on the menu for a minute");
    comes(&account, &click("HOURS"));
    for left in [2, 1] {
        is_open(&window(&account), left, 3, 60);
    }
    assert_eq!(window(&account)["shut"], "used_up");
    comes(&account, &view("https://www.example.com/"));
    assert_eq!(window(&account)["shut"], "used_up", "a view opens nothing");
    comes(&account, &scan("poster-7"));
    is_open(&window(&account), 2, 3, 60);
    pass(&account, 60);
    assert_eq!(window(&account)["shut"], "over");
    comes(&account, &subscribe());
    is_open(&window(&account), 2, 3, 60);
    comes(&account, &unsubscribe());
    assert_eq!(window(&account)["shut"], "left");
}

#[test]
fn what_the_platform_says_shuts_it_until_something_comes() {
    for (errcode, shut) in [
        (45015, "over_there"),
        (45047, "used_up_there"),
        (48002, "declined"),
    ] {
        let platform = Platform::start();
        let account = Setup::new().platform(&platform).start();
        account.post(&text("hello")).is_status(200);
        is_open(&window(&account), 4, 5, 48 * HOUR);
        platform.fault(SEND, Fault::Errcode(errcode, "no"));
        send(&account, &["hello"])
            .failed()
            .complains(&errcode.to_string());
        account.store().is(
            "SELECT state, errcode FROM sent ORDER BY id DESC LIMIT 1",
            &[&format!("refused|{errcode}")],
        );
        let told = send(&account, &["hello", "--json"]).json();
        assert_eq!(told["window"]["shut"], shut);
        send(&account, &["hello"])
            .ok()
            .complains(&errcode.to_string());
        pass(&account, 1);
        account.post(&text("hello again")).is_status(200);
        is_open(&window(&account), 4, 5, 48 * HOUR);
    }
}

#[test]
fn every_message_has_a_row_before_it_is_sent() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("api.timeout", "\"2s\"")
        .stopped();
    send(&account, &["hello 您好"]).ok();
    send(&account, &["--image", "SYN_image_1"]).ok();
    send(&account, &["--article", "SYN_ARTICLE_1"]).ok();
    let news = r#"{"title":"Hours","description":"","url":"https://www.example.com/","picurl":""}"#;
    send(&account, &["--news", news]).ok();
    platform.fault(SEND, Fault::Errcode(45002, "content size out of limit"));
    send(&account, &["long"]).failed();
    platform.fault(SEND, Fault::Closed);
    send(&account, &["lost"]).may_be_done();
    // The platform never answers: what is in the store meanwhile?
    send(&account, &[&"三".repeat(1_000)])
        .ok()
        .says("2 messages");
    account.store().is(
        "SELECT openid, msg_type, substr(content, 1, 30), by, state, errcode, once FROM sent ORDER BY id",
        &[
            &format!("{FAN}|text|hello 您好|cli|sent|NULL|NULL"),
            &format!("{FAN}|image|SYN_image_1|cli|sent|NULL|NULL"),
            &format!("{FAN}|mpnewsarticle|SYN_ARTICLE_1|cli|sent|NULL|NULL"),
            &format!("{FAN}|news|[{}|cli|sent|NULL|NULL", &news[..29]),
            &format!("{FAN}|text|long|cli|refused|45002|NULL"),
            &format!("{FAN}|text|lost|cli|unknown|NULL|NULL"),
            &format!("{FAN}|text|{}|cli|sent|NULL|NULL", "三".repeat(30)),
            &format!("{FAN}|text|{}|cli|sent|NULL|NULL", "三".repeat(30)),
        ],
    );
    account.store().is(
        "SELECT kind, by, state FROM sent_v LIMIT 1",
        &["text|cli|sent"],
    );
}

#[test]
fn a_message_whose_sender_was_killed_may_have_arrived() {
    let platform = Platform::start();
    let mut account = Setup::new().platform(&platform).start();
    account.post(&text("hello")).is_status(200);
    platform.fault(SEND, Fault::Hang);
    let mut sending = account.program(&["send", FAN, "hello"]).spawn().unwrap();
    eventually("the call", account.log(), || platform.count(SEND) == 1);
    let states = "SELECT state FROM sent";
    account.store().is(states, &["sending"]);
    sending.kill().unwrap();
    sending.wait().unwrap();
    account.store().is(states, &["sending"]);
    account.restart();
    account.store().is(states, &["unknown"]);
    // It counts, and is not sent again.
    is_open(&window(&account), 3, 5, 48 * HOUR);
    assert_eq!(platform.count(SEND), 2);
}
