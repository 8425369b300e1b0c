//! The three encryption modes of the console: what each accepts and trusts, how it answers, and what none accepts.

use crate::support::account::{APP_ID, HELP, THANKS, WELCOME};
use crate::support::console::{OTHER_AES_KEY, alone};
use crate::support::*;
use Mode::{Compatible, Plain, Secure};
use serde_json::Value;

/// The tables in which a push leaves traces.
const TABLES: [&str; 4] = ["followers", "follow_log", "messages", "tokens"];

/// No push has left a row.
#[track_caller]
fn has_no_trace(account: &Account) {
    for table in TABLES {
        account.store().is(&format!("SELECT * FROM {table}"), &[]);
    }
}

/// A refusal without a reason: 403 for a wrong signature or key, 400 for what is authentic but not a push.
#[track_caller]
fn is_turned_away(answer: &http::Answer, what: &str) {
    let fine = match answer.response.status {
        403 => answer.body() == "Bad Token!",
        400 => answer.body().len() < 100,
        _ => false,
    };
    answer.expect(fine, &format!("403 or 400 for: {what}"));
}

fn json_sample(path: &str) -> Value {
    serde_json::from_str(&sample(path)).unwrap()
}

#[test]
fn the_documented_push_is_answered_in_each_mode_and_encrypted_if_it_was() {
    let described = json_sample("crypto/inbound_requests.json");
    let credentials = &described["credentials"];
    let credential = |name: &str| credentials[name].as_str().unwrap();
    for mode in Mode::ALL {
        let console = Console::new(mode)
            .token(credential("token"))
            .key(credential("encoding_aes_key"))
            .app_id(credential("appid"));
        // The sample is years old.
        let account = console
            .setup()
            .set("server.max_clock_skew", "\"0s\"")
            .start();
        let (query, file) = match mode {
            Plain => (
                &described["plain_mode"]["query"],
                &described["plain_mode"]["body_file"],
            ),
            Compatible | Secure => (&described["query"], &described["body_files"][mode.name()]),
        };
        let mut delivery = Delivery::signed(credential("token"), Vec::new())
            .body(sample(&format!("crypto/{}", file.as_str().unwrap())));
        for (name, value) in query.as_object().unwrap() {
            delivery = delivery.with(name, value.as_str().unwrap());
        }
        let answer = account.send(&delivery.request());
        let encrypted = answer.body().contains("<Encrypt>");
        answer.expect(encrypted == (mode != Plain), "encrypted if the push was");
        console.read(&delivery, &answer).is_text(HELP);
        account.store().is(
            "SELECT openid, msg_type, content, msg_id, created_at FROM messages",
            &["oSyn1aAQe7rT0uXk3mPzLc9WvBh4|text|ping 1|24900000000009001|1767232000"],
        );
        let xml: String = account.store().one("SELECT xml FROM messages");
        let decrypted = described["decrypted"].as_str().unwrap();
        assert_eq!(xml.trim_end(), decrypted, "{mode:?}");
    }
}

