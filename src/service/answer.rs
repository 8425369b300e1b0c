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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::config::RULE_KEYS;
    use crate::secret::Secret;
    use crate::webhook::SigningSecret;

    fn wechat(body: &[u8]) -> Result<Option<Reply>, String> {
        let answer = Answer {
            content_type: Some("text/html"),
            body,
        };
        read(&Signer::WeChat(Secret::new("token")), answer)
    }

    fn of_type(content_type: Option<&str>, body: &str) -> Result<Option<Reply>, String> {
        let secret = SigningSecret::random().unwrap();
        let body = body.as_bytes();
        read(&Signer::Json(secret), Answer { content_type, body })
    }

    fn json(body: &str) -> Result<Option<Reply>, String> {
        of_type(Some("application/json"), body)
    }

    fn text(text: &str) -> Result<Option<Reply>, String> {
        Ok(Some(Reply::Text(text.to_owned())))
    }

    #[test]
    fn nothing_is_an_answer_in_every_format() {
        for nothing in ["", "success", " \r\n", "\u{feff}success\n"] {
            assert_eq!(wechat(nothing.as_bytes()), Ok(None), "{nothing:?}");
            assert_eq!(of_type(None, nothing), Ok(None), "{nothing:?}");
        }
        let empty = "<xml><MsgType>text</MsgType><Content>\u{1}</Content></xml>";
        assert_eq!(wechat(empty.as_bytes()), Ok(None));
        for nothing in [r#"{"silent":true}"#, r#"{"text":" "}"#] {
            assert_eq!(json(nothing), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn the_content_type_of_a_json_service_decides() {
        assert_eq!(
            of_type(Some("Text/Plain; charset=utf-8"), "{}\n"),
            text("{}\n")
        );
        assert_eq!(
            of_type(Some("APPLICATION/JSON;charset=utf-8"), r#"{"text":"hi"}"#),
            text("hi")
        );
        let refused = "the Content-Type of the answer is neither text/plain nor application/json";
        for other in [None, Some("text/html"), Some("application/xml")] {
            assert_eq!(of_type(other, "hi"), Err(refused.to_owned()));
        }
    }

    #[test]
    fn every_answer_key_is_one_of_the_rules_and_read() {
        for (key, _) in KEYS {
            assert!(RULE_KEYS.iter().any(|(known, _)| *known == key), "{key}");
        }
        let some = |text: &str| Some(text.to_owned());
        for (body, reply) in [
            (
                r#"{"image":" M1 "}"#,
                Reply::Image {
                    media_id: "M1".to_owned(),
                },
            ),
            (
                r#"{"voice":"M2"}"#,
                Reply::Voice {
                    media_id: "M2".to_owned(),
                },
            ),
            (
                r#"{"video":{"media_id":"M3","title":"t","description":null}}"#,
                Reply::Video {
                    media_id: "M3".to_owned(),
                    title: some("t"),
                    description: None,
                },
            ),
            (
                r#"{"music":{"thumb_media_id":"M4","url":"u","hq_url":"h"}}"#,
                Reply::Music {
                    title: None,
                    description: None,
                    url: some("u"),
                    hq_url: some("h"),
                    thumb_media_id: "M4".to_owned(),
                },
            ),
            (
                r#"{"news":[{"title":"t","url":"u"}]}"#,
                Reply::News(vec![Article {
                    title: "t".to_owned(),
                    url: "u".to_owned(),
                    ..Article::default()
                }]),
            ),
            (r#"{"transfer":true}"#, Reply::Transfer { kf_account: None }),
            (
                r#"{"transfer":"amy@shop"}"#,
                Reply::Transfer {
                    kf_account: some("amy@shop"),
                },
            ),
        ] {
            assert_eq!(json(body), Ok(Some(reply)), "{body}");
        }
        let many = format!(
            r#"{{"news":[{}]}}"#,
            [r#"{"title":"t","url":"u"}"#; 11].join(",")
        );
        let Ok(Some(Reply::News(articles))) = json(&many) else {
            panic!("{many}")
        };
        assert_eq!(articles.len(), MAX_ARTICLES);
    }

    #[test]
    fn a_wrong_answer_says_what_is_wrong_and_nothing_of_itself() {
        for (body, why) in [
            (r#"{"hidden":"x"}"#, "its key is none of text, image"),
            ("{}", "it has 0 keys, not one of text, image"),
            (r#"{"text":"hidden","silent":true}"#, "it has 2 keys"),
            (r#"["hidden"]"#, "it is no JSON object"),
            (r#"{"text":"hidden"#, "it is no JSON object"),
            (r#"{"text":7}"#, "`text` is not a text"),
            (r#"{"image":""}"#, "`image` is not a media_id"),
            (
                r#"{"video":{"media_id":"M","hidden":1}}"#,
                "`video` is not { media_id, title, description }",
            ),
            (
                r#"{"music":{"url":"hidden"}}"#,
                "`music` is not { title, description, url, hq_url, thumb_media_id }",
            ),
            (r#"{"news":[]}"#, "`news` is not a list"),
            (r#"{"news":[{"title":"hidden"}]}"#, "`news` is not a list"),
            (r#"{"transfer":false}"#, "`transfer` is not true or"),
            (r#"{"silent":false}"#, "`silent` is not true"),
        ] {
            let error = json(body).unwrap_err();
            assert!(
                error.starts_with(&format!("the answer is wrong: {why}")),
                "{error}"
            );
            assert!(!error.contains("hidden"), "{error}");
        }
        let deep = json(&"[".repeat(100_000));
        assert_eq!(
            deep,
            Err("the answer is wrong: it is no JSON object".to_owned())
        );
        assert_eq!(wechat(b"\xff"), Err("the answer is not UTF-8".to_owned()));
        let plain = wechat(b"hidden").unwrap_err();
        assert!(
            plain.starts_with(
                "the answer is neither empty nor `success` nor the XML of a reply: xml: refused"
            ),
            "{plain}"
        );
        assert!(!plain.contains("hidden"), "{plain}");
    }
}
