//! The files of the open store: whether those at `store.path` are still the open ones, and complete.
//!
//! SQLite does not notice when a file is deleted, replaced or truncated, and keeps writing to a file that a crash
//! loses. A commit needs the main file, the write-ahead log next to it (`-wal`), and the index of the log (`-shm`): a
//! program that recreates the index shares no locks with the others.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ffi};

use super::main_file::{Main, beside};
use super::wal::{LogState, log_state, move_log};

/// Bytes of the log before its first frame, and of a frame before its page (SQLite's file format, "The WAL File").
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

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
    device: u64,
    inode: u64,
    seen: Seen,
    /// Open for the lifetime of the process, like [`Main`].
    file: &'static File,
}

/// What changes with every write to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

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
        // SQLite keeps the log and its index next to the target of a symbolic link.
        let real = fs::canonicalize(path)?;
        Ok(OpenFile {
            open: main,
            moves: 0,
            main: Part::at(path.to_owned())?,
            log: Part::at(beside(&real, "-wal"))?,
            index: Part::at(beside(&real, "-shm"))?,
            page_size: page_size.unsigned_abs(),
        })
    }

    /// Length of the write-ahead log in bytes at the last check.
    pub(super) fn log_length(&self) -> u64 {
        self.log.seen.length
    }

    /// The check before a commit: three system calls, about a microsecond in all, and more only if another program has
    /// written. A file that was moved away is noticed after the commit.
    ///
    /// # Errors
    /// When a file is missing or replaced, the log is incomplete, or the main file lacks pages. The text says what was
    /// saved, and what to do.
    pub(super) fn before_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.check(connection, Part::look_at_open, |before, now| before != now)
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
        let whole = |main: &Seen, file: &OpenFile| {
            file.log_is_whole(connection)
                && (main.length >= file.main.seen.length || file.has_all_pages(connection))
        };
        match (self.main.look(), self.log.look(), self.index.look()) {
            (Ok(main), Ok(_), Ok(_)) => whole(&main, self),
            (Err(_), Ok(_), Ok(_)) => self.log_is_whole(connection),
            (_, Err(_), _) | (_, _, Err(_)) => false,
        }
    }

    fn check(
        &mut self,
        connection: &Connection,
        look: fn(&Part) -> Result<Seen, String>,
        is_suspicious: impl Fn(Seen, Seen) -> bool,
    ) -> rusqlite::Result<()> {
        let put_back = "put it back, or restart the server";
        let moves = self.open.moves.load(Ordering::Relaxed);
        let main = match look(&self.main) {
            Ok(main) => main,
            Err(how) => return Err(lost(&self.main.path, &how, put_back)),
        };
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
        if is_suspicious(self.log.seen, log) && !self.log_is_whole(connection) {
            return Err(broken(
                &self.log.path,
                "was emptied or overwritten while it was in use; what it held is lost: restart the server",
            ));
        }
        if main.length < self.main.seen.length && !self.has_all_pages(connection) {
            return Err(broken(
                &self.main.path,
                "was made shorter while it was in use; stop the server and restore a copy made by `wechatd backup`",
            ));
        }
        self.open.length.store(main.length, Ordering::Relaxed);
        self.moves = moves;
        self.main.seen = main;
        self.log.seen = log;
        self.index.seen = index;
        Ok(())
    }

    /// Whether the log has everything that was committed to it: it is long enough, and its last commit belongs to this
    /// log. Any program may empty a log that was moved to the main file completely.
    fn log_is_whole(&self, connection: &Connection) -> bool {
        let look = || {
            let LogState { frames, .. } = log_state(connection).ok()?;
            if frames == 0 {
                return Some(());
            }
            let file = File::open(&self.log.path).ok()?;
            let last = LOG_HEADER + (frames - 1) * (FRAME_HEADER + self.page_size);
            let (mut begin, mut frame) = ([0; LOG_HEADER as usize], [0; FRAME_HEADER as usize]);
            file.read_exact_at(&mut begin, 0).ok()?;
            file.read_exact_at(&mut frame, last).ok()?;
            let is_a_log = begin[..3] == LOG_MAGIC;
            let is_commit = frame[4..8] != [0; 4];
            let is_of_this_log = frame[8..16] == begin[16..24];
            // Looked at last: other programs go on writing.
            let length = file.metadata().ok()?.len();
            let is_long_enough = length >= last + FRAME_HEADER + self.page_size;
            (is_a_log && is_commit && is_of_this_log && is_long_enough).then_some(())
        };
        (0..LOOKS).any(|looks| {
            if looks > 0 {
                thread::sleep(RETRY);
            }
            self.log.look().is_ok() && look().is_some()
        })
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
            let file = File::open(&self.log.path).ok()?;
            for frame in 0..log_state(connection).ok()?.frames {
                let mut number = [0; 4];
                let at = LOG_HEADER + frame * (FRAME_HEADER + self.page_size);
                file.read_exact_at(&mut number, at).ok()?;
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
    fn save_log(&self, connection: &Connection, main: Seen) -> bool {
        let moves = self.open.moves.load(Ordering::Relaxed);
        // Odd: a move is running.
        let was_moved_here = moves != self.moves || moves % 2 == 1;
        let nobody_wrote = match (fs::metadata(&self.log.path), self.index.look()) {
            (Ok(other), _) if other.len() > 0 => false,
            (_, Ok(_)) => true,
            (_, Err(_)) => main == self.main.seen || was_moved_here,
        };
        let move_all = || with_retries(|| move_log(connection, self.open).transpose());
        nobody_wrote && matches!(move_all(), Some(Ok(state)) if state.left() == 0)
    }
}

impl Part {
    fn at(path: PathBuf) -> io::Result<Part> {
        let file = File::open(&path)?;
        let found = file.metadata()?;
        Ok(Part {
            device: found.dev(),
            inode: found.ino(),
            seen: Seen::of(&found),
            path,
            file: Box::leak(Box::new(file)),
        })
    }

    /// Checks the open file: deleted or replaced files are noticed. A file that was moved away is noticed only by
    /// [`Part::look`], which costs several times as much.
    fn look_at_open(&self) -> Result<Seen, String> {
        match self.file.metadata() {
            Ok(found) if found.nlink() > 0 => Ok(Seen::of(&found)),
            Ok(_) | Err(_) => self.look(),
        }
    }

    /// The file at the path, if it is the open one; otherwise what happened to it.
    fn look(&self) -> Result<Seen, String> {
        match fs::metadata(&self.path) {
            Ok(found) if found.dev() == self.device && found.ino() == self.inode => {
                Ok(Seen::of(&found))
            }
            Ok(_) => Err("another file was put in its place".to_owned()),
            Err(error) => Err(format!("it was removed ({error})")),
        }
    }
}

impl Seen {
    fn of(found: &fs::Metadata) -> Seen {
        Seen {
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}

/// Retries while another thread or program moves the log.
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
