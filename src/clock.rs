//! The time of day in the two units that the program uses, and the time that the platform has confirmed.

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

/// The newest time that the platform has confirmed, and the time that has passed since by this machine's monotonic
/// clock. What cannot be undone, as the removal of old messages, is never done by a later time than this.
///
/// The monotonic clock stands still while the machine sleeps. The time is too early then, which only delays.
#[derive(Debug)]
pub struct ConfirmedClock {
    started: Instant,
    /// Both in Unix seconds at `started`. Of an earlier process:
    kept: Option<i64>,
    /// Of this one; `i64::MIN`: nothing yet.
    told: AtomicI64,
}

/// By so much the known time is wrong where the platform's is later, in seconds: a call does not take as long.
const LEAP: i64 = 3_600;

/// What is known of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Unix seconds: it is at least this late, by what the platform told since the program started.
    Told(i64),
    /// The same by what it told an earlier process. How long the program did not run is not in it.
    Kept(i64),
    /// The platform never told the time.
    Never,
}

impl ConfirmedClock {
    /// `kept`: a time, in Unix seconds, that an earlier process knew.
    #[must_use]
    pub fn new(kept: Option<i64>) -> ConfirmedClock {
        ConfirmedClock {
            started: Instant::now(),
            kept,
            told: AtomicI64::new(i64::MIN),
        }
    }

    /// The platform says that it is this late, in Unix seconds. An earlier time than the known one changes nothing.
    /// True where the time was not known to this process before, or not by more than an hour.
    pub fn confirm(&self, time: i64) -> bool {
        self.confirm_after(time, self.started.elapsed())
    }

    /// What is known now.
    #[must_use]
    pub fn now(&self) -> Confirmed {
        self.now_after(self.started.elapsed())
    }

    fn confirm_after(&self, time: i64, passed: Duration) -> bool {
        // A second more than have passed for certain: the time must not be too late by a rounding.
        let at_start = time.saturating_sub_unsigned(passed.as_secs().saturating_add(1));
        let before = self.told.fetch_max(at_start, Ordering::Relaxed);
        before == i64::MIN || at_start.saturating_sub(before) > LEAP
    }

    fn now_after(&self, passed: Duration) -> Confirmed {
        let since = |at_start: i64| at_start.saturating_add_unsigned(passed.as_secs());
        match (self.told.load(Ordering::Relaxed), self.kept) {
            (i64::MIN, None) => Confirmed::Never,
            (i64::MIN, Some(kept)) => Confirmed::Kept(since(kept)),
            (told, kept) => Confirmed::Told(since(told.max(kept.unwrap_or(told)))),
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
    fn a_confirmed_time_goes_on_by_the_time_that_passes_and_never_back() {
        let clock = ConfirmedClock::new(None);
        assert_eq!(clock.now_after(after(5)), Confirmed::Never);
        assert!(clock.confirm_after(T, after(10)));
        assert_eq!(clock.now_after(after(10)), Confirmed::Told(T - 1));
        assert_eq!(clock.now_after(after(110)), Confirmed::Told(T + 99));
        assert!(!clock.confirm_after(T - 86_400, after(110)));
        assert_eq!(clock.now_after(after(110)), Confirmed::Told(T + 99));
        assert!(!clock.confirm_after(T + 500, after(110)));
        assert_eq!(clock.now_after(after(111)), Confirmed::Told(T + 500));
        assert!(clock.confirm_after(T + 86_400, after(111)));
        assert_eq!(clock.now_after(after(112)), Confirmed::Told(T + 86_400));
    }

    #[test]
    fn what_an_earlier_process_knew_is_the_least_that_is_known() {
        let clock = ConfirmedClock::new(Some(T));
        assert_eq!(clock.now_after(after(7)), Confirmed::Kept(T + 7));
        assert!(clock.confirm_after(T - 1_000, after(7)));
        assert_eq!(clock.now_after(after(8)), Confirmed::Told(T + 8));
        clock.confirm_after(T + 1_000, after(8));
        assert_eq!(clock.now_after(after(8)), Confirmed::Told(T + 999));
    }

    #[test]
    fn a_confirmed_time_is_never_later_than_the_true_one() {
        let clock = ConfirmedClock::new(None);
        // Confirmed at 0.9 s after a full second, looked at 0.1 s after one.
        clock.confirm_after(T, Duration::from_millis(10_900));
        assert_eq!(
            clock.now_after(Duration::from_millis(12_100)),
            Confirmed::Told(T + 1)
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
