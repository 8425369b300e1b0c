//! Wakes a background thread from other threads; a notification is never missed.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wakes a background thread. Notifications sent while nobody waits are kept; several count as one.
#[derive(Debug, Default)]
pub struct Notifier {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    notified: bool,
    closing: bool,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// [`Notifier::notify`] was called.
    Notified,
    /// The time was up.
    TimedOut,
    /// The program is stopping.
    Closing,
}

impl Notifier {
    /// Wakes the waiting thread, or ends its next wait at once.
    pub fn notify(&self) {
        // A notification that is still kept has woken whoever waited for one; a pause need not hear of it.
        let is_first = !mem::replace(&mut self.lock().notified, true);
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Ends all waits, now and later.
    pub fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits for a notification, for at most `longest`.
    pub fn wait(&self, longest: Duration) -> Woken {
        self.wait_for(longest, true)
    }

    /// Waits the whole of `time`; a notification is kept for the next [`Notifier::wait`].
    pub fn pause(&self, time: Duration) -> Woken {
        self.wait_for(time, false)
    }

    fn wait_for(&self, longest: Duration, ends_when_notified: bool) -> Woken {
        let until = Instant::now() + longest;
        let mut state = self.lock();
        loop {
            if state.closing {
                return Woken::Closing;
            }
            if ends_when_notified && state.notified {
                state.notified = false;
                return Woken::Notified;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::TimedOut;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_notification_after_a_wait_ends_the_next_one() {
        let notifier = Notifier::default();
        thread::scope(|scope| {
            let notifier = &notifier;
            let wait = move |_| notifier.wait(Duration::from_secs(60));
            let waiting = scope.spawn(move || [0; 3].map(wait));
            while !waiting.is_finished() {
                notifier.notify();
                notifier.notify();
                thread::yield_now();
            }
            assert_eq!(waiting.join().ok(), Some([Woken::Notified; 3]));
        });
        notifier.notify();
        assert_eq!(notifier.pause(Duration::ZERO), Woken::TimedOut);
        assert_eq!(notifier.wait(Duration::ZERO), Woken::Notified);
        assert_eq!(notifier.wait(Duration::ZERO), Woken::TimedOut);
    }
}
