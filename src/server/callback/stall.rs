//! A store that does not commit in time, said once and not for every request.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::counted;
use crate::server::guard::ANSWER_TIMEOUT;

/// Requests that were answered 503 because the store had not answered in time, since it last did.
#[derive(Debug, Default)]
pub struct Stall(AtomicUsize);

impl Stall {
    /// Counts a request that was answered 503 because its time was over.
    pub fn late(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            log::error!(
                "store: no commit for {} s: the disk is too slow, or stalls; pushes are answered 503 until it \
                 works again, so that the platform delivers them again",
                ANSWER_TIMEOUT.as_secs_f32()
            );
        }
    }

    /// The store has answered.
    pub fn is_over(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            let count = self.0.swap(0, Ordering::Relaxed);
            log::info!(
                "store: commits again; {} answered 503 meanwhile",
                counted(count, "request")
            );
        }
    }
}
