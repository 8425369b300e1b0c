//! Syncs the followers once when the API is new, and every day at `api.sync`. A missed day is made up for.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::api::{Action, Client};
use crate::app::App;
use crate::clock;
use crate::local_time::TimeOfDay;
use crate::notifier::Woken;
use crate::store::{Reader, StoreError};
use crate::sync::{Belief, FollowerSync, SyncError};

/// How often the clock is read while waiting: clocks are set, and days may have 23 or 25 hours.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// After a failure.
const PASSING: Backoff = Backoff::seconds(60, 3_600);

/// While a person has to act, or a quota is used up.
const PERSON: Backoff = Backoff::seconds(600, 3_600);

/// While the platform takes no more calls this minute. This ends with the minute, however often a sync meets the limit.
const MINUTE: Backoff = Backoff::seconds(60, 60);

/// While one of the owner's commands syncs.
const BUSY: Duration = Duration::from_secs(60);

/// Runs until the notifier is closed. Reads the configuration again when notified.
pub(super) fn run(app: &App) {
    let Some(api) = &app.api else { return };
    let mut failing = Failing::default();
    loop {
        let woken = match wait_for(app) {
            Ok(None) => match sync(app, api) {
                Ok(()) => {
                    failing.succeeded();
                    Woken::Notified
                }
                Err(SyncError::Stopped) => return,
                Err(SyncError::Busy) => app.notifiers.sync.pause(BUSY),
                Err(error) => {
                    let text = error.to_string();
                    let pause = failing.failed(&text, backoff(&error), |seconds| {
                        log::warn!("{text}; retrying in {seconds} s with increasing pauses");
                    });
                    app.notifiers.sync.pause(pause)
                }
            },
            Ok(Some(time)) => app.notifiers.sync.wait(time.min(CLOCK_CHECK)),
            Err(error) => {
                log::warn!("sync: {error}");
                app.notifiers.sync.wait(CLOCK_CHECK)
            }
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

/// The time until the next sync; `None`: it is due.
fn wait_for(app: &App) -> Result<Option<Duration>, StoreError> {
    let Some(time) = app.live().config.api.sync else {
        return Ok(Some(CLOCK_CHECK));
    };
    until_due(&app.store.reader()?, time, clock::unix_seconds())
}

/// The time from `now`, in Unix seconds, until the next sync of the store's followers; `None`: it is due.
fn until_due(reader: &Reader, time: TimeOfDay, now: i64) -> Result<Option<Duration>, StoreError> {
    let Some(last) = reader.synced_at()? else {
        return Ok(None);
    };
    if reader.sync_state()?.is_some() {
        return Ok(None);
    }
    // If the clock was far ahead when the last sync ended, the next one must still come.
    let next = time.next_after(last.min(now));
    let left = u64::try_from(next.saturating_sub(now)).unwrap_or(0);
    Ok((left > 0).then(|| Duration::from_secs(left)))
}

fn sync(app: &App, api: &Client) -> Result<(), SyncError> {
    let live = app.live();
    let announce = live.hooks.subscribers.announce();
    let sync = FollowerSync {
        store: &app.store,
        api,
        rate: live.config.api.rate,
        announce: announce.as_ref(),
    };
    let stopping = || app.notifiers.sync.pause(Duration::ZERO) == Woken::Closing;
    let was_doubted = app.store.reader()?.sync_doubt()?.is_some();
    // There is nobody to ask.
    let ended = sync.run(&|_| {}, &stopping, &|_| Belief::No);
    match ended {
        Ok(summary) => {
            match (&summary.nobody_left_because, was_doubted) {
                (Some(_), false) => log::error!("sync: {summary}"),
                // Logged as an error before; `check` reports it every time.
                (Some(_) | None, _) => log::info!("sync: {summary}"),
            }
            Ok(())
        }
        // A failure while the program stops is not worth a line.
        Err(_) if stopping() => Err(SyncError::Stopped),
        Err(error) => Err(error),
    }
}

/// How to retry after this error.
fn backoff(error: &SyncError) -> Backoff {
    match error {
        SyncError::Api(error) => match error.action() {
            Action::Wait => MINUTE,
            Action::Quota | Action::Admin | Action::Fix => PERSON,
            Action::Retry
            | Action::Token
            | Action::User
            | Action::UploadAgain
            | Action::RestartOauth
            | Action::Ignore => PASSING,
        }
        .at_least(error.action().least_pause()),
        SyncError::Endless | SyncError::NotBelieved(_) => PERSON,
        SyncError::Busy | SyncError::Stopped | SyncError::Store(_) => PASSING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_time;
    use crate::store::Store;

    const HOUR: i64 = 3_600;

    #[test]
    fn retries_wait_a_minute_for_a_minute_limit_and_longer_for_a_daily_one() {
        let pauses = |errcode: i64| {
            let error = SyncError::Api(crate::api::ApiError::Platform {
                call: "user/get".into(),
                errcode,
                errmsg: String::new(),
                rid: None,
            });
            let mut failing = Failing::default();
            [(); 4].map(|()| {
                let pause = failing.failed(&error.to_string(), backoff(&error), drop);
                pause.as_secs()
            })
        };
        assert_eq!(pauses(-1), [60, 120, 240, 480]);
        assert_eq!(pauses(45011), [60, 60, 60, 60]);
        assert_eq!(pauses(45009), [600, 1_200, 2_400, 3_600]);
    }

    #[test]
    fn the_nightly_sync_comes_at_its_time_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            Store::open(&folder.path().join("wechat.db").as_path().into()).expect("a store");
        let reader = store.reader().expect("a reader");
        let time: TimeOfDay = "03:30".parse().expect("a time of day");
        let left = |now| {
            let left = until_due(&reader, time, now).expect("a time");
            left.map(|left| i64::try_from(left.as_secs()).expect("some hours"))
        };
        let evening = 1_767_300_000;
        assert_eq!(left(evening), None, "never synced before");
        store.sync_end(Some(evening)).expect("a write");
        let to_night = left(evening).expect("not at once again");
        let night = evening + to_night;
        // No day is longer than 25 hours.
        assert!((1..=25 * HOUR).contains(&to_night), "{to_night}");
        let clock = local_time::format(night);
        assert!(clock.ends_with(" 03:30:00"), "{clock}");
        assert_eq!(left(night - 1), Some(1));
        assert_eq!(left(night), None);
        assert_eq!(left(night + 5), None, "until it is done");
        store.sync_end(Some(night + 20)).expect("a write");
        let next = left(night + 20).expect("once a night");
        assert!((22 * HOUR..=25 * HOUR).contains(&next), "{next}");
    }
}
