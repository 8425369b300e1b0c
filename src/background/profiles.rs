//! Fetches the profiles of new followers from the platform, after their welcome was answered.
//!
//! The queue is the store's `profile_at IS NULL`, so it outlives restarts and outages. Whatever the
//! platform does, no follower is lost or held up by it: a profile comes later, or its row says why not.

use std::time::Duration;

use crate::api::{Action, Client};
use crate::app::App;
use crate::bell::Woken;
use crate::clock;
use crate::store::{ProfileOutcome, Reader, Store, StoreError};
use crate::sync::profile::{concerns_one, pair};

/// The platform gives at most so many profiles in one call.
const BATCH: u32 = 100;

/// How long the queue may lie without a ring: another process may have put someone into it.
const ROUND: Duration = Duration::from_secs(60);

/// Pauses while the platform is busy or away, doubled from the first to the last.
const PASSING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Pauses while a person has to act in the console.
const PERSON: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// Runs until the bell is closed.
pub(super) fn run(app: &App) {
    let Some(api) = &app.api else {
        log::info!(
            "no account.app_id and account.app_secret: profiles are not fetched, commands that need the platform's API are off"
        );
        return;
    };
    let mut worker = Worker {
        store: &app.store,
        // The queue has its own pauses.
        api: api.once(),
        reader: None,
        trouble: None,
    };
    loop {
        let woken = match worker.round() {
            Next::Again => app.bells.profiles.pause(Duration::ZERO),
            Next::Wait => app.bells.profiles.wait(ROUND),
            Next::Pause(time) => app.bells.profiles.pause(time),
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

struct Worker<'a> {
    store: &'a Store,
    api: Client,
    reader: Option<Reader>,
    trouble: Option<Trouble>,
}

/// What keeps profiles from coming: said once in the log, not for every try.
struct Trouble {
    text: String,
    pause: Duration,
}

enum Next {
    Again,
    Wait,
    Pause(Duration),
}

impl Worker<'_> {
    fn round(&mut self) -> Next {
        match self.next_batch() {
            Ok(batch) if batch.is_empty() => Next::Wait,
            Ok(batch) => self.fetch(batch),
            Err(error) => self.troubled(error.to_string(), PASSING),
        }
    }

    fn next_batch(&mut self) -> Result<Vec<String>, StoreError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.store.reader()?,
        };
        let batch = reader.profile_queue(BATCH)?;
        self.reader = Some(reader);
        Ok(batch)
    }

    fn fetch(&mut self, batch: Vec<String>) -> Next {
        let fetched = match batch.as_slice() {
            [one] => self.api.user_info(one).map(|profile| vec![profile]),
            many => self.api.user_info_batch(many),
        };
        match fetched {
            Ok(profiles) => {
                let outcomes = pair(&batch, profiles);
                self.write(outcomes)
            }
            // One of many is not to be had: ask for each alone, so that it does not stand in the way of the others.
            Err(error) if batch.len() > 1 && concerns_one(&error) => self.fetch_each(batch),
            Err(error) if concerns_one(&error) => {
                let outcomes = batch
                    .into_iter()
                    .map(|openid| (openid, ProfileOutcome::Refused(error.to_string())))
                    .collect();
                self.write(outcomes)
            }
            Err(error) => {
                let outcomes = batch
                    .into_iter()
                    .map(|openid| (openid, ProfileOutcome::Later(error.to_string())))
                    .collect();
                // The reason stands in the row too; that it could not be written there is the lesser trouble.
                self.store
                    .profiles_done(outcomes, clock::unix_seconds())
                    .ok();
                self.troubled(error.to_string(), pauses(error.action()))
            }
        }
    }

    fn fetch_each(&mut self, batch: Vec<String>) -> Next {
        for openid in batch {
            match self.fetch(vec![openid]) {
                Next::Again | Next::Wait => {}
                Next::Pause(time) => return Next::Pause(time),
            }
        }
        Next::Again
    }

    fn write(&mut self, outcomes: Vec<(String, ProfileOutcome)>) -> Next {
        for (openid, outcome) in &outcomes {
            match outcome {
                ProfileOutcome::Fetched(_) => log::debug!("profile: {openid}: fetched"),
                ProfileOutcome::Left => log::warn!("profile: {openid}: does not follow any more"),
                ProfileOutcome::Refused(why) | ProfileOutcome::Later(why) => {
                    log::warn!("profile: {openid}: {why}")
                }
            }
        }
        match self.store.profiles_done(outcomes, clock::unix_seconds()) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    log::info!("profiles: the platform answers again");
                }
                Next::Again
            }
            Err(error) => self.troubled(error.to_string(), PASSING),
        }
    }

    fn troubled(&mut self, text: String, (first, last): (Duration, Duration)) -> Next {
        let before = self.trouble.as_ref().map(|trouble| trouble.pause);
        let pause = before.map_or(first, |before| (before * 2).clamp(first, last));
        if self
            .trouble
            .as_ref()
            .is_none_or(|trouble| trouble.text != text)
        {
            log::warn!(
                "profiles: {text}; trying again, at first in {} s",
                pause.as_secs()
            );
        }
        self.trouble = Some(Trouble { text, pause });
        Next::Pause(pause)
    }
}

/// The first and the last pause before the platform is asked again.
fn pauses(action: Action) -> (Duration, Duration) {
    let (first, last) = match action {
        Action::Retry | Action::Token | Action::Wait | Action::Ignore => PASSING,
        Action::Fix
        | Action::User
        | Action::Quota
        | Action::Admin
        | Action::UploadAgain
        | Action::RestartOauth => PERSON,
    };
    (first.max(action.least_pause()), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_calls_is_given_time_to_end() {
        let seconds = |action| {
            let (first, last) = pauses(action);
            assert!(first <= last, "{action:?}");
            (first.as_secs(), last.as_secs())
        };
        assert_eq!(seconds(Action::Retry), (1, 300));
        assert_eq!(seconds(Action::Wait), (60, 300));
        assert_eq!(seconds(Action::Quota), (600, 600));
        assert_eq!(seconds(Action::Admin), (30, 600));
    }
}
