//! The writer thread: it owns the writing connection and commits all queued work in one transaction.
//!
//! A commit with `synchronous=FULL` costs a disk sync whether it holds one row or five hundred, so
//! requests that arrive during one commit share the next. Work is finished after its commit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::checkpoint::Checkpointer;
use super::error::{ErrorKind, StoreError};
use super::file::OpenFile;
use super::outbox::{self, NewHookEvent};
use super::settings::{self, PROBE};
use crate::clock;
use crate::metrics::Commits;
use crate::trouble::{Kind, Troubles};

/// How long a commit waits for another program's lock. The platform waits 5 s for an answer, so a push that cannot
/// be written is refused before that, and the platform delivers it again.
pub(super) const PATIENCE: Duration = Duration::from_millis(3_500);

/// The same after a failed commit: requests that arrived during the long wait need a timely answer, too.
const PATIENCE_WHILE_FAILING: Duration = Duration::from_millis(100);

/// Pause between two attempts to get a lock. SQLite's own busy handler soon sleeps 100 ms at a time, and misses the
/// short gaps of a program that commits continuously, such as a fast `followers sync`.
const RETRY: Duration = Duration::from_millis(1);

/// Probes write no more often than this, because anybody may request one.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// Capacity of the queue; more work is refused at once, so that it does not pile up behind a slow disk.
const QUEUE: usize = 4_096;

/// Most work in one commit: enough for any burst, small enough to stay fast.
const BATCH: usize = 512;

/// What is done once everybody whom one commit concerns has heard of it, so that answers leave together.
#[derive(Default)]
pub struct AfterCommit(Option<Box<dyn FnOnce()>>);

impl AfterCommit {
    /// Has this done. All of one commit ask for the same, and it is done once.
    pub fn then(&mut self, what: impl FnOnce() + 'static) {
        if self.0.is_none() {
            self.0 = Some(Box::new(what));
        }
    }
}

impl Drop for AfterCommit {
    fn drop(&mut self) {
        if let Some(what) = self.0.take() {
            what();
        }
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterCommit").finish_non_exhaustive()
    }
}

/// One piece of work for the writer.
pub(super) trait Work: Send {
    /// Runs inside the transaction. Called again, in a separate transaction, when other work of the batch failed.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Events for the hooks, to be added in the same transaction after all its work was run.
    fn hook_events(&self) -> &[NewHookEvent] {
        &[]
    }
    /// Called once, after the commit or its failure.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, after: &mut AfterCommit);
    /// Whether a caller waits for the outcome and reports it. Otherwise a failure is logged.
    fn is_awaited(&self) -> bool;
}

/// Work that is to be finished. Where it is dropped instead, as by a panic or when the writer ends, it is finished with an
/// error: somebody waits for that.
struct Unfinished(Option<Box<dyn Work>>);

impl Unfinished {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.as_mut().map_or(Ok(()), |work| work.run(connection))
    }

    fn hook_events(&self) -> &[NewHookEvent] {
        self.0.as_ref().map_or(&[], |work| work.hook_events())
    }

    fn is_awaited(&self) -> bool {
        self.0.as_ref().is_none_or(|work| work.is_awaited())
    }

    fn finish(mut self, outcome: Result<(), StoreError>, after: &mut AfterCommit) {
        if let Some(work) = self.0.take()
            && catch_unwind(AssertUnwindSafe(|| work.finish(outcome, after))).is_err()
        {
            log::error!("store: write: reporting a result panicked; what was committed is kept");
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.0.is_some() {
            let error = failed(ErrorKind::Other, "the writer ended before it could");
            let work = Unfinished(self.0.take());
            work.finish(Err(error), &mut AfterCommit::default());
        }
    }
}

/// The error of work that the writer did not do.
fn failed(kind: ErrorKind, why: impl fmt::Display) -> StoreError {
    StoreError::new(kind, format!("store: write: {why}"))
}

/// The handle to the writer thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    failing: Arc<AtomicBool>,
    pub(super) commits: Arc<Commits>,
    /// Where the server hears that commits fail.
    pub(super) troubles: Arc<OnceLock<Arc<Troubles>>>,
    /// When a probe last wrote.
    probed: Mutex<Option<Instant>>,
}

enum Message {
    Work(Unfinished),
    Stop,
}

