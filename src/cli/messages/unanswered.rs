//! `wechatd messages unanswered`: what people write and no rule answers.

use serde::Serialize;

use crate::cli::input::{limit, since};
use crate::cli::terminal::{Failure, Json, Output, complain, text, time, whole};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::dispatch::Rules;
use crate::inbox::unanswered::{Group, PERIOD, unanswered};
use crate::store::Reader;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h [default: 30d]
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

#[derive(Serialize)]
struct Shown<'a> {
    /// Texts of all groups.
    texts: usize,
    /// All groups.
    count: usize,
    /// Older texts were not looked at.
    is_cut: bool,
    groups: Vec<ShownGroup<'a>>,
}

#[derive(Serialize)]
struct ShownGroup<'a> {
    content: &'a str,
    times: usize,
    people: usize,
    last: i64,
    /// Of the latest message.
    id: i64,
    rule: String,
}

impl ShownGroup<'_> {
    fn of(group: &Group) -> ShownGroup<'_> {
        ShownGroup {
            content: group.latest.content.as_deref().unwrap_or_default(),
            times: group.times,
            people: group.people,
            last: group.latest.received_at,
            id: group.latest.id,
            rule: group.rule("Your answer"),
        }
    }
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let rules = Rules::new(config.rules.clone());
    let since = since(arguments.since.as_deref())?
        .unwrap_or_else(|| clock::unix_seconds().saturating_sub(PERIOD));
    let most = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let found = unanswered(&reader, &rules, since, most)?;
    let shown = Shown {
        texts: found.texts,
        count: found.count,
        is_cut: found.is_cut,
        groups: found.groups.iter().map(ShownGroup::of).collect(),
    };
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&shown);
    }
    let lines = found.groups.iter().map(|group| {
        [
            group.times.to_string(),
            group.people.to_string(),
            group.latest.received.clone(),
            group.latest.id.to_string(),
            group.latest.content.clone().unwrap_or_default(),
        ]
    });
    let columns = [
        whole("times"),
        whole("people"),
        time("last"),
        whole("id"),
        text("content"),
    ];
    out.table(
        columns,
        &lines.collect::<Vec<_>>(),
        "every text is answered by a rule",
    )?;
    for group in &shown.groups {
        out.line("")?;
        out.line(group.rule.trim_end())?;
    }
    out.done()?;
    if shown.count > shown.groups.len() {
        complain(&format!(
            "{} of {} shown; --limit N shows more",
            shown.groups.len(),
            counted(shown.count, "text"),
        ));
    }
    if shown.is_cut {
        complain("older texts were not looked at: there are too many");
    }
    Ok(())
}
