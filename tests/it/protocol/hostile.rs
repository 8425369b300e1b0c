//! Strange, broken and malicious bodies.

use std::time::Duration;

use proptest::prelude::*;
use wechatd::wechat::{Body, Envelope, Format, ParseError, Push, text};

use super::*;
use crate::support::process::worked;

#[test]
fn a_push_with_strange_values_is_still_read() {
    // A value of another shape than documented is left out; the others count.
    let push = message_push(
        "text",
        "<Content><b>x</b></Content><bizmsgmenuid>7</bizmsgmenuid>",
    );
    let Body::Message(message) = &push.body else {
        panic!("{push:?}")
    };
    assert_eq!(
        (push.subject(), message.text("bizmsgmenuid")),
        ("", Some("7"))
    );
    let strange = "<EventKey>qrscene_1</EventKey><Ticket><a/></Ticket>";
    assert_eq!(event_push("subscribe", strange).scene(), Some("1"));
    let strange = "<OpenID>oB</OpenID><UnionID><a/></UnionID><RevokeInfo><item/></RevokeInfo>";
    let push = event_push("user_authorization_revoke", strange);
    assert_eq!(push.authorization_openid(), Some("oB"));
    assert_eq!(event_push("", "").event(), None);
    assert!(event_push("", "").may_be_answered());
    // A control character that XML forbids.
    assert_eq!(
        message_push("text", "<Content><![CDATA[a\u{8}b\u{0}]]></Content>").subject(),
        "ab"
    );
    let json = "{\"ToUserName\":\"g\",\"FromUserName\":\"o\",\"CreateTime\":\" 7 \",\"MsgType\":\"text\",\
                \"Content\":\"a\nb\\\"\\\tc\",\"MsgId\":null,\"Extra\":[1,[true]]}";
    assert_eq!(parse(json).subject(), "a\nb\"\\\tc");
    assert_eq!(parse(json).msg_id(), None);
    // The end of a CDATA section inside a message, split as it should be.
    assert_eq!(
        message_push("text", "<Content><![CDATA[a]]]]><![CDATA[>b]]></Content>").subject(),
        "a]]>b"
    );
}

#[test]
fn a_body_that_is_not_a_push_is_refused_with_the_reason() {
    let push = |head: &str| {
        format!("<xml><ToUserName>g</ToUserName><FromUserName>o</FromUserName>{head}</xml>")
    };
    assert_eq!(error(""), ParseError::Empty);
    assert_eq!(error("\u{feff} \n"), ParseError::Empty);
    assert_eq!(error("hello"), ParseError::UnknownFormat);
    assert_eq!(error("[{}]"), ParseError::UnknownFormat);
    assert_eq!(Push::parse(b"<xml>\xff</xml>"), Err(ParseError::NotUtf8(5)));
    assert_eq!(error("{}"), ParseError::Missing("ToUserName"));
    assert_eq!(error("<xml/>"), ParseError::Missing("ToUserName"));
    assert_eq!(
        error("<xml><ToUserName>g</ToUserName></xml>"),
        ParseError::Missing("FromUserName")
    );
    assert_eq!(
        error(&push("<MsgType>text</MsgType>")),
        ParseError::Missing("CreateTime")
    );
    assert_eq!(
        error(&push("<CreateTime>7</CreateTime>")),
        ParseError::Missing("MsgType")
    );
    assert_eq!(
        error(&push(
            "<CreateTime>soon</CreateTime><MsgType>text</MsgType>"
        )),
        ParseError::CreateTime
    );
    assert_eq!(
        error("{\"ToUserName\":}"),
        ParseError::Malformed(Format::Json, "1:15".to_owned())
    );
    assert!(
        matches!(error("<xml>\n<a></b></xml>"), ParseError::Malformed(Format::Xml, at) if at.starts_with("2:"))
    );
    assert!(matches!(
        error("<html></html>"),
        ParseError::Refused(Format::Xml, _)
    ));
    assert!(matches!(
        error("<xml></xml><xml></xml>"),
        ParseError::Malformed(Format::Xml, _)
    ));
    for hostile in [
        "<!DOCTYPE xml><xml/>",
        "<?xml version='1.0'?><!DOCTYPE xml [<!ENTITY a 'b'>]><xml>&a;</xml>",
        "<xml><!ELEMENT a></xml>",
        "<?xml-stylesheet href='x'?><xml/>",
        "<xml><?php ?></xml>",
        "<?xml version='1.0'?><?xml version='1.0'?><xml/>",
        "<xml><a b='<!DOCTYPE'/></xml>",
        "<xml><![CDATA[",
        "<xml><!-- ",
        "<xml a='",
        "<!-- only this -->",
    ] {
        assert!(
            matches!(error(hostile), ParseError::Refused(Format::Xml, _)),
            "{hostile}: {}",
            error(hostile)
        );
    }
    // No error quotes the body.
    for body in [
        "<xml><Content>secret&secret;</Content></xml>",
        "<xml><secret></wrong></xml>",
        "{\"secret\":secret}",
    ] {
        assert!(
            !error(body).to_string().contains("secret"),
            "{}",
            error(body)
        );
    }
}

