//! The lease of a sync: the right to sync, which one process has at a time. It is stored in the store, renewed while
//! the sync runs, and free again after that process has ended, even by a crash.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::SyncError;
use crate::notifier::{Notifier, Woken};
use crate::store::{self, Store};

const NAME: &str = "sync";

/// How long the lease lasts unless it is renewed.
const LASTS: Duration = Duration::from_secs(60);

/// The time between two renewals.
const RENEWAL: Duration = Duration::from_secs(10);

pub(super) struct Lease<'a> {
    store: &'a Store,
    lease: store::Lease,
    over: Notifier,
    lost: AtomicBool,
}

impl<'a> Lease<'a> {
    /// Takes the lease, unless another process has it.
    pub(super) fn take(store: &'a Store) -> Result<Lease<'a>, SyncError> {
        let lease = store.take_lease(NAME, LASTS)?.ok_or(SyncError::Busy)?;
        Ok(Lease {
            store,
            lease,
            over: Notifier::default(),
            lost: AtomicBool::new(false),
        })
    }

    /// The store, which takes what is written through it only while the lease is held.
    pub(super) fn store(&self) -> Store {
        self.store.under(&self.lease)
    }

    /// Renews the lease until it is given back. Runs on a thread of its own.
    pub(super) fn keep(&self) {
        let mut until = self.lease.until();
        while self.over.pause(RENEWAL) != Woken::Closing {
            match self.store.renew_lease(&self.lease) {
                Ok(Some(renewed)) => until = renewed.until(),
                // The store logs why it cannot write.
                Err(_) if Instant::now() < until => {}
                Ok(None) | Err(_) => {
                    self.lost.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
        self.store.end_lease(&self.lease).ok();
    }

    /// Whether the process was suspended for so long that another one has taken the lease.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Gives the lease back when the value is dropped, after a panic as well.
    pub(super) fn until_dropped(&self) -> Held<'_> {
        Held(&self.over)
    }
}

pub(super) struct Held<'a>(&'a Notifier);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
