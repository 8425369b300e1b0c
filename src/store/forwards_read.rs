//! What people read of forwarded pushes: lists of them, and how the services are doing.

use serde::Serialize;

use super::error::StoreError;
use super::open::Reader;
use super::page::{newest_first, page_of};
use super::sql::{self, Row, limit, values};
use super::statement::statements;
use crate::local_time;

/// The states of a forwarded push: `asked` its service, which has `answered` the push itself; a late answer is `sending`
/// and then `sent` as a message, unless it is `unknown` whether that arrived, or is `kept` and then `shown` with the next
/// message; `expired` was shown nowhere, and `failed` had no answer.
pub const FORWARD_STATES: [&str; 9] = [
    "asked", "answered", "sending", "sent", "unknown", "kept", "shown", "expired", "failed",
];

/// A row of `forwards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct ForwardRow {
    pub id: i64,
    pub message_id: i64,
    pub service: String,
    pub openid: String,
    pub state: String,
    pub deliveries: i64,
    pub answer: Option<String>,
    pub error: Option<String>,
    pub asked_at: i64,
    pub answered_at: Option<i64>,
    pub done_at: Option<i64>,
    /// `asked_at` as local date and time, for people.
    pub asked: String,
}

/// Which forwarded pushes to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ForwardFilter {
    /// In this state.
    pub state: Option<String>,
    /// Forwarded at or after this time, Unix seconds.
    pub since: Option<i64>,
    /// The most to list.
    pub limit: Option<u32>,
}

/// How a service is doing, by what is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Pushes that it has not answered yet.
    pub waiting: i64,
    /// Answers on their way to the follower, with a message of theirs or as one.
    pub kept: i64,
    /// Pushes that it has answered, without those above and below.
    pub answered: i64,
    /// Answers that were shown nowhere.
    pub expired: i64,
    /// Pushes for which it failed.
    pub failed: i64,
    /// Failures since its last answer.
    pub failed_in_a_row: i64,
    /// Why it failed last, if it has not answered since.
    pub error: Option<String>,
}

/// How many rows are of this kind.
macro_rules! count_of {
    ($which:literal) => {
        concat!("count(CASE WHEN ", $which, " THEN 1 END)")
    };
}

statements! {
    LIST = "SELECT id, message_id, service, openid, state, deliveries, answer, error, asked_at, answered_at, done_at
            FROM forwards WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR asked_at >= ?2) AND id < ?4
            ORDER BY id DESC LIMIT ?3";
    // Each part has an index of its own.
    WAITING = "SELECT (SELECT count(*) FROM forwards WHERE state IN ('asked', 'sending'))
                      + (SELECT count(*) FROM forwards WHERE state = 'kept')";
    COUNTS = (concat!(
        "SELECT ", count_of!("state = 'asked'"), ", ", count_of!("state IN ('kept', 'sending')"), ", ",
        count_of!("state IN ('answered', 'sent', 'unknown', 'shown')"), ", ", count_of!("state = 'expired'"), ", ",
        count_of!("state = 'failed'"), ", ",
        count_of!("state = 'failed' AND id > (SELECT coalesce(max(id), 0) FROM forwards
                                              WHERE service = ?1 AND answered_at IS NOT NULL)"),
        " FROM forwards WHERE service = ?1"
    ));
    LAST_ERROR = "SELECT error FROM forwards WHERE service = ?1 AND state = 'failed' ORDER BY id DESC LIMIT 1";
}

impl Reader {
    /// Calls `each` for every forwarded push that matches the filter, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn forwards<E: From<StoreError>>(
        &self,
        filter: &ForwardFilter,
        each: impl FnMut(ForwardRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let next = |left, last| {
            let most = limit(left);
            let values = values![filter.state, filter.since, most, last];
            self.read(|sql| page_of(sql, &LIST, values, forward))
        };
        newest_first(filter.limit, next, |row| row.id, each)
    }

    /// How many forwarded pushes wait for an answer, or for the delivery of one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forwards_waiting(&self) -> Result<i64, StoreError> {
        self.read(|sql| sql.one(&WAITING, &[], |row| row.get(0)))
    }

    /// How a service is doing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn service_counts(&self, service: &str) -> Result<ServiceCounts, StoreError> {
        self.read(|sql| {
            let mut counts = sql.one(&COUNTS, values![service], |row| {
                Ok(ServiceCounts {
                    waiting: row.some_number(0),
                    kept: row.some_number(1),
                    answered: row.some_number(2),
                    expired: row.some_number(3),
                    failed: row.some_number(4),
                    failed_in_a_row: row.some_number(5),
                    error: None,
                })
            })?;
            if counts.failed_in_a_row > 0 {
                let error = sql.optional(&LAST_ERROR, values![service], |row| Ok(row.text(0)))?;
                counts.error = error.flatten();
            }
            Ok(counts)
        })
    }
}

fn forward(row: &dyn Row) -> sql::Result<ForwardRow> {
    let asked_at = row.some_number(8);
    Ok(ForwardRow {
        id: row.get(0)?,
        message_id: row.some_number(1),
        service: row.some_text(2),
        openid: row.some_text(3),
        state: row.some_text(4),
        deliveries: row.some_number(5),
        answer: row.text(6),
        error: row.text(7),
        asked_at,
        answered_at: row.number(9),
        done_at: row.number(10),
        asked: local_time::format(asked_at),
    })
}
