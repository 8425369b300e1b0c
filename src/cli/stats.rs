//! `wechatd stats`: how the account grows, when people write, what answers them, and by what they came and stayed.

use serde::Serialize;
use serde_json::json;

use super::input::since;
use super::terminal::{Chart, Failure, Json, Output, Stroke, cell, text, time, whole};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::dispatch::Rules;
use crate::inbox::unanswered::{PERIOD, unanswered};
use crate::local_time;
use crate::store::{DayCount, MessageTimes, Reader, RuleHits, SceneGrowth, by_week, net_of_last};

/// More days than these are drawn as weeks: they would not fit on a screen.
const MOST_BARS: usize = 62;

/// The rules and scenes that are shown.
const TOP: usize = 10;

/// The scenes that programs get.
const MOST_SCENES: u32 = 10_000;

const DAY: i64 = 86_400;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE", default_value = "30d")]
    since: String,
    #[command(flatten)]
    json: Json,
}

/// Everything that is shown, and the value of `--json`.
#[derive(Debug, Serialize)]
struct Stats {
    /// The first day.
    since: String,
    followers: i64,
    /// By how much their number changed: today, and today with the 6 and 29 days before.
    net_today: i64,
    net_7_days: i64,
    net_30_days: i64,
    days: Vec<DayCount>,
    #[serde(flatten)]
    times: MessageTimes,
    rules: Vec<RuleHits>,
    scenes: Vec<SceneGrowth>,
    /// Texts of 30 days that today's rules leave unanswered; of the newest 200,000.
    unanswered: usize,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let now = clock::unix_seconds();
    let since = since(Some(&arguments.since))?.unwrap_or(now);
    if since > now {
        return Err(Failure::wrong(
            format!("--since: {} is in the future", arguments.since),
            "write a date of the past, or how long ago, such as 30d",
        ));
    }
    let rules = Rules::new(config.rules.clone());
    let stats = Stats::read(&reader, &rules, since, now)?;
    let out = Output::for_reading();
    match arguments.json.wanted {
        true => out.json(&stats.value()),
        false => stats.show(out),
    }
}

impl Stats {
    fn read(reader: &Reader, rules: &Rules, since: i64, now: i64) -> Result<Stats, Failure> {
        let days = reader.growth(since, now)?;
        // One day more: 30 local days may be longer than 30 times 24 hours.
        let month = reader.growth(now - 30 * DAY, now)?;
        let first = days.first().map_or(since, |day| day.start);
        Ok(Stats {
            since: days.first().map(|day| day.day.clone()).unwrap_or_default(),
            followers: reader.count_followers()?,
            net_today: net_of_last(&month, 1),
            net_7_days: net_of_last(&month, 7),
            net_30_days: net_of_last(&month, 30),
            times: reader.message_times(first)?,
            rules: reader.rule_hits(now)?,
            scenes: reader.scene_growth(Some(first), MOST_SCENES)?,
            unanswered: unanswered(reader, rules, now - PERIOD, 0)?.texts,
            days,
        })
    }

    /// For programs: also the share of those who stayed.
    fn value(&self) -> serde_json::Value {
        let mut value = json!(self);
        for (scene, shown) in self
            .scenes
            .iter()
            .zip(value["scenes"].as_array_mut().into_iter().flatten())
        {
            shown["stayed_percent"] = json!(scene.stayed_percent());
        }
        value
    }

    fn show(&self, mut out: Output) -> Result<(), Failure> {
        let chart = Chart::for_stdout();
        out.line(&format!(
            "Followers {}   today {:+}   7 days {:+}   30 days {:+}",
            self.followers, self.net_today, self.net_7_days, self.net_30_days
        ))?;
        self.show_growth(&mut out, &chart)?;
        self.show_times(&mut out, &chart)?;
        self.show_rules(&mut out)?;
        self.show_scenes(&mut out)?;
        if self.unanswered > 0 {
            out.line("")?;
            out.line(&format!(
                "{} of 30 days without an answer; `wechatd messages unanswered` lists them",
                counted(self.unanswered, "text")
            ))?;
        }
        out.done()
    }

