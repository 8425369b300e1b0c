//! Statistics of the account (`/datacube/…`): what WeChat counts itself, by days of Beijing.
//! For verified accounts. The numbers of a day come on the next, from about 8:00 in Beijing on.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::local_time::BeijingDay;
use crate::wechat::lenient;

/// Days one after another, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    first: BeijingDay,
    last: BeijingDay,
}

impl Days {
    /// `None`: the last is before the first.
    #[must_use]
    pub fn new(first: BeijingDay, last: BeijingDay) -> Option<Days> {
        (first <= last).then_some(Days { first, last })
    }

    /// The first day.
    #[must_use]
    pub fn first(self) -> BeijingDay {
        self.first
    }

    /// The last day.
    #[must_use]
    pub fn last(self) -> BeijingDay {
        self.last
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> i32 {
        self.last.days_after(self.first).saturating_add(1)
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = BeijingDay> {
        (0..self.count()).map(move |n| self.first.plus(n))
    }

    /// The same days in pieces of at most `most`.
    pub fn pieces(self, most: u16) -> impl Iterator<Item = Days> {
        let most = i32::from(most.max(1));
        (0..self.count())
            .step_by(usize::try_from(most).unwrap_or(1))
            .map(move |n| {
                let first = self.first.plus(n);
                let last = first.plus(most - 1).min(self.last);
                Days { first, last }
            })
    }

    /// All but the last; `None` if that is the only one.
    #[must_use]
    pub fn without_last(self) -> Option<Days> {
        Days::new(self.first, self.last.plus(-1))
    }
}

/// A call for statistics, whose answer is rows of `T`.
#[derive(Debug)]
pub struct Report<T> {
    path: &'static str,
    /// The most days that it takes at once.
    pub most_days: u16,
    /// The first day that it knows.
    pub from: BeijingDay,
    rows: PhantomData<fn() -> T>,
}

impl<T> Report<T> {
    const fn new(path: &'static str, most_days: u16, from: BeijingDay) -> Report<T> {
        Report {
            path,
            most_days,
            from,
            rows: PhantomData,
        }
    }
}

/// The first day of most statistics.
pub const BEGINNING: BeijingDay = BeijingDay::new(2014, 12, 1);

/// The first day of the calls for articles. Those from before were switched off in 2026.
pub const ARTICLES_BEGINNING: BeijingDay = BeijingDay::new(2025, 11, 1);

/// Who came and left: a row for each day and each source.
pub const USER_CHANGES: Report<UserChange> = Report::new("/datacube/getusersummary", 7, BEGINNING);

/// How many follow at the end of a day.
pub const USER_TOTALS: Report<UserTotal> = Report::new("/datacube/getusercumulate", 7, BEGINNING);

/// Who read an article on a day, also an old one.
pub const ARTICLE_READERS: Report<ArticleDay> =
    Report::new("/datacube/getarticleread", 1, ARTICLES_BEGINNING);

/// Who shared an article on a day.
pub const ARTICLE_SHARERS: Report<ArticleDay> =
    Report::new("/datacube/getarticleshare", 1, ARTICLES_BEGINNING);

/// The articles that were published on a day, and how they have done since.
pub const ARTICLES: Report<PublishedArticle> =
    Report::new("/datacube/getarticletotaldetail", 1, ARTICLES_BEGINNING);

/// What readers of the account did on a day.
pub const ACCOUNT_READERS: Report<AccountDay> =
    Report::new("/datacube/getbizsummary", 30, ARTICLES_BEGINNING);

/// Messages to the account: a row for each day and kind.
pub const MESSAGES: Report<Messages> = Report::new("/datacube/getupstreammsg", 7, BEGINNING);

/// The same by the hour.
pub const MESSAGES_BY_HOUR: Report<Messages> =
    Report::new("/datacube/getupstreammsghour", 1, BEGINNING);

/// How many people wrote how often.
pub const WRITERS: Report<Writers> = Report::new("/datacube/getupstreammsgdist", 15, BEGINNING);

/// The pushes to the callback, and whether they were answered.
pub const PUSHES: Report<Pushes> = Report::new("/datacube/getinterfacesummary", 30, BEGINNING);

/// The same by the hour.
pub const PUSHES_BY_HOUR: Report<Pushes> =
    Report::new("/datacube/getinterfacesummaryhour", 1, BEGINNING);

/// What a report found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rows<T> {
    /// Days without anything may be missing.
    #[serde(deserialize_with = "lenient::list")]
    #[serde(bound(deserialize = "T: Deserialize<'de>"))]
    pub list: Vec<T>,
    /// Whether the numbers will still change.
    #[serde(default)]
    pub is_delay: bool,
}

/// Who came and left on one day by one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChange {
    /// The day.
    pub ref_date: String,
    /// How they found the account, see [`source_name`].
    #[serde(default, deserialize_with = "count")]
    pub user_source: i64,
    /// How many came.
    #[serde(default, deserialize_with = "count")]
    pub new_user: i64,
    /// How many left.
    #[serde(default, deserialize_with = "count")]
    pub cancel_user: i64,
}

