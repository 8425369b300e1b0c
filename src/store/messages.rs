//! Messages and events: reading them, and removing old ones.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::finding::{MESSAGES_OF_PERSON, messages_by_quarter};
use super::open::{Reader, Store};
use super::page::{newest_first, page};
use super::signatures::remove_messages;

/// A row of `messages`, without the raw XML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns, and the columns WeChat's names"
)]
pub struct MessageRow {
    pub id: i64,
    pub openid: String,
    pub msg_type: String,
    pub event: Option<String>,
    pub event_key: Option<String>,
    pub msg_id: Option<String>,
    pub content: Option<String>,
    pub created_at: Option<i64>,
    pub received_at: i64,
    pub rule: Option<String>,
    pub reply: Option<String>,
    pub media_id: Option<String>,
    /// It is forwarded, and has no answer yet.
    pub pending: bool,
    /// `None`: nobody need do anything; 1: somebody should; 0: done.
    pub todo: Option<i64>,
    pub done_at: Option<i64>,
    pub done_by: Option<String>,
    /// `received_at` as local date and time, for people.
    pub received: String,
    /// The push as received, for lists, if it has no `content`.
    #[serde(skip)]
    pub without_content: Option<String>,
}

/// A row of `messages` with every column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct WholeMessage {
    #[serde(flatten)]
    pub row: MessageRow,
    pub xml: Option<String>,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// From this sender.
    pub openid: Option<String>,
    /// Received at or after this time, Unix seconds.
    pub since: Option<i64>,
    /// The most messages to list.
    pub limit: Option<u32>,
}

impl MessageFilter {
    /// The id before the first page.
    pub(super) const BEGINNING: i64 = i64::MAX;

    /// The filter as SQL. Its parameters are the sender, the smallest id, `since`, the limit, and the last id of the
    /// previous page.
    pub(super) fn conditions(&self) -> String {
        let whose = match self.openid {
            Some(_) => format!("id IN ({MESSAGES_OF_PERSON})"),
            None => "?1 IS NULL".to_owned(),
        };
        format!(
            "WHERE {whose} AND id >= ?2 AND (?3 IS NULL OR +received_at >= ?3) AND id < ?5 ORDER BY id DESC LIMIT coalesce(?4, -1)"
        )
    }
}

pub(super) const COLUMNS: &str =
    "id, openid, msg_type, event, event_key, msg_id, content, created_at, received_at, rule, reply,
    datetime(received_at, 'unixepoch', 'localtime'), media_id, iif(content IS NULL, xml, NULL), pending IS 1,
    todo, done_at, done_by";

pub(super) fn message(row: &Row) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        id: row.get(0)?,
        openid: some_text(row, 1)?,
        msg_type: some_text(row, 2)?,
        event: text(row, 3)?,
        event_key: text(row, 4)?,
        msg_id: text(row, 5)?,
        content: text(row, 6)?,
        created_at: number(row, 7)?,
        received_at: some_number(row, 8)?,
        rule: text(row, 9)?,
        reply: text(row, 10)?,
        received: some_text(row, 11)?,
        media_id: text(row, 12)?,
        without_content: text(row, 13)?,
        pending: row.get(14)?,
        todo: number(row, 15)?,
        done_at: number(row, 16)?,
        done_by: text(row, 17)?,
    })
}

/// An old message: received before `?1`, unless it was sent between `?1` and `?2` by the platform's time. Such a message
/// came while this machine's clock was behind.
const OLD: &str = "received_at < ?1 AND NOT coalesce(created_at BETWEEN ?1 AND ?2, FALSE)";

/// How far a removal of old messages has got: the last one that it found.
#[derive(Debug)]
pub struct Place {
    quarter: i64,
    id: i64,
}

impl Place {
    /// Before all messages.
    pub const BEGINNING: Place = Place {
        quarter: i64::MIN,
        id: i64::MIN,
    };
}

impl Reader {
    /// Calls `each` for every message that matches the filter, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn messages<E: From<StoreError>>(
        &self,
        filter: &MessageFilter,
        each: impl FnMut(MessageRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(Reader::failed(&error));
        let first = self.first_message_of(filter)?;
        let sql = format!("SELECT {COLUMNS} FROM messages {}", filter.conditions());
        let mut statement = self.sqlite().prepare(&sql).map_err(failed)?;
        let next = |left, last| {
            let values = params![filter.openid, first, filter.since, left, last];
            page(&mut statement, values, message)
        };
        newest_first(filter.limit, next, |row| row.id, each)
    }

