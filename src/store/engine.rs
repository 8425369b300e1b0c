//! The engine that holds the store: the one seam between the logic and what is an engine's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

use super::error::StoreError;
use super::options::Options;
use super::sql::{Result, Sql};
use super::sqlite;
use super::sqlite::main_file::Main;

/// Where an open store is.
#[derive(Debug)]
pub(super) enum Engine {
    /// In a file on this machine.
    Sqlite { path: PathBuf, main: &'static Main },
}

impl Engine {
    /// Opens the store for writing. Creates it, or migrates it to this program's schema, first. Returns also what commits:
    /// each on a thread of its own. They have less patience while `failing`.
    ///
    /// # Errors
    /// When it belongs to another program or a newer version, is damaged or not writable.
    pub(super) fn open(
        options: &Options,
        failing: Arc<AtomicBool>,
    ) -> std::result::Result<(Engine, Vec<Committer>), StoreError> {
        let path = &options.path;
        let (connection, main) = sqlite::open::for_writing(path)?;
        let committer = sqlite::committer::Committer::new(path, main, connection, failing)?;
        let path = path.to_owned();
        Ok((
            Engine::Sqlite { path, main },
            vec![Committer::Sqlite(committer)],
        ))
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(super) fn session(&self) -> std::result::Result<Session, StoreError> {
        match self {
            Engine::Sqlite { path, .. } => Session::of_file(path),
        }
    }

    /// What says, on any thread, whether there is room for a large push, see `Store::probe_room`. Another engine looks
    /// after its own room.
    pub(super) fn has_room(
        &self,
    ) -> impl FnOnce() -> std::result::Result<(), StoreError> + Send + use<> {
        match self {
            Engine::Sqlite { main, .. } => {
                let main = *main;
                move || main.has_room()
            }
        }
    }

    /// Moves the write-ahead log into the file and empties it, see `Store::empty_log`; `prove` writes a commit. Where
    /// there is no file there is nothing to empty.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) fn empty_log(
        &self,
        prove: impl FnOnce() -> std::result::Result<(), StoreError>,
    ) -> std::result::Result<bool, StoreError> {
        match self {
            Engine::Sqlite { path, main } => {
                // The writer checks the files before each commit, so that an incomplete log is never moved.
                prove()?;
                sqlite::wal::empty_log(path, main)
            }
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        match self {
            Engine::Sqlite { path, .. } => path,
        }
    }
}

/// A connection for reading.
#[derive(Debug)]
pub(super) enum Session {
    /// To a file on this machine.
    Sqlite(Connection),
}

impl Session {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// When there is none, or it belongs to another program or another version.
    pub(super) fn open(options: &Options) -> std::result::Result<Session, StoreError> {
        Session::of_file(&options.path)
    }

    fn of_file(path: &Path) -> std::result::Result<Session, StoreError> {
        Ok(Session::Sqlite(sqlite::open::for_reading(path)?))
    }

    /// Makes a consistent copy of the store, see `Reader::backup`.
    ///
    /// # Errors
    /// When `target` exists already or cannot be written.
    pub(super) fn backup(
        &self,
        target: &Path,
        progress: impl FnMut(u64, u64),
    ) -> std::result::Result<(), StoreError> {
        match self {
            Session::Sqlite(connection) => sqlite::copy::copy_out(connection, target, progress),
        }
    }

    /// Numbers of the pages of the file that contain the bytes of `text`; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn pages_with(&self, text: &str) -> Result<Vec<i64>> {
        match self {
            Session::Sqlite(connection) => Ok(sqlite::dbpage::pages_with(connection, text)?),
        }
    }

    /// Lends the connection.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut dyn Sql) -> T) -> T {
        match self {
            Session::Sqlite(connection) => read(&mut &*connection),
        }
    }
}

/// A connection that commits.
pub(super) enum Committer {
    /// To a file on this machine.
    Sqlite(sqlite::committer::Committer),
}

impl Committer {
    /// Runs `work` in one transaction, and commits it.
    ///
    /// # Errors
    /// When nothing was committed, or that is not known.
    pub(super) fn commit(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>,
    ) -> Result<()> {
        match self {
            Committer::Sqlite(committer) => committer.commit(work),
        }
    }

    /// Ends a transaction that was left open, as by a panic.
    pub(super) fn roll_back(&mut self) {
        match self {
            Committer::Sqlite(committer) => committer.roll_back(),
        }
    }

    /// Called between two commits, after the last one was answered.
    pub(super) fn between_commits(&mut self) {
        match self {
            Committer::Sqlite(committer) => committer.between_commits(),
        }
    }

    /// Closes the connection.
    pub(super) fn close(self) {
        match self {
            Committer::Sqlite(committer) => committer.close(),
        }
    }
}
