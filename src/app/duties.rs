//! What one server alone does for all: of several servers with one store, the one that holds the lease.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Notifiers;
use crate::notifier::Notifier;
use crate::store::{Lease, NODE_LIFE, Store, StoreError};

/// How long a lease lasts, unless it is renewed.
const LENGTH: Duration = Duration::from_secs(NODE_LIFE as u64);

/// Between two looks for what another server has left for this one to do, while nobody here tells.
const LOOK: Duration = Duration::from_secs(1);

/// The work of a background thread that one server does for all. A sync, and the fetch of a token, have leases of their
/// own, which commands take, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Fetching the profiles of new followers.
    Profiles,
    /// Removing old data.
    Chores,
    /// Delivering to the hooks.
    Hooks,
    /// The answers that a server which has ended left behind, and those that are too old to be shown.
    Ladder,
    /// Fetching the addresses that the platform sends from.
    Addresses,
    /// Uploading the files of answers.
    Uploads,
    /// Fetching the files that followers send.
    Media,
    /// Watching for trouble that all servers have in common, and for messages to be looked at.
    Watch,
}

impl Duty {
    const ALL: [Duty; 8] = [
        Duty::Profiles,
        Duty::Chores,
        Duty::Hooks,
        Duty::Ladder,
        Duty::Addresses,
        Duty::Uploads,
        Duty::Media,
        Duty::Watch,
    ];

    fn notifier(self, all: &Notifiers) -> &Notifier {
        match self {
            Duty::Profiles => &all.profiles,
            Duty::Chores => &all.chores,
            Duty::Hooks => &all.hooks,
            Duty::Ladder => &all.deliveries,
            Duty::Addresses => &all.addresses,
            Duty::Uploads => &all.uploads,
            Duty::Media => &all.media,
            Duty::Watch => &all.watch,
        }
    }
}

/// The name of the lease.
impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Duty::Profiles => "profiles",
            Duty::Chores => "chores",
            Duty::Hooks => "hooks",
            Duty::Ladder => "ladder",
            Duty::Addresses => "addresses",
            Duty::Uploads => "uploads",
            Duty::Media => "media",
            Duty::Watch => "watch",
        })
    }
}

/// The duties of this server.
#[derive(Debug)]
pub struct Duties {
    store: Arc<Store>,
    held: Mutex<HashMap<Duty, Held>>,
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    store: Arc<Store>,
}

impl Duties {
    pub(super) fn new(store: &Arc<Store>) -> Duties {
        Duties {
            store: Arc::clone(store),
            held: Mutex::default(),
        }
    }

    /// The store for whoever does this; `None` while another server does. What is written through it is refused once
    /// another server has taken over. With a file there is one server.
    #[must_use]
    pub fn store(&self, duty: Duty) -> Option<Arc<Store>> {
        if !self.store.is_shared() {
            return Some(Arc::clone(&self.store));
        }
        let held = self.held();
        let held = held.get(&duty);
        let held = held.filter(|held| Instant::now() < held.lease.until());
        held.map(|held| Arc::clone(&held.store))
    }

    /// How long to wait for a notification before the next look: other servers do not notify this one.
    #[must_use]
    pub fn look_within(&self, longest: Duration) -> Duration {
        match self.store.is_shared() {
            true => longest.min(LOOK),
            false => longest,
        }
    }

    /// Renews what is held, takes what nobody holds, and wakes who does it. Returns how soon another lease may end.
    ///
    /// # Errors
    /// When the store cannot be read or written. What is held stays so until its time is over.
    pub fn keep(&self, notifiers: &Notifiers) -> Result<Duration, StoreError> {
        let mut soonest = LENGTH;
        let left = self.store.read(|reader| reader.leases_left())?;
        for duty in Duty::ALL {
            let held = self.held().get(&duty).map(|held| held.lease.clone());
            if let Some(lease) = held {
                match self.store.renew_lease(&lease)? {
                    Some(renewed) => self.hold(duty, renewed),
                    None => {
                        self.held().remove(&duty);
                        log::warn!("{duty}: another server has taken over");
                    }
                }
                continue;
            }
            let name = duty.to_string();
            if let Some(left) = left.get(&name).filter(|left| !left.is_zero()) {
                soonest = soonest.min(*left);
                continue;
            }
            if let Some(lease) = self.store.take_lease(&name, LENGTH)? {
                log::debug!("{duty}: this server does it from now on");
                self.hold(duty, lease);
                duty.notifier(notifiers).notify();
            }
        }
        Ok(soonest)
    }

    /// Lets another server take over at once.
    ///
    /// # Errors
    /// When the store cannot be written: then another one takes over when the time of the leases is over.
    pub fn give_back(&self) -> Result<(), StoreError> {
        let held: Vec<Held> = self.held().drain().map(|(_, held)| held).collect();
        held.iter()
            .try_for_each(|held| self.store.end_lease(&held.lease))
    }

    fn hold(&self, duty: Duty, lease: Lease) {
        let store = Arc::new(self.store.under(&lease));
        self.held().insert(duty, Held { lease, store });
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Duty, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
