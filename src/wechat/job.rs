//! The results of mass messages, template messages and publications, which arrive as events.

use serde_json::Value;

use super::event::Event;

/// A job of the platform: it sends or publishes later, then reports the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// A mass message.
    Mass,
    /// A template message.
    Template,
    /// The publication of an article.
    Publish,
}

impl JobKind {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Mass => "mass",
            JobKind::Template => "template",
            JobKind::Publish => "publish",
        }
    }
}

/// The result of a job (the events `MASSSENDJOBFINISH`, `TEMPLATESENDJOBFINISH` and `PUBLISHJOBFINISH`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// What was sent.
    pub kind: JobKind,
    /// The `msg_id` or `publish_id` from the answer of the call.
    pub msg_id: String,
    /// The status in the platform's spelling. For a template message `success`, `failed:user block` or `failed: system
    /// failed`; for a mass message `send success` (formerly `sendsuccess`), `send fail` or `err(` number `)`, see
    /// [`mass_error_meaning`]; for a publication its `publish_status`: 0 published, 1 under way, 2 originality check
    /// failed, 3 failed, 4 refused by the platform, 5 all articles deleted afterwards, 6 all articles banned afterwards.
    pub status: String,
    /// Numbers of followers; only for a mass message.
    pub counts: JobCounts,
    /// The articles, if any.
    pub articles: JobArticles,
}

/// The articles of a mass message or a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobArticles {
    /// The publication's name in messages and menus.
    pub article_id: Option<String>,
    /// Their permanent URLs.
    pub urls: Vec<String>,
    /// The positions of those that failed, counted from 1.
    pub failed: Vec<String>,
}

/// How many followers a mass message addressed and reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Addressed.
    pub total: Option<i64>,
    /// Left after the platform's filters; normally `sent` plus `failed`.
    pub filtered: Option<i64>,
    /// Received it.
    pub sent: Option<i64>,
    /// Did not receive it.
    pub failed: Option<i64>,
}

impl JobResult {
    /// Reads the event; `None` if it does not name the job.
    pub(super) fn read(kind: JobKind, event: &Event) -> Option<JobResult> {
        let count = |element| event.text(element)?.parse().ok();
        match kind {
            JobKind::Template | JobKind::Mass => Some(JobResult {
                kind,
                msg_id: event.msg_id()?.to_owned(),
                status: event.text("Status").unwrap_or_default().to_owned(),
                counts: JobCounts {
                    total: count("TotalCount"),
                    filtered: count("FilterCount"),
                    sent: count("SentCount"),
                    failed: count("ErrorCount"),
                },
                articles: JobArticles {
                    urls: urls(
                        &event.inside("ArticleUrlResult")["ResultList"],
                        "ArticleUrl",
                    ),
                    ..JobArticles::default()
                },
            }),
            JobKind::Publish => {
                let info = event.inside("PublishEventInfo");
                let owned = |value: &Value| value.as_str().map(str::to_owned);
                let status = owned(&info["publish_status"]).and_then(|text| text.parse().ok());
                Some(JobResult {
                    kind,
                    msg_id: owned(&info["publish_id"])?,
                    status: status
                        .map(|number: i64| number.to_string())
                        .unwrap_or_default(),
                    counts: JobCounts::default(),
                    articles: JobArticles {
                        article_id: owned(&info["article_id"]),
                        urls: urls(&info["article_detail"], "article_url"),
                        failed: each(&info["fail_idx"]).filter_map(owned).collect(),
                    },
                })
            }
        }
    }
}

/// The permanent URLs in the `item`s of an element.
fn urls(articles: &Value, name: &str) -> Vec<String> {
    let urls = each(&articles["item"]).filter_map(|item| item[name].as_str());
    urls.map(str::to_owned).collect()
}

/// The entries of a list; none if it is missing.
fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The meaning of the number in the status `err(` number `)` of a mass message (the platform's page on mass messages).
pub fn mass_error_meaning(status: &str) -> Option<&'static str> {
    let number = status.trim().strip_prefix("err(")?.strip_suffix(')')?;
    let number: u32 = number.trim().parse().ok()?;
    MASS_ERRORS
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, meaning)| *meaning)
}

const MASS_ERRORS: [(u32, &str); 14] = [
    (10001, "advertising"),
    (20001, "politics"),
    (20002, "pornography"),
    (20004, "social matters"),
    (20006, "crime"),
    (20008, "fraud"),
    (20013, "copyright"),
    (21000, "other contents that are not allowed"),
    (22000, "accounts that promote each other"),
    (
        30001,
        "the check for originals failed, and the account chose not to send then",
    ),
    (30002, "not allowed by the check for originals"),
    (
        30003,
        "found to be a reprint, and the account chose not to send then",
    ),
    (40001, "an administrator refused"),
    (40002, "no administrator answered within 30 minutes"),
];
