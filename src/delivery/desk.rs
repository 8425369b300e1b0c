//! Where the calls of one service wait, and how they have ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::service::{Circuit, Queue};

/// Where the calls of one service wait.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) queue: Queue,
    /// What the queue was last set to.
    pub(super) concurrency: AtomicUsize,
    pub(super) circuit: Circuit,
    /// By [`ServiceResult`].
    pub(super) ended: [AtomicU64; ServiceResult::ALL.len()],
}

/// What became of a call to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceResult {
    /// The service answered.
    Answered,
    /// No usable answer came.
    Failed,
    /// It was not made: the circuit is open, or too many wait.
    NotMade,
}

impl ServiceResult {
    pub(super) const ALL: [ServiceResult; 3] = [
        ServiceResult::Answered,
        ServiceResult::Failed,
        ServiceResult::NotMade,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ServiceResult::Answered => "answered",
            ServiceResult::Failed => "failed",
            ServiceResult::NotMade => "not_made",
        }
    }
}

impl Desk {
    pub(super) fn count(&self, result: ServiceResult) {
        self.ended[result as usize].fetch_add(1, Ordering::Relaxed);
    }
}
