//! Erasing every trace of a person: their own rows, and other rows that name them.
//!
//! `secure_delete` overwrites the bytes in the file with zeros, so no `VACUUM` is needed; `scrub` overwrites the copies
//! that `secure_delete` does not reach, and the final checkpoint empties the write-ahead log.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::error::{ErrorKind, StoreError};
use super::exchanged;
use super::finding::messages_of_person;
use super::follow_counts::{change_follower, change_log};
use super::hooks::remove_event;
use super::log_ins;
use super::open::{Reader, Store};
use super::outbox::{self, NewHookEvent};
use super::sessions;
use super::settings::{self, FORGET};
use super::signatures::remove_messages;
use super::sql::{self, Row, Sql, values};
use super::statement::{Statement, statements};

/// How many rows were erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Rows of `followers`: 0 or 1.
    pub followers: usize,
    /// Rows of `follow_log`.
    pub follow_log: usize,
    /// Rows of `messages`: their own, and others that named them.
    pub messages: usize,
    /// Rows of `jobs`: template messages to the person.
    pub jobs: usize,
    /// Rows of `sent`: customer-service messages to the person.
    pub sent: usize,
    /// Rows of `sessions`: where the person is logged in.
    pub sessions: usize,
    /// Rows of `hook_events` about the person.
    pub hook_events: usize,
}

/// How long [`Store::forget`] waits before it tries again to empty the log, and how often it tries, while other programs
/// read the store.
const PAUSE: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;

/// Rows that one commit removes or changes.
const STEP: usize = 100;

/// A place where rows of others can name a person.
struct Naming {
    /// Finds candidate rows: their id, then the columns to search.
    find: &'static Statement,
    /// Removes the name from the row with this id, and returns how many messages went.
    remove: fn(&mut dyn Sql, i64) -> sql::Result<usize>,
}

/// The length of real openids: a text that contains one anywhere names that person.
const REAL_LENGTH: usize = 28;

/// A shorter openid could be any word of a text.
const DISTINCTIVE_LENGTH: usize = 6;

const NAMING: &[Naming] = &[
    Naming {
        find: &NAMING_MESSAGES,
        remove: remove_message,
    },
    Naming {
        find: &NAMING_FORWARDS,
        remove: remove_message,
    },
    // Only the scene: the follower used the person's own QR code.
    Naming {
        find: &NAMING_LOG,
        remove: |sql, id| {
            let clear = |sql: &mut dyn Sql| sql.run(&CLEAR_SCENE_OF_LOG, values![id]);
            change_log(sql, id, clear).map(|_| 0)
        },
    },
    // Only the content of a message to somebody else, which goes on to count.
    Naming {
        find: &NAMING_SENT,
        remove: |sql, id| sql.run(&CLEAR_SENT, values![id]).map(|_| 0),
    },
    Naming {
        find: &NAMING_EVENTS,
        remove: |sql, number| remove_event(sql, number).map(|_| 0),
    },
];

statements! {
    // Authorization changes, gifts of cards, agents' scans, messages about the person.
    NAMING_MESSAGES = "SELECT id, xml, content, event_key, reply, dedup_key FROM messages WHERE openid <> ?1
                       AND (instr(xml, ?1) OR instr(content, ?1) OR instr(event_key, ?1) OR instr(reply, ?1) OR instr(dedup_key, ?1))";
    // Answers of services that came late.
    NAMING_FORWARDS = "SELECT message_id, answer FROM forwards WHERE openid <> ?1 AND instr(answer, ?1)";
    NAMING_LOG = "SELECT id, scene, way FROM follow_log WHERE instr(scene, ?1) OR instr(way, ?1)";
    NAMING_FOLLOWERS = "SELECT openid, qr_scene_str FROM followers WHERE instr(qr_scene_str, ?1)";
    NAMING_SENT = "SELECT id, content FROM sent WHERE openid <> ?1 AND instr(content, ?1)";
    NAMING_EVENTS = "SELECT number, body FROM hook_events WHERE type <> 'closed' AND instr(body, ?1)";
    CLEAR_SCENE_OF_LOG = "UPDATE follow_log SET scene = NULL, way = NULL WHERE id = ?1";
    CLEAR_SCENE_OF_FOLLOWER = "UPDATE followers SET qr_scene_str = NULL WHERE openid = ?1";
    CLEAR_SENT = "UPDATE sent SET content = NULL WHERE id = ?1";
    MESSAGE = "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE id = ?1";
    MESSAGES_OF = {
        sqlite: concat!("SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE id IN (", messages_of_person!(), ")"),
        mysql: "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE openid = ?1",
    };
    LOG_OF = "SELECT id FROM follow_log WHERE openid = ?1";
    REMOVE_FOLLOWER = "DELETE FROM followers WHERE openid = ?1";
    REMOVE_LOG = "DELETE FROM follow_log WHERE id = ?1";
    REMOVE_JOBS = "DELETE FROM jobs WHERE openid = ?1";
    REMOVE_SENT = "DELETE FROM sent WHERE openid = ?1";
    REMOVE_FROM_SYNC = "DELETE FROM sync_people WHERE openid = ?1";
    SIGN_OUT = "DELETE FROM admin_sessions WHERE openid = ?1";
    // A running sync must not bring the person back. If its next page begins with the person, it reads the list again; and
    // where ids are used again, new pushes may get those of the log that are free now.
    MEND_SYNC = {
        sqlite: "UPDATE sync_state SET next_openid = iif(next_openid = ?1, '', next_openid),
                     log_mark = min(log_mark, (SELECT coalesce(max(id), 0) FROM follow_log))",
        mysql: "UPDATE sync_state SET next_openid = '' WHERE next_openid = ?1",
    };
    QUEUED = "SELECT name FROM settings WHERE name >= ?1 AND name < ?2";
}

