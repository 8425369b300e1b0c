//! Drafts: articles that only the account sees, until they are sent or published.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::article::{ARTICLES_PAGE, Page, StoredArticle, in_content};
use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The longest title, in characters.
pub const MAX_TITLE: usize = 32;

/// The longest name of an author, in characters.
pub const MAX_AUTHOR: usize = 16;

/// The longest digest, in characters.
pub const MAX_DIGEST: usize = 128;

/// The content has fewer characters than this, tags included. (WeChat's page also says 2 KB, which cannot hold.)
pub const CONTENT_CHARACTERS: usize = 20_000;

/// The content has fewer bytes than this.
pub const CONTENT_BYTES: usize = 1024 * 1024;

/// The longest address behind "Read more", in bytes.
pub const MAX_SOURCE_URL: usize = 1024;

/// The most articles of one draft.
pub const MAX_ARTICLES: usize = 8;

/// The `article_type` of a [`PictureMessage`].
const PICTURES: &str = "newspic";

/// One article of a draft as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DraftArticle {
    /// An article.
    News(NewsArticle),
    /// Pictures with a few words.
    Pictures(PictureMessage),
}

/// An article.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsArticle {
    /// `news`, which is meant without it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article_type: Option<String>,
    /// Its title, at most [`MAX_TITLE`] characters.
    pub title: String,
    /// Who wrote it, at most [`MAX_AUTHOR`] characters.
    #[serde(default)]
    pub author: String,
    /// The few lines under the title in the chat, at most [`MAX_DIGEST`] characters.
    #[serde(default)]
    pub digest: String,
    /// The article itself, as HTML. Its pictures have URLs from `media/uploadimg`; others are dropped.
    pub content: String,
    /// Where "Read more" leads, at most [`MAX_SOURCE_URL`] bytes.
    #[serde(default)]
    pub content_source_url: String,
    /// The cover: a picture of the permanent material.
    pub thumb_media_id: String,
    /// 1: users can comment.
    #[serde(default)]
    pub need_open_comment: u8,
    /// 1: only followers can.
    #[serde(default)]
    pub only_fans_can_comment: u8,
    /// The part of the cover that is shown wide: `X1_Y1_X2_Y2`, fractions from the top left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pic_crop_235_1: Option<String>,
    /// The part of the cover that is shown as a square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pic_crop_1_1: Option<String>,
    /// Goods of WeChat's shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_info: Option<Value>,
}

/// Pictures with a few words (图片消息).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureMessage {
    /// `newspic`.
    pub article_type: String,
    /// Its title, at most [`MAX_TITLE`] characters.
    pub title: String,
    /// Plain text.
    #[serde(default)]
    pub content: String,
    /// 1: users can comment.
    #[serde(default)]
    pub need_open_comment: u8,
    /// 1: only followers can.
    #[serde(default)]
    pub only_fans_can_comment: u8,
    /// `image_list` of 1 to 20 pictures of the permanent material; the first is the cover.
    pub image_info: Value,
    /// How the cover is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_info: Option<Value>,
    /// Goods of WeChat's shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_info: Option<Value>,
}

/// Fields that come back with any article and are not taken.
const READ_ONLY: [&str; 4] = ["show_cover_pic", "url", "thumb_url", "is_deleted"];

/// The same of pictures, which have no such fields of their own.
const READ_ONLY_OF_PICTURES: [&str; 4] =
    ["author", "digest", "content_source_url", "thumb_media_id"];

/// Reads an article as it is written in a file, or as WeChat returned it: what only comes back is left out, and a field
/// that is `null` counts as missing.
impl<'de> Deserialize<'de> for DraftArticle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<DraftArticle, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let pictures = value["article_type"] == PICTURES;
        if let Value::Object(fields) = &mut value {
            fields.retain(|name, value| {
                let name = name.as_str();
                let dropped =
                    READ_ONLY.contains(&name) || pictures && READ_ONLY_OF_PICTURES.contains(&name);
                !dropped && !value.is_null()
            });
        }
        let article = match pictures {
            true => serde_json::from_value(value).map(DraftArticle::Pictures),
            false => serde_json::from_value(value).map(DraftArticle::News),
        };
        article.map_err(serde::de::Error::custom)
    }
}

