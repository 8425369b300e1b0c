//! One push from the platform, parsed from a plain or decrypted body.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::body;
use super::error::{Format, ParseError};
use super::event::{self, Event, known_events};
use super::fields::{Elements, Fields};
use super::message::{MESSAGE_TYPES, Message};

/// Valid values of `CreateTime`: up to the year 9999, so that each has a date.
const TIMES: RangeInclusive<i64> = 0..=253_402_300_799;

/// One push. Answers go from `to_user` to `from_user`.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// `ToUserName`: the account's original ID, `gh_…`.
    pub to_user: String,
    /// `FromUserName`: the sender's OpenID; in events about authorization and results, an account of the platform.
    pub from_user: String,
    /// `CreateTime`: Unix seconds.
    pub create_time: i64,
    /// The message or event.
    pub body: Body,
    dedup_key: String,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A user wrote something.
    Message(Message),
    /// `MsgType` is `event`: something happened.
    Event(Event),
}

impl Push {
    /// Parses a push from XML or JSON; the first byte after an optional byte order mark and white space decides.
    ///
    /// # Errors
    /// If the body is not a push. Unknown kinds and strange values are not errors.
    pub fn parse(body: &[u8]) -> Result<Push, ParseError> {
        let (_, mut elements) = body::read(body)?;
        // In compatible mode it repeats the plain elements.
        elements.take_all("Encrypt");
        let to_user = required(&elements, "ToUserName")?;
        let from_user = required(&elements, "FromUserName")?;
        let create_time = required(&elements, "CreateTime")?.parse().ok();
        let create_time = create_time.filter(|time| TIMES.contains(time));
        let create_time = create_time.ok_or(ParseError::CreateTime)?;
        let msg_type = required(&elements, "MsgType")?;
        let is_event = is_event(&msg_type);
        if is_event {
            event::as_in_xml(&mut elements);
        }
        let dedup_key = match elements.text("MsgId") {
            Some(msg_id) if !is_event => format!("{msg_id}|{from_user}"),
            Some(_) | None => format!("{create_time}|{}", elements.digest()),
        };
        for name in ["ToUserName", "FromUserName", "CreateTime", "MsgType"] {
            elements.take_all(name);
        }
        let fields = elements.into_fields();
        let body = if is_event {
            Body::Event(Event::read(fields))
        } else {
            Body::Message(Message::read(msg_type, fields))
        };
        Ok(Push {
            to_user,
            from_user,
            create_time,
            body,
            dedup_key,
        })
    }

    /// A text, with nothing else that a push has: to ask rules about it.
    #[must_use]
    pub fn of_text(text: &str) -> Push {
        let mut fields = Fields::new();
        fields.insert("Content".to_owned(), text.into());
        let text = Message::read("text".to_owned(), fields);
        Push {
            to_user: String::new(),
            from_user: String::new(),
            create_time: 0,
            body: Body::Message(text),
            dedup_key: String::new(),
        }
    }

    /// Equal only for deliveries of the same push. For a message it is `MsgId|FromUserName`; for an event, or a message
    /// without `MsgId`, it is `CreateTime|` and a digest of all elements, independent of their order and of white space
    /// between them.
    ///
    /// The number of a job in an event (`MsgID`, `MsgId`, `publish_id`) is an element like any other: several events may
    /// be about one job. Stores of version 5 and older have other keys for events, so that an event delivered again
    /// during that update is recorded twice.
    pub fn dedup_key(&self) -> String {
        self.dedup_key.clone()
    }

    /// `MsgType`: as received for a message, else `event`.
    pub fn msg_type(&self) -> &str {
        match &self.body {
            Body::Message(message) => &message.msg_type,
            Body::Event(_) => "event",
        }
    }

    /// `Event` as received.
    pub fn event(&self) -> Option<&str> {
        self.as_event()
            .map(|event| event.name.as_str())
            .filter(|name| !name.is_empty())
    }

