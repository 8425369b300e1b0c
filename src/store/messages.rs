//! Messages and events: reading them, and removing old ones.

use std::ops::ControlFlow;

use serde::Serialize;

use super::error::StoreError;
use super::finding::{messages_by_quarter, messages_of_person};
use super::open::{Reader, Store};
use super::page::{newest_first, page_of};
use super::signatures::remove_messages;
use super::sql::{Row, limit, values};
use super::statement::{Statement, statements};
use crate::local_time;

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

/// The columns, in the order in which [`message`] reads them.
macro_rules! columns {
    (sqlite) => {
        "id, openid, msg_type, event, event_key, msg_id, content, created_at, received_at, rule, reply,
         media_id, iif(content IS NULL, xml, NULL), pending IS 1, todo, done_at, done_by"
    };
    (mysql) => {
        "id, openid, msg_type, event, event_key, msg_id, content, created_at, received_at, rule, reply,
         media_id, if(content IS NULL, xml, NULL), pending <=> 1, todo, done_at, done_by"
    };
}
pub(super) use columns;

/// All columns of the table, for exports.
pub(super) const ALL_COLUMNS: &[&str] = &[
    "id",
    "dedup_key",
    "openid",
    "msg_type",
    "event",
    "event_key",
    "msg_id",
    "content",
    "xml",
    "created_at",
    "received_at",
    "rule",
    "reply",
    "media_id",
    "signature",
    "pending",
    "todo",
    "done_at",
    "done_by",
];

macro_rules! all_columns {
    () => {
        "id, dedup_key, openid, msg_type, event, event_key, msg_id, content, xml, created_at, received_at, rule, reply,
         media_id, signature, pending, todo, done_at, done_by"
    };
}

/// What a message must be, and the order of lists: the parameters are the sender, the smallest id, the time, the number
/// of rows, and the last id of the previous page.
macro_rules! newest_of {
    (sqlite) => {
        " AND id >= ?2 AND (?3 IS NULL OR +received_at >= ?3) AND id < ?5 ORDER BY id DESC LIMIT ?4"
    };
    (mysql) => {
        " AND id >= ?2 AND (?3 IS NULL OR received_at >= ?3) AND id < ?5 ORDER BY id DESC LIMIT ?4"
    };
}

/// An old message: received before `?1`, unless it was sent between `?1` and `?2` by the platform's time. Such a message
/// came while this machine's clock was behind.
macro_rules! old {
    () => {
        "received_at < ?1 AND NOT coalesce(created_at BETWEEN ?1 AND ?2, FALSE)"
    };
}

