//! This process and others that use the store: which of them are still running.

use std::fmt;
use std::fs;
use std::num::ParseIntError;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::error::{ErrorKind, StoreError};
use crate::random;

/// A process, as recorded in a lease that it holds, or in its row of `nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pid: u32,
    /// Distinguishes this process from an earlier one with the same id, as in a container.
    nonce: u64,
    /// Where the id is valid; `None` in leases of an older wechatd, or without /proc.
    place: Option<Place>,
}

/// One boot of a machine and a PID namespace on it: two containers that share the store have different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The kernel's id of the boot, `/`, the inode of the PID namespace, and where there are such, `/` and that of the time
    /// namespace, which may move what /proc says about the start of a process.
    name: String,
    /// When the process started, in clock ticks since boot, because process ids are reused.
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

    /// Whether it can be seen from here that another process has ended.
    pub(super) fn sees_others(&self) -> bool {
        self.place.is_some()
    }

    /// Whether the process that `self` found in the store may still be running. It is known to have ended
    /// only if it would be visible from here.
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
            // A process of another user, hidden from us in /proc.
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

/// One run of the program: 16 random bytes, because ids of processes are reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) [u8; 16]);

impl NodeId {
    pub(super) fn new() -> Result<NodeId, StoreError> {
        let bytes = random::bytes()
            .map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
        Ok(NodeId(bytes))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of this machine.
#[must_use]
pub fn machine() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// See [`Place::name`].
fn place() -> Option<String> {
    // That of another PID namespace tells of other processes.
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str() != Some(&std::process::id().to_string()) {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = |kind: &str| Some(fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino());
    let processes = format!("{}/{}", boot.trim(), space("pid")?);
    Some(match space("time") {
        Some(time) => format!("{processes}/{time}"),
        None => processes,
    })
}

/// See [`Place::began`].
pub(super) fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may contain anything; the start time is the 22nd.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether such a process exists, even one that this user may not inspect.
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}
