//! The right to do something alone, across processes, for a limited time: a row of `settings`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rusqlite::Connection;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::error::StoreError;
use super::open::Store;
use super::settings::{self, LEASE};
use crate::random;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Tells this process from an earlier one with the same number, as in a container.
    nonce: u64,
    /// Where the number means something; nothing in what an older wechatd wrote, or without /proc.
    place: Option<Place>,
}

/// The machine since it was started, and the space of process numbers on it: two containers that share the file have
/// each their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Of the boot, as the kernel writes it, `/`, and the number of the space.
    name: String,
    /// When the process began, in the kernel's ticks since the boot: numbers are used again.
    began: u64,
}

impl Owner {
    pub(super) fn this_process() -> Result<Owner, StoreError> {
        let nonce = random::number().map_err(|error| StoreError::new(error.to_string()))?;
        let pid = std::process::id();
        let place = place().zip(began(pid));
        Ok(Owner {
            pid,
            nonce,
            place: place.map(|(name, began)| Place { name, began }),
        })
    }

    /// Whether the holder that `self` finds in the store can still be at work, as long as its lease runs. Only of a
    /// process that would be seen here is it known that it has ended.
    fn sees_alive(&self, holder: &Owner) -> bool {
        let (Some(here), Some(there)) = (&self.place, &holder.place) else {
            return true;
        };
        if here.name != there.name {
            return true;
        }
        if holder.pid == self.pid {
            return holder.nonce == self.nonce;
        }
        match (is_there(holder.pid), began(holder.pid)) {
            (false, _) => false,
            (true, Some(began)) => began == there.began,
            // Another user's, which /proc does not show.
            (true, None) => true,
        }
    }
}

/// See [`Place::name`].
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    Some(format!("{}/{space}", boot.trim()))
}

/// See [`Place::began`].
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything; this is the 22nd.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether there is such a process, also one that this user may not look at.
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
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
            settings::remove(connection, &name)
        })
    }
}

fn row(name: &str) -> String {
    format!("{LEASE}{name}")
}

fn put(connection: &Connection, name: &str, until: i64, owner: &Owner) -> rusqlite::Result<()> {
    let mut value = format!("{until} {} {}", owner.pid, owner.nonce);
    if let Some(Place { name, began }) = &owner.place {
        value += &format!(" {name} {began}");
    }
    settings::put(connection, name, &value)
}

fn is_held_by(connection: &Connection, name: &str, owner: &Owner) -> rusqlite::Result<bool> {
    Ok(holder(connection, name)?.is_some_and(|(_, holder)| holder == *owner))
}

/// When the lease ends, and who holds it.
fn holder(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, Owner)>> {
    let value = settings::get(connection, name)?;
    Ok(value.and_then(|value| parse(&value)))
}

fn parse(value: &str) -> Option<(i64, Owner)> {
    let mut words = value.split(' ');
    let end = words.next()?.parse().ok()?;
    let pid = words.next()?.parse().ok()?;
    let nonce = words.next()?.parse().ok()?;
    let place = words.next().zip(words.next()).and_then(|(name, began)| {
        Some(Place {
            name: name.to_owned(),
            began: began.parse().ok()?,
        })
    });
    Some((end, Owner { pid, nonce, place }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn holder_in(store: &Store, value: &str) {
        store.keep_setting("lease fetch", value).unwrap();
    }

    #[test]
    fn a_lease_ends_before_its_time_only_where_its_holder_is_known_to_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db")).unwrap();
        let here = store.owner.place.clone().unwrap();
        let Place { name, began } = &here;
        let pid = std::process::id();
        // No process has this number: the kernel's numbers end below.
        let nobody = 5_000_000;
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let other = child.id();
        let since = super::began(other).unwrap();
        for (holder, is_free) in [
            (format!("{nobody} 7 {name} {began}"), true),
            (format!("{other} 7 {name} {since}"), false),
            // A number that was used again.
            (format!("{other} 7 {name} {}", since - 1), true),
            (format!("{pid} 7 {name} {began}"), true),
            // Another machine, another start of this one, another container.
            (
                format!("{nobody} 7 another-machine/4026531836 {began}"),
                false,
            ),
            (format!("{pid} 7 another-machine/4026531836 {began}"), false),
            (format!("{nobody} 7 {name}1 {began}"), false),
            // As an older wechatd wrote it.
            (format!("{nobody} 7"), false),
            (format!("{pid} 7"), false),
            // The first process is another user's, and there.
            (
                format!("1 7 {name} {}", super::began(1).unwrap_or(0)),
                false,
            ),
        ] {
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(
                store.take_lease("fetch", 1_000, 1_500),
                Ok(is_free),
                "{holder}"
            );
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(
                store.take_lease("fetch", 2_000, 2_500),
                Ok(true),
                "{holder}"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

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
