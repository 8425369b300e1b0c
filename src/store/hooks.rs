//! The events of the hooks after they were added, and the state of each hook.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::error::StoreError;
use super::open::{Reader, Store};
use super::outbox::NewHookEvent;
use super::sql::{self, Row, Sql, Value, values};
use super::statement::{Statement, statements};
use crate::secret::Secret;

/// A person whom the store itself adds or removes.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Came, or else left.
    pub follows: bool,
    /// Who.
    pub openid: &'a str,
    /// Unix seconds.
    pub at: i64,
    /// The QR code that the person came by.
    pub scene: Option<&'a str>,
}

/// Makes the events of a change.
pub type MakeEvents = dyn Fn(&Change) -> Vec<NewHookEvent> + Send + Sync;

/// Makes events for people whom the store itself adds or removes.
#[derive(Clone)]
pub struct Announce(pub Arc<MakeEvents>);

impl fmt::Debug for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announce").finish_non_exhaustive()
    }
}

/// A row of `hook_events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct HookEvent {
    #[serde(skip)]
    pub number: i64,
    /// The `webhook-id`.
    pub id: String,
    pub hook: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub openid: Option<String>,
    pub body: String,
    pub created_at: i64,
    pub attempts: i64,
    pub next_at: i64,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
}

/// The state of a hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookState {
    /// Events that wait.
    pub waiting: i64,
    /// Events that were dropped since the last delivery.
    pub dropped: i64,
    /// Failures in a row.
    pub failures: i64,
    /// Why nothing is sent to it until `hooks resume`.
    pub paused: Option<String>,
}

/// How many events of a hook are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HookCounts {
    /// Delivered in the last 7 days.
    pub delivered: i64,
    /// Given up in the last 30 days.
    pub dead: i64,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// The event's.
    pub number: i64,
    /// Its state from now on.
    pub state: EventState,
    /// Attempts that it has used, this one included.
    pub attempts: i64,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
}

/// The state of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is tried at this time, Unix seconds.
    Waiting(i64),
    /// It was delivered at this time.
    Delivered(i64),
    /// It was given up at this time.
    Dead(i64),
}

/// Changes of a hook's state after a round of attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookChange {
    /// Failures in a row from now on.
    pub failures: i64,
    /// The number of dropped events that the hook was informed of.
    pub reported_dropped: i64,
    /// It is paused, for this reason.
    pub paused: Option<String>,
}

/// Events, with the columns in the order in which [`event`] reads them.
macro_rules! events {
    ($which:literal) => {
        concat!(
            "SELECT number, digest, hook, type, openid, body, created_at, attempts, next_at, last_status, last_error
             FROM hook_events WHERE ",
            $which
        )
    };
}

/// The hook of an event, and whether the event is done.
macro_rules! whose {
    () => {
        "SELECT hook, state <> 'waiting' FROM hook_events WHERE number = ?1 AND digest = ?2"
    };
}

