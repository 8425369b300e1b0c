//! The automatic replies of the console (自动回复), which can be read but not set.

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// All automatic replies of the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoReplies {
    /// 1: new followers are welcomed.
    #[serde(default, deserialize_with = "lenient::int")]
    pub is_add_friend_reply_open: Option<i64>,
    /// 1: what no keyword matches gets the default reply, at most once in 60 minutes for one person.
    #[serde(default, deserialize_with = "lenient::int")]
    pub is_autoreply_open: Option<i64>,
    /// The welcome; it may be there although it is switched off.
    pub add_friend_autoreply_info: Option<ConsoleReply>,
    /// The default reply; likewise.
    pub message_default_autoreply_info: Option<ConsoleReply>,
    /// The replies to keywords.
    #[serde(default)]
    pub keyword_autoreply_info: Keywords,
}

/// The replies to keywords.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Keywords {
    /// Oldest first.
    #[serde(default, deserialize_with = "lenient::list")]
    pub list: Vec<KeywordRule>,
}

/// Keywords and their replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeywordRule {
    /// What the console calls it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub rule_name: Option<String>,
    /// `reply_all`, or `random_one`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub reply_mode: Option<String>,
    /// Any of these has to match.
    #[serde(default, deserialize_with = "lenient::list")]
    pub keyword_list_info: Vec<Keyword>,
    /// What is replied.
    #[serde(default, deserialize_with = "lenient::list")]
    pub reply_list_info: Vec<ConsoleReply>,
}

/// A keyword.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keyword {
    /// `contain`, or `equal`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub match_mode: Option<String>,
    /// The keyword.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
}

/// A reply as the console keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsoleReply {
    /// `text`, `img`, `voice`, `video` or `news`; the console may have others.
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The text, or a media_id: of `news` a permanent one, else one that ends after three days. Of a video it may be a URL.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    /// The articles of `news`.
    #[serde(default)]
    pub news_info: Articles,
}

/// The articles of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Articles {
    /// In their order.
    #[serde(default, deserialize_with = "lenient::list")]
    pub list: Vec<ConsoleArticle>,
}

/// An article of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsoleArticle {
    /// Its title.
    #[serde(deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// A summary.
    #[serde(deserialize_with = "lenient::text")]
    pub digest: Option<String>,
    /// The picture.
    #[serde(deserialize_with = "lenient::text")]
    pub cover_url: Option<String>,
    /// The page.
    #[serde(deserialize_with = "lenient::text")]
    pub content_url: Option<String>,
}

impl Client {
    /// The automatic replies of the console (`get_current_autoreply_info`). Media_ids of pictures, recordings and videos
    /// are new with each call and end after three days.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_current_autoreply_info(&self) -> Result<AutoReplies, ApiError> {
        self.call(&Call::read("/cgi-bin/get_current_autoreply_info"))
    }
}
