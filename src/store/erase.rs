//! Erasing every trace of a person: their own rows, and other rows that name them.
//!
//! `secure_delete` overwrites the bytes in the file with zeros, so no `VACUUM` is needed; `scrub` overwrites the copies
//! that `secure_delete` does not reach, and the final checkpoint empties the write-ahead log.

use std::thread;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::error::{ErrorKind, StoreError};
use super::finding::messages_of_person;
use super::open::{Reader, Store};
use super::outbox::{self, NewHookEvent};
use super::settings::{self, FORGET};
use super::signatures::remove_messages;
use super::sql::values;
use super::statement::statements;

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

/// A place where rows of others can name a person.
struct Naming {
    /// Finds candidate rows: their key, then the columns to search.
    find: &'static str,
    goes: Goes,
}

/// The length of real openids: a text that contains one anywhere names that person.
const REAL_LENGTH: usize = 28;

/// A shorter openid could be any word of a text.
const DISTINCTIVE_LENGTH: usize = 6;

/// What is removed from a row that names a person.
enum Goes {
    /// The whole message.
    Message,
    /// Only that column, by this statement: a scene, because the follower used the person's own QR code; the content
    /// of a message to somebody else, which goes on to count.
    Column(&'static str),
    /// An event for a hook, by this statement.
    HookEvent(&'static str),
}

const NAMING: &[Naming] = &[
    // Authorization changes, gifts of cards, agents' scans, messages about the person.
    Naming {
        find: "SELECT id, xml, content, event_key, reply, dedup_key FROM messages WHERE openid <> ?1
            AND (instr(xml, ?1) OR instr(content, ?1) OR instr(event_key, ?1) OR instr(reply, ?1) OR instr(dedup_key, ?1))",
        goes: Goes::Message,
    },
    // Answers of services that came late.
    Naming {
        find: "SELECT message_id, answer FROM forwards WHERE openid <> ?1 AND instr(answer, ?1)",
        goes: Goes::Message,
    },
    Naming {
        find: "SELECT id, scene, way FROM follow_log WHERE instr(scene, ?1) OR instr(way, ?1)",
        goes: Goes::Column("UPDATE follow_log SET scene = NULL, way = NULL WHERE id = ?1"),
    },
    Naming {
        find: "SELECT openid, qr_scene_str FROM followers WHERE instr(qr_scene_str, ?1)",
        goes: Goes::Column("UPDATE followers SET qr_scene_str = NULL WHERE openid = ?1"),
    },
    Naming {
        find: "SELECT id, content FROM sent WHERE openid <> ?1 AND instr(content, ?1)",
        goes: Goes::Column("UPDATE sent SET content = NULL WHERE id = ?1"),
    },
    Naming {
        find: "SELECT number, body FROM hook_events WHERE type <> 'closed' AND instr(body, ?1)",
        goes: Goes::HookEvent("DELETE FROM hook_events WHERE number = ?1"),
    },
];

statements! {
    MESSAGE = "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE id = ?1";
    MESSAGES_OF = {
        sqlite: concat!("SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE id IN (", messages_of_person!(sqlite), ")"),
        mysql: "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE openid = ?1",
    };
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
        self.writer
            .write_sqlite(move |connection| queue(connection, &person))?;
        Err(StoreError::new(
            ErrorKind::Busy,
            format!(
                "store: the rows are gone, but another program reads the store and keeps their bytes in {}-wal; when it has ended, the server removes them within an hour or at its next start",
                self.path().display()
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
        let mut erased = self.writer.write_sqlite(move |connection| {
            let erased = rows_of(connection, &person)?;
            if erased != Erased::default() {
                outbox::add(&mut &*connection, hook_events.iter())?;
            }
            Ok(erased)
        })?;
        for rows in reader.hook_events_of(openid)?.chunks(100) {
            let rows = rows.to_vec();
            erased.hook_events += self.writer.write_sqlite(move |connection| {
                let mut remove =
                    connection.prepare_cached("DELETE FROM hook_events WHERE number = ?1")?;
                let rows = rows.iter().map(|row| remove.execute([row]));
                rows.sum::<rusqlite::Result<usize>>()
            })?;
        }
        let others = if is_distinctive(openid) { NAMING } else { &[] };
        for Naming { find, goes } in others {
            for keys in reader.naming(find, openid)?.chunks(100) {
                let keys = keys.to_vec();
                erased.messages += self.writer.write_sqlite(move |connection| {
                    let go = |key: &Value| match goes {
                        Goes::Message => {
                            let key = super::sql::Value::Integer(match key {
                                Value::Integer(id) => *id,
                                _ => 0,
                            });
                            Ok(remove_messages(
                                &mut &*connection,
                                &MESSAGE,
                                &[key],
                                i64::MIN,
                            )?)
                        }
                        Goes::Column(sql) | Goes::HookEvent(sql) => {
                            connection.prepare_cached(sql)?.execute([key]).map(|_| 0)
                        }
                    };
                    keys.iter().map(go).sum::<rusqlite::Result<usize>>()
                })?;
            }
        }
        if is_distinctive(openid) {
            self.scrub(reader, openid)?;
        }
        let queued = format!("{FORGET}{openid}");
        self.writer
            .write(move |sql| settings::remove(sql, &queued))?;
        Ok(erased)
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
        let read = || {
            self.sqlite()
                .prepare("SELECT substr(name, length(?1) + 1) FROM settings WHERE name >= ?1 AND name < ?1 || char(0x10ffff)")?
                .query_map([FORGET], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// Keys of other people's rows that name the person.
    fn naming(&self, find: &str, openid: &str) -> Result<Vec<Value>, StoreError> {
        let read = || {
            self.sqlite()
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
pub(super) fn rows_of(connection: &Connection, openid: &str) -> rusqlite::Result<Erased> {
    let delete = |table: &str| {
        let sql = format!("DELETE FROM {table} WHERE openid = ?1");
        connection.execute(&sql, params![openid])
    };
    let erased = Erased {
        followers: delete("followers")?,
        follow_log: delete("follow_log")?,
        messages: remove_messages(&mut &*connection, &MESSAGES_OF, values![openid], i64::MIN)?,
        jobs: delete("jobs")?,
        sent: delete("sent")?,
        sessions: delete("sessions")?,
        // They are found without the writer, see `erase`.
        hook_events: 0,
    };
    // A running sync must not bring the person back. If its next page begins with the person, it reads the list again;
    // and new pushes may reuse the ids of the log that are free now.
    delete("sync_people")?;
    delete("admin_sessions")?;
    connection.execute(
        "UPDATE sync_state SET next_openid = iif(next_openid = ?1, '', next_openid),
             log_mark = min(log_mark, (SELECT coalesce(max(id), 0) FROM follow_log))",
        [openid],
    )?;
    Ok(erased)
}

/// Removes the person's own rows, and queues the search in rows of others.
pub(super) fn close_account(connection: &Connection, openid: &str) -> rusqlite::Result<()> {
    rows_of(connection, openid)?;
    queue(connection, openid)
}

/// Remembers, across restarts, that traces of the person must still be erased.
fn queue(connection: &Connection, openid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, NULL) ON CONFLICT DO NOTHING",
        )?
        .execute([format!("{FORGET}{openid}")])
        .map(drop)
}