statements! {
    DUE = (events!("hook = ?1 AND state = 'waiting' AND next_at <= ?2 ORDER BY next_at, number LIMIT ?3"));
    // What waits no longer is found by its index where the words are those of the index.
    DEAD = (events!("hook = ?1 AND state = 'dead' AND state <> 'waiting' ORDER BY next_at DESC, number DESC LIMIT ?2"));
    NEXT_AT = "SELECT min(next_at) FROM hook_events WHERE hook = ?1 AND state = 'waiting'";
    OUTCOME = "UPDATE hook_events SET state = ?2, next_at = ?3, attempts = ?4, last_status = ?5, last_error = ?6
               WHERE number = ?1 AND state = 'waiting'";
    // So many more events wait, or fewer: SQLite counts them by triggers.
    COUNT_WAITING = { sqlite: "", mysql: "UPDATE hooks SET waiting = waiting + ?2 WHERE name = ?1" };
    LOCK = { sqlite: "", mysql: "SELECT 1 FROM hook_events WHERE number = ?1 FOR UPDATE" };
    COUNT_REMOVED = {
        sqlite: "",
        mysql: "UPDATE hooks SET waiting = waiting - 1
                WHERE name = (SELECT hook FROM hook_events WHERE number = ?1 AND state = 'waiting')",
    };
    REMOVE = "DELETE FROM hook_events WHERE number = ?1";
    CHANGE = {
        sqlite: "UPDATE hooks SET failures = ?2, dropped = max(dropped - ?3, 0), paused = coalesce(?4, paused) WHERE name = ?1",
        mysql: "UPDATE hooks SET failures = ?2, dropped = greatest(dropped - ?3, 0), paused = coalesce(?4, paused) WHERE name = ?1",
    };
    STATE = "SELECT waiting, dropped, failures, paused FROM hooks WHERE name = ?1";
    MAKE_SECRET = {
        sqlite: "INSERT INTO hooks (name, secret) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET secret = iif(secret GLOB 'whsec_?*', secret, excluded.secret)",
        mysql: "INSERT INTO hooks (name, secret) VALUES (?1, ?2)
                ON DUPLICATE KEY UPDATE secret = if(secret LIKE 'whsec!__%' ESCAPE '!', secret, ?2)",
    };
    SECRET = "SELECT secret FROM hooks WHERE name = ?1";
    RESUME = "UPDATE hooks SET paused = NULL, failures = 0 WHERE name = ?1 AND paused IS NOT NULL";
    TRY_AT_ONCE = {
        sqlite: "UPDATE hooks SET failures = min(failures, 9) WHERE name = ?1",
        mysql: "UPDATE hooks SET failures = least(failures, 9) WHERE name = ?1",
    };
    WHOSE = { sqlite: whose!(), mysql: concat!(whose!(), " FOR UPDATE") };
    RESEND = "UPDATE hook_events SET state = 'waiting', attempts = 0, next_at = ?2 WHERE number = ?1";
    RESEND_DEAD = "UPDATE hook_events SET state = 'waiting', attempts = 0, next_at = ?2
                   WHERE hook = ?1 AND state = 'dead' AND state <> 'waiting'";
    REMOVE_DELIVERED = {
        sqlite: "DELETE FROM hook_events WHERE number IN (
                     SELECT number FROM hook_events WHERE state = 'delivered' AND state <> 'waiting' AND next_at < ?1 LIMIT ?2)",
        mysql: "DELETE FROM hook_events WHERE state = 'delivered' AND next_at < ?1 ORDER BY next_at LIMIT ?2",
    };
    REMOVE_DEAD = {
        sqlite: "DELETE FROM hook_events WHERE number IN (
                     SELECT number FROM hook_events WHERE state = 'dead' AND state <> 'waiting' AND next_at < ?1 LIMIT ?2)",
        mysql: "DELETE FROM hook_events WHERE state = 'dead' AND next_at < ?1 ORDER BY next_at LIMIT ?2",
    };
    REMOVE_WAITING = {
        sqlite: "DELETE FROM hook_events WHERE number IN (
                     SELECT number FROM hook_events WHERE hook = ?1 AND state = 'waiting' AND next_at < ?2 LIMIT ?3)",
        mysql: "DELETE FROM hook_events WHERE hook = ?1 AND state = 'waiting' AND next_at < ?2 ORDER BY next_at LIMIT ?3",
    };
    WITH_WAITING = "SELECT name FROM hooks WHERE waiting > 0";
    COUNTS = "SELECT count(CASE WHEN state = 'delivered' THEN 1 END), count(CASE WHEN state = 'dead' THEN 1 END)
              FROM hook_events WHERE hook = ?1 AND state <> 'waiting'";
    DEAD_BY_HOOK = "SELECT hook, count(*) FROM
                        (SELECT hook FROM hook_events WHERE state = 'dead' AND state <> 'waiting' LIMIT 100000) AS dead GROUP BY hook";
    CLOSED_BEFORE = "SELECT number, openid FROM hook_events WHERE type = 'closed' AND created_at < ?1";
    // `closed` events are kept longer than the person's other data.
    OF_PERSON = "SELECT number FROM hook_events WHERE openid = ?1 AND type <> 'closed'";
}

