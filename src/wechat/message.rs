//! What a user can send (the platform's page "Receiving standard messages"): the table of kinds.

use super::fields::{self, Fields};

/// A message of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `MsgType` as received; compare it without regard to case.
    pub msg_type: String,
    /// `MsgId`, an unsigned 64-bit number as text. Missing only in very old or broken pushes.
    pub msg_id: Option<String>,
    /// What was sent, by the `MsgType`.
    pub kind: MessageKind,
    /// The other elements.
    pub fields: Fields,
}

/// The kinds of messages. Each has its elements, see [`Message::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text, also a tap on an entry of a menu message: then `bizmsgmenuid` is the entry and `Content` its label. In
    /// place of what the platform does not forward (stickers, red packets) it sends
    /// `【收到不支持的消息类型，暂无法显示】`; a rule that `equals` it answers those.
    Text,
    /// A picture. `PicUrl` shows it; `MediaId` is missing in very old pushes.
    Image,
    /// A voice recording; `Format` is `amr` (8 kHz) or `speex`, `MediaId16K` the same recording at 16 kHz. What was
    /// said is in `Recognition`, if the account has speech recognition switched on.
    Voice,
    /// A video; `ThumbMediaId` is its preview picture.
    Video,
    /// A video recorded in the chat.
    ShortVideo,
    /// A place; not to be confused with the event `LOCATION`.
    Location,
    /// A shared page.
    Link,
    /// A file; not in the platform's documentation. Its content cannot be downloaded; `Description` is its size for
    /// people, such as `2.5 KB`.
    File,
    /// A shared mini program.
    MiniProgramPage,
    /// From the discontinued platform for devices: recorded, never answered.
    Device,
    /// Any other `MsgType`.
    Other,
}

/// The `MsgType` of each kind that users send.
const KINDS: [(&str, MessageKind); 9] = [
    ("text", MessageKind::Text),
    ("image", MessageKind::Image),
    ("voice", MessageKind::Voice),
    ("video", MessageKind::Video),
    ("shortvideo", MessageKind::ShortVideo),
    ("location", MessageKind::Location),
    ("link", MessageKind::Link),
    ("file", MessageKind::File),
    ("miniprogrampage", MessageKind::MiniProgramPage),
];

/// Every `MsgType` that users send, as the platform writes it.
pub const MESSAGE_TYPES: [&str; KINDS.len()] = {
    let mut names = [""; KINDS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = KINDS[at].0;
        at += 1;
    }
    names
};

/// The `MsgType`s of [`MessageKind::Device`].
const DEVICE_TYPES: [&str; 4] = ["device_text", "device_event", "device_status", "hardware"];

impl MessageKind {
    fn of(msg_type: &str) -> MessageKind {
        let is = |name: &str| name.eq_ignore_ascii_case(msg_type);
        match KINDS.iter().find(|(name, _)| is(name)) {
            Some((_, kind)) => *kind,
            None if DEVICE_TYPES.into_iter().any(is) => MessageKind::Device,
            None => MessageKind::Other,
        }
    }
}

impl Message {
    /// Reads what is left of a push after the elements that all pushes have.
    pub(super) fn read(msg_type: String, mut fields: Fields) -> Message {
        Message {
            msg_id: fields::take(&mut fields, "MsgId"),
            kind: MessageKind::of(&msg_type),
            msg_type,
            fields,
        }
    }

    /// The text of an element; `None` where it is missing, empty, or holds other elements.
    pub fn text(&self, element: &str) -> Option<&str> {
        fields::text(&self.fields, element)
    }

    /// What rules look at: `Content` of a text, `Recognition` of a voice recording, `Title` of a
    /// link or file, `Label` of a place, else `""`.
    pub fn subject(&self) -> &str {
        let element = match self.kind {
            MessageKind::Text => "Content",
            MessageKind::Voice => "Recognition",
            MessageKind::Link | MessageKind::File => "Title",
            MessageKind::Location => "Label",
            MessageKind::Image
            | MessageKind::Video
            | MessageKind::ShortVideo
            | MessageKind::MiniProgramPage
            | MessageKind::Device
            | MessageKind::Other => return "",
        };
        self.text(element).unwrap_or_default()
    }

    /// Latitude and longitude of a place in degrees, decimal texts as received; `""` for one that is missing.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        let text = |element| self.text(element).unwrap_or_default();
        (self.kind == MessageKind::Location).then(|| (text("Location_X"), text("Location_Y")))
    }

    /// `MediaId`: how to fetch the picture, recording or video; it works for 3 days.
    pub fn media_id(&self) -> Option<&str> {
        match self.kind {
            MessageKind::Image
            | MessageKind::Voice
            | MessageKind::Video
            | MessageKind::ShortVideo
            | MessageKind::Other => self.text("MediaId"),
            MessageKind::Text
            | MessageKind::Location
            | MessageKind::Link
            | MessageKind::File
            | MessageKind::MiniProgramPage
            | MessageKind::Device => None,
        }
    }

    /// Whether the user would see a reply: always, except to the discontinued platform for devices.
    pub fn may_be_answered(&self) -> bool {
        self.kind != MessageKind::Device
    }
}
