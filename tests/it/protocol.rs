//! The protocol against the samples: every push, reply, signature and encryption, and hostile bodies.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wechatd::wechat::{
    AesKey, Article, Body, Envelope, EventKind, Format, MAX_TEXT_BYTES, MessageKind, ParseError,
    Push, Reply, cut_text, event, event_may_be_answered, message, open, seal, sealed_reply, sign,
    text, verify,
};
use xmltree::{Element, XMLNode};

fn samples() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples")).to_owned()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(samples().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn read_json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// The samples of `inbound`: name, XML, expected parse.
fn inbound() -> Vec<(String, String, Value)> {
    let mut samples: Vec<_> = std::fs::read_dir(samples().join("inbound"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let xml = read(&format!("inbound/{name}.xml"));
            let expected = read_json(&format!("inbound/{name}.json"));
            (name, xml, expected)
        })
        .collect();
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    samples
}

fn parse(body: &str) -> Push {
    Push::parse(body.as_bytes()).unwrap_or_else(|e| panic!("{e}:\n{body}"))
}

fn error(body: &str) -> ParseError {
    Push::parse(body.as_bytes()).expect_err(body)
}

/// A push in the form of the samples' `.json` files.
fn sample_form(push: &Push) -> Value {
    let (kind, fields) = match &push.body {
        Body::Message(message) => {
            let mut fields = serde_json::to_value(&message.content).unwrap();
            if let Some(article) = &message.article {
                fields["MsgDataId"] = json!(article.msg_data_id);
                fields["Idx"] = json!(article.idx);
            }
            ("message", fields)
        }
        Body::Event(event) => {
            let mut fields = serde_json::to_value(&event.content).unwrap();
            fields["EventKey"] = json!(event.key);
            fields["MsgID"] = json!(event.msg_id);
            ("event", fields)
        }
    };
    let msg_id = push.msg_id().filter(|_| kind == "message");
    json!({
        "kind": kind, "to_user": push.to_user, "from_user": push.from_user, "create_time": push.create_time,
        "msg_type": push.msg_type(), "event": push.event(), "msg_id": msg_id, "fields": fields,
    })
}