impl Writer {
    pub(super) fn start(
        mut connection: Connection,
        file: OpenFile,
        checkpointer: Checkpointer,
    ) -> Result<Writer, StoreError> {
        let (queue, waiting) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        connection
            .busy_handler(Some(wait_for_others(Arc::clone(&failing))))
            .map_err(|error| StoreError::from_sqlite("busy_handler", &error))?;
        let state = Arc::clone(&failing);
        let troubles = Arc::<OnceLock<_>>::default();
        let told = Arc::clone(&troubles);
        let commits = Arc::<Commits>::default();
        let counted = Arc::clone(&commits);
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                Loop {
                    connection,
                    file,
                    checkpointer,
                    failing: state,
                    commits: counted,
                    troubles: told,
                }
                .run(&waiting)
            })
            .map_err(|error| {
                StoreError::new(
                    ErrorKind::Other,
                    format!("store: cannot start the writer thread: {error}"),
                )
            })?;
        Ok(Writer {
            queue,
            thread: Mutex::new(Some(thread)),
            failing,
            commits,
            troubles,
            probed: Mutex::new(None),
        })
    }

    /// Queues work without waiting. If the queue refuses it, finishes it with the error at once.
    pub(super) fn submit(&self, work: Box<dyn Work>) {
        let work = Message::Work(Unfinished(Some(work)));
        self.commits.enter();
        let (work, error) = match self.queue.try_send(work) {
            Err(TrySendError::Full(Message::Work(work))) => {
                let why =
                    format_args!("{QUEUE} requests are waiting already; the disk is too slow");
                (work, failed(ErrorKind::Busy, why))
            }
            Err(TrySendError::Disconnected(Message::Work(work))) => {
                (work, failed(ErrorKind::Other, "the store is closed"))
            }
            Ok(())
            | Err(TrySendError::Full(Message::Stop) | TrySendError::Disconnected(Message::Stop)) => {
                return;
            }
        };
        self.commits.leave();
        work.finish(Err(error), &mut AfterCommit::default());
    }

    /// Runs a closure in the writer's next transaction and waits for its commit.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = sync_channel(1);
        self.submit(Box::new(Closure {
            work,
            value: None,
            done,
        }));
        outcome
            .recv()
            .unwrap_or_else(|_| Err(failed(ErrorKind::Other, "it panicked")))
    }

    /// Runs a closure in the writer's next transaction and returns at once; `done` runs after the commit, on the writer's
    /// thread.
    pub(super) fn write_then<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        self.submit(Box::new(Step {
            work,
            value: None,
            done,
        }));
    }

    /// Proves that a commit can be written by writing one. Within [`PROBE_PAUSE`] of a successful probe, only begins a
    /// transaction.
    pub(super) fn probe(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let writes = self.failing.load(Ordering::Relaxed)
            || probed.is_none_or(|probed| probed.elapsed() >= PROBE_PAUSE);
        if writes {
            *probed = Some(Instant::now());
        }
        drop(probed);
        self.submit(Box::new(Probe { writes, done }));
    }

    /// Ends the thread after all submitted work.
    pub(super) fn stop(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            self.queue.send(Message::Stop).ok();
            thread.join().ok();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("failing", &self.failing)
            .finish_non_exhaustive()
    }
}

struct Probe<D> {
    writes: bool,
    done: D,
}

impl<D: FnOnce(Result<(), StoreError>) + Send> Work for Probe<D> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.writes {
            settings::put(connection, PROBE, &clock::unix_seconds().to_string())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, _: &mut AfterCommit) {
        (self.done)(outcome);
    }

    fn is_awaited(&self) -> bool {
        false
    }
}

struct Closure<F, T> {
    work: F,
    value: Option<T>,
    done: SyncSender<Result<T, StoreError>>,
}

impl<F, T> Work for Closure<F, T>
where
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, _: &mut AfterCommit) {
        let Closure { value, done, .. } = *self;
        // The caller may have gone; the commit stands anyway.
        done.send(outcome.and_then(|()| value.ok_or_else(nothing_done)))
            .ok();
    }

    fn is_awaited(&self) -> bool {
        true
    }
}

/// A closure whose outcome is told by a call.
struct Step<F, T, D> {
    work: F,
    value: Option<T>,
    done: D,
}

impl<F, T, D> Work for Step<F, T, D>
where
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
    D: FnOnce(Result<T, StoreError>, &mut AfterCommit) + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, after: &mut AfterCommit) {
        let Step { value, done, .. } = *self;
        done(outcome.and_then(|()| value.ok_or_else(nothing_done)), after);
    }

    fn is_awaited(&self) -> bool {
        false
    }
}

fn nothing_done() -> StoreError {
    failed(ErrorKind::Other, "nothing was done")
}

struct Loop {
    connection: Connection,
    file: OpenFile,
    checkpointer: Checkpointer,
    failing: Arc<AtomicBool>,
    commits: Arc<Commits>,
    troubles: Arc<OnceLock<Arc<Troubles>>>,
}

impl Loop {
    fn run(mut self, waiting: &Receiver<Message>) {
        let mut batch: Vec<Unfinished> = Vec::new();
        let mut stopping = false;
        let mut is_crowded = false;
        while !stopping {
            let Ok(first) = waiting.recv() else { break };
            if is_crowded {
                // More pushes are about to arrive. Letting the threads that bring them go first makes larger commits: in
                // pairs 0.85 to 0.99 of the processor time for each push, and 0.99 to 1.08 of the pushes a second.
                thread::yield_now();
            }
            for message in std::iter::once(first).chain(waiting.try_iter()) {
                match message {
                    Message::Work(work) => {
                        self.commits.leave();
                        batch.push(work);
                    }
                    Message::Stop => stopping = true,
                }
                if batch.len() == BATCH {
                    self.commit_guarded(&mut batch);
                }
            }
            is_crowded = batch.len() > 1;
            self.commit_guarded(&mut batch);
        }
        self.checkpointer.stop();
        // The last process to close the store leaves one plain file, without a write-ahead log.
        if !self.file.may_fold(&self.connection) {
            let no_fold = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.connection.set_db_config(no_fold, true).ok();
        }
        if let Err((_, error)) = self.connection.close() {
            log::warn!("store: close: {error}");
        }
    }

