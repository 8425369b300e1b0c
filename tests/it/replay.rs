//! A query with a true signature, seen by somebody and sent again with another body.

use crate::support::account::{APP_ID, HELP, WELCOME};
use crate::support::*;
use wechatd::wechat::{AesKey, seal};

/// The first request with the body of the second.
fn replayed(seen: &Request, other: &Push) -> Request {
    Request {
        body: other.body(),
        ..seen.clone()
    }
}

#[test]
fn a_signature_brings_its_own_push_again_and_no_other() {
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
fn what_is_moved_between_timestamp_and_nonce_is_the_same_signature() {
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
fn the_handshake_may_be_repeated_and_takes_nothing_away() {
    let account = Account::start();
    let signed = account.signed();
    for _ in 0..3 {
        account
            .get(&format!("/wechat?{signed}&echostr=1"))
            .is(200, "1");
    }
    let request = Request::new("POST", &format!("/wechat?{signed}")).body(text("hello").body());
    account.send(&request).is_text(HELP);
    account
        .get(&format!("/wechat?{signed}&echostr=2"))
        .is(200, "2");
}

#[test]
fn a_body_that_was_no_push_takes_nothing_away() {
    let account = Account::start();
    let seen = text("hello").request("/wechat", TOKEN);
    let broken = Request {
        body: b"<xml><broken>".to_vec(),
        ..seen.clone()
    };
    account.send(&broken).is_status(400);
    account.send(&seen).is_text(HELP);
}

#[test]
fn the_signature_of_an_encrypted_push_does_not_carry_a_plain_one() {
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
    // The same push in plain is the same push: it gets its answer.
    account.send(&plain.body(push.body())).is_text(HELP);
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}