/// Without values that say nothing, and with numbers as text.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Array(list) => list.iter().map(comparable).collect(),
        Value::Object(object) => {
            let says_something = |value: &Value| {
                !matches!(value, Value::Null)
                    && value != &json!("")
                    && value != &json!({})
                    && value != &json!([])
            };
            let object = object
                .iter()
                .map(|(name, value)| (name.clone(), comparable(value)));
            Value::Object(object.filter(|(_, value)| says_something(value)).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn every_sample_is_read_completely() {
    let samples = inbound();
    assert!(samples.len() >= 75, "{}", samples.len());
    for (name, xml, mut expected) in samples {
        let expected = expected.as_object_mut().unwrap();
        expected.remove("file");
        expected.remove("note");
        let expected = comparable(&Value::Object(expected.clone()));
        assert_eq!(comparable(&sample_form(&parse(&xml))), expected, "{name}");
    }
}

#[test]
fn every_kind_has_a_sample_and_every_sample_of_a_known_kind_is_typed() {
    let pushes: Vec<Push> = inbound().iter().map(|(_, xml, _)| parse(xml)).collect();
    // Not to be had: the platform's documentation of devices is gone, the second name is one library's.
    let without_sample = [
        "device_text",
        "device_event",
        "device_status",
        "hardware",
        "FREEPUBLISHJOBFINISH",
    ];
    let known = |name: &str, names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    let typed_events: Vec<&str> = event::TYPED_EVENTS.iter().map(|(name, _)| *name).collect();
    for push in &pushes {
        match &push.body {
            Body::Message(message) => {
                let typed = !matches!(message.content, MessageKind::Other(_));
                assert_eq!(
                    typed,
                    known(push.msg_type(), message::MESSAGE_TYPES),
                    "{push:?}"
                );
            }
            Body::Event(event) => {
                let typed = !matches!(event.content, EventKind::Other(_));
                assert_eq!(typed, known(&event.name, &typed_events), "{push:?}");
            }
        }
    }
    for name in message::MESSAGE_TYPES
        .iter()
        .filter(|name| !without_sample.contains(name))
    {
        assert!(
            pushes.iter().any(|push| push.msg_type() == *name),
            "no sample of {name}"
        );
    }
    for (name, _) in event::TYPED_EVENTS
        .iter()
        .filter(|(name, _)| !without_sample.contains(name))
    {
        assert!(
            pushes.iter().any(|push| push.event() == Some(name)),
            "no sample of {name}"
        );
    }
}

/// How [`write`] writes a document.
#[derive(Clone, Copy, Default)]
struct Style {
    bare: bool,
    split_cdata: bool,
    padded: bool,
    reversed: bool,
    prolog: &'static str,
    line_break: &'static str,
}

const VERBATIM: [&str; 6] = [
    "Content",
    "Recognition",
    "Title",
    "Description",
    "Label",
    "Poiname",
];

fn write(element: &Element, style: Style, out: &mut String) {
    let children: Vec<&Element> = element
        .children
        .iter()
        .filter_map(XMLNode::as_element)
        .collect();
    write!(out, "<{}>", element.name).unwrap();
    if children.is_empty() {
        let value = element.get_text().unwrap_or_default();
        let pad = if style.padded { "\n\t " } else { "" };
        let escaped = value
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&#x3e;");
        if style.bare && VERBATIM.contains(&element.name.as_str()) {
            out.push_str(&escaped);
        } else if style.bare {
            write!(out, "{pad}{escaped}{pad}").unwrap();
        } else if style.split_cdata && value.is_char_boundary(1) && value.len() > 1 {
            let (head, tail) = value.split_at(1);
            write!(
                out,
                "{pad}<![CDATA[{head}]]>{pad}<!-- <x> --><![CDATA[{tail}]]>{pad}"
            )
            .unwrap();
        } else {
            write!(out, "{pad}<![CDATA[{value}]]>{pad}").unwrap();
        }
    } else {
        let mut children = children;
        if style.reversed {
            // Stable: repeated elements keep their order.
            children.sort_by(|a, b| b.name.cmp(&a.name));
        }
        for child in children {
            out.push_str(style.line_break);
            write(child, style, out);
        }
        out.push_str(style.line_break);
    }
    write!(out, "</{}>", element.name).unwrap();
}

fn rewritten(xml: &str, style: Style) -> String {
    let mut out = style.prolog.to_owned();
    write(&Element::parse(xml.as_bytes()).unwrap(), style, &mut out);
    out.push_str(style.line_break);
    out
}

#[test]
fn every_sample_reads_the_same_in_any_layout() {
    let plain = Style::default();
    let styles = [
        plain,
        Style {
            bare: true,
            ..plain
        },
        Style {
            bare: true,
            padded: true,
            line_break: "\r\n",
            ..plain
        },
        Style {
            padded: true,
            line_break: "\n\n    ",
            ..plain
        },
        Style {
            split_cdata: true,
            padded: true,
            ..plain
        },
        Style {
            reversed: true,
            line_break: "\t",
            ..plain
        },
        Style {
            prolog: "\u{feff}",
            ..plain
        },
        Style {
            prolog: "\u{feff}\r\n  <?xml version=\"1.0\" encoding=\"GBK\" standalone='yes'?>\n",
            ..plain
        },
        Style {
            prolog: "<!-- <!DOCTYPE x> -->\n",
            line_break: "\n",
            ..plain
        },
    ];
    for (name, xml, _) in inbound() {
        let push = parse(&xml);
        for style in styles {
            let xml = rewritten(&xml, style);
            assert_eq!(parse(&xml), push, "{name}:\n{xml}");
            assert_eq!(parse(&xml).dedup_key(), push.dedup_key(), "{name}");
        }
    }
}

/// The JSON push with the same content. With `loose`, as the platform writes it: numbers as numbers, no wrapper
/// around `List`, a single list element as an object.
fn json_push(sample: &Value, loose: bool) -> String {
    let mut push = Map::new();
    push.insert("ToUserName".into(), sample["to_user"].clone());
    push.insert("FromUserName".into(), sample["from_user"].clone());
    push.insert("CreateTime".into(), sample["create_time"].clone());
    push.insert("MsgType".into(), sample["msg_type"].clone());
    push.insert("Event".into(), sample["event"].clone());
    push.insert("MsgId".into(), sample["msg_id"].clone());
    for (name, value) in sample["fields"].as_object().unwrap() {
        match value {
            Value::Object(object) if loose && object.contains_key("List") => {
                push.insert("List".into(), loosened(&object["List"]));
            }
            _ => {
                push.insert(
                    name.clone(),
                    if loose {
                        loosened(value)
                    } else {
                        value.clone()
                    },
                );
            }
        }
    }
    Value::Object(push).to_string()
}

fn loosened(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) if number.to_string() == *text => json!(number),
            _ => value.clone(),
        },
        Value::Array(list) if list.len() == 1 => loosened(&list[0]),
        Value::Array(list) => list.iter().map(loosened).collect(),
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(name, value)| (name.clone(), loosened(value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[test]
fn every_sample_reads_the_same_as_json() {
    for (name, xml, sample) in inbound() {
        let push = parse(&xml);
        for loose in [false, true] {
            let json = json_push(&sample, loose);
            assert_eq!(parse(&json), push, "{name}: {json}");
            assert_eq!(
                parse(&format!("\u{feff}\n {json} \n")).dedup_key(),
                push.dedup_key(),
                "{name}"
            );
        }
    }
}

fn event_push(event: &str, more: &str) -> Push {
    parse(&format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName><CreateTime>7</CreateTime>\
         <MsgType>event</MsgType><Event>{event}</Event>{more}</xml>"
    ))
}

fn message_push(msg_type: &str, more: &str) -> Push {
    parse(&format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName><CreateTime>7</CreateTime>\
         <MsgType>{msg_type}</MsgType>{more}</xml>"
    ))
}

#[test]
fn dedup_keys_tell_pushes_apart() {
    let message = |id: &str| message_push("text", &format!("<Content>x</Content>{id}"));
    assert_eq!(
        message("<MsgId>18446744073709551615</MsgId>").dedup_key(),
        "18446744073709551615|oA"
    );
    let without_id = message("").dedup_key();
    assert!(without_id.starts_with("7|oA|text|"), "{without_id}");
    assert_eq!(without_id, message("<MsgId/>").dedup_key());
    assert_ne!(
        without_id,
        message_push("text", "<Content>y</Content>").dedup_key()
    );

    let key = |event: &str, more: &str| event_push(event, more).dedup_key();
    assert_eq!(key("subscribe", ""), "7|oA|subscribe|");
    assert_eq!(key("SCAN", "<EventKey>007</EventKey>"), "7|oA|scan|007");
    assert_eq!(key("scan", "<EventKey>007</EventKey>"), "7|oA|scan|007");
    assert_eq!(
        key("TEMPLATESENDJOBFINISH", "<MsgID>42</MsgID>"),
        "7|oA|templatesendjobfinish||42"
    );
    assert_eq!(
        key("news_from_2031", "<MsgID>42</MsgID>"),
        "7|oA|news_from_2031||42"
    );
    // These come from the platform's account: several users or jobs may share a second.
    assert_eq!(
        key("user_authorization_revoke", "<OpenID>oB</OpenID>"),
        "7|oA|user_authorization_revoke||oB"
    );
    assert_eq!(
        key(
            "PUBLISHJOBFINISH",
            "<PublishEventInfo><publish_id>9</publish_id></PublishEventInfo>"
        ),
        "7|oA|publishjobfinish||9"
    );
}

#[test]
fn the_scene_of_a_follow_or_scan_is_found() {
    let scene = |event: &str, key: &str| {
        let push = event_push(event, &format!("<EventKey>{key}</EventKey>"));
        (push.scene().map(str::to_owned), push.subject().to_owned())
    };
    let found = |scene: &str| (Some(scene.to_owned()), scene.to_owned());
    assert_eq!(scene("subscribe", "qrscene_10086"), found("10086"));
    assert_eq!(
        scene("SUBSCRIBE", "qrscene_qrscene_a|b_c"),
        found("qrscene_a|b_c")
    );
    assert_eq!(scene("SCAN", "qrscene_1"), found("qrscene_1"));
    assert_eq!(scene("Scan", " 007 "), found("007"));
    assert_eq!(scene("subscribe", ""), (None, String::new()));
    assert_eq!(scene("subscribe", "qrscene_"), (None, String::new()));
    assert_eq!(
        scene("subscribe", "last_trade_no_42"),
        (None, "last_trade_no_42".to_owned())
    );
    assert_eq!(scene("CLICK", "qrscene_1"), (None, "qrscene_1".to_owned()));
    assert_eq!(
        event_push("subscribe", "<EventKey><![CDATA[]]></EventKey>").event_key(),
        None
    );
    assert_eq!(event_push("subscribe", "<EventKey/>").event_key(), None);
}

#[test]
fn the_subject_is_what_the_user_wrote() {
    let subject = |msg_type: &str, more: &str| message_push(msg_type, more).subject().to_owned();
    assert_eq!(subject("text", "<Content> a \n b </Content>"), " a \n b ");
    assert_eq!(subject("TEXT", "<Content><![CDATA[ x ]]></Content>"), " x ");
    assert_eq!(subject("voice", "<Recognition>喂</Recognition>"), "喂");
    assert_eq!(subject("voice", "<Recognition/>"), "");
    assert_eq!(subject("link", "<Title>T</Title><Url>u</Url>"), "T");
    assert_eq!(subject("file", "<Title>f.pdf</Title>"), "f.pdf");
    assert_eq!(
        subject("location", "<Label>L</Label><Scale>far away</Scale>"),
        "L"
    );
    assert_eq!(subject("image", "<PicUrl>p</PicUrl>"), "");
    assert_eq!(subject("hologram", "<Content>c</Content>"), "");
}

#[test]
fn what_the_user_would_not_see_is_not_answered() {
    let answered = |xml: &Push| (xml.may_be_answered(), xml.may_be_transferred());
    assert_eq!(answered(&message_push("text", "")), (true, true));
    assert_eq!(answered(&message_push("hologram", "")), (true, true));
    assert_eq!(
        answered(&message_push("device_event", "<Event>bind</Event>")),
        (false, false)
    );
    for event in [
        "subscribe",
        "scan",
        "Click",
        "scancode_waitmsg",
        "pic_weixin",
        "location_select",
        "brand_new",
    ] {
        assert_eq!(answered(&event_push(event, "")), (true, false), "{event}");
    }
    let silent = [
        "unsubscribe",
        "LOCATION",
        "VIEW",
        "view_miniprogram",
        "scancode_push",
        "ENTER",
        "masssendjobfinish",
        "kf_create_session",
        "annual_renew",
        "subscribe_msg_popup_event",
        "user_info_modified",
        "user_get_card",
        "wificonnected",
        "debug_demo",
    ];
    for event in silent {
        assert_eq!(answered(&event_push(event, "")), (false, false), "{event}");
        assert_eq!(event_may_be_answered(event), Some(false), "{event}");
    }
    assert_eq!(event_may_be_answered("brand_new"), None);
    assert_eq!(event_may_be_answered("SUBSCRIBE"), Some(true));
}

#[test]
fn authorisation_events_name_the_user_to_act_on() {
    for event in [
        "user_info_modified",
        "user_authorization_revoke",
        "USER_AUTHORIZATION_CANCELLATION",
    ] {
        let user = |more: &str| {
            event_push(event, more)
                .authorization_openid()
                .map(str::to_owned)
        };
        assert_eq!(user("<OpenID>oB</OpenID>"), Some("oB".to_owned()));
        assert_eq!(
            user("<openid>oC</openid><appid>wx1</appid>"),
            Some("oC".to_owned())
        );
        assert_eq!(
            user("<openid>oC</openid><OpenID>oB</OpenID>"),
            Some("oB".to_owned())
        );
        assert_eq!(user(""), None);
    }
    assert_eq!(
        event_push("subscribe", "<OpenID>oB</OpenID>").authorization_openid(),
        None
    );
}

#[test]
fn strange_values_do_not_lose_a_push() {
    // Another shape than documented: kept whole.
    let push = message_push("text", "<Content><b>x</b></Content>");
    let Body::Message(message) = &push.body else {
        panic!("{push:?}")
    };
    let MessageKind::Other(fields) = &message.content else {
        panic!("{message:?}")
    };
    assert_eq!(json!(fields), json!({"Content": {"b": "x"}}));
    assert_eq!(event_push("", "").event(), None);
    assert_eq!(event_push("", "").may_be_answered(), true);
    // A control character that XML forbids.
    assert_eq!(
        message_push("text", "<Content><![CDATA[a\u{8}b\u{0}]]></Content>").subject(),
        "ab"
    );
    let json = "{\"ToUserName\":\"g\",\"FromUserName\":\"o\",\"CreateTime\":\" 7 \",\"MsgType\":\"text\",\
                \"Content\":\"a\nb\\\"\\\tc\",\"MsgId\":null,\"Extra\":[1,[true]]}";
    assert_eq!(parse(json).subject(), "a\nb\"\\\tc");
    assert_eq!(parse(json).msg_id(), None);
    // The end of a CDATA section inside a message, as a careful sender splits it.
    assert_eq!(
        message_push("text", "<Content><![CDATA[a]]]]><![CDATA[>b]]></Content>").subject(),
        "a]]>b"
    );
}

#[test]
fn a_body_that_is_no_push_says_why() {
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
    // None of these quotes the body.
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
        let started = Instant::now();
        let result = Push::parse(body.as_bytes());
        let took = started.elapsed();
        assert!(result.is_err());
        // Generous for a debug build on a busy machine: what this guards against takes seconds to for ever.
        assert!(
            took < Duration::from_secs(10),
            "{took:?}: {}…",
            body.get(..40).unwrap()
        );
    }
}

