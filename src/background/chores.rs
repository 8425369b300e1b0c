//! Chores: erases people who closed their account, removes messages older than `store.keep_messages`, sessions that
//! have expired and the like, a few at a time, by a clock that the platform has confirmed, and counts hits of rules.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::api::Client;
use crate::app::{App, Duty, hashes};
use crate::clock::{self, Confirmed};
use crate::counted::counted;
use crate::notifier::Woken;
use crate::store::{Place, Store, StoreError};

/// Rows removed by one commit: it takes a few milliseconds, so that no push waits for it.
const STEP: u32 = 200;

/// Pause between two steps, so that pushes come first.
const BREATH: Duration = Duration::from_millis(50);

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// Between two looks for what another server has left to do, and whether it still does the chores.
const ELSEWHERE: Duration = Duration::from_secs(60);

/// How far this machine's clock alone is trusted beyond the last confirmed time, in seconds. A service that was down
/// for longer waits for the next push or answer of the platform.
const UNCONFIRMED: i64 = 2 * 86_400;

/// How long events of hooks are kept after delivery, and after they were given up; and how long `closed` events are
/// kept. In seconds.
const DELIVERED: u64 = 7 * 86_400;
const DEAD: u64 = 30 * 86_400;
const CLOSED: u64 = 86_400;

/// How long trouble is kept after it is over, in seconds.
const TROUBLE: u64 = 30 * 86_400;

/// How long a picture of an article is kept after the configuration no longer names it: messages that were sent point
/// to it. 30 days, and what passes until a use is noted, in seconds.
const PICTURES: u64 = 30 * 86_400 + 2 * 3_600;

/// The shortest time to keep signatures, in seconds: `server.max_clock_skew` may be raised.
const SIGNATURES: u64 = 86_400;

/// Pause before the next try to empty the log or to learn the platform's time.
const RETRY: Duration = Duration::from_secs(5);

/// After a failure.
const BACKOFF: Backoff = Backoff::seconds(5, 900);

