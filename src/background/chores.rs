//! Chores: people who closed their account are forgotten, messages older than `store.keep_messages` removed, a
//! few at a time.

use std::time::Duration;

use crate::app::App;
use crate::bell::Woken;
use crate::clock;
use crate::store::StoreError;

/// Rows that one commit removes: a few milliseconds, so that no push waits for it.
const STEP: u32 = 200;

/// Between two steps, so that pushes come first.
const BREATH: Duration = Duration::from_millis(50);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// Before another try of what could not be done.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until the bell is closed. A ring starts a round at once.
pub(super) fn run(app: &App) {
    // What was erased just before an earlier end may still be in the write-ahead log.
    let mut log_has_traces = true;
    let mut failing = false;
    loop {
        let done = forget(app, &mut log_has_traces).and_then(|emptied| {
            let woken = remove_old_messages(app)?;
            Ok((emptied, woken))
        });
        let woken = match done {
            Ok((_, woken @ (Woken::Rung | Woken::Closing))) => woken,
            Ok((emptied, Woken::Time)) => {
                failing = false;
                app.bells.chores.wait(if emptied { ROUND } else { RETRY })
            }
            Err(error) => {
                if !failing {
                    log::warn!("chores: {error}; trying again");
                }
                failing = true;
                app.bells.chores.wait(RETRY)
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
        let step = app.store.remove_old_messages(before, now, STEP)?;
        removed += step;
        if step == 0 {
            if removed > 0 {
                log::info!("chores: removed {removed} messages older than store.keep_messages");
            }
            return Ok(Woken::Time);
        }
        match app.bells.chores.wait(BREATH) {
            Woken::Time => {}
            woken @ (Woken::Rung | Woken::Closing) => return Ok(woken),
        }
    }
}