impl Store {
    /// Records the outcomes of attempts, and the new state of the hook.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn hook_outcomes(
        &self,
        hook: &str,
        outcomes: Vec<HookOutcome>,
        change: HookChange,
    ) -> Result<(), StoreError> {
        let hook = hook.to_owned();
        self.writer.write(move |sql| {
            let mut done = 0;
            for outcome in &outcomes {
                let (state, at) = match outcome.state {
                    EventState::Waiting(at) => ("waiting", at),
                    EventState::Delivered(at) => ("delivered", at),
                    EventState::Dead(at) => ("dead", at),
                };
                let HookOutcome {
                    number,
                    attempts,
                    status,
                    error,
                    ..
                } = outcome;
                let changed = sql.run(
                    &OUTCOME,
                    values![number, state, at, attempts, status, error],
                )?;
                if state != "waiting" {
                    done += changed;
                }
            }
            count_fewer(sql, &hook, done)?;
            let HookChange {
                failures,
                reported_dropped,
                paused,
            } = &change;
            sql.run(&CHANGE, values![hook, failures, reported_dropped, paused])
                .map(drop)
        })
    }

    /// The secret of a hook that has none in the configuration, made now if this is its first use.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_hook_secret(&self, hook: &str, fresh: &Secret) -> Result<Secret, StoreError> {
        let (hook, fresh) = (hook.to_owned(), fresh.expose().to_owned());
        self.writer.write(move |sql| {
            sql.run(&MAKE_SECRET, values![hook, fresh])?;
            sql.one(&SECRET, values![hook], |row| {
                row.get::<String>(0).map(Secret::new)
            })
        })
    }

    /// Lets a paused hook go on. False if it was not paused.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resume_hook(&self, hook: &str) -> Result<bool, StoreError> {
        let hook = hook.to_owned();
        let resumed = self
            .writer
            .write(move |sql| sql.run(&RESUME, values![hook]))?;
        Ok(resumed > 0)
    }

    /// Queues an event again, in any state, with all its attempts. Returns its hook; `None` if there is no such event.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resend_hook_event(&self, id: &str, now: i64) -> Result<Option<String>, StoreError> {
        let Some((number, digest)) = read_webhook_id(id) else {
            return Ok(None);
        };
        self.writer.write(move |sql| {
            let found = sql.optional(&WHOSE, values![number, digest], |row| {
                Ok((row.get::<String>(0)?, row.get::<bool>(1)?))
            })?;
            let Some((hook, was_done)) = found else {
                return Ok(None);
            };
            sql.run(&RESEND, values![number, now])?;
            if was_done {
                sql.run(&COUNT_WAITING, values![hook, 1])?;
            }
            sql.run(&TRY_AT_ONCE, values![hook])?;
            Ok(Some(hook))
        })
    }

    /// The same for all events of a hook that were given up; returns their number.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resend_failed_hook_events(&self, hook: &str, now: i64) -> Result<usize, StoreError> {
        let hook = hook.to_owned();
        self.writer.write(move |sql| {
            sql.run(&TRY_AT_ONCE, values![hook])?;
            let resent = sql.run(&RESEND_DEAD, values![hook, now])?;
            sql.run(&COUNT_WAITING, values![hook, count(resent)])?;
            Ok(resent)
        })
    }

    /// Removes up to `most` events: delivered ones from before `delivered`, given up ones from before `dead`, and those
    /// that have waited since before `dead` for a hook that is not among `hooks`. All in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_hook_events(
        &self,
        delivered: i64,
        dead: i64,
        hooks: Vec<String>,
        most: u32,
    ) -> Result<usize, StoreError> {
        self.writer.write(move |sql| {
            let mut removed = sql.run(&REMOVE_DELIVERED, values![delivered, most])?
                + sql.run(&REMOVE_DEAD, values![dead, most])?;
            for hook in sql.all(&WITH_WAITING, &[], |row| Ok(row.some_text(0)))? {
                if !hooks.contains(&hook) {
                    let gone = sql.run(&REMOVE_WAITING, values![hook, dead, most])?;
                    count_fewer(sql, &hook, gone)?;
                    removed += gone;
                }
            }
            Ok(removed)
        })
    }

    /// Removes `closed` events from before `before`, Unix seconds, the last rows that name these people. True if there
    /// were any; the write-ahead log still contains them.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn erase_closed_hook_events(
        &self,
        reader: &Reader,
        before: i64,
    ) -> Result<bool, StoreError> {
        let closed = |row: &dyn Row| Ok((row.get::<i64>(0)?, row.some_text(1)));
        let gone = reader.read(|sql| sql.all(&CLOSED_BEFORE, values![before], closed))?;
        for (number, openid) in &gone {
            let number = *number;
            self.writer.write(move |sql| remove_event(sql, number))?;
            self.scrub(reader, openid)?;
        }
        Ok(!gone.is_empty())
    }
}

