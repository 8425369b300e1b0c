//! The current time in the units that the program uses, and the time that the platform has confirmed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now in Unix seconds. A clock before 1970 reads as 0.
#[must_use]
pub fn unix_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}

/// Now in microseconds since 1970, for identifiers that must not repeat.
#[must_use]
pub fn unix_micros() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros())
}

/// The latest time that the platform has confirmed, plus what has passed since by this machine's monotonic clock.
/// What cannot be undone, such as the removal of old messages, never goes by a later time than this.
///
/// The monotonic clock stands still while the machine sleeps. The time is then too early, which only delays.
#[derive(Debug)]
pub struct ConfirmedClock {
    started: Instant,
    /// Confirmed to an earlier process; Unix seconds at `started`, as is `fresh`.
    stored: Option<i64>,
    /// Confirmed to this process; `i64::MIN`: nothing yet.
    fresh: AtomicI64,
}

/// If the platform's time is ahead of the known one by more than this, in seconds, the known one was wrong: no call
/// takes as long.
const LEAP: i64 = 3_600;

/// What is known about the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Unix seconds: it is at least this late. Confirmed since the program started.
    Fresh(i64),
    /// The same, but confirmed to an earlier process. The time between the two is missing from it.
    Stored(i64),
    /// The platform has never confirmed a time.
    Never,
}

impl ConfirmedClock {
    /// `stored`: the time, in Unix seconds, that an earlier process knew.
    #[must_use]
    pub fn new(stored: Option<i64>) -> ConfirmedClock {
        ConfirmedClock {
            started: Instant::now(),
            stored,
            fresh: AtomicI64::new(i64::MIN),
        }
    }

    /// The platform says that it is `time`, in Unix seconds. A time earlier than the known one changes nothing.
    /// True if nothing was confirmed to this process before, or the known time was more than an hour behind.
    pub fn confirm(&self, time: i64) -> bool {
        self.confirm_after(time, self.started.elapsed())
    }

    /// What is known now.
    #[must_use]
    pub fn now(&self) -> Confirmed {
        self.now_after(self.started.elapsed())
    }

    fn confirm_after(&self, time: i64, passed: Duration) -> bool {
        // One second more than have certainly passed: rounding must not make the time too late.
        let at_start = time.saturating_sub_unsigned(passed.as_secs().saturating_add(1));
        let before = self.fresh.fetch_max(at_start, Ordering::Relaxed);
        before == i64::MIN || at_start.saturating_sub(before) > LEAP
    }

    fn now_after(&self, passed: Duration) -> Confirmed {
        let since = |at_start: i64| at_start.saturating_add_unsigned(passed.as_secs());
        match (self.fresh.load(Ordering::Relaxed), self.stored) {
            (i64::MIN, None) => Confirmed::Never,
            (i64::MIN, Some(stored)) => Confirmed::Stored(since(stored)),
            (fresh, stored) => Confirmed::Fresh(since(fresh.max(stored.unwrap_or(fresh)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_790_000_000;

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_confirmed_time_advances_with_the_clock_and_never_goes_back() {
        let clock = ConfirmedClock::new(None);
        assert_eq!(clock.now_after(after(5)), Confirmed::Never);
        assert!(clock.confirm_after(T, after(10)));
        assert_eq!(clock.now_after(after(10)), Confirmed::Fresh(T - 1));
        assert_eq!(clock.now_after(after(110)), Confirmed::Fresh(T + 99));
        assert!(!clock.confirm_after(T - 86_400, after(110)));
        assert_eq!(clock.now_after(after(110)), Confirmed::Fresh(T + 99));
        assert!(!clock.confirm_after(T + 500, after(110)));
        assert_eq!(clock.now_after(after(111)), Confirmed::Fresh(T + 500));
        assert!(clock.confirm_after(T + 86_400, after(111)));
        assert_eq!(clock.now_after(after(112)), Confirmed::Fresh(T + 86_400));
    }

    #[test]
    fn the_time_is_never_earlier_than_an_earlier_process_knew() {
        let clock = ConfirmedClock::new(Some(T));
        assert_eq!(clock.now_after(after(7)), Confirmed::Stored(T + 7));
        assert!(clock.confirm_after(T - 1_000, after(7)));
        assert_eq!(clock.now_after(after(8)), Confirmed::Fresh(T + 8));
        clock.confirm_after(T + 1_000, after(8));
        assert_eq!(clock.now_after(after(8)), Confirmed::Fresh(T + 999));
    }

    #[test]
    fn a_confirmed_time_is_never_later_than_the_true_one() {
        let clock = ConfirmedClock::new(None);
        // Confirmed at 0.9 s after a full second, read 0.1 s after one.
        clock.confirm_after(T, Duration::from_millis(10_900));
        assert_eq!(
            clock.now_after(Duration::from_millis(12_100)),
            Confirmed::Fresh(T + 1)
        );
    }

    #[test]
    fn no_time_is_too_far_off_to_be_added() {
        for time in [i64::MIN, i64::MIN + 1, i64::MAX] {
            let clock = ConfirmedClock::new(Some(time));
            clock.confirm_after(time, Duration::MAX);
            clock.now_after(Duration::MAX);
        }
    }
}
