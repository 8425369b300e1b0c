//! Keeps a valid ticket of the JS-SDK in the store while there is a web part: whoever signs a page never waits for the
//! platform.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::app::App;
use crate::notifier::Woken;

/// How often it is looked at. It is fetched five minutes before it ends.
const ROUND: Duration = Duration::from_secs(60);

/// While there is none.
const BACKOFF: Backoff = Backoff::seconds(5, 900);

/// Runs until the notifier is closed.
pub(super) fn run(app: &App) {
    let api = app.api.as_ref().map(|api| api.once());
    let (Some(api), Some(_)) = (api, &app.live().config.web.url) else {
        return;
    };
    let mut failing = Failing::default();
    loop {
        let pause = match api.ticket() {
            Ok(_) => {
                if failing.succeeded() {
                    log::info!("JS-SDK: there is a jsapi_ticket again");
                }
                ROUND
            }
            Err(error) => {
                let backoff = BACKOFF.at_least(error.action().least_pause());
                failing.failed(&error.to_string(), backoff, |_| {
                    log::warn!("JS-SDK: there is no jsapi_ticket, and no page is signed: {error}");
                })
            }
        };
        if app.notifiers.ticket.wait(pause) == Woken::Closing {
            return;
        }
    }
}
