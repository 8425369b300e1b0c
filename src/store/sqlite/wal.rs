//! The write-ahead log: how full it is, how long it may be, and moving it to the main file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::super::error::{ErrorKind, StoreError};
use super::main_file::Main;

/// How long emptying the log may wait for other programs, and block the writer.
const PATIENCE: Duration = Duration::from_millis(100);

/// The log keeps this many bytes when it starts over. A commit that overwrites them syncs only its own pages; one that
/// extends the file also syncs the file system's journal.
pub(in crate::store) const KEPT: u64 = 24 << 20;

/// The log is lengthened by this many bytes at a time, when less is left. A commit that overwrites zeros is on the disk in
/// two thirds of the time of one that extends the file. Steps of a megabyte hold up the commits beside them.
pub(super) const AHEAD: u64 = 256 << 10;

/// With less than this free, in bytes, the log is not lengthened: its disk has better uses for the room.
const PLENTY: u64 = 64 << 20;

/// Bytes of the log before its first frame, and of a frame before its page (SQLite's file format, "The WAL File").
pub(super) const LOG_HEADER: u64 = 32;
pub(super) const FRAME_HEADER: u64 = 24;

/// How much of the log must still be moved.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct LogState {
    /// Pages in the log.
    pub(in crate::store) frames: u64,
    /// How many of them, from the start, are already in the main file.
    moved: u64,
}

impl LogState {
    pub(in crate::store) fn left(self) -> u64 {
        self.frames.saturating_sub(self.moved)
    }

    /// Whether a log of this length should be lengthened. Both are in bytes.
    pub(in crate::store) fn needs_length(self, length: u64, page_size: u64) -> bool {
        length + AHEAD <= KEPT && length < begin_of_frame(self.frames, page_size) + AHEAD
    }
}

/// Where the frame after this many begins in the log, in bytes.
pub(super) fn begin_of_frame(before: u64, page_size: u64) -> u64 {
    LOG_HEADER + before * (FRAME_HEADER + page_size)
}

/// Appends zeros to the log, which commits will overwrite, and waits until they are on disk. Does nothing where the disk
/// has little room.
///
/// This needs no lock: it overwrites nothing, whatever is written to the log meanwhile, and SQLite takes zeros for the end
/// of the log. `log`: the open one, to be appended to; another file at its path must stay as it is.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::store) fn lengthen_log(mut log: &File) -> io::Result<()> {
    let disk = rustix::fs::fstatvfs(log)?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < PLENTY {
        return Ok(());
    }
    io::copy(&mut io::repeat(0).take(AHEAD), &mut log)?;
    log.sync_data()
}

/// How full the log is; touches no file.
pub(in crate::store) fn log_state(connection: &Connection) -> rusqlite::Result<LogState> {
    let state = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    state.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Moves the pages that no reader needs, without waiting. `None` if another thread or program is moving them, or
/// [`Main::moving`] does not allow it.
pub(in crate::store) fn move_log(
    connection: &Connection,
    main: &Main,
) -> rusqlite::Result<Option<LogState>> {
    let moved = main.moving(|| checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)"));
    moved.map(Option::flatten)
}

/// Moves the log into the main file and empties it. False if other programs are using the store.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::store) fn empty_log(path: &Path, main: &Main) -> Result<bool, StoreError> {
    let checkpoint = || -> rusqlite::Result<bool> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        // Move most of it while pushes go on: the second step blocks the writer.
        let state = move_log(&connection, main)?;
        if state.is_none_or(|state| state.left() > 0) || main.sync().is_err() {
            return Ok(true);
        }
        let busy = main.moving(|| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        })?;
        Ok(busy.unwrap_or(true))
    };
    let emptied = checkpoint().map(|busy| !busy);
    emptied.or_else(|error| {
        let error = StoreError::from_sqlite("checkpoint", &error);
        match error.kind() {
            ErrorKind::Busy => Ok(false),
            ErrorKind::Full
            | ErrorKind::Gone
            | ErrorKind::Damaged
            | ErrorKind::Superseded
            | ErrorKind::TooLong
            | ErrorKind::TooNew
            | ErrorKind::Moved
            | ErrorKind::Other => Err(error),
        }
    })
}

/// Sets the length to which this connection truncates the log when it starts over.
pub(in crate::store) fn limit_log(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(
        None,
        "journal_size_limit",
        i64::try_from(bytes).unwrap_or(i64::MAX),
        |_| Ok(()),
    )
}

fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<Option<LogState>> {
    // SQLite reports -1 pages for a missing log.
    let pages = |pages: i64| u64::try_from(pages).unwrap_or(0);
    connection.prepare_cached(sql)?.query_row([], |row| {
        let is_busy: bool = row.get(0)?;
        let state = LogState {
            frames: pages(row.get(1)?),
            moved: pages(row.get(2)?),
        };
        Ok((!is_busy).then_some(state))
    })
}
