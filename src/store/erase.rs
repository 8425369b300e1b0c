//! Every trace of a person, gone: rows of theirs, and other rows that name them.
//!
//! `secure_delete` overwrites the bytes in the file with zeros, so no `VACUUM` is needed; `scrub` overwrites the
//! copies that it does not reach, and the checkpoint at the end empties the write-ahead log.

use std::thread;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::error::{ErrorKind, StoreError};
use super::open::{Reader, Store};
use super::schema::MESSAGES_OF_PERSON;
use super::settings::{self, FORGET};
use super::signatures::remove_messages;
use super::wal::move_log;

/// What was erased, in rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Rows of `followers`: 0 or 1.
    pub followers: usize,
    /// Rows of `follow_log`.
    pub follow_log: usize,
    /// Rows of `messages`, their own and others that named them.
    pub messages: usize,
    /// Rows of `jobs`: template messages to the person.
    pub jobs: usize,
}

/// How long a checkpoint may wait for others each time, and so hold up the writer.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(100);

/// How often [`Store::forget`] tries to empty the log while others read the store.
const CHECKPOINT_TRIES: u32 = 50;

/// Where others' rows can name a person.
struct Naming {
    /// Finds rows that may be such: their keys, then the columns to look into.
    find: &'static str,
    goes: Goes,
}

/// Real openids have so many characters: a text that has one in it, anywhere, names that person.
const REAL_LENGTH: usize = 28;

/// A shorter openid than this could be any word of a text.
const TELLING_LENGTH: usize = 6;

/// What goes of a row that names a person.
enum Goes {
    /// All of it: a message.
    Message,
    /// Of a follower who came by the person's own QR code only the scene, by this statement.
    Scene(&'static str),
}

const NAMING: &[Naming] = &[
    // Authorisation changes, gifts of cards, agents' scans, talk about the person.
    Naming {
        find: "SELECT id, xml, content, event_key, reply, dedup_key FROM messages WHERE openid <> ?1
            AND (instr(xml, ?1) OR instr(content, ?1) OR instr(event_key, ?1) OR instr(reply, ?1) OR instr(dedup_key, ?1))",
        goes: Goes::Message,
    },
    Naming {
        find: "SELECT id, scene FROM follow_log WHERE instr(scene, ?1)",
        goes: Goes::Scene("UPDATE follow_log SET scene = NULL WHERE id = ?1"),
    },
    Naming {
        find: "SELECT openid, qr_scene_str FROM followers WHERE instr(qr_scene_str, ?1)",
        goes: Goes::Scene("UPDATE followers SET qr_scene_str = NULL WHERE openid = ?1"),
    },
];

impl Store {
    /// Removes every trace of `openid` from all tables, the file and its write-ahead log.
    ///
    /// # Errors
    /// When the store cannot be read or written, or another program reads it for so long that the log
    /// cannot be emptied: the rows are gone then, and the server's chores do the rest.
    pub fn forget(&self, reader: &Reader, openid: &str) -> Result<Erased, StoreError> {
        let erased = self.erase(reader, openid)?;
        for _ in 0..CHECKPOINT_TRIES {
            if self.empty_log()? {
                return Ok(erased);
            }
            thread::sleep(CHECKPOINT_PATIENCE);
        }
        let person = openid.to_owned();
        self.writer
            .write(move |connection| queue(connection, &person))?;
        Err(StoreError::new(
            ErrorKind::Busy,
            format!(
                "store: the rows are gone, but another program reads the store and keeps their bytes in {}-wal; when it has ended, the server removes them within an hour or at its next start",
                self.path().display()
            ),
        ))
    }

    /// Removes every trace of `openid` from all tables; the write-ahead log still has it.
    /// Rows of others that name the person are looked for in `reader`, so that pushes need not wait.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn erase(&self, reader: &Reader, openid: &str) -> Result<Erased, StoreError> {
        let person = openid.to_owned();
        let mut erased = self
            .writer
            .write(move |connection| rows_of(connection, &person))?;
        let others = if is_telling(openid) { NAMING } else { &[] };
        for Naming { find, goes } in others {
            for keys in reader.naming(find, openid)?.chunks(100) {
                let keys = keys.to_vec();
                erased.messages += self.writer.write(move |connection| {
                    let go = |key| match goes {
                        Goes::Message => remove_messages(connection, "id = ?1", [key], i64::MIN),
                        Goes::Scene(clear) => {
                            connection.prepare_cached(clear)?.execute([key]).map(|_| 0)
                        }
                    };
                    keys.iter().map(go).sum::<rusqlite::Result<usize>>()
                })?;
            }
        }
        if is_telling(openid) {
            self.scrub(reader, openid)?;
        }
        let queued = format!("{FORGET}{openid}");
        self.writer
            .write(move |connection| settings::remove(connection, &queued))?;
        Ok(erased)
    }

