//! Lists of messages that are searched or waited for, marks of what is done, and the texts that rules are asked about.

use std::fmt;
use std::num::ParseIntError;
use std::ops::ControlFlow;
use std::str::FromStr;

use super::error::StoreError;
use super::finding::messages_of_person;
use super::messages::{MessageFilter, MessageRow, columns, message};
use super::open::{Reader, Store};
use super::sql::{Value, values};
use super::statement::{Statement, statements};

/// The most messages and events that one call looks at.
pub const MOST_LOOKED_AT: usize = 200_000;

/// The most that one call for texts passes over, besides the texts.
const MOST_PASSED: usize = 1_000_000;

/// The most that are counted as new.
const MOST_NEWER: i64 = 1_000;

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

/// The messages and events that there were: what came later is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxMark {
    /// Up to here no more come. The newest id; where several nodes make ids, a minute before it.
    pub id: i64,
    /// How many there were above.
    later: i64,
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

/// Whether a message matches: `?4` to `?7` are the time, the rule, the pattern, and what kinds: 1 messages, 0 events, NULL
/// both.
macro_rules! matching {
    (sqlite) => {
        "(?7 IS NULL OR ?7 = (msg_type <> 'event')) AND (?4 IS NULL OR received_at >= ?4) AND (?5 IS NULL OR rule = ?5)
         AND (?6 IS NULL OR content LIKE ?6 ESCAPE '\\')"
    };
    (mysql) => {
        "(?7 IS NULL OR ?7 = (msg_type <> 'event')) AND (?4 IS NULL OR received_at >= ?4) AND (?5 IS NULL OR rule = ?5)
         AND (?6 IS NULL OR lower(content) LIKE lower(?6))"
    };
}

/// Of all, or of one sender's, those from the id `?2` up to before `?3`, newest first.
macro_rules! look {
    ($engine:ident, $which:expr) => {
        concat!(
            "SELECT id, ",
            matching!($engine),
            " FROM messages WHERE ",
            $which,
            " AND id >= ?2 AND id < ?3 ORDER BY id DESC"
        )
    };
}

/// Few have come since `?2`: they are looked at one by one, whoever sent them.
macro_rules! newer {
    ($engine:ident, $which:expr) => {
        concat!(
            "SELECT ",
            columns!($engine),
            " FROM messages WHERE id >= ?2 AND id < ?3 AND (?1 IS NULL OR openid = ?1) AND ",
            $which,
            " AND ",
            matching!($engine),
            " ORDER BY id LIMIT ?8"
        )
    };
}

statements! {
    LOOK = {
        sqlite: look!(sqlite, "?1 IS NULL"),
        mysql: look!(mysql, "?1 IS NULL"),
    };
    LOOK_OF = {
        sqlite: look!(sqlite, concat!("id IN (", messages_of_person!(), ")")),
        mysql: look!(mysql, "openid = ?1"),
    };
    LOOK_MARKED = {
        sqlite: look!(sqlite, "?1 IS NULL AND todo = 1"),
        mysql: look!(mysql, "?1 IS NULL AND todo = 1"),
    };
    LOOK_MARKED_OF = {
        sqlite: look!(sqlite, concat!("id IN (", messages_of_person!(), ") AND todo = 1")),
        mysql: look!(mysql, "openid = ?1 AND todo = 1"),
    };
    NEWER = { sqlite: newer!(sqlite, "TRUE"), mysql: newer!(mysql, "TRUE") };
    NEWER_MARKED = { sqlite: newer!(sqlite, "todo = 1"), mysql: newer!(mysql, "todo = 1") };
    ONE = {
        sqlite: concat!("SELECT ", columns!(sqlite), " FROM messages WHERE id = ?1"),
        mysql: concat!("SELECT ", columns!(mysql), " FROM messages WHERE id = ?1"),
    };
    // Nodes make ids of microseconds by their own clocks, and commit some time later.
    MARK = {
        sqlite: "SELECT coalesce(max(id), 0), 0 FROM messages",
        mysql: "SELECT mark.id, (SELECT count(*) FROM messages WHERE id > mark.id)
                FROM (SELECT greatest(coalesce(max(id), 0) - 60000000, 0) AS id FROM messages) AS mark",
    };
    COUNT_NEWER = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE id > ?1 LIMIT ?2) AS newer";
    pub(super) COUNT_MARKED = "SELECT count(*) FROM messages WHERE todo = 1";
    TEXTS = {
        sqlite: "SELECT id, received_at >= ?3 AND todo IS NOT 0 AND msg_type LIKE 'text' AND content IS NOT NULL, openid, received_at, content, rule
                 FROM messages WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
        mysql: "SELECT id, received_at >= ?3 AND NOT todo <=> 0 AND lower(convert(msg_type USING utf8mb4)) = 'text' AND content IS NOT NULL,
                    openid, received_at, content, rule
                FROM messages WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
    };
    EXISTS = "SELECT 1 FROM messages WHERE id = ?1";
    DONE = {
        sqlite: "UPDATE messages SET todo = 0, done_at = ?2, done_by = ?3 WHERE id = ?1 AND todo IS NOT 0",
        mysql: "UPDATE messages SET todo = 0, done_at = ?2, done_by = ?3 WHERE id = ?1 AND NOT todo <=> 0",
    };
    UNDONE = "UPDATE messages SET todo = 1, done_at = NULL, done_by = NULL WHERE id = ?1 AND todo = 0";
}

impl InboxMark {
    /// What there will be at the end of time: nothing is new.
    pub const END: InboxMark = InboxMark {
        id: i64::MAX,
        later: 0,
    };
}

