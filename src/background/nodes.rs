//! Tells the other servers of the store that this one runs, keeps its duties, and warns of a configuration that differs.

use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::app::App;
use crate::notifier::Woken;
use crate::store::{NodeRow, Reader, StoreError};

/// Between two signs of life, which also renew the leases.
const ROUND: Duration = Duration::from_secs(10);

/// The shortest pause: a lease that is over is taken so soon after.
const SOON: Duration = Duration::from_millis(100);

/// While the store cannot be read or written.
const BACKOFF: Backoff = Backoff::seconds(1, 10);

/// Runs until the notifier is closed. With a file there is one server, and nothing to do.
pub(super) fn run(app: &App) {
    if !app.store.is_shared() {
        return;
    }
    let mut failing = Failing::default();
    let mut differing = Vec::new();
    loop {
        let pause = match round(app, &mut differing) {
            Ok(pause) => {
                failing.succeeded();
                pause.clamp(SOON, ROUND)
            }
            Err(error) => failing.failed(&error.to_string(), BACKOFF, |seconds| {
                log::warn!("nodes: {error}; retrying in {seconds} s");
            }),
        };
        if app.notifiers.nodes.wait(pause) == Woken::Closing {
            return;
        }
    }
}

fn round(app: &App, differing: &mut Vec<String>) -> Result<Duration, StoreError> {
    app.store.tell_nodes(&app.node())?;
    let soonest = app.duties.keep(&app.notifiers)?;
    let nodes = app.store.read(Reader::nodes)?;
    let config = app.node().config;
    let differing_now = nodes.iter().filter(|node| node.differs_from(&config));
    let found: Vec<String> = differing_now.map(NodeRow::to_string).collect();
    if found != *differing {
        for name in found.iter().filter(|name| !differing.contains(name)) {
            log::warn!(
                "nodes: {name} runs with another configuration: what a follower gets depends on which server answers; make the files equal, and reload both"
            );
        }
        *differing = found;
    }
    Ok(soonest)
}