impl Store {
    /// Removes every trace of `openid` from all tables, the file and its write-ahead log. `hook_events`
    /// report it to the hooks and are kept for a day; they are not written if nothing was known about the person.
    ///
    /// # Errors
    /// When the store cannot be read or written, or another program reads it for so long that the log cannot be
    /// emptied. In that case the rows are gone, and the server's chores do the rest.
    pub fn forget(
        &self,
        reader: &Reader,
        openid: &str,
        hook_events: Vec<NewHookEvent>,
    ) -> Result<Erased, StoreError> {
        let erased = self.erase_and_report(reader, openid, hook_events)?;
        for _ in 0..TRIES {
            if self.empty_log()? {
                return Ok(erased);
            }
            thread::sleep(PAUSE);
        }
        let person = openid.to_owned();
        self.writer.write(move |sql| queue(sql, &person))?;
        let file = self.file().unwrap_or(Path::new("the store"));
        Err(StoreError::new(
            ErrorKind::Busy,
            format!(
                "store: the rows are gone, but another program reads the store and keeps their bytes in {}-wal; when it has ended, the server removes them within an hour or at its next start",
                file.display()
            ),
        ))
    }

    /// Removes every trace of `openid` from all tables; the write-ahead log still has it.
    /// `reader` searches for rows of others that name the person, so that pushes do not wait.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn erase(&self, reader: &Reader, openid: &str) -> Result<Erased, StoreError> {
        self.erase_and_report(reader, openid, Vec::new())
    }

    fn erase_and_report(
        &self,
        reader: &Reader,
        openid: &str,
        hook_events: Vec<NewHookEvent>,
    ) -> Result<Erased, StoreError> {
        let person = openid.to_owned();
        let mut erased = self.writer.write(move |sql| {
            let erased = rows_of(sql, &person)?;
            if erased != Erased::default() {
                outbox::add(sql, hook_events.iter())?;
            }
            Ok(erased)
        })?;
        let events = reader.hook_events_of(openid)?;
        erased.hook_events = self.remove_each(events, |sql, event| remove_event(sql, *event))?;
        let others = if is_distinctive(openid) { NAMING } else { &[] };
        for Naming { find, remove } in others {
            let ids = reader.naming(find, openid, |row| row.some_number(0))?;
            erased.messages += self.remove_each(ids, |sql, id| remove(sql, *id))?;
        }
        if is_distinctive(openid) {
            let followers = reader.naming(&NAMING_FOLLOWERS, openid, |row| row.some_text(0))?;
            self.remove_each(followers, |sql, follower| clear_scene(sql, follower))?;
            self.scrub(reader, openid)?;
        }
        let queued = format!("{FORGET}{openid}");
        self.writer
            .write(move |sql| settings::remove(sql, &queued))?;
        Ok(erased)
    }

    /// Calls `remove` for each of these rows, in small commits, and returns the sum of what it returns.
    fn remove_each<K: Clone + Send + 'static>(
        &self,
        rows: Vec<K>,
        remove: impl Fn(&mut dyn Sql, &K) -> sql::Result<usize> + Copy + Send + 'static,
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        for rows in rows.chunks(STEP) {
            let rows = rows.to_vec();
            removed += self.writer.write(move |sql| {
                let rows = rows.iter().map(|row| remove(sql, row));
                rows.sum::<sql::Result<usize>>()
            })?;
        }
        Ok(removed)
    }

    /// Moves the write-ahead log into the file and empties it. False if other programs are using the store.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        self.engine.empty_log(|| self.writer.write(|_| Ok(())))
    }
}

