//! Ids of new rows: made by the program, about in the order of time, and small enough for every reader of JSON.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock;
use crate::random::{self, NoRandomNumbers};

/// How many ids of different processes one moment has.
const PROCESSES: i64 = 16;

/// Microseconds since 1970, of which the last four bits are a random number of this process. 53 bits suffice until 2255.
/// Two processes may make the same id: the table refuses the second row, which gets another one then.
#[derive(Debug)]
pub(in super::super) struct Ids {
    process: i64,
    last: AtomicI64,
}

impl Ids {
    pub(in super::super) fn new() -> Result<Ids, NoRandomNumbers> {
        let [number] = random::bytes()?;
        Ok(Ids {
            process: i64::from(number) % PROCESSES,
            last: AtomicI64::new(0),
        })
    }

    /// A new id, greater than all before.
    pub(super) fn next(&self) -> i64 {
        self.next_at(i64::try_from(clock::unix_micros()).unwrap_or(0))
    }

    fn next_at(&self, micros: i64) -> i64 {
        let now = micros - micros.rem_euclid(PROCESSES) + self.process;
        let step = |last: i64| Some(now.max(last.saturating_add(PROCESSES)));
        let (order, last) = (Ordering::Relaxed, &self.last);
        let before = last.fetch_update(order, order, step);
        let before = before.unwrap_or_else(|last| last);
        step(before).unwrap_or(now)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let ids = Ids::new().unwrap();
        let times = [1_000_000, 1_000_000, 1_000_005, 17, 1_000_100, 0, 2_000_000];
        let made: Vec<i64> = times.iter().map(|micros| ids.next_at(*micros)).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "{made:?}");
        assert!(made[6] - 2_000_000 < PROCESSES);
    }

    #[test]
    fn ids_have_53_bits_and_processes_seldom_the_same() {
        let (one, other) = (
            Ids {
                process: 3,
                last: AtomicI64::new(0),
            },
            Ids {
                process: 4,
                last: AtomicI64::new(0),
            },
        );
        for _ in 0..1_000 {
            let (one, other) = (one.next(), other.next());
            assert!(one != other && one < 1 << 53 && one > 1 << 50);
        }
    }
}