/// How many follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTotal {
    /// The day.
    pub ref_date: String,
    /// At its end.
    #[serde(default, deserialize_with = "count")]
    pub cumulate_user: i64,
}

/// Readers who came in one way. One person counts in each way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadersBy {
    /// How many.
    #[serde(default, deserialize_with = "count")]
    pub user_count: i64,
    /// The way, in WeChat's words: `全部` is all of them.
    #[serde(default, deserialize_with = "lenient::text")]
    pub scene_desc: Option<String>,
}

/// One article on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleDay {
    /// The day.
    pub ref_date: String,
    /// The article: its `msg_data_id`, `_`, and its number in the publication, from 1 on.
    #[serde(deserialize_with = "lenient::id")]
    pub msgid: String,
    /// The numbers.
    #[serde(default)]
    pub detail: ArticleDayDetail,
}

/// Numbers of one article on one day: people, each counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ArticleDayDetail {
    #[serde(deserialize_with = "lenient::int")]
    pub read_user: Option<i64>,
    #[serde(deserialize_with = "lenient::list")]
    pub read_user_source: Vec<ReadersBy>,
    #[serde(deserialize_with = "lenient::int")]
    pub share_user: Option<i64>,
}

/// An article since it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedArticle {
    /// The day of publication.
    pub ref_date: String,
    /// As in [`ArticleDay`].
    #[serde(deserialize_with = "lenient::id")]
    pub msgid: String,
    /// 0 with a message to the followers, 1 without.
    #[serde(default, deserialize_with = "lenient::int")]
    pub publish_type: Option<i64>,
    /// Missing now and then.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub title: Option<String>,
    /// Missing now and then.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub content_url: Option<String>,
    /// What was reached by the end of each day, for up to 30 days; the last is the newest.
    #[serde(default, deserialize_with = "lenient::list")]
    pub detail_list: Vec<ArticleTotals>,
}

/// What an article has reached by the end of a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the fields are WeChat's: people, unless something else is said"
)]
pub struct ArticleTotals {
    #[serde(deserialize_with = "lenient::text")]
    pub stat_date: Option<String>,
    #[serde(deserialize_with = "lenient::int")]
    pub read_user: Option<i64>,
    #[serde(deserialize_with = "lenient::list")]
    pub read_user_source: Vec<ReadersBy>,
    #[serde(deserialize_with = "lenient::int")]
    pub share_user: Option<i64>,
    /// Who tapped 在看.
    #[serde(deserialize_with = "lenient::int")]
    pub zaikan_user: Option<i64>,
    #[serde(deserialize_with = "lenient::int")]
    pub like_user: Option<i64>,
    /// Comments.
    #[serde(deserialize_with = "lenient::int")]
    pub comment_count: Option<i64>,
    /// Who kept it.
    #[serde(deserialize_with = "lenient::int")]
    pub collection_user: Option<i64>,
    /// Money for the author, in fen.
    #[serde(deserialize_with = "lenient::int")]
    pub praise_money: Option<i64>,
    /// Who followed after reading.
    #[serde(deserialize_with = "lenient::int")]
    pub read_subscribe_user: Option<i64>,
    /// The part of those it was sent to who read it, 0 to 1.
    #[serde(deserialize_with = "fraction")]
    pub read_delivery_rate: Option<f64>,
    /// The part of the readers who read to the end, 0 to 1.
    #[serde(deserialize_with = "fraction")]
    pub read_finish_rate: Option<f64>,
    /// How long people read, in minutes.
    #[serde(deserialize_with = "fraction")]
    pub read_avg_activetime: Option<f64>,
    /// In which fifth of the article readers stopped.
    #[serde(deserialize_with = "lenient::list")]
    pub read_jump_position: Vec<Stopped>,
}

/// The readers who stopped in one part of an article.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// 1 to 5: the fifth of the article.
    #[serde(default, deserialize_with = "lenient::int")]
    pub position: Option<i64>,
    /// Their part of all readers, 0 to 1.
    #[serde(default, deserialize_with = "fraction")]
    pub rate: Option<f64>,
}

/// What readers did on one day, in all articles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDay {
    /// The day.
    pub ref_date: String,
    /// The numbers.
    #[serde(default)]
    pub detail: AccountDayDetail,
}

