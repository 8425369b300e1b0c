//! Work that goes on beside the answers: profiles of new followers, removal of what is old, the platform's addresses.

mod addresses;
mod chores;
mod profiles;
mod supervisor;

pub use supervisor::{PAUSE, keep_alive};

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::app::App;
use crate::bell::Bell;

/// The background threads; they end after their bells are closed.
#[derive(Debug)]
pub struct Background {
    app: Arc<App>,
    threads: Vec<JoinHandle<()>>,
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
        Ok(Background {
            app: Arc::clone(app),
            threads: vec![
                spawn("profiles", |app| &app.profiles, profiles::run)?,
                spawn("chores", |app| &app.chores, chores::run)?,
                spawn("addresses", |app| &app.addresses, addresses::run)?,
            ],
        })
    }

    /// Asks the threads to end and waits for those that are idle; a call to the platform is not waited for.
    pub fn stop(self) {
        self.app.profiles.close();
        self.app.chores.close();
        self.app.addresses.close();
        self.app.watchdog.close();
        for thread in self.threads {
            if thread.thread().name() == Some("chores") || thread.is_finished() {
                thread.join().ok();
            }
        }
    }
}