#[test]
fn every_forged_or_broken_encryption_is_turned_away_without_a_trace() {
    let vectors = json_sample("crypto/vectors.json");
    let negatives = vectors["negative"].as_array().unwrap();
    assert!(negatives.len() >= 16);
    // Each vector needs a server of its own, because many share a signature, which can be used only once.
    std::thread::scope(|scope| {
        for mode in [Compatible, Secure] {
            for skew in ["0s", "10m"] {
                scope.spawn(move || {
                    for vector in negatives {
                        let text = |name: &str| vector[name].as_str().unwrap_or_default();
                        // The account has the vector's Token, so that the outer signature is right.
                        let console = Console::new(mode)
                            .token(text("token"))
                            .key(text("encoding_aes_key"))
                            .app_id(text("appid"));
                        let account = console
                            .setup()
                            .set("server.max_clock_skew", &format!("\"{skew}\""))
                            .start();
                        let readable = sample("crypto/inbound_plain.xml");
                        let body = match mode {
                            Plain | Secure => alone(&readable, text("encrypt")),
                            Compatible => {
                                let encrypt =
                                    format!("<Encrypt>{}</Encrypt></xml>", text("encrypt"));
                                readable.replace("</xml>", &encrypt)
                            }
                        };
                        let (timestamp, nonce) = (text("timestamp"), text("nonce"));
                        let signature = signature(&[text("token"), timestamp, nonce]);
                        let delivery = Delivery::signed(text("token"), body.into())
                            .with("signature", &signature)
                            .with("timestamp", timestamp)
                            .with("nonce", nonce)
                            .with("encrypt_type", "aes");
                        let delivery = match vector["msg_signature"].as_str() {
                            Some(msg_signature) => delivery.with("msg_signature", msg_signature),
                            None => delivery,
                        };
                        let what = format!("{} in mode {}", text("name"), mode.name());
                        for delivery in [delivery.clone(), delivery.without("signature")] {
                            is_turned_away(&account.send(&delivery.request()), &what);
                        }
                        has_no_trace(&account);
                    }
                });
            }
        }
    });
}

/// What happens to a push.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Accepted, with an encrypted or a plain reply.
    Answered { encrypted: bool },
    /// 403.
    Refused,
}

