//! Describes a message or event without a text in a few words, such as a picture, a location or a result.

use crate::store::MessageRow;
use crate::wechat::{Body, EventKind, Message, MessageKind, Push};

/// What a list shows for a message: its text, or in brackets what it is. `name` says what a kind of message is called, if
/// it has a name.
#[must_use]
pub fn shown(row: &MessageRow, name: impl Fn(MessageKind) -> Option<&'static str>) -> String {
    if let Some(content) = &row.content {
        return content.clone();
    }
    let body = row.without_content.as_deref().unwrap_or_default();
    match Push::parse(body.as_bytes()) {
        Ok(Push {
            body: Body::Message(message),
            ..
        }) => described(&message, name),
        Ok(Push {
            body: Body::Event(event),
            ..
        }) => match event.kind {
            EventKind::Location => place(event.coordinates()),
            EventKind::TemplateResult | EventKind::MassResult => {
                event.text("Status").unwrap_or_default().to_owned()
            }
            // The name of other events, which the list shows too, says enough.
            _ => event.msg_id().unwrap_or_default().to_owned(),
        },
        Err(_) if row.event.is_some() => String::new(),
        Err(_) => format!("[{}]", row.msg_type),
    }
}

/// What a kind of message is called in English.
#[must_use]
pub fn english(kind: MessageKind) -> Option<&'static str> {
    match kind {
        MessageKind::Image => Some("image"),
        MessageKind::Voice => Some("voice"),
        MessageKind::Video => Some("video"),
        MessageKind::ShortVideo => Some("short video"),
        MessageKind::Location => Some("location"),
        MessageKind::Link => Some("link"),
        MessageKind::File => Some("file"),
        MessageKind::MiniProgramPage => Some("mini program"),
        MessageKind::Text | MessageKind::Device | MessageKind::Other => None,
    }
}

fn described(message: &Message, name: impl Fn(MessageKind) -> Option<&'static str>) -> String {
    let text = |element| message.text(element).unwrap_or_default().to_owned();
    let more = match message.kind {
        MessageKind::Text => return String::new(),
        MessageKind::Location => place(message.coordinates()),
        MessageKind::Link => text("Url"),
        MessageKind::File => text("Description"),
        MessageKind::MiniProgramPage => text("Title"),
        MessageKind::Image
        | MessageKind::Voice
        | MessageKind::Video
        | MessageKind::ShortVideo
        | MessageKind::Device
        | MessageKind::Other => String::new(),
    };
    let what = name(message.kind).unwrap_or(&message.msg_type);
    format!("[{what}] {more}").trim_end().to_owned()
}

/// Latitude and longitude, if they are known.
fn place(coordinates: Option<(&str, &str)>) -> String {
    let (latitude, longitude) = coordinates.unwrap_or_default();
    let known = [latitude, longitude]
        .into_iter()
        .filter(|part| !part.is_empty());
    known.collect::<Vec<_>>().join(", ")
}

/// The rest of the push, for `messages show`: names and values that are not in the row.
#[must_use]
pub fn facts(body: &str) -> Vec<(&'static str, String)> {
    let Ok(push) = Push::parse(body.as_bytes()) else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    if let Some((_, scanned)) = push.scan() {
        facts.push(("scanned", scanned.to_owned()));
    }
    facts.push(("at", place(push.coordinates())));
    if let Body::Message(message) = &push.body {
        for (name, element) in elements_of(message.kind) {
            facts.push((name, message.text(element).unwrap_or_default().to_owned()));
        }
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The names of what is shown of a message, each with its element.
fn elements_of(kind: MessageKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        MessageKind::Image => &[("picture at", "PicUrl")],
        MessageKind::Voice => &[("format", "Format"), ("at 16 kHz", "MediaId16K")],
        MessageKind::Video | MessageKind::ShortVideo => &[("preview", "ThumbMediaId")],
        MessageKind::Link => &[("summary", "Description"), ("url", "Url")],
        MessageKind::File => &[("size", "Description"), ("md5", "FileMd5")],
        MessageKind::MiniProgramPage => {
            &[("title", "Title"), ("appid", "AppId"), ("page", "PagePath")]
        }
        MessageKind::Text | MessageKind::Location | MessageKind::Device | MessageKind::Other => &[],
    }
}
