//! What clients may ask of the server.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Server;

/// The least that connections may hold in buffers altogether, in bytes.
const MEMORY_FLOOR: usize = 16 * 1024 * 1024;

/// How long a connection stays after an answer while nothing comes. Longer than reverse proxies keep theirs (nginx: 60 s
/// by default): a push sent into a closing connection is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a whole request waits for its answer: the contract says 4.5 s, and the platform hangs up after 5 s.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(4_200);

/// How long a whole request can be held: for a push until the platform has hung up, for a log-in until the platform has
/// answered. Whoever holds it ends it before; this is for one that was forgotten.
const HELD_TIMEOUT: Duration = Duration::from_secs(40);

/// What clients may ask of the server. Can be replaced while it runs, see [`Guard::set_limits`](super::Guard::set_limits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, at least 1. When full, the oldest one whose request is still incomplete makes room, then
    /// those that do not take their answers, then those that have sent further requests ahead.
    pub max_connections: usize,
    /// Requests that may wait for something other than the store at a time. One more finds no place.
    pub max_waiting: usize,
    /// A request must have arrived whole by then, counted from the connection's beginning or, after
    /// an answer, from its first byte. A client has as long to take its answer.
    pub request_timeout: Duration,
    /// How long a connection stays after an answer while nothing comes.
    pub idle_timeout: Duration,
    /// The largest head, in bytes.
    pub max_head: usize,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// How long a whole request may wait for its answer; then 503, unless it is held.
    pub answer_timeout: Duration,
    /// How long a whole request may be held; then its connection is closed without an answer.
    pub held_timeout: Duration,
    /// The path of the callback, whose requests need hardly any header.
    pub callback: Arc<str>,
}

impl Limits {
    /// What the configuration allows.
    pub fn of(server: &Server) -> Limits {
        Limits {
            max_connections: server.max_connections,
            max_waiting: server.max_waiting(),
            request_timeout: server.request_timeout,
            idle_timeout: IDLE_TIMEOUT,
            max_head: server.max_head,
            max_body: server.max_body,
            answer_timeout: ANSWER_TIMEOUT,
            held_timeout: HELD_TIMEOUT,
            callback: server.path.as_str().into(),
        }
    }

    /// Bytes that all connections may hold in buffers together: 16 MiB, or four of the largest bodies if that is more.
    pub fn memory_budget(&self) -> usize {
        MEMORY_FLOOR.max(self.max_body.saturating_mul(4))
    }
}
