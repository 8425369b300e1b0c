//! Fetches the profiles of new followers from the platform, after their welcome was answered.
//!
//! The queue is the store's `profile_at IS NULL`, so it outlives restarts and outages. Whatever the
//! platform does, no follower is lost or held up by it: a profile comes later, or its row says why not.

use std::time::Duration;

use super::trouble::{Pauses, Trouble};
use crate::api::user::MAX_BATCHGET;
use crate::api::{Action, Client};
use crate::app::App;
use crate::clock;
use crate::notifier::Woken;
use crate::store::{ProfileOutcome, Reader, Store, StoreError};
use crate::sync::profile::{self, Fetched};

/// The longest time between two looks at the queue: another process may have added to it.
const ROUND: Duration = Duration::from_secs(60);

/// Pauses while the platform is busy or away.
const PASSING: Pauses = Pauses::seconds(1, 300);

/// Pauses while a person has to act in the console.
const PERSON: Pauses = Pauses::seconds(30, 600);

/// Runs until the notifier is closed.
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
        done: Vec::new(),
        trouble: Trouble::default(),
    };
    loop {
        let woken = match worker.round() {
            Next::Again => app.notifiers.profiles.pause(Duration::ZERO),
            Next::Wait(time) => app.notifiers.profiles.wait(time),
            Next::Pause(time) => app.notifiers.profiles.pause(time),
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
    /// Of whom the last round has written what became of them.
    done: Vec<String>,
    trouble: Trouble,
}

enum Next {
    Again,
    /// At the latest after this time, at once when notified.
    Wait(Duration),
    Pause(Duration),
}

impl Worker<'_> {
    fn round(&mut self) -> Next {
        let batch = match self.next_batch() {
            Ok(batch) => batch,
            Err(error) => return Next::Pause(self.troubled(&error.to_string(), PASSING)),
        };
        let done = std::mem::take(&mut self.done);
        if !done.is_empty() {
            if done.iter().all(|openid| batch.contains(openid)) {
                let text = "nobody leaves the queue of profiles, although it was written what became of them";
                // Somebody new is asked for at once.
                return Next::Wait(self.troubled(text, PASSING));
            }
            if self.trouble.over() {
                log::info!("profiles: the platform answers again");
            }
        }
        match batch.is_empty() {
            true => Next::Wait(ROUND),
            false => self.fetch(batch),
        }
    }

    fn next_batch(&mut self) -> Result<Vec<String>, StoreError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.store.reader()?,
        };
        let batch = reader.profile_queue(MAX_BATCHGET)?;
        self.reader = Some(reader);
        Ok(batch)
    }

    fn fetch(&mut self, batch: Vec<String>) -> Next {
        let Fetched {
            mut outcomes,
            ended_by,
        } = profile::fetch(&self.api, &batch, &|| {});
        for (openid, outcome) in &outcomes {
            match outcome {
                ProfileOutcome::Fetched(_) => log::debug!("profile: {openid}: fetched"),
                ProfileOutcome::Left => log::warn!("profile: {openid}: does not follow any more"),
                ProfileOutcome::Refused(why) | ProfileOutcome::Later(why) => {
                    log::warn!("profile: {openid}: {why}")
                }
            }
        }
        if let Some(error) = &ended_by {
            let rest = &batch[outcomes.len()..];
            // The reason stands in their rows too.
            outcomes.extend(
                rest.iter()
                    .map(|openid| (openid.clone(), ProfileOutcome::Later(error.to_string()))),
            );
        }
        let written = self.store.profiles_done(outcomes, clock::unix_seconds());
        match (ended_by, written) {
            // That it could not be written as well is the lesser trouble.
            (Some(error), _) => {
                Next::Pause(self.troubled(&error.to_string(), pauses(error.action())))
            }
            (None, Err(error)) => Next::Pause(self.troubled(&error.to_string(), PASSING)),
            (None, Ok(())) => {
                self.done = batch;
                Next::Again
            }
        }
    }

    fn troubled(&mut self, text: &str, pauses: Pauses) -> Duration {
        self.trouble.again(text, pauses, |seconds| {
            log::warn!("profiles: {text}; trying again in {seconds} s, then less and less often");
        })
    }
}

/// The pauses before the platform is asked again.
fn pauses(action: Action) -> Pauses {
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
        assert_eq!(pauses(Action::Retry), Pauses::seconds(1, 300));
        assert_eq!(pauses(Action::Wait), Pauses::seconds(60, 300));
        assert_eq!(pauses(Action::Quota), Pauses::seconds(600, 600));
        assert_eq!(pauses(Action::Admin), Pauses::seconds(30, 600));
    }
}
