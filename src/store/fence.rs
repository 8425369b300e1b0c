//! Fences: a write that goes on only while a lease is held.

use super::error::{ErrorKind, SqlError};
use super::process::{NodeId, Process};
use super::settings::{self, LEASE};
use super::sql::{Result, Sql, values};
use super::statement::statements;

/// What tells whether a lease is still held by who took it.
#[derive(Debug)]
pub(super) struct Fence {
    pub(super) name: String,
    pub(super) holder: Holder,
}

/// Who holds a lease.
#[derive(Debug)]
pub(super) enum Holder {
    /// In a file.
    Process(Process),
    /// On a server; the epoch was raised when it was taken.
    Node { id: NodeId, epoch: i64 },
}

impl Fence {
    /// Lets the transaction go on only while the lease is held. Nobody else can take it before the transaction ends.
    pub(super) fn check(&self, sql: &mut dyn Sql) -> Result<()> {
        let is_held = match &self.holder {
            Holder::Process(process) => is_held_by(sql, &row(&self.name), process)?,
            Holder::Node { id, epoch } => sql.exists(&IS_HELD, values![self.name, id.0, epoch])?,
        };
        match is_held {
            true => Ok(()),
            false => Err(SqlError {
                kind: ErrorKind::Superseded,
                ..SqlError::of_one(format!("another process has taken over ({})", self.name))
            }),
        }
    }
}

// A file has no such table.
statements! {
    IS_HELD = {
        sqlite: "",
        mysql: "SELECT 1 FROM leases WHERE name = ?1 AND holder = ?2 AND epoch = ?3 LOCK IN SHARE MODE",
    };
}

/// The row of `settings`.
pub(super) fn row(name: &str) -> String {
    format!("{LEASE}{name}")
}

pub(super) fn is_held_by(sql: &mut dyn Sql, name: &str, process: &Process) -> Result<bool> {
    Ok(holder(sql, name)?.is_some_and(|(_, holder)| holder == *process))
}

/// When the lease in this row ends, and who holds it.
pub(super) fn holder(sql: &mut dyn Sql, name: &str) -> Result<Option<(i64, Process)>> {
    let value = settings::get(sql, name)?;
    Ok(value.and_then(|value| {
        let (end, process) = value.split_once(' ')?;
        Some((end.parse().ok()?, process.parse().ok()?))
    }))
}
