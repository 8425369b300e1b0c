//! Lists of messages that are searched or waited for, marks of what is done, and the texts that rules are asked about.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, params};

use super::columns::{some_number, some_text, text};
use super::error::StoreError;
use super::finding::MESSAGES_OF_PERSON;
use super::messages::{COLUMNS, MessageFilter, MessageRow, message};
use super::open::{Reader, Store};

/// The most messages and events that one call looks at.
pub const MOST_LOOKED_AT: usize = 200_000;

/// The most that one call for texts passes over, besides the texts.
const MOST_PASSED: usize = 1_000_000;

/// Messages that one commit marks: no push waits for it.
const STEP: usize = 200;

/// What is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kinds {
    /// Messages and events.
    #[default]
    All,
    /// What people wrote or sent.
    Messages,
    /// What else happened.
    Events,
}

/// Which messages and events to list.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// Messages, events, or both.
    pub kinds: Kinds,
    /// Only those that somebody should look at.
    pub todo: bool,
    /// From this sender.
    pub openid: Option<String>,
    /// Received at or after this time, Unix seconds.
    pub since: Option<i64>,
    /// Answered by this rule.
    pub rule: Option<String>,
    /// With this text in the content; ASCII letters match in both cases.
    pub search: Option<String>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    /// The rows.
    pub rows: Vec<MessageRow>,
    /// What is behind them.
    pub older: Older,
}

/// What is behind a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Older {
    /// Nothing.
    Nothing,
    /// More that matches: the next page is before this id.
    Page(i64),
    /// Perhaps more: the newest 200,000 were looked at, down to this id. To look further, ask for what is before it.
    NotLookedAt(i64),
}

/// A text that somebody wrote and that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// Of `messages`.
    pub id: i64,
    /// Who wrote it.
    pub openid: String,
    /// Unix seconds.
    pub received_at: i64,
    /// What was written.
    pub content: String,
    /// The rule that answered then.
    pub rule: Option<String>,
}

impl InboxFilter {
    /// The rows to look at, in SQL; and whether one matches. Parameters: the sender, the smallest id, the id before which
    /// they are, the time, the rule, the pattern.
    fn sql(&self) -> (String, String) {
        let whose = match self.openid {
            Some(_) => format!("id IN ({MESSAGES_OF_PERSON})"),
            None => "?1 IS NULL".to_owned(),
        };
        let todo = self.todo();
        let kinds = match self.kinds {
            Kinds::All => "TRUE",
            Kinds::Messages => "msg_type <> 'event'",
            Kinds::Events => "msg_type = 'event'",
        };
        (
            format!("{whose} AND id >= ?2 AND {todo}"),
            format!(
                "{kinds} AND (?4 IS NULL OR received_at >= ?4) AND (?5 IS NULL OR rule = ?5)
                 AND (?6 IS NULL OR content LIKE ?6 ESCAPE '\\')"
            ),
        )
    }

    fn todo(&self) -> &'static str {
        match self.todo {
            true => "todo = 1",
            false => "TRUE",
        }
    }

    fn pattern(&self) -> Option<String> {
        let search = self.search.as_deref()?;
        let mut pattern = String::with_capacity(search.len() + 2);
        pattern.push('%');
        for c in search.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        Some(pattern)
    }
}

