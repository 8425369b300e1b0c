//! The threads of one service, and the calls that wait for one.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most jobs that wait.
const PLACES: usize = 256;

/// A thread without work ends after this long.
const IDLE: Duration = Duration::from_secs(60);

/// The jobs for one service: in order and one at a time for each key, several at a time for different keys. Dropping it
/// closes it.
pub struct Queue {
    shared: Arc<Shared>,
}

/// The right to submit one job. It is free again when the job begins, or when this is dropped.
pub struct Place {
    shared: Arc<Shared>,
}

struct Shared {
    /// Places that are taken.
    taken: AtomicUsize,
    idle: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The most threads.
    concurrency: usize,
    threads: usize,
    /// Of these, threads that wait for a job or are about to.
    free: usize,
    /// The next job of each key that has none under way, in the order in which they became the next.
    ready: VecDeque<(String, Job)>,
    /// Of each key that is ready or under way, the jobs behind that one.
    behind: HashMap<String, VecDeque<Job>>,
    closed: bool,
}

struct Job {
    place: Place,
    run: Box<dyn FnOnce() + Send>,
}

impl Queue {
    /// A queue for at most `concurrency` jobs at a time. It has no thread yet.
    #[must_use]
    pub fn new(concurrency: usize) -> Queue {
        Queue::with_idle(concurrency, IDLE)
    }

    fn with_idle(concurrency: usize, idle: Duration) -> Queue {
        Queue {
            shared: Arc::new(Shared {
                taken: AtomicUsize::new(0),
                idle,
                state: Mutex::new(State {
                    concurrency: concurrency.max(1),
                    threads: 0,
                    free: 0,
                    ready: VecDeque::new(),
                    behind: HashMap::new(),
                    closed: false,
                }),
                changed: Condvar::new(),
            }),
        }
    }

    /// A place for one job; `None`: all are taken.
    #[must_use]
    pub fn reserve(&self) -> Option<Place> {
        let one_more = |taken| (taken < PLACES).then_some(taken + 1);
        let taken = &self.shared.taken;
        let updated = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if updated.is_err() {
            // Where no thread could be started, no job comes that would start one.
            self.shared.serve(&mut self.shared.lock());
        }
        updated.ok().map(|_| Place {
            shared: Arc::clone(&self.shared),
        })
    }

