//! The fake platform's statistics: rows by call and day, with the limits of each call.

use super::super::now;
use super::{Call, errcode};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde_json::{Value, json};

/// The calls, and the most days that each takes.
const CALLS: [(&str, i32); 11] = [
    ("getusersummary", 7),
    ("getusercumulate", 7),
    ("getarticleread", 1),
    ("getarticleshare", 1),
    ("getarticletotaldetail", 1),
    ("getbizsummary", 30),
    ("getupstreammsg", 7),
    ("getupstreammsghour", 1),
    ("getupstreammsgdist", 15),
    ("getinterfacesummary", 30),
    ("getinterfacesummaryhour", 1),
];

/// The calls that were switched off.
const OFFLINE: [&str; 2] = ["getarticlesummary", "getarticletotal"];

/// The state behind these calls.
#[derive(Default)]
pub struct Statistics {
    /// Each with its call; `ref_date` says of which day.
    pub rows: Vec<(&'static str, Value)>,
    /// The numbers of yesterday are not ready.
    pub late: bool,
    /// What the calls for articles say of their numbers.
    pub is_delay: bool,
}

/// So many days ago in Beijing, as the platform writes days; 0 is today.
pub fn days_ago(days: i64) -> String {
    ago(days).to_string()
}

fn ago(days: i64) -> Date {
    let then = Timestamp::from_second(now() - days * 86_400).unwrap();
    Offset::constant(8).to_datetime(then).date()
}

impl Statistics {
    /// Adds a row of a day, with these fields beside `ref_date`.
    pub fn add(&mut self, call: &'static str, days_ago: i64, fields: Value) {
        let mut row = fields;
        row["ref_date"] = self::days_ago(days_ago).into();
        self.rows.push((call, row));
    }

    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let name = call.path.strip_prefix("/datacube/")?;
        if OFFLINE.contains(&name) {
            return Some(errcode(
                47009,
                "this api is offline, please use the new api",
            ));
        }
        let (name, most) = CALLS.into_iter().find(|(known, _)| *known == name)?;
        let asked = call.json();
        let day = |which: &str| asked[which].as_str()?.parse::<Date>().ok();
        let Some((begin, end)) = day("begin_date").zip(day("end_date")) else {
            return Some(errcode(61500, "date format error"));
        };
        let days = begin.until(end).unwrap().get_days() + 1;
        if days < 1 || days > most || end > ago(1) {
            return Some(errcode(61501, "date range error"));
        }
        if self.late && end == ago(1) {
            return Some(errcode(61503, "data not ready please try later"));
        }
        let rows = self.rows.iter().filter(|(of, row)| {
            let day: Date = row["ref_date"].as_str().unwrap().parse().unwrap();
            *of == name && begin <= day && day <= end
        });
        let list: Vec<&Value> = rows.map(|(_, row)| row).collect();
        Some(match name.starts_with("getarticle") {
            true => json!({"list": list, "is_delay": self.is_delay}).to_string(),
            false => json!({ "list": list }).to_string(),
        })
    }
}