impl Reader {
    /// The state of a hook.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hook_state(&self, hook: &str) -> Result<HookState, StoreError> {
        let state = self.read(|sql| {
            sql.optional(&STATE, values![hook], |row| {
                Ok(HookState {
                    waiting: row.some_number(0),
                    dropped: row.some_number(1),
                    failures: row.some_number(2),
                    paused: row.text(3),
                })
            })
        })?;
        Ok(state.unwrap_or_default())
    }

    /// The secret that was made for a hook.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn made_hook_secret(&self, hook: &str) -> Result<Option<Secret>, StoreError> {
        let secret =
            self.read(|sql| sql.optional(&SECRET, values![hook], |row| Ok(row.text(0))))?;
        Ok(secret.flatten().map(Secret::new))
    }

    /// Up to `most` events that are to be tried by `now`, those first that are due the longest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn due_hook_events(
        &self,
        hook: &str,
        now: i64,
        most: u32,
    ) -> Result<Vec<HookEvent>, StoreError> {
        self.hook_events(&DUE, values![hook, now, most])
    }

    /// When the next event of a hook is to be tried, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_hook_event_at(&self, hook: &str) -> Result<Option<i64>, StoreError> {
        self.read(|sql| sql.one(&NEXT_AT, values![hook], |row| Ok(row.number(0))))
    }

    /// The latest events of a hook that were given up, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_hook_events(&self, hook: &str, most: u32) -> Result<Vec<HookEvent>, StoreError> {
        self.hook_events(&DEAD, values![hook, most])
    }

    /// How many events of a hook are done.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hook_counts(&self, hook: &str) -> Result<HookCounts, StoreError> {
        self.read(|sql| {
            sql.one(&COUNTS, values![hook], |row| {
                Ok(HookCounts {
                    delivered: row.some_number(0),
                    dead: row.some_number(1),
                })
            })
        })
    }

    /// How many events of each hook were given up and are still in the store; 100,000 in all at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_by_hook(&self) -> Result<HashMap<String, i64>, StoreError> {
        let counts = |row: &dyn Row| Ok((row.some_text(0), row.get(1)?));
        let counts = self.read(|sql| sql.all(&DEAD_BY_HOOK, &[], counts))?;
        Ok(counts.into_iter().collect())
    }

    fn hook_events(
        &self,
        which: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<HookEvent>, StoreError> {
        self.read(|sql| sql.all(which, values, event))
    }

    /// Events about a person except `closed` ones.
    pub(super) fn hook_events_of(&self, openid: &str) -> Result<Vec<i64>, StoreError> {
        self.read(|sql| sql.all(&OF_PERSON, values![openid], |row| row.get(0)))
    }
}

/// Removes an event in any state.
pub(super) fn remove_event(sql: &mut dyn Sql, number: i64) -> sql::Result<usize> {
    // It may be delivered at the same time.
    sql.exists(&LOCK, values![number])?;
    sql.run(&COUNT_REMOVED, values![number])?;
    sql.run(&REMOVE, values![number])
}

/// So many events of a hook wait no longer.
fn count_fewer(sql: &mut dyn Sql, hook: &str, gone: usize) -> sql::Result<()> {
    if gone > 0 {
        sql.run(&COUNT_WAITING, values![hook, -count(gone)])?;
    }
    Ok(())
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn event(row: &dyn Row) -> sql::Result<HookEvent> {
    let number = row.get(0)?;
    Ok(HookEvent {
        number,
        id: webhook_id(number, row.some_number(1)),
        hook: row.some_text(2),
        kind: row.some_text(3),
        openid: row.text(4),
        body: row.some_text(5),
        created_at: row.some_number(6),
        attempts: row.some_number(7),
        next_at: row.some_number(8),
        last_status: row.number(9),
        last_error: row.text(10),
    })
}

/// The number of an event that was removed may be used again; with the digest an id stands for one event only. The view
/// `hooks_v` shows the same.
fn webhook_id(number: i64, digest: i64) -> String {
    format!("evt_{number:010x}{digest:016x}")
}

/// The number and the digest of a [`webhook_id`].
fn read_webhook_id(id: &str) -> Option<(i64, i64)> {
    let both = id.strip_prefix("evt_")?;
    let (number, digest) = both.split_at_checked(both.len().checked_sub(16)?)?;
    let number = i64::from_str_radix(number, 16).ok()?;
    let digest = u64::from_str_radix(digest, 16).ok()?;
    Some((number, digest.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_id_is_read_back() {
        for (number, digest) in [(1, 0), (1_234, -2), (i64::MAX, i64::MIN)] {
            let id = webhook_id(number, digest);
            assert_eq!(read_webhook_id(&id), Some((number, digest)), "{id}");
        }
        for text in [
            "",
            "evt_",
            "evt_unknown",
            "evt_test1",
            "00000004d2ca12d8bf53e60917",
            "evt_ca12d8bf53e60917",
            "evt_1é",
        ] {
            assert_eq!(read_webhook_id(text), None, "{text}");
        }
    }
}
