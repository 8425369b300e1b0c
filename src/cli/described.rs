//! What a message or event without a text was, in a few words: a picture, a place, a result.

use crate::store::MessageRow;
use crate::wechat::{Body, EventKind, Message, MessageKind, Push};

/// What a list shows in the place of a message's text: the text, or in brackets what it was.
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
        }) => match &event.content {
            EventKind::Location(place) => joined(&[&place.latitude, &place.longitude]),
            EventKind::TemplateSendJobFinish(job) => job.status.clone(),
            EventKind::MassSendJobFinish(job) => job.status.clone(),
            // The name of the others is shown beside, and says it.
            _ => event.msg_id.unwrap_or_default(),
        },
        Err(_) if row.event.is_some() => String::new(),
        Err(_) => format!("[{}]", row.msg_type),
    }
}

fn described(message: &Message) -> String {
    let (what, more) = match &message.content {
        MessageKind::Text(_) => return String::new(),
        MessageKind::Image(_) => ("image", String::new()),
        MessageKind::Voice(_) => ("voice", String::new()),
        MessageKind::Video(_) => ("video", String::new()),
        MessageKind::ShortVideo(_) => ("short video", String::new()),
        MessageKind::Location(place) => ("location", joined(&[&place.latitude, &place.longitude])),
        MessageKind::Link(link) => ("link", link.url.clone()),
        MessageKind::File(file) => ("file", file.description.clone().unwrap_or_default()),
        MessageKind::MiniProgramPage(page) => ("mini program", page.title.clone()),
        MessageKind::Device(_) | MessageKind::Other(_) => (&*message.msg_type, String::new()),
    };
    format!("[{what}] {more}").trim_end().to_owned()
}

/// Those that are not empty.
fn joined(parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.copied().collect::<Vec<_>>().join(", ")
}

/// What else the push says, for `messages show`: names and values, without those that a row has.
pub(super) fn facts(body: &str) -> Vec<(&'static str, String)> {
    let Ok(push) = Push::parse(body.as_bytes()) else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    if let Some((_, scanned)) = push.scan() {
        facts.push(("scanned", scanned.to_owned()));
    }
    if let Some((latitude, longitude)) = push.coordinates() {
        facts.push(("at", joined(&[latitude, longitude])));
    }
    if let Body::Message(message) = push.body {
        facts.extend(facts_of(message.content));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn facts_of(content: MessageKind) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    match content {
        MessageKind::Image(image) => facts.push(("picture at", image.pic_url)),
        MessageKind::Voice(voice) => {
            facts.push(("format", voice.format));
            facts.push(("at 16 kHz", voice.media_id_16k.unwrap_or_default()));
        }
        MessageKind::Video(video) | MessageKind::ShortVideo(video) => {
            facts.push(("preview", video.thumb_media_id));
        }
        MessageKind::Link(link) => {
            facts.push(("summary", link.description.unwrap_or_default()));
            facts.push(("url", link.url));
        }
        MessageKind::File(file) => {
            facts.push(("size", file.description.unwrap_or_default()));
            facts.push(("md5", file.file_md5));
        }
        MessageKind::MiniProgramPage(page) => {
            facts.push(("title", page.title));
            facts.push(("appid", page.app_id));
            facts.push(("page", page.page_path));
        }
        MessageKind::Text(_)
        | MessageKind::Location(_)
        | MessageKind::Device(_)
        | MessageKind::Other(_) => {}
    }
    facts
}
