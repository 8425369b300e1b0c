//! Messages from users (the platform's page "Receiving standard messages"): the table of kinds, and the elements that
//! code reads.

use super::fields::{self, Fields};

/// A message from a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `MsgType` as received; case does not matter.
    pub msg_type: String,
    /// `MsgId`, an unsigned 64-bit number as text. Missing only in very old or broken pushes.
    pub msg_id: Option<String>,
    /// The kind, by `MsgType`.
    pub kind: MessageKind,
    /// The other elements.
    pub fields: Fields,
}

/// The kinds of messages; read their elements with [`Message::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text, or a tap on an entry of a menu message: then `bizmsgmenuid` is the entry and `Content` its label. For what
    /// the platform does not forward (stickers, red packets) it sends `【收到不支持的消息类型，暂无法显示】`; a rule
    /// that `equals` it answers those.
    Text,
    /// A picture. `PicUrl` shows it; `MediaId` is missing in very old pushes.
    Image,
    /// A voice recording; `Format` is `amr` (8 kHz) or `speex`, `MediaId16K` the same recording at 16 kHz. `Recognition`
    /// is its text, if speech recognition is enabled for the account.
    Voice,
    /// A video; `ThumbMediaId` is its preview picture.
    Video,
    /// A video recorded in the chat.
    ShortVideo,
    /// A place; not to be confused with the event `LOCATION`.
    Location,
    /// A shared page.
    Link,
    /// A file (undocumented). It cannot be downloaded; `Description` is its size, such as `2.5 KB`.
    File,
    /// A shared mini program.
    MiniProgramPage,
    /// From the discontinued device platform; recorded, never answered.
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

/// Every `MsgType` that users send, in the platform's spelling.
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
    /// The kind of a `MsgType`, ignoring case.
    #[must_use]
    pub fn of(msg_type: &str) -> MessageKind {
        let is = |name: &str| name.eq_ignore_ascii_case(msg_type);
        match KINDS.iter().find(|(name, _)| is(name)) {
            Some((_, kind)) => *kind,
            None if DEVICE_TYPES.into_iter().any(is) => MessageKind::Device,
            None => MessageKind::Other,
        }
    }
}

impl Message {
    /// Takes the elements that remain after those that all pushes have.
    pub(super) fn read(msg_type: String, mut fields: Fields) -> Message {
        Message {
            msg_id: fields::take(&mut fields, "MsgId"),
            kind: MessageKind::of(&msg_type),
            msg_type,
            fields,
        }
    }

    /// The text of an element; `None` if it is missing, empty, or has child elements.
    pub fn text(&self, element: &str) -> Option<&str> {
        fields::text(&self.fields, element)
    }

    /// The text that rules match: `Content` of a text, `Recognition` of a voice recording, `Title` of a link or file,
    /// `Label` of a place, else `""`.
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

    /// Latitude and longitude of a place in degrees, decimal text as received; `""` if missing.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        let text = |element| self.text(element).unwrap_or_default();
        (self.kind == MessageKind::Location).then(|| (text("Location_X"), text("Location_Y")))
    }

    /// `MediaId`, for downloading the picture, recording or video; valid for 3 days.
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

    /// Whether the user would see a reply: always, except for [`MessageKind::Device`].
    pub fn may_be_answered(&self) -> bool {
        self.kind != MessageKind::Device
    }
}
