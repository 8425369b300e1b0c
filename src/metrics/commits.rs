//! What the store's writer counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::Histogram;

/// Commits of the store.
#[derive(Debug, Default)]
pub struct Commits {
    /// How long those took that worked.
    pub seconds: Histogram,
    failed: AtomicU64,
    waiting: AtomicU64,
}

impl Commits {
    /// A commit failed.
    pub fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Work begins to wait for the writer.
    pub fn enter(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Work waits no longer, after it began to.
    pub fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// How much work waits for the writer.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}