#[test]
fn the_configuration_decides_what_is_accepted_never_the_request() {
    use Outcome::{Answered, Refused};
    let sealed = Answered { encrypted: true };
    let open = Answered { encrypted: false };
    type Make = fn(&Push) -> Delivery;
    /// A description, how the push is made, and the outcome in the modes plain, compatible and secure.
    type Row = (&'static str, Make, [Outcome; 3]);
    fn as_in(mode: Mode, push: &Push) -> Delivery {
        Console::new(mode).deliver(push)
    }
    let table: [Row; 22] = [
        ("plain", |p| as_in(Plain, p), [open, open, Refused]),
        (
            "plain, said to be raw",
            |p| as_in(Plain, p).with("encrypt_type", "raw"),
            [open, open, Refused],
        ),
        (
            "plain, said to be RAW",
            |p| as_in(Plain, p).with("encrypt_type", "RAW"),
            [open, open, Refused],
        ),
        (
            "plain, said to be nothing",
            |p| as_in(Plain, p).with("encrypt_type", ""),
            [open, open, Refused],
        ),
        (
            "plain, said to be raw, with a msg_signature that means nothing",
            |p| {
                as_in(Plain, p)
                    .with("encrypt_type", "raw")
                    .with("msg_signature", &"0".repeat(40))
            },
            [open, open, Refused],
        ),
        (
            "plain without a signature",
            |p| as_in(Plain, p).without("signature"),
            [Refused; 3],
        ),
        (
            "plain, said to be of an unknown encryption",
            |p| as_in(Plain, p).with("encrypt_type", "des"),
            [Refused; 3],
        ),
        (
            "readable, said to be aes",
            |p| as_in(Plain, p).with("encrypt_type", "aes"),
            [Refused; 3],
        ),
        (
            "readable, said to be aes, with a msg_signature",
            |p| {
                let readable = as_in(Plain, p);
                let nothing = [TOKEN, readable.get("timestamp"), readable.get("nonce"), ""];
                let msg_signature = signature(&nothing);
                let three = readable.get("signature").to_owned();
                readable
                    .with("encrypt_type", "aes")
                    .with("msg_signature", &msg_signature)
                    .with("signature", &three)
            },
            [Refused; 3],
        ),
        (
            "compatible",
            |p| as_in(Compatible, p),
            [Refused, sealed, sealed],
        ),
        ("secure", |p| as_in(Secure, p), [Refused, sealed, sealed]),
        (
            "secure, said to be AES",
            |p| as_in(Secure, p).with("encrypt_type", "AES"),
            [Refused, sealed, sealed],
        ),
        (
            "secure without the three-part signature",
            |p| as_in(Secure, p).without("signature"),
            [Refused, sealed, sealed],
        ),
        (
            "secure with a wrong three-part signature",
            |p| as_in(Secure, p).with("signature", &"0".repeat(40)),
            [Refused; 3],
        ),
        (
            "secure without msg_signature",
            |p| as_in(Secure, p).without("msg_signature"),
            [Refused; 3],
        ),
        (
            "secure with an empty msg_signature",
            |p| as_in(Secure, p).with("msg_signature", ""),
            [Refused; 3],
        ),
        (
            "secure with the three-part signature as msg_signature",
            |p| {
                let secure = as_in(Secure, p);
                let three = secure.get("signature").to_owned();
                secure.with("msg_signature", &three)
            },
            [Refused; 3],
        ),
        (
            "compatible without msg_signature",
            |p| as_in(Compatible, p).without("msg_signature"),
            [Refused; 3],
        ),
        (
            "secure under another key",
            |p| Console::new(Secure).key(OTHER_AES_KEY).deliver(p),
            [Refused; 3],
        ),
        (
            "secure for another AppID",
            |p| Console::new(Secure).app_id("wx00000000000000ff").deliver(p),
            [Refused; 3],
        ),
        (
            "secure under another Token",
            |p| Console::new(Secure).token("someOtherToken").deliver(p),
            [Refused; 3],
        ),
        (
            "secure with the ciphertext of another push",
            |p| {
                let secure = as_in(Secure, p);
                let other = as_in(Secure, &text("@other"));
                secure.body(other.text())
            },
            [Refused; 3],
        ),
    ];
    for (at, mode) in Mode::ALL.into_iter().enumerate() {
        let account = Console::new(mode).setup().start();
        let mut accepted = 0;
        for (what, make, outcomes) in &table {
            let push = text("hello");
            let delivery = make(&push);
            let answer = account.send(&delivery.request());
            let story = format!("{what}, in mode {}: {:?}", mode.name(), outcomes[at]);
            match outcomes[at] {
                Refused => {
                    answer.expect(answer.response.status == 403, &story);
                    answer.is_refused();
                }
                Answered { encrypted } => {
                    accepted += 1;
                    answer.expect(answer.response.status == 200, &story);
                    answer.expect(answer.body().contains("<Encrypt>") == encrypted, &story);
                    let secure = delivery.get("encrypt_type").eq_ignore_ascii_case("aes");
                    let delivery = if secure {
                        delivery.with("encrypt_type", "aes")
                    } else {
                        delivery
                    };
                    Console::new(Secure).read(&delivery, &answer).is_text(HELP);
                }
            }
            assert_eq!(account.store().count("messages"), accepted, "{story}");
        }
    }
}

#[test]
fn plain_mode_refuses_an_envelope_whatever_its_query_says() {
    let account = Account::start();
    let envelope = "<xml><ToUserName>gh_1</ToUserName><Encrypt>AAAA</Encrypt></xml>";
    account.post(&raw(envelope)).is_refused();
    account
        .log()
        .says("it is encrypted, and account.mode is plain");
    has_no_trace(&account);
}

#[test]
fn only_the_encrypted_part_is_trusted() {
    let account = Console::new(Compatible).setup().start();
    let console = Console::new(Compatible);
    let true_push = text("@true").from(&another_fan());
    let delivery = console.deliver(&true_push);
    let forged = delivery.text();
    let readable = forged.split("<Encrypt>").next().unwrap();
    for (from, to) in [
        ("@true", "forged"),
        ("[text]", "[event]"),
        ("<FromUserName>", "<FromUserName>oForger"),
    ] {
        assert!(readable.contains(from), "{forged}");
        let delivery = delivery.clone().body(forged.replacen(from, to, 1));
        let answer = account.send(&delivery.request());
        console.read(&delivery, &answer).is_text(THANKS);
    }
    account
        .store()
        .is("SELECT msg_type, content FROM messages", &["text|@true"]);
}

#[test]
fn calling_a_push_plain_does_not_bypass_its_encrypted_part() {
    // Otherwise anybody who saw one signed URL could rewrite the readable part, which no signature covers.
    let account = Console::new(Compatible).setup().start();
    let console = Console::new(Compatible);
    for hide in [
        (|d| Delivery::without(d, "encrypt_type")) as fn(Delivery) -> Delivery,
        |d| d.with("encrypt_type", "raw"),
        |d| d.without("encrypt_type").without("msg_signature"),
    ] {
        let delivery = console.deliver(&text("@true"));
        let forged = delivery.text().replacen("@true", "forged", 1);
        let delivery = hide(delivery.body(forged));
        let answer = account.send(&delivery.request());
        let status = answer.response.status;
        answer.expect(
            status == 403 || status == 200,
            "refused, or the encrypted part",
        );
        if status == 200 {
            let delivery = delivery.with("encrypt_type", "aes");
            console.read(&delivery, &answer).is_text(THANKS);
        }
    }
    account
        .store()
        .is("SELECT * FROM messages WHERE content = 'forged'", &[]);
}

#[test]
fn a_ciphertext_altered_anywhere_is_refused() {
    let account = Console::new(Secure).setup().start();
    let console = Console::new(Secure);
    let delivery = console.deliver(&text("hello"));
    let body = delivery.text();
    let start = body.find("<Encrypt><![CDATA[").unwrap() + "<Encrypt><![CDATA[".len();
    let end = body.find("]]></Encrypt>").unwrap();
    for at in (start..end).step_by(17) {
        let other = if body.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut altered = body.clone();
        altered.replace_range(at..=at, other);
        account
            .send(&delivery.clone().body(altered).request())
            .is_refused();
    }
    has_no_trace(&account);
    let answer = account.send(&delivery.request());
    console.read(&delivery, &answer).is_text(HELP);
}

#[test]
fn encrypted_and_signed_content_that_is_not_a_push_gets_400() {
    for mode in [Compatible, Secure] {
        let account = Console::new(mode).setup().start();
        let console = Console::new(Secure);
        for inner in [
            "",
            "hello",
            "<xml></xml>",
            "<xml",
            "{}",
            "<!DOCTYPE xml><xml/>",
        ] {
            let encrypt = console.encrypt(inner.as_bytes());
            let delivery = console.deliver_encrypted(&encrypt, alone("", &encrypt));
            let answer = account.send(&delivery.request());
            answer.expect(answer.response.status == 400, &format!("400 for {inner:?}"));
        }
        // An envelope inside an envelope is opened only once.
        let once = console.encrypt(&text("hello").body());
        let twice = console.encrypt(alone("", &once).as_bytes());
        let delivery = console.deliver_encrypted(&twice, alone("", &twice));
        account.send(&delivery.request()).is_status(400);
        has_no_trace(&account);
    }
}

#[test]
fn a_body_that_is_not_an_envelope_is_refused() {
    let account = Console::new(Secure).setup().start();
    let console = Console::new(Secure);
    let encrypt = console.encrypt(&text("hello").body());
    for body in [
        String::new(),
        "hello".into(),
        encrypt.clone(),
        "<xml></xml>".into(),
        "<xml><Encrypt></Encrypt></xml>".into(),
        "<xml><Encrypt><Encrypt>x</Encrypt></Encrypt></xml>".into(),
        format!("<xml><encrypt>{encrypt}</encrypt></xml>"),
        format!("<!DOCTYPE xml><xml><Encrypt>{encrypt}</Encrypt></xml>"),
        format!("<xml><Encrypt>{encrypt}"),
        format!("<xml><Encrypt>{}</Encrypt></xml>", "A".repeat(900_000)),
        "{}".into(),
        "{\"Encrypt\": 7}".into(),
        "{\"Encrypt\": [\"x\"]}".into(),
    ] {
        let what: String = body.chars().take(60).collect();
        let delivery = console.deliver_encrypted(&encrypt, body);
        is_turned_away(&account.send(&delivery.request()), &what);
    }
    has_no_trace(&account);
}

#[test]
fn the_echostr_is_readable_in_every_mode() {
    for mode in Mode::ALL {
        let account = Console::new(mode).setup().start();
        let target = format!("/wechat?{}&echostr=4375120948345356249", account.signed());
        account.get(&target).is(200, "4375120948345356249");
        let target = format!("{target}&encrypt_type=aes&msg_signature={}", "0".repeat(40));
        account.get(&target).is(200, "4375120948345356249");
        let msg_only = account.signed().replace("signature=", "msg_signature=");
        account
            .get(&format!("/wechat?{msg_only}&echostr=1"))
            .is_refused();
    }
}

#[test]
fn the_examples_of_the_official_documentation_are_accepted() {
    let vectors = json_sample("crypto/vectors.json");
    for vector in vectors["encryption"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        if text("direction") != "inbound" || !text("plaintext").contains("gh_") {
            continue;
        }
        let console = Console::new(Secure)
            .token(text("token"))
            .key(text("encoding_aes_key"))
            .app_id(text("appid"));
        let account = console
            .setup()
            .set("server.max_clock_skew", "\"0s\"")
            .start();
        let delivery = Delivery::signed(text("token"), Vec::new())
            .with("signature", text("signature"))
            .with("timestamp", text("timestamp"))
            .with("nonce", text("nonce"))
            .with("encrypt_type", "aes")
            .with("msg_signature", text("msg_signature"))
            .body(alone(text("plaintext"), text("encrypt")));
        let answer = account.send(&delivery.request());
        console.read(&delivery, &answer).is_status(200);
        let xml: String = account.store().one("SELECT xml FROM messages");
        assert_eq!(xml, text("plaintext"), "{}", text("name"));
    }
}

#[test]
fn simulate_uses_the_configured_mode_and_a_reload_changes_it() {
    let account = Console::new(Plain).setup().start();
    let port = account.url();
    for mode in [Plain, Secure, Compatible, Plain] {
        account.rewrite_config(|_| {
            let keys = Console::new(mode);
            let keys = keys.keys().into_iter();
            let keys: String = keys
                .map(|(key, value)| format!("{key} = \"{value}\"\n"))
                .collect();
            format!("server.listen = \"127.0.0.1:0\"\n{keys}{}", account::RULES)
        });
        account.reload();
        account.simulate(&["verify"]).ok().says("200");
        account.simulate(&["subscribe"]).ok().says(WELCOME);
        account.simulate(&["text", "hello"]).ok().says(HELP);
        account.simulate(&["text", "@more tea"]).ok().says(THANKS);
        account.simulate(&["image"]).ok().says("success");
        let id = format!("7700{}", mode.name().len());
        let once = account
            .simulate(&["text", "@again", "--msg-id", &id, "--json"])
            .json();
        let again = account
            .simulate(&["text", "@again", "--msg-id", &id, "--json"])
            .json();
        assert_eq!(once["reply"], again["reply"], "{}", mode.name());
        let body = once["body"].as_str().unwrap();
        assert_eq!(body.contains("<Encrypt>"), mode != Plain, "{body}");
        // Pushes of the other modes are no longer accepted.
        if mode == Secure {
            account.post(&text("hello")).is_refused();
        }
        if mode == Plain {
            let delivery = Console::new(Secure).deliver(&text("hello"));
            account.send(&delivery.request()).is_refused();
        }
        assert_eq!(account.url(), port, "the same server");
    }
}

#[test]
fn simulate_sends_both_parts_in_compatible_mode() {
    let account = Console::new(Compatible).setup().stopped();
    let (url, received) = http::receive_one();
    account.command(&["simulate", "text", "hello", "--url", &url]);
    let received = received.join().unwrap();
    for part in [
        "encrypt_type=aes",
        "msg_signature=",
        "<Content><![CDATA[hello]]></Content>",
        "<Encrypt>",
    ] {
        assert!(received.contains(part), "no {part} in\n{received}");
    }
    assert!(!received.contains(APP_ID), "{received}");
}
