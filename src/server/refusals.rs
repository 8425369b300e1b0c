//! Says in the log why requests were refused, at most one line a second however many come.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines.
const PACE: Duration = Duration::from_secs(1);

/// Why a request is refused, for the log only. It never holds anything of the request but its form.
pub(super) type Why = String;

/// The log of refused requests.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    unsaid: u64,
}

impl Refusals {
    /// Notes one refusal.
    pub(super) fn note(&self, from: &str, why: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() < PACE) {
            state.unsaid += 1;
            return;
        }
        state.last = Some(Instant::now());
        let unsaid = std::mem::take(&mut state.unsaid);
        drop(state);
        match unsaid {
            0 => log::warn!("refused a request from {from}: {why}"),
            more => log::warn!(
                "refused a request from {from}: {why} ({more} more since the last such line)"
            ),
        }
    }
}
