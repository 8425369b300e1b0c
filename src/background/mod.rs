//! Work that goes on beside the answers: profiles of new followers, the nightly sync, removal of what is old.

mod chores;
mod profiles;
mod sync;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::app::App;

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
        let spawn = |name: &str, work: fn(&App)| {
            let app = Arc::clone(app);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(&app))
        };
        Ok(Background {
            app: Arc::clone(app),
            threads: vec![
                spawn("profiles", profiles::run)?,
                spawn("chores", chores::run)?,
                spawn("sync", sync::run)?,
            ],
        })
    }

    /// Asks the threads to end and waits for those that are idle; a call to the platform is not waited for.
    pub fn stop(self) {
        self.app.profiles.close();
        self.app.chores.close();
        self.app.sync.close();
        self.app.watchdog.close();
        for thread in self.threads {
            if thread.thread().name() == Some("chores") || thread.is_finished() {
                thread.join().ok();
            }
        }
    }
}
