//! What people read of forwarded pushes: lists of them, and how the services are doing.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::open::Reader;
use super::page::{newest_first, page};

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
        let failed = |error: rusqlite::Error| E::from(Reader::failed(&error));
        let mut statement = self
            .sqlite()
            .prepare(
                "SELECT id, message_id, service, openid, state, deliveries, answer, error, asked_at, answered_at, done_at,
                     datetime(asked_at, 'unixepoch', 'localtime')
                 FROM forwards WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR asked_at >= ?2) AND id < ?4
                 ORDER BY id DESC LIMIT coalesce(?3, -1)",
            )
            .map_err(failed)?;
        let next = |left, last| {
            let values = params![filter.state, filter.since, left, last];
            page(&mut statement, values, forward).map_err(|error| Reader::failed(&error))
        };
        newest_first(filter.limit, next, |row| row.id, each)
    }

    /// How many forwarded pushes wait for an answer, or for the delivery of one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forwards_waiting(&self) -> Result<i64, StoreError> {
        // Each part has an index of its own.
        let count = "SELECT (SELECT count(*) FROM forwards WHERE state IN ('asked', 'sending'))
                            + (SELECT count(*) FROM forwards WHERE state = 'kept')";
        self.sqlite()
            .query_row(count, [], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))
    }

    /// How a service is doing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn service_counts(&self, service: &str) -> Result<ServiceCounts, StoreError> {
        let counts = || {
            self.sqlite().query_row(
                "SELECT sum(state = 'asked'), sum(state IN ('kept', 'sending')),
                     sum(state IN ('answered', 'sent', 'unknown', 'shown')), sum(state = 'expired'), sum(state = 'failed'),
                     sum(state = 'failed' AND id > (SELECT coalesce(max(id), 0) FROM forwards
                                                    WHERE service = ?1 AND answered_at IS NOT NULL))
                 FROM forwards WHERE service = ?1",
                [service],
                |row| {
                    Ok(ServiceCounts {
                        waiting: some_number(row, 0)?,
                        kept: some_number(row, 1)?,
                        answered: some_number(row, 2)?,
                        expired: some_number(row, 3)?,
                        failed: some_number(row, 4)?,
                        failed_in_a_row: some_number(row, 5)?,
                        error: None,
                    })
                },
            )
        };
        let error = || {
            self.sqlite()
                .query_row(
                    "SELECT error FROM forwards WHERE service = ?1 AND state = 'failed' ORDER BY id DESC LIMIT 1",
                    [service],
                    |row| text(row, 0),
                )
                .optional()
        };
        let mut counts = counts().map_err(|error| Reader::failed(&error))?;
        if counts.failed_in_a_row > 0 {
            counts.error = error().map_err(|error| Reader::failed(&error))?.flatten();
        }
        Ok(counts)
    }
}

fn forward(row: &Row) -> rusqlite::Result<ForwardRow> {
    Ok(ForwardRow {
        id: row.get(0)?,
        message_id: some_number(row, 1)?,
        service: some_text(row, 2)?,
        openid: some_text(row, 3)?,
        state: some_text(row, 4)?,
        deliveries: some_number(row, 5)?,
        answer: text(row, 6)?,
        error: text(row, 7)?,
        asked_at: some_number(row, 8)?,
        answered_at: number(row, 9)?,
        done_at: number(row, 10)?,
        asked: some_text(row, 11)?,
    })
}