/// Elements of a document as comparable values: name, then text or children, in order.
fn shape(element: &Element) -> Value {
    let children: Vec<Value> = element
        .children
        .iter()
        .filter_map(XMLNode::as_element)
        .map(shape)
        .collect();
    match children.is_empty() {
        true => json!([element.name, element.get_text().unwrap_or_default()]),
        false => json!([element.name, children]),
    }
}

fn shape_of(xml: &str) -> Value {
    shape(&Element::parse(xml.as_bytes()).unwrap_or_else(|e| panic!("{e}:\n{xml}")))
}

#[test]
fn every_reply_has_the_structure_of_its_sample() {
    let media_id = || "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df".to_owned();
    let thumb_media_id =
        || "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh".to_owned();
    let some = |text: &str| Some(text.to_owned());
    let article = |title: &str, description: &str, pic_url: &str, url: &str| Article {
        title: title.to_owned(),
        description: description.to_owned(),
        pic_url: format!("https://media.example.com/{pic_url}"),
        url: format!("https://www.example.com/{url}"),
    };
    let links = "您好 😀\n1. <a href=\"https://www.example.com/faq?a=1&b=2\">常见问题</a>\n\
                 2. <a href=\"weixin://bizmsgmenu?msgmenucontent=help&msgmenuid=7\">帮助</a>";
    let replies = [
        (
            "text",
            1767231000,
            Reply::Text("We open at 09:00.".to_owned()),
        ),
        (
            "text_multiline_link",
            1767231001,
            Reply::Text(links.to_owned()),
        ),
        (
            "image",
            1767231002,
            Reply::Image {
                media_id: media_id(),
            },
        ),
        (
            "voice",
            1767231003,
            Reply::Voice {
                media_id: media_id(),
            },
        ),
        (
            "video",
            1767231004,
            Reply::Video {
                media_id: media_id(),
                title: some("Product tour"),
                description: some("90 seconds"),
            },
        ),
        (
            "music",
            1767231005,
            Reply::Music {
                title: some("Demo song"),
                description: some("sample"),
                url: some("https://media.example.com/a.mp3"),
                hq_url: some("https://media.example.com/a-hq.mp3"),
                thumb_media_id: thumb_media_id(),
            },
        ),
        (
            "music_minimal",
            1767231006,
            Reply::Music {
                title: None,
                description: some(""),
                url: None,
                hq_url: None,
                thumb_media_id: thumb_media_id(),
            },
        ),
        (
            "news",
            1767231007,
            Reply::News(vec![article(
                "Opening hours",
                "Spring timetable",
                "cover.jpg",
                "hours",
            )]),
        ),
        (
            "news_multi_event_only",
            1767231008,
            Reply::News(
                (1..=3)
                    .map(|n| {
                        article(
                            &format!("Item {n}"),
                            &format!("Summary {n}"),
                            &format!("c{n}.png"),
                            &format!("p/{n}"),
                        )
                    })
                    .collect(),
            ),
        ),
        (
            "transfer_customer_service",
            1767231009,
            Reply::Transfer { kf_account: None },
        ),
        (
            "transfer_customer_service_to_agent",
            1767231010,
            Reply::Transfer {
                kf_account: some("amy@shop_demo"),
            },
        ),
        ("transfer_biz_ai_ivr", 1767231011, Reply::TransferAi),
    ];
    let mut rebuilt: Vec<&str> = Vec::new();
    for (name, create_time, reply) in &replies {
        let xml = reply
            .to_xml(
                "oSyn1aAQe7rT0uXk3mPzLc9WvBh4",
                "gh_5a0c3d91e7b2",
                *create_time,
            )
            .unwrap();
        assert_eq!(
            shape_of(&xml),
            shape_of(&read(&format!("reply/{name}.xml"))),
            "{name}:\n{xml}"
        );
        rebuilt.push(name);
    }
    for entry in std::fs::read_dir(samples().join("reply")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            path.extension().unwrap() == "txt" || rebuilt.contains(&name.as_str()),
            "{name} is not rebuilt"
        );
    }
}

