//! Chores: people who closed their account are forgotten, messages older than `store.keep_messages` removed, a
//! few at a time, by a clock that the platform has confirmed.

use std::time::Duration;

use super::trouble::{Pauses, Trouble};
use crate::api::Client;
use crate::app::App;
use crate::clock::{self, Confirmed};
use crate::counted::counted;
use crate::notifier::Woken;
use crate::store::StoreError;

/// Rows that one commit removes: a few milliseconds, so that no push waits for it.
const STEP: u32 = 200;

/// Between two steps, so that pushes come first.
const BREATH: Duration = Duration::from_millis(50);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// How much later than the last confirmed time it may be by this machine's clock alone, in seconds. A service that was
/// away for longer waits for the next push or answer of the platform.
const UNCONFIRMED: i64 = 2 * 86_400;

/// Signatures are kept for so long at least, in seconds: `server.max_clock_skew` may become longer.
const SIGNATURES: u64 = 86_400;

/// Before another look whether the log can be emptied, or the platform has told the time.
const RETRY: Duration = Duration::from_secs(5);

/// Pauses while something cannot be done.
const PAUSES: Pauses = Pauses::seconds(5, 900);

/// Runs until the notifier is closed. Notified, it starts a round at once.
pub(super) fn run(app: &App) {
    // What was erased just before an earlier end may still be in the write-ahead log.
    let mut log_has_traces = true;
    let mut trouble = Trouble::default();
    let mut told = Told::default();
    loop {
        // Each is done whatever becomes of the other.
        let emptied = forget(app, &mut log_has_traces);
        let removed = remove_old(app, &mut told);
        let woken = match (emptied, removed) {
            (_, Ok(Removed::Woken(woken))) => woken,
            (Ok(emptied), Ok(removed @ (Removed::All | Removed::Waiting))) => {
                trouble.over();
                // Only results of calls must be polled for; a push notifies.
                let looks_again = removed == Removed::Waiting && app.api.is_some();
                let pause = match emptied && !looks_again {
                    true => ROUND,
                    false => RETRY,
                };
                app.notifiers.chores.wait(pause)
            }
            (Err(error), _) | (Ok(_), Err(error)) => {
                let text = error.to_string();
                let pause = trouble.again(&text, PAUSES, |seconds| {
                    log::warn!(
                        "chores: {text}; trying again in {seconds} s, then less and less often"
                    );
                });
                app.notifiers.chores.wait(pause)
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

/// How the removal of what is old ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    /// All of it is gone.
    All,
    /// Some of it stays until the platform has told the time.
    Waiting,
    /// Notified, or closing.
    Woken(Woken),
}

/// What is said of removals, over the rounds.
#[derive(Debug, Default)]
struct Told {
    /// Messages removed since the last log line about them: a notification ends a round in the middle.
    removed: usize,
    /// That some wait was said.
    waiting: bool,
}

/// What time it is for removals.
struct Now {
    /// Nothing goes by a later time than this; `None`: nothing goes. Unix seconds.
    at: Option<i64>,
    /// It is much later by this machine's clock, which nothing has confirmed.
    is_doubted: bool,
}

impl Now {
    fn look(app: &App) -> Now {
        if let Some(told) = app.api.as_ref().and_then(Client::platform_time) {
            app.confirmed.confirm(told);
        }
        let local = clock::unix_seconds();
        match app.confirmed.now() {
            Confirmed::Told(told) => Now {
                at: Some(told.min(local)),
                is_doubted: false,
            },
            Confirmed::Kept(kept) if local.saturating_sub(kept) <= UNCONFIRMED => Now {
                at: Some(local),
                is_doubted: false,
            },
            Confirmed::Kept(kept) => Now {
                at: Some(kept),
                is_doubted: true,
            },
            Confirmed::Never => Now {
                at: None,
                is_doubted: true,
            },
        }
    }
}

/// Removes old messages, and what is no longer needed of signatures, until none is left or it is notified.
fn remove_old(app: &App, told: &mut Told) -> Result<Removed, StoreError> {
    if let Confirmed::Told(now) = app.confirmed.now() {
        app.store.keep_confirmed_time(now)?;
    }
    let removed = remove_used(app)?;
    if removed != Removed::All {
        return Ok(removed);
    }
    let reader = app.store.reader()?;
    loop {
        let live = app.live();
        let keep = live.config.store.keep_messages.as_secs();
        if keep == 0 {
            return Ok(Removed::All);
        }
        let local = clock::unix_seconds();
        let due_for = |oldest: Option<i64>| match oldest {
            Some(oldest) => local.saturating_sub_unsigned(keep).saturating_sub(oldest),
            None => 0,
        };
        let Now { mut at, is_doubted } = Now::look(app);
        if at.is_none() && due_for(reader.oldest_message()?) <= UNCONFIRMED {
            at = Some(local);
        }
        let step = match at {
            None => 0,
            Some(now) => {
                let before = now.saturating_sub_unsigned(keep);
                let life = live.config.server.life_of_signatures();
                let remembered_from = now.saturating_sub_unsigned(life.as_secs());
                app.store
                    .remove_old_messages(before, now, remembered_from, STEP)?
            }
        };
        told.removed += step;
        if step == 0 {
            if told.removed > 0 {
                log::info!(
                    "chores: removed {} older than store.keep_messages",
                    counted(std::mem::take(&mut told.removed), "message")
                );
            }
            let due_for = due_for(reader.oldest_message()?);
            if !is_doubted || due_for <= 0 {
                return Ok(Removed::All);
            }
            if !std::mem::replace(&mut told.waiting, true) {
                log::warn!(
                    "chores: by this machine's clock messages should have been removed {} ago, but nothing has confirmed the clock yet: \
                     they stay until a push or an answer of the platform does",
                    counted(usize::try_from(due_for / 86_400).unwrap_or(0), "day")
                );
            }
            return Ok(Removed::Waiting);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes signatures that cannot be accepted any more, and digests of messages that would have been removed by now.
fn remove_used(app: &App) -> Result<Removed, StoreError> {
    loop {
        let Some(now) = Now::look(app).at else {
            return Ok(Removed::All);
        };
        let live = app.live();
        let life = live.config.server.life_of_signatures().as_secs();
        let keep = live.config.store.keep_messages.as_secs();
        let signatures = now.saturating_sub_unsigned(life.max(SIGNATURES));
        // What is kept for ever would have been.
        let digests = (keep > 0).then(|| now.saturating_sub_unsigned(life.max(keep)));
        if app.store.remove_used(signatures, digests, STEP)? == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}
