//! `wechatd article …`: turns files into drafts, and publishes drafts for everybody.

mod drafts;
mod file;
mod front_matter;
mod markdown;
mod post;
mod published;

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde_json::json;

use super::input::{NotBlank, Yes, confirm, limit, whole_number};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::api::article::{PublishStatus, StoredArticle, Submitted};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::store::{Job, NewJob, Reader};
use crate::wechat::JobKind;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Create a draft from a Markdown file or from JSON, and print its media_id
    #[command(after_help = "Examples:
  wechatd article draft open-day.md --dry-run > open-day.html
  wechatd article draft open-day.md
  wechatd article draft open-day.json

A Markdown file (.md) begins with title and cover, and perhaps author and digest:
  ---
  title: Open day
  author: Amy
  digest: Come in
  cover: cover.jpg
  ---
  On **Saturday** the kitchen is open.

  ![The kitchen](kitchen.png)

The cover is a picture in the file's folder, or a media_id; it is added to the permanent material once. Pictures in the text are PNG or JPEG files in that folder, less than 1 MiB each, and are uploaded; those of other servers are refused, as WeChat would not show them. CommonMark with tables and ~~strikethrough~~ is taken; of HTML only comments and <br>. Links to mp.weixin.qq.com stay; WeChat drops all others, so their addresses are listed at the end.

At most 32 characters of title, 16 of author, 128 of digest, and fewer than 20000 of content with its tags: all is checked before anything is uploaded.

A JSON file holds one article, a list of them, or {\"articles\": [...]}:
  {\"title\": \"Open day\", \"author\": \"Amy\", \"digest\": \"Come in\",
   \"content\": \"<p>On Saturday</p>\", \"thumb_media_id\": \"MEDIA_ID\",
   \"content_source_url\": \"https://www.example.com/\"}

title, content (HTML) and thumb_media_id (the cover, of `wechatd material upload`) are needed; need_open_comment and only_fans_can_comment are 0 or 1. Pictures inside the content lie at URLs of `wechatd media image`.

A draft goes out with `wechatd mass send --article MEDIA_ID`, or is published with `wechatd article publish MEDIA_ID`. Personal and unverified accounts have lost the calls for publishing since July 2025; they publish in the console, where the draft is too.")]
    Draft {
        /// The article as Markdown (.md), or articles as JSON
        file: PathBuf,
        /// Print the HTML of a Markdown file, and upload nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        json: Json,
    },
    /// List the drafts, including the console's, last saved first
    #[command(after_help = "Examples:
  wechatd article list
  wechatd article list --json | jq -r '.[].media_id'")]
    List {
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Show the articles of a draft
    #[command(after_help = "Examples:
  wechatd article show MEDIA_ID
  wechatd article show MEDIA_ID --index 2 --json > article.json

`wechatd article edit` and `article draft` take that file.")]
    Show {
        /// The draft's media_id; `wechatd article list` shows them
        media_id: NotBlank,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        json: Json,
    },
    /// Replace one article of a draft by the one in a file
    #[command(after_help = "Examples:
  wechatd article edit MEDIA_ID open-day.md
  wechatd article edit MEDIA_ID article.json --index 2

The file is one of `wechatd article draft`, with one article. JSON replaces the whole article; Markdown keeps what it does not say: \"Read more\" and who may comment. No call adds an article to a draft or changes their order: delete the draft and make another one.")]
    Edit {
        /// The draft's media_id; `wechatd article list` shows them
        media_id: NotBlank,
        /// The article as Markdown (.md) or JSON
        file: PathBuf,
        /// Which of the draft's articles, from 1
        #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN, value_parser = whole_number::<NonZeroU32>(1..=u32::MAX), allow_negative_numbers = true)]
        index: NonZeroU32,
        #[command(flatten)]
        json: Json,
    },
    /// Delete a draft with all its articles
    #[command(after_help = "Example:
  wechatd article delete MEDIA_ID")]
    Delete {
        /// The draft's media_id; `wechatd article list` shows them
        media_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Articles that are published: list, show, delete
    #[command(
        subcommand,
        after_help = "Example:
  wechatd article published list

Personal and unverified accounts have lost the calls for published articles since July 2025; they get 48001."
    )]
    Published(published::Commands),
    /// Publish a draft for everyone to read; followers get no message
    #[command(after_help = "Example:
  wechatd article publish MEDIA_ID

It prints the publish_id. WeChat checks the draft first: `wechatd article status PUBLISH_ID`.

