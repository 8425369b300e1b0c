//! The right to do something alone, across processes, for a limited time: a row of `settings`.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;
use super::open::Store;
use super::settings::{LEASE, put_setting, remove_setting, setting};
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
    /// When the store cannot write.
    pub fn take_lease(&self, name: &str, now: i64, until: i64) -> Result<bool, StoreError> {
        let (name, owner) = (row(name), self.owner.clone());
        self.writer.write(move |connection| {
            let held = holder(connection, &name)?;
            if held.is_some_and(|(end, holder)| end > now && owner.sees_alive(&holder)) {
                return Ok(false);
            }
            put(connection, &name, until, &owner)?;
            Ok(true)
        })
    }

    /// Prolongs a right that this process holds until `longer`; false when it ended and another has it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn renew_lease(&self, name: &str, longer: i64) -> Result<bool, StoreError> {
        let (name, owner) = (row(name), self.owner.clone());
        self.writer.write(move |connection| {
            if !is_held_by(connection, &name, &owner)? {
                return Ok(false);
            }
            put(connection, &name, longer, &owner)?;
            Ok(true)
        })
    }

    /// Gives the right back if this process still has it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_lease(&self, name: &str) -> Result<(), StoreError> {
        let (name, owner) = (row(name), self.owner.clone());
        self.writer.write(move |connection| {
            if !is_held_by(connection, &name, &owner)? {
                return Ok(());
            }
            remove_setting(connection, &name)
        })
    }
}

fn row(name: &str) -> String {
    format!("{LEASE}{name}")
}

fn put(connection: &Connection, name: &str, until: i64, owner: &Owner) -> rusqlite::Result<()> {
    let value = format!("{until} {} {}", owner.pid, owner.nonce);
    put_setting(connection, name, &value)
}

fn is_held_by(connection: &Connection, name: &str, owner: &Owner) -> rusqlite::Result<bool> {
    Ok(holder(connection, name)?.is_some_and(|(_, holder)| holder == *owner))
}

/// When the lease ends, and who holds it.
fn holder(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, Owner)>> {
    let value = setting(connection, name)?;
    Ok(value.and_then(|value| parse(&value)))
}

fn parse(value: &str) -> Option<(i64, Owner)> {
    let mut words = value.split(' ');
    let end = words.next()?.parse().ok()?;
    let pid = words.next()?.parse().ok()?;
    let nonce = words.next()?.parse().ok()?;
    Some((end, Owner { pid, nonce }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn whoever_outlives_a_lease_does_not_end_that_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        // Two stores are two owners, as two processes are.
        let (slow, next) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
        assert!(slow.take_lease("fetch", 1_000, 1_010).unwrap());
        assert!(next.take_lease("fetch", 1_020, 1_030).unwrap());
        slow.end_lease("fetch").unwrap();
        assert!(!slow.renew_lease("fetch", 1_040).unwrap());
        assert!(next.renew_lease("fetch", 1_040).unwrap());
        next.end_lease("fetch").unwrap();
        assert!(!next.renew_lease("fetch", 1_050).unwrap());
    }
}
