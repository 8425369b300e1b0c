//! A rate limit for bulk work, in calls per second, shared by several threads.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Spaces calls evenly. A late caller loses its turn: a pause is not followed by a burst.
#[derive(Debug)]
pub struct Rate {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// A rate of this many calls per second; 0 counts as 1.
    #[must_use]
    pub fn per_second(calls: u32) -> Rate {
        Rate {
            interval: Duration::from_secs(1) / calls.max(1),
            next: Mutex::new(None),
        }
    }

    /// Waits for the next turn.
    pub fn wait(&self) {
        thread::sleep(self.reserve(Instant::now()));
    }

    /// Reserves the next turn and returns the time from `now` until then.
    pub fn reserve(&self, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.interval);
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spaced_evenly_without_bursts_after_pauses() {
        let rate = Rate::per_second(20);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let waits: Vec<_> = [0, 0, 0, 90, 400, 400]
            .map(|millis| rate.reserve(at(millis)).as_millis())
            .into();
        assert_eq!(waits, [0, 50, 100, 60, 0, 50]);
    }

    #[test]
    fn threads_share_the_rate() {
        let rate = Rate::per_second(10);
        let now = Instant::now();
        let mut waits: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(|| rate.reserve(now))).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect()
        });
        waits.sort();
        let even: Vec<_> = (0..10).map(|i| Duration::from_millis(100 * i)).collect();
        assert_eq!(waits, even);
    }
}
