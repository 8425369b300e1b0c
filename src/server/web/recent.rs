//! What browsers have done lately, to notice those that go round in circles.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long something is remembered.
const WHILE: Duration = Duration::from_secs(30);

/// Times that are remembered of one browser.
pub const TIMES: usize = 4;

/// Browsers that are remembered. If more come, all are forgotten: a circle is noticed a round later then.
const MOST: usize = 4_096;

/// When each of these last did something.
#[derive(Debug)]
pub struct Recent<K>(Mutex<HashMap<K, [Option<Instant>; TIMES]>>);

impl<K: Eq + Hash> Recent<K> {
    /// Nothing has happened.
    pub fn new() -> Recent<K> {
        Recent(Mutex::default())
    }

    /// Notes that it happens now; returns how often it happened in the last 30 s, this time included and at most
    /// [`TIMES`].
    pub fn note(&self, key: K) -> usize {
        self.note_at(key, Instant::now())
    }

    fn note_at(&self, key: K, now: Instant) -> usize {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&key) {
            known.retain(|_, times| count(times, now) > 0);
            if known.len() > MOST / 2 {
                known.clear();
            }
        }
        let times = known.entry(key).or_default();
        times.rotate_right(1);
        times[0] = Some(now);
        count(times, now)
    }

    /// Whether it happened in the last 30 s.
    pub fn has(&self, key: &K) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(key)
            .is_some_and(|times| count(times, Instant::now()) > 0)
    }

    /// As if it had not happened.
    pub fn forget(&self, key: &K) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(key);
    }
}

fn count(times: &[Option<Instant>; TIMES], now: Instant) -> usize {
    let is_recent = |time: &&Instant| now.saturating_duration_since(**time) < WHILE;
    times.iter().flatten().filter(is_recent).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_within_30_seconds_is_counted() {
        let recent = Recent::new();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (key, seconds, times) in [
            ("a", 0, 1),
            ("a", 10, 2),
            ("b", 10, 1),
            ("a", 20, 3),
            ("a", 29, 4),
            ("a", 29, 4),
            ("a", 59, 1),
            ("a", 60, 2),
        ] {
            assert_eq!(recent.note_at(key, at(seconds)), times, "{key} {seconds}");
        }
        assert!(recent.has(&"a") && !recent.has(&"c"));
        recent.forget(&"a");
        assert!(!recent.has(&"a"));
    }

    #[test]
    fn however_many_browsers_come_the_memory_is_bounded() {
        let recent = Recent::new();
        for number in 0..3 * MOST {
            recent.note(number);
            assert!(recent.0.lock().unwrap().len() <= MOST);
        }
    }
}
