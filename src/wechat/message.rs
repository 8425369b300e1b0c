//! What a user can send (the platform's page "Receiving standard messages"): one struct for each
//! kind, and the table that names them.
//!
//! In all of them a missing, an empty and a self-closed element are the same: `None`, or `""` for
//! an element that every message of the kind has.

use serde::{Deserialize, Serialize};

use super::fields::{self, Fields};

/// A message of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `MsgType` as received; compare it without regard to case.
    pub msg_type: String,
    /// `MsgId`, an unsigned 64-bit number as text. Missing only in very old or broken pushes.
    pub msg_id: Option<String>,
    /// The article from whose page the message was sent, if it was.
    pub article: Option<ArticleRef>,
    /// What was sent.
    pub content: MessageKind,
}

/// A published article that a message was sent from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArticleRef {
    /// `MsgDataId`, digits.
    pub msg_data_id: String,
    /// `Idx`: which article of a push with several, from 1.
    pub idx: Option<i64>,
}

/// One row for each kind: its `MsgType` (or several), variant and struct.
macro_rules! message_kinds {
    (
        $( $(#[$doc:meta])* $($name:literal)|+ => $variant:ident($content:ty); )*
        discontinued:
        $( $(#[$old_doc:meta])* $($old_name:literal)|+ => $old_variant:ident($old_content:ty); )*
    ) => {
        /// The content of a message, by its `MsgType`.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum MessageKind {
            $( $(#[$doc])* $variant($content), )*
            $( $(#[$old_doc])* $old_variant($old_content), )*
            /// Any other `MsgType`: all elements.
            Other(Fields),
        }

        /// Every `MsgType` that has a kind of its own.
        pub const MESSAGE_TYPES: &[&str] = &[$( $($name,)+ )* $( $($old_name,)+ )*];

        /// Those of them that users send; the others are discontinued.
        pub const USER_MESSAGE_TYPES: &[&str] = &[$( $($name,)+ )*];

        impl MessageKind {
            fn read(msg_type: &str, fields: Fields) -> MessageKind {
                $(
                    if $( msg_type.eq_ignore_ascii_case($name) )||+ {
                        return MessageKind::$variant(fields::typed(&fields));
                    }
                )*
                $(
                    if $( msg_type.eq_ignore_ascii_case($old_name) )||+ {
                        return MessageKind::$old_variant(fields::typed(&fields));
                    }
                )*
                MessageKind::Other(fields)
            }
        }
    };
}

message_kinds! {
    /// Text, also a tap on an entry of a menu message.
    "text" => Text(Text);
    /// A picture.
    "image" => Image(Image);
    /// A voice recording.
    "voice" => Voice(Voice);
    /// A video.
    "video" => Video(Video);
    /// A video recorded in the chat.
    "shortvideo" => ShortVideo(Video);
    /// A place.
    "location" => Location(Location);
    /// A shared page.
    "link" => Link(Link);
    /// A file; not in the platform's documentation.
    "file" => File(File);
    /// A shared mini program.
    "miniprogrampage" => MiniProgramPage(MiniProgramPage);
    discontinued:
    /// The platform for devices: kept, never answered.
    "device_text" | "device_event" | "device_status" | "hardware" => Device(Fields);
}

/// `text`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Text {
    /// The text to the last space. In the place of what the platform does not forward (stickers, red packets) it
    /// puts `【收到不支持的消息类型，暂无法显示】`; a rule that `equals` it answers those.
    pub content: String,
    /// `bizmsgmenuid`: which entry of a menu message was tapped; `content` is then its label.
    #[serde(rename = "bizmsgmenuid")]
    pub menu_id: Option<String>,
}

/// `image`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Image {
    /// Where the platform shows the picture.
    pub pic_url: String,
    /// For downloading it, valid for 3 days. Missing in very old pushes.
    pub media_id: Option<String>,
}

/// `voice`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Voice {
    /// For downloading it, valid for 3 days.
    pub media_id: String,
    /// `amr` (8 kHz) or `speex`.
    pub format: String,
    /// `MediaId16K`: the same at 16 kHz.
    #[serde(rename = "MediaId16K")]
    pub media_id_16k: Option<String>,
    /// What was said, where the account has speech recognition switched on.
    pub recognition: Option<String>,
}

/// `video` and `shortvideo`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Video {
    /// For downloading it, valid for 3 days.
    pub media_id: String,
    /// The same of its preview picture.
    pub thumb_media_id: String,
}

/// `location`; not to be confused with the event `LOCATION`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Location {
    /// `Location_X`: degrees of latitude, decimal text as received.
    #[serde(rename = "Location_X")]
    pub latitude: String,
    /// `Location_Y`: degrees of longitude, decimal text as received.
    #[serde(rename = "Location_Y")]
    pub longitude: String,
    /// Zoom of the map.
    #[serde(deserialize_with = "fields::integer")]
    pub scale: Option<i64>,
    /// The address.
    pub label: Option<String>,
}

/// `link`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Link {
    /// The page's title.
    pub title: String,
    /// Its summary.
    pub description: Option<String>,
    /// Its address.
    pub url: String,
}

/// `file`; its content cannot be downloaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct File {
    /// The file's name.
    pub title: String,
    /// Its size for people, such as `2.5 KB`.
    pub description: Option<String>,
    /// The platform's key of the file.
    pub file_key: String,
    /// MD5 of the content, hexadecimal.
    pub file_md5: String,
    /// Size in bytes.
    #[serde(deserialize_with = "fields::integer")]
    pub file_total_len: Option<i64>,
}

