//! Failures that repeat: logged once, not at every try, and retried with growing pauses.

use std::time::Duration;

/// The failure that a background thread is in, if any.
#[derive(Debug, Default)]
pub(super) struct Failing {
    now: Option<(String, Duration)>,
}

/// Pauses before retries: each is twice the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    first: Duration,
    last: Duration,
}

impl Backoff {
    /// Doubles from `first` to `last` seconds.
    pub(super) const fn seconds(first: u64, last: u64) -> Backoff {
        Backoff {
            first: Duration::from_secs(first),
            last: Duration::from_secs(last),
        }
    }

    /// The same, but no pause is shorter than `least`.
    pub(super) fn at_least(self, least: Duration) -> Backoff {
        Backoff {
            first: self.first.max(least),
            last: self.last.max(least),
        }
    }
}

impl Failing {
    /// A try failed. Returns the pause before the next; if `text` is new, `log` is called with its seconds.
    pub(super) fn failed(
        &mut self,
        text: &str,
        backoff: Backoff,
        log: impl FnOnce(u64),
    ) -> Duration {
        let pause = self.now.as_ref().map_or(backoff.first, |(_, before)| {
            before.saturating_mul(2).clamp(backoff.first, backoff.last)
        });
        let is_known = self.now.as_ref().is_some_and(|(before, _)| before == text);
        if !is_known {
            log(pause.as_secs());
        }
        self.now = Some((text.to_owned(), pause));
        pause
    }

    /// Whether no try failed since the last that succeeded.
    pub(super) fn is_over(&self) -> bool {
        self.now.is_none()
    }

    /// A try succeeded. Returns whether the one before had failed.
    pub(super) fn succeeded(&mut self) -> bool {
        self.now.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_once_and_its_pauses_double_up_to_the_last() {
        let mut failing = Failing::default();
        let mut logged = Vec::new();
        let mut failed = |failing: &mut Failing, text: &str| {
            let pause = failing.failed(text, Backoff::seconds(5, 30), |seconds| {
                logged.push(format!("{text} {seconds}"));
            });
            pause.as_secs()
        };
        let pauses =
            ["away", "away", "away", "full", "full"].map(|text| failed(&mut failing, text));
        assert_eq!(pauses, [5, 10, 20, 30, 30]);
        assert!(failing.succeeded());
        assert!(!failing.succeeded());
        assert_eq!(failed(&mut failing, "full"), 5);
        assert_eq!(logged, ["away 5", "full 30", "full 5"]);
    }

    #[test]
    fn no_pause_is_shorter_than_the_least() {
        let limit = Backoff::seconds(1, 300).at_least(Duration::from_secs(600));
        let mut failing = Failing::default();
        for _ in 0..3 {
            assert_eq!(failing.failed("full", limit, drop).as_secs(), 600);
        }
        // A failure of another kind has its own pauses, however long the ones before were.
        let short = Backoff::seconds(60, 60);
        assert_eq!(failing.failed("busy", short, drop).as_secs(), 60);
    }
}
