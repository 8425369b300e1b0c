//! The files of the open store: whether those at `store.path` are still the ones that a commit goes to, and whole.
//!
//! SQLite does not notice that a file is deleted, replaced or made shorter under it, and goes on writing where nothing
//! is found after a crash. What a commit needs then is the main file, and beside it the write-ahead log (`-wal`);
//! and the index of the log (`-shm`), because a program that makes it anew shares no locks with the rest.

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

/// What a log begins with; one more byte tells the order of bytes in its checksums.
const LOG_MAGIC: [u8; 3] = [0x37, 0x7f, 0x06];

/// Between two looks at a log that seems wrong: another program may have begun it anew just now.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The files that were opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    open: &'static Main,
    /// [`Main::moves`] when all was last right.
    moves: u64,
    main: Part,
    log: Part,
    index: Part,
    page_size: u64,
}

/// One of them, as it was when it was last seen to be right.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    device: u64,
    inode: u64,
    seen: Seen,
    /// Open for as long as the process lives, as [`Main`] is.
    file: &'static File,
}

/// What changes whenever somebody writes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl OpenFile {
    /// Remembers the files of the store at `path`, which `connection` has opened and read just now.
    pub(super) fn at(
        path: &Path,
        main: &'static Main,
        connection: &Connection,
    ) -> io::Result<OpenFile> {
        let page_size: i64 = connection
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .map_err(io::Error::other)?;
        // SQLite keeps the others beside the file that a symbolic link leads to.
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

    /// Bytes of the write-ahead log when it was last seen.
    pub(super) fn log_length(&self) -> u64 {
        self.log.seen.length
    }

    /// Asked before a commit: three system calls, about a microsecond in all, and more only where another program has
    /// written. That a file was moved away is noticed after the commit.
    ///
    /// # Errors
    /// When a file is another one or none, the log is not whole, or the main file lacks pages. The text says what of
    /// it is saved, and what to do.
    pub(super) fn before_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.check(connection, Part::look_at_open, |before, now| before != now)
    }

    /// Asked after a commit and before it is acknowledged: a file may have been taken away meanwhile.
    ///
    /// # Errors
    /// As [`OpenFile::before_commit`].
    pub(super) fn after_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.check(connection, Part::look, |before, now| {
            now.length < before.length
        })
    }

    /// Whether SQLite may move the log into the main file when it closes, and delete it: not where the log is another
    /// program's or damaged. Where only the main file was moved away, the log must not stay behind for the next file
    /// of this name.
    pub(super) fn may_fold(&mut self, connection: &Connection) -> bool {
        let whole = |main: &Seen, log: &Seen, file: &OpenFile| {
            file.log_is_whole(connection, log)
                && (main.length >= file.main.seen.length || file.has_all_pages(connection, main))
        };
        match (self.main.look(), self.log.look(), self.index.look()) {
            (Ok(main), Ok(log), Ok(_)) => whole(&main, &log, self),
            (Err(_), Ok(log), Ok(_)) => self.log_is_whole(connection, &log),
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
        if is_suspicious(self.log.seen, log) && !self.log_is_whole(connection, &log) {
            return Err(broken(
                &self.log.path,
                "was emptied or overwritten while it was in use; what it held is lost: restart the server",
            ));
        }
        if main.length < self.main.seen.length && !self.has_all_pages(connection, &main) {
            return Err(broken(
                &self.main.path,
                "was made shorter while it was in use; stop the server and put back a copy made by `wechatd backup`",
            ));
        }
        self.open.length.store(main.length, Ordering::Relaxed);
        self.moves = moves;
        self.main.seen = main;
        self.log.seen = log;
        self.index.seen = index;
        Ok(())
    }

    /// Whether the file at the log's place has all that was committed to it: it is long enough, and its last commit
    /// is one of this log. A log that was moved to the main file altogether may be emptied by any program.
    fn log_is_whole(&self, connection: &Connection, log: &Seen) -> bool {
        let look = |log: &Seen| {
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
            let is_long_enough = log.length >= last + FRAME_HEADER + self.page_size;
            (is_a_log && is_commit && is_of_this_log && is_long_enough).then_some(())
        };
        if look(log).is_some() {
            return true;
        }
        thread::sleep(LOOK_AGAIN);
        self.log.look().is_ok_and(|log| look(&log).is_some())
    }

    /// Whether each page of the store is in the main file, which became shorter, or in the log. `VACUUM` makes it
    /// shorter, too. Without its first page SQLite would delete the log at the next start.
    fn has_all_pages(&self, connection: &Connection, main: &Seen) -> bool {
        let look = || {
            let pages: u64 = connection
                .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))
                .ok()?
                .unsigned_abs();
            let mut missing: std::collections::BTreeSet<u64> =
                (main.length / self.page_size + 1..=pages).collect();
            let file = File::open(&self.log.path).ok()?;
            for frame in 0..log_state(connection).ok()?.frames {
                let mut number = [0; 4];
                let at = LOG_HEADER + frame * (FRAME_HEADER + self.page_size);
                file.read_exact_at(&mut number, at).ok()?;
                missing.remove(&u64::from(u32::from_be_bytes(number)));
            }
            Some(main.length > 0 && missing.is_empty())
        };
        look().unwrap_or(false)
    }

    /// Moves what was committed to a log that was deleted into the main file: the deleted one is open here and can
    /// still be read. Not where another program may have written meanwhile.
    fn save_log(&self, connection: &Connection, main: Seen) -> bool {
        let moves = self.open.moves.load(Ordering::Relaxed);
        // An odd number: one is under way.
        let was_moved_here = moves != self.moves || moves % 2 == 1;
        let nobody_wrote = match (fs::metadata(&self.log.path), self.index.look()) {
            (Ok(other), _) if other.len() > 0 => false,
            (_, Ok(_)) => true,
            (_, Err(_)) => main == self.main.seen || was_moved_here,
        };
        let move_all = || tried_again(|| move_log(connection, self.open).transpose());
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

    /// The open file, unless it was deleted or replaced. One that was moved away is noticed by [`Part::look`] only,
    /// which costs several times as much.
    fn look_at_open(&self) -> Result<Seen, String> {
        match self.file.metadata() {
            Ok(found) if found.nlink() > 0 => Ok(Seen::of(&found)),
            Ok(_) | Err(_) => self.look(),
        }
    }

    /// The file at the path, if it is the one that is open; else what became of it.
    fn look(&self) -> Result<Seen, String> {
        match fs::metadata(&self.path) {
            Ok(found) if found.dev() == self.device && found.ino() == self.inode => {
                Ok(Seen::of(&found))
            }
            Ok(_) => Err("another file was put in its place".to_owned()),
            Err(error) => Err(format!("it was taken away ({error})")),
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

/// Tries again where another moves the log just now.
fn tried_again<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    (0..20).find_map(|_| {
        let done = attempt();
        if done.is_none() {
            thread::sleep(LOOK_AGAIN);
        }
        done
    })
}

fn lost(path: &Path, how: &str, then: &str) -> rusqlite::Error {
    broken(
        path,
        &format!("is not the file that is open any more, {how}: {then}"),
    )
}

fn broken(path: &Path, what: &str) -> rusqlite::Error {
    let text = format!("{} {what}", path.display());
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTFOUND), Some(text))
}