/// Runs until the notifier is closed. Starts a round at once when notified.
pub(super) fn run(app: &App) {
    // What an earlier process erased just before it ended may still be in the write-ahead log.
    let mut log_has_traces = true;
    let mut failing = Failing::default();
    let mut logged = Logged::default();
    // Messages went whose files may still be in `store.media`. At the start the thread that fetches them looks.
    let mut files_are_left = false;
    loop {
        let Some(store) = app.duties.store(Duty::Chores) else {
            tell_seen(app, &app.store).ok();
            match app.notifiers.chores.wait(ELSEWHERE) {
                Woken::Closing => return,
                Woken::Notified | Woken::TimedOut => continue,
            }
        };
        // Each is done even if the other fails.
        let emptied = forget(app, &store, &mut log_has_traces, &mut files_are_left);
        let removed = remove_old(app, &store, &mut logged, &mut files_are_left)
            .and_then(|removed| count_rules(app, &store, removed));
        if files_are_left {
            files_are_left = match app.sweep_media() {
                Ok(()) => false,
                Err(error) => {
                    log::warn!("chores: files of messages that are gone stay: {error}");
                    true
                }
            };
        }
        let woken = match (emptied, removed) {
            (_, Ok(Removed::Woken(woken))) => woken,
            (Ok(emptied), Ok(removed @ (Removed::All | Removed::Waiting))) => {
                failing.succeeded();
                // Only results of calls must be polled for; a push notifies.
                let polls = removed == Removed::Waiting && app.api.is_some();
                let pause = match emptied && !polls {
                    // What another server recorded notifies nobody here.
                    true if store.is_shared() => ELSEWHERE,
                    true => ROUND,
                    false => RETRY,
                };
                app.notifiers.chores.wait(pause)
            }
            // A failure while the program stops is not worth a line.
            (Err(_), _) | (Ok(_), Err(_)) if stops(app) => return,
            (Err(error), _) | (Ok(_), Err(error)) => {
                let text = error.to_string();
                let pause = failing.failed(&text, BACKOFF, |seconds| {
                    log::warn!("chores: {text}; retrying in {seconds} s with increasing pauses");
                });
                app.notifiers.chores.wait(pause)
            }
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

fn stops(app: &App) -> bool {
    app.notifiers.chores.pause(Duration::ZERO) == Woken::Closing
}

/// Removes what still names people who closed their account. False while another program keeps the write-ahead log
/// from being emptied.
fn forget(
    app: &App,
    store: &Store,
    log_has_traces: &mut bool,
    files_are_left: &mut bool,
) -> Result<bool, StoreError> {
    let reader = store.reader()?;
    for openid in reader.people_to_erase()? {
        *log_has_traces = true;
        *files_are_left = true;
        store.erase(&reader, &openid)?;
        log::info!("chores: forgot a follower who closed their account");
    }
    if let Some(now) = Now::read(app).at {
        let before = now.saturating_sub_unsigned(CLOSED);
        *log_has_traces |= store.erase_closed_hook_events(&reader, before)?;
    }
    if *log_has_traces {
        *log_has_traces = !store.empty_log()?;
    }
    Ok(!*log_has_traces)
}

/// How the removal of old rows ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    /// All of it is gone.
    All,
    /// Some rows stay until the platform's time is known.
    Waiting,
    /// Notified, or closing.
    Woken(Woken),
}

/// What is logged about removals, across rounds.
#[derive(Debug, Default)]
struct Logged {
    /// Messages removed since the last log line about them: a notification ends a round in the middle.
    removed: usize,
    /// Whether a wait was logged.
    waiting: bool,
}

/// The time that removals go by.
struct Now {
    /// Unix seconds; `None`: nothing is removed.
    at: Option<i64>,
    /// This machine's clock is much later, but nothing has confirmed it.
    is_doubted: bool,
}

impl Now {
    fn read(app: &App) -> Now {
        if let Some(time) = app.api.as_ref().and_then(Client::platform_time) {
            app.confirmed.confirm(time);
        }
        let local = clock::unix_seconds();
        match app.confirmed.now() {
            Confirmed::Fresh(time) => Now {
                at: Some(time.min(local)),
                is_doubted: false,
            },
            Confirmed::Stored(time) if local.saturating_sub(time) <= UNCONFIRMED => Now {
                at: Some(local),
                is_doubted: false,
            },
            Confirmed::Stored(time) => Now {
                at: Some(time),
                is_doubted: true,
            },
            Confirmed::Never => Now {
                at: None,
                is_doubted: true,
            },
        }
    }
}

/// Removes old messages, signatures and digests until none is left or it is notified.
fn remove_old(
    app: &App,
    store: &Store,
    logged: &mut Logged,
    files_are_left: &mut bool,
) -> Result<Removed, StoreError> {
    if let Confirmed::Fresh(now) = app.confirmed.now() {
        store.keep_confirmed_time(now)?;
    }
    for remove in [
        remove_used,
        remove_hook_events,
        remove_expired_sessions,
        remove_old_admin_sessions,
        remove_unused_pictures,
        remove_old_sent,
        remove_troubles,
        remove_commits,
    ] {
        let removed = remove(app, store)?;
        if removed != Removed::All {
            return Ok(removed);
        }
    }
    tell_seen(app, store)?;
    let reader = store.reader()?;
    let mut place = Place::BEGINNING;
    loop {
        let live = app.live();
        let keep = live.config.store.keep_messages.as_secs();
        if keep == 0 {
            return Ok(Removed::All);
        }
        let local = clock::unix_seconds();
        let due_for = |oldest: i64| local.saturating_sub_unsigned(keep).saturating_sub(oldest);
        let Now { mut at, is_doubted } = Now::read(app);
        if at.is_none() && is_believable(reader.oldest_message()?.map(due_for)) {
            at = Some(local);
        }
        let step = match at {
            None => 0,
            Some(now) => {
                let before = now.saturating_sub_unsigned(keep);
                let life = live.config.server.life_of_signatures();
                let remembered_from = now.saturating_sub_unsigned(life.as_secs());
                store.remove_old_messages(
                    &reader,
                    &mut place,
                    before,
                    now,
                    remembered_from,
                    STEP,
                )?
            }
        };
        logged.removed += step;
        *files_are_left |= step > 0;
        if step == 0 {
            if logged.removed > 0 {
                log::info!(
                    "chores: removed {} older than store.keep_messages",
                    counted(std::mem::take(&mut logged.removed), "message")
                );
            }
            let due_for = reader.oldest_message()?.map_or(0, due_for);
            if !is_doubted || due_for <= 0 {
                return Ok(Removed::All);
            }
            if !std::mem::replace(&mut logged.waiting, true) {
                log::warn!(
                    "chores: by this machine's clock messages should have been removed {} ago, but nothing has confirmed the clock yet: \
                     they stay until a push or an answer of WeChat does",
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

/// Whether a clock that nothing has confirmed may be right: by it the oldest message should have gone so many seconds
/// ago. Without a message it says nothing about the one that comes next.
fn is_believable(due_for: Option<i64>) -> bool {
    due_for.is_some_and(|due_for| due_for <= UNCONFIRMED)
}

/// Counts how often each rule answered, until what is over is counted or it is notified. `removed` is what ended before,
/// which comes first: it changes what there is to count.
fn count_rules(app: &App, store: &Store, removed: Removed) -> Result<Removed, StoreError> {
    if let Removed::Woken(_) = removed {
        return Ok(removed);
    }
    let reader = store.reader()?;
    while store.count_rules(&reader, clock::unix_seconds())? > 0 {
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
    Ok(removed)
}

/// Removes what servers that were killed left in a database about their commits, by its own clock.
fn remove_commits(app: &App, store: &Store) -> Result<Removed, StoreError> {
    while store.remove_commits(STEP)? > 0 {
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
    Ok(Removed::All)
}

/// Removes troubles that were over long ago.
fn remove_troubles(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let Some(now) = Now::read(app).at else {
            return Ok(Removed::All);
        };
        let before = now.saturating_sub_unsigned(TROUBLE);
        if store.remove_troubles(before, STEP)? == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes signatures that are no longer accepted, and digests of messages that would have been removed by now.
fn remove_used(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let Some(now) = Now::read(app).at else {
            return Ok(Removed::All);
        };
        let live = app.live();
        let life = live.config.server.life_of_signatures().as_secs();
        let keep = live.config.store.keep_messages.as_secs();
        let signatures = now.saturating_sub_unsigned(life.max(SIGNATURES));
        // With `keep_messages = 0`, messages and their digests are kept for ever.
        let digests = (keep > 0).then(|| now.saturating_sub_unsigned(life.max(keep)));
        if store.remove_used(signatures, digests, STEP)? == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes events of hooks that are done, and those that wait for a hook which is no longer configured.
fn remove_hook_events(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let Some(now) = Now::read(app).at else {
            return Ok(Removed::All);
        };
        let live = app.live();
        let hooks = live.config.hooks.iter().map(|hook| hook.name.clone());
        let (delivered, dead) = (
            now.saturating_sub_unsigned(DELIVERED),
            now.saturating_sub_unsigned(DEAD),
        );
        let removed = store.remove_hook_events(delivered, dead, hooks.collect(), STEP)?;
        if removed == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes sessions of web pages that have expired.
fn remove_expired_sessions(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let Some(now) = Now::read(app).at else {
            return Ok(Removed::All);
        };
        if store.remove_expired_sessions(now, STEP)? == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes sign-ins on the operator's page that were not used for as long as they last; there are few.
fn remove_old_admin_sessions(app: &App, store: &Store) -> Result<Removed, StoreError> {
    if let Some(now) = Now::read(app).at {
        let lasts = app.live().config.admin.session.as_secs();
        let before = now.saturating_sub_unsigned(lasts);
        store.remove_old_admin_sessions(before)?;
    }
    Ok(Removed::All)
}

/// Removes pictures that no answer has used for a while.
fn remove_unused_pictures(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let live = app.live();
        let pictures = &live.config.pictures;
        if !pictures.is_empty() {
            let now = clock::unix_seconds();
            store.pictures_used(hashes(pictures), now)?;
        }
        let Some(now) = Now::read(app).at else {
            return Ok(Removed::All);
        };
        let before = now.saturating_sub_unsigned(PICTURES);
        if !store.remove_unused_picture(before)? {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Removes messages to followers that are older than `store.keep_messages`.
fn remove_old_sent(app: &App, store: &Store) -> Result<Removed, StoreError> {
    loop {
        let keep = app.live().config.store.keep_messages.as_secs();
        let Some(now) = Now::read(app).at.filter(|_| keep > 0) else {
            return Ok(Removed::All);
        };
        let before = now.saturating_sub_unsigned(keep);
        if store.remove_old_sent(before, STEP)? == 0 {
            return Ok(Removed::All);
        }
        match app.notifiers.chores.wait(BREATH) {
            Woken::TimedOut => {}
            woken @ (Woken::Notified | Woken::Closing) => return Ok(Removed::Woken(woken)),
        }
    }
}

/// Tells the store when sessions of web pages were used last.
fn tell_seen(app: &App, store: &Store) -> Result<(), StoreError> {
    let seen = app.seen.take();
    seen.chunks(STEP as usize)
        .try_for_each(|seen| store.sessions_seen(seen.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nothing_has_confirmed_is_believed_only_beside_a_message_that_is_not_long_due() {
        assert!(is_believable(Some(-86_400)));
        assert!(is_believable(Some(UNCONFIRMED)));
        assert!(!is_believable(Some(UNCONFIRMED + 1)));
        // The next message may be dated by another clock.
        assert!(!is_believable(None));
    }
}
