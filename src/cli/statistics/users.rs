//! `wechatd statistics users`: who came and left, and by which source.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Arguments, Asker};
use crate::api::statistics::{BEGINNING, USER_CHANGES, USER_TOTALS, UserChange, source_name};
use crate::cli::terminal::{Failure, Output, Stroke, text, whole};
use crate::config::Config;
use crate::local_time::BeijingDay;

/// How many days are shown if no first one is given.
const USUAL: i32 = 30;

#[derive(Debug, Serialize)]
struct Found {
    days: Vec<Day>,
    /// The sums of the days.
    sources: Vec<Source>,
}

#[derive(Debug, Serialize)]
struct Day {
    date: BeijingDay,
    new_user: i64,
    cancel_user: i64,
    /// At the end of the day.
    cumulate_user: Option<i64>,
    sources: Vec<Source>,
}

#[derive(Debug, Serialize)]
struct Source {
    user_source: i64,
    name: Option<&'static str>,
    new_user: i64,
    cancel_user: i64,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let days = arguments.days(USUAL, BEGINNING)?;
    let mut asker = Asker::new(config, days)?;
    let changes = asker.ask(&USER_CHANGES)?;
    let totals = asker.ask(&USER_TOTALS)?;
    let totals: BTreeMap<&str, i64> = totals
        .iter()
        .map(|total| (total.ref_date.as_str(), total.cumulate_user))
        .collect();
    let days = asker.known_days().map(|date| {
        let name = date.to_string();
        let sources = added_up(changes.iter().filter(|change| change.ref_date == name));
        Day {
            date,
            new_user: sources.iter().map(|source| source.new_user).sum(),
            cancel_user: sources.iter().map(|source| source.cancel_user).sum(),
            cumulate_user: totals.get(name.as_str()).copied(),
            sources,
        }
    });
    let found = Found {
        days: days.collect(),
        sources: added_up(changes.iter()),
    };
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&asker.shown(found));
    }
    let row = |day: &Day| {
        [
            day.date.to_string(),
            day.new_user.to_string(),
            day.cancel_user.to_string(),
            format!("{:+}", day.new_user - day.cancel_user),
            super::number(day.cumulate_user),
        ]
    };
    let rows: Vec<[String; 5]> = found.days.iter().map(row).collect();
    let heading = [
        whole("day"),
        whole("came"),
        whole("left"),
        whole("net"),
        whole("followers"),
    ];
    out.table(heading, &rows, "WeChat has no numbers of these days")?;
    let bar = |day: &Day| {
        let parts = [
            (Stroke::Full, day.new_user),
            (Stroke::Light, day.cancel_user),
        ];
        (day.date.to_string(), parts)
    };
    let bars: Vec<_> = found.days.iter().map(bar).collect();
    super::draw(&mut out, "Who came and left", &bars)?;
    let sources = found.sources.iter();
    let rows: Vec<[String; 3]> = sources
        .filter(|source| source.new_user > 0 || source.cancel_user > 0)
        .map(|source| {
            let unknown = || format!("source {}", source.user_source);
            [
                source.name.map_or_else(unknown, str::to_owned),
                source.new_user.to_string(),
                source.cancel_user.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.line("")?;
        out.table([text("found by"), whole("came"), whole("left")], &rows, "")?;
    }
    out.done()?;
    asker.say_what_is_missing();
    Ok(())
}

/// The sums of rows by source, the largest first.
fn added_up<'a>(changes: impl Iterator<Item = &'a UserChange>) -> Vec<Source> {
    let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for change in changes {
        let (came, left) = sums.entry(change.user_source).or_default();
        *came = came.saturating_add(change.new_user);
        *left = left.saturating_add(change.cancel_user);
    }
    let sources = sums.into_iter().map(|(user_source, (came, left))| Source {
        user_source,
        name: source_name(user_source),
        new_user: came,
        cancel_user: left,
    });
    let mut sources: Vec<Source> = sources.collect();
    sources.sort_by_key(|source| std::cmp::Reverse((source.new_user, source.cancel_user)));
    sources
}
