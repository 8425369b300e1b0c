//! Moving the write-ahead log to the main file, in parallel with the writer, so that no push waits for it.
//!
//! SQLite would do it inside a commit as soon as the log has 1,000 pages. Here a thread with its own connection does
//! it, in rounds, while the writer goes on. The log starts over once all of it is moved and nobody reads it. Under
//! constant load there is always a little left, so the writer moves the last pages itself, between two commits.
//!
//! The same thread lengthens the log before commits reach its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};

use super::super::error::{ErrorKind, StoreError};
use super::main_file::{Main, log_and_index};
use super::wal::{KEPT, lengthen_log, limit_log, log_state, move_log};
use crate::notifier::{Notifier, Woken};

/// A round starts when the log has this many pages, about 16 MiB. SQLite's default is 1,000; but each round competes
/// with commits for the disk, and a longer log has more copies of the same page, of which only one is moved.
const ENOUGH: u64 = 4_000;

/// Commits between two checks of how full the log is; a check costs a few microseconds.
const LOOK_EVERY: u32 = 8;

/// How many bytes at most an oversized log is shortened by when it starts over, inside a commit: freeing hundreds of
/// megabytes takes the disk a third of a second.
const CUT: u64 = 16 << 20;

/// Size of the log in bytes above which a warning says why.
const TOO_MUCH: u64 = 256 << 20;

/// Pages that the writer moves between two commits, which takes a few milliseconds; of a large log up to a 256th, or
/// a slow disk would never finish.
const FEW: u64 = 64;

/// Pause between two rounds while a reader holds the log.
const WAIT_FOR_READER: Duration = Duration::from_secs(1);

/// Effectively forever: after this, the thread waits again.
const LONG: Duration = Duration::from_secs(86_400);

/// The thread that moves the log.
pub(super) struct Checkpointer {
    main: &'static Main,
    /// In bytes.
    page_size: u64,
    shared: Arc<Shared>,
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
    /// Commits since the last look at the log.
    unseen: u32,
}

struct Shared {
    notifier: Notifier,
    round: AtomicU8,
}

// States of `Shared::round`. The writer moves it from REST and from ENDED to any other, the thread to ENDED.
/// There is nothing to do.
const REST: u8 = 0;
/// A round is requested or running.
const MOVE: u8 = 1;
/// The log is too short, or being lengthened.
const LENGTHEN: u8 = 2;
/// The thread is done, and the writer has not noticed yet.
const ENDED: u8 = 3;

