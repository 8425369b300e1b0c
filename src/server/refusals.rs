//! Says in the log why requests were refused, each reason at most once a second however many come.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about one reason.
const PACE: Duration = Duration::from_secs(1);

/// Reasons that are told apart; there are fewer in the source.
const REASONS: usize = 32;

/// Why a request is refused, for the log only. It never holds anything of the request but its form.
pub(super) type Why = String;

/// The log of refused requests.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    told: Mutex<Vec<Told>>,
}

#[derive(Debug)]
struct Told {
    /// The reason without its figures.
    reason: String,
    last: Instant,
    unsaid: u64,
}

impl Refusals {
    /// Notes one refusal.
    pub(super) fn note(&self, from: &str, why: &str) {
        match self.unsaid(why) {
            None => {}
            Some(0) => log::warn!("refused a request from {from}: {why}"),
            Some(more) => log::warn!(
                "refused a request from {from}: {why} ({more} more since the last such line)"
            ),
        }
    }

    /// Whether a line is due, and how many refusals for this reason had none since the last one.
    fn unsaid(&self, why: &str) -> Option<u64> {
        let reason: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = told.iter_mut().find(|told| told.reason == reason) {
            if now.duration_since(told.last) < PACE {
                told.unsaid += 1;
                return None;
            }
            told.last = now;
            return Some(std::mem::take(&mut told.unsaid));
        }
        if told.len() == REASONS {
            told.remove(0);
        }
        told.push(Told {
            reason,
            last: now,
            unsaid: 0,
        });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_and_what_came_meanwhile_is_counted() {
        let refusals = Refusals::default();
        assert_eq!(refusals.unsaid("its timestamp is 700 s off"), Some(0));
        assert_eq!(refusals.unsaid("its timestamp is 701 s off"), None);
        assert_eq!(refusals.unsaid("its signature is wrong"), Some(0));
        {
            let mut told = refusals.told.lock().expect("nobody panicked");
            told[0].last -= PACE;
        }
        assert_eq!(refusals.unsaid("its timestamp is 702 s off"), Some(1));
        assert_eq!(refusals.unsaid("its signature is wrong"), None);
    }

    #[test]
    fn however_many_reasons_there_are_the_memory_is_bounded() {
        let refusals = Refusals::default();
        for length in 0..100 {
            assert_eq!(refusals.unsaid(&"x".repeat(length)), Some(0));
        }
        assert_eq!(
            refusals.told.lock().expect("nobody panicked").len(),
            REASONS
        );
    }
}
