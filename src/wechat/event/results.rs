//! Results of what the account sent or published (the platform's pages on template messages, mass
//! messages and publishing). They come from an account of the platform's or, for templates, from
//! the receiver.

use serde::{Deserialize, Serialize};

use crate::wechat::fields;

/// `TEMPLATESENDJOBFINISH`; which sending it was is [`super::Event::msg_id`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TemplateSendJobFinish {
    /// `success`, `failed:user block` or `failed: system failed`; compare without spaces and case.
    pub status: String,
}

/// `MASSSENDJOBFINISH`; which sending it was is [`super::Event::msg_id`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MassSendJobFinish {
    /// `send success` (formerly `sendsuccess`), `send fail` or `err(` number `)`.
    pub status: String,
    /// Followers that were addressed.
    #[serde(deserialize_with = "fields::integer")]
    pub total_count: Option<i64>,
    /// Followers left after the platform's filters; normally sent and failed together.
    #[serde(deserialize_with = "fields::integer")]
    pub filter_count: Option<i64>,
    /// Followers that got it.
    #[serde(deserialize_with = "fields::integer")]
    pub sent_count: Option<i64>,
    /// Followers that did not.
    #[serde(deserialize_with = "fields::integer")]
    pub error_count: Option<i64>,
    /// The check for reprints.
    pub copyright_check_result: Option<CopyrightCheckResult>,
    /// Where the articles are.
    pub article_url_result: Option<ArticleUrlResult>,
}

/// What the number of a mass message's `err(` number `)` means (the platform's page on mass messages).
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

/// `CopyrightCheckResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CopyrightCheckResult {
    /// How many articles were checked.
    #[serde(deserialize_with = "fields::integer")]
    pub count: Option<i64>,
    /// The articles.
    pub result_list: CopyrightList,
    /// 1: no reprint, 2: a reprint that can be sent, 3: a reprint that cannot be sent.
    #[serde(deserialize_with = "fields::integer")]
    pub check_state: Option<i64>,
}

/// `ResultList` of `CopyrightCheckResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyrightList {
    /// One for each article.
    #[serde(rename = "item")]
    pub items: Vec<CopyrightItem>,
}

/// `item` of `CopyrightCheckResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CopyrightItem {
    /// Which article, from 1.
    #[serde(deserialize_with = "fields::integer")]
    pub article_idx: Option<i64>,
    /// What the account declared; the numbers are not explained consistently anywhere.
    #[serde(deserialize_with = "fields::integer")]
    pub user_declare_state: Option<i64>,
    /// What the platform found; the numbers are not explained consistently anywhere.
    #[serde(deserialize_with = "fields::integer")]
    pub audit_state: Option<i64>,
    /// The similar original.
    pub original_article_url: Option<String>,
    /// The similar original's kind.
    #[serde(deserialize_with = "fields::integer")]
    pub original_article_type: Option<i64>,
    /// 1: may be reprinted.
    #[serde(deserialize_with = "fields::integer")]
    pub can_reprint: Option<i64>,
    /// 1: the content must be replaced by the original's.
    #[serde(deserialize_with = "fields::integer")]
    pub need_replace_content: Option<i64>,
    /// 1: the source must be shown.
    #[serde(deserialize_with = "fields::integer")]
    pub need_show_reprint_source: Option<i64>,
}

/// `ArticleUrlResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ArticleUrlResult {
    /// How many articles.
    #[serde(deserialize_with = "fields::integer")]
    pub count: Option<i64>,
    /// The articles.
    pub result_list: ArticleUrlList,
}

/// `ResultList` of `ArticleUrlResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ArticleUrlList {
    /// One for each article.
    #[serde(rename = "item")]
    pub items: Vec<ArticleUrl>,
}

/// `item` of `ArticleUrlResult`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ArticleUrl {
    /// Which article, from 1.
    #[serde(deserialize_with = "fields::integer")]
    pub article_idx: Option<i64>,
    /// Its permanent address.
    pub article_url: String,
}

/// `PUBLISHJOBFINISH`, by some called `FREEPUBLISHJOBFINISH`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishJobFinish {
    /// How it went.
    #[serde(rename = "PublishEventInfo")]
    pub info: PublishEventInfo,
}

/// `PublishEventInfo`; its inner names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishEventInfo {
    /// Which job.
    pub publish_id: Option<String>,
    /// 0 published, 1 under way, 2 originality check failed, 3 failed, 4 refused by the platform, 5
    /// all articles deleted afterwards, 6 all articles banned afterwards.
    #[serde(deserialize_with = "fields::integer")]
    pub publish_status: Option<i64>,
    /// Of a published job.
    pub article_id: Option<String>,
    /// Of a published job.
    pub article_detail: Option<ArticleDetail>,
    /// The articles that failed, from 1; of a job with status 2 or 4.
    pub fail_idx: Vec<String>,
}

/// `article_detail`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ArticleDetail {
    /// How many articles.
    #[serde(deserialize_with = "fields::integer")]
    pub count: Option<i64>,
    /// The articles.
    #[serde(rename = "item")]
    pub items: Vec<PublishedArticle>,
}

/// `item` of `article_detail`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishedArticle {
    /// Which article, from 1.
    #[serde(deserialize_with = "fields::integer")]
    pub idx: Option<i64>,
    /// Its permanent address.
    pub article_url: String,
}
