//! Drafts: made of a file, listed, shown, edited and deleted.

use std::num::NonZeroU32;
use std::path::Path;

use serde_json::json;

use super::post::Post;
use super::{Which, describe, file, titles};
use crate::api::ApiError;
use crate::api::article::ARTICLES_PAGE;
use crate::api::draft::{DraftArticle, ListedDraft, NewsArticle};
use crate::cli::input::{Yes, confirm};
use crate::cli::platform::{connect, in_pages};
use crate::cli::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::config::Config;
use crate::counted::counted;
use crate::local_time;

pub(super) fn make(config: &Config, path: &Path, dry_run: bool, json: Json) -> Result<(), Failure> {
    if !Post::is_at(path) {
        if dry_run {
            return Err(Failure::Wrong(format!(
                "{}: --dry-run shows the HTML of a Markdown file (.md), and this is none",
                path.display()
            )));
        }
        let articles = file::read(path)?;
        let (_store, api) = connect(config)?;
        let made = api.draft_add(&articles)?;
        return answer_made(Output::for_change(), &made, articles.len(), json);
    }
    let post = Post::read(path)?;
    post.warnings().iter().for_each(|warning| complain(warning));
    if dry_run {
        let mut out = Output::for_reading();
        if json.wanted {
            return out.json(&post.preview_as_json());
        }
        out.raw_line(&post.preview())?;
        return out.done();
    }
    let (store, api) = connect(config)?;
    let mut out = Output::for_change();
    let add = |article| api.draft_add(&[DraftArticle::News(article)]);
    let made = post.send(&api, &store, &mut out, add)?;
    answer_made(out, &made, 1, json)
}

fn answer_made(out: Output, media_id: &str, articles: usize, json: Json) -> Result<(), Failure> {
    let value = json!({ "media_id": media_id, "articles": articles });
    out.answer(json, &value, media_id)
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
    let mut out = Output::for_change();
    match Post::is_at(path) {
        true => replace_by_post(config, media_id, path, index, &mut out)?,
        false => {
            let article = one_article(media_id, path, index)?;
            let (_store, api) = connect(config)?;
            api.draft_update(media_id, index, &article)?;
        }
    }
    let value = json!({ "media_id": media_id, "index": index });
    let line = format!("article {index} of {media_id} is replaced");
    out.answer(json, &value, &line)
}

/// The only article of a JSON file.
fn one_article(media_id: &str, path: &Path, index: NonZeroU32) -> Result<DraftArticle, Failure> {
    let mut articles = file::read(path)?;
    let many = articles.len();
    match articles.pop() {
        Some(article) if many == 1 => Ok(article),
        Some(_) | None => Err(Failure::wrong(
            format!(
                "{}: it holds {}, and one is replaced at a time",
                path.display(),
                counted(many, "article")
            ),
            format!("`wechatd article show {media_id} --index {index} --json` writes one"),
        )),
    }
}

/// Replaces an article by a Markdown file, and keeps what that does not say.
fn replace_by_post(
    config: &Config,
    media_id: &str,
    path: &Path,
    index: NonZeroU32,
    out: &mut Output,
) -> Result<(), Failure> {
    let post = Post::read(path)?;
    post.warnings().iter().for_each(|warning| complain(warning));
    let (store, api) = connect(config)?;
    let which = Which { index: Some(index) };
    let before = which.of(api.draft_get(media_id)?)?;
    let field = |name: &str| {
        before
            .iter()
            .find_map(|(_, article)| article.others.get(name))
    };
    if field("article_type").is_some_and(|kind| *kind == "newspic") {
        return Err(Failure::wrong(
            format!("article {index} of {media_id} is a picture message, which has no Markdown"),
            "edit it as JSON",
        ));
    }
    let flag = |name: &str| field(name).is_some_and(|value| *value == 1 || *value == "1");
    let source = field("content_source_url").and_then(|value| value.as_str());
    post.send(&api, &store, out, |article| {
        let article = NewsArticle {
            content_source_url: source.unwrap_or_default().to_owned(),
            need_open_comment: flag("need_open_comment").into(),
            only_fans_can_comment: flag("only_fans_can_comment").into(),
            product_info: field("product_info").cloned(),
            ..article
        };
        api.draft_update(media_id, index, &DraftArticle::News(article))
    })
}

pub(super) fn delete(config: &Config, media_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    confirm::ask(&format!("Delete the draft {media_id} for good?"), yes)?;
    api.draft_delete(media_id)?;
    let line = format!("{media_id} is deleted");
    Output::for_change().answer(json, &json!({ "media_id": media_id }), &line)
}
