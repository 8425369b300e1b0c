//! Every trace of a person, gone: rows of theirs, and other rows that name them.
//!
//! `secure_delete` overwrites the bytes in the file with zeros, so no `VACUUM` is needed; the checkpoint at
//! the end takes them out of the write-ahead log as well.

use rusqlite::{Connection, params};
use serde::Serialize;

use super::error::StoreError;
use super::open::{Reader, Store};

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

impl Store {
    /// Removes every trace of `openid` from all tables, the file and its write-ahead log.
    /// Rows of others that name the person are looked for in `reader`, so that pushes need not wait.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub fn forget(&self, reader: &Reader, openid: &str) -> Result<Erased, StoreError> {
        let person = openid.to_owned();
        let mut erased = self
            .writer
            .write(move |connection| rows_of(connection, &person))?;
        for ids in reader.messages_naming(openid)?.chunks(100) {
            let ids = ids.to_vec();
            erased.messages += self.writer.write(move |connection| {
                let mut delete = connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?;
                ids.iter()
                    .map(|id| delete.execute([id]))
                    .sum::<rusqlite::Result<usize>>()
            })?;
        }
        self.truncate_log()?;
        Ok(erased)
    }

    /// Folds the write-ahead log into the file and empties it.
    fn truncate_log(&self) -> Result<(), StoreError> {
        let connection = Connection::open(self.path())
            .map_err(|error| StoreError::from_sqlite("checkpoint", &error))?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
            .map_err(|error| StoreError::from_sqlite("checkpoint", &error))
    }
}

impl Reader {
    /// Rows of other senders that name the person: authorisation changes, gifts of cards, agents' scans.
    fn messages_naming(&self, openid: &str) -> Result<Vec<i64>, StoreError> {
        let read = || {
            self.connection
                .prepare(
                    "SELECT id FROM messages WHERE openid <> ?1
                     AND (instr(xml, ?1) OR instr(content, ?1) OR instr(event_key, ?1) OR instr(reply, ?1) OR instr(dedup_key, ?1))",
                )?
                .query_map([openid], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

/// Removes the rows that are the person's own.
pub(super) fn rows_of(connection: &Connection, openid: &str) -> rusqlite::Result<Erased> {
    let delete = |table: &str| {
        connection.execute(
            &format!("DELETE FROM {table} WHERE openid = ?1"),
            params![openid],
        )
    };
    Ok(Erased {
        followers: delete("followers")?,
        follow_log: delete("follow_log")?,
        messages: delete("messages")?,
        jobs: delete("jobs")?,
    })
}
