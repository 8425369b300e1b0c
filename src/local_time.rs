//! Local dates and times as people write and read them, in the format of the store's views, and the days of Beijing.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Error, SignedDuration, Timestamp, ZonedDateTime};
use serde::{Serialize, Serializer};

/// A time in Unix seconds as `2026-11-21 08:30:00`. Beyond the year 9999: the number itself.
#[must_use]
pub fn format(at: i64) -> String {
    match local(at) {
        Ok(local) => local.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// A time in Unix seconds as `2026-11-21T00:30:00Z`, for programs. Beyond the year 9999 it is the number itself.
#[must_use]
pub fn utc(at: i64) -> String {
    match Timestamp::from_second(at) {
        Ok(at) => at.to_string(),
        Err(_) => at.to_string(),
    }
}

/// Parses a time such as `2026-11-21` or `2026-11-21 08:30` into Unix seconds; `None` for any other text. It is local
/// time unless it has an offset from UTC.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let with_offset = text.parse::<Timestamp>();
    let parsed = with_offset.or_else(|_| TimeZone::system().to_timestamp(text.parse()?));
    parsed.ok().map(Timestamp::as_second)
}

/// The current year.
#[must_use]
pub fn this_year() -> i16 {
    ZonedDateTime::now().year()
}

/// A local day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Such as `2026-11-21`.
    pub date: String,
    /// Its first moment, in Unix seconds: not midnight where the clocks skip it.
    pub start: i64,
    /// Days since Monday, 0 to 6.
    pub weekday: usize,
}

/// The local days from that of `from` to that of `to`, both in Unix seconds; none beyond the calendar.
#[must_use]
pub fn days(from: i64, to: i64) -> Vec<Day> {
    let zone = TimeZone::system();
    let day = |date: Date| {
        let start = zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
        Some(Day {
            date: date.to_string(),
            start: start.as_second(),
            weekday: weekday(date),
        })
    };
    let (Ok(first), Ok(last)) = (local(from), local(to)) else {
        return Vec::new();
    };
    let all = first.date().series(jiff::Span::new().days(1));
    all.take_while(|date| *date <= last.date())
        .map_while(day)
        .collect()
}

/// The hours, 0 to 23, and the days since Monday, 0 to 6, that local clocks show at these times in Unix seconds.
pub fn hours_and_weekdays(at: impl Iterator<Item = i64>) -> impl Iterator<Item = (usize, usize)> {
    let zone = TimeZone::system();
    at.map(move |at| {
        let local = Timestamp::from_second(at).map(|at| zone.to_datetime(at));
        let local = local.unwrap_or_default();
        (
            usize::from(local.hour().unsigned_abs()),
            weekday(local.date()),
        )
    })
}

fn weekday(date: Date) -> usize {
    usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())
}

fn local(at: i64) -> Result<DateTime, Error> {
    let at = Timestamp::from_second(at)?;
    Ok(TimeZone::system().to_datetime(at))
}

/// The hour and minute of something that happens every day, such as `"03:30"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(Time);

impl TimeOfDay {
    /// The first moment after `after` at which local clocks show this time; both in Unix seconds. Beyond the calendar's
    /// end: `after`.
    #[must_use]
    pub fn next_after(self, after: i64) -> i64 {
        let next = || {
            let today = local(after)?.date();
            let zone = TimeZone::system();
            let on_day = |date: Date| {
                zone.to_timestamp(date.to_datetime(self.0))
                    .map(Timestamp::as_second)
            };
            match on_day(today)? {
                next if next > after => Ok::<_, Error>(next),
                _ => on_day(today.tomorrow()?),
            }
        };
        next().unwrap_or(after)
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeOfDay, String> {
        let two_digits = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse().ok())
                .flatten()
        };
        text.split_once(':')
            .and_then(|(hour, minute)| two_digits(hour).zip(two_digits(minute)))
            .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
            .map(TimeOfDay)
            .ok_or_else(|| format!("{text:?} is not a time of day such as \"03:30\""))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%H:%M").fmt(f)
    }
}

/// A day of Beijing, by which the platform counts: it begins at 16:00 UTC of the day before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BeijingDay(Date);

/// Beijing's distance from UTC, the same all year.
const BEIJING: Offset = Offset::constant(8);

impl BeijingDay {
    /// A day of the calendar, known when this is compiled.
    ///
    /// # Panics
    /// If there is no such day.
    #[must_use]
    pub const fn new(year: i16, month: i8, day: i8) -> BeijingDay {
        BeijingDay(jiff::civil::date(year, month, day))
    }

    /// The day in Beijing at a time in Unix seconds. Beyond the calendar's end: its first or last day.
    #[must_use]
    pub fn at(time: i64) -> BeijingDay {
        let end = if time < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let time = Timestamp::from_second(time).unwrap_or(end);
        BeijingDay(BEIJING.to_datetime(time).date())
    }

    /// So many days later, or earlier if negative, but not beyond the calendar's end.
    #[must_use]
    pub fn plus(self, days: i32) -> BeijingDay {
        let hours = SignedDuration::from_hours(24 * i64::from(days));
        BeijingDay(self.0.saturating_add(hours))
    }

    /// How many days it is after another one; negative if it is before.
    #[must_use]
    pub fn days_after(self, other: BeijingDay) -> i32 {
        self.0.since(other.0).map_or(0, |span| span.get_days())
    }
}

impl FromStr for BeijingDay {
    type Err = String;

    fn from_str(text: &str) -> Result<BeijingDay, String> {
        let day = text.parse().ok().filter(|_| text.len() == 10);
        day.map(BeijingDay)
            .ok_or_else(|| format!("{text:?} is not a day such as 2026-11-21"))
    }
}

/// As `2026-11-21`.
impl fmt::Display for BeijingDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for BeijingDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_beijing_begins_eight_hours_before_that_of_utc() {
        // 2026-01-05 15:59:59 and 16:00 UTC.
        assert_eq!(BeijingDay::at(1_767_628_799).to_string(), "2026-01-05");
        let day = BeijingDay::at(1_767_628_800);
        assert_eq!(day, BeijingDay::new(2026, 1, 6));
        assert_eq!("2026-01-06".parse(), Ok(day));
        for text in ["", "2026-1-6", "2026-02-30", "2026-01-06T10:00", "20260106"] {
            assert!(text.parse::<BeijingDay>().is_err(), "{text}");
        }
        for time in [i64::MIN, i64::MAX] {
            let last = BeijingDay::at(time).plus(i32::MAX);
            assert_eq!(last, BeijingDay::new(9999, 12, 31));
            assert!(last.plus(i32::MIN) < BeijingDay::new(0, 1, 1));
        }
    }

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        let day = BeijingDay::new(2028, 2, 28);
        assert_eq!(day.plus(2), BeijingDay::new(2028, 3, 1));
        assert_eq!(day.plus(-28), BeijingDay::new(2028, 1, 31));
        assert_eq!(BeijingDay::new(2028, 3, 1).days_after(day), 2);
        assert_eq!(day.days_after(BeijingDay::new(2029, 2, 28)), -366);
    }

    #[test]
    fn a_time_of_day_is_read_and_shown_in_the_same_form() {
        for text in ["00:00", "03:30", "23:59"] {
            let read = text.parse::<TimeOfDay>();
            assert_eq!(read.map(|time| time.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "3:30", "24:00", "12:60", "12:5", "+1:30", "03:30:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}
