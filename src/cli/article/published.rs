//! `wechatd article published …`: articles that everybody can read.

use std::num::NonZeroU32;

use serde::Serialize;
use serde_json::json;

use super::{Which, describe, titles};
use crate::api::ApiError;
use crate::api::article::{ARTICLES_PAGE, Deleted, Publication, StoredArticle};
use crate::cli::input::{NotBlank, Yes, confirm, limit, whole_number};
use crate::cli::platform::{connect, in_pages};
use crate::cli::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::config::Config;
use crate::local_time;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Commands {
    /// List what is published, the newest first
    #[command(after_help = "Examples:
  wechatd article published list
  wechatd article published list --json | jq -r '.[].article_id'

What was sent to followers is not in this list. MSG_DATA_ID is for `wechatd comments`.

Personal and unverified accounts have lost the calls for published articles since July 2025; they get 48001.")]
    List {
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Show the articles that were published together
    #[command(after_help = "Examples:
  wechatd article published show ARTICLE_ID
  wechatd article published show ARTICLE_ID --index 2

Personal and unverified accounts have lost this call since July 2025; they get 48001.")]
    Show {
        /// Their article_id; `wechatd article published list` shows them
        article_id: NotBlank,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        json: Json,
    },
    /// Delete one of the articles that were published together, or all of them
    #[command(after_help = "Examples:
  wechatd article published delete ARTICLE_ID --index 2
  wechatd article published delete ARTICLE_ID --all --yes

What is deleted does not come back.

Personal and unverified accounts have lost this call since July 2025; they get 48001.")]
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(false)))]
pub(in crate::cli) struct Delete {
    /// Their article_id; `wechatd article published list` shows them
    article_id: NotBlank,
    /// Only this article, counted from 1
    #[arg(long, value_name = "N", group = "which", value_parser = whole_number::<NonZeroU32>(1..=u32::MAX), allow_negative_numbers = true)]
    index: Option<NonZeroU32>,
    /// All of them
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { limit, json } => list(config, limit, json),
        Commands::Show {
            article_id,
            which,
            json,
        } => show(config, &article_id, &which, json),
        Commands::Delete(arguments) => delete(config, &arguments),
    }
}

/// A publication with the number by which comments and statistics know it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    msg_data_id: Option<&'a str>,
    #[serde(flatten)]
    publication: &'a Publication,
}

fn list(config: &Config, limit: u32, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let listed = in_pages(limit, ARTICLES_PAGE, |offset, count| {
        let page = api.freepublish_batchget(offset, count, false)?;
        Ok::<_, ApiError>((page.items, page.total_count))
    })?;
    if let Some(part) = listed.left_out() {
        complain(&format!(
            "{part} publications are shown; --limit N shows more"
        ));
    }
    let shown: Vec<Shown> = listed
        .items
        .iter()
        .map(|publication| Shown {
            msg_data_id: msg_data_id(&publication.articles),
            publication,
        })
        .collect();
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&shown);
    }
    let row = |shown: &Shown| {
        let publication = shown.publication;
        [
            cell(&publication.article_id, 80),
            publication
                .update_time
                .map(local_time::format)
                .unwrap_or_default(),
            shown.msg_data_id.unwrap_or_default().to_owned(),
            cell(&titles(&publication.articles), 200),
        ]
    };
    let rows: Vec<[String; 4]> = shown.iter().map(row).collect();
    let columns = [
        whole("article_id"),
        time("published"),
        whole("msg_data_id"),
        text("articles"),
    ];
    out.table(columns, &rows, "nothing is published")?;
    out.done()
}

fn msg_data_id(articles: &[StoredArticle]) -> Option<&str> {
    articles.iter().find_map(StoredArticle::msg_data_id)
}

fn show(config: &Config, article_id: &str, which: &Which, json: Json) -> Result<(), Failure> {
    let articles = connect(config)?.1.freepublish_getarticle(article_id)?;
    let msg_data_id = msg_data_id(&articles).map(str::to_owned);
    let articles = which.of(articles)?;
    let mut out = Output::for_reading();
    if json.wanted {
        let articles: Vec<_> = articles.iter().map(|(_, article)| article).collect();
        return out.json(&json!({
            "article_id": article_id, "msg_data_id": msg_data_id, "articles": articles,
        }));
    }
    let more: Vec<(&str, String)> = msg_data_id
        .map(|id| ("msg_data_id", id))
        .into_iter()
        .collect();
    describe(&mut out, &articles, &more)?;
    out.done()
}

fn delete(config: &Config, arguments: &Delete) -> Result<(), Failure> {
    let article_id = &arguments.article_id;
    let (which, what) = match (arguments.index, arguments.all) {
        (Some(index), _) => (Deleted::One(index), format!("article {index}")),
        (None, true) => (Deleted::All, "all articles".to_owned()),
        (None, false) => return Err(Failure::Wrong("give --index N or --all".to_owned())),
    };
    let (_store, api) = connect(config)?;
    let question = format!("Delete {what} of {article_id} for good, for all readers?");
    confirm::ask(&question, arguments.yes)?;
    api.freepublish_delete(article_id, which)?;
    let value = json!({
        "article_id": article_id, "index": arguments.index, "all": arguments.all,
    });
    let done = match which {
        Deleted::One(_) => "is",
        Deleted::All => "are",
    };
    let line = format!("{what} of {article_id} {done} deleted");
    Output::for_change().answer(arguments.json, &value, &line)
}
