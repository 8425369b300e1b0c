//! The protocol library against the samples, without a server: pushes, replies, signatures and encryption.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use wechatd::wechat::{ParseError, Push, text};
use xmltree::{Element, XMLNode};

mod reading;

mod meaning;

mod replying;

mod encryption;

mod hostile;

mod unescaped;

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
pub fn inbound() -> Vec<(String, String, Value)> {
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

/// Without empty values, and with numbers as text.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Array(list) => list.iter().map(comparable).collect(),
        Value::Object(object) => {
            let is_not_empty = |value: &Value| {
                !matches!(value, Value::Null)
                    && value != &json!("")
                    && value != &json!({})
                    && value != &json!([])
            };
            let object = object
                .iter()
                .map(|(name, value)| (name.clone(), comparable(value)));
            Value::Object(object.filter(|(_, value)| is_not_empty(value)).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// The same push as JSON. If `loose`, as the platform writes it: numbers as numbers, no wrapper around `List`, and a
/// list of one element as that element.
pub fn json_push(sample: &Value, loose: bool) -> String {
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

/// An element as a comparable value: its name, then its text or its children in order.
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

pub fn shape_of(xml: &str) -> Value {
    shape(&Element::parse(xml.as_bytes()).unwrap_or_else(|e| panic!("{e}:\n{xml}")))
}

/// What an XML parser reads from a text written as CDATA.
fn read_back(text: &str) -> String {
    text::without_illegal_characters(text)
        .replace("\r\n", "\n")
        .replace('\r', "\n")
}
