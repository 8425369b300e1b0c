//! The times of forwarded pushes: when a delivery ends, when the next rung of the ladder comes, when a kept answer is too
//! old; and what servers that have ended left behind, where several share a store.

use std::time::{Duration, Instant};

use super::failing::{Backoff, Failing};
use crate::app::{App, Duty};
use crate::notifier::Woken;
use crate::store::StoreError;

/// Between two looks for kept answers that are too old.
const ROUND: Duration = Duration::from_secs(60);

/// Between two looks for what other servers of the store have left behind.
const LOOK: Duration = Duration::from_secs(2);

/// Pauses while the store cannot be read or written.
const BACKOFF: Backoff = Backoff::seconds(60, 600);

/// The same for the looks.
const SOON: Backoff = Backoff::seconds(2, 10);

/// Runs until the notifier is closed. A notification means that something is due earlier than was known.
pub(super) fn run(app: &App) {
    let mut next_round = Instant::now();
    let mut next_look = app.store.is_shared().then_some(next_round);
    let (mut failing, mut looking) = (Failing::default(), Failing::default());
    loop {
        if next_round <= Instant::now() {
            let pause = match round(app) {
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
        if next_look.is_some_and(|next| next <= Instant::now()) {
            let pause = match look(app) {
                Ok(()) => {
                    looking.succeeded();
                    LOOK
                }
                Err(error) => looking.failed(&error.to_string(), SOON, |seconds| {
                    log::warn!("forwarded pushes: {error}; looking again in {seconds} s");
                }),
            };
            next_look = Some(Instant::now() + pause);
        }
        let due = [app.deliveries.tick(), next_look, Some(next_round)];
        let next = due.into_iter().flatten().min().unwrap_or(next_round);
        let pause = next.saturating_duration_since(Instant::now());
        if app.notifiers.deliveries.wait(pause) == Woken::Closing {
            return;
        }
    }
}

fn round(app: &App) -> Result<(), StoreError> {
    if let Some(store) = app.duties.store(Duty::Ladder) {
        let services = &app.live().config.services;
        app.deliveries.expire_kept(&store, services)?;
        if store.is_shared() {
            store.end_interrupted_sending()?;
        }
    }
    app.deliveries.refresh_kept()
}

fn look(app: &App) -> Result<(), StoreError> {
    let (live, duty) = (app.live(), app.duties.store(Duty::Ladder));
    app.deliveries
        .go_on(duty.as_deref(), &live.services, &live.rules)
}
