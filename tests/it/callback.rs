//! One push, one answer: ordinary conversations, wrong signatures, and bodies that are not a push.

use crate::support::account::{HELP, THANKS, WELCOME};
use crate::support::*;

#[test]
fn a_person_subscribes_writes_and_unsubscribes() {
    let account = Account::start();
    let followed = subscribe();
    account.post(&followed).is_text(WELCOME);
    account
        .store()
        .is(
            "SELECT openid, subscribe_time, profile_at, profile_error FROM followers",
            &[&format!("{FAN}|{}|NULL|NULL", followed.created())],
        )
        .is(
            "SELECT openid, action, at, source FROM follow_log",
            &[&format!("{FAN}|subscribe|{}|push", followed.created())],
        );

    account.post(&text("hello")).is_text(HELP);
    account.post(&text("@more tea")).is_text(THANKS);

    let left = unsubscribe();
    account.post(&left).is_success();
    let store = account.store();
    store
        .is("SELECT openid FROM followers", &[])
        .is(
            "SELECT action, at FROM follow_log ORDER BY id",
            &[
                &format!("subscribe|{}", followed.created()),
                &format!("unsubscribe|{}", left.created()),
            ],
        )
        .is(
            "SELECT msg_type, event, rule FROM messages ORDER BY id",
            &[
                "event|subscribe|welcome",
                "text|NULL|help",
                "text|NULL|suggestion",
                "event|unsubscribe|NULL",
            ],
        );
}

#[test]
fn a_reply_is_addressed_from_the_account_to_the_sender() {
    let account = Account::start();
    let before = now();
    let answer = account.post(&text("hello"));
    let reply = answer.reply();
    answer.expect(reply.to == FAN, "ToUserName is the sender");
    answer.expect(reply.from == ACCOUNT, "FromUserName is the account");
    let created: i64 = reply.created.parse().unwrap_or_default();
    answer.expect(
        (before..=now()).contains(&created),
        "CreateTime is the time of the answer, in bare digits",
    );
    answer.expect(
        !answer.body().contains("<?xml"),
        "no XML declaration: the official examples have none",
    );
    for name in ["ToUserName", "FromUserName", "MsgType", "Content"] {
        let open = format!("<{name}><![CDATA[");
        answer.expect(answer.body().contains(&open), &format!("{name} in CDATA"));
    }
}

#[test]
fn the_stored_row_holds_the_push_and_its_reply() {
    let account = Account::start();
    let push = text("hello");
    let before = now();
    let answer = account.post(&push);
    let store = account.store();
    let body = String::from_utf8(push.body()).unwrap();
    assert_eq!(store.one::<String>("SELECT xml FROM messages"), body);
    assert_eq!(
        store.one::<String>("SELECT reply FROM messages"),
        answer.body()
    );
    assert_eq!(
        store.one::<i64>("SELECT created_at FROM messages"),
        push.created()
    );
    let received: i64 = store.one("SELECT received_at FROM messages");
    assert!(
        (before..=now()).contains(&received),
        "received_at {received}"
    );
    account.post(&unknown_message("hologram")).is_success();
    store.is(
        "SELECT reply FROM messages WHERE msg_type = 'hologram'",
        &["NULL"],
    );
}

#[test]
fn a_push_that_no_rule_matches_is_acknowledged_and_recorded() {
    let account = Account::with_rules("");
    for push in [
        text("hello"),
        subscribe(),
        unsubscribe(),
        image(),
        click("K"),
    ] {
        account.post(&push).is_success();
    }
    account.store().is(
        "SELECT count(*), count(rule), count(reply) FROM messages",
        &["5|0|0"],
    );
}

#[test]
fn unknown_messages_and_events_are_recorded_and_acknowledged() {
    let account = Account::start();
    account.post(&unknown_message("hologram")).is_success();
    account
        .post(&event("Teleported").key("somewhere"))
        .is_success();
    account
        .post(&event("user_get_card").element("CardId", "p1"))
        .is_success();
    account.store().is(
        "SELECT msg_type, event, event_key, msg_id IS NOT NULL FROM messages ORDER BY id",
        &[
            "hologram|NULL|NULL|1",
            "event|Teleported|somewhere|0",
            "event|user_get_card|NULL|0",
        ],
    );
}

