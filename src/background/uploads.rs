//! Uploads the files that answers consist of as permanent material, once each.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::failing::{Backoff, Failing};
use crate::api::material::VideoDescription;
use crate::api::{Action, ApiError, Client};
use crate::app::{App, Duty, kept_as};
use crate::clock;
use crate::config::MediaFile;
use crate::notifier::Woken;
use crate::store::{Store, StoreError};
use crate::wechat::file::MediaType;

/// Between two looks while nothing is to be uploaded.
const ROUND: Duration = Duration::from_secs(3_600);

/// Between two looks for what another server has uploaded.
const ELSEWHERE: Duration = Duration::from_secs(10);

/// After a failure that passes.
const BACKOFF: Backoff = Backoff::seconds(5, 900);

/// After one that does not, and after an upload that may have been made: the platform keeps each.
const SLOW: Backoff = Backoff::seconds(3_600, 86_400);

/// How long an upload is remembered, in seconds. There is a limit because material may be deleted in the console.
const REMEMBERED: i64 = 10 * 365 * 86_400;

/// Why a file is not uploaded.
struct Failed {
    text: String,
    backoff: Backoff,
}

/// A file that could not be uploaded, and when it is tried again.
#[derive(Default)]
struct Waiting {
    failing: Failing,
    due: Option<Instant>,
}

/// Runs until the notifier is closed. A notification means that the configuration may name other files, and that all are
/// to be tried now.
pub(super) fn run(app: &App) {
    let Some(api) = app.api.as_ref().map(|api| api.once()) else {
        return;
    };
    let mut waiting: HashMap<String, Waiting> = HashMap::new();
    let mut is_first = true;
    loop {
        let store = app.duties.store(Duty::Uploads);
        if let Some(store) = &store
            && is_first
        {
            // Those of an earlier run are tried again.
            store.forget_failed_uploads().ok();
            is_first = false;
        }
        let next = round(app, store.as_deref(), &api, &mut waiting);
        let pause = match (&store, next) {
            (Some(_), next) => {
                next.map_or(ROUND, |next| next.saturating_duration_since(Instant::now()))
            }
            (None, _) => ELSEWHERE,
        };
        match app.notifiers.uploads.wait(pause) {
            Woken::Closing => return,
            Woken::Notified => waiting.clear(),
            Woken::TimedOut => {}
        }
    }
}

/// Tries each file that is due. Returns when the next one is. Without a store another server uploads, and this one takes
/// over what that has.
fn round(
    app: &App,
    store: Option<&Store>,
    api: &Client,
    waiting: &mut HashMap<String, Waiting>,
) -> Option<Instant> {
    let live = app.live();
    let mut seen = HashSet::new();
    for rule in live.rules.iter() {
        let Some(file) = rule.action.media_file() else {
            continue;
        };
        let key = file.key();
        if !seen.insert(key.clone()) || app.uploads.media_id(file).is_some() {
            continue;
        }
        let (kept_type, digest) = kept_as(file, api.app_id());
        let Some(store) = store else {
            let now = clock::unix_seconds();
            if let Ok(Some(media_id)) = app.store.kept_media(&kept_type, &digest, now) {
                app.uploads.add(file, media_id);
            }
            continue;
        };
        let waits = waiting.entry(key.clone()).or_default();
        if waits.due.is_some_and(|due| due > Instant::now()) {
            continue;
        }
        let (name, rule) = (&file.file.name, &rule.name);
        match upload(store, api, file) {
            Ok(media_id) => {
                log::info!("{rule}: {name} is uploaded, and answers from now on");
                app.uploads.add(file, media_id);
                waiting.remove(&key);
            }
            Err(Failed { text, backoff }) => {
                let pause = waits.failing.failed(&text, backoff, |_| {
                    log::warn!("{rule} answers nothing: {name} is not uploaded: {text}");
                });
                waits.due = Some(Instant::now() + pause);
                // Only `check` misses it.
                store.note_failed_upload(&digest, Some(&text)).ok();
            }
        }
    }
    waiting.values().filter_map(|waits| waits.due).min()
}

/// The media_id of a file, which is uploaded unless it was before.
fn upload(store: &Store, api: &Client, file: &MediaFile) -> Result<String, Failed> {
    let (kept_type, digest) = kept_as(file, api.app_id());
    let now = clock::unix_seconds();
    if let Some(media_id) = store.kept_media(&kept_type, &digest, now)? {
        return Ok(media_id);
    }
    let bytes = file.file.bytes().map_err(|why| Failed {
        text: format!("the file {why}"),
        backoff: SLOW,
    })?;
    let name = file.file.file_name();
    let video = (file.media_type == MediaType::Video).then(|| VideoDescription {
        title: name
            .rsplit_once('.')
            .map_or(name.as_str(), |(stem, _)| stem)
            .to_owned(),
        introduction: String::new(),
    });
    let added = api.add_material(file.media_type, &name, &bytes, video.as_ref())?;
    let until = now.saturating_add(REMEMBERED);
    let confirmed = api.platform_time();
    let kept = store.keep_media(&kept_type, &digest, &added.media_id, until, confirmed);
    let kept = kept.and_then(|()| store.note_failed_upload(&digest, None));
    if let Err(error) = kept {
        log::warn!(
            "{name} is uploaded again after a restart, because its media_id could not be stored: {error}"
        );
    }
    Ok(added.media_id)
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Failed {
        let backoff = match error.action() {
            // The platform itself says with a code that it did not.
            _ if error.errcode().is_none() && error.may_be_done() => SLOW,
            Action::Fix
            | Action::User
            | Action::UploadAgain
            | Action::RestartOauth
            | Action::Ignore => SLOW,
            Action::Retry | Action::Token | Action::Quota | Action::Admin | Action::Wait => BACKOFF,
        };
        Failed {
            text: error.to_string(),
            backoff: backoff.at_least(error.action().least_pause()),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed {
            text: error.to_string(),
            backoff: BACKOFF,
        }
    }
}
