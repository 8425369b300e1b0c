//! The write-ahead log: how full it is, how long it may be, and moving it to the main file.

use rusqlite::Connection;

use super::main_file::Main;

/// Bytes of the file that stay when the log begins anew. A commit that writes over what is there has the disk sync its
/// pages only; one that makes the file longer, the file system's journal as well.
pub(super) const KEPT: u64 = 24 << 20;

/// How much of the log is still to be moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogState {
    /// Pages in the log.
    pub(super) frames: u64,
    /// Those of them, from its beginning, that are in the main file as well.
    moved: u64,
}

impl LogState {
    pub(super) fn left(self) -> u64 {
        self.frames.saturating_sub(self.moved)
    }
}

/// How full the log is; touches no file.
pub(super) fn log_state(connection: &Connection) -> rusqlite::Result<LogState> {
    let state = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    state.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Moves what no reader needs in the log, and waits for nobody. Nothing where another does it just now, or may not.
pub(super) fn move_log(connection: &Connection, main: &Main) -> rusqlite::Result<Option<LogState>> {
    let moved = main.moving(|| checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)"));
    moved.map(Option::flatten)
}

/// What the log is shortened to when this connection begins it anew.
pub(super) fn limit_log(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(
        None,
        "journal_size_limit",
        i64::try_from(bytes).unwrap_or(i64::MAX),
        |_| Ok(()),
    )
}

fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<Option<LogState>> {
    // A log that is not there has -1 pages.
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
