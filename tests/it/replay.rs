//! Replay: a query with a valid signature cannot be used again for another body.

use crate::support::account::{APP_ID, HELP, WELCOME};
use crate::support::*;
use std::time::Instant;
use wechatd::wechat::{AesKey, seal};

/// The first request with the body of the second.
fn replayed(seen: &Request, other: &Push) -> Request {
    Request {
        body: other.body(),
        ..seen.clone()
    }
}

#[test]
fn a_signature_is_valid_for_its_own_push_again_but_for_no_other() {
    for skew in ["\"10m\"", "\"0s\""] {
        let account = Setup::new().set("server.max_clock_skew", skew).start();
        let seen = subscribe().request("/wechat", TOKEN);
        let first = account.send(&seen);
        first.is_text(WELCOME);
        for other in [
            unsubscribe(),
            text("@spam"),
            subscribe().from(&another_fan()),
        ] {
            account.send(&replayed(&seen, &other)).is_refused();
        }
        account.send(&seen).is(200, &first.body());
        account.store().is("SELECT count(*) FROM messages", &["1"]);
        account.log().says("was used for another push");
    }
}

#[test]
fn moving_digits_between_timestamp_and_nonce_does_not_make_a_new_signature() {
    let account = Setup::new().set("server.max_clock_skew", "\"0s\"").start();
    let (signature, stamp) = (signed_query(TOKEN, "17000000008", "30001"), "/wechat?");
    account
        .send(&Request::new("POST", &format!("{stamp}{signature}")).body(text("hello").body()))
        .is_text(HELP);
    let moved = signature
        .replace("17000000008", "1700000000")
        .replace("30001", "830001");
    account
        .send(&Request::new("POST", &format!("{stamp}{moved}")).body(text("spam").body()))
        .is_refused();
}

#[test]
fn a_url_verification_may_be_repeated_but_its_signature_allows_no_push() {
    let mut account = Account::start();
    let signed = account.signed();
    let check = format!("/wechat?{signed}&echostr=1");
    for _ in 0..3 {
        account.get(&check).is(200, "1");
    }
    let request = Request::new("POST", &format!("/wechat?{signed}")).body(text("hello").body());
    account.send(&request).is_refused();
    // The signature is recorded in the background.
    let kept = "used_signatures";
    eventually("the used signature", account.log(), || {
        account.store().count(kept) == 1
    });
    account.kill();
    account.begin();
    account.get(&check).is(200, "1");
    account.send(&request).is_refused();
    account.store().is("SELECT * FROM messages", &[]);
    // A verification with the signature of a push is harmless.
    let push = text("hello").request("/wechat", TOKEN);
    account.send(&push).is_text(HELP);
    account
        .get(&format!("{}&echostr=2", push.target))
        .is(200, "2");
    account.send(&push).is_text(HELP);
}

#[test]
fn a_used_signature_allows_no_other_push_after_a_restart() {
    for skew in ["\"10m\"", "\"0s\""] {
        let mut account = Setup::new().set("server.max_clock_skew", skew).start();
        let push = text("hello");
        let seen = push.request("/wechat", TOKEN);
        let first = account.send(&seen);
        // Delivering the same push with another signature uses up that one too.
        let signed_again = push.request("/wechat", TOKEN);
        account.send(&signed_again).is(200, &first.body());
        account.kill();
        account.begin();
        for seen in [&seen, &signed_again] {
            for other in [text("@spam"), unsubscribe()] {
                account.send(&replayed(seen, &other)).is_refused();
            }
            account.send(seen).is(200, &first.body());
        }
        account
            .store()
            .is("SELECT content FROM messages", &["hello"]);
    }
}

#[test]
fn a_used_signature_allows_no_other_push_after_its_own_was_forgotten() {
    for restarts in [false, true] {
        let mut account = Account::start();
        let fan = another_fan();
        let seen = text("hello").from(&fan).request("/wechat", TOKEN);
        account.send(&seen).is_text(HELP);
        account
            .command(&["followers", "forget", &fan, "--yes"])
            .ok();
        if restarts {
            account.restart();
        }
        account.send(&replayed(&seen, &text("@spam"))).is_refused();
        account.send(&seen).is_success();
        account.store().is("SELECT * FROM messages", &[]);
    }
}

