//! Every sample push is read completely, in any layout and in XML and JSON.

use std::fmt::Write;

use serde_json::{Value, json};
use wechatd::wechat::{Body, EVENTS, ParseError, Push, message, push_as_xml};
use xmltree::{Element, XMLNode};

use super::*;

/// A push in the form of the samples' `.json` files.
fn sample_form(push: &Push) -> Value {
    let (kind, fields) = match &push.body {
        Body::Message(message) => ("message", &message.fields),
        Body::Event(event) => ("event", &event.fields),
    };
    let msg_id = push.msg_id().filter(|_| kind == "message");
    json!({
        "kind": kind, "to_user": push.to_user, "from_user": push.from_user, "create_time": push.create_time,
        "msg_type": push.msg_type(), "event": push.event(), "msg_id": msg_id, "fields": fields,
    })
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
fn every_kind_has_a_sample() {
    let pushes: Vec<Push> = inbound().iter().map(|(_, xml, _)| parse(xml)).collect();
    for name in message::MESSAGE_TYPES {
        let sample = pushes.iter().find(|push| push.msg_type() == name);
        assert!(sample.is_some(), "no sample of {name}");
    }
    for (name, ..) in EVENTS {
        let sample = pushes.iter().find(|push| push.event() == Some(name));
        // A second name of an event, documented only in one library.
        assert!(
            sample.is_some() || *name == "FREEPUBLISHJOBFINISH",
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
            // A stable sort, so that repeated elements keep their order.
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
fn every_sample_means_the_same_in_any_layout() {
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

#[test]
fn every_sample_means_the_same_as_json() {
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

#[test]
fn a_push_as_xml_means_the_same() {
    for (name, xml, sample) in inbound() {
        assert_eq!(push_as_xml(xml.as_bytes()).unwrap(), xml, "{name}");
        for loose in [false, true] {
            let json = json_push(&sample, loose);
            let written = push_as_xml(json.as_bytes()).unwrap();
            assert_eq!(parse(&written), parse(&json), "{name}:\n{written}");
        }
    }
}

#[test]
fn no_text_or_name_in_a_json_push_breaks_out_of_its_xml() {
    let json = r#"{"ToUserName":"gh_1","FromUserName":"oA","CreateTime":7,"MsgType":"text","MsgId":1,
        "Content":"a]]></Content><MsgType>event</MsgType>\u0001<!-- ","x><y":"1","":"2","1a":{"b c":"3","ok":"4"},
        "Deep":{"a b":"5","c-d":["6",{"e":"7"}]}}"#;
    let xml = push_as_xml(json.as_bytes()).unwrap();
    let push = parse(&xml);
    assert_eq!(
        push.subject(),
        "a]]></Content><MsgType>event</MsgType><!-- "
    );
    let Body::Message(message) = push.body else {
        panic!("{xml}")
    };
    assert_eq!(message.fields["Deep"], json!({ "c-d": "6" }));
    assert_eq!(message.fields.len(), 2, "{xml}");
    let deep = format!("{}1{}", r#"{"a":"#.repeat(20), "}".repeat(20));
    for wrong in [deep.as_str(), "[]", "", "text"] {
        assert!(push_as_xml(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(push_as_xml(b"{\xff"), Err(ParseError::NotUtf8(1)));
}
