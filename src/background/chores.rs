//! Hourly chores: messages older than `store.keep_messages` are removed, a few at a time.

use std::time::Duration;

use crate::app::App;
use crate::bell::Woken;
use crate::clock;

/// Rows that one commit removes: a few milliseconds, so that no push waits for it.
const STEP: u32 = 200;

/// Between two steps, so that pushes come first.
const BREATH: Duration = Duration::from_millis(50);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// Runs until the bell is closed. A ring starts a round at once.
pub(super) fn run(app: &App) {
    loop {
        if remove_old_messages(app) == Woken::Closing || app.chores.wait(ROUND) == Woken::Closing {
            return;
        }
    }
}

fn remove_old_messages(app: &App) -> Woken {
    let mut removed = 0;
    loop {
        let keep = app.live().config.store.keep_messages;
        if keep.is_zero() {
            return Woken::Time;
        }
        let before = clock::unix_seconds().saturating_sub_unsigned(keep.as_secs());
        let step = match app.store.remove_old_messages(before, STEP) {
            Ok(step) => step,
            Err(error) => {
                log::warn!("chores: removing old messages: {error}");
                return Woken::Time;
            }
        };
        removed += step;
        if step == 0 {
            if removed > 0 {
                log::info!("chores: removed {removed} messages older than store.keep_messages");
            }
            return Woken::Time;
        }
        if app.chores.pause(BREATH) == Woken::Closing {
            return Woken::Closing;
        }
    }
}
