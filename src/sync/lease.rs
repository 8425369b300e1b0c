//! The right to sync, which one process has at a time. It lies in the store and ends by itself a few seconds after
//! the process that has it was killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::SyncError;
use crate::bell::{Bell, Woken};
use crate::clock;
use crate::store::Store;

const NAME: &str = "sync";

/// How long the right lasts unless it is renewed, in seconds.
const LASTS: i64 = 5;

/// Between two renewals.
const RENEWAL: Duration = Duration::from_secs(1);

/// How long another process is waited for: as long as it takes to see whether it is still alive.
const TRIES: usize = 70;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Lease<'a> {
    store: &'a Store,
    over: Bell,
    lost: AtomicBool,
}

impl<'a> Lease<'a> {
    /// Takes the right; of one who was killed, after a few seconds.
    pub(super) fn take(store: &'a Store, stop: &dyn Fn() -> bool) -> Result<Lease<'a>, SyncError> {
        for attempt in 0..TRIES {
            let now = clock::unix_seconds();
            if store.take_lease(NAME, now, now + LASTS)? {
                return Ok(Lease {
                    store,
                    over: Bell::default(),
                    lost: AtomicBool::new(false),
                });
            }
            if stop() {
                return Err(SyncError::Stopped);
            }
            if attempt + 1 < TRIES {
                std::thread::sleep(PAUSE);
            }
        }
        Err(SyncError::Busy)
    }

    /// Renews the right until it is given back. Runs on a thread of its own.
    pub(super) fn keep(&self) {
        while self.over.pause(RENEWAL) != Woken::Closing {
            let longer = clock::unix_seconds() + LASTS;
            match self.store.renew_lease(NAME, longer) {
                // The store says itself why it can not write; whoever works finds out as well.
                Ok(true) | Err(_) => {}
                Ok(false) => {
                    self.lost.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
        self.store.end_lease(NAME).ok();
    }

    /// Whether the process stood still for so long that another may have taken the right.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn give_back(&self) {
        self.over.close();
    }
}
