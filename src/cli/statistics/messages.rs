//! `wechatd statistics messages`: what followers wrote, by day or by hour.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Arguments, Asker, hour};
use crate::api::statistics::{BEGINNING, MESSAGES, MESSAGES_BY_HOUR, Messages, WRITERS};
use crate::cli::terminal::{Column, Failure, Output, Stroke, whole};
use crate::config::Config;
use crate::local_time::BeijingDay;

/// How many days are shown if no first one is given.
const USUAL: i32 = 30;

/// Messages by kind.
#[derive(Debug, Default, Serialize)]
struct Counts {
    messages: i64,
    text: i64,
    picture: i64,
    voice: i64,
    video: i64,
    /// Links, and what other apps send.
    other: i64,
}

#[derive(Debug, Serialize)]
struct Day {
    date: BeijingDay,
    /// How many people wrote, each counted once; unknown where WeChat says nothing.
    people: Option<i64>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct Hour {
    hour: i64,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct ByDay {
    days: Vec<Day>,
}

#[derive(Debug, Serialize)]
struct ByHour {
    hours: Vec<Hour>,
}

pub(super) fn run(config: &Config, arguments: &Arguments, hours: bool) -> Result<(), Failure> {
    let days = arguments.days(USUAL, BEGINNING)?;
    let mut asker = Asker::new(config, days)?;
    let mut out = Output::for_reading();
    if hours {
        let rows = asker.ask(&MESSAGES_BY_HOUR)?;
        let hours = (0..24).map(|number| Hour {
            hour: number,
            counts: Counts::of(rows.iter().filter(|row| hour(row.ref_hour) == number)),
        });
        let hours: Vec<Hour> = hours.collect();
        if arguments.json.wanted {
            return out.json(&asker.shown(ByHour { hours }));
        }
        let name = |hour: &Hour| format!("{:02}:00", hour.hour);
        let rows = hours.iter().map(|hour| (name(hour), None, &hour.counts));
        table(&mut out, "hour", &rows.collect::<Vec<_>>())?;
    } else {
        let rows = asker.ask(&MESSAGES)?;
        let writers = asker.ask(&WRITERS)?;
        let mut people: BTreeMap<&str, i64> = BTreeMap::new();
        for row in writers.iter().filter(|row| row.count_interval > 0) {
            let people = people.entry(&row.ref_date).or_default();
            *people = people.saturating_add(row.msg_user);
        }
        let days = asker.known_days().map(|date| {
            let name = date.to_string();
            Day {
                date,
                people: people.get(name.as_str()).copied(),
                counts: Counts::of(rows.iter().filter(|row| row.ref_date == name)),
            }
        });
        let days: Vec<Day> = days.collect();
        if arguments.json.wanted {
            return out.json(&asker.shown(ByDay { days }));
        }
        let rows = days
            .iter()
            .map(|day| (day.date.to_string(), day.people, &day.counts));
        table(&mut out, "day", &rows.collect::<Vec<_>>())?;
    }
    out.done()?;
    asker.say_what_is_missing();
    Ok(())
}

/// The table and its bars: a day or hour, how many people wrote, and how many messages.
fn table(
    out: &mut Output,
    first: &'static str,
    rows: &[(String, Option<i64>, &Counts)],
) -> Result<(), Failure> {
    let heading: [Column; 8] = [
        whole(first),
        whole("people"),
        whole("messages"),
        whole("text"),
        whole("picture"),
        whole("voice"),
        whole("video"),
        whole("other"),
    ];
    let bars = rows.iter().map(|(name, _, counts)| {
        let messages = [(Stroke::Full, counts.messages)];
        (name.clone(), messages)
    });
    let bars: Vec<_> = bars.collect();
    let rows = rows
        .iter()
        .map(|(name, people, counts)| counts.row(name.clone(), *people));
    let rows: Vec<[String; 8]> = rows.collect();
    out.table(heading, &rows, "WeChat has no numbers of these days")?;
    super::draw(out, "Messages", &bars)
}

impl Counts {
    fn of<'a>(rows: impl Iterator<Item = &'a Messages>) -> Counts {
        let mut counts = Counts::default();
        for row in rows {
            let of_kind = match row.msg_type {
                1 => &mut counts.text,
                2 => &mut counts.picture,
                3 => &mut counts.voice,
                4 => &mut counts.video,
                _ => &mut counts.other,
            };
            *of_kind = of_kind.saturating_add(row.msg_count);
            counts.messages = counts.messages.saturating_add(row.msg_count);
        }
        counts
    }

    fn row(&self, first: String, people: Option<i64>) -> [String; 8] {
        [
            first,
            super::number(people),
            self.messages.to_string(),
            self.text.to_string(),
            self.picture.to_string(),
            self.voice.to_string(),
            self.video.to_string(),
            self.other.to_string(),
        ]
    }
}
