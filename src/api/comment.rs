//! Comments (留言) below articles that were sent or published: read, starred, answered and deleted.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The most comments that one call lists. WeChat's page says 50, which its check refuses.
pub const COMMENT_PAGE: u32 = 49;

/// An article that was sent or published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentedArticle {
    /// The number that sending or publishing returned.
    pub msg_data_id: u64,
    /// Which of the articles that went out together, from 1. (The calls count from 0.)
    pub index: NonZeroU32,
}

/// One comment below an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentName {
    /// The article.
    pub article: CommentedArticle,
    /// The comment's number, which is unique below this article.
    pub user_comment_id: u64,
}

/// Which comments of an article are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentFilter {
    /// All of them.
    All,
    /// Those that are not starred.
    Ordinary,
    /// Those that are.
    Starred,
}

impl CommentFilter {
    /// WeChat's number for it.
    fn number(self) -> u8 {
        match self {
            CommentFilter::All => 0,
            CommentFilter::Ordinary => 1,
            CommentFilter::Starred => 2,
        }
    }
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its number, which is unique below this article.
    #[serde(deserialize_with = "lenient::number")]
    pub user_comment_id: i64,
    /// Who wrote it; `None` under another identity, such as a channel.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub openid: Option<String>,
    /// When, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub create_time: Option<i64>,
    /// What it says.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    /// 1: starred, so that it stands first.
    #[serde(default, deserialize_with = "lenient::int")]
    pub comment_type: Option<i64>,
    /// What the account answered.
    #[serde(default, deserialize_with = "reply")]
    pub reply: Option<CommentReply>,
}

impl Comment {
    /// Whether it is starred.
    #[must_use]
    pub fn is_starred(&self) -> bool {
        self.comment_type == Some(1)
    }
}

/// The account's reply to a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentReply {
    /// What it says.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    /// When, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub create_time: Option<i64>,
}

/// Some comments of an article.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommentPage {
    /// How many there are in all.
    #[serde(default, deserialize_with = "lenient::int")]
    pub total: Option<i64>,
    /// Those of this page.
    #[serde(default, rename = "comment", deserialize_with = "lenient::list")]
    pub comments: Vec<Comment>,
}

/// The reply, which comes as an object, in a list or not at all.
fn reply<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<CommentReply>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Array(mut replies) if !replies.is_empty() => replies.remove(0),
        other => other,
    };
    match value {
        object @ Value::Object(_) => CommentReply::deserialize(object)
            .map(Some)
            .map_err(serde::de::Error::custom),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Ok(None)
        }
    }
}

const SHOWN: &str = "`wechatd comments list` shows it; repeating it does no harm";

impl Client {
    /// Lets followers comment on an article (`comment/open`).
    ///
    /// # Errors
    /// 88000 for an account without comments, 88001 for an unknown article, 88002 for one that is blocked; any
    /// [`ApiError`].
    pub fn comment_open(&self, article: CommentedArticle) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/open", "repeating it does no harm");
        self.done(&call.json(&of_article(article))?)
    }

    /// Takes no more comments on an article (`comment/close`).
    ///
    /// # Errors
    /// As [`Client::comment_open`].
    pub fn comment_close(&self, article: CommentedArticle) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/close", "repeating it does no harm");
        self.done(&call.json(&of_article(article))?)
    }

    /// Lists up to `count` comments of an article from `begin` on, which counts from 0 (`comment/list`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for a count that is not 1 to [`COMMENT_PAGE`]; as [`Client::comment_open`].
    pub fn comment_list(
        &self,
        article: CommentedArticle,
        filter: CommentFilter,
        begin: u32,
        count: u32,
    ) -> Result<CommentPage, ApiError> {
        let call = Call::read("/cgi-bin/comment/list");
        if !(1..=COMMENT_PAGE).contains(&count) {
            return Err(call.refused(format!("it lists 1 to {COMMENT_PAGE} at once")));
        }
        let mut body = of_article(article);
        body["begin"] = begin.into();
        body["count"] = count.into();
        body["type"] = filter.number().into();
        self.call(&call.json(&body)?)
    }

    /// Stars a comment: it stands first below the article (`comment/markelect`).
    ///
    /// # Errors
    /// 88003 when too many are starred, 88004 for one that its writer deleted, 88008 for an unknown one; as
    /// [`Client::comment_open`].
    pub fn comment_markelect(&self, comment: CommentName) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/markelect", SHOWN);
        self.done(&call.json(&of_comment(comment))?)
    }

    /// Takes the star off a comment (`comment/unmarkelect`).
    ///
    /// # Errors
    /// As [`Client::comment_markelect`].
    pub fn comment_unmarkelect(&self, comment: CommentName) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/unmarkelect", SHOWN);
        self.done(&call.json(&of_comment(comment))?)
    }

    /// Deletes a comment for good (`comment/delete`).
    ///
    /// # Errors
    /// As [`Client::comment_markelect`].
    pub fn comment_delete(&self, comment: CommentName) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/delete", SHOWN);
        self.done(&call.json(&of_comment(comment))?)
    }

    /// Replies to a comment, which takes one reply (`comment/reply/add`).
    ///
    /// # Errors
    /// 88005 when it has one, 88007 for an empty or too long text (the limit is not documented); as
    /// [`Client::comment_markelect`].
    pub fn comment_reply_add(&self, comment: CommentName, content: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/comment/reply/add",
            "`wechatd comments list` shows it",
        );
        let mut body = of_comment(comment);
        body["content"] = content.into();
        self.done(&call.json(&body)?)
    }

    /// Deletes the account's reply to a comment (`comment/reply/delete`).
    ///
    /// # Errors
    /// 88009 when there is none; as [`Client::comment_markelect`].
    pub fn comment_reply_delete(&self, comment: CommentName) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/comment/reply/delete", SHOWN);
        self.done(&call.json(&of_comment(comment))?)
    }
}

fn of_article(article: CommentedArticle) -> Value {
    json!({"msg_data_id": article.msg_data_id, "index": article.index.get() - 1})
}

fn of_comment(comment: CommentName) -> Value {
    let mut body = of_article(comment.article);
    body["user_comment_id"] = comment.user_comment_id.into();
    body
}
