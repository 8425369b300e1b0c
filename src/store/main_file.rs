//! The main file of the store, held open: room on its disk, and when it may take pages from the write-ahead log.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::{ErrorKind, StoreError};

/// Bytes that a large push can take: its text is kept twice, as received and as rules read it, and pages are written
/// whole. One of 60 kB, more than the platform sends, takes a third of it.
const ROOM: u64 = 512 << 10;

/// The main file, open for as long as the process lives: to close it would end all locks that SQLite has on it.
#[derive(Debug)]
pub(super) struct Main {
    file: File,
    /// Begins and ends of moves from the log to it by this process.
    pub(super) moves: AtomicU64,
    /// Bytes that it has had, or has by a `VACUUM`.
    pub(super) length: AtomicU64,
    is_low: AtomicBool,
}

impl Main {
    pub(super) fn of(file: File) -> &'static Main {
        Box::leak(Box::new(Main {
            file,
            moves: AtomicU64::new(0),
            length: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
        }))
    }

    /// Has something of the log moved to it. Nothing, where the file became shorter: it would be long again, with a
    /// hole in it that nobody notices.
    pub(super) fn moving<T>(
        &self,
        what: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let is = self.file.metadata().map_or(0, |found| found.len());
        if is < self.length.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.moves.fetch_add(1, Ordering::Relaxed);
        let moved = what().map(Some);
        self.moves.fetch_add(1, Ordering::Relaxed);
        moved
    }

    /// Whether its disk has room for a large push. Says once in the log when it has not.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        // A disk that does not tell is full when it refuses a write.
        let Ok(disk) = rustix::fs::fstatvfs(&self.file) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let is_low = free < ROOM;
        let was_low = self.is_low.swap(is_low, Ordering::Relaxed);
        if !is_low {
            return Ok(());
        }
        let error = StoreError::new(
            ErrorKind::Full,
            format!(
                "store: {} KiB are free on its disk, and a large push can need {}: make room",
                free >> 10,
                ROOM >> 10
            ),
        );
        if !was_low {
            log::error!("{error}; until then /healthz answers 503, and such a push too");
        }
        Err(error)
    }

    /// Waits until all that was written to it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The path with something appended to its last part.
pub(super) fn beside(path: &Path, appended: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(path);
    name.push(appended);
    PathBuf::from(name)
}
