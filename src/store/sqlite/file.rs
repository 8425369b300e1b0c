//! The files of the open store: whether those at `store.path` are still the open ones, and complete.
//!
//! SQLite does not notice when a file is deleted, replaced or truncated, and keeps writing to a file that a crash
//! loses. A commit needs the main file, the write-ahead log next to it (`-wal`), and the index of the log (`-shm`): a
//! program that recreates the index shares no locks with the others.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ffi};
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, makedev, statx};

use super::main_file::{Main, log_and_index};
use super::wal::{FRAME_HEADER, LOG_HEADER, begin_of_frame, log_state, move_log};

/// Bytes of the header of the index (SQLite's "The WAL-Index File Format").
const INDEX_HEADER: usize = 48;

/// The magic number of a log; a fourth byte gives the byte order of its checksums.
const LOG_MAGIC: [u8; 3] = [0x37, 0x7f, 0x06];

/// How often a log that seems wrong is looked at: another program may begin it anew, or write to its index, at any moment.
const LOOKS: u32 = 10;

/// Pause between two looks.
const RETRY: Duration = Duration::from_millis(5);

/// The files that were opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    open: &'static Main,
    /// [`Main::moves`] at the last successful check.
    moves: u64,
    main: Part,
    log: Part,
    index: Part,
    page_size: u64,
}

/// One of the files, as of the last successful check.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    /// What is asked about it.
    asked: StatxFlags,
    found: Found,
    /// Open for the lifetime of the process, like [`Main`].
    file: &'static File,
}

/// What the system says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    device: u64,
    inode: u64,
    links: u64,
    length: u64,
    /// Of the main file, when it was written: seconds and nanoseconds.
    modified: Option<(i64, i64)>,
}

/// What is asked about every file.
///
/// Not when it was written: since Linux 6.13 (multigrain timestamps) the write after such a question notes a new time. On
/// ext4 without a journal that was one more write to the disk with each commit, and half of its time again.
const ASKED: StatxFlags = StatxFlags::INO
    .union(StatxFlags::NLINK)
    .union(StatxFlags::SIZE);

impl OpenFile {
    /// Remembers the files of the store at `path`, which `connection` has just opened and read.
    pub(super) fn at(
        path: &Path,
        main: &'static Main,
        connection: &Connection,
    ) -> io::Result<OpenFile> {
        let page_size: i64 = connection
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .map_err(io::Error::other)?;
        let [log, index] = log_and_index(path)?;
        Ok(OpenFile {
            open: main,
            moves: 0,
            main: Part::at(path.to_owned(), ASKED.union(StatxFlags::MTIME))?,
            log: Part::at(log, ASKED)?,
            index: Part::at(index, ASKED)?,
            page_size: page_size.unsigned_abs(),
        })
    }

    /// Bytes of a page.
    pub(super) fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Length of the write-ahead log in bytes at the last check.
    pub(super) fn log_length(&self) -> u64 {
        self.log.found.length
    }

