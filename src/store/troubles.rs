//! The table `troubles`: what was wrong, from when to when.

use super::error::{SqlError, StoreError};
use super::inbox::COUNT_MARKED;
use super::open::{Reader, Store};
use super::outbox::{self, NewHookEvent};
use super::sql::{self, Row, Sql, values};
use super::statement::statements;
use crate::trouble::{Change, Kind, Subject, Trouble};

statements! {
    CHANGE = "UPDATE troubles SET text = ?2, until = ?3, told = ?4 WHERE id = ?1";
    ADD = "INSERT INTO troubles (id, kind, name, text, since, until, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    REMOVE_OVER = {
        sqlite: "DELETE FROM troubles WHERE id IN (SELECT id FROM troubles WHERE until < ?1 LIMIT ?2)",
        mysql: "DELETE FROM troubles WHERE until < ?1 ORDER BY until LIMIT ?2",
    };
    LIST = "SELECT id, kind, name, text, since, until, told FROM troubles
            WHERE until IS NULL OR until >= ?1 ORDER BY id DESC";
    NEWEST_MARKED = "SELECT id FROM messages WHERE todo = 1 ORDER BY id DESC LIMIT 1";
}

impl Store {
    /// Writes rows and returns their ids, in the same order.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_troubles(&self, changes: Vec<Change>) -> Result<Vec<i64>, StoreError> {
        self.writer
            .write(move |sql| changes.iter().map(|change| keep(sql, change)).collect())
    }

    /// Removes up to `most` troubles that were over before `before`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_troubles(&self, before: i64, most: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |sql| sql.run(&REMOVE_OVER, values![before, most]))
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
        let found = self.read(|sql| sql.all(&LIST, values![since], row))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// How many messages wait in the to-do list, and the id of the newest; `None`: there are none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn todo(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.read(|sql| {
            let newest: Option<i64> = sql.optional(&NEWEST_MARKED, &[], |row| row.get(0))?;
            let Some(newest) = newest else {
                return Ok(None);
            };
            let count = sql.one(&COUNT_MARKED, &[], |row| row.get(0))?;
            Ok(Some((count, newest)))
        })
    }
}

/// A row; `None` if its kind is one of another version.
fn row(row: &dyn Row) -> sql::Result<Option<Change>> {
    let Some(kind) = Kind::of_name(&row.some_text(1)) else {
        return Ok(None);
    };
    Ok(Some(Change {
        row: Some(row.some_number(0)),
        trouble: Trouble {
            subject: Subject {
                kind,
                name: row.text(2),
            },
            text: row.some_text(3),
            since: row.some_number(4),
            until: row.number(5),
            told: row.some_number(6) != 0,
        },
    }))
}

fn keep(sql: &mut dyn Sql, Change { row, trouble }: &Change) -> sql::Result<i64> {
    let Trouble {
        subject,
        text,
        since,
        until,
        told,
    } = trouble;
    if let Some(row) = row
        && sql.run(&CHANGE, values![row, text, until, told])? > 0
    {
        return Ok(*row);
    }
    let id = sql.insert(
        &ADD,
        values![subject.kind.name(), subject.name, text, since, until, told],
    )?;
    id.ok_or_else(|| SqlError::of_one("the trouble is there already"))
}
