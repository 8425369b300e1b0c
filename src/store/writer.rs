//! The writer threads: each owns a connection that commits all queued work in one transaction.
//!
//! A commit with `synchronous=FULL` costs a disk sync whether it holds one row or five hundred, so
//! requests that arrive during one commit share the next. Work is finished after its commit.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::daily_counts::Uncounted;
use super::engine::Committer;
use super::error::{ErrorKind, SqlError, StoreError};
use super::fence::Fence;
use super::outbox::{self, NewHookEvent};
#[cfg(feature = "mysql")]
use super::rows::ahead::{Ahead, insert_ahead};
use super::settings::{self, PROBE};
use super::sql::{self, Sql};
use crate::clock;
use crate::metrics::Commits;
use crate::trouble::{Kind, Troubles};

/// Probes write no more often than this, because anybody may request one.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// Capacity of the queue; more work is refused at once, so that it does not pile up behind a slow disk.
const QUEUE: usize = 4_096;

/// Most work in one commit: enough for any burst, small enough to stay fast.
const BATCH: usize = 512;

/// With more than this in one commit, more is about to arrive.
const CROWD: usize = 4;

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
    /// Runs inside the transaction. Called again, in a separate transaction, when other work of the batch failed. Work that
    /// may look for messages by time or remove some counts those before it that are `uncounted` first.
    fn run(&mut self, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()>;
    /// The row of a push that this inserts, if that may be done before it is run, together with those of work next to it.
    #[cfg(feature = "mysql")]
    fn ahead(&mut self) -> Option<Ahead<'_>> {
        None
    }
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
    fn run(&mut self, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()> {
        let work = self.0.as_mut();
        work.map_or(Ok(()), |work| work.run(sql, uncounted))
    }

    #[cfg(feature = "mysql")]
    fn ahead(&mut self) -> Option<Ahead<'_>> {
        self.0.as_mut().and_then(|work| work.ahead())
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

/// The handle to the writer threads. They end with its last clone.
#[derive(Clone)]
pub(super) struct Writer {
    threads: Arc<Threads>,
    /// Under which lease its closures write; `None`: no matter who holds it.
    fence: Option<Arc<Fence>>,
}

struct Threads {
    queue: SyncSender<Message>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    failing: Arc<AtomicBool>,
    commits: Arc<Commits>,
    troubles: Arc<OnceLock<Arc<Troubles>>>,
    /// When a probe last wrote.
    probed: Mutex<Option<Instant>>,
}

enum Message {
    Work(Unfinished),
    Stop,
}

impl Writer {
    /// Starts a thread for each of the committers, which share the queue.
    pub(super) fn start(
        committers: Vec<Committer>,
        failing: Arc<AtomicBool>,
    ) -> Result<Writer, StoreError> {
        let (queue, waiting) = sync_channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let troubles = Arc::<OnceLock<_>>::default();
        let commits = Arc::<Commits>::default();
        let start = |committer| {
            let state = Loop {
                committer,
                failing: Arc::clone(&failing),
                commits: Arc::clone(&commits),
                troubles: Arc::clone(&troubles),
            };
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("writer".to_owned());
            thread.spawn(move || state.run(&waiting))
        };
        let threads = committers.into_iter().map(start);
        let threads = threads.collect::<io::Result<_>>().map_err(|error| {
            StoreError::new(
                ErrorKind::Other,
                format!("store: cannot start the writer thread: {error}"),
            )
        })?;
        Ok(Writer {
            threads: Arc::new(Threads {
                queue,
                threads: Mutex::new(threads),
                failing,
                commits,
                troubles,
                probed: Mutex::new(None),
            }),
            fence: None,
        })
    }

    /// The same writer, whose closures write only while the lease of this fence is held.
    pub(super) fn behind(&self, fence: &Arc<Fence>) -> Writer {
        Writer {
            threads: Arc::clone(&self.threads),
            fence: Some(Arc::clone(fence)),
        }
    }

    /// The commits so far.
    pub(super) fn commits(&self) -> &Commits {
        &self.threads.commits
    }

    /// From now on it is trouble when commits fail.
    pub(super) fn report_to(&self, troubles: Arc<Troubles>) {
        self.threads.troubles.set(troubles).ok();
    }

    /// Queues work without waiting. If the queue refuses it, finishes it with the error at once.
    pub(super) fn submit(&self, work: Box<dyn Work>) {
        let work = Message::Work(Unfinished(Some(work)));
        self.threads.commits.enter();
        let (work, error) = match self.threads.queue.try_send(work) {
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
        self.threads.commits.leave();
        work.finish(Err(error), &mut AfterCommit::default());
    }

    /// Runs a closure in the writer's next transaction and waits for its commit.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Sql) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = sync_channel(1);
        self.submit(Box::new(Closure {
            work,
            fence: self.fence.clone(),
            value: None,
            done,
        }));
        outcome
            .recv()
            .unwrap_or_else(|_| Err(failed(ErrorKind::Other, "it panicked")))
    }

    /// As [`Writer::write`], with the SQLite connection itself.
    #[cfg(test)]
    pub(super) fn write_sqlite<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(move |sql| Ok(work(sql.sqlite())?))
    }

    /// Runs a closure in the writer's next transaction and returns at once; `done` runs after the commit, on the writer's
    /// thread.
    pub(super) fn write_then<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Sql) -> sql::Result<T> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        self.submit(Box::new(Step {
            work,
            fence: self.fence.clone(),
            value: None,
            done,
        }));
    }

    /// Proves that a commit can be written by writing one. Within [`PROBE_PAUSE`] of a successful probe, only begins a
    /// transaction.
    pub(super) fn probe(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let threads = &self.threads;
        let mut probed = threads
            .probed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let writes = threads.failing.load(Ordering::Relaxed)
            || probed.is_none_or(|probed| probed.elapsed() >= PROBE_PAUSE);
        if writes {
            *probed = Some(Instant::now());
        }
        drop(probed);
        self.submit(Box::new(Probe { writes, done }));
    }

    /// Ends the threads after all submitted work.
    pub(super) fn stop(&self) {
        self.threads.stop();
    }
}

