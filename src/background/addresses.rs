//! Asks the platform daily which addresses it sends from, while `server.allow_ips` is `"wechat"`.
//!
//! Whatever the platform does, the last good list stays in force; before the first one, nobody is refused.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::api::{ApiError, Client};
use crate::app::{App, Duty, Networks};
use crate::clock;
use crate::config::AllowIps;
use crate::counted::counted;
use crate::notifier::Woken;
use crate::store::{KeptAddresses, StoreError};

/// The age at which a list is fetched again.
const DAY: Duration = Duration::from_secs(86_400);

/// How often the age is checked: a machine that slept is late by no more than this.
const ROUND: Duration = Duration::from_secs(600);

/// While the list cannot be fetched.
const BACKOFF: Backoff = Backoff::seconds(5, 900);

/// Runs until the notifier is closed. Reads the configuration at once when notified, after a reload.
pub(super) fn run(app: &App) {
    let mut failing = Failing::default();
    loop {
        let pause = match round(app) {
            Ok(()) => {
                if failing.succeeded() {
                    log::info!("server.allow_ips: WeChat's list could be fetched again");
                }
                ROUND
            }
            Err(Failed { text, least_pause }) => {
                failing.failed(&text, BACKOFF.at_least(least_pause), |_| {
                    log::warn!(
                        "server.allow_ips: WeChat's list could not be fetched: {text}; {}",
                        in_force(app)
                    );
                })
            }
        };
        if app.notifiers.addresses.wait(pause) == Woken::Closing {
            return;
        }
    }
}

/// What is in force until there is a new list.
fn in_force(app: &App) -> String {
    match app.callback_ips.current() {
        Some(list) => format!(
            "the list of {} networks from {} h ago stays active",
            list.networks.len(),
            age(list.fetched_at).as_secs() / 3_600
        ),
        None => "requests from any address are accepted until it is here".to_owned(),
    }
}

/// Why there is no new list, and the shortest pause before the next try.
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
    let is_due = || {
        let list = app.callback_ips.current();
        list.is_none_or(|list| age(list.fetched_at) >= DAY)
    };
    if !wanted || !is_due() {
        return Ok(());
    }
    if app.store.is_shared() {
        // Another server may have fetched it.
        let kept = app.store.callback_ips().map_err(of_store)?;
        if let Some(list) = kept.as_ref().and_then(Networks::read) {
            app.callback_ips.replace(list);
        }
    }
    let Some(store) = app.duties.store(Duty::Addresses).filter(|_| is_due()) else {
        return Ok(());
    };
    let api: &Client = app
        .api
        .as_ref()
        .ok_or("account.app_id and app_secret take effect only after a restart")?;
    let addresses = api.once().getcallbackip()?;
    let kept = KeptAddresses {
        addresses,
        fetched_at: clock::unix_seconds(),
    };
    let list = Networks::read(&kept).ok_or("there is no address in it")?;
    if !list.unreadable.is_empty() {
        log::warn!(
            "server.allow_ips: WeChat's list has entries that are not addresses: {}",
            list.unreadable.join(", ").escape_debug()
        );
    }
    let networks = counted(list.networks.len(), "network");
    app.callback_ips.replace(list);
    // It is in force already. If it cannot be stored, a restart fetches it again.
    let stored = store.keep_callback_ips(&kept);
    log::info!("server.allow_ips: WeChat's list of {networks} is active");
    stored.map_err(of_store)
}

fn of_store(error: StoreError) -> Failed {
    Failed::from(error.to_string().as_str())
}

/// A list from the future was dated by a wrong clock: it counts as infinitely old.
fn age(fetched_at: i64) -> Duration {
    let seconds = clock::unix_seconds().saturating_sub(fetched_at);
    u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_a_wrong_clock_is_due() {
        let now = clock::unix_seconds();
        for fetched_at in [i64::MIN, 0, now - 86_400, now + 60, i64::MAX] {
            assert!(age(fetched_at) >= DAY, "{fetched_at}");
        }
        assert!(age(now - 3_600) < DAY);
    }
}
