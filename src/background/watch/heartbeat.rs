//! The heartbeat: the owner's URL is fetched while the store takes writes, and its silence is an alarm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::config::SecretUrl;
use crate::outbound::{Outbound, Request};

/// Between two heartbeats, and for one.
const PAUSE: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(15);

/// What is known from one heartbeat to the next.
#[derive(Default)]
pub(super) struct Heartbeat {
    /// `watch.heartbeat`.
    url: Option<SecretUrl>,
    /// `None`: there is no URL, or the trusted roots cannot be read.
    sender: Option<Arc<Sender>>,
    next: Option<Instant>,
}

struct Sender {
    outbound: Outbound,
    /// The last one failed, and the log says so.
    failed: AtomicBool,
}

impl Heartbeat {
    fn to(url: Option<SecretUrl>) -> Heartbeat {
        let sender = url.is_some().then(|| match Outbound::new() {
            Ok(outbound) => Some(Arc::new(Sender {
                outbound,
                failed: AtomicBool::new(false),
            })),
            Err(error) => {
                log::error!("watch.heartbeat: {error}");
                None
            }
        });
        Heartbeat {
            url,
            sender: sender.flatten(),
            next: None,
        }
    }

    /// Sends one if it is due and the store takes writes.
    pub(super) fn beat(&mut self, app: &App, now: Instant) {
        let live = app.live();
        if self.url != live.config.watch.heartbeat {
            *self = Heartbeat::to(live.config.watch.heartbeat.clone());
        }
        let (Some(url), Some(sender)) = (self.url.clone(), self.sender.clone()) else {
            return;
        };
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + PAUSE);
        app.store.probe(move |probed| {
            if probed.is_err() {
                return;
            }
            // On the writer's thread nothing may wait.
            let work = move || sender.fetch(&url);
            let thread = thread::Builder::new().name("heartbeat".to_owned());
            if let Err(error) = thread.spawn(work) {
                log::warn!("watch.heartbeat: no thread for it: {error}");
            }
        });
    }
}

impl Sender {
    /// Fetches the URL, which is secret; a failure is logged once.
    fn fetch(&self, url: &SecretUrl) {
        let fetched = self.outbound.send(&Request {
            url: url.expose(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout: TIMEOUT,
            redirects: 3,
        });
        let why = match fetched {
            Ok(response) if (200..300).contains(&response.status()) => None,
            Ok(response) => Some(format!("HTTP {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failed.swap(why.is_some(), Ordering::Relaxed);
        match (why, failed_before) {
            (Some(why), false) => log::warn!("watch.heartbeat: {why}; tried again every 5 min"),
            (None, true) => log::info!("watch.heartbeat: works again"),
            (Some(_), true) | (None, false) => {}
        }
    }
}
