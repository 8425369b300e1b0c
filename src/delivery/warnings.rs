//! Answers that were not shown: said once an hour for each service, however many there are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::counted::counted;

/// Between two warnings about one service.
const WHILE: Duration = Duration::from_secs(3_600);

/// What was said about each service.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<HashMap<String, Said>>);

#[derive(Debug, Default)]
struct Said {
    at: Option<Instant>,
    /// Not said yet.
    count: usize,
}

impl Warnings {
    /// This many answers of a service were not shown, for this reason.
    pub(super) fn lost(&self, service: &str, count: usize, why: &str) {
        if let Some(count) = self.count(service, count, Instant::now()) {
            let answers = counted(count, "answer");
            let last = if count > 1 { "the last one: " } else { "" };
            log::warn!(
                "service {service}: {answers} not shown ({last}{why}); `wechatd forwards list` says which; said once an hour"
            );
        }
    }

    /// How many are to be reported now, if any.
    fn count(&self, service: &str, count: usize, now: Instant) -> Option<usize> {
        if count == 0 {
            return None;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = all.entry(service.to_owned()).or_default();
        said.count += count;
        let is_due = said
            .at
            .is_none_or(|at| now.saturating_duration_since(at) >= WHILE);
        if !is_due {
            return None;
        }
        said.at = Some(now);
        Some(std::mem::take(&mut said.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said_once_an_hour_with_all_that_came_meanwhile() {
        let warnings = Warnings::default();
        let begun = Instant::now();
        let at = |minutes: u64| begun + Duration::from_secs(60 * minutes);
        assert_eq!(warnings.count("bot", 0, at(0)), None);
        assert_eq!(warnings.count("bot", 1, at(0)), Some(1));
        assert_eq!(warnings.count("bot", 2, at(1)), None);
        assert_eq!(warnings.count("other", 1, at(1)), Some(1));
        assert_eq!(warnings.count("bot", 1, at(59)), None);
        assert_eq!(warnings.count("bot", 1, at(60)), Some(4));
        assert_eq!(warnings.count("bot", 2, at(61)), None);
        // Nothing new is no reason to say what came before.
        assert_eq!(warnings.count("bot", 0, at(200)), None);
        assert_eq!(warnings.count("bot", 1, at(200)), Some(3));
    }
}