    /// Commits a batch. A panic fails what is unfinished of the batch, never the thread.
    fn commit_guarded(&mut self, batch: &mut Vec<Unfinished>) {
        if catch_unwind(AssertUnwindSafe(|| self.commit(batch))).is_err() {
            log::error!(
                "store: write: a panic in the writer (RUST_BACKTRACE=1 shows where); what was not committed is delivered again"
            );
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK").ok();
            }
            batch.clear();
        }
        self.checkpointer
            .between_commits(&self.connection, self.file.log_length());
    }

    fn commit(&mut self, batch: &mut Vec<Unfinished>) {
        if batch.is_empty() {
            return;
        }
        let mut after = AfterCommit::default();
        match self.transaction(batch) {
            Ok(()) => {
                self.recovered();
                batch
                    .drain(..)
                    .for_each(|work| work.finish(Ok(()), &mut after));
            }
            Err(error) if batch.len() > 1 && !concerns_all(&error) => {
                // One failing piece of work must not fail the others: commit each alone.
                for mut work in batch.drain(..) {
                    let outcome = self.transaction(std::slice::from_mut(&mut work));
                    let outcome = self.noted(outcome, work.is_awaited());
                    work.finish(outcome, &mut AfterCommit::default());
                }
            }
            Err(error) => {
                let is_awaited = batch.iter().all(Unfinished::is_awaited);
                let outcome = self.noted(Err(error), is_awaited);
                batch
                    .drain(..)
                    .for_each(|work| work.finish(outcome.clone(), &mut after));
            }
        }
    }

    /// Commits this as one, and counts it.
    fn transaction(&mut self, batch: &mut [Unfinished]) -> rusqlite::Result<()> {
        let begun = Instant::now();
        let done = self.run_and_commit(batch);
        match &done {
            Ok(()) => self.commits.seconds.observe(begun.elapsed()),
            Err(_) => self.commits.fail(),
        }
        done
    }

    fn run_and_commit(&mut self, batch: &mut [Unfinished]) -> rusqlite::Result<()> {
        self.file.before_commit(&self.connection)?;
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let done = batch
            .iter_mut()
            .try_for_each(|work| run(work, &self.connection));
        let events = batch.iter().flat_map(Unfinished::hook_events);
        let done = done.and_then(|()| outbox::add(&self.connection, events));
        let done = done.and_then(|()| {
            self.connection
                .prepare_cached("COMMIT")?
                .execute([])
                .map(drop)
        });
        if done.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").ok();
        }
        done.and_then(|()| self.file.after_commit(&self.connection))
    }

    /// Records the outcome of a transaction. What fails all is trouble, which is logged once and not for every push; what
    /// fails one piece of work is logged unless a caller reports it.
    fn noted(&mut self, outcome: rusqlite::Result<()>, is_awaited: bool) -> Result<(), StoreError> {
        let Err(error) = outcome else {
            self.recovered();
            return Ok(());
        };
        let of_the_store = concerns_all(&error);
        let error = StoreError::from_sqlite("write", &error);
        if of_the_store {
            self.failing.store(true, Ordering::Relaxed);
            if let Some(troubles) = self.troubles.get() {
                let text = error.to_string();
                let what = text.strip_prefix("store: ").unwrap_or(&text);
                let text = format!(
                    "{what}; pushes are answered 503 until it works again, so that WeChat delivers them again"
                );
                troubles.begin(Kind::Store, &text);
            }
        } else if !is_awaited {
            log::error!("{error}; everything else goes on");
        }
        Err(error)
    }

    fn recovered(&mut self) {
        if self.failing.load(Ordering::Relaxed) {
            self.failing.store(false, Ordering::Relaxed);
            if let Some(troubles) = self.troubles.get() {
                troubles.end(Kind::Store, "write: works again");
            }
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

/// Whether the error is about the store, not about one piece of work: retrying each alone would only wait again.
fn concerns_all(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        None
        | Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ParameterOutOfRange,
        ) => false,
        Some(_) => true,
    }
}

/// Runs work; a panic fails the work, not the writer.
fn run(work: &mut Unfinished, connection: &Connection) -> rusqlite::Result<()> {
    catch_unwind(AssertUnwindSafe(|| work.run(connection))).unwrap_or_else(|_| {
        log::error!("store: write: work panicked; it was rolled back");
        Err(rusqlite::Error::InvalidQuery)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
