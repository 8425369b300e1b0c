//! The guard in front of `tiny_http`: owns the public listener and every client connection, and lets only whole, small,
//! well-formed requests through. This file is its interface to the rest of the server; `event_loop` does the work.

mod event_loop;

mod accepting;
mod conversing;
mod relaying;

mod connections;

mod connection;
mod lane;

mod chunks;
mod framing;
mod limits;
mod listener;
mod refusal;
mod stream;

#[cfg(test)]
mod tests;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use super::http::lanes::Lanes;
use super::http::outbox::Outbox;
use super::http::peer::Peer;
use crate::config::Listen;
use crate::metrics::Counters;
use event_loop::{EventLoop, WAKER};
pub use limits::{ANSWER_TIMEOUT, Limits};
pub use listener::{ListenError, Listener};
pub use refusal::Refusal;

/// What the guard reports to the rest of the server, from its own thread: nothing in here may wait.
pub trait Reports: Send + 'static {
    /// Nothing can be served any more: every lane is lost, or the thread failed. Called at most once, with one line for
    /// the log.
    fn fatal(&mut self, reason: String);
    /// A request was refused before it reached a handler. `is_tls`: it is the beginning of a TLS connection.
    fn refused(&mut self, from: Peer, refusal: Refusal, is_tls: bool);
    /// A request was answered 503, because its time was over.
    fn late(&mut self);
}

/// A running guard. Dropping it ends it at once; [`Guard::stop`] ends it in an orderly way.
#[derive(Debug)]
pub struct Guard {
    address: Listen,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
    thread: Mutex<Option<JoinHandle<usize>>>,
}

/// What the guard's thread and the rest of the program share.
#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    outbox: Arc<Outbox>,
    counters: Arc<Counters>,
}

/// What the event loop is to do when it is woken.
#[derive(Debug, Default)]
struct Orders {
    limits: Option<Limits>,
    /// Answer what is whole, then end; end anyway at this time.
    stop_by: Option<Instant>,
}

impl Shared {
    fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take_orders(&self) -> Orders {
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Guard {
    /// Starts the guard's one thread: from now on clients of `listener` are served through `lanes`.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(
        listener: Listener,
        lanes: Lanes,
        limits: Limits,
        counters: Arc<Counters>,
        reports: impl Reports,
    ) -> io::Result<Guard> {
        let address = listener.local_addr().clone();
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let wakes = Arc::clone(&waker);
        let shared = Arc::new(Shared {
            orders: Mutex::default(),
            outbox: Arc::new(Outbox::new(move || wake(&wakes))),
            counters,
        });
        let mut event_loop =
            EventLoop::new(poll, listener, lanes, limits, Arc::clone(&shared), reports)?;
        let thread = std::thread::Builder::new()
            .name("guard".to_owned())
            .spawn(move || {
                // A fault in here must not leave a process that looks alive and serves nobody.
                let ran = catch_unwind(AssertUnwindSafe(|| event_loop.run()));
                ran.unwrap_or_else(|_| {
                    event_loop
                        .reports
                        .fatal("guard: its thread panicked".to_owned());
                    0
                })
            })?;
        Ok(Guard {
            address,
            shared,
            waker,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Where the answers to the requests go.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.shared.outbox
    }

    /// Where clients reach this guard; with port 0 asked for, the port that the system chose.
    pub fn local_addr(&self) -> &Listen {
        &self.address
    }

    /// Replaces the limits, except `max_head`, which stays until a restart. They apply at once, also to the deadlines of
    /// requests under way; a body whose head was accepted may still arrive. No whole request is lost.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.order(|orders| orders.limits = Some(limits));
        wake(&self.waker);
    }

    /// Stops: accepts no more connections (removing a Unix socket's file), answers the requests that
    /// have arrived whole, closes all other connections (503 where a part of a request has come).
    ///
    /// Returns when all of that is done or `within` is over, with the number of requests left without an answer. They
    /// get 503; those that are held are closed without any, and do not count. Worker threads must go on until this returns. A
    /// second call returns 0.
    pub fn stop(&self, within: Duration) -> usize {
        let now = Instant::now();
        // Where the time cannot be expressed, a day is long enough.
        let stop_by = now
            .checked_add(within)
            .unwrap_or(now + Duration::from_secs(86_400));
        self.shared.order(|orders| orders.stop_by = Some(stop_by));
        wake(&self.waker);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A panic of the thread has been caught and reported.
        thread.map_or(0, |thread| thread.join().unwrap_or(0))
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        log::error!("guard: waking the event loop: {error}");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}