#[test]
fn a_reply_that_would_show_nothing_is_none() {
    let nothing = [
        Reply::Text(String::new()),
        Reply::Text(" \n\u{1}".to_owned()),
        Reply::Text(format!("<a href=\"{}\">x</a>", "y".repeat(MAX_TEXT_BYTES))),
        Reply::Image {
            media_id: String::new(),
        },
        Reply::Voice {
            media_id: " ".to_owned(),
        },
        Reply::Video {
            media_id: String::new(),
            title: Some("t".to_owned()),
            description: None,
        },
        Reply::News(Vec::new()),
    ];
    for reply in nothing {
        assert_eq!(reply.to_xml("o", "gh", 1), None, "{reply:?}");
    }
}

#[test]
fn a_news_reply_counts_what_it_sends() {
    let articles = vec![
        Article {
            title: "t".to_owned(),
            ..Article::default()
        };
        11
    ];
    let xml = Reply::News(articles).to_xml("o", "gh", 1).unwrap();
    assert_eq!(xml.matches("<item>").count(), 8);
    assert!(xml.contains("<ArticleCount>8</ArticleCount>"), "{xml}");
}

#[test]
fn every_published_signature_verifies() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["signature"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str();
        let mut parts = vec![
            text("token").unwrap(),
            text("timestamp").unwrap(),
            text("nonce").unwrap(),
        ];
        parts.extend(text("encrypt"));
        let signature = text("signature").or(text("msg_signature")).unwrap();
        assert_eq!(sign(&parts), signature, "{vector}");
        assert!(verify(&parts, signature), "{vector}");
        let sorted: Vec<&str> = vector["sorted"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(sign(&sorted), signature, "{vector}");
    }
}