impl DraftArticle {
    /// Checks what WeChat's page on drafts limits.
    ///
    /// # Errors
    /// The first field that is missing or too long.
    pub fn check(&self) -> Result<(), String> {
        match self {
            DraftArticle::News(news) => news.check(),
            DraftArticle::Pictures(PictureMessage { title, content, .. }) => {
                needed("title", title)?;
                at_most("title", title, MAX_TITLE)?;
                short_enough(content)
            }
        }
    }
}

impl NewsArticle {
    fn check(&self) -> Result<(), String> {
        needed("title", &self.title)?;
        needed("content", &self.content)?;
        needed("thumb_media_id", &self.thumb_media_id)?;
        at_most("title", &self.title, MAX_TITLE)?;
        at_most("author", &self.author, MAX_AUTHOR)?;
        at_most("digest", &self.digest, MAX_DIGEST)?;
        let bytes = self.content_source_url.len();
        if bytes > MAX_SOURCE_URL {
            return Err(format!(
                "content_source_url has {bytes} bytes, and WeChat takes {MAX_SOURCE_URL}"
            ));
        }
        short_enough(&self.content)
    }
}

fn needed(field: &str, text: &str) -> Result<(), String> {
    match text.trim().is_empty() {
        true => Err(format!("it has no {field}")),
        false => Ok(()),
    }
}

/// Checks the length of a field in characters.
///
/// # Errors
/// How long it is and may be.
pub fn at_most(field: &str, text: &str, most: usize) -> Result<(), String> {
    let characters = text.chars().count();
    match characters > most {
        true => Err(format!(
            "its {field} has {characters} characters, and WeChat takes {most}"
        )),
        false => Ok(()),
    }
}

/// Checks the length of the content of an article.
///
/// # Errors
/// How long it is and may be.
pub fn short_enough(content: &str) -> Result<(), String> {
    let characters = content.chars().count();
    if characters >= CONTENT_CHARACTERS {
        return Err(format!(
            "its content has {characters} characters, tags included, and WeChat takes fewer than {CONTENT_CHARACTERS}"
        ));
    }
    match content.len() >= CONTENT_BYTES {
        true => Err("its content has 1 MiB or more, and WeChat takes less".to_owned()),
        false => Ok(()),
    }
}

/// A draft in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDraft {
    /// Its name in other calls, until it is sent or published.
    #[serde(deserialize_with = "lenient::id")]
    pub media_id: String,
    /// When it was last saved, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub update_time: Option<i64>,
    /// Its articles, without their content unless it was asked for.
    #[serde(
        default,
        rename(deserialize = "content"),
        deserialize_with = "in_content"
    )]
    pub articles: Vec<StoredArticle>,
}