/// `miniprogrampage`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MiniProgramPage {
    /// The card's title.
    pub title: String,
    /// AppID of the mini program.
    pub app_id: String,
    /// The page inside it.
    pub page_path: String,
    /// Where the platform shows the card's picture.
    pub thumb_url: String,
    /// For downloading the picture, valid for 3 days.
    pub thumb_media_id: String,
}

impl Message {
    /// Reads what is left of a push after the elements that all pushes have.
    pub(super) fn read(msg_type: String, mut fields: Fields) -> Message {
        let msg_id = fields::take(&mut fields, "MsgId");
        let idx = fields::take(&mut fields, "Idx").and_then(|idx| idx.parse().ok());
        let article = fields::take(&mut fields, "MsgDataId")
            .map(|msg_data_id| ArticleRef { msg_data_id, idx });
        let content = MessageKind::read(&msg_type, fields);
        Message {
            msg_type,
            msg_id,
            article,
            content,
        }
    }

    /// What rules look at: `Content` of a text, `Recognition` of a voice recording, `Title` of a
    /// link or file, `Label` of a place, else `""`.
    pub fn subject(&self) -> &str {
        match &self.content {
            MessageKind::Text(text) => &text.content,
            MessageKind::Voice(voice) => voice.recognition.as_deref().unwrap_or_default(),
            MessageKind::Link(link) => &link.title,
            MessageKind::File(file) => &file.title,
            MessageKind::Location(location) => location.label.as_deref().unwrap_or_default(),
            MessageKind::Image(_)
            | MessageKind::Video(_)
            | MessageKind::ShortVideo(_)
            | MessageKind::MiniProgramPage(_)
            | MessageKind::Device(_)
            | MessageKind::Other(_) => "",
        }
    }

    /// Latitude and longitude of a place, as received.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        match &self.content {
            MessageKind::Location(place) => Some((&place.latitude, &place.longitude)),
            _ => None,
        }
    }

    /// `MediaId`: how to fetch the picture, recording or video; it works for 3 days.
    pub fn media_id(&self) -> Option<&str> {
        let media_id = match &self.content {
            MessageKind::Image(image) => image.media_id.as_deref(),
            MessageKind::Voice(voice) => Some(&*voice.media_id),
            MessageKind::Video(video) | MessageKind::ShortVideo(video) => Some(&*video.media_id),
            MessageKind::Other(fields) => fields::text(fields, "MediaId"),
            MessageKind::Text(_)
            | MessageKind::Location(_)
            | MessageKind::Link(_)
            | MessageKind::File(_)
            | MessageKind::MiniProgramPage(_)
            | MessageKind::Device(_) => None,
        };
        media_id.filter(|media_id| !media_id.is_empty())
    }

    /// Whether the user would see a reply: always, but for the discontinued platform for devices.
    pub fn may_be_answered(&self) -> bool {
        !matches!(self.content, MessageKind::Device(_))
    }
}
