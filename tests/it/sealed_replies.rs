//! Replies to encrypted pushes: encrypted with the key and signed with the Token of the push, and the same reply to each
//! repetition.

use crate::support::account::{HELP, THANKS, WELCOME};
use crate::support::console::{AES_KEY, OTHER_AES_KEY};
use crate::support::*;
use Mode::{Compatible, Plain, Secure};

#[test]
fn without_a_reply_the_answer_is_a_plain_success_in_every_mode() {
    for mode in Mode::ALL {
        let console = Console::new(mode);
        let account = console.setup().start();
        for push in [
            image(),
            unsubscribe(),
            click("K"),
            unknown_message("hologram"),
        ] {
            let delivery = console.deliver(&push);
            account.send(&delivery.request()).is_success();
        }
    }
}

#[test]
fn a_duplicate_gets_the_same_reply_encrypted_again() {
    for mode in [Compatible, Secure] {
        let console = Console::new(mode);
        let mut account = console.setup().start();
        let push = text("@more tea");
        let first = console.deliver(&push);
        let first_answer = account.send(&first.request());
        let reply = console.read(&first, &first_answer);
        reply.is_text(THANKS);
        let second = now();
        eventually("the next second", account.log(), || now() > second);
        for round in ["at once", "after a restart"] {
            // The platform signs every delivery again, and may encrypt it again.
            for again in [first.clone(), console.deliver(&push)] {
                let answer = account.send(&again.request());
                answer.expect(
                    answer.body() != first_answer.body(),
                    &format!("{round}: encrypted again"),
                );
                let opened = console.read(&again, &answer);
                opened.expect(
                    opened.response.body == reply.response.body,
                    &format!("{round}: the same reply:\n{}", reply.body()),
                );
            }
            assert_eq!(account.store().count("messages"), 1);
            account.restart();
        }
        // The store keeps the readable reply.
        let kept: String = account.store().one("SELECT reply FROM messages");
        assert_eq!(kept, reply.body());
    }
}

#[test]
fn concurrent_copies_get_one_reply_and_make_one_row() {
    let console = Console::new(Secure);
    let account = console.setup().start();
    let push = subscribe();
    let replies: Vec<String> = std::thread::scope(|scope| {
        let copies: Vec<_> = (0..24)
            .map(|_| scope.spawn(|| console.push(&account, &push).body()))
            .collect();
        copies
            .into_iter()
            .map(|copy| copy.join().unwrap())
            .collect()
    });
    assert!(replies[0].contains(WELCOME), "{}", replies[0]);
    assert!(
        replies.iter().all(|reply| *reply == replies[0]),
        "{replies:#?}"
    );
    account.store().is(
        "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM followers), (SELECT count(*) FROM follow_log)",
        &["1|1|1"],
    );
}

#[test]
fn replies_to_different_pushes_share_no_ciphertext() {
    let console = Console::new(Secure);
    let account = console.setup().start();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let delivery = console.deliver(&text("hello"));
        let body = account.send(&delivery.request()).body();
        let encrypt = body.split("<Encrypt><![CDATA[").nth(1).unwrap();
        // The first block contains only random bytes.
        assert!(seen.insert(encrypt[..20].to_owned()), "{body}");
    }
}

#[test]
fn a_reply_is_encrypted_with_the_key_of_its_push() {
    for mode in [Compatible, Secure] {
        let current = Console::new(mode);
        let previous = Console::new(mode).key(OTHER_AES_KEY);
        let account = current
            .setup()
            .set("account.previous_aes_key", &format!("\"{OTHER_AES_KEY}\""))
            .start();
        for console in [&current, &previous] {
            console.push(&account, &text("hello")).is_text(HELP);
            console.push(&account, &subscribe()).is_text(WELCOME);
            console.push(&account, &image()).is_success();
        }
        // The same push under both keys is recorded once.
        let push = text("@once");
        let replies = [&current, &previous].map(|console| console.push(&account, &push).body());
        assert_eq!(replies[0], replies[1]);
        account.store().is(
            "SELECT count(*) FROM messages WHERE content = '@once'",
            &["1"],
        );
        let third = Console::new(mode).key("QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ");
        let delivery = third.deliver(&text("hello"));
        account.send(&delivery.request()).is_refused();
    }
}