#[test]
fn every_encryption_opens_and_is_sealed_byte_by_byte() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["encryption"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let key = AesKey::parse(text("encoding_aes_key")).unwrap();
        let plain = text("plaintext").as_bytes();
        assert_eq!(
            open(&key, text("appid"), text("encrypt")).as_deref(),
            Ok(plain),
            "{}",
            text("name")
        );
        let random = text("random16").as_bytes().try_into().unwrap();
        assert_eq!(
            seal(&key, text("appid"), plain, random),
            text("encrypt"),
            "{}",
            text("name")
        );
        let parts = [text("token"), text("timestamp"), text("nonce")];
        assert!(verify(&parts, text("signature")), "{}", text("name"));
        let [token, timestamp, nonce] = parts;
        assert!(
            verify(
                &[token, timestamp, nonce, text("encrypt")],
                text("msg_signature")
            ),
            "{}",
            text("name")
        );
        // Some of the messages are no pushes of an account; none may do harm.
        let _ = Push::parse(plain);
    }
}

#[test]
fn every_forged_or_broken_encryption_is_refused() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["negative"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let parts = [
            text("token"),
            text("timestamp"),
            text("nonce"),
            text("encrypt"),
        ];
        let signed = verify(&parts, text("msg_signature"));
        assert_eq!(
            signed,
            text("expect") != "signature_mismatch",
            "{}",
            text("name")
        );
        if signed {
            let key = AesKey::parse(text("encoding_aes_key")).unwrap();
            let opened = open(&key, text("appid"), text("encrypt"));
            assert!(opened.is_err(), "{}: {opened:?}", text("name"));
            let wrong_app_id = opened == Err(wechatd::wechat::CryptoError::AppId);
            assert_eq!(
                wrong_app_id,
                text("expect") == "appid_mismatch",
                "{}",
                text("name")
            );
        }
    }
}