    /// The check before a commit: seven system calls, none of which waits for the disk. A file that was moved away is
    /// noticed after the commit.
    ///
    /// # Errors
    /// When a file is missing or replaced, the log is incomplete, or the main file lacks pages. The text says what was
    /// saved, and what to do.
    pub(super) fn before_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.check(connection, Part::look_at_open, |_, _| true)
    }

    /// The check after a commit, before it is acknowledged: a file may have disappeared in the meantime.
    ///
    /// # Errors
    /// As [`OpenFile::before_commit`].
    pub(super) fn after_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.check(connection, Part::look, |before, now| {
            now.length < before.length
        })
    }

    /// Whether SQLite may move the log into the main file and delete it on close: not if the log was replaced or is
    /// damaged. If only the main file was moved away, the log must not be left for the next file of this name.
    pub(super) fn may_fold(&mut self, connection: &Connection) -> bool {
        let whole = |main: &Found, file: &OpenFile| {
            file.log_is_whole()
                && (main.length >= file.main.found.length || file.has_all_pages(connection))
        };
        match (self.main.look(), self.log.look(), self.index.look()) {
            (Ok(main), Ok(_), Ok(_)) => whole(&main, self),
            (Err(_), Ok(_), Ok(_)) => self.log_is_whole(),
            (_, Err(_), _) | (_, _, Err(_)) => false,
        }
    }

    fn check(
        &mut self,
        connection: &Connection,
        look: fn(&Part) -> Result<Found, String>,
        is_suspicious: impl Fn(&Found, &Found) -> bool,
    ) -> rusqlite::Result<()> {
        let put_back = "put it back, or restart the server";
        let moves = self.open.moves.load(Ordering::Relaxed);
        let main = match look(&self.main) {
            Ok(main) => main,
            Err(how) => return Err(lost(&self.main.path, &how, put_back)),
        };
        // Before the log: SQLite deletes that of an empty file, for any program that opens it.
        if main.length < self.main.found.length && !self.has_all_pages(connection) {
            return Err(broken(
                &self.main.path,
                "was made shorter while it was in use; stop the server and restore a copy made by `wechatd backup`",
            ));
        }
        let log = match look(&self.log) {
            Ok(log) => log,
            Err(how) => {
                let then = match self.save_log(connection, main) {
                    true => {
                        "what it held is saved in the store: put it back, or restart the server"
                    }
                    false => put_back,
                };
                return Err(lost(&self.log.path, &how, then));
            }
        };
        let index = match look(&self.index) {
            Ok(index) => index,
            Err(how) => return Err(lost(&self.index.path, &how, "restart the server")),
        };
        if is_suspicious(&self.log.found, &log) && !self.log_is_whole() {
            return Err(broken(
                &self.log.path,
                "was emptied or overwritten while it was in use; what it held is lost: restart the server",
            ));
        }
        self.open.length.store(main.length, Ordering::Relaxed);
        self.moves = moves;
        self.main.found = main;
        self.log.found = log;
        self.index.found = index;
        Ok(())
    }

    /// Whether the log has everything that was committed to it. Any program may empty a log that was moved to the main file
    /// completely.
    fn log_is_whole(&self) -> bool {
        (0..LOOKS).any(|looks| {
            if looks > 0 {
                thread::sleep(RETRY);
            }
            self.log_is_as_noted().unwrap_or(false)
        })
    }

    /// Whether the log begins and ends with what its index notes. While another program commits, that may look wrong.
    fn log_is_as_noted(&self) -> io::Result<bool> {
        let mut index = [0; INDEX_HEADER];
        self.index.file.read_exact_at(&mut index, 0)?;
        // Numbers of the index are in the byte order of the machine; its salts are as in the log.
        let number = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|n| index[at + n]));
        let Some(others) = number(16).checked_sub(1) else {
            return Ok(true);
        };
        let (mut begin, mut frame) = ([0; LOG_HEADER as usize], [0; FRAME_HEADER as usize]);
        let last = begin_of_frame(others.into(), self.page_size);
        let end = last + FRAME_HEADER + self.page_size;
        self.log.file.read_exact_at(&mut begin, 0)?;
        self.log.file.read_exact_at(&mut frame, last)?;
        self.log.file.read_exact_at(&mut [0], end - 1)?;
        let salts = &index[32..40];
        let is_this_log = begin[..3] == LOG_MAGIC && begin[16..24] == *salts;
        let is_its_last = frame[8..16] == *salts
            && frame[16..20] == number(24).to_be_bytes()
            && frame[20..] == number(28).to_be_bytes();
        Ok(is_this_log && is_its_last)
    }

    /// Whether every page of the store is in the main file, which became shorter, or in the log. `VACUUM` also makes it
    /// shorter. Without the first page, SQLite would delete the log at the next start.
    fn has_all_pages(&self, connection: &Connection) -> bool {
        let look = || {
            let pages: u64 = connection
                .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))
                .ok()?
                .unsigned_abs();
            let mut in_log = std::collections::BTreeSet::new();
            for frame in 0..log_state(connection).ok()?.frames {
                let mut number = [0; 4];
                let at = begin_of_frame(frame, self.page_size);
                self.log.file.read_exact_at(&mut number, at).ok()?;
                in_log.insert(u64::from(u32::from_be_bytes(number)));
            }
            // Looked at last: what leaves the log meanwhile is in the file.
            let length = self.main.look().ok()?.length;
            let mut others = length / self.page_size + 1..=pages;
            Some(length > 0 && others.all(|page| in_log.contains(&page)))
        };
        look().unwrap_or(false)
    }

    /// Moves a deleted log into the main file: it is still open here and can be read. Does nothing if another program
    /// may have written in the meantime.
    fn save_log(&self, connection: &Connection, main: Found) -> bool {
        let moves = self.open.moves.load(Ordering::Relaxed);
        // Odd: a move is running.
        let was_moved_here = moves != self.moves || moves % 2 == 1;
        let main_is_ours = main == self.main.found || was_moved_here;
        let nobody_wrote = || match (fs::metadata(&self.log.path), self.index.look()) {
            (Ok(other), _) if other.len() > 0 => false,
            (_, Ok(_)) => true,
            (_, Err(_)) => main_is_ours,
        };
        let has_moved_all = || match move_log(connection, self.open) {
            Ok(Some(state)) if state.left() == 0 => Some(true),
            Ok(_) => None,
            Err(_) => Some(false),
        };
        with_retries(|| match nobody_wrote() {
            true => has_moved_all(),
            false => Some(false),
        })
        .unwrap_or(false)
    }
}

impl Part {
    fn at(path: PathBuf, asked: StatxFlags) -> io::Result<Part> {
        let file: &File = Box::leak(Box::new(File::open(&path)?));
        let found = Found::of_open(file, asked)?;
        Ok(Part {
            path,
            asked,
            found,
            file,
        })
    }

    /// Checks the open file: deleted or replaced files are noticed. A file that was moved away is noticed only by
    /// [`Part::look`], which costs several times as much.
    fn look_at_open(&self) -> Result<Found, String> {
        match Found::of_open(self.file, self.asked) {
            Ok(found) if found.links > 0 => Ok(found),
            Ok(_) | Err(_) => self.look(),
        }
    }

