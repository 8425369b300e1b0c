//! The engine that holds the store: the one seam between the logic and what is an engine's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

#[cfg(feature = "mysql")]
use super::copying;
use super::error::{ErrorKind, StoreError};
use super::found::Found;
use super::marks::Mark;
#[cfg(feature = "mysql")]
use super::mysql;
use super::options::{Options, Server};
use super::server_facts::ServerFacts;
use super::sql::{Result, Sql};
use super::sqlite;
use super::sqlite::main_file::Main;
#[cfg(feature = "mysql")]
use crate::random::NoRandomNumbers;

/// Where an open store is.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    /// In a file on this machine.
    Sqlite { path: PathBuf, main: &'static Main },
    /// In a database on a server.
    #[cfg(feature = "mysql")]
    Mysql {
        hosts: Arc<mysql::hosts::Hosts>,
        ids: Arc<mysql::ids::Ids>,
    },
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
        if let Some(server) = &options.server {
            return Engine::open_server(server, &failing);
        }
        let path = &options.path;
        let (connection, main) = sqlite::open::for_writing(path)?;
        refuse_marked(&mut &connection, &path.display().to_string())?;
        let committer = sqlite::committer::Committer::new(path, main, connection, failing)?;
        let path = path.to_owned();
        Ok((
            Engine::Sqlite { path, main },
            vec![Committer::Sqlite(committer)],
        ))
    }

    #[cfg(feature = "mysql")]
    fn open_server(
        server: &Server,
        failing: &Arc<AtomicBool>,
    ) -> std::result::Result<(Engine, Vec<Committer>), StoreError> {
        let no_numbers =
            |error: NoRandomNumbers| StoreError::new(ErrorKind::Other, error.to_string());
        let hosts = Arc::new(mysql::hosts::Hosts::new(server));
        let ids = Arc::new(mysql::ids::Ids::new().map_err(no_numbers)?);
        mysql::schema::migrate(&hosts, &ids)?;
        let readers = mysql::readers::Readers::new(&hosts, &ids);
        readers.with(|sql| refuse_marked(sql, &server.to_string()))?;
        let committer = |_| mysql::committer::Committer::new(&hosts, &ids, Arc::clone(failing));
        let committers = (0..server.connections.max(1))
            .map(committer)
            .map(|committer| committer.map(Committer::Mysql));
        let committers = committers.collect::<std::result::Result<_, _>>();
        let committers = committers.map_err(no_numbers)?;
        Ok((Engine::Mysql { hosts, ids }, committers))
    }

    #[cfg(not(feature = "mysql"))]
    fn open_server(
        _: &Server,
        _: &Arc<AtomicBool>,
    ) -> std::result::Result<(Engine, Vec<Committer>), StoreError> {
        Err(StoreError::not_built())
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(super) fn session(&self) -> std::result::Result<Session, StoreError> {
        match self {
            Engine::Sqlite { path, .. } => Session::of_file(path),
            #[cfg(feature = "mysql")]
            Engine::Mysql { hosts, ids, .. } => {
                Ok(Session::Mysql(mysql::readers::Readers::new(hosts, ids)))
            }
        }
    }

    /// What says, on any thread, whether there is room for a large push, see `Store::probe_room`. Another engine looks
    /// after its own room.
    pub(super) fn has_room(
        &self,
    ) -> impl FnOnce() -> std::result::Result<(), StoreError> + Send + use<> {
        let main = match self {
            Engine::Sqlite { main, .. } => Some(*main),
            #[cfg(feature = "mysql")]
            Engine::Mysql { .. } => None,
        };
        move || main.map_or(Ok(()), Main::has_room)
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
            #[cfg(feature = "mysql")]
            Engine::Mysql { .. } => prove().map(|()| true),
        }
    }

    /// The file; `None`: it is on a server.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Engine::Sqlite { path, .. } => Some(path),
            #[cfg(feature = "mysql")]
            Engine::Mysql { .. } => None,
        }
    }
}

/// Checks the store as [`Store::open`](super::Store::open) would find it, and changes nothing.
///
/// # Errors
/// The error that opening it would return, as far as that is visible from outside.
pub fn examine(options: &Options) -> std::result::Result<Found, StoreError> {
    let found = match &options.server {
        None => sqlite::examine::examine(&options.path),
        #[cfg(feature = "mysql")]
        Some(server) => mysql::readers::examine(server),
        #[cfg(not(feature = "mysql"))]
        Some(_) => Err(StoreError::not_built()),
    }?;
    if found == Found::Current {
        Session::open(options)?.with(|sql| refuse_marked(sql, &options.to_string()))?;
    }
    Ok(found)
}