#[test]
fn one_push_in_three_modes_is_the_same_push() {
    let requests = read_json("crypto/inbound_requests.json");
    let credentials = &requests["credentials"];
    let token = credentials["token"].as_str().unwrap();
    let query = |name: &str| requests["query"][name].as_str().unwrap();
    let plain = read("crypto/inbound_plain.xml");
    assert!(verify(
        &[token, query("timestamp"), query("nonce")],
        query("signature")
    ));
    assert_eq!(Envelope::parse(plain.as_bytes()), Ok(None));
    let push = parse(&plain);
    assert_eq!(push.subject(), "ping 1");
    for mode in ["secure", "compatible"] {
        let body = read(&format!(
            "crypto/{}",
            requests["body_files"][mode].as_str().unwrap()
        ));
        let envelope = Envelope::parse(body.as_bytes()).unwrap().unwrap();
        assert_eq!(envelope.to_user.as_deref(), Some("gh_5a0c3d91e7b2"));
        assert_eq!(envelope.format, Format::Xml);
        let parts = [token, query("timestamp"), query("nonce"), &envelope.encrypt];
        assert!(verify(&parts, query("msg_signature")));
        let key = AesKey::parse(credentials["encoding_aes_key"].as_str().unwrap()).unwrap();
        let opened = open(
            &key,
            credentials["appid"].as_str().unwrap(),
            &envelope.encrypt,
        )
        .unwrap();
        assert_eq!(opened, requests["decrypted"].as_str().unwrap().as_bytes());
        assert_eq!(Push::parse(&opened), Ok(push.clone()), "{mode}");
        assert_eq!(
            Envelope::parse(envelope.to_body().as_bytes()),
            Ok(Some(envelope))
        );
    }
    assert_eq!(
        error(&read("crypto/inbound_secure.xml")),
        ParseError::Missing("FromUserName")
    );
    assert_eq!(parse(&read("crypto/inbound_compatible.xml")), push);
}