    /// One message; `None` if there is none with this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn message(&self, id: i64) -> Result<Option<WholeMessage>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, xml FROM messages WHERE id = ?1");
        let whole = |row: &Row| {
            Ok(WholeMessage {
                row: message(row)?,
                xml: text(row, 18)?,
            })
        };
        let found = self.sqlite().query_row(&sql, [id], whole).optional();
        found.map_err(|error| Reader::failed(&error))
    }

    /// The last messages of a person before the row with this id, newest first.
    pub(super) fn messages_of(
        &self,
        openid: &str,
        before: i64,
        most: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM messages WHERE id IN ({MESSAGES_OF_PERSON}) AND id < ?2
                     ORDER BY id DESC LIMIT ?3"
                ))?
                .query_map(params![openid, before, most], message)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// Whether there is a push of anybody whose openid does not begin with this.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_pushes_but_of(&self, prefix: &str) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM messages WHERE substr(openid, 1, length(?1)) <> ?1)";
        let found = self.sqlite().query_row(sql, [prefix], |row| row.get(0));
        found.map_err(|error| Reader::failed(&error))
    }

    /// Whether somebody sent this media_id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_sent(&self, media_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE media_id = ?1)";
        let found = self.sqlite().query_row(sql, [media_id], |row| row.get(0));
        found.map_err(|error| Reader::failed(&error))
    }

    /// A lower bound of the ids that match the filter. Ids grow in the order of arrival, but not always with the time:
    /// the clock may have been wrong.
    pub(super) fn first_message_of(&self, filter: &MessageFilter) -> Result<i64, StoreError> {
        let Some(since) = filter.since else {
            return Ok(0);
        };
        // If there is none: larger than every id.
        let first = "SELECT coalesce(min(first_id), 9223372036854775807) FROM daily_counts
             WHERE pushes > 0 AND quarter >= ?1 / 900";
        self.sqlite()
            .query_row(first, [since], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))
    }

    /// When the oldest message was received, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn oldest_message(&self) -> Result<Option<i64>, StoreError> {
        let by_quarter = messages_by_quarter("first_id");
        let sql = format!(
            "SELECT message.received_at FROM {by_quarter} ORDER BY quarter, message.received_at LIMIT 1"
        );
        let oldest = self.sqlite().query_row(&sql, [], |row| row.get(0));
        oldest.optional().map_err(|error| Reader::failed(&error))
    }

    /// When the last push was received, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_push(&self) -> Result<Option<i64>, StoreError> {
        let last = self.sqlite().query_row(
            "SELECT received_at FROM messages ORDER BY id DESC LIMIT 1",
            [],
            |row| number(row, 0),
        );
        let last = last.optional().map(Option::flatten);
        last.map_err(|error| Reader::failed(&error))
    }

    /// The quarters of an hour since 1970, from `since` in Unix seconds on, in which pushes came, with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn pushes_by_quarter(&self, since: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare(
                    "SELECT quarter, pushes FROM daily_counts WHERE quarter >= ?1 AND pushes > 0 ORDER BY quarter",
                )?
                .query_map([since / 900], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(i64, i64)>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// Ids of up to `step` [`OLD`] messages after `place`, by the quarter of an hour; moves `place` to the last of them.
    fn old_messages(
        &self,
        place: &mut Place,
        before: i64,
        now: i64,
        step: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let by_quarter = messages_by_quarter("iif(quarter = ?3, ?4 + 1, first_id)");
        let sql = format!(
            "SELECT quarter, message.id FROM {by_quarter} WHERE quarter BETWEEN ?3 AND ?1 / 900 AND {OLD}
             ORDER BY quarter, message.id LIMIT ?5"
        );
        let mut read = || {
            let mut statement = self.sqlite().prepare_cached(&sql)?;
            let values = params![before, now, place.quarter, place.id, step];
            let mut rows = statement.query(values)?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                place.quarter = row.get(0)?;
                place.id = row.get(1)?;
                ids.push(place.id);
            }
            Ok(ids)
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

impl Store {
    /// Removes up to `step` of the oldest messages that were received before `before`, in one small commit, and returns
    /// how many went. It starts after `place` and moves it on, so that the next call continues there; `reader` finds
    /// the messages, so that pushes do not wait for the search. Messages that the platform sent between `before` and
    /// `now` stay: they came while this machine's clock was behind. Messages received at or after `remembered_from`
    /// are removed, but not recorded again. All times are Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn remove_old_messages(
        &self,
        reader: &Reader,
        place: &mut Place,
        before: i64,
        now: i64,
        remembered_from: i64,
        step: u32,
    ) -> Result<usize, StoreError> {
        let old = reader.old_messages(place, before, now, step)?;
        if old.is_empty() {
            return Ok(0);
        }
        // A new push may have got the id of a message that went since.
        let which = format!("{OLD} AND id = ?3");
        self.writer.write_sqlite(move |connection| {
            let remove = |id| {
                let values = params![before, now, id];
                remove_messages(connection, &which, values, remembered_from)
            };
            old.iter().map(remove).sum()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::finding::tests::badly_timed;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn old_messages_go_step_by_step_whatever_the_clock_did() {
        let (_folder, store, reader) = badly_timed();
        let count = |which: &str| -> u32 {
            let sql = format!("SELECT count(*) FROM messages WHERE {which}");
            reader
                .sqlite()
                .query_row(&sql, [], |row| row.get(0))
                .unwrap()
        };
        let all = count("TRUE");
        for before in [NOW - 4_000, NOW + 2_000, NOW + 40 * 86_400] {
            let old = format!("received_at < {before}");
            let due = count(&old);
            assert!(due > 0);
            let mut place = Place::BEGINNING;
            let mut removed = 0_u32;
            loop {
                let step = store
                    .remove_old_messages(&reader, &mut place, before, before, i64::MAX, 7)
                    .unwrap();
                removed += u32::try_from(step).unwrap();
                if step == 0 {
                    break;
                }
            }
            assert_eq!((removed, count(&old)), (due, 0));
            let oldest = reader.oldest_message().unwrap();
            assert!(oldest.is_none_or(|oldest| oldest >= before), "{oldest:?}");
        }
        assert!(all > 300 && count("TRUE") > 0);
    }
}
