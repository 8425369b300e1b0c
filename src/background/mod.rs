//! Work that goes on beside the answers: profiles of new followers, the nightly sync, removal of what is old, the platform's addresses.

mod addresses;
mod chores;
mod profiles;
mod supervisor;
mod sync;

pub use supervisor::{PAUSE, keep_alive};

use std::sync::Arc;
use std::thread;

use crate::app::App;
use crate::bell::Bell;

/// The background threads.
#[derive(Debug)]
pub struct Background {
    app: Arc<App>,
}

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(app: &Arc<App>) -> std::io::Result<Background> {
        let spawn = |name: &'static str, bell: fn(&App) -> &Bell, work: fn(&App)| {
            let app = Arc::clone(app);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || keep_alive(name, bell(&app), PAUSE, || work(&app)))
        };
        spawn("profiles", |app| &app.profiles, profiles::run)?;
        spawn("chores", |app| &app.chores, chores::run)?;
        spawn("sync", |app| &app.sync, sync::run)?;
        spawn("addresses", |app| &app.addresses, addresses::run)?;
        Ok(Background {
            app: Arc::clone(app),
        })
    }

    /// Asks the threads to end. They are not waited for: one may be in a call to the platform, and
    /// what it would have written is asked for again after the next start.
    pub fn stop(self) {
        self.app.profiles.close();
        self.app.chores.close();
        self.app.addresses.close();
        self.app.sync.close();
        self.app.watchdog.close();
    }
}