/// What readers did on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the fields are WeChat's: people, unless something else is said"
)]
pub struct AccountDayDetail {
    #[serde(deserialize_with = "lenient::int")]
    pub read_user: Option<i64>,
    #[serde(deserialize_with = "lenient::list")]
    pub read_user_source: Vec<ReadersBy>,
    #[serde(deserialize_with = "lenient::int")]
    pub share_user: Option<i64>,
    #[serde(deserialize_with = "lenient::int")]
    pub zaikan_user: Option<i64>,
    #[serde(deserialize_with = "lenient::int")]
    pub like_user: Option<i64>,
    /// Comments.
    #[serde(deserialize_with = "lenient::int")]
    pub comment_count: Option<i64>,
    #[serde(deserialize_with = "lenient::int")]
    pub collection_user: Option<i64>,
    /// Who went on to the link at the end, 阅读原文.
    #[serde(deserialize_with = "lenient::int")]
    pub redirect_ori_page_user: Option<i64>,
    /// Articles that were published.
    #[serde(deserialize_with = "lenient::int")]
    pub send_page_count: Option<i64>,
}

/// Messages of one kind on one day or in one hour of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// The day.
    pub ref_date: String,
    /// The hour, times 100: 0, 100, … 2300. Only by the hour.
    #[serde(default, deserialize_with = "lenient::int")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_hour: Option<i64>,
    /// 1 text, 2 picture, 3 voice, 4 video, 6 link or something of another app.
    #[serde(default, deserialize_with = "count")]
    pub msg_type: i64,
    /// How many people wrote some.
    #[serde(default, deserialize_with = "count")]
    pub msg_user: i64,
    /// How many they wrote.
    #[serde(default, deserialize_with = "count")]
    pub msg_count: i64,
}

/// How many people wrote how often on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writers {
    /// The day.
    pub ref_date: String,
    /// 0 none, 1 one to five messages, 2 six to ten, 3 more.
    #[serde(default, deserialize_with = "count")]
    pub count_interval: i64,
    /// How many people.
    #[serde(default, deserialize_with = "count")]
    pub msg_user: i64,
}

/// Pushes on one day or in one hour of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushes {
    /// The day.
    pub ref_date: String,
    /// As in [`Messages`].
    #[serde(default, deserialize_with = "lenient::int")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_hour: Option<i64>,
    /// How many wanted an answer.
    #[serde(default, deserialize_with = "count")]
    pub callback_count: i64,
    /// How many got none, or one that WeChat does not take.
    #[serde(default, deserialize_with = "count")]
    pub fail_count: i64,
    /// The time of all answers together, in milliseconds.
    #[serde(default, deserialize_with = "count")]
    pub total_time_cost: i64,
    /// The time of the slowest, in milliseconds. WeChat waits 5000.
    #[serde(default, deserialize_with = "count")]
    pub max_time_cost: i64,
}

/// What a number of `user_source` means; `None` for one that is not known.
#[must_use]
pub fn source_name(source: i64) -> Option<&'static str> {
    Some(match source {
        0 => "other",
        1 => "search",
        17 => "name card",
        30 => "QR code",
        57 => "account name in an article",
        100 => "WeChat ads",
        149 => "mini program",
        161 => "reposted by others",
        200 => "channels",
        201 => "live",
        _ => return None,
    })
}

/// A number that counts as 0 where it is missing.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(lenient::int(deserializer)?.unwrap_or(0))
}

/// A fraction as a number or as text.
fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

impl Client {
    /// Fetches a report of at most [`Report::most_days`] days.
    ///
    /// # Errors
    /// [`ApiError::Request`] for more days; 61501 for days after yesterday, 61503 before the numbers of yesterday are
    /// ready, 48001 for an account that is not verified; any [`ApiError`].
    pub fn statistics<T: DeserializeOwned>(
        &self,
        report: &Report<T>,
        days: Days,
    ) -> Result<Rows<T>, ApiError> {
        let call = Call::read(report.path);
        if days.count() > i32::from(report.most_days) {
            let most = report.most_days;
            return Err(call.refused(format!("it takes at most {most} days")));
        }
        let asked = json!({"begin_date": days.first, "end_date": days.last});
        self.call(&call.json(&asked)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(first: &str, last: &str) -> Days {
        let day = |text: &str| text.parse().expect("a day");
        Days::new(day(first), day(last)).expect("days")
    }

    #[test]
    fn a_span_is_asked_in_pieces_that_leave_no_day_out() {
        let all = days("2025-12-28", "2026-01-12");
        assert_eq!(all.count(), 16);
        for most in [1, 7, 15, 16, 30] {
            let pieces: Vec<Days> = all.pieces(most).collect();
            assert!(pieces.iter().all(|piece| piece.count() <= i32::from(most)));
            let each: Vec<BeijingDay> = pieces.iter().flat_map(|piece| piece.each()).collect();
            assert_eq!(each, all.each().collect::<Vec<_>>(), "{most}");
        }
        let seven: Vec<Days> = all.pieces(7).collect();
        assert_eq!(seven[0], days("2025-12-28", "2026-01-03"));
        assert_eq!(seven[2], days("2026-01-11", "2026-01-12"));
        assert_eq!(
            seven[2].without_last(),
            Some(days("2026-01-11", "2026-01-11"))
        );
        assert_eq!(days("2026-01-11", "2026-01-11").without_last(), None);
        let reversed = Days::new(all.last(), all.first());
        assert_eq!(reversed, None);
    }
}