impl Threads {
    fn stop(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = std::mem::take(&mut *threads);
        for _ in &threads {
            self.queue.send(Message::Stop).ok();
        }
        for thread in threads {
            thread.join().ok();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("failing", &self.threads.failing)
            .finish_non_exhaustive()
    }
}

struct Probe<D> {
    writes: bool,
    done: D,
}

impl<D: FnOnce(Result<(), StoreError>) + Send> Work for Probe<D> {
    fn run(&mut self, sql: &mut dyn Sql, _: &mut Uncounted) -> sql::Result<()> {
        if self.writes {
            settings::put(sql, PROBE, &clock::unix_seconds().to_string())?;
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
    fence: Option<Arc<Fence>>,
    value: Option<T>,
    done: SyncSender<Result<T, StoreError>>,
}

impl<F, T> Work for Closure<F, T>
where
    F: FnMut(&mut dyn Sql) -> sql::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()> {
        uncounted.count(sql)?;
        if let Some(fence) = &self.fence {
            fence.check(sql)?;
        }
        self.value = Some((self.work)(sql)?);
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
    fence: Option<Arc<Fence>>,
    value: Option<T>,
    done: D,
}

impl<F, T, D> Work for Step<F, T, D>
where
    F: FnMut(&mut dyn Sql) -> sql::Result<T> + Send,
    T: Send,
    D: FnOnce(Result<T, StoreError>, &mut AfterCommit) + Send,
{
    fn run(&mut self, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()> {
        uncounted.count(sql)?;
        if let Some(fence) = &self.fence {
            fence.check(sql)?;
        }
        self.value = Some((self.work)(sql)?);
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
    committer: Committer,
    failing: Arc<AtomicBool>,
    commits: Arc<Commits>,
    troubles: Arc<OnceLock<Arc<Troubles>>>,
}

impl Loop {
    fn run(mut self, waiting: &Mutex<Receiver<Message>>) {
        let mut batch: Vec<Unfinished> = Vec::new();
        let (mut goes_on, mut is_crowded) = (true, false);
        while goes_on {
            goes_on = self.gather(waiting, &mut batch, is_crowded);
            is_crowded = batch.len() > CROWD;
            self.commit_guarded(&mut batch);
        }
        self.committer.close();
    }

    /// Waits for work and adds what is there to the batch; false if it was the last.
    fn gather(
        &self,
        waiting: &Mutex<Receiver<Message>>,
        batch: &mut Vec<Unfinished>,
        is_crowded: bool,
    ) -> bool {
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(first) = waiting.recv() else {
            return false;
        };
        if is_crowded {
            // Letting the threads that bring more pushes go first makes larger commits: with 64 clients, in pairs, 1.3
            // to 2 times the pushes in each, and 1.03 to 1.09 times the pushes a second. A few clients gain nothing,
            // and on a machine that somebody else keeps busy, whoever yields waits for a time slice.
            thread::yield_now();
        }
        for message in std::iter::once(first).chain(waiting.try_iter()) {
            match message {
                Message::Work(work) => {
                    self.commits.leave();
                    batch.push(work);
                }
                Message::Stop => return false,
            }
            if batch.len() == BATCH {
                break;
            }
        }
        true
    }

    /// Commits a batch. A panic fails what is unfinished of the batch, never the thread.
    fn commit_guarded(&mut self, batch: &mut Vec<Unfinished>) {
        if catch_unwind(AssertUnwindSafe(|| self.commit(batch))).is_err() {
            log::error!(
                "store: write: a panic in the writer (RUST_BACKTRACE=1 shows where); what was not committed is delivered again"
            );
            self.committer.roll_back();
            batch.clear();
        }
        self.committer.between_commits();
    }

    fn commit(&mut self, batch: &mut Vec<Unfinished>) {
        if batch.is_empty() {
            return;
        }
        let mut after = AfterCommit::default();
        match self.transaction(batch) {
            Ok(has_written) => {
                self.recovered(has_written);
                batch
                    .drain(..)
                    .for_each(|work| work.finish(Ok(()), &mut after));
            }
            Err(error) if batch.len() > 1 && !error.concerns_all => {
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

    /// Commits this as one, and counts it. Returns whether anything was written.
    fn transaction(&mut self, batch: &mut [Unfinished]) -> sql::Result<bool> {
        let begun = Instant::now();
        let done = self.run_and_commit(batch);
        match &done {
            Ok(_) => self.commits.seconds.observe(begun.elapsed()),
            Err(_) => self.commits.fail(),
        }
        done
    }

    fn run_and_commit(&mut self, batch: &mut [Unfinished]) -> sql::Result<bool> {
        self.committer.commit(&mut |sql| {
            // Each attempt begins without any: what an earlier one inserted was rolled back.
            let mut uncounted = Uncounted::default();
            run_all(batch, sql, &mut uncounted)?;
            outbox::add(sql, batch.iter().flat_map(Unfinished::hook_events))?;
            // Last, because it is sent with the commit.
            uncounted.count(sql)
        })
    }

    /// Records the outcome of a transaction. What fails all is trouble, which is logged once and not for every push; what
    /// fails one piece of work is logged unless a caller reports it.
    fn noted(&mut self, outcome: sql::Result<bool>, is_awaited: bool) -> Result<(), StoreError> {
        let error = match outcome {
            Ok(has_written) => {
                self.recovered(has_written);
                return Ok(());
            }
            Err(error) => error,
        };
        let of_the_store = error.concerns_all;
        let error = StoreError::of_sql("write", &error);
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
        } else if !is_awaited && error.kind() != ErrorKind::TooLong {
            // A push that is too long is refused, which is logged there.
            log::error!("{error}; everything else goes on");
        }
        Err(error)
    }

    /// The store works again once something was written: a commit of nothing also succeeds on a full disk.
    fn recovered(&mut self, has_written: bool) {
        if has_written && self.failing.load(Ordering::Relaxed) {
            self.failing.store(false, Ordering::Relaxed);
            if let Some(troubles) = self.troubles.get() {
                troubles.end(Kind::Store, "write: works again");
            }
        }
    }
}

/// Runs the work of a batch, one after the other. Where that is faster, the rows of pushes that are next to each other are
/// inserted together before.
fn run_all(
    batch: &mut [Unfinished],
    sql: &mut dyn Sql,
    uncounted: &mut Uncounted,
) -> sql::Result<()> {
    #[cfg(feature = "mysql")]
    let mut batch = batch;
    #[cfg(feature = "mysql")]
    while let Some(many) = sql.many().filter(|_| !batch.is_empty()) {
        let inserted = insert_ahead(many, batch.iter_mut().map_while(Unfinished::ahead))?;
        let (now, later) = batch.split_at_mut(inserted.max(1));
        now.iter_mut()
            .try_for_each(|work| run(work, sql, uncounted))?;
        batch = later;
    }
    batch
        .iter_mut()
        .try_for_each(|work| run(work, sql, uncounted))
}

/// Runs work; a panic fails the work, not the writer.
fn run(work: &mut Unfinished, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()> {
    catch_unwind(AssertUnwindSafe(|| work.run(sql, uncounted))).unwrap_or_else(|_| {
        log::error!("store: write: work panicked; it was rolled back");
        Err(SqlError::of_one("it panicked"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
