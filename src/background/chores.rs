//! Chores: people who closed their account are forgotten, messages older than `store.keep_messages` removed, a
//! few at a time.

use std::time::Duration;

use super::trouble::{Pauses, Trouble};
use crate::app::App;
use crate::bell::Woken;
use crate::clock;
use crate::counted::counted;
use crate::store::StoreError;

/// Rows that one commit removes: a few milliseconds, so that no push waits for it.
const STEP: u32 = 200;

/// Between two steps, so that pushes come first.
const BREATH: Duration = Duration::from_millis(50);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// Before another look whether the log can be emptied.
const RETRY: Duration = Duration::from_secs(5);

/// Pauses while something cannot be done.
const PAUSES: Pauses = Pauses::seconds(5, 900);

/// Runs until the bell is closed. A ring starts a round at once.
pub(super) fn run(app: &App) {
    // What was erased just before an earlier end may still be in the write-ahead log.
    let mut log_has_traces = true;
    let mut trouble = Trouble::default();
    loop {
        // Each is done whatever becomes of the other.
        let emptied = forget(app, &mut log_has_traces);
        let removed = remove_old_messages(app);
        let woken = match (emptied, removed) {
            (_, Ok(woken @ (Woken::Rung | Woken::Closing))) => woken,
            (Ok(emptied), Ok(Woken::Time)) => {
                trouble.over();
                app.bells.chores.wait(if emptied { ROUND } else { RETRY })
            }
            (Err(error), _) | (Ok(_), Err(error)) => {
                let text = error.to_string();
                let pause = trouble.again(&text, PAUSES, |seconds| {
                    log::warn!(
                        "chores: {text}; trying again in {seconds} s, then less and less often"
                    );
                });
                app.bells.chores.wait(pause)
            }
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

/// Removes what still names people who closed their account. False while others keep the log from being emptied.
fn forget(app: &App, log_has_traces: &mut bool) -> Result<bool, StoreError> {
    let reader = app.store.reader()?;
    for openid in reader.people_to_erase()? {
        *log_has_traces = true;
        app.store.erase(&reader, &openid)?;
        log::info!("chores: forgot a person who closed the account");
    }
    if *log_has_traces {
        *log_has_traces = !app.store.empty_log()?;
    }
    Ok(!*log_has_traces)
}

/// Removes old messages until none is left or the bell is heard.
fn remove_old_messages(app: &App) -> Result<Woken, StoreError> {
    let mut removed = 0;
    loop {
        let keep = app.live().config.store.keep_messages;
        if keep.is_zero() {
            return Ok(Woken::Time);
        }
        let now = clock::unix_seconds();
        let before = now.saturating_sub_unsigned(keep.as_secs());
        let life = app.live().config.server.life_of_signatures();
        let remembered_from = now.saturating_sub_unsigned(life.as_secs());
        let step = app
            .store
            .remove_old_messages(before, now, remembered_from, STEP)?;
        removed += step;
        if step == 0 {
            if removed > 0 {
                log::info!(
                    "chores: removed {} older than store.keep_messages",
                    counted(removed, "message")
                );
            }
            return Ok(Woken::Time);
        }
        match app.bells.chores.wait(BREATH) {
            Woken::Time => {}
            woken @ (Woken::Rung | Woken::Closing) => return Ok(woken),
        }
    }
}
