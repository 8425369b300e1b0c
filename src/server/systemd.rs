//! What systemd is told: ready, reloading, stopping, and, while the store really takes writes, alive.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::app::App;
use crate::bell::Woken;

/// The states of the service that systemd can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Reloading,
    Stopping,
}

/// Tells systemd; does nothing where it did not ask for it.
pub(super) fn tell(state: State) {
    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
    };
    if let Err(error) = told {
        log::warn!("systemd could not be told {state:?}: {error}");
    }
}

/// Feeds systemd's watchdog while the writer commits, until the program stops. Returns at once without a watchdog.
pub(super) fn feed_watchdog(app: &Arc<App>) {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    let pace = (patience / 3).max(Duration::from_millis(100));
    loop {
        app.store.probe(|probed| {
            let fed = match probed {
                Ok(()) => sd_notify::notify(&[NotifyState::Watchdog]),
                // Left hungry: after a while systemd starts the server afresh.
                Err(error) => return log::debug!("watchdog: {error}"),
            };
            if let Err(error) = fed {
                log::warn!("systemd's watchdog could not be told: {error}");
            }
        });
        if app.bells.watchdog.pause(pace) == Woken::Closing {
            return;
        }
    }
}
