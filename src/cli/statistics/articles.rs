//! `wechatd statistics articles`: readers of the account by day, and how its articles have done.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Arguments, Asker, number};
use crate::api::statistics::{
    ACCOUNT_READERS, ARTICLE_READERS, ARTICLE_SHARERS, ARTICLES, ARTICLES_BEGINNING, AccountDay,
    ArticleDay, PublishedArticle,
};
use crate::cli::terminal::{Failure, Output, Stroke, cell, text, whole};
use crate::config::Config;

/// How many days are shown if no first one is given; each takes a call.
const USUAL: i32 = 7;

#[derive(Debug, Serialize)]
struct Found {
    /// As WeChat gives them; a day on which nobody read is missing.
    days: Vec<AccountDay>,
    /// Those published on these days, with what they had reached by the end of each day since.
    articles: Vec<PublishedArticle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_day: Option<Vec<ArticleDay>>,
}

pub(super) fn run(config: &Config, arguments: &Arguments, by_day: bool) -> Result<(), Failure> {
    let days = arguments.days(USUAL, ARTICLES_BEGINNING)?;
    let mut asker = Asker::new(config, days)?;
    let found = Found {
        days: asker.ask(&ACCOUNT_READERS)?,
        articles: asker.ask(&ARTICLES)?,
        by_day: match by_day {
            true => Some(each_day(&mut asker)?),
            false => None,
        },
    };
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&asker.shown(found));
    }
    account_table(&mut out, &found.days)?;
    out.line("")?;
    article_table(&mut out, &found.articles)?;
    if let Some(rows) = &found.by_day {
        out.line("")?;
        day_table(&mut out, rows, &found.articles)?;
    }
    out.done()?;
    asker.say_what_is_missing();
    Ok(())
}

/// The readers and the sharers of each article on each day, in one row.
fn each_day(asker: &mut Asker) -> Result<Vec<ArticleDay>, Failure> {
    let mut rows = asker.ask(&ARTICLE_READERS)?;
    for shared in asker.ask(&ARTICLE_SHARERS)? {
        let same =
            |row: &&mut ArticleDay| row.ref_date == shared.ref_date && row.msgid == shared.msgid;
        match rows.iter_mut().find(same) {
            Some(row) => row.detail.share_user = shared.detail.share_user,
            None => rows.push(shared),
        }
    }
    rows.sort_by(|a, b| a.ref_date.cmp(&b.ref_date));
    Ok(rows)
}

fn account_table(out: &mut Output, days: &[AccountDay]) -> Result<(), Failure> {
    let row = |day: &AccountDay| {
        let detail = &day.detail;
        [
            day.ref_date.clone(),
            number(detail.read_user),
            number(detail.share_user),
            number(detail.like_user),
            number(detail.comment_count),
            number(detail.collection_user),
            number(detail.send_page_count),
        ]
    };
    let rows: Vec<[String; 7]> = days.iter().map(row).collect();
    let heading = [
        whole("day"),
        whole("readers"),
        whole("shared"),
        whole("liked"),
        whole("comments"),
        whole("kept"),
        whole("published"),
    ];
    out.table(
        heading,
        &rows,
        "nobody read on these days, as far as WeChat says",
    )?;
    let bar = |day: &AccountDay| {
        let readers = day.detail.read_user.unwrap_or(0);
        (cell(&day.ref_date, 10), [(Stroke::Full, readers)])
    };
    let bars: Vec<_> = days.iter().map(bar).collect();
    super::draw(out, "Readers", &bars)
}

fn article_table(out: &mut Output, articles: &[PublishedArticle]) -> Result<(), Failure> {
    let row = |article: &PublishedArticle| {
        let newest = article.detail_list.last().cloned().unwrap_or_default();
        let finished = newest.read_finish_rate;
        [
            article.ref_date.clone(),
            number(newest.read_user),
            number(newest.share_user),
            number(newest.like_user),
            number(newest.comment_count),
            number(newest.read_subscribe_user),
            finished
                .map(|rate| format!("{:.0} %", rate * 100.0))
                .unwrap_or_default(),
            name(article),
        ]
    };
    let rows: Vec<[String; 8]> = articles.iter().map(row).collect();
    let heading = [
        whole("published"),
        whole("readers"),
        whole("shared"),
        whole("liked"),
        whole("comments"),
        whole("followed"),
        whole("finished"),
        text("article"),
    ];
    out.table(
        heading,
        &rows,
        "nothing was published on these days, as far as WeChat says",
    )
}

fn day_table(
    out: &mut Output,
    days: &[ArticleDay],
    articles: &[PublishedArticle],
) -> Result<(), Failure> {
    let names: BTreeMap<&str, String> = articles
        .iter()
        .map(|article| (article.msgid.as_str(), name(article)))
        .collect();
    let row = |day: &ArticleDay| {
        let name = names.get(day.msgid.as_str());
        [
            day.ref_date.clone(),
            number(day.detail.read_user),
            number(day.detail.share_user),
            name.unwrap_or(&day.msgid).clone(),
        ]
    };
    let rows: Vec<[String; 4]> = days.iter().map(row).collect();
    let heading = [
        whole("day"),
        whole("readers"),
        whole("shared"),
        text("article"),
    ];
    out.table(
        heading,
        &rows,
        "nobody read an article on these days, as far as WeChat says",
    )
}

/// The title, or the msgid where WeChat leaves that out.
fn name(article: &PublishedArticle) -> String {
    cell(article.title.as_ref().unwrap_or(&article.msgid), 60)
}
