//! `wechatd article …`: turns files into drafts, and publishes drafts for everybody.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::input::json::in_plain_words;
use super::input::{NotBlank, Yes, confirm, limit};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::api::ApiError;
use crate::api::article::{DraftArticle, PublishStatus, Submitted};
use crate::byte_order_mark;
use crate::clock;
use crate::config::Config;
use crate::store::{Job, NewJob, Reader};
use crate::wechat::JobKind;

/// Fields that the platform returns but does not accept; `wechatd material get` writes them too.
const READ_ONLY: [&str; 2] = ["show_cover_pic", "url"];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Keep articles as a draft, and print its media_id
    #[command(after_help = "Example:
  wechatd material upload cover.jpg
  wechatd media image kitchen.png
  wechatd article draft open-day.json

The file holds one article, a list of them, or {\"articles\": [...]}:
  {\"title\": \"Open day\", \"author\": \"Amy\", \"digest\": \"Come in\",
   \"content\": \"<p>On Saturday</p>\", \"thumb_media_id\": \"MEDIA_ID\",
   \"content_source_url\": \"https://www.example.com/\"}

title, content (HTML) and thumb_media_id (the cover, of `wechatd material upload`) are needed; need_open_comment and only_fans_can_comment are 0 or 1. Pictures inside the content lie at URLs of `wechatd media image`.

A draft goes out with `wechatd mass send --article MEDIA_ID`, or is published with `wechatd article publish MEDIA_ID`.")]
    Draft {
        /// The articles, as JSON
        file: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Publish a draft for everybody to read; followers get no message
    #[command(after_help = "Example:
  wechatd article publish MEDIA_ID

It prints the publish_id. The platform checks the draft first: `wechatd article status PUBLISH_ID`.")]
    Publish {
        /// The draft's media_id
        media_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// What was published, the newest first; or how far the publishing of a draft is
    #[command(after_help = "Examples:
  wechatd article status
  wechatd article status 2247500010      # asks the platform too

When it is published, it shows the article_id, for `wechatd send --article` and for menus, the msg_data_id, by which comments and statistics know it, and where it can be read.")]
    Status {
        /// Only this one, and ask the platform how far it is
        publish_id: Option<NotBlank>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Draft { file, json } => draft(config, &file, json),
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

fn draft(config: &Config, file: &Path, json: Json) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Wrong(format!("{}: {what}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let articles = articles(&text).map_err(|what| {
        wrong(format!(
            "{what}; `wechatd article draft --help` shows an example"
        ))
    })?;
    let (_store, api) = connect(config)?;
    let made = api.draft_add(&articles).map_err(|error| match error {
        ApiError::Request { cause, .. } => wrong(cause),
        error => error.into(),
    })?;
    let value = json!({ "media_id": made, "articles": articles.len() });
    Output::for_change().answer(json, &value, &made)
}

/// The articles in a file: one, a list, or a list under `articles`.
fn articles(text: &str) -> Result<Vec<DraftArticle>, String> {
    let mut value: Value = serde_json::from_str(byte_order_mark::skip(text))
        .map_err(|error| in_plain_words(&error))?;
    if let Some(list) = value.get_mut("articles") {
        value = list.take();
    }
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    if list.is_empty() {
        return Err("it holds no article".to_owned());
    }
    let article = |(number, mut value): (usize, Value)| {
        if let Value::Object(fields) = &mut value {
            // A field that is null counts as missing.
            fields.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
        }
        serde_json::from_value(value)
            .map_err(|error| format!("article {number}: {}", in_plain_words(&error)))
    };
    (1..).zip(list).map(article).collect()
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
        (None, None) => "unknown: the platform did not say; look in the console".to_owned(),
    }
}

fn status_text(status: PublishStatus) -> String {
    match status {
        PublishStatus::Published => "published",
        PublishStatus::UnderWay => "under way",
        PublishStatus::NotOriginal => "not published: the check for originality failed",
        PublishStatus::Failed => "not published: it failed",
        PublishStatus::Refused => "not published: the platform refused it",
        PublishStatus::Deleted => "was published, and its articles were deleted since",
        PublishStatus::Banned => "was published, and the platform banned its articles since",
        PublishStatus::Unknown(number) => {
            return format!("publish_status {number}, which is not documented");
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_article_or_several() {
        let one = r#"{"title": "T", "content": "<p>x</p>", "thumb_media_id": "SYN"}"#;
        let two = format!("[{one}, {one}]");
        for (text, count) in [
            (one.to_owned(), 1),
            (two.clone(), 2),
            (format!("{{\"articles\": {two}}}"), 2),
        ] {
            assert_eq!(articles(&text).map(|list| list.len()), Ok(count), "{text}");
        }
        let returned = one.replace(
            '}',
            r#", "url": "http://x", "show_cover_pic": 1, "author": null}"#,
        );
        assert_eq!(articles(&returned), articles(one));
        for (text, why) in [
            ("", "ends too early"),
            ("[]", "no article"),
            ("{}", "article 1: the field `title` is missing"),
            (r#"{"titel": "T"}"#, "unknown field `titel`"),
            ("7", "article 1"),
        ] {
            let error = articles(text).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}
