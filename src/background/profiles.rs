//! Fetches the profiles of new followers from the platform, after the answer to their welcome.
//!
//! The queue is the store's `profile_at IS NULL`, so it survives restarts and outages. Whatever the
//! platform does, no follower is lost or delayed by it: a profile comes later, or its row says why not.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::api::user::MAX_BATCHGET;
use crate::api::{Action, Client};
use crate::app::{App, Duty};
use crate::clock;
use crate::notifier::Woken;
use crate::store::{ProfileOutcome, Reader, Store, StoreError};
use crate::sync::profile::{self, Fetched};

/// How often the queue is read without a notification: another process may have added to it.
const ROUND: Duration = Duration::from_secs(60);

/// While the platform is busy or cannot be reached.
const PASSING: Backoff = Backoff::seconds(1, 300);

/// While a person has to act in the console.
const PERSON: Backoff = Backoff::seconds(30, 600);

/// Runs until the notifier is closed.
pub(super) fn run(app: &App) {
    let Some(api) = &app.api else {
        log::info!(
            "no account.app_id and account.app_secret: profiles are not fetched, commands that need WeChat's API are off"
        );
        return;
    };
    let mut worker = Worker {
        // Retries are up to this thread.
        api: api.once(),
        reader: None,
        done: Vec::new(),
        failing: Failing::default(),
    };
    loop {
        let next = match app.duties.store(Duty::Profiles) {
            Some(store) => worker.round(&store),
            None => Next::Wait(ROUND),
        };
        let woken = match next {
            Next::Again => app.notifiers.profiles.pause(Duration::ZERO),
            Next::Wait(time) => {
                let time = app.duties.look_within(time);
                app.notifiers.profiles.wait(time)
            }
            Next::Pause(time) => app.notifiers.profiles.pause(time),
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

struct Worker {
    api: Client,
    reader: Option<Reader>,
    /// The openids whose outcomes the last round wrote.
    done: Vec<String>,
    failing: Failing,
}

enum Next {
    Again,
    /// After this time, or as soon as notified.
    Wait(Duration),
    Pause(Duration),
}

impl Worker {
    fn round(&mut self, store: &Store) -> Next {
        let batch = match self.next_batch(store) {
            Ok(batch) => batch,
            Err(error) => return Next::Pause(self.failed(&error.to_string(), PASSING)),
        };
        let done = std::mem::take(&mut self.done);
        if !done.is_empty() {
            if done.iter().all(|openid| batch.contains(openid)) {
                let text = "nobody leaves the queue of profiles, although it was written what became of them";
                // New followers are still fetched at once.
                return Next::Wait(self.failed(text, PASSING));
            }
            if self.failing.succeeded() {
                log::info!("profiles: WeChat answers again");
            }
        }
        match batch.is_empty() {
            true => Next::Wait(ROUND),
            false => self.fetch(store, batch),
        }
    }

    fn next_batch(&mut self, store: &Store) -> Result<Vec<String>, StoreError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => store.reader()?,
        };
        let batch = reader.profile_queue(MAX_BATCHGET)?;
        self.reader = Some(reader);
        Ok(batch)
    }

    fn fetch(&mut self, store: &Store, batch: Vec<String>) -> Next {
        let Fetched {
            mut outcomes,
            ended_by,
        } = profile::fetch(&self.api, &batch, &|| {});
        for (openid, outcome) in &outcomes {
            match outcome {
                ProfileOutcome::Fetched(_) => log::debug!("profile: {openid}: fetched"),
                ProfileOutcome::Left => log::warn!("profile: {openid} no longer follows"),
                ProfileOutcome::Refused(why) | ProfileOutcome::Later(why) => {
                    log::warn!("profile: {openid}: {why}")
                }
            }
        }
        if let Some(error) = &ended_by {
            let rest = &batch[outcomes.len()..];
            // Their rows get the reason, too.
            outcomes.extend(
                rest.iter()
                    .map(|openid| (openid.clone(), ProfileOutcome::Later(error.to_string()))),
            );
        }
        let written = store.profiles_done(outcomes, clock::unix_seconds());
        match (ended_by, written) {
            // Report this one even if the outcomes could not be written either.
            (Some(error), _) => {
                Next::Pause(self.failed(&error.to_string(), backoff(error.action())))
            }
            (None, Err(error)) => Next::Pause(self.failed(&error.to_string(), PASSING)),
            (None, Ok(())) => {
                self.done = batch;
                Next::Again
            }
        }
    }

    fn failed(&mut self, text: &str, backoff: Backoff) -> Duration {
        self.failing.failed(text, backoff, |seconds| {
            log::warn!("profiles: {text}; retrying in {seconds} s with increasing pauses");
        })
    }
}

/// How to retry after an error with this action.
fn backoff(action: Action) -> Backoff {
    match action {
        Action::Retry | Action::Token | Action::Wait | Action::Ignore => PASSING,
        Action::Fix
        | Action::User
        | Action::Quota
        | Action::Admin
        | Action::UploadAgain
        | Action::RestartOauth => PERSON,
    }
    .at_least(action.least_pause())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_calls_is_given_time_to_end() {
        assert_eq!(backoff(Action::Retry), Backoff::seconds(1, 300));
        assert_eq!(backoff(Action::Wait), Backoff::seconds(60, 300));
        assert_eq!(backoff(Action::Quota), Backoff::seconds(600, 600));
        assert_eq!(backoff(Action::Admin), Backoff::seconds(30, 600));
    }
}