#[test]
fn a_rule_for_any_answers_unknown_kinds() {
    let account = Account::with_rules(
        "[[rule]]\nmessage = \"any\"\ntext = \"some message\"\n[[rule]]\nevent = \"any\"\ntext = \"some event\"\n",
    );
    account
        .post(&unknown_message("hologram"))
        .is_text("some message");
    account.post(&event("Teleported")).is_text("some event");
}

#[test]
fn a_push_without_a_valid_signature_is_refused_and_leaves_no_trace() {
    let account = Account::start();
    // The server notes in the background where it listens.
    let settings =
        "SELECT * FROM settings WHERE name NOT IN ('listening', 'started_at') ORDER BY name";
    let before = account.store().rows(settings);
    let (stamp, nonce) = (now().to_string(), nonce());
    let good = signed_query(TOKEN, &stamp, &nonce);
    let signature = good["signature=".len()..][..40].to_owned();
    let other = signed_query(TOKEN, &stamp, "1");
    let rest = format!("timestamp={stamp}&nonce={nonce}");
    let encrypted = crate::support::signature(&[TOKEN, &stamp, &nonce, "AAAA"]);
    let queries = [
        ("no query", String::new()),
        ("only openid", format!("openid={FAN}")),
        ("no signature", rest.clone()),
        ("an empty signature", format!("signature=&{rest}")),
        ("zeros", format!("signature={}&{rest}", "0".repeat(40))),
        ("cut", format!("signature={}&{rest}", &signature[..39])),
        ("one digit more", format!("signature={signature}0&{rest}")),
        (
            "upper case",
            format!("signature={}&{rest}", signature.to_uppercase()),
        ),
        ("spaces", format!("signature=%20{signature}&{rest}")),
        ("another push's", format!("{}&{rest}", &other[..50])),
        (
            "another time",
            format!(
                "signature={signature}&timestamp={}&nonce={nonce}",
                now() + 1
            ),
        ),
        (
            "another nonce",
            format!("signature={signature}&timestamp={stamp}&nonce=2"),
        ),
        ("no time", format!("signature={signature}&nonce={nonce}")),
        (
            "no nonce",
            format!("signature={signature}&timestamp={stamp}"),
        ),
        (
            "of another token",
            signed_query("someOtherToken", &stamp, &nonce),
        ),
        ("of the empty token", signed_query("", &stamp, &nonce)),
        (
            "of the token in another case",
            signed_query(&TOKEN.to_uppercase(), &stamp, &nonce),
        ),
        (
            "stale",
            signed_query(TOKEN, &(now() - 660).to_string(), &nonce),
        ),
        ("years old", signed_query(TOKEN, "1409735669", &nonce)),
        (
            "from the future",
            signed_query(TOKEN, &(now() + 660).to_string(), &nonce),
        ),
        ("a time in words", signed_query(TOKEN, "today", &nonce)),
        ("an empty time", signed_query(TOKEN, "", &nonce)),
        (
            "a time beyond 64 bits",
            signed_query(TOKEN, "18446744073709551617", &nonce),
        ),
        ("two signatures", format!("{good}&signature={signature}")),
        ("two times", format!("{good}&timestamp={stamp}")),
        ("two nonces", format!("{good}&nonce={nonce}")),
        ("only a msg_signature", format!("msg_{good}")),
        (
            "encrypted, which this account is not",
            format!("{good}&encrypt_type=aes&msg_signature={encrypted}"),
        ),
        (
            "encrypted in capitals",
            format!("{good}&encrypt_type=AES&msg_signature={encrypted}"),
        ),
    ];
    for (what, query) in &queries {
        for push in [text("hello"), subscribe(), unsubscribe()] {
            let request = Request::new("POST", &format!("/wechat?{query}")).body(push.body());
            let answer = account.send(&request);
            answer.expect(answer.response.status == 403, &format!("403 for: {what}"));
            answer.is_refused();
        }
    }
    // A signature counts only in the query.
    let form = Request::new("POST", "/wechat")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(good.clone());
    account.send(&form).is_refused();
    let header = Request::new("POST", "/wechat")
        .header("X-Signature", &signature)
        .header("Cookie", &good.replace('&', "; "))
        .body(text("hello").body());
    account.send(&header).is_refused();

    let store = account.store();
    for table in ["followers", "follow_log", "messages", "tokens"] {
        store.is(&format!("SELECT * FROM {table}"), &[]);
    }
    assert_eq!(store.rows(settings), before, "settings changed");
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn the_body_of_an_unsigned_request_is_not_parsed() {
    let account = Account::start();
    for body in ["", "<xml", "<!DOCTYPE xml>", "not xml at all"] {
        let request = Request::new("POST", "/wechat?signature=no").body(body);
        account.send(&request).is_refused();
    }
}

#[test]
fn encrypt_type_raw_means_a_plain_push() {
    let account = Account::start();
    account
        .post(&text("hello").query("&encrypt_type=raw"))
        .is_text(HELP);
    let odd = "&encrypt_type=raw&msg_signature=0123456789012345678901234567890123456789";
    account.post(&text("hello").query(odd)).is_text(HELP);
}

#[test]
fn openid_in_the_query_is_optional_and_the_body_decides() {
    let account = Account::start();
    let push = text("hello");
    let target = format!("/wechat?{}", account.signed());
    let request = Request::new("POST", &target).body(push.body());
    account.send(&request).is_text(HELP);
    let target = format!("/wechat?{}&openid=oSomebodyElse", account.signed());
    let request = Request::new("POST", &target).body(text("again").body());
    account.send(&request).is_text(HELP);
    account
        .store()
        .is("SELECT DISTINCT openid FROM messages", &[FAN]);
}

#[test]
fn a_signed_body_that_is_not_a_push_gets_400_and_leaves_no_trace() {
    let account = Account::start();
    let deep = format!("<xml>{}{}</xml>", "<a>".repeat(20), "</a>".repeat(20));
    let abyss = format!(
        "<xml>{}{}</xml>",
        "<a>".repeat(60_000),
        "</a>".repeat(60_000)
    );
    let unclosed_abyss = format!("<xml>{}", "<a>".repeat(200_000));
    let entities = "<!DOCTYPE lolz [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><xml><ToUserName>&b;</ToUserName></xml>";
    let file = "<!DOCTYPE xml [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><xml><Content>&f;</Content></xml>";
    let whole = String::from_utf8(text("hello").body()).unwrap();
    let with_doctype = format!("<!DOCTYPE xml>{whole}");
    let lower_doctype = format!("<!doctype xml>{whole}");
    let late_doctype = whole.replace("<MsgType>", "<!DOCTYPE a><MsgType>");
    let instruction = whole.replace("<MsgType>", "<?php echo 1 ?><MsgType>");
    let many = format!("<xml>{}</xml>", "<a/>".repeat(100_000));
    let attributes: String = (0..5000).map(|n| format!(" a{n}=\"x\"")).collect();
    let namespaces: String = (0..2000).map(|n| format!(" xmlns:n{n}=\"x{n}\"")).collect();
    let cases = [
        ("empty", String::new()),
        ("white space", " \r\n\t ".into()),
        ("words", "hello".into()),
        ("a form", "a=1&b=2".into()),
        ("HTML", "<!DOCTYPE html><html><body>hi</body></html>".into()),
        (
            "another root",
            whole.replace("<xml>", "<yml>").replace("</xml>", "</yml>"),
        ),
        ("cut in the middle", whole[..whole.len() / 2].into()),
        (
            "cut before the end",
            whole.trim_end_matches("</xml>").into(),
        ),
        ("two documents", format!("{whole}{whole}")),
        ("something after the end", format!("{whole}trailing")),
        ("an empty document", "<xml></xml>".into()),
        ("no sender", whole.replace("FromUserName", "Nobody")),
        ("an empty sender", whole.replace(FAN, "")),
        ("no type", whole.replace("MsgType", "Type")),
        ("an empty type", whole.replace("[text]", "[]")),
        ("crossed elements", "<xml><a><b></a></b></xml>".into()),
        (
            "an unknown entity",
            whole.replace("<![CDATA[hello]]>", "&hello;"),
        ),
        ("a DOCTYPE", with_doctype),
        ("a DOCTYPE in lower case", lower_doctype),
        ("a DOCTYPE inside", late_doctype),
        ("a processing instruction", instruction),
        ("entities", entities.into()),
        ("an external entity", file.into()),
        ("too deep", deep),
        ("far too deep", abyss),
        ("far too deep and open", unclosed_abyss),
        ("too many elements", many),
        ("too many attributes", format!("<xml{attributes}></xml>")),
        ("too many namespaces", format!("<xml{namespaces}></xml>")),
    ];
    for (what, body) in cases {
        let answer = account.post(&raw(body));
        let status = answer.response.status;
        assert!(
            status == 400,
            "{what}: {status} instead of 400\n{}",
            account.log()
        );
    }
    let answer = account.post(&raw(
        b"<xml><ToUserName>\xff\xfe\x80</ToUserName></xml>".to_vec()
    ));
    answer.is_status(400);
    let store = account.store();
    for table in ["followers", "follow_log", "messages"] {
        store.is(&format!("SELECT * FROM {table}"), &[]);
    }
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn the_sender_of_a_bad_body_gets_no_explanation() {
    let account = Account::start();
    let answer = account.post(&raw("<xml><a></b></xml>"));
    answer.is_status(400);
    answer.expect(answer.body().len() < 100, "a short fixed text");
    answer.expect(!answer.body().contains("</b>"), "nothing of the request");
}

#[test]
fn bodies_are_read_in_every_form_that_xml_allows() {
    let account = Account::start();
    let whole = |created: i64, id: &str| {
        format!(
            "<xml><ToUserName><![CDATA[{ACCOUNT}]]></ToUserName><FromUserName><![CDATA[{FAN}]]></FromUserName><CreateTime>{created}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hello]]></Content><MsgId>{id}</MsgId></xml>"
        )
    };
    let time = now();
    let bodies = [
        ("on one line", whole(time, "801")),
        (
            "a byte order mark",
            format!("\u{feff}{}", whole(time, "802")),
        ),
        (
            "a declaration",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
                whole(time, "803")
            ),
        ),
        (
            "white space around",
            format!("\r\n\r\n {} \r\n\r\n", whole(time, "804")),
        ),
        (
            "no CDATA",
            whole(time, "805")
                .replace("<![CDATA[", "")
                .replace("]]>", ""),
        ),
        (
            "CDATA for numbers",
            whole(time, "806").replace("806", "<![CDATA[806]]>"),
        ),
        (
            "white space around CDATA",
            whole(time, "807")
                .replace("><![CDATA[", ">\n  <![CDATA[")
                .replace("]]></", "]]>\n  </"),
        ),
        (
            "unknown elements",
            whole(time, "808").replace(
                "<MsgId>",
                "<New><Deep a=\"1\">x</Deep></New><Empty/><MsgId>",
            ),
        ),
        (
            "a comment",
            whole(time, "809").replace("<MsgId>", "<!-- a note --><MsgId>"),
        ),
        (
            "an attribute",
            whole(time, "810").replace("<MsgId>", "<MsgId type=\"u64\">"),
        ),
        (
            "MsgType in capitals",
            whole(time, "811").replace("[text]", "[TEXT]"),
        ),
        (
            "line ends of Windows",
            whole(time, "812").replace("><", ">\r\n<"),
        ),
    ];
    let count = bodies.len();
    for (what, body) in bodies {
        // White space inside Content belongs to it; the rule matches any text.
        let answer = account.post(&raw(body));
        let reply = answer.reply();
        answer.expect(
            reply.content == HELP,
            &format!("the explanation, for: {what}"),
        );
    }
    let store = account.store();
    assert_eq!(store.count("messages"), i64::try_from(count).unwrap());
    store.is("SELECT DISTINCT openid FROM messages", &[FAN]);
}