/// Refuses a store that was moved to another place, or is not complete.
fn refuse_marked(sql: &mut dyn Sql, place: &str) -> std::result::Result<(), StoreError> {
    let mark = Mark::of(sql).map_err(|error| StoreError::of_sql(place, &error))?;
    mark.refusal(place).map_or(Ok(()), Err)
}

/// A connection for reading.
#[derive(Debug)]
pub(super) enum Session {
    /// To a file on this machine.
    Sqlite(Connection),
    /// To a server.
    #[cfg(feature = "mysql")]
    Mysql(mysql::readers::Readers),
}

impl Session {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// When there is none, or it belongs to another program or another version.
    pub(super) fn open(options: &Options) -> std::result::Result<Session, StoreError> {
        match &options.server {
            None => Session::of_file(&options.path),
            Some(server) => Session::of_server(server),
        }
    }

    /// The same; `None` if there is none yet.
    ///
    /// # Errors
    /// When it belongs to another program or another version.
    pub(super) fn open_if_any(
        options: &Options,
    ) -> std::result::Result<Option<Session>, StoreError> {
        if options.server.is_none() && !options.path.exists() {
            return Ok(None);
        }
        match Session::open(options) {
            Err(error) if options.server.is_some() && error.kind() == ErrorKind::Gone => Ok(None),
            opened => opened.map(Some),
        }
    }

    #[cfg(feature = "mysql")]
    fn of_server(server: &Server) -> std::result::Result<Session, StoreError> {
        mysql::readers::Readers::open(server).map(Session::Mysql)
    }

    #[cfg(not(feature = "mysql"))]
    fn of_server(_: &Server) -> std::result::Result<Session, StoreError> {
        Err(StoreError::not_built())
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
            #[cfg(feature = "mysql")]
            Session::Mysql(readers) => {
                copying::back_up(readers.server(), target, &mut { progress })
            }
        }
    }

    /// What the server says about itself; `None`: there is no server.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn server(&self) -> Result<Option<ServerFacts>> {
        match self {
            Session::Sqlite(_) => Ok(None),
            #[cfg(feature = "mysql")]
            Session::Mysql(readers) => readers.facts().map(Some),
        }
    }

    /// Numbers of the pages of the file that contain the bytes of `text`; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn pages_with(&self, text: &str) -> Result<Vec<i64>> {
        match self {
            Session::Sqlite(connection) => Ok(sqlite::dbpage::pages_with(connection, text)?),
            #[cfg(feature = "mysql")]
            Session::Mysql(_) => Ok(Vec::new()),
        }
    }

    /// Lends the connection.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut dyn Sql) -> T) -> T {
        match self {
            Session::Sqlite(connection) => read(&mut &*connection),
            #[cfg(feature = "mysql")]
            Session::Mysql(readers) => readers.with(read),
        }
    }
}

/// A connection that commits.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few, and they do not move"
)]
pub(super) enum Committer {
    /// To a file on this machine.
    Sqlite(sqlite::committer::Committer),
    /// To a server.
    #[cfg(feature = "mysql")]
    Mysql(mysql::committer::Committer),
}

impl Committer {
    /// Runs `work` in one transaction, and commits it. Returns whether that wrote anything.
    ///
    /// # Errors
    /// When nothing was committed, or that is not known.
    pub(super) fn commit(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>,
    ) -> Result<bool> {
        match self {
            Committer::Sqlite(committer) => committer.commit(work),
            #[cfg(feature = "mysql")]
            Committer::Mysql(committer) => committer.commit(work),
        }
    }

    /// Ends a transaction that was left open, as by a panic.
    pub(super) fn roll_back(&mut self) {
        match self {
            Committer::Sqlite(committer) => committer.roll_back(),
            #[cfg(feature = "mysql")]
            Committer::Mysql(committer) => committer.roll_back(),
        }
    }

    /// Called between two commits, after the last one was answered.
    pub(super) fn between_commits(&mut self) {
        match self {
            Committer::Sqlite(committer) => committer.between_commits(),
            #[cfg(feature = "mysql")]
            Committer::Mysql(_) => {}
        }
    }

    /// Closes the connection.
    pub(super) fn close(self) {
        match self {
            Committer::Sqlite(committer) => committer.close(),
            #[cfg(feature = "mysql")]
            Committer::Mysql(committer) => committer.close(),
        }
    }
}
