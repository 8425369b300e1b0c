//! Drafts: made of a file, listed, shown, edited and deleted.

use std::num::NonZeroU32;
use std::path::Path;

use serde_json::json;

use super::{Which, describe, file, titles};
use crate::api::ApiError;
use crate::api::article::ARTICLES_PAGE;
use crate::api::draft::ListedDraft;
use crate::cli::input::{Yes, confirm};
use crate::cli::platform::{connect, in_pages};
use crate::cli::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::config::Config;
use crate::counted::counted;
use crate::local_time;

pub(super) fn make(config: &Config, path: &Path, json: Json) -> Result<(), Failure> {
    let articles = file::read(path)?;
    let (_store, api) = connect(config)?;
    let made = api.draft_add(&articles)?;
    let value = json!({ "media_id": made, "articles": articles.len() });
    Output::for_change().answer(json, &value, &made)
}

pub(super) fn list(config: &Config, limit: u32, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let listed = in_pages(limit, ARTICLES_PAGE, |offset, count| {
        let page = api.draft_batchget(offset, count, false)?;
        Ok::<_, ApiError>((page.items, page.total_count))
    })?;
    if let Some(part) = listed.left_out() {
        complain(&format!("{part} drafts are shown; --limit N shows more"));
    }
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&listed.items);
    }
    let row = |draft: &ListedDraft| {
        [
            cell(&draft.media_id, 80),
            draft
                .update_time
                .map(local_time::format)
                .unwrap_or_default(),
            cell(&titles(&draft.articles), 200),
        ]
    };
    let rows: Vec<[String; 3]> = listed.items.iter().map(row).collect();
    let columns = [whole("media_id"), time("saved"), text("articles")];
    out.table(columns, &rows, "there are no drafts")?;
    out.done()
}

pub(super) fn show(
    config: &Config,
    media_id: &str,
    which: &Which,
    json: Json,
) -> Result<(), Failure> {
    let articles = which.of(connect(config)?.1.draft_get(media_id)?)?;
    let mut out = Output::for_reading();
    if json.wanted {
        let articles: Vec<_> = articles.iter().map(|(_, article)| article).collect();
        return out.json(&json!({ "media_id": media_id, "articles": articles }));
    }
    describe(&mut out, &articles, &[])?;
    out.done()
}

pub(super) fn edit(
    config: &Config,
    media_id: &str,
    path: &Path,
    index: NonZeroU32,
    json: Json,
) -> Result<(), Failure> {
    let articles = file::read(path)?;
    let [article] = articles.as_slice() else {
        return Err(Failure::wrong(
            format!(
                "{}: it holds {}, and one is replaced at a time",
                path.display(),
                counted(articles.len(), "article")
            ),
            format!("`wechatd article show {media_id} --index {index} --json` writes one"),
        ));
    };
    let (_store, api) = connect(config)?;
    api.draft_update(media_id, index, article)?;
    let value = json!({ "media_id": media_id, "index": index });
    let line = format!("article {index} of {media_id} is replaced");
    Output::for_change().answer(json, &value, &line)
}

pub(super) fn delete(config: &Config, media_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    confirm::ask(&format!("Delete the draft {media_id} for good?"), yes)?;
    api.draft_delete(media_id)?;
    let line = format!("{media_id} is deleted");
    Output::for_change().answer(json, &json!({ "media_id": media_id }), &line)
}
