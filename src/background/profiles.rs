//! Fetches the profiles of new followers from the platform, after their welcome was answered.
//!
//! The queue is the store's `profile_at IS NULL`, so it outlives restarts and outages. Whatever the
//! platform does, no follower is lost or held up by it: a profile comes later, or its row says why not.

use std::time::Duration;

use crate::api::{Action, ApiError, Client, user};
use crate::app::App;
use crate::bell::Woken;
use crate::clock;
use crate::store::{FetchedProfile, ProfileOutcome, Reader, Store, StoreError};

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
            "no account.app_id and app_secret: profiles are not fetched, commands that need the platform's API are off"
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
            Next::Again => app.profiles.pause(Duration::ZERO),
            Next::Wait => app.profiles.wait(ROUND),
            Next::Pause(time) => app.profiles.pause(time),
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
                let pauses = match error.action() {
                    Action::Retry | Action::Wait | Action::Ignore => PASSING,
                    Action::Token
                    | Action::Fix
                    | Action::User
                    | Action::Quota
                    | Action::Admin
                    | Action::UploadAgain
                    | Action::RestartOauth => PERSON,
                };
                self.troubled(error.to_string(), pauses)
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
        let pause = match &self.trouble {
            Some(trouble) => (trouble.pause * 2).clamp(first, last),
            None => first,
        };
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

/// Whether the error is about this follower, and says nothing about others.
fn concerns_one(error: &ApiError) -> bool {
    match error.action() {
        Action::User => true,
        // 40031, 40032 and the like: the list as such was not taken.
        Action::Fix => matches!(error.errcode(), Some(40031 | 40032 | 40035 | 40097)),
        Action::Retry
        | Action::Token
        | Action::Quota
        | Action::Admin
        | Action::UploadAgain
        | Action::RestartOauth
        | Action::Wait
        | Action::Ignore => false,
    }
}

/// Pairs the profiles with the followers who were asked for, by their openid, whatever order they came in.
fn pair(batch: &[String], profiles: Vec<user::Profile>) -> Vec<(String, ProfileOutcome)> {
    let mut profiles: Vec<Option<user::Profile>> = profiles.into_iter().map(Some).collect();
    batch
        .iter()
        .map(|openid| {
            let found = profiles
                .iter_mut()
                .find(|profile| {
                    profile
                        .as_ref()
                        .is_some_and(|profile| profile.openid.as_deref() == Some(openid))
                })
                .and_then(Option::take);
            let outcome = match found {
                Some(profile) if profile.subscribe == Some(0) => ProfileOutcome::Refused(
                    "the platform says that this person does not follow any more".to_owned(),
                ),
                Some(profile) => ProfileOutcome::Fetched(Box::new(columns(profile))),
                None => ProfileOutcome::Refused(
                    "the platform's answer does not hold this openid".to_owned(),
                ),
            };
            (openid.clone(), outcome)
        })
        .collect()
}

/// What came, as the columns of `followers`; empty texts are no values.
fn columns(profile: user::Profile) -> FetchedProfile {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    FetchedProfile {
        unionid: filled(profile.unionid),
        nickname: filled(profile.nickname),
        sex: profile.sex,
        language: filled(profile.language),
        city: filled(profile.city),
        province: filled(profile.province),
        country: filled(profile.country),
        headimgurl: filled(profile.headimgurl),
        remark: filled(profile.remark),
        groupid: profile.groupid,
        tagid_list: profile
            .tagid_list
            .map(|tags| serde_json::json!(tags).to_string()),
        subscribe_time: profile.subscribe_time,
        subscribe_scene: filled(profile.subscribe_scene),
        qr_scene: profile.qr_scene,
        qr_scene_str: profile.qr_scene_str,
    }
}