Personal and unverified accounts have lost this call since July 2025; they get 48001, and publish in the console.")]
    Publish {
        /// The draft's media_id
        media_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// What was published, newest first, or the progress of one
    #[command(after_help = "Examples:
  wechatd article status
  wechatd article status 2247500010      # asks WeChat, too

When it is published, it shows the article_id, for `wechatd send --article` and for menus, the msg_data_id, by which comments and statistics know it, and where it can be read.")]
    Status {
        /// Only this one, and ask WeChat for its progress
        publish_id: Option<NotBlank>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
}

/// Which articles are shown.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Only this article, counted from 1
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroU32>(1..=u32::MAX), allow_negative_numbers = true)]
    index: Option<NonZeroU32>,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Draft {
            file,
            dry_run,
            json,
        } => drafts::make(config, &file, dry_run, json),
        Commands::List { limit, json } => drafts::list(config, limit, json),
        Commands::Show {
            media_id,
            which,
            json,
        } => drafts::show(config, &media_id, &which, json),
        Commands::Edit {
            media_id,
            file,
            index,
            json,
        } => drafts::edit(config, &media_id, &file, index, json),
        Commands::Delete {
            media_id,
            yes,
            json,
        } => drafts::delete(config, &media_id, yes, json),
        Commands::Published(command) => published::run(config, command),
        Commands::Publish {
            media_id,
            yes,
            json,
        } => publish(config, &media_id, yes, json),
        Commands::Status {
            publish_id: Some(publish_id),
            json,
            ..
        } => status(config, &publish_id, json),
        Commands::Status {
            publish_id: None,
            limit,
            json,
        } => list(config, limit, json),
    }
}

fn publish(config: &Config, media_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    confirm::ask(&format!("Publish {media_id} for everybody to read?"), yes)?;
    let job = store.begin_job(NewJob {
        kind: JobKind::Publish,
        msg_type: "article".to_owned(),
        openid: None,
        target: None,
        content: media_id.to_owned(),
        sent_at: clock::unix_seconds(),
    })?;
    let submitted = match api.freepublish_submit(media_id) {
        Ok(submitted) => submitted,
        Err(error) => {
            // If it may have been done, the row stays.
            if !error.may_be_done()
                && let Err(unrecorded) = store.job_refused(job)
            {
                complain(&format!(
                    "`article status` shows it all the same: {unrecorded}"
                ));
            }
            return Err(error.into());
        }
    };
    let Submitted {
        publish_id,
        msg_data_id,
    } = submitted;
    let mut out = Output::for_change();
    out.warn_on_error(
        store.job_taken(JobKind::Publish, job, &publish_id, msg_data_id.as_deref()),
        "the store could not note the publish_id",
    );
    let value = json!({ "publish_id": publish_id, "msg_data_id": msg_data_id });
    out.answer(json, &value, &publish_id)
}

fn status(config: &Config, publish_id: &str, json: Json) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let jobs = store
        .reader()?
        .jobs(JobKind::Publish, Some(publish_id), 1)?;
    let job = jobs.first();
    let found = api.freepublish_get(publish_id)?;
    let failed = found.failed.unwrap_or_default();
    let msg_data_id = job.and_then(|job| job.msg_data_id.clone());
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&json!({
            "publish_id": publish_id,
            "publish_status": found.status.number(),
            "status": status_text(found.status),
            "article_id": found.article_id,
            "article_urls": found.article_urls,
            "fail_idx": failed,
            "msg_data_id": msg_data_id,
            "job": job,
        }));
    }
    let mut facts = vec![("status", status_text(found.status))];
    if let Some(job) = job
        && let Some(reported) = &job.finished
    {
        facts.push(("reported", format!("{reported}: {}", reported_status(job))));
    }
    if let Some(article_id) = found.article_id {
        facts.push(("article_id", article_id));
    }
    if let Some(msg_data_id) = msg_data_id {
        facts.push(("msg_data_id", msg_data_id));
    }
    if !found.article_urls.is_empty() {
        facts.push(("read at", found.article_urls.join("\n")));
    }
    if !failed.is_empty() {
        let numbers: Vec<String> = failed.iter().map(ToString::to_string).collect();
        facts.push(("failed", format!("article {}", numbers.join(", "))));
    }
    out.pairs(&facts)?;
    out.done()
}