impl Reader {
    /// The newest messages and events that match, before the one with the id `before`, if there is one. Looks at the
    /// newest 200,000 of them, and says so if there are more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn inbox(
        &self,
        filter: &InboxFilter,
        before: Option<i64>,
        most: usize,
    ) -> Result<InboxPage, StoreError> {
        let first = self.first_id(filter)?;
        let (which, matches) = filter.sql();
        let sql = format!(
            "SELECT id, {matches} FROM messages WHERE {which} AND id < ?3 ORDER BY id DESC"
        );
        let find = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let values = params![
                filter.openid,
                first,
                before.unwrap_or(i64::MAX),
                filter.since,
                filter.rule,
                filter.pattern()
            ];
            let mut rows = statement.query(values)?;
            let mut ids = Vec::new();
            let mut looked = 0;
            let mut last = 0;
            let mut pauses = self.turn.pauses();
            while let Some(row) = rows.next()? {
                pauses.row();
                if looked == MOST_LOOKED_AT {
                    return Ok((ids, Older::NotLookedAt(last)));
                }
                looked += 1;
                last = row.get(0)?;
                if !row.get::<_, Option<bool>>(1)?.unwrap_or(false) {
                    continue;
                }
                if ids.len() == most {
                    return Ok((
                        ids.clone(),
                        Older::Page(ids.last().copied().unwrap_or(last)),
                    ));
                }
                ids.push(last);
            }
            Ok((ids, Older::Nothing))
        };
        let (ids, older) = find().map_err(|error: rusqlite::Error| Reader::failed(&error))?;
        let rows = self.messages_with(&ids)?;
        Ok(InboxPage { rows, older })
    }

    /// Messages and events that match and came after the one with the id `after`, oldest first; of those, at most so many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newer(
        &self,
        filter: &InboxFilter,
        after: i64,
        most: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let (_, matches) = filter.sql();
        let todo = filter.todo();
        // Few have come: they are looked at one by one, whoever sent them.
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE id >= ?2 AND id < ?3 AND (?1 IS NULL OR openid = ?1) AND {todo}
                 AND {matches} ORDER BY id LIMIT ?7"
        );
        let read = || {
            self.connection
                .prepare_cached(&sql)?
                .query_map(
                    params![
                        filter.openid,
                        after.saturating_add(1),
                        i64::MAX,
                        filter.since,
                        filter.rule,
                        filter.pattern(),
                        most
                    ],
                    message,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The messages with these ids, in this order; without those that are gone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn messages_with(&self, ids: &[i64]) -> Result<Vec<MessageRow>, StoreError> {
        let read = || {
            let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(statement.query_row([id], message).optional()?);
            }
            Ok(found)
        };
        read().map_err(|error: rusqlite::Error| Reader::failed(&error))
    }

    /// The id of the newest message or event; 0 if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_message(&self) -> Result<i64, StoreError> {
        self.count("SELECT coalesce(max(id), 0) FROM messages", [])
    }

    /// How many messages and events came after the one with this id; 1,000 at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count_newer(&self, after: i64) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE id > ?1 LIMIT 1000)";
        self.count(sql, [after])
    }

    /// How many messages and events somebody should look at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn todo_count(&self) -> Result<i64, StoreError> {
        self.count("SELECT count(*) FROM messages WHERE todo = 1", [])
    }

    /// Calls `each` for the texts that people wrote since then and that are not done, newest first, until it breaks. If
    /// not all were looked at, because there are more than 200,000: the id before which the others are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn texts(
        &self,
        since: i64,
        before: Option<i64>,
        mut each: impl FnMut(TextRow) -> ControlFlow<()>,
    ) -> Result<Option<i64>, StoreError> {
        let filter = InboxFilter {
            since: Some(since),
            ..InboxFilter::default()
        };
        let first = self.first_id(&filter)?;
        let mut read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT id, received_at >= ?3 AND todo IS NOT 0 AND msg_type LIKE 'text' AND content IS NOT NULL, openid, received_at, content, rule
                 FROM messages WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
            )?;
            let mut rows = statement.query(params![first, before.unwrap_or(i64::MAX), since])?;
            let (mut texts, mut others, mut last) = (0, 0, i64::MAX);
            let mut pauses = self.turn.pauses();
            while let Some(row) = rows.next()? {
                pauses.row();
                if texts == MOST_LOOKED_AT || others == MOST_PASSED {
                    return Ok(Some(last));
                }
                last = row.get(0)?;
                if !row.get::<_, Option<bool>>(1)?.unwrap_or(false) {
                    others += 1;
                    continue;
                }
                texts += 1;
                let flow = each(TextRow {
                    id: last,
                    openid: some_text(row, 2)?,
                    received_at: some_number(row, 3)?,
                    content: some_text(row, 4)?,
                    rule: text(row, 5)?,
                });
                if flow.is_break() {
                    break;
                }
            }
            Ok(None)
        };
        read().map_err(|error: rusqlite::Error| Reader::failed(&error))
    }

    fn first_id(&self, filter: &InboxFilter) -> Result<i64, StoreError> {
        self.first_message_of(&MessageFilter {
            since: filter.since,
            ..MessageFilter::default()
        })
    }

    fn count(&self, sql: &str, values: impl rusqlite::Params) -> Result<i64, StoreError> {
        let counted = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(values, |row| row.get(0))
        };
        counted().map_err(|error| Reader::failed(&error))
    }
}

