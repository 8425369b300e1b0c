//! The one connection that writes: transactions, and the checks of the file around them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::super::error::StoreError;
use super::super::options::PATIENCE;
use super::super::sql::{Result, Sql};
use super::checkpoint::Checkpointer;
use super::file::OpenFile;
use super::main_file::Main;

/// The same as [`PATIENCE`] after a failed commit: requests that arrived during the long wait need a timely answer, too.
const PATIENCE_WHILE_FAILING: Duration = Duration::from_millis(100);

/// Pause between two attempts to get a lock. SQLite's own busy handler soon sleeps 100 ms at a time, and misses the
/// short gaps of a program that commits continuously, such as a fast `followers sync`.
const RETRY: Duration = Duration::from_millis(1);

/// The writing connection, with what watches over its file.
pub(in super::super) struct Committer {
    connection: Connection,
    file: OpenFile,
    checkpointer: Checkpointer,
}

impl Committer {
    /// Of the file at `path`, which `connection` has just opened. While `failing`, it waits less for locks.
    pub(in super::super) fn new(
        path: &Path,
        main: &'static Main,
        mut connection: Connection,
        failing: Arc<AtomicBool>,
    ) -> std::result::Result<Committer, StoreError> {
        let file =
            OpenFile::at(path, main, &connection).map_err(|error| StoreError::at(path, error))?;
        connection
            .busy_handler(Some(wait_for_others(failing)))
            .map_err(|error| StoreError::from_sqlite("busy_handler", &error))?;
        let checkpointer = Checkpointer::start(path, main, file.page_size())?;
        Ok(Committer {
            connection,
            file,
            checkpointer,
        })
    }

    /// Runs `work` in one transaction, and commits it. Returns whether that wrote anything.
    pub(in super::super) fn commit(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>,
    ) -> Result<bool> {
        self.file.before_commit(&self.connection)?;
        let changes = self.connection.total_changes();
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let done = work(&mut &self.connection).and_then(|()| {
            let commit = self.connection.prepare_cached("COMMIT")?.execute([]);
            Ok(commit.map(drop)?)
        });
        if done.is_err() {
            self.roll_back();
        }
        done?;
        self.file.after_commit(&self.connection)?;
        Ok(self.connection.total_changes() != changes)
    }

    /// Ends a transaction that was left open, as by a panic.
    pub(in super::super) fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }

    /// Called between two commits, after the last one was answered.
    pub(in super::super) fn between_commits(&mut self) {
        self.checkpointer
            .between_commits(&self.connection, self.file.log_length());
    }

    /// The last process to close the store leaves one plain file, without a write-ahead log.
    pub(in super::super) fn close(mut self) {
        self.checkpointer.stop();
        if !self.file.may_fold(&self.connection) {
            let no_fold = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.connection.set_db_config(no_fold, true).ok();
        }
        if let Err((_, error)) = self.connection.close() {
            log::warn!("store: close: {error}");
        }
    }
}

/// The busy handler: decides whether SQLite retries while another program holds the lock.
fn wait_for_others(failing: Arc<AtomicBool>) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut begun = Instant::now();
    move |tries| {
        if tries == 0 {
            begun = Instant::now();
        }
        let patience = match failing.load(Ordering::Relaxed) {
            true => PATIENCE_WHILE_FAILING,
            false => PATIENCE,
        };
        let goes_on = begun.elapsed() < patience;
        if goes_on {
            thread::sleep(RETRY);
        }
        goes_on
    }
}