impl Checkpointer {
    /// Begins with nothing to do.
    pub(super) fn start(
        path: &Path,
        main: &'static Main,
        page_size: u64,
    ) -> Result<Checkpointer, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| StoreError::from_sqlite("checkpoint", &error))?;
        let [log, _] = log_and_index(path).map_err(|error| StoreError::at(path, error))?;
        let open_log = File::options()
            .append(true)
            .open(&log)
            .map_err(|error| StoreError::at(&log, error))?;
        let shared = Arc::new(Shared {
            notifier: Notifier::default(),
            round: AtomicU8::new(REST),
        });
        let interrupt = connection.get_interrupt_handle();
        let mut rounds = Rounds {
            connection,
            main,
            log,
            open_log,
            shared: Arc::clone(&shared),
            warned: false,
            failing: false,
        };
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || rounds.run())
            .map_err(|error| {
                StoreError::new(
                    ErrorKind::Other,
                    format!("store: cannot start the checkpoint thread: {error}"),
                )
            })?;
        Ok(Checkpointer {
            main,
            page_size,
            shared,
            interrupt,
            thread: Some(thread),
            unseen: 0,
        })
    }

    /// Called by the writer between two commits, after the last one was answered. `length` is the size of the log in
    /// bytes, `connection` the writer's.
    pub(super) fn between_commits(&mut self, connection: &Connection, length: u64) {
        let round = self.shared.round.load(Ordering::Acquire);
        self.unseen += 1;
        let is_busy = round == MOVE || round == LENGTHEN;
        if is_busy || round == REST && self.unseen < LOOK_EVERY {
            return;
        }
        self.unseen = 0;
        let Ok(state) = log_state(connection) else {
            return;
        };
        if state.frames < ENOUGH && length <= KEPT {
            match state.needs_length(length, self.page_size) {
                true => self.ask(LENGTHEN),
                false => self.shared.round.store(REST, Ordering::Release),
            }
        } else if round == ENDED && state.left() <= FEW.max(state.frames / 256) {
            self.shared.round.store(REST, Ordering::Release);
            // If this fails, the next round tries again, and logs why it cannot.
            move_log(connection, self.main).ok();
            limit_log(connection, KEPT.max(length.saturating_sub(CUT))).ok();
        } else {
            self.ask(MOVE);
        }
    }

    fn ask(&self, what: u8) {
        self.shared.round.store(what, Ordering::Release);
        self.shared.notifier.notify();
    }

    /// Ends the thread. A running round is aborted, which loses only its work.
    pub(super) fn stop(&mut self) {
        self.shared.notifier.close();
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Rounds {
    connection: Connection,
    main: &'static Main,
    log: PathBuf,
    open_log: File,
    shared: Arc<Shared>,
    warned: bool,
    failing: bool,
}

impl Rounds {
    fn run(&mut self) {
        loop {
            match self.shared.notifier.wait(LONG) {
                Woken::Notified => {}
                Woken::TimedOut => continue,
                Woken::Closing => return,
            }
            if self.shared.round.load(Ordering::Acquire) == LENGTHEN {
                // If this fails, commits lengthen the log themselves.
                if let Err(error) = lengthen_log(&self.open_log) {
                    log::debug!("store: {} was not lengthened: {error}", self.log.display());
                }
                self.shared.round.store(ENDED, Ordering::Release);
                continue;
            }
            let moved = move_log(&self.connection, self.main);
            // SQLite syncs the file only if it reached the end of the log. Here the sync delays no push.
            let synced = self.main.sync();
            let held = match (moved, synced) {
                (Ok(state), Ok(())) => {
                    self.failing = false;
                    let held = state.filter(|state| state.left() > 0);
                    self.warn_if_large(held.is_some());
                    held.is_some()
                }
                // Only the end of this thread interrupts it.
                (Err(error), _)
                    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
                {
                    return;
                }
                (Err(error), _) => self.failed(&error.to_string()),
                (Ok(_), Err(error)) => self.failed(&error.to_string()),
            };
            if held && self.shared.notifier.pause(WAIT_FOR_READER) == Woken::Closing {
                return;
            }
            self.shared.round.store(ENDED, Ordering::Release);
        }
    }

    /// Warns once that the log is large, and why: pages that were in it at the start of a round and could not be moved
    /// are still being read.
    fn warn_if_large(&mut self, is_held: bool) {
        let bytes = fs::metadata(&self.log).map_or(0, |log| log.len());
        if bytes <= TOO_MUCH {
            self.warned = false;
        } else if is_held && !self.warned {
            self.warned = true;
            log::warn!(
                "store: {} has grown to {} MiB, because a program that began to read the store some time ago has not ended (`fuser -v {}` shows it): end it, and the log is emptied by itself",
                self.log.display(),
                bytes >> 20,
                self.log.display(),
            );
        }
    }

    /// Warns once that the log cannot be moved; commits continue into the log.
    fn failed(&mut self, error: &str) -> bool {
        if !self.failing {
            self.failing = true;
            log::warn!(
                "store: {} cannot be moved into the store: {error}; it grows until that works again",
                self.log.display()
            );
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::super::open::Store;
    use super::super::wal::{AHEAD, begin_of_frame};
    use super::*;

    /// Sizes of the log in bytes, after each of `values` writes of 64 KiB by two threads without a pause.
    fn log_under_load(store: &Store, values: usize) -> Vec<u64> {
        let [log, _] = log_and_index(store.file().unwrap()).unwrap();
        let keep = |thread: usize| -> Vec<u64> {
            let one = |n: usize| {
                // SQLite does not write what is there already.
                let value = ['a', 'b', 'c'][n % 3].to_string().repeat(64 << 10);
                store
                    .keep_setting(&format!("{thread} {}", n % 10), &value)
                    .unwrap();
                fs::metadata(&log).unwrap().len()
            };
            (0..values / 2).map(one).collect()
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| keep(1));
            [keep(0), other.join().unwrap()].concat()
        })
    }

    #[test]
    fn no_commit_moves_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let pages = store.writer.write_sqlite(|connection| {
            connection.pragma_query_value(None, "wal_autocheckpoint", |row| row.get(0))
        });
        assert_eq!(pages, Ok(0));
    }

    #[test]
    fn commits_overwrite_what_the_log_was_lengthened_by_and_a_crash_loses_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let other = Connection::open(store.file().unwrap()).unwrap();
        let [log, _] = log_and_index(store.file().unwrap()).unwrap();
        let mut kept = 0;
        let mut is_ahead_after = |commits: u32| {
            for _ in 0..commits {
                store.keep_setting(&kept.to_string(), "a").unwrap();
                kept += 1;
            }
            let end = begin_of_frame(log_state(&other).unwrap().frames, 4_096);
            fs::metadata(&log).unwrap().len() > end + AHEAD / 2
        };
        assert!((0..500).any(|_| is_ahead_after(1)));
        is_ahead_after(500);
        assert!((0..500).any(|_| is_ahead_after(1)));

        let crashed = tempfile::tempdir().unwrap();
        for name in ["wechat.db", "wechat.db-wal"] {
            fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
        }
        let left = Connection::open(crashed.path().join("wechat.db")).unwrap();
        let all = "SELECT count(*) FROM settings WHERE value = 'a'";
        assert_eq!(left.query_row(all, [], |row| row.get(0)), Ok(kept));
    }

    #[test]
    fn the_log_begins_anew_under_constant_load() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let other = Connection::open(store.file().unwrap()).unwrap();
        let pages = || log_state(&other).unwrap().frames;
        // Many attempts, because the disk may be slow.
        let begins_anew = || {
            let before = pages();
            log_under_load(&store, 200);
            pages() < before
        };
        assert!((0..500).any(|_| begins_anew()));
    }

    #[test]
    fn a_log_that_a_reader_let_grow_is_short_again_when_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let reader = store.reader().unwrap();
        reader
            .sqlite()
            .execute_batch("BEGIN; SELECT count(*) FROM settings")
            .unwrap();
        // The threads need not end at the same time.
        let grown = log_under_load(&store, 1_200).into_iter().max().unwrap();
        assert!(grown > 72 << 20, "{} KiB", grown >> 10);
        drop(reader);
        // A reader is looked for once a second.
        let is_short = || {
            log_under_load(&store, 60)
                .last()
                .is_some_and(|last| *last <= 2 * KEPT)
        };
        assert!((0..1_000).any(|_| is_short()));
    }
}