    /// Folds the write-ahead log into the file and empties it. False when others use the store just now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        // The writer looks at the files before each commit: nothing is moved from a log that is not whole.
        self.writer.write(|_| Ok(()))?;
        let checkpoint = || -> rusqlite::Result<bool> {
            let connection = Connection::open(self.path())?;
            connection.busy_timeout(CHECKPOINT_PATIENCE)?;
            // Most of it while pushes go on: the second step holds up the writer.
            let state = move_log(&connection, self.main)?;
            if state.is_none_or(|state| state.left() > 0) || self.main.sync().is_err() {
                return Ok(true);
            }
            let busy = self.main.moving(|| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            })?;
            Ok(busy.unwrap_or(true))
        };
        let emptied = checkpoint().map(|busy| !busy);
        emptied.or_else(|error| {
            let error = StoreError::from_sqlite("checkpoint", &error);
            match error.kind() {
                ErrorKind::Busy => Ok(false),
                ErrorKind::Full | ErrorKind::Gone | ErrorKind::Damaged | ErrorKind::Other => {
                    Err(error)
                }
            }
        })
    }
}

impl Reader {
    /// People of whom traces are still to go.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn people_to_erase(&self) -> Result<Vec<String>, StoreError> {
        let read = || {
            self.connection
                .prepare("SELECT substr(name, length(?1) + 1) FROM settings WHERE name >= ?1 AND name < ?1 || char(0x10ffff)")?
                .query_map([FORGET], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// Keys of the rows of others that name the person.
    fn naming(&self, find: &str, openid: &str) -> Result<Vec<Value>, StoreError> {
        let read = || {
            self.connection
                .prepare(find)?
                .query_map([openid], |row| {
                    let columns = 1..row.as_ref().column_count();
                    let texts = columns.map(|column| row.get_ref(column));
                    let mut named = false;
                    for text in texts {
                        named |= text?.as_str().is_ok_and(|text| names(text, openid));
                    }
                    Ok((named, row.get(0)?))
                })?
                .filter_map(|row| match row {
                    Ok((named, key)) => named.then_some(Ok(key)),
                    Err(error) => Some(Err(error)),
                })
                .collect::<rusqlite::Result<Vec<Value>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

/// Whether rows of others may be judged by this openid. `xml` or the account's own `gh_…`, in a push that was
/// forged or typed by mistake, would stand in all of them.
fn is_telling(openid: &str) -> bool {
    openid.len() >= TELLING_LENGTH && openid.starts_with('o')
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

/// Removes the rows that are the person's own.
pub(super) fn rows_of(connection: &Connection, openid: &str) -> rusqlite::Result<Erased> {
    let delete = |table: &str| {
        let sql = format!("DELETE FROM {table} WHERE openid = ?1");
        connection.execute(&sql, params![openid])
    };
    let theirs = format!("id IN ({MESSAGES_OF_PERSON})");
    let erased = Erased {
        followers: delete("followers")?,
        follow_log: delete("follow_log")?,
        messages: remove_messages(connection, &theirs, [openid], i64::MIN)?,
        jobs: delete("jobs")?,
    };
    // A sync under way must not bring the person back. If its next page begins with the person, it reads the list
    // again; and ids of the log that are free now will be those of pushes after its beginning.
    delete("sync_people")?;
    connection.execute(
        "UPDATE sync_state SET next_openid = iif(next_openid = ?1, '', next_openid),
             log_mark = min(log_mark, (SELECT coalesce(max(id), 0) FROM follow_log))",
        [openid],
    )?;
    Ok(erased)
}

/// Removes the person's own rows, and keeps in mind that rows of others are to follow.
pub(super) fn close_account(connection: &Connection, openid: &str) -> rusqlite::Result<()> {
    rows_of(connection, openid)?;
    queue(connection, openid)
}

/// Keeps in mind, across restarts, that traces of the person are still to go.
fn queue(connection: &Connection, openid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, NULL) ON CONFLICT DO NOTHING",
        )?
        .execute([format!("{FORGET}{openid}")])
        .map(drop)
}
