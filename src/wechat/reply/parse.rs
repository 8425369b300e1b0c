//! Reads replies that other programs wrote for the platform.

use std::fmt;

use serde_json::Value;

use super::{Article, Reply};
use crate::wechat::error::ParseError;
use crate::wechat::fields::{self, Fields};
use crate::wechat::xml;

/// Why a reply cannot be used. The texts never quote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyError {
    /// It is not the XML of a reply.
    Xml(ParseError),
    /// It is encrypted.
    Encrypted,
    /// Its `MsgType` is not that of a reply.
    MsgType,
    /// An element that this kind of reply needs is missing or empty; its name.
    Missing(&'static str),
}

impl Reply {
    /// Reads the XML of a reply, as [`Reply::to_xml`] or a library for the platform writes it. `ToUserName`,
    /// `FromUserName` and `CreateTime` do not count. A text may contain `]]>`: like the platform, some libraries do
    /// not escape it. An empty text is read, see [`Reply::is_empty`].
    ///
    /// # Errors
    /// When it is no reply, could harm the parser, or lacks what its kind needs.
    pub fn parse(document: &str) -> Result<Reply, ReplyError> {
        let document = document.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        let reply = xml::read(document).map_err(ReplyError::Xml)?;
        let reply = reply.into_fields();
        let Some(msg_type) = fields::text(&reply, "MsgType") else {
            return Err(match reply.contains_key("Encrypt") {
                true => ReplyError::Encrypted,
                false => ReplyError::Missing("MsgType"),
            });
        };
        let media_id = |name| required(inside(&reply, name), "MediaId");
        match msg_type.to_ascii_lowercase().as_str() {
            "text" => Ok(Reply::Text(
                optional(Some(&reply), "Content").unwrap_or_default(),
            )),
            "image" => Ok(Reply::Image {
                media_id: media_id("Image")?,
            }),
            "voice" => Ok(Reply::Voice {
                media_id: media_id("Voice")?,
            }),
            "video" => {
                let video = inside(&reply, "Video");
                Ok(Reply::Video {
                    media_id: required(video, "MediaId")?,
                    title: optional(video, "Title"),
                    description: optional(video, "Description"),
                })
            }
            "music" => {
                let music = inside(&reply, "Music");
                Ok(Reply::Music {
                    title: optional(music, "Title"),
                    description: optional(music, "Description"),
                    url: optional(music, "MusicUrl"),
                    hq_url: optional(music, "HQMusicUrl"),
                    thumb_media_id: required(music, "ThumbMediaId")?,
                })
            }
            "news" => {
                let items = inside(&reply, "Articles").and_then(|inside| inside.get("item"));
                let items = items.and_then(Value::as_array).into_iter().flatten();
                let articles: Vec<Article> = items
                    .filter_map(|item| Some(article(item.as_object()?)))
                    .collect();
                match articles.is_empty() {
                    true => Err(ReplyError::Missing("item")),
                    false => Ok(Reply::News(articles)),
                }
            }
            "transfer_customer_service" => Ok(Reply::Transfer {
                kf_account: optional(inside(&reply, "TransInfo"), "KfAccount"),
            }),
            "transfer_biz_ai_ivr" => Ok(Reply::TransferAi),
            _ => Err(ReplyError::MsgType),
        }
    }
}

fn article(item: &Fields) -> Article {
    let text = |name| optional(Some(item), name).unwrap_or_default();
    Article {
        title: text("Title"),
        description: text("Description"),
        pic_url: text("PicUrl"),
        url: text("Url"),
    }
}

fn inside<'a>(fields: &'a Fields, name: &str) -> Option<&'a Fields> {
    fields.get(name).and_then(Value::as_object)
}

fn optional(fields: Option<&Fields>, name: &str) -> Option<String> {
    fields::text(fields?, name).map(str::to_owned)
}

fn required(fields: Option<&Fields>, name: &'static str) -> Result<String, ReplyError> {
    optional(fields, name).ok_or(ReplyError::Missing(name))
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::Xml(error) => error.fmt(f),
            ReplyError::Encrypted => f.write_str("the reply is encrypted"),
            ReplyError::MsgType => f.write_str("the MsgType is not that of a reply"),
            ReplyError::Missing(name) => write!(f, "the reply has no {name}"),
        }
    }
}

impl std::error::Error for ReplyError {}
