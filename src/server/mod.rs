//! Listens, keeps hostile and broken clients away from `tiny_http`, and hands its requests to the workers; the only folder that names `tiny_http`.
//!
//! `listener` → `guard` (`framing` in, `answer` out) → `lanes` → worker threads.

// Tests may unwrap: a panic is how they fail.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod framing;
mod guard;
mod lanes;
mod listener;
mod stream;

pub use framing::{HEAD_LIMIT, HEADER_LIMIT, PEER_HEADER};
pub use guard::{Counters, Guard, Limits};
pub use lanes::{DEFAULT_LANES, Lanes, Reply, Requests};
pub use listener::{Listen, ListenError, Listener};
pub use stream::Peer;