/// `ID`, or `ID.COUNT` where there were some above.
impl fmt::Display for InboxMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.later {
            0 => self.id.fmt(f),
            later => write!(f, "{}.{later}", self.id),
        }
    }
}

impl FromStr for InboxMark {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<InboxMark, ParseIntError> {
        let (id, later) = text.split_once('.').unwrap_or((text, "0"));
        Ok(InboxMark {
            id: id.parse()?,
            later: later.parse::<u32>()?.into(),
        })
    }
}

impl InboxFilter {
    /// The statement that looks through the messages that may match.
    fn look(&self) -> &'static Statement {
        match (&self.openid, self.todo) {
            (None, false) => &LOOK,
            (Some(_), false) => &LOOK_OF,
            (None, true) => &LOOK_MARKED,
            (Some(_), true) => &LOOK_MARKED_OF,
        }
    }

    /// The parameter for the kinds.
    fn are_messages(&self) -> Option<bool> {
        match self.kinds {
            Kinds::All => None,
            Kinds::Messages => Some(true),
            Kinds::Events => Some(false),
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
        let (mut ids, mut looked, mut last) = (Vec::new(), 0, 0);
        let mut older = Older::Nothing;
        let mut pauses = self.turn.pauses();
        let (pattern, kinds) = (filter.pattern(), filter.are_messages());
        let before = before.unwrap_or(i64::MAX);
        let values = values![
            filter.openid,
            first,
            before,
            filter.since,
            filter.rule,
            pattern,
            kinds
        ];
        self.read(|sql| {
            sql.rows(filter.look(), values, &mut |row| {
                pauses.row();
                if looked == MOST_LOOKED_AT {
                    older = Older::NotLookedAt(last);
                    return Ok(ControlFlow::Break(()));
                }
                looked += 1;
                last = row.get(0)?;
                if !row.get::<Option<bool>>(1)?.unwrap_or(false) {
                    return Ok(ControlFlow::Continue(()));
                }
                if ids.len() == most {
                    older = Older::Page(ids.last().copied().unwrap_or(last));
                    return Ok(ControlFlow::Break(()));
                }
                ids.push(last);
                Ok(ControlFlow::Continue(()))
            })
        })?;
        drop(pauses);
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
        let newer = match filter.todo {
            true => &NEWER_MARKED,
            false => &NEWER,
        };
        let (pattern, kinds) = (filter.pattern(), filter.are_messages());
        let from = after.saturating_add(1);
        let values = values![
            filter.openid,
            from,
            i64::MAX,
            filter.since,
            filter.rule,
            pattern,
            kinds,
            most
        ];
        self.read(|sql| sql.all(newer, values, |row| Ok(message(row))))
    }

    /// The messages with these ids, in this order; without those that are gone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn messages_with(&self, ids: &[i64]) -> Result<Vec<MessageRow>, StoreError> {
        self.read(|sql| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(sql.optional(&ONE, values![id], |row| Ok(message(row)))?);
            }
            Ok(found)
        })
    }

    /// What there is now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn inbox_mark(&self) -> Result<InboxMark, StoreError> {
        self.read(|sql| {
            sql.one(&MARK, &[], |row| {
                Ok(InboxMark {
                    id: row.some_number(0),
                    later: row.some_number(1),
                })
            })
        })
    }

    /// How many messages and events came after this; 1,000 at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count_newer(&self, mark: InboxMark) -> Result<i64, StoreError> {
        let most = mark.later.saturating_add(MOST_NEWER);
        let found = self.count(&COUNT_NEWER, values![mark.id, most])?;
        // Some of those that were there may have been removed.
        Ok(found.saturating_sub(mark.later).max(0))
    }

    /// How many messages and events somebody should look at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn todo_count(&self) -> Result<i64, StoreError> {
        self.count(&COUNT_MARKED, &[])
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
        let (mut texts, mut others, mut last) = (0, 0, i64::MAX);
        let mut rest = None;
        let mut pauses = self.turn.pauses();
        let before = before.unwrap_or(i64::MAX);
        self.read(|sql| {
            sql.rows(&TEXTS, values![first, before, since], &mut |row| {
                pauses.row();
                if texts == MOST_LOOKED_AT || others == MOST_PASSED {
                    rest = Some(last);
                    return Ok(ControlFlow::Break(()));
                }
                last = row.get(0)?;
                if !row.get::<Option<bool>>(1)?.unwrap_or(false) {
                    others += 1;
                    return Ok(ControlFlow::Continue(()));
                }
                texts += 1;
                Ok(each(TextRow {
                    id: last,
                    openid: row.some_text(2),
                    received_at: row.some_number(3),
                    content: row.some_text(4),
                    rule: row.text(5),
                }))
            })
        })?;
        Ok(rest)
    }

    fn first_id(&self, filter: &InboxFilter) -> Result<i64, StoreError> {
        self.first_message_of(&MessageFilter {
            since: filter.since,
            ..MessageFilter::default()
        })
    }

    fn count(&self, statement: &Statement, values: &[Value<'_>]) -> Result<i64, StoreError> {
        self.read(|sql| sql.one(statement, values, |row| row.get(0)))
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
            marked.extend(self.writer.write(move |sql| {
                let mut there = Vec::new();
                for id in &some {
                    if !sql.exists(&EXISTS, values![id])? {
                        continue;
                    }
                    there.push(*id);
                    match &mark {
                        Mark::Done { by, at } => sql.run(&DONE, values![id, at, by])?,
                        Mark::Undone => sql.run(&UNDONE, values![id])?,
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
mod tests;