impl Reader {
    /// People whose traces must still be erased.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn people_to_erase(&self) -> Result<Vec<String>, StoreError> {
        let end = format!("{FORGET}{}", char::MAX);
        let queued =
            self.read(|sql| sql.all(&QUEUED, values![FORGET, end], |row| Ok(row.some_text(0))))?;
        let openid = |name: &String| name.strip_prefix(FORGET).map(str::to_owned);
        Ok(queued.iter().filter_map(openid).collect())
    }

    /// Keys of other people's rows that name the person.
    fn naming<K>(
        &self,
        find: &Statement,
        openid: &str,
        key: impl Fn(&dyn Row) -> K,
    ) -> Result<Vec<K>, StoreError> {
        let mut keys = Vec::new();
        self.read(|sql| {
            sql.rows(find, values![openid], &mut |row| {
                let mut texts = (1..row.columns()).map(|column| row.value(column));
                if texts.any(|text| text.as_str().is_some_and(|text| names(text, openid))) {
                    keys.push(key(row));
                }
                Ok(ControlFlow::Continue(()))
            })
        })?;
        Ok(keys)
    }
}

fn remove_message(sql: &mut dyn Sql, id: i64) -> sql::Result<usize> {
    remove_messages(sql, &MESSAGE, values![id], i64::MIN)
}

/// Removes the scene by which a follower came.
fn clear_scene(sql: &mut dyn Sql, openid: &str) -> sql::Result<usize> {
    change_follower(sql, openid, |sql| {
        sql.run(&CLEAR_SCENE_OF_FOLLOWER, values![openid])
    })
}

/// Whether the openid is distinctive enough to search for in other rows. `xml` or the account's own `gh_…`, from a
/// forged push or a typing mistake, would be in all of them.
fn is_distinctive(openid: &str) -> bool {
    openid.len() >= DISTINCTIVE_LENGTH && openid.starts_with('o')
}

/// Whether the text names the person: `oUser1` is not in `oUser10`.
fn names(text: &str, openid: &str) -> bool {
    let of_an_openid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(openid).any(|(at, _)| {
        openid.len() >= REAL_LENGTH
            || !text[..at].ends_with(of_an_openid)
                && !text[at + openid.len()..].starts_with(of_an_openid)
    })
}

/// Removes the person's own rows.
pub(super) fn rows_of(sql: &mut dyn Sql, openid: &str) -> sql::Result<Erased> {
    let person = values![openid];
    let erased = Erased {
        followers: change_follower(sql, openid, |sql| sql.run(&REMOVE_FOLLOWER, person))?,
        follow_log: remove_log(sql, openid)?,
        messages: remove_messages(sql, &MESSAGES_OF, person, i64::MIN)?,
        jobs: sql.run(&REMOVE_JOBS, person)?,
        sent: sql.run(&REMOVE_SENT, person)?,
        sessions: sessions::end_of(sql, openid)?,
        // They are found without the writer, see `erase`.
        hook_events: 0,
    };
    log_ins::forget(sql, openid)?;
    exchanged::forget(sql, openid)?;
    sql.run(&REMOVE_FROM_SYNC, person)?;
    sql.run(&SIGN_OUT, person)?;
    sql.run(&MEND_SYNC, person)?;
    Ok(erased)
}

fn remove_log(sql: &mut dyn Sql, openid: &str) -> sql::Result<usize> {
    let rows: Vec<i64> = sql.all(&LOG_OF, values![openid], |row| row.get(0))?;
    let rows = rows
        .iter()
        .map(|id| change_log(sql, *id, |sql| sql.run(&REMOVE_LOG, values![id])));
    rows.sum()
}

/// Removes the person's own rows, and queues the search in rows of others.
pub(super) fn close_account(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    rows_of(sql, openid)?;
    queue(sql, openid)
}

/// Remembers, across restarts, that traces of the person must still be erased.
fn queue(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    settings::add(sql, &format!("{FORGET}{openid}"), None)
}
