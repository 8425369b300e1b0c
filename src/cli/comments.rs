//! `wechatd comments …`: what followers write below articles, and what the account does about it.

use std::collections::HashSet;
use std::num::NonZeroU32;

use serde_json::json;

use super::input::{NotBlank, Yes, confirm, limit, whole_number};
use super::platform::{connect, in_pages};
use super::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::api::comment::{
    COMMENT_PAGE, Comment, CommentFilter, CommentName, CommentReply, CommentedArticle,
};
use crate::api::{ApiError, Client};
use crate::config::Config;
use crate::local_time;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Let readers comment on an article
    #[command(after_help = "Examples:
  wechatd comments open 2247490001
  wechatd comments open 2247490001 --index 2

Only an account with comments (留言) in the console can; the draft may open them itself with need_open_comment.")]
    Open(OnArticle),
    /// Accept no more comments on an article; existing ones stay
    #[command(after_help = "Example:
  wechatd comments close 2247490001")]
    Close(OnArticle),
    /// List the comments of an article
    #[command(after_help = "Examples:
  wechatd comments list 2247490001
  wechatd comments list 2247490001 --index 2 --starred
  wechatd comments list 2247490001 --json | jq -r '.[].content'

MSG_DATA_ID: `wechatd mass send` and `article publish` print it, and `wechatd article status` lists it; in the msgid of statistics it is the part before the _, in the long URL of an article it is mid.")]
    List {
        #[command(flatten)]
        article: ArticleArguments,
        /// Only those that are starred
        #[arg(long, conflicts_with = "ordinary")]
        starred: bool,
        /// Only those that are not
        #[arg(long)]
        ordinary: bool,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Star a comment, which puts it first
    #[command(after_help = "Example:
  wechatd comments star 2247490001 42")]
    Star(OnComment),
    /// Remove a comment's star
    #[command(after_help = "Example:
  wechatd comments unstar 2247490001 42")]
    Unstar(OnComment),
    /// Delete a comment for good, or only the reply to it
    #[command(after_help = "Examples:
  wechatd comments delete 2247490001 42
  wechatd comments delete 2247490001 42 --reply --yes")]
    Delete {
        #[command(flatten)]
        comment: CommentArguments,
        /// Only the account's reply
        #[arg(long)]
        reply: bool,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Reply to a comment; each can have one reply
    #[command(after_help = "Example:
  wechatd comments reply 2247490001 42 '谢谢您的留言'")]
    Reply {
        #[command(flatten)]
        comment: CommentArguments,
        /// What to say
        text: NotBlank,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct OnArticle {
    #[command(flatten)]
    article: ArticleArguments,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct OnComment {
    #[command(flatten)]
    comment: CommentArguments,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ArticleArguments {
    /// The article's msg_data_id
    msg_data_id: u64,
    /// Which of the articles that went out together, from 1
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN, value_parser = whole_number::<NonZeroU32>(1..=u32::MAX), allow_negative_numbers = true)]
    index: NonZeroU32,
}

#[derive(Debug, clap::Args)]
pub(super) struct CommentArguments {
    #[command(flatten)]
    article: ArticleArguments,
    /// The comment's number; `wechatd comments list` shows it
    comment_id: u64,
}

impl ArticleArguments {
    fn article(&self) -> CommentedArticle {
        CommentedArticle {
            msg_data_id: self.msg_data_id,
            index: self.index,
        }
    }
}

impl CommentArguments {
    fn comment(&self) -> CommentName {
        CommentName {
            article: self.article.article(),
            user_comment_id: self.comment_id,
        }
    }
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Open(on) => change_article(config, &on, Client::comment_open, "are open"),
        Commands::Close(on) => change_article(config, &on, Client::comment_close, "are closed"),
        Commands::List {
            article,
            starred,
            ordinary,
            limit,
            json,
        } => {
            let filter = match (starred, ordinary) {
                (true, _) => CommentFilter::Starred,
                (false, true) => CommentFilter::Ordinary,
                (false, false) => CommentFilter::All,
            };
            list(config, article.article(), filter, limit, json)
        }
        Commands::Star(on) => {
            let star = Client::comment_markelect;
            change_comment(config, &on.comment, on.json, star, "is starred")
        }
        Commands::Unstar(on) => {
            let unstar = Client::comment_unmarkelect;
            change_comment(config, &on.comment, on.json, unstar, "is no longer starred")
        }
        Commands::Delete {
            comment,
            reply,
            yes,
            json,
        } => {
            let id = comment.comment_id;
            match reply {
                true => {
                    confirm::ask(&format!("Delete the reply to comment {id} for good?"), yes)?;
                    let delete = Client::comment_reply_delete;
                    change_comment(config, &comment, json, delete, "no longer has a reply")
                }
                false => {
                    confirm::ask(&format!("Delete comment {id} for good?"), yes)?;
                    let delete = Client::comment_delete;
                    change_comment(config, &comment, json, delete, "is deleted")
                }
            }
        }
        Commands::Reply {
            comment,
            text,
            json,
        } => {
            let reply = |api: &Client, comment| api.comment_reply_add(comment, &text);
            change_comment(config, &comment, json, reply, "has your reply")
        }
    }
}

fn change_article(
    config: &Config,
    on: &OnArticle,
    change: impl Fn(&Client, CommentedArticle) -> Result<(), ApiError>,
    done: &str,
) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let article = on.article.article();
    change(&api, article)?;
    let CommentedArticle { msg_data_id, index } = article;
    let value = json!({"msg_data_id": msg_data_id, "index": index});
    let line = format!("comments on article {index} of {msg_data_id} {done}");
    Output::for_change().answer(on.json, &value, &line)
}

fn change_comment(
    config: &Config,
    comment: &CommentArguments,
    json: Json,
    change: impl Fn(&Client, CommentName) -> Result<(), ApiError>,
    done: &str,
) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    change(&api, comment.comment())?;
    let ArticleArguments { msg_data_id, index } = comment.article;
    let id = comment.comment_id;
    let value = json!({"msg_data_id": msg_data_id, "index": index, "user_comment_id": id});
    Output::for_change().answer(json, &value, &format!("comment {id} {done}"))
}

