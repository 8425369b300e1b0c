//! This process and others that use the store: which of them still runs.

use std::fmt;
use std::fs;
use std::num::ParseIntError;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::error::{ErrorKind, StoreError};
use crate::random;

/// A process, as it stands in a lease that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
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

impl Process {
    pub(super) fn this() -> Result<Process, StoreError> {
        let nonce = random::number()
            .map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
        let pid = std::process::id();
        let place = place().zip(began(pid));
        Ok(Process {
            pid,
            nonce,
            place: place.map(|(name, began)| Place { name, began }),
        })
    }

    /// Whether the holder that `self` finds in the store can still be at work, as long as its lease runs. Only of a
    /// process that would be seen here is it known that it has ended.
    pub(super) fn sees_alive(&self, holder: &Process) -> bool {
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

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.nonce)?;
        match &self.place {
            Some(Place { name, began }) => write!(f, " {name} {began}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Process {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Process, ParseIntError> {
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (pid, nonce, name, began) = (word().parse()?, word().parse()?, word(), word().parse());
        let name = name.to_owned();
        Ok(Process {
            pid,
            nonce,
            place: began.ok().map(|began| Place { name, began }),
        })
    }
}

/// See [`Place::name`].
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    Some(format!("{}/{space}", boot.trim()))
}

/// See [`Place::began`].
pub(super) fn began(pid: u32) -> Option<u64> {
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