    /// The position of its kind in [`push_kinds`]; `None`: it is of another one.
    pub fn kind_number(&self) -> Option<usize> {
        match &self.body {
            Body::Message(message) => {
                let is = |known: &&str| known.eq_ignore_ascii_case(&message.msg_type);
                MESSAGE_TYPES.iter().position(is)
            }
            Body::Event(event) => {
                let is = |known: &str| known.eq_ignore_ascii_case(&event.name);
                Some(MESSAGE_TYPES.len() + known_events().position(is)?)
            }
        }
    }

    /// `EventKey` as received; `None` when empty.
    pub fn event_key(&self) -> Option<&str> {
        self.as_event()?.key()
    }

    /// The scene of a QR code that a new or existing follower scanned, see [`Event::scene`].
    pub fn scene(&self) -> Option<&str> {
        self.as_event()?.scene()
    }

    /// `MsgId` of a message; `MsgID` of an event about a job.
    pub fn msg_id(&self) -> Option<&str> {
        match &self.body {
            Body::Message(message) => message.msg_id.as_deref(),
            Body::Event(event) => event.msg_id(),
        }
    }

    /// The `MediaId` of a message, see [`Message::media_id`].
    pub fn media_id(&self) -> Option<&str> {
        match &self.body {
            Body::Message(message) => message.media_id(),
            Body::Event(_) => None,
        }
    }

    /// The text that rules match, see [`Message::subject`] and [`Event::subject`].
    pub fn subject(&self) -> &str {
        match &self.body {
            Body::Message(message) => message.subject(),
            Body::Event(event) => event.subject(),
        }
    }

    /// What the user scanned from the menu, see [`Event::scan`].
    pub fn scan(&self) -> Option<(&str, &str)> {
        self.as_event()?.scan()
    }

    /// Latitude and longitude of the user or of the chosen place, decimal text as received.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        match &self.body {
            Body::Message(message) => message.coordinates(),
            Body::Event(event) => event.coordinates(),
        }
    }

    /// Whether the user would see a reply; if not, the answer is `success`. True for unknown kinds.
    pub fn may_be_answered(&self) -> bool {
        match &self.body {
            Body::Message(message) => message.may_be_answered(),
            Body::Event(event) => event.may_be_answered(),
        }
    }

    /// Whether it may be transferred to customer service: only users' messages, never events.
    pub fn may_be_transferred(&self) -> bool {
        match &self.body {
            Body::Message(message) => message.may_be_answered(),
            Body::Event(_) => false,
        }
    }

    /// The user that an authorization event is about, see [`Event::authorization_openid`].
    pub fn authorization_openid(&self) -> Option<&str> {
        self.as_event()?.authorization_openid()
    }

    fn as_event(&self) -> Option<&Event> {
        match &self.body {
            Body::Message(_) => None,
            Body::Event(event) => Some(event),
        }
    }
}

/// All kinds of pushes that are documented, in the platform's spelling: those of messages, then those of events.
pub fn push_kinds() -> impl Iterator<Item = &'static str> {
    MESSAGE_TYPES.into_iter().chain(known_events())
}

/// A push as XML: as it came if it is XML, otherwise written so that [`Push::parse`] reads the same from it.
///
/// # Errors
/// If the body is neither XML nor JSON in the platform's form.
pub fn push_as_xml(body: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    let (format, mut elements) = body::read(body)?;
    match format {
        Format::Xml => Ok(String::from_utf8_lossy(body)),
        Format::Json => {
            if elements.text("MsgType").is_some_and(is_event) {
                event::as_in_xml(&mut elements);
            }
            let mut xml = String::with_capacity(2 * body.len());
            xml.push_str("<xml>\n");
            elements.push_xml(&mut xml);
            xml.push_str("</xml>");
            Ok(xml.into())
        }
    }
}

fn is_event(msg_type: &str) -> bool {
    msg_type.eq_ignore_ascii_case("event")
}

fn required(elements: &Elements, name: &'static str) -> Result<String, ParseError> {
    let text = elements.text(name).map(str::to_owned);
    text.ok_or(ParseError::Missing(name))
}