#[test]
fn a_json_push_is_opened_and_answered_as_json() {
    let body = "{\"ToUserName\":\"gh_1\",\"Encrypt\":\"+q/=\"}";
    let envelope = Envelope::parse(body.as_bytes()).unwrap().unwrap();
    let expected = Envelope {
        to_user: Some("gh_1".to_owned()),
        encrypt: "+q/=".to_owned(),
        format: Format::Json,
    };
    assert_eq!(envelope, expected);
    assert_eq!(
        Envelope::parse(envelope.to_body().as_bytes()),
        Ok(Some(envelope))
    );
    assert_eq!(Envelope::parse(b"{\"ToUserName\":\"gh_1\"}"), Ok(None));
    assert!(Envelope::parse(b"hello").is_err());
}

#[test]
fn every_sealed_reply_has_the_structure_of_its_sample() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["reply_envelope"].as_array().unwrap() {
        let name = vector["encryption_vector"].as_str().unwrap();
        let encryption = vectors["encryption"]
            .as_array()
            .unwrap()
            .iter()
            .find(|candidate| candidate["name"] == name)
            .unwrap();
        let text = |name: &str| encryption[name].as_str().unwrap();
        let timestamp = text("timestamp").parse().unwrap();
        let reply = |format| {
            sealed_reply(
                format,
                text("token"),
                timestamp,
                text("nonce"),
                text("encrypt"),
            )
        };

        let json: Value = serde_json::from_str(&reply(Format::Json)).unwrap();
        assert!(json["TimeStamp"].is_i64());
        assert_eq!(
            comparable(&json),
            comparable(&vector["expected_fields"]),
            "{name}"
        );

        let xml = Element::parse(reply(Format::Xml).as_bytes()).unwrap();
        for (name, value) in vector["expected_fields"].as_object().unwrap() {
            assert_eq!(
                json!(xml.get_child(name.as_str()).unwrap().get_text().unwrap()),
                comparable(value),
                "{name}"
            );
        }
        if let Some(sample) = vector["sample_xml"].as_str() {
            assert_eq!(shape(&xml), shape_of(sample));
        }
        if vector["name"] == "own_reply" {
            assert_eq!(shape(&xml), shape_of(&read("crypto/reply_encrypted.xml")));
        }
    }
}

