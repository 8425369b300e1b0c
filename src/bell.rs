//! A bell between threads: one rings, another wakes up, and a ring is never missed.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wakes a background thread. Rings that come before it waits are kept; several count as one.
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    closing: bool,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The bell rang.
    Rung,
    /// The time was up.
    Time,
    /// The program is stopping.
    Closing,
}

impl Bell {
    /// Wakes the one who waits, now or at the next wait.
    pub fn ring(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rung = true;
        self.changed.notify_all();
    }

    /// Ends all waits, now and later.
    pub fn close(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closing = true;
        self.changed.notify_all();
    }

    /// Waits for a ring, at most `longest`.
    pub fn wait(&self, longest: Duration) -> Woken {
        self.wait_for(longest, true)
    }

    /// Waits the whole of `time`; a ring stays for the next [`Bell::wait`].
    pub fn pause(&self, time: Duration) -> Woken {
        self.wait_for(time, false)
    }

    fn wait_for(&self, longest: Duration, hears_rings: bool) -> Woken {
        let until = Instant::now() + longest;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.closing {
                return Woken::Closing;
            }
            if hears_rings && state.rung {
                state.rung = false;
                return Woken::Rung;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::Time;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