impl Client {
    /// Saves articles as a draft (`draft/add`), once, and returns its media_id. Only the account sees it.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a draft without an article or with more than [`MAX_ARTICLES`], and for an article that
    /// [`DraftArticle::check`] refuses; any [`ApiError`]. After a
    /// [timeout](crate::outbound::NetworkCause::Timeout) it may have been saved.
    pub fn draft_add(&self, articles: &[DraftArticle]) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            media_id: String,
        }
        let call = Call::change(
            "/cgi-bin/draft/add",
            "the draft may have been kept; `wechatd article list` shows it, look there before you repeat it",
        );
        if !(1..=MAX_ARTICLES).contains(&articles.len()) {
            return Err(call.refused(format!("a draft has 1 to {MAX_ARTICLES} articles")));
        }
        for (number, article) in (1..).zip(articles) {
            let checked = article.check();
            checked.map_err(|what| call.refused(format!("article {number}: {what}")))?;
        }
        Ok(self
            .call::<Answer>(&call.json(&json!({ "articles": articles }))?)?
            .media_id)
    }

    /// The articles of a draft (`draft/get`).
    ///
    /// # Errors
    /// 40007 for one that is unknown, or was sent, published or deleted; any [`ApiError`].
    pub fn draft_get(&self, media_id: &str) -> Result<Vec<StoredArticle>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            news_item: Vec<StoredArticle>,
        }
        let call = Call::read("/cgi-bin/draft/get").json(&json!({ "media_id": media_id }))?;
        Ok(self.call::<Answer>(&call)?.news_item)
    }

    /// Replaces one article of a draft (`draft/update`). `index` counts from 1. (The call counts from 0.)
    ///
    /// # Errors
    /// [`ApiError::Request`] for an article that [`DraftArticle::check`] refuses; 40114 for an index that the draft does
    /// not have; as [`Client::draft_get`].
    pub fn draft_update(
        &self,
        media_id: &str,
        index: NonZeroU32,
        article: &DraftArticle,
    ) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/draft/update",
            "`wechatd article show` shows it; repeating it does no harm",
        );
        article.check().map_err(|what| call.refused(what))?;
        let body = json!({"media_id": media_id, "index": index.get() - 1, "articles": article});
        self.done(&call.json(&body)?)
    }

    /// Deletes a draft with all its articles, for good (`draft/delete`).
    ///
    /// # Errors
    /// As [`Client::draft_get`].
    pub fn draft_delete(&self, media_id: &str) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/draft/delete", "`wechatd article list` shows it");
        self.done(&call.json(&json!({ "media_id": media_id }))?)
    }

    /// Lists up to `count` drafts from `offset` on, those of the console too (`draft/batchget`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for a count that is not 1 to [`ARTICLES_PAGE`]; any [`ApiError`].
    pub fn draft_batchget(
        &self,
        offset: u32,
        count: u32,
        with_content: bool,
    ) -> Result<Page<ListedDraft>, ApiError> {
        let call = Call::read("/cgi-bin/draft/batchget");
        if !(1..=ARTICLES_PAGE).contains(&count) {
            return Err(call.refused(format!("it lists 1 to {ARTICLES_PAGE} at once")));
        }
        let no_content = u8::from(!with_content);
        let body = json!({"offset": offset, "count": count, "no_content": no_content});
        self.call(&call.json(&body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news() -> NewsArticle {
        NewsArticle {
            title: "T".to_owned(),
            content: "<p>x</p>".to_owned(),
            thumb_media_id: "SYN".to_owned(),
            ..NewsArticle::default()
        }
    }

    #[test]
    fn lengths_are_checked_in_characters() {
        let fits = NewsArticle {
            title: "题".repeat(MAX_TITLE),
            author: "作".repeat(MAX_AUTHOR),
            digest: "摘".repeat(MAX_DIGEST),
            content: "文".repeat(CONTENT_CHARACTERS - 1),
            content_source_url: "u".repeat(MAX_SOURCE_URL),
            ..news()
        };
        assert_eq!(fits.check(), Ok(()));
        let more = |text: &str| format!("{text}+");
        let too_long = [
            NewsArticle {
                title: more(&fits.title),
                ..news()
            },
            NewsArticle {
                author: more(&fits.author),
                ..news()
            },
            NewsArticle {
                digest: more(&fits.digest),
                ..news()
            },
            NewsArticle {
                content: more(&fits.content),
                ..news()
            },
            NewsArticle {
                content_source_url: more(&fits.content_source_url),
                ..news()
            },
        ];
        for article in too_long {
            let told = article.check().expect_err("too long");
            assert!(told.contains("and WeChat takes"), "{told}");
        }
    }

    #[test]
    fn an_article_that_came_back_can_be_sent_again() {
        let back = json!({
            "article_type": "news", "title": "T", "author": null, "content": "<p>x</p>", "thumb_media_id": "SYN",
            "show_cover_pic": 0, "url": "http://x", "thumb_url": "http://y", "is_deleted": false,
        });
        let article = serde_json::from_value(back).ok();
        let news = NewsArticle {
            article_type: Some("news".to_owned()),
            ..news()
        };
        assert_eq!(article, Some(DraftArticle::News(news)));
        let back = json!({
            "article_type": "newspic", "title": "P", "content": "words", "author": "", "thumb_media_id": "SYN",
            "image_info": {"image_list": [{"image_media_id": "SYN"}]}, "url": "http://x",
        });
        let article: DraftArticle = serde_json::from_value(back).expect("a picture message");
        let sent = json!({
            "article_type": "newspic", "title": "P", "content": "words", "need_open_comment": 0,
            "only_fans_can_comment": 0, "image_info": {"image_list": [{"image_media_id": "SYN"}]},
        });
        assert_eq!(serde_json::to_value(article).ok(), Some(sent));
    }
}