statements! {
    LIST = {
        sqlite: concat!("SELECT ", columns!(sqlite), " FROM messages WHERE ?1 IS NULL", newest_of!(sqlite)),
        mysql: concat!("SELECT ", columns!(mysql), " FROM messages WHERE ?1 IS NULL", newest_of!(mysql)),
    };
    LIST_OF = {
        sqlite: concat!("SELECT ", columns!(sqlite), " FROM messages WHERE id IN (", messages_of_person!(), ")", newest_of!(sqlite)),
        mysql: concat!("SELECT ", columns!(mysql), " FROM messages WHERE openid = ?1", newest_of!(mysql)),
    };
    EXPORT = {
        sqlite: concat!("SELECT ", all_columns!(), " FROM messages WHERE ?1 IS NULL", newest_of!(sqlite)),
        mysql: concat!("SELECT ", all_columns!(), " FROM messages WHERE ?1 IS NULL", newest_of!(mysql)),
    };
    EXPORT_OF = {
        sqlite: concat!("SELECT ", all_columns!(), " FROM messages WHERE id IN (", messages_of_person!(), ")", newest_of!(sqlite)),
        mysql: concat!("SELECT ", all_columns!(), " FROM messages WHERE openid = ?1", newest_of!(mysql)),
    };
    ONE = {
        sqlite: concat!("SELECT ", columns!(sqlite), ", xml FROM messages WHERE id = ?1"),
        mysql: concat!("SELECT ", columns!(mysql), ", xml FROM messages WHERE id = ?1"),
    };
    LAST_OF = {
        sqlite: concat!("SELECT ", columns!(sqlite), " FROM messages WHERE id IN (", messages_of_person!(), ") AND id < ?2
                 ORDER BY id DESC LIMIT ?3"),
        mysql: concat!("SELECT ", columns!(mysql), " FROM messages WHERE openid = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"),
    };
    OF_OTHERS = "SELECT 1 FROM messages WHERE substr(openid, 1, length(?1)) <> ?1 LIMIT 1";
    WITH_MEDIA = "SELECT 1 FROM messages WHERE media_id = ?1 LIMIT 1";
    // If there is none: larger than every id.
    FIRST_SINCE = {
        sqlite: "SELECT coalesce(min(first_id), 9223372036854775807) FROM daily_counts WHERE pushes > 0 AND quarter >= ?1 / 900",
        mysql: "SELECT coalesce(min(id), 9223372036854775807) FROM messages WHERE received_at >= ?1",
    };
    OLDEST = {
        sqlite: concat!("SELECT message.received_at FROM ", messages_by_quarter!("first_id"), " ORDER BY quarter, message.received_at LIMIT 1"),
        mysql: "SELECT received_at FROM messages ORDER BY received_at LIMIT 1",
    };
    LAST_PUSH = "SELECT received_at FROM messages ORDER BY id DESC LIMIT 1";
    BY_QUARTER = {
        sqlite: "SELECT quarter, pushes FROM daily_counts WHERE quarter >= ?1 AND pushes > 0 ORDER BY quarter",
        mysql: "SELECT quarter, CAST(sum(pushes) AS SIGNED) FROM daily_counts WHERE quarter >= ?1 GROUP BY quarter HAVING sum(pushes) > 0 ORDER BY quarter",
    };
    // Behind the one at `?3`, a quarter of an hour or a second, with the id `?4`: in the order of what the engine has sorted.
    OLD = {
        sqlite: concat!("SELECT quarter, message.id FROM ", messages_by_quarter!("iif(quarter = ?3, ?4 + 1, first_id)"), "
                 WHERE quarter BETWEEN ?3 AND ?1 / 900 AND ", old!(), " ORDER BY quarter, message.id LIMIT ?5"),
        mysql: concat!("SELECT received_at, id FROM messages
                WHERE received_at >= ?3 AND (received_at > ?3 OR id > ?4) AND ", old!(), "
                ORDER BY received_at, id LIMIT ?5"),
    };
    // A new push may have got the id of a message that went since.
    STILL_OLD = (concat!("SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE ", old!(), " AND id = ?3"));
}

impl MessageFilter {
    /// The id before the first page.
    pub(super) const BEGINNING: i64 = i64::MAX;

    /// The statement that exports what matches.
    pub(super) fn export(&self) -> &'static Statement {
        match self.openid {
            Some(_) => &EXPORT_OF,
            None => &EXPORT,
        }
    }
}

pub(super) fn message(row: &dyn Row) -> MessageRow {
    let received_at = row.some_number(8);
    MessageRow {
        id: row.some_number(0),
        openid: row.some_text(1),
        msg_type: row.some_text(2),
        event: row.text(3),
        event_key: row.text(4),
        msg_id: row.text(5),
        content: row.text(6),
        created_at: row.number(7),
        received_at,
        rule: row.text(9),
        reply: row.text(10),
        received: local_time::format(received_at),
        media_id: row.text(11),
        without_content: row.text(12),
        pending: row.some_number(13) != 0,
        todo: row.number(14),
        done_at: row.number(15),
        done_by: row.text(16),
    }
}

/// How far a removal of old messages has got: the last one that it found.
#[derive(Debug)]
pub struct Place {
    /// When it was received: the quarter of an hour in SQLite, else the second.
    at: i64,
    id: i64,
}

impl Place {
    /// Before all messages.
    pub const BEGINNING: Place = Place {
        at: i64::MIN,
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
        let first = self.first_message_of(filter)?;
        let list = match filter.openid {
            Some(_) => &LIST_OF,
            None => &LIST,
        };
        let next = |left, last| {
            let most = limit(left);
            let values = values![filter.openid, first, filter.since, most, last];
            self.read(|sql| page_of(sql, list, values, |row| Ok(message(row))))
        };
        newest_first(filter.limit, next, |row| row.id, each)
    }

    /// One message; `None` if there is none with this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn message(&self, id: i64) -> Result<Option<WholeMessage>, StoreError> {
        self.read(|sql| {
            sql.optional(&ONE, values![id], |row| {
                Ok(WholeMessage {
                    row: message(row),
                    xml: row.text(17),
                })
            })
        })
    }

    /// The last messages of a person before the row with this id, newest first.
    pub(super) fn messages_of(
        &self,
        openid: &str,
        before: i64,
        most: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.read(|sql| {
            let values = values![openid, before, most];
            sql.all(&LAST_OF, values, |row| Ok(message(row)))
        })
    }

    /// Whether there is a push of anybody whose openid does not begin with this.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_pushes_but_of(&self, prefix: &str) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&OF_OTHERS, values![prefix]))
    }

    /// Whether somebody sent this media_id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_sent(&self, media_id: &str) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&WITH_MEDIA, values![media_id]))
    }

    /// A lower bound of the ids that match the filter. Ids grow in the order of arrival, but not always with the time:
    /// the clock may have been wrong.
    pub(super) fn first_message_of(&self, filter: &MessageFilter) -> Result<i64, StoreError> {
        let Some(since) = filter.since else {
            return Ok(0);
        };
        self.read(|sql| sql.one(&FIRST_SINCE, values![since], |row| row.get(0)))
    }

    /// When the oldest message was received, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn oldest_message(&self) -> Result<Option<i64>, StoreError> {
        self.read(|sql| sql.optional(&OLDEST, &[], |row| row.get(0)))
    }

    /// When the last push was received, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_push(&self) -> Result<Option<i64>, StoreError> {
        let last = self.read(|sql| sql.optional(&LAST_PUSH, &[], |row| Ok(row.number(0))))?;
        Ok(last.flatten())
    }

    /// The quarters of an hour since 1970, from `since` in Unix seconds on, in which pushes came, with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn pushes_by_quarter(&self, since: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        self.read(|sql| {
            sql.all(&BY_QUARTER, values![since / 900], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
    }

    /// Ids of up to `step` [`OLD`] messages after `place`, the oldest first; moves `place` to the last of them.
    fn old_messages(
        &self,
        place: &mut Place,
        before: i64,
        now: i64,
        step: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let mut ids = Vec::new();
        let (at, id) = (place.at, place.id);
        self.read(|sql| {
            sql.rows(&OLD, values![before, now, at, id, step], &mut |row| {
                place.at = row.get(0)?;
                place.id = row.get(1)?;
                ids.push(place.id);
                Ok(ControlFlow::Continue(()))
            })
        })?;
        Ok(ids)
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
        self.writer.write(move |sql| {
            let remove =
                |id| remove_messages(sql, &STILL_OLD, values![before, now, id], remembered_from);
            old.iter().map(remove).sum()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::finding::tests::badly_timed;
    use crate::store::statement::statement;

    const NOW: i64 = 1_790_000_000;

    const COUNT: Statement = statement!("SELECT count(*) FROM messages WHERE received_at < ?1");

    #[test]
    fn old_messages_go_step_by_step_whatever_the_clock_did() {
        on_both_engines(|store| {
            badly_timed(store);
            let reader = store.reader().unwrap();
            let count = |before: i64| -> u32 {
                let counted = reader.read(|sql| sql.one(&COUNT, values![before], |row| row.get(0)));
                counted.unwrap()
            };
            let all = count(i64::MAX);
            for before in [NOW - 4_000, NOW + 2_000, NOW + 40 * 86_400] {
                let due = count(before);
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
                assert_eq!((removed, count(before)), (due, 0));
                let oldest = reader.oldest_message().unwrap();
                assert!(oldest.is_none_or(|oldest| oldest >= before), "{oldest:?}");
            }
            assert!(all > 300 && count(i64::MAX) > 0);
        });
    }
}