    /// A place for a job that had one before the program was started again, also where all are taken.
    #[must_use]
    pub fn reserve_again(&self) -> Place {
        self.shared.taken.fetch_add(1, Ordering::Relaxed);
        Place {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Queues a job behind those of the same key. A closed queue drops it.
    pub fn submit(&self, place: Place, key: &str, job: Box<dyn FnOnce() + Send>) {
        let job = Job { place, run: job };
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return;
        }
        match state.behind.get_mut(key) {
            Some(behind) => behind.push_back(job),
            None => {
                state.behind.insert(key.to_owned(), VecDeque::new());
                state.ready.push_back((key.to_owned(), job));
            }
        }
        self.shared.serve(&mut state);
    }

    /// Changes how many jobs run at a time. Those that run already are not interrupted.
    pub fn set_concurrency(&self, concurrency: usize) {
        let mut state = self.shared.lock();
        state.concurrency = concurrency.max(1);
        self.shared.serve(&mut state);
        // Some may be too many.
        self.shared.changed.notify_all();
    }

    /// Drops the jobs that wait, and takes no more. Nobody waits for those that run.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = (mem::take(&mut state.ready), mem::take(&mut state.behind));
        self.shared.changed.notify_all();
        drop(state);
        drop(dropped);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread come for each job that is ready, if there may be one.
    fn serve(self: &Arc<Self>, state: &mut State) {
        while state.ready.len() > state.free && state.threads < state.concurrency {
            let shared = Arc::clone(self);
            let thread = thread::Builder::new().name("service".to_owned());
            if let Err(error) = thread.spawn(move || shared.work()) {
                log::error!("service: no thread for a call: {error}; the call waits for another");
                break;
            }
            state.threads += 1;
            state.free += 1;
        }
        self.changed.notify_one();
    }

    /// Runs jobs as long as this thread is needed.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let (locked, next) = self.next(state);
            state = locked;
            state.free -= 1;
            let Some((key, job)) = next else {
                state.threads -= 1;
                return;
            };
            drop(state);
            drop(job.place);
            // The panic is in the log.
            panic::catch_unwind(AssertUnwindSafe(job.run)).ok();
            state = self.lock();
            state.free += 1;
            state.done(key);
        }
    }

    /// Waits for a job; `None`: the thread is not needed any more.
    fn next<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, Option<(String, Job)>) {
        let until = Instant::now() + self.idle;
        loop {
            if state.closed || state.threads > state.concurrency {
                return (state, None);
            }
            if let Some(next) = state.ready.pop_front() {
                return (state, Some(next));
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return (state, None);
            };
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// The job of this key has ended: the next one becomes ready.
    fn done(&mut self, key: String) {
        let Some(behind) = self.behind.get_mut(&key) else {
            return;
        };
        match behind.pop_front() {
            Some(job) => self.ready.push_back((key, job)),
            None => drop(self.behind.remove(&key)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    use super::*;

    /// Longer than anything here takes.
    const LONG: Duration = Duration::from_secs(30);

    fn submit(queue: &Queue, key: &str, job: impl FnOnce() + Send + 'static) {
        queue.submit(queue.reserve().unwrap(), key, Box::new(job));
    }

    /// Runs a job that waits until the sender is used or dropped; returns when it has begun.
    fn block(queue: &Queue, key: &str) -> Sender<()> {
        let (go, gate) = channel();
        let (begin, begun) = channel();
        submit(queue, key, move || {
            begin.send(()).unwrap();
            gate.recv().ok();
        });
        begun.recv_timeout(LONG).unwrap();
        go
    }

    /// Submits a job that reports its name.
    fn report(queue: &Queue, key: &str, name: &'static str, to: &Sender<&'static str>) {
        let to = to.clone();
        submit(queue, key, move || to.send(name).unwrap());
    }

    fn next(from: &Receiver<&'static str>) -> &'static str {
        from.recv_timeout(LONG).unwrap()
    }

    fn eventually(what: impl Fn() -> bool) {
        let until = Instant::now() + LONG;
        while !what() {
            assert!(Instant::now() < until);
            thread::yield_now();
        }
    }

    #[test]
    fn jobs_of_a_key_run_in_order_and_others_pass_them() {
        let queue = Queue::new(2);
        let (done, happened) = channel();
        let go = block(&queue, "amy");
        report(&queue, "amy", "second", &done);
        report(&queue, "amy", "third", &done);
        report(&queue, "ben", "other", &done);
        assert_eq!(next(&happened), "other");
        drop(go);
        assert_eq!([next(&happened), next(&happened)], ["second", "third"]);
    }

    #[test]
    fn many_jobs_of_many_keys_keep_their_order() {
        let queue = Queue::new(8);
        let (done, happened) = channel();
        for number in 0..50 {
            for key in 0..100 {
                let done = done.clone();
                let mut place = queue.reserve();
                while place.is_none() {
                    thread::yield_now();
                    place = queue.reserve();
                }
                let job = Box::new(move || done.send((key, number)).unwrap());
                queue.submit(place.unwrap(), &key.to_string(), job);
            }
        }
        let mut next = vec![0; 100];
        for _ in 0..5_000 {
            let (key, number): (usize, i32) = happened.recv_timeout(LONG).unwrap();
            assert_eq!(number, next[key]);
            next[key] += 1;
        }
        assert!(queue.shared.lock().threads <= 8);
        eventually(|| queue.shared.lock().behind.is_empty());
    }

    #[test]
    fn as_many_jobs_run_at_a_time_as_the_queue_allows() {
        let queue = Queue::new(4);
        let (running, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(4)));
        let (done, happened) = channel();
        for key in 0..200 {
            let (running, together, done) = (running.clone(), together.clone(), done.clone());
            submit(&queue, &key.to_string(), move || {
                let before = running.fetch_add(1, Ordering::SeqCst);
                together.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                done.send(before).unwrap();
            });
        }
        for _ in 0..200 {
            assert!(happened.recv_timeout(LONG).unwrap() < 4);
        }
        assert_eq!(queue.shared.lock().threads, 4);
    }

    #[test]
    fn a_place_is_taken_until_its_job_begins() {
        let queue = Queue::new(1);
        let go = block(&queue, "amy");
        let mut places: Vec<Place> = (0..PLACES).map(|_| queue.reserve().unwrap()).collect();
        assert!(queue.reserve().is_none());
        drop(queue.reserve_again());
        drop(places.pop());
        let (done, happened) = channel();
        report(&queue, "ben", "waits", &done);
        assert!(queue.reserve().is_none());
        drop(go);
        assert_eq!(next(&happened), "waits");
        assert!(queue.reserve().is_some());
    }

    #[test]
    fn a_panic_costs_its_job_only() {
        let queue = Queue::new(1);
        let (done, happened) = channel();
        submit(&queue, "amy", || panic!("what this test is about"));
        report(&queue, "amy", "next", &done);
        assert_eq!(next(&happened), "next");
    }

    #[test]
    fn threads_come_with_the_first_job_and_end_without_work() {
        let queue = Queue::with_idle(8, Duration::from_millis(1));
        assert_eq!(queue.shared.lock().threads, 0);
        let (done, happened) = channel();
        for _ in 0..3 {
            report(&queue, "amy", "done", &done);
            assert_eq!(next(&happened), "done");
            eventually(|| queue.shared.lock().threads == 0);
        }
        assert_eq!(queue.shared.lock().free, 0);
    }

    #[test]
    fn one_job_after_another_needs_few_threads() {
        let queue = Queue::new(8);
        let (done, happened) = channel();
        for _ in 0..100 {
            report(&queue, "amy", "done", &done);
            assert_eq!(next(&happened), "done");
            eventually(|| queue.shared.lock().free > 0);
        }
        assert_eq!(queue.shared.lock().threads, 1);
    }

    #[test]
    fn more_jobs_run_at_once_when_it_is_allowed_and_fewer_threads_stay_when_not() {
        let queue = Queue::new(1);
        let (done, happened) = channel();
        let first = block(&queue, "amy");
        report(&queue, "ben", "passes", &done);
        queue.set_concurrency(2);
        assert_eq!(next(&happened), "passes");
        queue.set_concurrency(1);
        eventually(|| queue.shared.lock().threads == 1);
        report(&queue, "ben", "waits", &done);
        drop(first);
        assert_eq!(next(&happened), "waits");
        assert_eq!(queue.shared.lock().threads, 1);
    }

    #[test]
    fn a_dropped_queue_drops_what_waits_and_does_not_wait_for_what_runs() {
        let queue = Queue::new(1);
        let shared = Arc::clone(&queue.shared);
        let go = block(&queue, "amy");
        let (done, happened) = channel();
        report(&queue, "amy", "never", &done);
        report(&queue, "ben", "never", &done);
        drop((queue, done));
        let neither_ran = happened.recv_timeout(LONG);
        assert_eq!(neither_ran, Err(RecvTimeoutError::Disconnected));
        drop(go);
        eventually(|| shared.lock().threads == 0);
        assert_eq!(shared.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_closed_queue_takes_no_job() {
        let queue = Queue::new(1);
        queue.close();
        let (done, happened) = channel();
        report(&queue, "amy", "never", &done);
        drop(done);
        let never_ran = happened.recv_timeout(LONG);
        assert_eq!(never_ran, Err(RecvTimeoutError::Disconnected));
        assert_eq!(queue.shared.lock().threads, 0);
    }
}
