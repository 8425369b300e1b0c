//! Asks the platform daily which addresses it sends from, while `server.allow_ips` is `"wechat"`.
//!
//! Whatever the platform does, the last good list stays in force; before the first one nobody is refused.

use std::time::Duration;

use crate::api::{ApiError, Client};
use crate::app::{App, Networks};
use crate::bell::Woken;
use crate::clock;
use crate::config::AllowIps;
use crate::store::KeptAddresses;

/// The age at which a list is asked for again.
const DAY: Duration = Duration::from_secs(86_400);

/// Between two looks at the clock: a machine that slept is late by no more than this.
const ROUND: Duration = Duration::from_secs(600);

/// Pauses while the list can not be had, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(900));

/// Runs until the bell is closed. A ring (after a reload) looks at the configuration at once.
pub(super) fn run(app: &App) {
    let mut trouble: Option<(String, Duration)> = None;
    loop {
        let pause = match round(app) {
            Ok(()) => {
                if trouble.take().is_some() {
                    log::info!("server.allow_ips: the platform's list could be fetched again");
                }
                ROUND
            }
            Err(Failed { text, least_pause }) => {
                let (first, last) = PAUSES;
                let pause = trouble
                    .as_ref()
                    .map_or(first, |(_, pause)| (*pause * 2).min(last))
                    .max(least_pause);
                if trouble.as_ref().is_none_or(|(before, _)| *before != text) {
                    let until = match app.callback_ips.current() {
                        Some(list) => format!(
                            "the list of {} networks from {} h ago stays in force",
                            list.networks.len(),
                            age(list.told_at).as_secs() / 3_600
                        ),
                        None => {
                            "requests from any address are accepted until it is here".to_owned()
                        }
                    };
                    log::warn!(
                        "server.allow_ips: the platform's list could not be fetched: {text}; {until}"
                    );
                }
                trouble = Some((text, pause));
                pause
            }
        };
        if app.bells.addresses.wait(pause) == Woken::Closing {
            return;
        }
    }
}

/// Why there is no new list, and the least time before it is asked for again.
struct Failed {
    text: String,
    least_pause: Duration,
}

impl From<&str> for Failed {
    fn from(text: &str) -> Failed {
        Failed {
            text: text.to_owned(),
            least_pause: Duration::ZERO,
        }
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Failed {
        Failed {
            text: error.to_string(),
            least_pause: error.action().least_pause(),
        }
    }
}

/// Fetches the list if it is wanted and due.
fn round(app: &App) -> Result<(), Failed> {
    let wanted = app.live().config.server.allow_ips == AllowIps::Platform;
    let due = app
        .callback_ips
        .current()
        .is_none_or(|list| age(list.told_at) >= DAY);
    if !wanted || !due {
        return Ok(());
    }
    let api: &Client = app
        .api
        .as_ref()
        .ok_or("account.app_id and app_secret take effect only after a restart")?;
    let addresses = api.once().getcallbackip()?;
    let kept = KeptAddresses {
        addresses,
        told_at: clock::unix_seconds(),
    };
    let list = Networks::read(&kept).ok_or("there is no address in it")?;
    if !list.unreadable.is_empty() {
        log::warn!(
            "server.allow_ips: the platform's list has entries that are no addresses: {}",
            list.unreadable.join(", ").escape_debug()
        );
    }
    log::info!(
        "server.allow_ips: the platform's list of {} networks is in force",
        list.networks.len()
    );
    app.callback_ips.replace(list);
    // In force already; without a place to keep it, a restart fetches it again.
    app.store
        .keep_callback_ips(&kept)
        .map_err(|error| Failed::from(error.to_string().as_str()))
}

/// A list from the future, by a clock that was wrong, is as old as can be.
fn age(told_at: i64) -> Duration {
    u64::try_from(clock::unix_seconds() - told_at).map_or(Duration::MAX, Duration::from_secs)
}