#[test]
fn a_reply_is_signed_with_the_token_of_its_push() {
    for mode in Mode::ALL {
        let current = Console::new(mode);
        let previous = Console::new(mode).token("previousToken2025");
        let account = current
            .setup()
            .set("account.previous_token", "\"previousToken2025\"")
            .start();
        for console in [&current, &previous] {
            console.push(&account, &text("hello")).is_text(HELP);
        }
        // The two signatures of a push may use different Tokens.
        if mode != Plain {
            let delivery = current.deliver(&text("hello"));
            let three = signature(&[
                "previousToken2025",
                delivery.get("timestamp"),
                delivery.get("nonce"),
            ]);
            let delivery = delivery.with("signature", &three);
            let answer = account.send(&delivery.request());
            current.read(&delivery, &answer).is_text(HELP);
        }
    }
}

#[test]
fn a_key_with_and_without_its_unused_bits_is_the_same_key() {
    // The 43rd character carries two bits that belong to no byte.
    let sister = AES_KEY.replace("ABCDEFG", "ABCDEFE");
    let account = Console::new(Secure).key(&sister).setup().start();
    Console::new(Secure)
        .push(&account, &text("hello"))
        .is_text(HELP);
}

#[test]
fn every_length_of_padding_works() {
    let console = Console::new(Secure);
    let account = console
        .setup()
        .rules("[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n")
        .start();
    for length in 1..=33 {
        let content = "x".repeat(length);
        console.push(&account, &text(&content)).is_text(&content);
    }
    let long = "长".repeat(30_000);
    let answer = console.push(&account, &text(&long));
    answer.expect(answer.reply().content.len() == 2046, "cut and encrypted");
}

#[test]
fn an_encrypted_json_push_gets_a_json_envelope() {
    let console = Console::new(Secure);
    let account = console.setup().start();
    let at = now();
    let body = |id: u64| {
        format!(
            "{{\"ToUserName\":\"{ACCOUNT}\",\"FromUserName\":\"{FAN}\",\"CreateTime\":{at},\"MsgType\":\"text\",\"Content\":\"hello\",\"MsgId\":{id}}}"
        )
    };
    let delivery = console.deliver(&raw(body(24_900_000_000_777_001)));
    let answer = account.send(&delivery.request());
    answer.has_header("content-type", "application/json");
    console.read(&delivery, &answer).is_text(HELP);
    for mode in [Compatible, Plain] {
        let console = Console::new(mode);
        let account = console.setup().start();
        console
            .push(&account, &raw(body(24_900_000_000_777_002)))
            .is_text(HELP);
    }
    account.store().is(
        "SELECT msg_id, content FROM messages",
        &["24900000000777001|hello"],
    );
}

#[test]
fn the_log_of_an_encrypted_account_contains_no_secret() {
    let console = Console::new(Secure);
    let account = console.setup().env("RUST_LOG", "debug").start();
    let delivery = console.deliver(&text("hello"));
    account.send(&delivery.request());
    let wrong = console.clone().key(OTHER_AES_KEY).deliver(&text("hello"));
    account.send(&wrong.request()).is_refused();
    account.send(&delivery.clone().without("msg_signature").request());
    for secret in [
        AES_KEY,
        OTHER_AES_KEY,
        TOKEN,
        delivery.get("signature"),
        delivery.get("msg_signature"),
        wrong.get("msg_signature"),
    ] {
        assert!(!account.log().has(secret), "{secret} in\n{}", account.log());
    }
}