/// What an XML parser makes of a text that was written as CDATA.
fn read_back(text: &str) -> String {
    text::without_illegal_characters(text)
        .replace("\r\n", "\n")
        .replace('\r', "\n")
}

/// A sample with a few bytes changed, taken out, doubled or spliced from another one.
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
        // Whatever was understood has a key, and can be asked anything.
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
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_too_strange_to_read(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&body);
    }

    #[test]
    fn no_markup_is_too_strange_to_read(
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
    fn no_broken_sample_is_too_strange_to_read(body in mutated_sample()) {
        read_everything(&body);
    }

    #[test]
    fn a_text_push_survives_any_text(content in "\\PC*|[\\r\\n\\t \\]>&<'\"]{0,20}|.{0,30}") {
        let mut xml = "<xml><ToUserName>g</ToUserName><FromUserName>o</FromUserName><CreateTime>1</CreateTime>\
                       <MsgType>text</MsgType>".to_owned();
        text::push_element(&mut xml, "Content", &content);
        xml.push_str("</xml>");
        let push = parse(&xml);
        prop_assert_eq!(push.subject(), read_back(&content));
    }

    #[test]
    fn a_reply_reads_back_for_any_text(content in ".{0,40}|[\\]>\\r\\n]{0,10}|(好|<a href='x'>y</a>|👩‍👩‍👧){0,200}") {
        let clean = text::without_illegal_characters(&content).into_owned();
        let sent = read_back(cut_text(&clean, MAX_TEXT_BYTES));
        match Reply::Text(content).to_xml("oUser", "gh_1", 7) {
            None => prop_assert!(sent.trim().is_empty()),
            Some(xml) => {
                let expected = json!(["xml", [
                    ["ToUserName", "oUser"], ["FromUserName", "gh_1"], ["CreateTime", "7"], ["MsgType", "text"],
                    ["Content", sent],
                ]]);
                prop_assert_eq!(shape_of(&xml), expected);
            }
        }
    }

    #[test]
    fn every_part_of_a_card_reads_back_for_any_text(parts in prop::collection::vec(".{0,20}", 4)) {
        let [title, description, pic_url, url] = <[String; 4]>::try_from(parts).unwrap();
        let expected = json!([["item", [
            ["Title", read_back(&title)], ["Description", read_back(&description)], ["PicUrl", read_back(&pic_url)],
            ["Url", read_back(&url)],
        ]]]);
        let xml = Reply::News(vec![Article { title, description, pic_url, url }]).to_xml("o", "g", 7).unwrap();
        prop_assert_eq!(&shape_of(&xml)[1][5], &json!(["Articles", expected]));
    }
}
