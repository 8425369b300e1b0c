//! What came from a person, in a few words: which kind it is, and what it says.

use maud::{Markup, html};

use super::frame::Frame;
use super::person;
use super::texts::Text;
use crate::inbox::described;
use crate::store::MessageRow;
use crate::wechat::MessageKind;

/// What kind of message or event it is. An event that has no name here is called what the platform calls it.
#[must_use]
pub fn kind(frame: &Frame<'_>, row: &MessageRow) -> Markup {
    match &row.event {
        Some(event) => named(frame, of_event(event), event),
        None => of_type(frame, &row.msg_type),
    }
}

/// What a kind of message is called.
#[must_use]
pub fn of_type(frame: &Frame<'_>, msg_type: &str) -> Markup {
    named(frame, of_message(MessageKind::of(msg_type)), msg_type)
}

fn named(frame: &Frame<'_>, text: Option<Text>, own: &str) -> Markup {
    match text {
        Some(text) => html! { (frame.say(text)) },
        None => person::text(own),
    }
}

/// What a message says on one line, or what an event is about; empty if there is nothing more to say than its kind.
#[must_use]
pub fn said(frame: &Frame<'_>, row: &MessageRow) -> String {
    match (&row.event, &row.event_key) {
        (Some(_), Some(key)) if row.content.is_none() => key.clone(),
        (_, _) => described::shown(row, |kind| of_message(kind).map(|text| frame.say(text))),
    }
}

fn of_message(kind: MessageKind) -> Option<Text> {
    match kind {
        MessageKind::Text => Some(Text::KindText),
        MessageKind::Image => Some(Text::KindImage),
        MessageKind::Voice => Some(Text::KindVoice),
        MessageKind::Video | MessageKind::ShortVideo => Some(Text::KindVideo),
        MessageKind::Location => Some(Text::KindLocation),
        MessageKind::Link => Some(Text::KindLink),
        MessageKind::File => Some(Text::KindFile),
        MessageKind::MiniProgramPage => Some(Text::KindMiniProgram),
        MessageKind::Device | MessageKind::Other => None,
    }
}

fn of_event(name: &str) -> Option<Text> {
    match name.to_ascii_lowercase().as_str() {
        "subscribe" => Some(Text::EventFollowed),
        "unsubscribe" => Some(Text::EventLeft),
        "scan" => Some(Text::EventScanned),
        "click" => Some(Text::EventTapped),
        "view" | "view_miniprogram" => Some(Text::EventOpened),
        "location" => Some(Text::EventLocation),
        "scancode_push" | "scancode_waitmsg" => Some(Text::EventScannedFromMenu),
        _ => None,
    }
}
