//! `wechatd statistics interface`: whether WeChat got our answers, and how fast; in numbers and in words.

use serde::Serialize;

use super::{Arguments, Asker, hour};
use crate::api::statistics::{BEGINNING, PUSHES, PUSHES_BY_HOUR, Pushes};
use crate::cli::terminal::{Failure, Output, Stroke, whole};
use crate::config::Config;
use crate::counted::counted;
use crate::local_time::BeijingDay;

/// How many days are shown if no first one is given.
const USUAL: i32 = 30;

/// From here on answers are called slow, in milliseconds: the average, and the slowest, which is close to the 5000
/// after which WeChat gives up.
const SLOW_AVERAGE: i64 = 1_000;
const SLOW: i64 = 4_500;

/// Pushes of a day, an hour, or all of them.
#[derive(Debug, Default, Serialize)]
struct Totals {
    callback_count: i64,
    fail_count: i64,
    /// Milliseconds; none where there was no push.
    average_ms: Option<i64>,
    max_ms: i64,
}

/// What WeChat thinks of our answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answers {
    /// There was nothing to answer.
    None,
    Good,
    Slow,
    Failing,
}

#[derive(Debug, Serialize)]
struct Verdict {
    answers: Answers,
    text: String,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Day {
    date: BeijingDay,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Hour {
    hour: i64,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Found {
    verdict: Verdict,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days: Vec<Day>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hours: Vec<Hour>,
}

pub(super) fn run(config: &Config, arguments: &Arguments, hours: bool) -> Result<(), Failure> {
    let days = arguments.days(USUAL, BEGINNING)?;
    let mut asker = Asker::new(config, days)?;
    let rows = match hours {
        true => asker.ask(&PUSHES_BY_HOUR)?,
        false => asker.ask(&PUSHES)?,
    };
    let day = |date: BeijingDay| {
        let name = date.to_string();
        Day {
            date,
            totals: Totals::of(rows.iter().filter(|row| row.ref_date == name)),
        }
    };
    let by_hour = |number| Hour {
        hour: number,
        totals: Totals::of(rows.iter().filter(|row| hour(row.ref_hour) == number)),
    };
    let found = Found {
        verdict: Verdict::of(Totals::of(rows.iter()), hours),
        days: match hours {
            true => Vec::new(),
            false => asker.known_days().map(day).collect(),
        },
        hours: match hours {
            true => (0..24).map(by_hour).collect(),
            false => Vec::new(),
        },
    };
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&asker.shown(found));
    }
    let days = found.days.iter();
    let mut rows: Vec<(String, &Totals)> = days
        .map(|day| (day.date.to_string(), &day.totals))
        .collect();
    let hours = found.hours.iter();
    rows.extend(hours.map(|hour| (format!("{:02}:00", hour.hour), &hour.totals)));
    let bar = |(name, totals): &(String, &Totals)| {
        let answered = totals.callback_count.saturating_sub(totals.fail_count);
        let parts = [(Stroke::Full, answered), (Stroke::Light, totals.fail_count)];
        (name.clone(), parts)
    };
    let bars: Vec<_> = rows.iter().map(bar).collect();
    let rows: Vec<[String; 5]> = rows
        .into_iter()
        .map(|(name, totals)| totals.row(name))
        .collect();
    let heading = [
        whole(if found.hours.is_empty() {
            "day"
        } else {
            "hour"
        }),
        whole("pushes"),
        whole("failed"),
        whole("average ms"),
        whole("slowest ms"),
    ];
    out.table(heading, &rows, "WeChat has no numbers of these days")?;
    super::draw(
        &mut out,
        "Pushes that were answered, and that were not",
        &bars,
    )?;
    out.line("")?;
    out.line(&found.verdict.text)?;
    out.done()?;
    asker.say_what_is_missing();
    Ok(())
}

impl Totals {
    fn of<'a>(rows: impl Iterator<Item = &'a Pushes>) -> Totals {
        let mut totals = Totals::default();
        let mut time: i64 = 0;
        for row in rows {
            totals.callback_count = totals.callback_count.saturating_add(row.callback_count);
            totals.fail_count = totals.fail_count.saturating_add(row.fail_count);
            totals.max_ms = totals.max_ms.max(row.max_time_cost);
            time = time.saturating_add(row.total_time_cost);
        }
        totals.average_ms = (totals.callback_count > 0).then(|| time / totals.callback_count);
        totals
    }

    fn row(&self, first: String) -> [String; 5] {
        [
            first,
            self.callback_count.to_string(),
            self.fail_count.to_string(),
            super::number(self.average_ms),
            self.max_ms.to_string(),
        ]
    }
}

impl Verdict {
    /// `by_hour`: the hours are shown already.
    fn of(totals: Totals, by_hour: bool) -> Verdict {
        let Totals {
            callback_count,
            fail_count,
            average_ms,
            max_ms,
        } = totals;
        let pushes = counted(callback_count, "push");
        let average = average_ms.unwrap_or(0);
        let times = format!("on average in {average} ms, the slowest in {max_ms} ms of 5000");
        let (answers, text) = match average_ms {
            None => (
                Answers::None,
                "WeChat sent no push that wanted an answer. If followers wrote meanwhile, look whether the callback is switched on: 设置与开发 → 基本配置 → 服务器配置.".to_owned(),
            ),
            Some(_) if fail_count > 0 => {
                let percent = fail_count as f64 * 100.0 / callback_count as f64;
                let slow = match max_ms >= SLOW {
                    true => format!(" The slowest answer took {max_ms} ms, and WeChat gives up after 5000."),
                    false => String::new(),
                };
                let when = if by_hour { "" } else { "; --hours shows when" };
                (
                    Answers::Failing,
                    format!(
                        "WeChat thinks that answers fail: {fail_count} of {pushes} ({percent:.2} %) got none that it takes.{slow} Where the server's log shows nothing at those times, look at the proxy, TLS and the network in front of it{when}."
                    ),
                )
            }
            Some(_) if average >= SLOW_AVERAGE || max_ms >= SLOW => (
                Answers::Slow,
                format!(
                    "WeChat got an answer to every one of {pushes}, but slowly: {times}. `wechatd forwards list` shows how long services take."
                ),
            ),
            Some(_) => (
                Answers::Good,
                format!("WeChat got an answer to every one of {pushes}: {times}."),
            ),
        };
        Verdict {
            answers,
            text,
            totals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(callback_count: i64, fail_count: i64, average: i64, max_ms: i64) -> Answers {
        let row = Pushes {
            ref_date: "2026-01-05".to_owned(),
            ref_hour: None,
            callback_count,
            fail_count,
            total_time_cost: average.saturating_mul(callback_count),
            max_time_cost: max_ms,
        };
        Verdict::of(Totals::of([row].iter()), false).answers
    }

    #[test]
    fn answers_fail_before_they_are_slow_and_are_slow_close_to_the_limit() {
        for (pushes, failed, average, max, expected) in [
            (0, 0, 0, 0, Answers::None),
            (120, 0, 30, 91, Answers::Good),
            (120, 0, 999, 4_499, Answers::Good),
            (120, 0, 1_000, 1_000, Answers::Slow),
            (120, 0, 30, 4_500, Answers::Slow),
            (120, 1, 30, 91, Answers::Failing),
            (i64::MAX, i64::MAX, i64::MAX, i64::MAX, Answers::Failing),
        ] {
            assert_eq!(verdict(pushes, failed, average, max), expected);
        }
    }
}
