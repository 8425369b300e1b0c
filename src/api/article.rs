//! Articles: saved as a draft, then published for everybody to read. (Sending one to followers is a mass message.)

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// An article of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftArticle {
    /// Its title.
    pub title: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: String,
    /// The few lines under the title in the chat.
    #[serde(default)]
    pub digest: String,
    /// The article itself, as HTML. Its pictures have URLs from `media/uploadimg`.
    pub content: String,
    /// Where "Read more" leads.
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
}

/// A draft that the platform took for publishing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Submitted {
    /// The number of the job.
    #[serde(deserialize_with = "lenient::id")]
    pub publish_id: String,
    /// The articles' number in calls for comments and statistics. Missing in older answers.
    #[serde(default, deserialize_with = "lenient::text")]
    pub msg_data_id: Option<String>,
}

/// The progress of publishing a draft.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Publishing {
    /// The number of the job.
    #[serde(default, deserialize_with = "lenient::text")]
    pub publish_id: Option<String>,
    /// The state or the result.
    #[serde(rename = "publish_status", deserialize_with = "status")]
    pub status: PublishStatus,
    /// The article's name in messages and menus, once it is published.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub article_id: Option<String>,
    /// Where the articles can be read, once they are published.
    #[serde(default, rename = "article_detail", deserialize_with = "urls")]
    pub article_urls: Vec<String>,
    /// The articles that failed, from 1.
    #[serde(default, rename = "fail_idx", deserialize_with = "lenient::ints")]
    pub failed: Option<Vec<i64>>,
}

/// The platform's `publish_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishStatus {
    /// 0: everybody can read it.
    Published,
    /// 1: still being published.
    UnderWay,
    /// 2: the check for originality failed.
    NotOriginal,
    /// 3: it failed.
    Failed,
    /// 4: the platform refused it.
    Refused,
    /// 5: it was published, and all its articles have been deleted since.
    Deleted,
    /// 6: it was published, and the platform has banned all its articles since.
    Banned,
    /// A number that is not documented.
    Unknown(i64),
}

impl PublishStatus {
    /// What the number means.
    #[must_use]
    pub fn of(number: i64) -> PublishStatus {
        match number {
            0 => PublishStatus::Published,
            1 => PublishStatus::UnderWay,
            2 => PublishStatus::NotOriginal,
            3 => PublishStatus::Failed,
            4 => PublishStatus::Refused,
            5 => PublishStatus::Deleted,
            6 => PublishStatus::Banned,
            other => PublishStatus::Unknown(other),
        }
    }

    /// The platform's number for it.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            PublishStatus::Published => 0,
            PublishStatus::UnderWay => 1,
            PublishStatus::NotOriginal => 2,
            PublishStatus::Failed => 3,
            PublishStatus::Refused => 4,
            PublishStatus::Deleted => 5,
            PublishStatus::Banned => 6,
            PublishStatus::Unknown(number) => number,
        }
    }
}

fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PublishStatus, D::Error> {
    lenient::int(deserializer)?
        .map(PublishStatus::of)
        .ok_or_else(|| serde::de::Error::custom("publish_status is no number"))
}

/// The `article_url` of each `item`, in their order.
fn urls<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let detail = serde_json::Value::deserialize(deserializer)?;
    let items = detail["item"].as_array().into_iter().flatten();
    Ok(items
        .filter_map(|item| lenient::as_text(&item["article_url"]))
        .collect())
}

impl Client {
    /// Saves articles as a draft (`draft/add`), once, and returns its media_id. Only the account sees it.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a draft without an article, and an article without title, content or cover; any
    /// [`ApiError`]. After a [timeout](crate::outbound::NetworkCause::Timeout) it may have been saved.
    pub fn draft_add(&self, articles: &[DraftArticle]) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            media_id: String,
        }
        let call = Call::change(
            "/cgi-bin/draft/add",
            "the draft may have been kept; look in the console before you repeat it",
        );
        if articles.is_empty() {
            return Err(call.refused("a draft has at least one article"));
        }
        for (number, article) in (1..).zip(articles) {
            let needed = [
                ("title", &article.title),
                ("content", &article.content),
                ("thumb_media_id", &article.thumb_media_id),
            ];
            if let Some((field, _)) = needed.iter().find(|(_, text)| text.trim().is_empty()) {
                return Err(call.refused(format!("article {number} has no {field}")));
            }
        }
        Ok(self
            .call::<Answer>(&call.json(&json!({ "articles": articles }))?)?
            .media_id)
    }

    /// Publishes a draft (`freepublish/submit`), once. The result comes with the event
    /// `PUBLISHJOBFINISH`, or from [`Client::freepublish_get`].
    ///
    /// # Errors
    /// 53503 to 53505 for a draft that cannot be published as it is; any [`ApiError`]. After a
    /// [timeout](crate::outbound::NetworkCause::Timeout) it may have been published.
    pub fn freepublish_submit(&self, media_id: &str) -> Result<Submitted, ApiError> {
        let call = Call::change(
            "/cgi-bin/freepublish/submit",
            "it may be published all the same; look in the console before you repeat it",
        );
        self.call(&call.json(&json!({ "media_id": media_id }))?)
    }

    /// The progress of publishing a draft (`freepublish/get`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn freepublish_get(&self, publish_id: &str) -> Result<Publishing, ApiError> {
        let call = Call::read("/cgi-bin/freepublish/get");
        self.call(&call.json(&json!({ "publish_id": publish_id }))?)
    }
}
