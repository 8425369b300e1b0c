//! Every sample of a push is read completely, in whatever layout and format it arrives.

use std::fmt::Write;

use serde_json::{Value, json};
use wechatd::wechat::{Body, EventKind, MessageKind, Push, event, message};
use xmltree::{Element, XMLNode};

use super::*;

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
