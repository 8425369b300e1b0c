//! Background threads: profiles of new followers, the nightly sync, removal of old data, the platform's addresses,
//! the hooks, the times of forwarded pushes, the ticket of the JS-SDK, uploads of
//! files that rules answer with, files that followers send, the leases of what one server does for all, the watch for
//! trouble.

mod addresses;
mod chores;
mod deliveries;
mod failing;
mod hooks;
mod media;
mod nodes;
mod profiles;
mod supervisor;
mod sync;
mod ticket;
mod token_file;

mod uploads;
mod watch;

pub use supervisor::{AFTER_PANIC, restarting};

use std::sync::Arc;
use std::thread;

use crate::app::{App, Notifiers};
use crate::notifier::Notifier;

/// Starts the threads. They end when the notifiers are closed, and are not waited for: one may be in a call to
/// the platform. What it would have written is fetched again after the next start.
///
/// # Errors
/// When the system cannot start another thread.
pub fn start(app: &Arc<App>) -> std::io::Result<()> {
    let spawn = |name: &'static str, notifier: fn(&Notifiers) -> &Notifier, work: fn(&App)| {
        let app = Arc::clone(app);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || restarting(name, notifier(&app.notifiers), AFTER_PANIC, || work(&app)))
    };
    spawn("nodes", |all| &all.nodes, nodes::run)?;
    spawn("profiles", |all| &all.profiles, profiles::run)?;
    spawn("chores", |all| &all.chores, chores::run)?;
    spawn("hooks", |all| &all.hooks, hooks::run)?;
    spawn("deliveries", |all| &all.deliveries, deliveries::run)?;
    spawn("sync", |all| &all.sync, sync::run)?;
    spawn("token file", |all| &all.token_file, token_file::run)?;
    spawn("uploads", |all| &all.uploads, uploads::run)?;
    spawn("ticket", |all| &all.ticket, ticket::run)?;
    spawn("addresses", |all| &all.addresses, addresses::run)?;
    spawn("watch", |all| &all.watch, watch::run)?;
    if app.scans.are_shared() {
        spawn("log-ins", |all| &all.log_ins, |app| app.scans.run())?;
    }
    start_fetching(app)
}

/// Starts the thread that fetches media, if the configuration wants it and it does not run yet. It ends when the
/// configuration no longer does.
///
/// # Errors
/// When the system cannot start another thread.
pub fn start_fetching(app: &Arc<App>) -> std::io::Result<()> {
    if !app.fetching_begins() {
        return Ok(());
    }
    let fetching = Arc::clone(app);
    let work = move || {
        let notifier = &fetching.notifiers.media;
        restarting("media", notifier, AFTER_PANIC, || media::run(&fetching));
    };
    let started = thread::Builder::new().name("media".to_owned()).spawn(work);
    if started.is_err() {
        app.fetching_ended();
    }
    started.map(drop)
}
