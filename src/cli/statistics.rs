//! `wechatd statistics …`: what WeChat counts itself, asked day by day of Beijing.

mod articles;
mod interface;
mod messages;
mod users;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::platform::{Patience, connect};
use super::terminal::{Chart, Failure, Json, Output, ProgressLine, Stroke, complain};
use crate::api::Client;
use crate::api::errcode::NOT_READY;
use crate::api::rate::Rate;
use crate::api::statistics::{Days, Report};
use crate::clock;
use crate::config::{Config, read_duration};
use crate::local_time::BeijingDay;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd statistics users --since 30d
  wechatd statistics interface

For verified accounts. Days are those of Beijing; the numbers of yesterday come at about 8:00 there. What this server counts itself is in the view `daily_v`.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Statistics {
    /// Followers won and lost on each day, and how they found the account
    #[command(after_help = "Examples:
  wechatd statistics users
  wechatd statistics users --since 2026-10-01 --until 2026-10-31 --json")]
    Users(Arguments),
    /// Who read and shared on each day, and how the articles of these days have done since
    #[command(after_help = "Examples:
  wechatd statistics articles
  wechatd statistics articles --since 30d --by-day

Numbers are people, from 2025-11-01 on. WeChat adds up an article for 30 days.")]
    Articles {
        #[command(flatten)]
        span: Arguments,
        /// Also show the readers of each article on each day, older articles included
        #[arg(long)]
        by_day: bool,
    },
    /// What followers wrote on each day: how many messages, of which kind
    #[command(after_help = "Examples:
  wechatd statistics messages
  wechatd statistics messages --since 7d --hours")]
    Messages {
        #[command(flatten)]
        span: Arguments,
        #[command(flatten)]
        hours: Hours,
    },
    /// Whether WeChat thinks that your server's answers fail or are slow
    #[command(after_help = "Examples:
  wechatd statistics interface
  wechatd statistics interface --since 7d --hours
  wechatd statistics interface --json | jq -r .verdict.answers

WeChat waits 5000 ms for an answer.")]
    Interface {
        #[command(flatten)]
        span: Arguments,
        #[command(flatten)]
        hours: Hours,
    },
}

// No doc comments: clap would show them as the description of every command that flattens these.

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The first day: 2026-11-21, or how long ago, such as 7d [default: 30d, of articles 7d]
    #[arg(long, value_name = "D")]
    since: Option<String>,
    /// The last day, in the same form [default: yesterday]
    #[arg(long, value_name = "D")]
    until: Option<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hours {
    /// Add the days up by the hour; one call a day
    #[arg(id = "hours", long = "hours")]
    wanted: bool,
}

pub(super) fn run(config: &Config, command: &Statistics) -> Result<(), Failure> {
    match command {
        Statistics::Users(span) => users::run(config, span),
        Statistics::Articles { span, by_day } => articles::run(config, span, *by_day),
        Statistics::Messages { span, hours } => messages::run(config, span, hours.wanted),
        Statistics::Interface { span, hours } => interface::run(config, span, hours.wanted),
    }
}

impl Arguments {
    /// The days that are meant; `usual` if no first one is given. There are none before `from`.
    fn days(&self, usual: i32, from: BeijingDay) -> Result<Days, Failure> {
        let today = BeijingDay::at(clock::unix_seconds());
        let given = |option: &str, text: &Option<String>| {
            text.as_deref()
                .map(|text| day(option, text, today))
                .transpose()
        };
        let yesterday = today.plus(-1);
        let until = given("--until", &self.until)?.unwrap_or(yesterday);
        if until > yesterday {
            return Err(Failure::Wrong(format!(
                "--until: WeChat has numbers up to yesterday, which is {yesterday} in Beijing"
            )));
        }
        let since = given("--since", &self.since)?;
        if let Some(since) = since.filter(|since| *since < from) {
            return Err(Failure::Wrong(format!(
                "--since: WeChat has these numbers from {from} on, not from {since}"
            )));
        }
        let since = since.unwrap_or_else(|| until.plus(1 - usual).max(from));
        Days::new(since, until).ok_or_else(|| {
            Failure::Wrong(format!(
                "the first day, {since}, is after the last, {until}; days are those of Beijing"
            ))
        })
    }
}

/// A day, or so many days before today.
fn day(option: &str, text: &str, today: BeijingDay) -> Result<BeijingDay, Failure> {
    const DAY: u64 = 86_400;
    if let Ok(ago) = read_duration(text)
        && ago.as_secs().is_multiple_of(DAY)
    {
        let days = i32::try_from(ago.as_secs() / DAY).unwrap_or(i32::MAX);
        return Ok(today.plus(-days));
    }
    text.parse().map_err(|what: String| {
        Failure::wrong(
            format!("{option}: {what}"),
            "write such a day, or how many days ago, such as 7d",
        )
    })
}

