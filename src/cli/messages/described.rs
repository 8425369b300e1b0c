//! Describes a message or event without a text in a few words, such as a picture, a location or a result.

use crate::store::MessageRow;
use crate::wechat::{Body, EventKind, Message, MessageKind, Push};

/// What a list shows for a message: its text, or in brackets what it is.
pub(super) fn shown(row: &MessageRow) -> String {
    if let Some(content) = &row.content {
        return content.clone();
    }
    let body = row.without_content.as_deref().unwrap_or_default();
    match Push::parse(body.as_bytes()) {
        Ok(Push {
            body: Body::Message(message),
            ..
        }) => described(&message),
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

fn described(message: &Message) -> String {
    let text = |element| message.text(element).unwrap_or_default();
    let (what, more) = match message.kind {
        MessageKind::Text => return String::new(),
        MessageKind::Image => ("image", ""),
        MessageKind::Voice => ("voice", ""),
        MessageKind::Video => ("video", ""),
        MessageKind::ShortVideo => ("short video", ""),
        MessageKind::Location => ("location", &*place(message.coordinates())),
        MessageKind::Link => ("link", text("Url")),
        MessageKind::File => ("file", text("Description")),
        MessageKind::MiniProgramPage => ("mini program", text("Title")),
        MessageKind::Device | MessageKind::Other => (&*message.msg_type, ""),
    };
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
pub(super) fn facts(body: &str) -> Vec<(&'static str, String)> {
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
