//! The table `troubles`: what was wrong, from when to when.

use super::error::{SqlError, StoreError};
use super::inbox::COUNT_MARKED;
use super::node::NODE_LIFE;
use super::open::{Reader, Store};
use super::outbox::{self, NewHookEvent};
use super::process::NodeId;
use super::sql::{self, Row, Sql, values};
use super::statement::statements;
use crate::trouble::{Change, Kind, Subject, Trouble};

/// Open, and of no node that runs but `?1`; a node runs that was seen in the last `?2` seconds.
#[cfg(any(test, feature = "mysql"))]
macro_rules! left {
    ($columns:literal, $end:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM troubles WHERE until IS NULL AND (node IS NULL OR node <> ?1
                AND node NOT IN (SELECT id FROM nodes WHERE seen_at >= unix_timestamp() - ?2)) ",
            $end
        )
    };
}

statements! {
    CHANGE = "UPDATE troubles SET text = ?2, until = ?3, told = ?4 WHERE id = ?1";
    ADD = "INSERT INTO troubles (id, kind, name, text, since, until, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    REMOVE_OVER = {
        sqlite: "DELETE FROM troubles WHERE id IN (SELECT id FROM troubles WHERE until < ?1 LIMIT ?2)",
        mysql: "DELETE FROM troubles WHERE until < ?1 ORDER BY until LIMIT ?2",
    };
    // Of several nodes each text says whose it is.
    LIST = {
        sqlite: "SELECT id, kind, name, text, since, until, told FROM troubles
                 WHERE until IS NULL OR until >= ?1 ORDER BY id DESC",
        mysql: "SELECT t.id, t.kind, t.name, coalesce(concat(nodes.name, ' (', nodes.listen, '): ', t.text), t.text), t.since, t.until, t.told
                FROM troubles AS t LEFT JOIN nodes ON nodes.id = t.node
                WHERE t.until IS NULL OR t.until >= ?1 ORDER BY t.id DESC",
    };
    OWN = { sqlite: "", mysql: "UPDATE troubles SET node = ?2 WHERE id = ?1" };
    END = { sqlite: "", mysql: "UPDATE troubles SET until = unix_timestamp() WHERE id = ?1" };
    ARE_LEFT = { sqlite: "", mysql: left!("1", "LIMIT 1") };
    LEFT = { sqlite: "", mysql: left!("id, kind, name, text, since, until, told", "ORDER BY id DESC FOR UPDATE") };
    NEWEST_MARKED = "SELECT id FROM messages WHERE todo = 1 ORDER BY id DESC LIMIT 1";
}

impl Store {
    /// Writes rows and returns their ids, in the same order.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_troubles(&self, changes: Vec<Change>) -> Result<Vec<i64>, StoreError> {
        let node = self.node();
        self.writer.write(move |sql| {
            let kept = changes.iter().map(|change| keep(sql, change, node));
            kept.collect()
        })
    }

    /// The troubles that were left open: by the process before, or by nodes that have ended, and from now on they are this
    /// node's. Those of a `known` subject, of which this node has a trouble of its own, are over instead.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn left_troubles(&self, known: Vec<Subject>) -> Result<Vec<Change>, StoreError> {
        if !self.is_shared() {
            return self.read(|reader| reader.troubles(i64::MAX));
        }
        let node = self.node();
        let are_left = self
            .read(|reader| reader.read(|sql| sql.exists(&ARE_LEFT, values![node.0, NODE_LIFE])))?;
        if !are_left {
            return Ok(Vec::new());
        }
        self.writer.write(move |sql| {
            // Of two nodes that do this at the same time, the second finds that they are the first one's.
            let left = sql.all(&LEFT, values![node.0, NODE_LIFE], row)?;
            let mut taken = Vec::new();
            for change in left.into_iter().flatten() {
                if known.contains(&change.trouble.subject) {
                    sql.run(&END, values![change.row])?;
                } else {
                    sql.run(&OWN, values![change.row, node.0])?;
                    taken.push(change);
                }
            }
            Ok(taken)
        })
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

fn keep(sql: &mut dyn Sql, change: &Change, node: NodeId) -> sql::Result<i64> {
    let Change { row, trouble } = change;
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
    let id = id.ok_or_else(|| SqlError::of_one("the trouble is there already"))?;
    sql.run(&OWN, values![id, node.0])?;
    Ok(id)
}
