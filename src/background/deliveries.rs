//! The times of forwarded pushes: when a delivery ends, when the next rung of the ladder comes, when a kept answer is too old.

use std::time::{Duration, Instant};

use super::failing::{Backoff, Failing};
use crate::app::App;
use crate::notifier::Woken;

/// Between two looks for kept answers that are too old.
const ROUND: Duration = Duration::from_secs(60);

/// Pauses while the store cannot be read or written.
const BACKOFF: Backoff = Backoff::seconds(60, 600);

/// Runs until the notifier is closed. A notification means that something is due earlier than was known.
pub(super) fn run(app: &App) {
    let mut next_round = Instant::now();
    let mut failing = Failing::default();
    loop {
        if next_round <= Instant::now() {
            let expired = app.deliveries.expire_kept(&app.live().config.services);
            let pause = match expired {
                Ok(()) => {
                    failing.succeeded();
                    ROUND
                }
                Err(error) => {
                    let text = error.to_string();
                    failing.failed(&text, BACKOFF, |seconds| {
                        log::warn!("kept answers: {text}; retrying in {seconds} s");
                    })
                }
            };
            next_round = Instant::now() + pause;
        }
        let next = app
            .deliveries
            .tick()
            .map_or(next_round, |next| next.min(next_round));
        let pause = next.saturating_duration_since(Instant::now());
        if app.notifiers.deliveries.wait(pause) == Woken::Closing {
            return;
        }
    }
}
