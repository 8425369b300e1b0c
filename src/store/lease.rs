//! The right to do something alone, across processes, for a limited time: a row of `settings`.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::error::StoreError;
use super::open::Store;
use crate::random;

/// Who holds a lease. A process that has ended holds nothing, however long its lease would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Tells this process from an earlier one with the same number, as in a container.
    nonce: u64,
}

impl Owner {
    pub(super) fn this_process() -> Result<Owner, StoreError> {
        let nonce = random::number().map_err(|error| StoreError::new(error.to_string()))?;
        Ok(Owner {
            pid: std::process::id(),
            nonce,
        })
    }

    /// Whether the holder that `self` finds in the store can still be at work.
    fn sees_alive(&self, holder: &Owner) -> bool {
        if holder.pid == self.pid {
            return holder.nonce == self.nonce;
        }
        // Without /proc nothing is known, and the lease runs to its end.
        !Path::new("/proc/self").exists() || Path::new(&format!("/proc/{}", holder.pid)).exists()
    }
}

impl Store {
    /// Takes the right to do `name` alone until `until`, Unix seconds; false when another process has it.
    ///
    /// # Errors
    /// When the store can not write.
    pub fn take_lease(&self, name: &str, now: i64, until: i64) -> Result<bool, StoreError> {
        let (name, owner) = (row(name), self.owner.clone());
        self.writer.write(move |connection| {
            let held: Option<String> = connection
                .query_row("SELECT value FROM settings WHERE name = ?1", [&name], |row| row.get(0))
                .optional()?;
            if held.and_then(|held| parse(&held)).is_some_and(|(end, holder)| end > now && owner.sees_alive(&holder)) {
                return Ok(false);
            }
            connection.execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [&name, &format!("{until} {} {}", owner.pid, owner.nonce)],
            )?;
            Ok(true)
        })
    }

    /// Prolongs a right that this process has; false when it ended and another has taken it.
    ///
    /// # Errors
    /// When the store can not write.
    pub fn renew_lease(&self, name: &str, until: i64) -> Result<bool, StoreError> {
        let (name, owner) = (row(name), self.owner.clone());
        self.writer.write(move |connection| {
            let renewed = connection.execute(
                "UPDATE settings SET value = ?2 || ?3 WHERE name = ?1 AND substr(value, instr(value, ' ')) = ?3",
                params![name, until, format!(" {} {}", owner.pid, owner.nonce)],
            )?;
            Ok(renewed == 1)
        })
    }

    /// Gives the right back.
    ///
    /// # Errors
    /// When the store can not write.
    pub fn end_lease(&self, name: &str) -> Result<(), StoreError> {
        let name = row(name);
        self.writer.write(move |connection| {
            connection
                .execute("DELETE FROM settings WHERE name = ?1", [&name])
                .map(drop)
        })
    }
}

fn row(name: &str) -> String {
    format!("lease {name}")
}

/// When the lease ends, and who holds it.
fn parse(value: &str) -> Option<(i64, Owner)> {
    let mut words = value.split(' ');
    let end = words.next()?.parse().ok()?;
    let pid = words.next()?.parse().ok()?;
    let nonce = words.next()?.parse().ok()?;
    Some((end, Owner { pid, nonce }))
}