fn list(config: &Config, limit: u32, json: Json) -> Result<(), Failure> {
    let jobs = Reader::open(&config.store)?.jobs(JobKind::Publish, None, limit)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&jobs);
    }
    let row = |job: &Job| {
        let id = |id: &Option<String>| id.clone().unwrap_or_default();
        [
            job.time.clone(),
            id(&job.msg_id),
            id(&job.msg_data_id),
            id(&job.article_id),
            reported_status(job),
        ]
    };
    let rows: Vec<[String; 5]> = jobs.iter().map(row).collect();
    out.table(
        [
            time("at"),
            whole("publish_id"),
            whole("msg_data_id"),
            text("article_id"),
            text("status"),
        ],
        &rows,
        "nothing was published",
    )?;
    out.done()
}

/// The status of a publication as the platform last reported it in an event.
fn reported_status(job: &Job) -> String {
    match (&job.status, &job.msg_id) {
        (Some(status), _) => match status.parse() {
            Ok(number) => status_text(PublishStatus::of(number)),
            Err(_) => cell(status, 40),
        },
        (None, Some(_)) => "no result yet".to_owned(),
        (None, None) => "unknown: WeChat did not say; look in the console".to_owned(),
    }
}

fn status_text(status: PublishStatus) -> String {
    match status {
        PublishStatus::Published => "published",
        PublishStatus::UnderWay => "under way",
        PublishStatus::NotOriginal => "not published: the check for originality failed",
        PublishStatus::Failed => "not published: it failed",
        PublishStatus::Refused => "not published: WeChat refused it",
        PublishStatus::Deleted => "was published, and its articles were deleted since",
        PublishStatus::Banned => "was published, and WeChat banned its articles since",
        PublishStatus::Unknown(number) => {
            return format!("publish_status {number}, which is not documented");
        }
    }
    .to_owned()
}

impl Which {
    /// The articles to show, with their numbers from 1.
    ///
    /// # Errors
    /// [`Failure::Failed`] for an index that there is not.
    fn of(&self, articles: Vec<StoredArticle>) -> Result<Vec<(usize, StoredArticle)>, Failure> {
        let many = articles.len();
        let mut numbered: Vec<(usize, StoredArticle)> = (1..).zip(articles).collect();
        if let Some(index) = self.index {
            let index = usize::try_from(index.get()).unwrap_or(usize::MAX);
            numbered.retain(|(number, _)| *number == index);
            if numbered.is_empty() {
                return Err(Failure::Failed(format!(
                    "there is no article {index}: it has {}",
                    counted(many, "article")
                )));
            }
        }
        Ok(numbered)
    }
}

/// The titles of articles on one line of a list; `(deleted)` marks what readers no longer see.
fn titles(articles: &[StoredArticle]) -> String {
    let title = |article: &StoredArticle| {
        let title = article.title.as_deref().unwrap_or_default();
        match article.is_deleted {
            Some(true) => format!("{title} (deleted)"),
            Some(false) | None => title.to_owned(),
        }
    };
    let titles: Vec<String> = articles.iter().map(title).collect();
    titles.join(" / ")
}

/// Prints what articles are, each with its number, and their contents.
fn describe(
    out: &mut Output,
    articles: &[(usize, StoredArticle)],
    more: &[(&str, String)],
) -> Result<(), Failure> {
    for (at, (number, article)) in articles.iter().enumerate() {
        if at > 0 {
            out.line("")?;
        }
        let mut facts = facts(*number, article);
        facts.extend_from_slice(more);
        out.pairs(&facts)?;
        if let Some(content) = article.content.as_deref().filter(|text| !text.is_empty()) {
            out.line(&format!("\n{content}"))?;
        }
    }
    Ok(())
}

/// What an article is.
fn facts(number: usize, article: &StoredArticle) -> Vec<(&'static str, String)> {
    let mut facts = vec![("article", number.to_string())];
    let mut fact = |name, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name, value.to_owned()));
        }
    };
    let other = |name: &str| article.others.get(name);
    let text = |name: &str| other(name).and_then(serde_json::Value::as_str);
    let is_on = |name: &str| other(name).is_some_and(|value| *value == 1 || *value == "1");
    fact("type", text("article_type").filter(|kind| *kind != "news"));
    fact("title", article.title.as_deref());
    fact("author", article.author.as_deref());
    fact("digest", article.digest.as_deref());
    fact("cover", text("thumb_media_id"));
    fact("read more", text("content_source_url"));
    let comments = match (is_on("need_open_comment"), is_on("only_fans_can_comment")) {
        (true, true) => Some("from followers"),
        (true, false) => Some("from everybody"),
        (false, _) => None,
    };
    fact("comments", comments);
    fact("url", article.url.as_deref());
    fact(
        "deleted",
        article.is_deleted.filter(|gone| *gone).map(|_| "yes"),
    );
    facts
}
