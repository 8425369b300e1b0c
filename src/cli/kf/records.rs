//! `wechatd kf records`: lists what agents and users wrote to each other, over any span of time.

use super::session::shown_time;
use crate::api::rate::Rate;
use crate::api::record::{AGENT_RECEIVED, AGENT_SENT, FIRST_MSGID, MAX_SPAN, Record};
use crate::api::{ApiError, Client};
use crate::cli::input::moment;
use crate::cli::platform::connect;
use crate::cli::terminal::{Failure, Json, Output, cell, text, time, whole};
use crate::clock;
use crate::config::Config;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd kf records
  wechatd kf records --since 7d --json
  wechatd kf records --since 2026-11-01 --until '2026-11-03 12:00'

WeChat gives one day at a time; a longer span is asked for day by day.";

/// Lines per call: fewer than the platform allows, so that even the longest ones stay far below the size limit of an
/// answer.
const PAGE: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE", default_value = "1d")]
    since: String,
    /// Until this local time [default: now]
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let since = moment("--since", &arguments.since)?;
    let until = match &arguments.until {
        Some(until) => moment("--until", until)?,
        None => clock::unix_seconds(),
    };
    if since >= until {
        return Err(Failure::Wrong(
            "--since is not before --until: nothing lies between them".to_owned(),
        ));
    }
    let records = all(&api, &Rate::per_second(config.api.rate), since, until)?;
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&records);
    }
    let row = |record: &Record| {
        [
            shown_time(record.time),
            cell(&record.openid, 40),
            cell(record.worker.as_deref().unwrap_or_default(), 60),
            match record.opercode {
                Some(AGENT_SENT) => "agent".to_owned(),
                Some(AGENT_RECEIVED) => "user".to_owned(),
                Some(other) => format!("opercode {other}"),
                None => String::new(),
            },
            cell(record.text.as_deref().unwrap_or_default(), 400),
        ]
    };
    let until = match &arguments.until {
        Some(until) => format!(" until {until}"),
        None => String::new(),
    };
    let nothing = format!(
        "agents and users wrote nothing since {}{until}",
        arguments.since
    );
    let rows: Vec<[String; 5]> = records.iter().map(row).collect();
    out.table(
        [
            time("time"),
            whole("openid"),
            text("agent"),
            whole("by"),
            text("text"),
        ],
        &rows,
        &nothing,
    )?;
    out.done()
}

/// All pages of all days. It is not documented whether a span includes its last second, so each day starts with the
/// last second of the previous one, and duplicates from that second are dropped.
fn all(api: &Client, rate: &Rate, since: i64, until: i64) -> Result<Vec<Record>, ApiError> {
    let mut records: Vec<Record> = Vec::new();
    let mut from = since;
    while from < until {
        let to = until.min(from.saturating_add(MAX_SPAN));
        let taken = records
            .last()
            .is_some_and(|last: &Record| last.time == Some(from));
        let mut msgid = Some(FIRST_MSGID);
        while let Some(start) = msgid {
            rate.wait();
            let page = api.msgrecord_getmsglist(&(from..to), start, PAGE)?;
            let fresh = page.records.into_iter();
            records.extend(fresh.filter(|record| !(taken && record.time == Some(from))));
            msgid = page.next_msgid;
        }
        from = to;
    }
    Ok(records)
}
