//! The main file of the store, held open: free space on its disk, when pages of the log may be moved to it, and the paths
//! of what lies beside it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::error::{ErrorKind, StoreError};

/// Bytes that a large push may need: its text is stored twice, as received and as rules see it, in whole pages. A push
/// of 60 kB, more than the platform sends, needs a third of this.
const ROOM: u64 = 512 << 10;

/// How many bytes of the file are written to the disk at a time: a commit meanwhile waits for what the disk was given
/// before it. When a program that has read for long ends, 500 MB may be moved at once: a push then waited 70 to 200 ms,
/// and waits 8 to 14 ms with steps.
const STEP: usize = 1 << 20;

/// The main file, open for the lifetime of the process: closing it would release SQLite's POSIX locks on it.
#[derive(Debug)]
pub(in crate::store) struct Main {
    file: File,
    /// Counts starts and ends of moves from the log by this process; odd while one is running.
    pub(in crate::store) moves: AtomicU64,
    /// Its last known length in bytes; only a `VACUUM` makes it shorter.
    pub(in crate::store) length: AtomicU64,
    is_low: AtomicBool,
}

impl Main {
    pub(in crate::store) fn of(file: File) -> &'static Main {
        Box::leak(Box::new(Main {
            file,
            moves: AtomicU64::new(0),
            length: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
        }))
    }

    /// Runs `what`, which moves pages of the log to the file. Does nothing if the file was cut short: it would grow
    /// back with a hole that nobody notices.
    pub(in crate::store) fn moving<T>(
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

    /// Checks that the disk has room for a large push; logs once when it has not.
    pub(in crate::store) fn has_room(&self) -> Result<(), StoreError> {
        // If the file system does not say, a failed write will.
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

    /// Waits until everything written to it is on disk. In steps, so that no commit waits for all of it.
    pub(in crate::store) fn sync(&self) -> io::Result<()> {
        let length = i64::try_from(self.file.metadata()?.len()).unwrap_or(i64::MAX);
        for begin in (0..length).step_by(STEP) {
            match write_out(&self.file, begin) {
                Ok(()) => {}
                // A sandbox or an old container does not let it through.
                Err(error) if is_refused(&error) => break,
                // The call below would not report it again.
                Err(error) => return Err(error),
            }
        }
        self.file.sync_data()
    }
}

/// Writes the step of the file that begins there to the disk and waits for it. Its length and its blocks may not be on
/// disk yet.
#[allow(unsafe_code, reason = "no safe wrapper is known")]
fn write_out(file: &File, begin: i64) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the descriptor is open as long as `file` is, and the call takes no pointer.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), begin, STEP as i64, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

/// The path with `appended` at the end of its file name.
pub(in crate::store) fn beside(path: &Path, appended: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(path);
    name.push(appended);
    PathBuf::from(name)
}

/// The write-ahead log of a store and its index: SQLite keeps them next to the target of a symbolic link.
pub(super) fn log_and_index(path: &Path) -> io::Result<[PathBuf; 2]> {
    let real = fs::canonicalize(path)?;
    Ok(["-wal", "-shm"].map(|appended| beside(&real, appended)))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_several_steps_is_synced_and_what_cannot_be_written_out_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 2 * STEP + 1]).unwrap();
        assert!(Main::of(file).sync().is_ok());

        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let refused = write_out(&pipe, 0).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ESPIPE));
        assert!(!is_refused(&refused));
    }
}
