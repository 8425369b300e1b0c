//! Published articles: from a draft for everybody to read, listed and deleted. (Sending one to followers is a mass
//! message.)

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The most drafts or publications that one call lists.
pub const ARTICLES_PAGE: u32 = 20;

/// An article of a draft or of a publication, as WeChat returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredArticle {
    /// Its title.
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// Who wrote it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub author: Option<String>,
    /// The few lines under the title in the chat.
    #[serde(default, deserialize_with = "lenient::text")]
    pub digest: Option<String>,
    /// The article itself, as HTML; missing in lists.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub content: Option<String>,
    /// Where it can be read; of a draft for a while only.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub url: Option<String>,
    /// Whether it was published and has been deleted since.
    #[serde(
        default,
        deserialize_with = "truth",
        skip_serializing_if = "Option::is_none"
    )]
    pub is_deleted: Option<bool>,
    /// All other fields: the cover, whether there are comments, pictures and so on.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl StoredArticle {
    /// The msg_data_id of a published article: the `mid` of its long URL. Short URLs do not have it.
    #[must_use]
    pub fn msg_data_id(&self) -> Option<&str> {
        let (_, query) = self.url.as_deref()?.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        let mid = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("mid="))?;
        let digits = !mid.is_empty() && mid.bytes().all(|byte| byte.is_ascii_digit());
        digits.then_some(mid)
    }
}

/// Some drafts or publications.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Page<T> {
    /// How many there are in all.
    #[serde(default, deserialize_with = "lenient::int")]
    pub total_count: Option<i64>,
    /// Those of this page.
    #[serde(default, rename = "item", deserialize_with = "lenient::list")]
    pub items: Vec<T>,
}

/// A publication in a list: articles that were published together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Its name in messages, menus and other calls.
    #[serde(deserialize_with = "lenient::id")]
    pub article_id: String,
    /// When, in Unix seconds.
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

/// Which articles of a publication are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// This one, counted from 1.
    One(NonZeroU32),
    /// All of them.
    All,
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

/// A truth that comes as such or as 0 and 1.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(lenient::int(deserializer)?.map(|number| number != 0))
}

/// The `news_item` of a `content`, both of which may be missing.
pub(super) fn in_content<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<StoredArticle>, D::Error> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default, deserialize_with = "lenient::list")]
        news_item: Vec<StoredArticle>,
    }
    let content = Option::<Content>::deserialize(deserializer)?;
    Ok(content.map(|content| content.news_item).unwrap_or_default())
}

/// The `article_url` of each `item`, in their order.
fn urls<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let detail = Value::deserialize(deserializer)?;
    let items = detail["item"].as_array().into_iter().flatten();
    Ok(items
        .filter_map(|item| lenient::as_text(&item["article_url"]))
        .collect())
}

impl Client {
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

    /// Lists up to `count` publications from `offset` on (`freepublish/batchget`). What was sent to followers is not
    /// among them.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a count that is not 1 to [`ARTICLES_PAGE`]; 48001 for personal and unverified accounts
    /// since July 2025; any [`ApiError`].
    pub fn freepublish_batchget(
        &self,
        offset: u32,
        count: u32,
        with_content: bool,
    ) -> Result<Page<Publication>, ApiError> {
        let call = Call::read("/cgi-bin/freepublish/batchget");
        if !(1..=ARTICLES_PAGE).contains(&count) {
            return Err(call.refused(format!("it lists 1 to {ARTICLES_PAGE} at once")));
        }
        let no_content = u8::from(!with_content);
        let body = json!({"offset": offset, "count": count, "no_content": no_content});
        self.call(&call.json(&body)?)
    }

    /// The articles of a publication (`freepublish/getarticle`).
    ///
    /// # Errors
    /// 53600 for an unknown article_id; as [`Client::freepublish_batchget`].
    pub fn freepublish_getarticle(&self, article_id: &str) -> Result<Vec<StoredArticle>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            news_item: Vec<StoredArticle>,
        }
        let call = Call::read("/cgi-bin/freepublish/getarticle");
        let call = call.json(&json!({ "article_id": article_id }))?;
        Ok(self.call::<Answer>(&call)?.news_item)
    }

    /// Deletes published articles for good (`freepublish/delete`).
    ///
    /// # Errors
    /// As [`Client::freepublish_getarticle`].
    pub fn freepublish_delete(&self, article_id: &str, which: Deleted) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/freepublish/delete",
            "`wechatd article published show` shows it",
        );
        let index = match which {
            Deleted::One(index) => index.get(),
            // Without an index the call deletes all of them too.
            Deleted::All => 0,
        };
        self.done(&call.json(&json!({"article_id": article_id, "index": index}))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_msg_data_id_is_in_long_urls() {
        for (url, id) in [
            (
                "http://mp.weixin.qq.com/s?__biz=SYN==&mid=2247490001&idx=1&sn=SYN#rd",
                Some("2247490001"),
            ),
            ("https://mp.weixin.qq.com/s?mid=7#mid=8", Some("7")),
            ("https://mp.weixin.qq.com/s/SHORT", None),
            ("https://mp.weixin.qq.com/s?mid=", None),
            ("https://mp.weixin.qq.com/s?mid=7%2", None),
        ] {
            let article: StoredArticle =
                serde_json::from_value(json!({ "url": url })).expect("an article");
            assert_eq!(article.msg_data_id(), id, "{url}");
        }
    }
}