/// Asks for reports, and remembers what WeChat does not know yet.
struct Asker {
    api: Client,
    /// Between calls.
    rate: Rate,
    line: ProgressLine,
    days: Days,
    /// The last day, if its numbers are not ready.
    not_ready: Option<BeijingDay>,
    /// Whether some numbers will still change.
    changing: bool,
}

/// What all of these commands print as JSON.
#[derive(Debug, Serialize)]
struct Shown<T> {
    since: BeijingDay,
    until: BeijingDay,
    /// The last day, if WeChat has no numbers of it yet; it is not among the days.
    not_ready: Option<BeijingDay>,
    /// Whether some numbers will still change.
    changing: bool,
    #[serde(flatten)]
    found: T,
}

impl Asker {
    fn new(config: &Config, days: Days) -> Result<Asker, Failure> {
        let (_store, api) = connect(config)?;
        Ok(Asker {
            api,
            rate: Rate::per_second(config.api.rate),
            line: ProgressLine::on_stderr(),
            days,
            not_ready: None,
            changing: false,
        })
    }

    /// The rows of all days, asked in pieces as long as the report allows.
    fn ask<T: DeserializeOwned>(&mut self, report: &Report<T>) -> Result<Vec<T>, Failure> {
        let pieces: Vec<Days> = self.days.pieces(report.most_days).collect();
        let of = i64::try_from(pieces.len()).unwrap_or(i64::MAX);
        let mut rows = Vec::new();
        for (done, piece) in (0..).zip(pieces) {
            self.line.show("asking WeChat", done, Some(of));
            rows.extend(self.ask_piece(report, piece)?);
        }
        self.line.clear();
        Ok(rows)
    }

    /// The rows of one call. If the last day is not ready, those of the days before it.
    fn ask_piece<T: DeserializeOwned>(
        &mut self,
        report: &Report<T>,
        piece: Days,
    ) -> Result<Vec<T>, Failure> {
        let mut piece = piece;
        let mut patience = Patience::new();
        loop {
            self.rate.wait();
            match self.api.statistics(report, piece) {
                Ok(found) => {
                    self.changing |= found.is_delay;
                    return Ok(found.list);
                }
                Err(error) if patience.waits(&error, &self.line) => {}
                Err(error)
                    if error.errcode() == Some(NOT_READY) && piece.last() == self.days.last() =>
                {
                    self.not_ready = Some(piece.last());
                    match piece.without_last() {
                        Some(shorter) => piece = shorter,
                        None => return Ok(Vec::new()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The days that have numbers.
    fn known_days(&self) -> impl Iterator<Item = BeijingDay> {
        let not_ready = self.not_ready;
        self.days.each().filter(move |day| Some(*day) != not_ready)
    }

    fn shown<T>(&self, found: T) -> Shown<T> {
        Shown {
            since: self.days.first(),
            until: self.days.last(),
            not_ready: self.not_ready,
            changing: self.changing,
            found,
        }
    }

    /// Says on stderr what is missing.
    fn say_what_is_missing(&self) {
        const EIGHT: i64 = 8 * 3_600;
        let now = clock::unix_seconds();
        let early = now.saturating_add(EIGHT).rem_euclid(86_400) < EIGHT;
        let last = self.days.last();
        if self.not_ready.is_some() {
            complain(&format!(
                "WeChat has no numbers of {last} yet: they come at about 8:00 in Beijing"
            ));
        } else if early && last.plus(1) == BeijingDay::at(now) {
            complain(&format!(
                "the numbers of {last} may be missing: they come at about 8:00 in Beijing"
            ));
        }
        if self.changing {
            complain("WeChat says that some of these numbers will still change");
        }
    }
}

/// Draws bars below a table, a line for each day or hour; nothing if all of them are empty.
fn draw<const N: usize>(
    out: &mut Output,
    title: &str,
    bars: &[(String, [(Stroke, i64); N])],
) -> Result<(), Failure> {
    let length = |(_, parts): &(String, [(Stroke, i64); N])| {
        let lengths = parts.iter().map(|(_, length)| *length);
        lengths.fold(0, i64::saturating_add)
    };
    let longest = bars.iter().map(length).max().unwrap_or(0);
    if longest <= 0 {
        return Ok(());
    }
    out.line("")?;
    out.line(title)?;
    let chart = Chart::for_stdout();
    for (label, parts) in bars {
        out.raw_line(&chart.line(label, parts, longest))?;
    }
    Ok(())
}

/// The hour of a row: WeChat counts 0, 100, … 2300.
fn hour(ref_hour: Option<i64>) -> i64 {
    ref_hour.unwrap_or(0) / 100
}

/// A number that may be missing.
fn number(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