#[test]
fn a_body_that_is_not_a_push_uses_up_its_signature() {
    let mut account = Account::start();
    let broken = |body: &[u8]| Request {
        body: body.to_vec(),
        ..text("hello").request("/wechat", TOKEN)
    };
    for (number, body) in [b"<xml><broken>".as_slice(), b"{}", b"", b"<xml></xml>"]
        .into_iter()
        .enumerate()
    {
        let seen = broken(body);
        account.send(&seen).is_status(400);
        account.send(&seen).is_status(400);
        account.send(&replayed(&seen, &text("@spam"))).is_refused();
        eventually("the used signature", account.log(), || {
            account.store().count("used_signatures") == i64::try_from(number).unwrap() + 1
        });
        account.kill();
        account.begin();
        account.send(&replayed(&seen, &text("@spam"))).is_refused();
    }
    account.store().is("SELECT * FROM messages", &[]);
}

#[test]
fn bodies_that_are_not_a_push_are_logged_at_most_once_a_second() {
    let account = Account::start();
    let begun = Instant::now();
    for number in 0..300 {
        let body = format!("<xml><broken{number}>");
        let request = text("").request("/wechat", TOKEN).body(body);
        account.send(&request).is_status(400);
    }
    let seconds = begun.elapsed().as_secs() + 2;
    account.post(&text("hello")).is_text(HELP);
    account.log().says("help");
    let lines = account.log().count("not a push");
    assert!(
        (1..=seconds).contains(&(lines as u64)),
        "{lines} lines in {seconds} s\n{}",
        account.log()
    );
}

#[test]
fn a_used_signature_is_refused_before_the_body_is_parsed() {
    let account = Account::start();
    let seen = text("hello").request("/wechat", TOKEN);
    account.send(&seen).is_text(HELP);
    let broken = Request {
        body: b"<xml><broken>".to_vec(),
        ..seen.clone()
    };
    for _ in 0..5 {
        account.send(&broken).is_refused();
    }
    account.send(&seen).is_text(HELP);
    assert!(!account.log().has("not a push"), "{}", account.log());
}

#[test]
fn a_push_in_the_wrong_mode_uses_up_its_signature() {
    let account = Account::start();
    let seen = text("hello")
        .query("&encrypt_type=aes&msg_signature=ab")
        .request("/wechat", TOKEN);
    account.send(&seen).is_refused();
    let plain = Request {
        target: seen
            .target
            .replace("&encrypt_type=aes&msg_signature=ab", ""),
        ..seen
    };
    account.send(&replayed(&plain, &text("@spam"))).is_refused();
    account.store().is("SELECT * FROM messages", &[]);
}

#[test]
fn the_signature_of_an_encrypted_push_allows_no_other_plain_push() {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let account = Setup::new()
        .set("account.mode", "\"compatible\"")
        .set("account.aes_key", &format!("\"{key}\""))
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .start();
    let push = text("hello");
    let key = AesKey::parse(key).unwrap();
    let encrypt = seal(&key, APP_ID, &push.body(), [7; 16]);
    let (stamp, nonce) = (now().to_string(), nonce());
    let signed = signed_query(TOKEN, &stamp, &nonce);
    let msg_signature = signature(&[TOKEN, &stamp, &nonce, &encrypt]);
    let target = format!("/wechat?{signed}&encrypt_type=aes&msg_signature={msg_signature}");
    let body = format!(
        "<xml><ToUserName><![CDATA[gh]]></ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"
    );
    let encrypted = Request::new("POST", &target).body(body);
    account.send(&encrypted).is_status(200);
    account.send(&encrypted).is_status(200);
    let plain = Request::new("POST", &format!("/wechat?{signed}"));
    account
        .send(&plain.clone().body(text("spam").body()))
        .is_refused();
    // The same push unencrypted is a repetition and gets the same answer.
    account.send(&plain.body(push.body())).is_text(HELP);
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}
