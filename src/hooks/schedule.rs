//! When an event is tried again, and when it is given up; pure, the time is passed in.

use std::time::Duration;

use crate::store::{EventState, HookEvent, HookOutcome};

/// After this many failures in a row, of any events, one event a minute is tried: an outage costs no attempts.
pub const PROBING: i64 = 10;

/// The longest `Retry-After` that is honoured, and how long a `closed` event is tried, in seconds.
const DAY: i64 = 86_400;

/// The pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// After the first failure, the second and so on, in seconds; after one more failure the event is given up.
    pub pauses: &'static [i64],
    /// Between two attempts while probing, in seconds.
    pub probe: i64,
}

impl Schedule {
    /// The one of the documentation.
    pub const REAL: Schedule = Schedule {
        pauses: &[
            5,
            300,
            1_800,
            2 * 3_600,
            5 * 3_600,
            10 * 3_600,
            14 * 3_600,
            20 * 3_600,
            24 * 3_600,
        ],
        probe: 60,
    };

    /// The outcome of a failed attempt. `now` in Unix seconds; `failures` is the number of failures in a row before this
    /// one; `random` between 0 and 1 spreads the pauses by 20 %.
    pub fn after_failure(
        &self,
        event: &HookEvent,
        failure: &Failure,
        failures: i64,
        now: i64,
        random: f64,
    ) -> HookOutcome {
        let retry_after = failure.retry_after.map_or(0, |after| {
            i64::try_from(after.as_secs()).unwrap_or(DAY).min(DAY)
        });
        let spread = |pause: i64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "at most some days, in seconds"
            )]
            let spread = (pause as f64 * (0.8 + 0.4 * random)).round() as i64;
            spread.max(1)
        };
        let is_probe = failures >= PROBING;
        let attempts = match is_probe {
            true => event.attempts,
            false => event.attempts + 1,
        };
        let pause = match is_probe {
            // The next probe tries another event: perhaps the receiver only refuses this one.
            true => Some(self.probe),
            false => usize::try_from(attempts - 1)
                .ok()
                .and_then(|n| self.pauses.get(n))
                .map(|pause| spread(*pause)),
        };
        let state = match pause {
            None => EventState::Dead(now),
            Some(_) if event.kind == "closed" && now >= event.created_at + DAY => {
                EventState::Dead(now)
            }
            Some(pause) => EventState::Waiting(now + pause.max(retry_after)),
        };
        HookOutcome {
            number: event.number,
            state,
            attempts,
            status: failure.status,
            error: Some(failure.error.clone()),
        }
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status of the answer, if one came.
    pub status: Option<u16>,
    /// What went wrong; without secrets.
    pub error: String,
    /// How long the receiver asks to wait.
    pub retry_after: Option<Duration>,
    /// The receiver is gone for good (410).
    pub is_gone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn event(attempts: i64) -> HookEvent {
        HookEvent {
            number: 1,
            id: "evt_1".to_owned(),
            hook: "crm".to_owned(),
            kind: "message".to_owned(),
            openid: None,
            body: "{}".to_owned(),
            created_at: NOW,
            attempts,
            next_at: NOW,
            last_status: None,
            last_error: None,
        }
    }

    fn failure(retry_after: Option<u64>) -> Failure {
        Failure {
            status: Some(500),
            error: "500".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
            is_gone: false,
        }
    }

    #[test]
    fn the_pauses_grow_to_a_day_and_then_the_event_is_dead() {
        let pauses = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (attempts, pause) in (0..).zip(pauses) {
            for (random, share) in [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)] {
                let outcome =
                    Schedule::REAL.after_failure(&event(attempts), &failure(None), 0, NOW, random);
                let expected = (f64::from(pause) * share).round() as i64;
                assert_eq!(outcome.state, EventState::Waiting(NOW + expected));
                assert_eq!(outcome.attempts, attempts + 1);
            }
        }
        let outcome = Schedule::REAL.after_failure(&event(9), &failure(None), 0, NOW, 0.5);
        assert_eq!(outcome.state, EventState::Dead(NOW));
        assert_eq!(outcome.attempts, 10);
    }

    #[test]
    fn retry_after_is_honoured_where_it_is_longer_up_to_a_day() {
        for (asked, pause) in [(1, 5), (60, 60), (86_400, 86_400), (10_000_000, 86_400)] {
            let outcome =
                Schedule::REAL.after_failure(&event(0), &failure(Some(asked)), 0, NOW, 0.5);
            assert_eq!(outcome.state, EventState::Waiting(NOW + pause), "{asked}");
        }
    }

    #[test]
    fn an_outage_costs_no_attempts_and_another_event_is_tried_next() {
        for attempts in [0, 9] {
            let outcome =
                Schedule::REAL.after_failure(&event(attempts), &failure(None), PROBING, NOW, 0.5);
            assert_eq!(outcome.state, EventState::Waiting(NOW + 60));
            assert_eq!(outcome.attempts, attempts);
        }
    }

    #[test]
    fn closed_events_are_tried_for_a_day() {
        let mut closed = event(3);
        closed.kind = "closed".to_owned();
        let at = |now| Schedule::REAL.after_failure(&closed, &failure(None), 0, now, 0.5);
        assert_eq!(at(NOW + 60).state, EventState::Waiting(NOW + 60 + 7_200));
        assert_eq!(at(NOW + DAY).state, EventState::Dead(NOW + DAY));
    }
}
