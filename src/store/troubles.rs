//! The table `troubles`: what was wrong, from when to when.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::open::{Reader, Store};
use super::outbox::{self, NewHookEvent};
use crate::trouble::{Change, Kind, Subject, Trouble};

impl Store {
    /// Writes rows and returns their ids, in the same order.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_troubles(&self, changes: Vec<Change>) -> Result<Vec<i64>, StoreError> {
        self.writer.write_sqlite(move |connection| {
            changes
                .iter()
                .map(|change| keep(connection, change))
                .collect()
        })
    }

    /// Removes up to `most` troubles that were over before `before`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_troubles(&self, before: i64, most: u32) -> Result<usize, StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM troubles WHERE id IN (SELECT id FROM troubles WHERE until < ?1 LIMIT ?2)",
                )?
                .execute(params![before, most])
        })
    }

    /// Adds events for the hooks that no other row belongs to.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn add_hook_events(&self, events: Vec<NewHookEvent>) -> Result<(), StoreError> {
        self.writer
            .write(move |sql| outbox::add(sql, events.iter()))
    }
}

impl Reader {
    /// Troubles that are not over, and those that were over after `since`, Unix seconds; newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn troubles(&self, since: i64) -> Result<Vec<Change>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT id, kind, name, text, since, until, told FROM troubles
                     WHERE until IS NULL OR until >= ?1 ORDER BY id DESC",
                )?
                .query_map([since], row)?
                .filter_map(Result::transpose)
                .collect::<rusqlite::Result<Vec<Change>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// How many messages wait in the to-do list, and the id of the newest; `None`: there are none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn todo(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let newest = || {
            self.sqlite()
                .prepare_cached("SELECT id FROM messages WHERE todo = 1 ORDER BY id DESC LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()
        };
        let count = || {
            self.sqlite()
                .prepare_cached("SELECT count(*) FROM messages WHERE todo = 1")?
                .query_row([], |row| row.get(0))
        };
        let read = || newest()?.map(|id| Ok((count()?, id))).transpose();
        read().map_err(|error| Reader::failed(&error))
    }
}

/// A row; `None` if its kind is one of another version.
fn row(row: &Row) -> rusqlite::Result<Option<Change>> {
    let Some(kind) = Kind::of_name(&some_text(row, 1)?) else {
        return Ok(None);
    };
    Ok(Some(Change {
        row: Some(some_number(row, 0)?),
        trouble: Trouble {
            subject: Subject {
                kind,
                name: text(row, 2)?,
            },
            text: some_text(row, 3)?,
            since: some_number(row, 4)?,
            until: number(row, 5)?,
            told: some_number(row, 6)? != 0,
        },
    }))
}

fn keep(connection: &Connection, Change { row, trouble }: &Change) -> rusqlite::Result<i64> {
    let Trouble {
        subject,
        text,
        since,
        until,
        told,
    } = trouble;
    let changed = connection
        .prepare_cached("UPDATE troubles SET text = ?2, until = ?3, told = ?4 WHERE id = ?1")?
        .execute(params![row, text, until, told])?;
    match (row, changed) {
        (Some(row), 1..) => Ok(*row),
        (Some(_) | None, _) => {
            connection
                .prepare_cached(
                    "INSERT INTO troubles (kind, name, text, since, until, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    subject.kind.name(),
                    subject.name,
                    text,
                    since,
                    until,
                    told
                ])?;
            Ok(connection.last_insert_rowid())
        }
    }
}
