//! The guard in front of `tiny_http`: owns the public listener and every client connection, and lets only whole, small, well-formed requests through. This file is what the rest of the server sees of it; `event_loop` does the work.

mod event_loop;

mod accepting;
mod conversing;
mod relaying;

mod connection;
mod lane;

mod chunks;
pub(super) mod framing;
pub(super) mod listener;
pub(super) mod passing;
pub(super) mod stream;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::Waker;

use super::callback::refusals::{Refusals, Refused};
use super::http::client::ClientAddress;
use super::http::lanes::Lanes;
use crate::config::{Listen, Server};
use connection::Connection;
use event_loop::EventLoop;
use listener::Listener;
use passing::Refusal;

/// The least that connections may hold in buffers altogether, in bytes.
const MEMORY_FLOOR: usize = 16 * 1024 * 1024;

/// How long a connection stays after an answer while nothing comes. Longer than reverse proxies keep theirs (nginx 60 s
/// unless told otherwise): a push that meets a close is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a whole request may wait for its answer, whatever holds it up: the contract says 4.5 s, and the platform
/// hangs up after 5. The inside gives up a little earlier by itself, and answers better then.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(4_400);

/// The first byte of every TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What clients may ask of the server. Can be replaced while it runs ([`Guard::set_limits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, at least 1. When full, the oldest one whose request is still incomplete makes room, then
    /// those that do not take their answers, then those that have sent further requests ahead.
    pub max_connections: usize,
    /// A request must have arrived whole by then, counted from the connection's beginning or, after
    /// an answer, from its first byte. A client has as long to take its answer.
    pub request_timeout: Duration,
    /// How long a connection stays after an answer while nothing comes.
    pub idle_timeout: Duration,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// How long a whole request may wait for its answer from inside; then 503.
    pub answer_timeout: Duration,
}

impl Limits {
    /// What the configuration allows.
    pub fn of(server: &Server) -> Limits {
        Limits {
            max_connections: server.max_connections,
            request_timeout: server.request_timeout,
            idle_timeout: IDLE_TIMEOUT,
            max_body: server.max_body,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }

    /// Bytes that all connections may hold in buffers together: 16 MiB, or four of the largest bodies if that is more.
    pub fn memory_budget(&self) -> usize {
        MEMORY_FLOOR.max(self.max_body.saturating_mul(4))
    }
}

/// Declares the counters once; the struct and what is logged of it cannot differ.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What the guard has seen since it started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl fmt::Display for Counters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let figures = [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+];
                for (index, (name, figure)) in figures.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{figure} {name}")?;
                }
                Ok(())
            }
        }
    };
}

counters! {
    /// Connections open now.
    open,
    /// Connections accepted.
    accepted,
    /// Requests that were whole and well-formed, on their way to an answer or answered.
    requests,
    /// Connections closed at once to make room for others, or because all buffers together were too large.
    evicted,
    /// Requests that did not arrive in time, idle connections included, and answers that were not taken in time.
    timed_out,
    /// Requests answered 4xx or 505 by the guard itself, other than those that timed out.
    refused,
    /// Requests answered 503, as the inside did not answer.
    unanswered,
    /// Accepts that failed.
    accept_errors,
    /// Bytes that connections hold in buffers now.
    buffered,
}

/// A running guard. Dropping it ends it at once; [`Guard::stop`] ends it in an orderly way.
#[derive(Debug)]
pub struct Guard {
    address: Listen,
    shared: Arc<Shared>,
    waker: Waker,
    thread: Mutex<Option<JoinHandle<usize>>>,
}

/// What the guard's thread and the rest of the program share.
#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    counters: Counters,
    refusals: Refusals,
}

/// What the event loop is told to do when it is woken.
#[derive(Debug, Default)]
struct Orders {
    limits: Option<Limits>,
    /// Answer what is whole, then end; end anyway at this time.
    stop_by: Option<Instant>,
}

impl Shared {
    /// Notes in the log that a request is refused.
    fn note(&self, connection: &Connection, refusal: Refusal) {
        let from = ClientAddress::from(connection.peer());
        let refused = match refusal {
            // The log has a line of its own about these.
            Refusal::Unavailable => return log::debug!("guard: {from} answered 503"),
            Refusal::BadRequest if connection.input.first() == Some(&TLS_HANDSHAKE) => Refused::Tls,
            Refusal::BadRequest
            | Refusal::RequestTimeout
            | Refusal::LengthRequired
            | Refusal::BodyTooLarge
            | Refusal::ExpectationFailed
            | Refusal::HeadTooLarge
            | Refusal::VersionNotSupported => Refused::Http(refusal),
        };
        self.refusals.note(from, &refused);
    }

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
    /// `on_fatal` is called at most once, from that thread, when nothing can be served any more
    /// (every lane is lost, or the thread itself failed); the reason is one line for the log.
    pub fn start(
        listener: Listener,
        lanes: Lanes,
        limits: Limits,
        on_fatal: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Guard> {
        let address = listener.local_addr().clone();
        let shared = Arc::new(Shared::default());
        let mut event_loop = EventLoop::new(listener, lanes, limits, Arc::clone(&shared))?;
        let waker = event_loop.waker()?;
        let thread = std::thread::Builder::new()
            .name("guard".to_owned())
            .spawn(move || {
                let mut on_fatal = Some(on_fatal);
                let mut fatal = |reason: String| {
                    if let Some(on_fatal) = on_fatal.take() {
                        on_fatal(reason);
                    }
                };
                // A fault in here must not leave a process that looks alive and serves nobody.
                catch_unwind(AssertUnwindSafe(|| event_loop.run(&mut fatal))).unwrap_or_else(|_| {
                    fatal("guard: its thread panicked".to_owned());
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

    /// Where clients reach this guard; with port 0 asked for, the port that the system chose.
    pub fn local_addr(&self) -> &Listen {
        &self.address
    }

    /// Replaces the limits. They hold at once, also for the time that requests under way have left;
    /// a body whose head was accepted may still arrive. No whole request is lost.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.order(|orders| orders.limits = Some(limits));
        self.wake();
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Stops: takes no more connections (removing a Unix socket's file), answers the requests that
    /// have arrived whole, closes all other connections (503 where a part of a request has come).
    ///
    /// Returns when all of that is done or `within` is over, and tells how many requests were left
    /// without their answer. Worker threads must go on until this returns. A second call returns 0.
    pub fn stop(&self, within: Duration) -> usize {
        let now = Instant::now();
        // A time too far off to be expressed is as good as a day.
        let stop_by = now
            .checked_add(within)
            .unwrap_or(now + Duration::from_secs(86_400));
        self.shared.order(|orders| orders.stop_by = Some(stop_by));
        self.wake();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A panic of the thread has been caught and told to on_fatal.
        thread.map_or(0, |thread| thread.join().unwrap_or(0))
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("guard: waking the event loop: {error}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}