fn list(
    config: &Config,
    article: CommentedArticle,
    filter: CommentFilter,
    limit: u32,
    json: Json,
) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let listed = in_pages(limit, COMMENT_PAGE, |begin, count| {
        let page = api.comment_list(article, filter, begin, count)?;
        Ok::<_, ApiError>((page.comments, page.total))
    })?;
    if let Some(part) = listed.left_out() {
        complain(&format!("{part} are shown; --limit N shows more"));
    }
    // A comment that arrives meanwhile moves another one to the next page.
    let mut seen = HashSet::new();
    let mut comments = listed.items;
    comments.retain(|comment| seen.insert(comment.user_comment_id));
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&comments);
    }
    let reply = |reply: &CommentReply| reply.content.clone().unwrap_or_default();
    let row = |comment: &Comment| {
        [
            comment.user_comment_id.to_string(),
            comment
                .create_time
                .map(local_time::format)
                .unwrap_or_default(),
            if comment.is_starred() { "*" } else { "" }.to_owned(),
            cell(comment.openid.as_deref().unwrap_or_default(), 40),
            cell(comment.content.as_deref().unwrap_or_default(), 400),
            cell(&comment.reply.as_ref().map(reply).unwrap_or_default(), 400),
        ]
    };
    let rows: Vec<[String; 6]> = comments.iter().map(row).collect();
    out.table(
        [
            whole("id"),
            time("at"),
            whole("starred"),
            whole("openid"),
            text("comment"),
            text("reply"),
        ],
        &rows,
        "there are no such comments",
    )?;
    out.done()
}