#[test]
fn hostile_bodies_are_refused_quickly() {
    let wrap = |inside: &str| format!("<xml>{inside}</xml>");
    let mega = 1 << 20;
    let bodies = [
        wrap(&"<a>".repeat(100_000)),
        wrap(&("<a>".repeat(100_000) + &"</a>".repeat(100_000))),
        wrap(&"<a/>".repeat(200_000)),
        wrap(&"<a b='".repeat(150_000)),
        format!(
            "<!DOCTYPE xml [{}]>{}",
            "<!ENTITY a 'aaaaaaaa'>".repeat(40_000),
            wrap(&"&a;".repeat(10_000))
        ),
        wrap(&format!(
            "<a {}/>",
            (0..40_000)
                .map(|n| format!("xmlns:n{n}='u' "))
                .collect::<String>()
        )),
        wrap(&"&lt;".repeat(mega / 4)),
        wrap(&"&a;".repeat(mega / 3)),
        wrap(&"]".repeat(mega)),
        wrap(&"<![CDATA[]]>".repeat(mega / 12)),
        wrap(&"<!---->".repeat(mega / 7)),
        wrap(&format!("<{0}></{0}>", "n".repeat(mega / 2))),
        "<".repeat(mega),
        "{\"a\":".repeat(100_000),
        format!("{{\"a\":{}", "[".repeat(100_000)),
        format!("{{\"a\":[{}0]}}", "0,".repeat(500_000)),
        format!("{{\"a\":\"{}\"}}", "\u{1}".repeat(mega)),
    ];
    for body in bodies {
        let before = worked();
        let result = Push::parse(body.as_bytes());
        let took = worked() - before;
        assert!(result.is_err());
        // Generous for a debug build; quadratic or worse would take minutes.
        assert!(
            took < Duration::from_secs(10),
            "{took:?}: {}…",
            body.get(..40).unwrap()
        );
    }
}

#[test]
fn every_kind_of_node_counts_towards_the_limit() {
    let with = |inside: &str| {
        let more = format!("<Content>{inside}</Content><MsgId>42</MsgId>");
        format!(
            "<xml><ToUserName>g</ToUserName><FromUserName>o</FromUserName><CreateTime>7</CreateTime>\
             <MsgType>text</MsgType>{more}</xml>"
        )
    };
    let mega = 1 << 20;
    for flood in [
        "<![CDATA[x]]>a",
        "<![CDATA[x]]>",
        "<![CDATA[]]> ",
        "<!-- x -->a",
        "<!---->",
        "a<b/>",
    ] {
        let body = with(&flood.repeat(mega / flood.len() - 200));
        let refused = Push::parse(body.as_bytes());
        assert!(
            matches!(refused, Err(ParseError::Refused(Format::Xml, why)) if why.contains("16384 nodes") || why.contains("4096 elements")),
            "{flood}: {refused:?}"
        );
        assert!(
            Push::parse(with(&flood.repeat(1000)).as_bytes()).is_ok(),
            "{flood}"
        );
    }
    let many = "\n  <a><![CDATA[x]]></a>".repeat(4000);
    assert!(Push::parse(with(&many).as_bytes()).is_ok());
}

