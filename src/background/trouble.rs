//! Trouble that lasts: said once in the log, not for every try, and tried again less and less often.

use std::time::Duration;

/// What keeps a background thread from its work now, if anything does.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    now: Option<(String, Duration)>,
}

/// Pauses before other tries, doubled from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pauses {
    first: Duration,
    last: Duration,
}

impl Pauses {
    /// From and to so many seconds.
    pub(super) const fn seconds(first: u64, last: u64) -> Pauses {
        Pauses {
            first: Duration::from_secs(first),
            last: Duration::from_secs(last),
        }
    }

    /// The same ones, none of them shorter than this.
    pub(super) fn at_least(self, least: Duration) -> Pauses {
        Pauses {
            first: self.first.max(least),
            last: self.last.max(least),
        }
    }
}

impl Trouble {
    /// A try came to nothing. Returns the pause before the next; `say` is called with its seconds if the text is news.
    pub(super) fn again(&mut self, text: &str, pauses: Pauses, say: impl FnOnce(u64)) -> Duration {
        let pause = self.now.as_ref().map_or(pauses.first, |(_, before)| {
            before.saturating_mul(2).clamp(pauses.first, pauses.last)
        });
        let is_known = self.now.as_ref().is_some_and(|(before, _)| before == text);
        if !is_known {
            say(pause.as_secs());
        }
        self.now = Some((text.to_owned(), pause));
        pause
    }

    /// A try came to its end. Returns whether there was trouble before.
    pub(super) fn over(&mut self) -> bool {
        self.now.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_and_its_pauses_double_to_the_last() {
        let mut trouble = Trouble::default();
        let mut said = Vec::new();
        let mut again = |trouble: &mut Trouble, text: &str| {
            let pause = trouble.again(text, Pauses::seconds(5, 30), |seconds| {
                said.push(format!("{text} {seconds}"));
            });
            pause.as_secs()
        };
        let pauses = ["away", "away", "away", "full", "full"].map(|text| again(&mut trouble, text));
        assert_eq!(pauses, [5, 10, 20, 30, 30]);
        assert!(trouble.over());
        assert!(!trouble.over());
        assert_eq!(again(&mut trouble, "full"), 5);
        assert_eq!(said, ["away 5", "full 30", "full 5"]);
    }

    #[test]
    fn no_pause_is_shorter_than_the_least() {
        let limit = Pauses::seconds(1, 300).at_least(Duration::from_secs(600));
        let mut trouble = Trouble::default();
        for _ in 0..3 {
            assert_eq!(trouble.again("full", limit, drop).as_secs(), 600);
        }
        // What comes after long trouble of another kind has its own pauses.
        let short = Pauses::seconds(60, 60);
        assert_eq!(trouble.again("busy", short, drop).as_secs(), 60);
    }
}