    fn show_growth(&self, out: &mut Output, chart: &Chart) -> Result<(), Failure> {
        let came = |day: &DayCount| day.arrivals != 0 || day.departures != 0;
        let Some(first) = self.days.iter().position(came) else {
            return part(
                out,
                &format!("Who came and left since {}", self.since),
                "nobody yet. A bar for each day is shown here once somebody follows, or after the first sync of the followers.",
            );
        };
        let days = &self.days[first..];
        let (bars, what) = match days.len() > MOST_BARS {
            true => (by_week(days), "Who came and left, by the week from"),
            false => (days.to_vec(), "Who came and left since"),
        };
        heading(out, &format!("{what} {}", self.since))?;
        let longest = bars.iter().map(|day| day.arrivals + day.departures).max();
        let this_year = format!("{}-", local_time::this_year());
        let (wide_came, wide_left) = (
            width(bars.iter().map(|day| day.arrivals)),
            width(bars.iter().map(|day| day.departures)),
        );
        for day in &bars {
            let label = format!(
                "{} {}  {:>wide_came$}  {:>wide_left$}",
                day.day.strip_prefix(&this_year).unwrap_or(&day.day),
                WEEKDAYS[day.weekday],
                format!("+{}", day.arrivals),
                format!("-{}", day.departures),
            );
            let bars = [
                (Stroke::Full, day.arrivals),
                (Stroke::Light, day.departures),
            ];
            out.raw_line(&chart.line(&label, &bars, longest.unwrap_or(0)))?;
        }
        Ok(())
    }

    fn show_times(&self, out: &mut Output, chart: &Chart) -> Result<(), Failure> {
        let MessageTimes { hours, weekdays } = &self.times;
        if hours.iter().all(|messages| *messages == 0) {
            return part(
                out,
                "When they write",
                "no message yet. The hours and weekdays with the most messages are shown here once people write.",
            );
        }
        let mut bars = |title: &str, counts: &[i64], name: &dyn Fn(usize) -> String| {
            heading(out, title)?;
            let wide = width(counts.iter().copied());
            for (number, messages) in counts.iter().enumerate() {
                let label = format!("{}  {messages:>wide$}", name(number));
                let longest = counts.iter().copied().max().unwrap_or(0);
                out.raw_line(&chart.line(&label, &[(Stroke::Full, *messages)], longest))?;
            }
            Ok::<(), Failure>(())
        };
        bars("Messages by hour", hours, &|hour| format!("{hour:02}"))?;
        bars("Messages by weekday", weekdays, &|day| {
            WEEKDAYS[day].to_owned()
        })
    }

    fn show_rules(&self, out: &mut Output) -> Result<(), Failure> {
        const TITLE: &str = "Rules that answer most";
        if self.rules.is_empty() {
            return part(
                out,
                TITLE,
                "no rule answered yet. `wechatd explain TEXT` tells which one would.",
            );
        }
        heading(out, TITLE)?;
        let row = |hits: &RuleHits| {
            [
                cell(&hits.rule, 30),
                hits.days_7.to_string(),
                hits.days_30.to_string(),
                local_time::format(hits.last),
            ]
        };
        let rows: Vec<[String; 4]> = self.rules.iter().take(TOP).map(row).collect();
        out.table(
            [
                text("rule"),
                whole("7 days"),
                whole("30 days"),
                time("last"),
            ],
            &rows,
            "",
        )?;
        more(out, self.rules.len(), "rules")
    }

    fn show_scenes(&self, out: &mut Output) -> Result<(), Failure> {
        let title = format!("By what people came since {}, and who stayed", self.since);
        if self.scenes.is_empty() {
            return part(
                out,
                &title,
                "nobody yet. `wechatd qrcode create` makes codes whose scenes are counted here.",
            );
        }
        heading(out, &title)?;
        let row = |scene: &SceneGrowth| {
            let name = match scene.scene.as_str() {
                "" => "(not known)",
                name => name,
            };
            [
                cell(name, 30),
                scene.came.to_string(),
                scene.still_here.to_string(),
                percent(scene.stayed_percent()),
            ]
        };
        let rows: Vec<[String; 4]> = self.scenes.iter().take(TOP).map(row).collect();
        out.table(
            [
                text("scene"),
                whole("came"),
                whole("still here"),
                whole("stayed"),
            ],
            &rows,
            "",
        )?;
        more(out, self.scenes.len(), "scenes")
    }
}

/// A share as text; empty if there is none.
pub(super) fn percent(share: Option<i64>) -> String {
    share.map(|share| format!("{share}%")).unwrap_or_default()
}

/// The columns of the longest of these numbers with a sign.
fn width(numbers: impl Iterator<Item = i64>) -> usize {
    let widths = numbers.map(|number| number.to_string().len() + 1);
    widths.max().unwrap_or(0)
}

fn heading(out: &mut Output, title: &str) -> Result<(), Failure> {
    out.line("")?;
    out.line(title)
}

/// A part of which there is nothing to show yet.
fn part(out: &mut Output, title: &str, nothing: &str) -> Result<(), Failure> {
    heading(out, &format!("{title}: {nothing}"))
}

fn more(out: &mut Output, all: usize, what: &str) -> Result<(), Failure> {
    match all.checked_sub(TOP) {
        Some(more @ 1..) => out.line(&format!("and {more} more {what}, see --json")),
        Some(0) | None => Ok(()),
    }
}