/// A sample with a few bytes removed, inserted, doubled or replaced from another sample.
fn mutated_sample() -> impl Strategy<Value = Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for (_, xml, sample) in inbound() {
        bodies.push(xml.into_bytes());
        bodies.push(json_push(&sample, true).into_bytes());
    }
    for name in ["inbound_secure.xml", "inbound_compatible.xml"] {
        bodies.push(read(&format!("crypto/{name}")).into_bytes());
    }
    let position = || any::<prop::sample::Index>();
    let fragments: &[&[u8]] = &[
        b"<",
        b">",
        b"&",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"</",
        b"/>",
        b"<?xml ?>",
        b"<!D",
        b"'",
        b"\"",
        b"=",
        b"&#x1F600;",
        b"&#0;",
        b":",
        b"\xff",
        b"\0",
        b"\\",
        b"{",
        b"[",
        b",",
        b"<item>",
        b"<xml>",
        b"</xml>",
    ];
    let change = (
        0..4_u8,
        position(),
        position(),
        prop::sample::select(fragments),
    );
    (
        prop::sample::select(bodies.clone()),
        prop::sample::select(bodies),
        prop::collection::vec(change, 1..6),
    )
        .prop_map(|(mut body, other, changes)| {
            for (kind, at, length, fragment) in changes {
                let at = at.index(body.len() + 1);
                let end = at + length.index(body.len() - at + 1).min(40);
                match kind {
                    0 => drop(body.splice(at..end, [])),
                    1 => drop(body.splice(at..at, fragment.iter().copied())),
                    2 => {
                        let doubled = body[at..end].to_vec();
                        drop(body.splice(at..at, doubled));
                    }
                    _ => {
                        let from = at.min(other.len());
                        let piece = other[from..(from + end - at).min(other.len())].to_vec();
                        drop(body.splice(at..end, piece));
                    }
                }
            }
            body
        })
}

fn read_everything(body: &[u8]) {
    if let Ok(push) = Push::parse(body) {
        // Every push that was read has a key, and none of its methods panics.
        assert!(push.dedup_key().contains('|'));
        let _ = (
            push.subject(),
            push.scene(),
            push.may_be_answered(),
            push.may_be_transferred(),
        );
        let _ = (push.msg_id(), push.event_key(), push.authorization_openid());
    }
    let _ = Envelope::parse(body);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&body);
    }

    #[test]
    fn no_markup_makes_the_parser_panic(
        parts in prop::collection::vec(prop_oneof![
            Just("<xml>"), Just("</xml>"), Just("<a>"), Just("</a>"), Just("<a/>"), Just("<![CDATA["), Just("]]>"),
            Just("<!--"), Just("-->"), Just("&lt;"), Just("&"), Just(";"), Just("x"), Just(" "), Just("\n"), Just("]"),
            Just("]]"), Just("-"), Just("<a b='"), Just("'"), Just("\""), Just("/>"), Just(">"), Just("="), Just("<"),
            Just("?>"), Just("/"), Just("\u{7f}"), Just("😀"), Just("xmlns:a='b'"), Just("<a:b>"),
        ], 0..40)
    ) {
        read_everything(format!("<xml>{}</xml>", parts.concat()).as_bytes());
        read_everything(parts.concat().as_bytes());
    }

    #[test]
    fn no_broken_sample_makes_the_parser_panic(body in mutated_sample()) {
        read_everything(&body);
    }

    #[test]
    fn a_text_push_can_carry_any_text(content in "\\PC*|[\\r\\n\\t \\]>&<'\"]{0,20}|.{0,30}") {
        let mut xml = "<xml><ToUserName>g</ToUserName><FromUserName>o</FromUserName><CreateTime>1</CreateTime>\
                       <MsgType>text</MsgType>".to_owned();
        text::push_element(&mut xml, "Content", &content);
        xml.push_str("</xml>");
        let push = parse(&xml);
        prop_assert_eq!(push.subject(), read_back(&content));
    }
}