impl Store {
    /// Marks messages as done by somebody, or as to be looked at again. Returns the ids of those that are there.
    ///
    /// # Errors
    /// When the store cannot write; those before may be marked.
    pub fn mark(&self, ids: &[i64], mark: &Mark) -> Result<Vec<i64>, StoreError> {
        let mut marked = Vec::with_capacity(ids.len());
        for some in ids.chunks(STEP) {
            let (some, mark) = (some.to_vec(), mark.clone());
            marked.extend(self.writer.write(move |connection| {
                let mut there = Vec::new();
                let mut exists =
                    connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?;
                for id in &some {
                    if !exists.exists([id])? {
                        continue;
                    }
                    there.push(*id);
                    match &mark {
                        Mark::Done { by, at } => connection
                            .prepare_cached(
                                "UPDATE messages SET todo = 0, done_at = ?2, done_by = ?3
                                 WHERE id = ?1 AND todo IS NOT 0",
                            )?
                            .execute(params![id, at, by])?,
                        Mark::Undone => connection
                            .prepare_cached(
                                "UPDATE messages SET todo = 1, done_at = NULL, done_by = NULL
                                 WHERE id = ?1 AND todo = 0",
                            )?
                            .execute([id])?,
                    };
                }
                Ok(there)
            })?);
        }
        Ok(marked)
    }
}

/// A mark on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Somebody has dealt with it.
    Done {
        /// `cli`, or the name of who is signed in.
        by: String,
        /// Unix seconds.
        at: i64,
    },
    /// Somebody should look at it again.
    Undone,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_page_by_page_by_every_filter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let rows = "
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
            INSERT INTO messages (dedup_key, openid, msg_type, content, received_at, rule, todo)
            SELECT i, 'o' || (i % 2), iif(i % 3, 'text', 'event'), 'number ' || i, 1790000000 + i, iif(i % 4, NULL, 'help'),
                   iif(i % 5, NULL, i % 10 = 0) FROM n";
        store
            .writer
            .write(move |connection| connection.execute_batch(rows))
            .unwrap();
        let reader = store.reader().unwrap();
        let all = |filter: &InboxFilter, is_it: &dyn Fn(i64) -> bool| {
            let expected: Vec<i64> = (1..=60).rev().filter(|i| is_it(*i)).collect();
            for most in [1, 7, 60, 100] {
                let (mut ids, mut before) = (Vec::new(), None);
                loop {
                    let page = reader.inbox(filter, before, most).unwrap();
                    assert!(page.rows.len() <= most);
                    ids.extend(page.rows.iter().map(|row| row.id));
                    match page.older {
                        Older::Page(older) => before = Some(older),
                        Older::Nothing => break,
                        Older::NotLookedAt(id) => panic!("{id}"),
                    }
                }
                assert_eq!(ids, expected, "{filter:?}, {most} at a time");
            }
            let newer = reader.newer(filter, 30, 100).unwrap();
            let newer: Vec<i64> = newer.iter().rev().map(|row| row.id).collect();
            let later: Vec<i64> = expected.into_iter().filter(|id| *id > 30).collect();
            assert_eq!(newer, later, "{filter:?}");
        };
        let with = InboxFilter::default;
        all(&with(), &|_| true);
        let (messages, events) = (Kinds::Messages, Kinds::Events);
        all(
            &InboxFilter {
                kinds: messages,
                ..with()
            },
            &|i| i % 3 != 0,
        );
        all(
            &InboxFilter {
                kinds: events,
                ..with()
            },
            &|i| i % 3 == 0,
        );
        all(
            &InboxFilter {
                todo: true,
                ..with()
            },
            &|i| i % 10 == 0,
        );
        let openid = Some("o1".to_owned());
        all(&InboxFilter { openid, ..with() }, &|i| i % 2 == 1);
        let since = Some(1_790_000_040);
        all(&InboxFilter { since, ..with() }, &|i| i >= 40);
        let rule = Some("help".to_owned());
        all(&InboxFilter { rule, ..with() }, &|i| i % 4 == 0);
        let search = Some("NUMBER 5".to_owned());
        all(&InboxFilter { search, ..with() }, &|i| {
            i == 5 || (50..60).contains(&i)
        });
        assert_eq!(reader.todo_count().unwrap(), 6);
        let counts = [0, 30, 60, 99].map(|after| reader.count_newer(after).unwrap());
        assert_eq!(counts, [60, 30, 0, 0]);
        assert_eq!(reader.newest_message().unwrap(), 60);
    }
}
