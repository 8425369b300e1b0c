//! Reads the answer of a service.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::call::Signer;
use crate::wechat::{Article, MAX_ARTICLES, Reply, ReplyError};

/// The most bytes of an answer.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// What came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    /// The header.
    pub(super) content_type: Option<&'a str>,
    /// At least its first [`MOST_BYTES`] bytes and one more.
    pub(super) body: &'a [u8],
}

/// The reply in an answer with a status of success; `None`: nothing is to be shown. The error says what is wrong without
/// quoting the answer.
pub(super) fn read(signer: &Signer, answer: Answer) -> Result<Option<Reply>, String> {
    if answer.body.len() > MOST_BYTES {
        let most = MOST_BYTES >> 10;
        return Err(format!("the answer is longer than {most} KiB"));
    }
    let text = std::str::from_utf8(answer.body).map_err(|_| "the answer is not UTF-8")?;
    let text = text.trim_start_matches('\u{feff}');
    if matches!(text.trim(), "" | "success") {
        return Ok(None);
    }
    let reply = match signer {
        Signer::WeChat(_) => Some(Reply::parse(text).map_err(|error| match error {
            ReplyError::Encrypted => {
                "the answer is encrypted; give the program no EncodingAESKey".to_owned()
            }
            ReplyError::Xml(_) | ReplyError::MsgType | ReplyError::Missing(_) => {
                format!("the answer is neither empty nor `success` nor the XML of a reply: {error}")
            }
        })?),
        Signer::Json(_) => match media_type(answer.content_type).as_str() {
            "text/plain" => Some(Reply::Text(text.to_owned())),
            "application/json" => {
                json(text).map_err(|error| format!("the answer is wrong: {error}"))?
            }
            _ => {
                let expected = "neither text/plain nor application/json";
                return Err(format!("the Content-Type of the answer is {expected}"));
            }
        },
    };
    Ok(reply.map(limited).filter(|reply| !reply.is_empty()))
}

/// Without what is not sent anyway.
fn limited(mut reply: Reply) -> Reply {
    if let Reply::News(articles) = &mut reply {
        articles.truncate(MAX_ARTICLES);
    }
    reply
}

/// A `Content-Type` without its parameters, in lower case.
fn media_type(header: Option<&str>) -> String {
    let header = header.unwrap_or_default();
    let media_type = header.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// The answer keys of the rules that a service may use, each with what belongs there.
const KEYS: [(&str, &str); 8] = [
    ("text", "a text"),
    ("image", "a media_id"),
    ("voice", "a media_id"),
    ("video", "{ media_id, title, description }"),
    (
        "music",
        "{ title, description, url, hq_url, thumb_media_id }",
    ),
    (
        "news",
        "a list of { title, description, pic_url, url }, 1 to 8",
    ),
    ("transfer", "true or the account of an agent"),
    ("silent", "true"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Video {
    media_id: String,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Music {
    title: Option<String>,
    description: Option<String>,
    url: Option<String>,
    hq_url: Option<String>,
    thumb_media_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    pic_url: String,
    url: String,
}

fn json(text: &str) -> Result<Option<Reply>, String> {
    let answer: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "it is no JSON object".to_owned())?;
    let known = || KEYS.map(|(key, _)| key).join(", ");
    let count = answer.len();
    let mut keys = answer.into_iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Err(format!("it has {count} keys, not one of {}", known()));
    };
    let Some((key, expected)) = KEYS.iter().find(|(known, _)| *known == key) else {
        return Err(format!("its key is none of {}", known()));
    };
    reply(key, value).ok_or_else(|| format!("`{key}` is not {expected}"))
}

/// What the value of an answer key says; `None` if it does not fit.
#[expect(
    clippy::option_option,
    reason = "silence is an answer, and differs from a wrong one"
)]
fn reply(key: &str, value: Value) -> Option<Option<Reply>> {
    let reply = match key {
        "text" => Reply::Text(read_as(value)?),
        "image" => Reply::Image {
            media_id: identifier(read_as(value)?)?,
        },
        "voice" => Reply::Voice {
            media_id: identifier(read_as(value)?)?,
        },
        "video" => {
            let video: Video = read_as(value)?;
            Reply::Video {
                media_id: identifier(video.media_id)?,
                title: video.title,
                description: video.description,
            }
        }
        "music" => {
            let music: Music = read_as(value)?;
            Reply::Music {
                title: music.title,
                description: music.description,
                url: music.url,
                hq_url: music.hq_url,
                thumb_media_id: identifier(music.thumb_media_id)?,
            }
        }
        "news" => {
            let items: Vec<Item> = read_as(value)?;
            let articles = items.into_iter().map(|item| Article {
                title: item.title,
                description: item.description,
                pic_url: item.pic_url,
                url: item.url,
            });
            Reply::News(Some(articles.collect::<Vec<_>>()).filter(|all| !all.is_empty())?)
        }
        "transfer" => Reply::Transfer {
            kf_account: match value {
                Value::Bool(true) => None,
                account => Some(identifier(read_as(account)?)?),
            },
        },
        "silent" => return (value == Value::Bool(true)).then_some(None),
        _ => return None,
    };
    Some(Some(reply))
}

fn read_as<T: DeserializeOwned>(value: Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn identifier(text: String) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
