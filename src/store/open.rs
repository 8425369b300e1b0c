//! The store, open for writing or reading.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::{Engine, Session};
use super::error::StoreError;
use super::options::Options;
use super::pauses::Turn;
use super::process::{NodeId, Process};
use super::server_facts::ServerFacts;
use super::sql::{self, Sql};
use super::writer::Writer;
use crate::metrics::Commits;
use crate::trouble::Troubles;

/// The store, open for writing. Dropping it ends the writer thread, after all submitted work.
#[derive(Debug)]
pub struct Store {
    pub(super) engine: Engine,
    pub(super) writer: Writer,
    pub(super) process: Process,
    pub(super) node: NodeId,
    /// Readers that nobody uses at the moment: as many as have read at a time. `None`: none are kept any more.
    idle: Arc<Mutex<Option<Vec<Reader>>>>,
    /// Of the long reads of all its readers.
    turn: Turn,
}

impl Store {
    /// Opens the file. Creates it, or migrates it to this program's schema, first.
    ///
    /// # Errors
    /// When the path is a folder, or the file belongs to another program or a newer version, is damaged or not writable.
    pub fn open(options: &Options) -> Result<Store, StoreError> {
        let failing = Arc::<AtomicBool>::default();
        let (engine, committers) = Engine::open(options, Arc::clone(&failing))?;
        Ok(Store {
            engine,
            writer: Writer::start(committers, failing)?,
            process: Process::this()?,
            node: NodeId::new()?,
            idle: Arc::new(Mutex::new(Some(Vec::new()))),
            turn: Turn::default(),
        })
    }

    /// The same store with another handle to its writer.
    pub(super) fn with_writer(&self, writer: Writer) -> Store {
        Store {
            engine: self.engine.clone(),
            writer,
            process: self.process.clone(),
            node: self.node,
            idle: Arc::clone(&self.idle),
            turn: self.turn.clone(),
        }
    }

    /// From now on it is trouble when commits fail. A command reports what fails by itself.
    pub fn report_to(&self, troubles: Arc<Troubles>) {
        self.writer.report_to(troubles);
    }

    /// The commits so far.
    #[must_use]
    pub fn commits(&self) -> &Commits {
        self.writer.commits()
    }

    /// The file; `None`: it is on a server.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.engine.file()
    }

    /// A separate connection for reading.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let session = self.engine.session()?;
        let turn = self.turn.clone();
        Ok(Reader { session, turn })
    }

    /// Reads with a connection that is kept for the next call: to open one takes longer than most reads.
    ///
    /// # Errors
    /// When the store cannot be read; the next call opens it again.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.idle().as_mut().and_then(Vec::pop);
        let reader = kept.map_or_else(|| self.reader(), Ok)?;
        let found = read(&reader)?;
        if let Some(idle) = &mut *self.idle() {
            idle.push(reader);
        }
        Ok(found)
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Reader>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the writer after all submitted work, and moves the write-ahead log into the file.
    pub fn close(&self) {
        // The last connection to a store moves the log.
        *self.idle() = None;
        self.writer.stop();
    }
}

/// The store, open for reading.
#[derive(Debug)]
pub struct Reader {
    session: Session,
    pub(super) turn: Turn,
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// When there is none, or it belongs to another program or another version.
    pub fn open(options: &Options) -> Result<Reader, StoreError> {
        Session::open(options).map(Reader::of)
    }

    /// The same; `None` if there is none yet.
    ///
    /// # Errors
    /// When it belongs to another program or another version.
    pub fn open_if_any(options: &Options) -> Result<Option<Reader>, StoreError> {
        Ok(Session::open_if_any(options)?.map(Reader::of))
    }

    /// Whether other machines may use the store at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.session {
            Session::Sqlite(_) => false,
            #[cfg(feature = "mysql")]
            Session::Mysql(_) => true,
        }
    }

    fn of(session: Session) -> Reader {
        Reader {
            session,
            turn: Turn::default(),
        }
    }

    /// Makes a consistent copy of the store in a new file, private to its owner, while the server runs. The file name
    /// ends with `.part` until it is complete and on disk. `progress` gets the copied pages and the total.
    ///
    /// # Errors
    /// When `target` exists already or cannot be written.
    pub fn backup(&self, target: &Path, progress: impl FnMut(u64, u64)) -> Result<(), StoreError> {
        self.session.backup(target, progress)
    }

    /// What the server of the store says about itself; `None`: it is in a file.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn server(&self) -> Result<Option<ServerFacts>, StoreError> {
        let facts = self.session.server();
        facts.map_err(|error| StoreError::of_sql("read", &error))
    }

    /// Numbers of the pages of the file that contain the bytes of `text`.
    pub(super) fn pages_with(&self, text: &str) -> Result<Vec<i64>, StoreError> {
        let pages = self.session.pages_with(text);
        pages.map_err(|error| StoreError::of_sql("read", &error))
    }

    /// Reads with one connection.
    ///
    /// # Errors
    /// Those of the engine, and of `read`.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut dyn Sql) -> sql::Result<T>,
    ) -> Result<T, StoreError> {
        self.session
            .with(read)
            .map_err(|error| StoreError::of_sql("read", &error))
    }

    /// The SQLite connection behind this.
    #[cfg(test)]
    pub(super) fn sqlite(&self) -> &rusqlite::Connection {
        match &self.session {
            Session::Sqlite(connection) => connection,
            #[cfg(feature = "mysql")]
            Session::Mysql(_) => unreachable!("a statement that is written for SQLite only"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_reader_leaves_the_log_of_a_file_that_was_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        store.keep_setting("name", "value").unwrap();
        let emptied = fs::OpenOptions::new().write(true).open(&path).unwrap();
        emptied.set_len(0).unwrap();
        assert!(store.reader().is_err());
        assert!(folder.path().join("wechat.db-wal").exists());
    }

    #[test]
    fn a_reader_is_kept_and_let_go_when_the_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let follows = || store.read(|reader| reader.follower("oNobody"));
        let kept = || store.idle().as_ref().map(Vec::len);
        assert_eq!(follows().unwrap(), None);
        assert_eq!(follows().unwrap(), None);
        assert_eq!(kept(), Some(1));
        store.close();
        assert_eq!(kept(), None);
        let log = folder.path().join("wechat.db-wal");
        assert!(path.exists() && !log.exists());
        assert_eq!(follows().unwrap(), None);
        assert_eq!(kept(), None);
    }
}
