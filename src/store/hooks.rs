//! The events of the hooks after they were added, and the state of each hook.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::open::{Reader, Store};
use super::outbox::NewHookEvent;
use crate::secret::Secret;

/// The type of the event which reports that a person is gone. It is kept longer than the person's other data.
const CLOSED: &str = "closed";

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
        self.writer.write_sqlite(move |connection| {
            for outcome in &outcomes {
                let (state, at) = match outcome.state {
                    EventState::Waiting(at) => ("waiting", at),
                    EventState::Delivered(at) => ("delivered", at),
                    EventState::Dead(at) => ("dead", at),
                };
                connection
                    .prepare_cached(
                        "UPDATE hook_events SET state = :state, next_at = :at, attempts = :attempts,
                             last_status = :status, last_error = :error WHERE number = :number AND state = 'waiting'",
                    )?
                    .execute(named_params! {
                        ":state": state,
                        ":at": at,
                        ":attempts": outcome.attempts,
                        ":status": outcome.status,
                        ":error": outcome.error,
                        ":number": outcome.number,
                    })?;
            }
            connection
                .prepare_cached(
                    "UPDATE hooks SET failures = ?2, dropped = max(dropped - ?3, 0), paused = coalesce(?4, paused) WHERE name = ?1",
                )?
                .execute(params![hook, change.failures, change.reported_dropped, change.paused])
                .map(drop)
        })
    }

    /// The secret of a hook that has none in the configuration, made now if this is its first use.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_hook_secret(&self, hook: &str, fresh: &Secret) -> Result<Secret, StoreError> {
        let (hook, fresh) = (hook.to_owned(), fresh.expose().to_owned());
        self.writer.write_sqlite(move |connection| {
            connection.query_row(
                "INSERT INTO hooks (name, secret) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET secret = iif(secret GLOB 'whsec_?*', secret, excluded.secret) RETURNING secret",
                [&hook, &fresh],
                |row| row.get(0).map(|secret: String| Secret::new(secret)),
            )
        })
    }

    /// Lets a paused hook go on. False if it was not paused.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resume_hook(&self, hook: &str) -> Result<bool, StoreError> {
        let hook = hook.to_owned();
        self.writer.write_sqlite(move |connection| {
            let resumed = connection.execute(
                "UPDATE hooks SET paused = NULL, failures = 0 WHERE name = ?1 AND paused IS NOT NULL",
                [&hook],
            )?;
            Ok(resumed > 0)
        })
    }

    /// Queues an event again, in any state, with all its attempts. Returns its hook; `None` if there is no such event.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resend_hook_event(&self, id: &str, now: i64) -> Result<Option<String>, StoreError> {
        let Some((number, digest)) = read_webhook_id(id) else {
            return Ok(None);
        };
        self.writer.write_sqlite(move |connection| {
            let hook: Option<String> = connection
                .query_row(
                    "UPDATE hook_events SET state = 'waiting', attempts = 0, next_at = ?3
                     WHERE number = ?1 AND digest = ?2 RETURNING hook",
                    params![number, digest, now],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(hook) = &hook {
                tries_at_once(connection, hook)?;
            }
            Ok(hook)
        })
    }

    /// The same for all events of a hook that were given up; returns their number.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn resend_failed_hook_events(&self, hook: &str, now: i64) -> Result<usize, StoreError> {
        let hook = hook.to_owned();
        self.writer.write_sqlite(move |connection| {
            tries_at_once(connection, &hook)?;
            connection.execute(
                "UPDATE hook_events SET state = 'waiting', attempts = 0, next_at = ?2 WHERE hook = ?1 AND state = 'dead'",
                params![hook, now],
            )
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
        let hooks = serde_json::json!(hooks).to_string();
        self.writer.write_sqlite(move |connection| {
            let remove = |which: &str, before: i64| {
                connection
                    .prepare_cached(&format!(
                        "DELETE FROM hook_events WHERE number IN (SELECT number FROM hook_events WHERE {which} LIMIT ?2)"
                    ))?
                    .execute(params![before, most])
            };
            let done = remove("state = 'delivered' AND next_at < ?1", delivered)?
                + remove("state = 'dead' AND next_at < ?1", dead)?;
            let nobodys = connection
                .prepare_cached(
                    "DELETE FROM hook_events WHERE number IN (
                         SELECT number FROM hooks JOIN hook_events ON hook = name AND state = 'waiting' AND next_at < ?1
                         WHERE waiting > 0 AND name NOT IN (SELECT value FROM json_each(?2)) LIMIT ?3)",
                )?
                .execute(params![dead, hooks, most])?;
            Ok(done + nobodys)
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
        let gone = reader
            .closed_before(before)
            .map_err(|error| Reader::failed(&error))?;
        for (number, openid) in &gone {
            let number = *number;
            self.writer.write_sqlite(move |connection| {
                connection
                    .prepare_cached("DELETE FROM hook_events WHERE number = ?1")?
                    .execute([number])
            })?;
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
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT waiting, dropped, failures, paused FROM hooks WHERE name = ?1",
                )?
                .query_row([hook], |row| {
                    Ok(HookState {
                        waiting: some_number(row, 0)?,
                        dropped: some_number(row, 1)?,
                        failures: some_number(row, 2)?,
                        paused: text(row, 3)?,
                    })
                })
                .optional()
        };
        let state = read().map_err(|error| Reader::failed(&error))?;
        Ok(state.unwrap_or_default())
    }

    /// The secret that was made for a hook.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn made_hook_secret(&self, hook: &str) -> Result<Option<Secret>, StoreError> {
        let read = || {
            self.sqlite()
                .query_row("SELECT secret FROM hooks WHERE name = ?1", [hook], |row| {
                    text(row, 0)
                })
                .optional()
        };
        let secret = read().map_err(|error| Reader::failed(&error))?;
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
        self.hook_events(
            "hook = ?1 AND state = 'waiting' AND next_at <= ?2 ORDER BY next_at, number LIMIT ?3",
            params![hook, now, most],
        )
    }

    /// When the next event of a hook is to be tried, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_hook_event_at(&self, hook: &str) -> Result<Option<i64>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT min(next_at) FROM hook_events WHERE hook = ?1 AND state = 'waiting'",
                )?
                .query_row([hook], |row| number(row, 0))
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The latest events of a hook that were given up, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_hook_events(&self, hook: &str, most: u32) -> Result<Vec<HookEvent>, StoreError> {
        self.hook_events(
            "hook = ?1 AND state = 'dead' ORDER BY next_at DESC, number DESC LIMIT ?2",
            params![hook, most],
        )
    }

    /// How many events of a hook are done.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hook_counts(&self, hook: &str) -> Result<HookCounts, StoreError> {
        self.sqlite()
            .query_row(
                "SELECT sum(state = 'delivered'), sum(state = 'dead') FROM hook_events WHERE hook = ?1 AND state <> 'waiting'",
                [hook],
                |row| {
                    Ok(HookCounts {
                        delivered: some_number(row, 0)?,
                        dead: some_number(row, 1)?,
                    })
                },
            )
            .map_err(|error| Reader::failed(&error))
    }

    /// How many events of each hook were given up and are still in the store; 100,000 in all at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_by_hook(&self) -> Result<HashMap<String, i64>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT hook, count(*) FROM (SELECT hook FROM hook_events WHERE state = 'dead' LIMIT 100000) GROUP BY hook",
                )?
                .query_map([], |row| Ok((some_text(row, 0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    fn hook_events(
        &self,
        which: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<HookEvent>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(&format!(
                    "SELECT number, digest, hook, type, openid, body, created_at, attempts, next_at, last_status, last_error
                     FROM hook_events WHERE {which}"
                ))?
                .query_map(values, event)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    fn closed_before(&self, before: i64) -> rusqlite::Result<Vec<(i64, String)>> {
        self.sqlite()
            .prepare(
                "SELECT number, openid FROM hook_events WHERE type = 'closed' AND created_at < ?1",
            )?
            .query_map([before], |row| Ok((row.get(0)?, some_text(row, 1)?)))?
            .collect()
    }

    /// Events about a person except `closed` ones.
    pub(super) fn hook_events_of(&self, openid: &str) -> rusqlite::Result<Vec<i64>> {
        self.sqlite()
            .prepare("SELECT number FROM hook_events WHERE openid = ?1 AND type <> ?2")?
            .query_map([openid, CLOSED], |row| row.get(0))?
            .collect()
    }
}

/// Lets the next event be tried although the last ones failed; one more failure resumes probing.
fn tries_at_once(connection: &Connection, hook: &str) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE hooks SET failures = min(failures, 9) WHERE name = ?1",
            [hook],
        )
        .map(drop)
}

fn event(row: &Row) -> rusqlite::Result<HookEvent> {
    let number = row.get(0)?;
    Ok(HookEvent {
        number,
        id: webhook_id(number, some_number(row, 1)?),
        hook: some_text(row, 2)?,
        kind: some_text(row, 3)?,
        openid: text(row, 4)?,
        body: some_text(row, 5)?,
        created_at: some_number(row, 6)?,
        attempts: some_number(row, 7)?,
        next_at: some_number(row, 8)?,
        last_status: super::columns::number(row, 9)?,
        last_error: text(row, 10)?,
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