    /// The file at the path, if it is the open one; otherwise what happened to it.
    fn look(&self) -> Result<Found, String> {
        match Found::at(&self.path, self.asked) {
            Ok(found) if (found.device, found.inode) == (self.found.device, self.found.inode) => {
                Ok(found)
            }
            Ok(_) => Err("another file was put in its place".to_owned()),
            Err(error) => Err(format!("it was removed ({error})")),
        }
    }
}

impl Found {
    fn of_open(file: &File, asked: StatxFlags) -> io::Result<Found> {
        match statx(file, c"", AtFlags::EMPTY_PATH, asked) {
            Ok(found) => Ok(Found::from(found)),
            // Linux before 4.11 does not know the call, and old containers refuse it.
            Err(_) => file.metadata().map(Found::from),
        }
    }

    fn at(path: &Path, asked: StatxFlags) -> io::Result<Found> {
        match statx(CWD, path, AtFlags::empty(), asked) {
            Ok(found) => Ok(Found::from(found)),
            Err(_) => fs::metadata(path).map(Found::from),
        }
    }
}

impl From<Statx> for Found {
    fn from(found: Statx) -> Found {
        let modified = (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into());
        Found {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            links: found.stx_nlink.into(),
            length: found.stx_size,
            modified: (found.stx_mask & StatxFlags::MTIME.bits() != 0).then_some(modified),
        }
    }
}

impl From<Metadata> for Found {
    fn from(found: Metadata) -> Found {
        Found {
            device: found.dev(),
            inode: found.ino(),
            links: found.nlink(),
            length: found.len(),
            modified: Some((found.mtime(), found.mtime_nsec())),
        }
    }
}

/// Retries while another thread or program moves the log, or reads the store.
fn with_retries<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    (0..20).find_map(|_| {
        let done = attempt();
        if done.is_none() {
            thread::sleep(RETRY);
        }
        done
    })
}

fn lost(path: &Path, how: &str, then: &str) -> rusqlite::Error {
    broken(
        path,
        &format!("is no longer the file that is open, {how}: {then}"),
    )
}

fn broken(path: &Path, what: &str) -> rusqlite::Error {
    let text = format!("{} {what}", path.display());
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTFOUND), Some(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::super::error::StoreError;
    use super::super::super::open::Store;
    use super::*;

    #[test]
    fn an_old_system_says_the_same_about_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "what it holds").unwrap();
        let old = Found::from(fs::metadata(file.path()).unwrap());
        let with_time = ASKED.union(StatxFlags::MTIME);
        assert_eq!(Found::at(file.path(), with_time).unwrap(), old);
        assert_eq!(Found::of_open(file.as_file(), with_time).unwrap(), old);
    }

    #[test]
    fn a_log_is_as_its_index_notes_after_each_commit_and_not_when_a_part_was_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let connection = Connection::open(&path).unwrap();
        let read = "SELECT count(*) FROM settings";
        connection
            .query_row(read, [], |row| row.get::<_, i64>(0))
            .unwrap();
        let main = Main::of(File::open(&path).unwrap());
        let file = OpenFile::at(&path, main, &connection).unwrap();
        for n in 0..50 {
            store.keep_setting("some", &n.to_string()).unwrap();
            assert!(file.log_is_as_noted().unwrap());
        }
        let log = fs::read(&file.log.path).unwrap();
        let pages = usize::try_from(log_state(&connection).unwrap().frames).unwrap();
        let last = 32 + (pages - 1) * (24 + 4_096);
        for at in [0, 16, last + 8, last + 16, last + 20] {
            let mut damaged = log.clone();
            damaged[at] ^= 1;
            fs::write(&file.log.path, damaged).unwrap();
            assert!(!file.log_is_as_noted().unwrap(), "at {at}");
        }
        fs::write(&file.log.path, &log[..last + 24 + 4_095]).unwrap();
        assert!(file.log_is_as_noted().is_err());
        fs::write(&file.log.path, log).unwrap();
        assert!(file.log_is_as_noted().unwrap());
    }

    #[test]
    fn commits_of_another_program_are_not_taken_for_a_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let done = AtomicBool::new(false);
        let refused = thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = Connection::open(&path).unwrap();
                other.busy_handler(Some(|_| true)).unwrap();
                other.execute_batch("PRAGMA synchronous = OFF").unwrap();
                while !done.load(Ordering::Relaxed) {
                    other
                        .execute_batch(
                            "REPLACE INTO settings (name, value) VALUES ('other', random())",
                        )
                        .unwrap();
                }
            });
            let keep = |n: i32| store.keep_setting("ours", &n.to_string()).err();
            let refused: Vec<StoreError> = (0..200).filter_map(keep).collect();
            done.store(true, Ordering::Relaxed);
            refused
        });
        assert!(refused.is_empty(), "{} of 200: {refused:?}", refused.len());
    }
}
