//! Threads for handlers that may take long: they read the store, call out or wait, which no worker may.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::workers::run;

/// A few threads and a bounded queue. Dropping it ends them: jobs that still wait are dropped, and nobody waits for
/// those that run.
pub struct Pool {
    shared: Arc<Shared>,
    places: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// Threads that run no job. One that has been woken still counts until it takes its job.
    free: usize,
    ended: bool,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    /// Starts `threads` threads; at most `places` jobs wait while none is free.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(threads: usize, places: usize) -> io::Result<Pool> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                free: threads,
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let pool = Pool { shared, places };
        for n in 1..=threads {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("pool {n}"))
                .spawn(move || {
                    while let Some(job) = shared.next() {
                        run(job);
                        shared.lock().free += 1;
                    }
                })?;
        }
        Ok(pool)
    }

    /// Queues a job for the next free thread. `false`: the queue is full, and the job was dropped, which answers 503 if
    /// it held the duty to answer.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.shared.lock();
        let has_room = state.jobs.len() < state.free + self.places;
        if has_room {
            state.jobs.push_back(Box::new(job));
            self.shared.changed.notify_one();
        }
        has_room
    }
}

impl Shared {
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while !state.ended {
            if let Some(job) = state.jobs.pop_front() {
                state.free -= 1;
                return Some(job);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let dropped = mem::take(&mut state.jobs);
        self.shared.changed.notify_all();
        drop(state);
        drop(dropped);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_full_queue_takes_no_more_and_a_free_thread_goes_on() {
        let pool = Pool::start(1, 2).unwrap();
        let (go, gate) = channel::<()>();
        let (done, happened) = channel();
        let started = done.clone();
        assert!(pool.submit(move || {
            started.send("started").unwrap();
            gate.recv().unwrap();
        }));
        assert_eq!(happened.recv(), Ok("started"));
        for what in ["first", "second"] {
            let done = done.clone();
            assert!(pool.submit(move || done.send(what).unwrap()));
        }
        let third = done.clone();
        assert!(!pool.submit(move || third.send("third").unwrap()));
        go.send(()).unwrap();
        assert_eq!(
            [happened.recv(), happened.recv()],
            [Ok("first"), Ok("second")]
        );
        drop((pool, done));
        assert!(happened.recv().is_err(), "the third was dropped");
    }

    #[test]
    fn jobs_that_come_before_the_threads_have_woken_take_no_places() {
        for _ in 0..100 {
            let pool = Pool::start(4, 1).unwrap();
            let (done, happened) = channel::<()>();
            let (go, gate) = channel::<()>();
            let gate = Arc::new(Mutex::new(gate));
            let taken = (0..8).map(|_| {
                let (done, gate) = (done.clone(), Arc::clone(&gate));
                pool.submit(move || {
                    gate.lock().unwrap().recv().ok();
                    done.send(()).unwrap();
                })
            });
            assert_eq!(taken.filter(|taken| *taken).count(), 5);
            drop((go, done));
            assert_eq!(happened.iter().count(), 5);
        }
    }

    #[test]
    fn a_panic_costs_its_job_and_the_thread_goes_on() {
        let pool = Pool::start(1, 2).unwrap();
        let (done, happened) = channel();
        assert!(pool.submit(|| panic!("what this test is about")));
        assert!(pool.submit(move || done.send(()).unwrap()));
        assert_eq!(happened.recv(), Ok(()));
    }

    #[test]
    fn at_the_end_what_waits_is_dropped_and_what_runs_is_not_waited_for() {
        let pool = Pool::start(1, 2).unwrap();
        let (go, gate) = channel::<()>();
        let (started, begun) = channel();
        assert!(pool.submit(move || {
            started.send(()).unwrap();
            gate.recv().ok();
        }));
        begun.recv().unwrap();
        let (job, dropped) = channel::<()>();
        assert!(pool.submit(move || job.send(()).unwrap()));
        drop(pool);
        assert!(dropped.recv().is_err(), "it never ran");
        drop(go);
    }
}
