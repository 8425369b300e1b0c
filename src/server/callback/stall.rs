//! A store that does not commit in time, said once and not for every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::counted;
use crate::server::guard::ANSWER_TIMEOUT;
use crate::trouble::{Kind, Troubles};

/// Requests that were answered 503 because the store had not answered in time, since it last did.
#[derive(Debug, Default)]
pub struct Stall {
    late: AtomicUsize,
    troubles: Arc<Troubles>,
}

impl Stall {
    /// Nothing is late yet.
    pub fn new(troubles: Arc<Troubles>) -> Stall {
        Stall {
            late: AtomicUsize::new(0),
            troubles,
        }
    }

    /// Counts a request that was answered 503 because its time was over.
    pub fn late(&self) {
        if self.late.fetch_add(1, Ordering::Relaxed) == 0 {
            let text = format!(
                "no commit for {} s: the disk is too slow, or stalls; pushes are answered 503 until it \
                 works again, so that WeChat delivers them again",
                ANSWER_TIMEOUT.as_secs_f32()
            );
            self.troubles.begin(Kind::Store, &text);
        }
    }

    /// The store has answered.
    pub fn is_over(&self) {
        if self.late.load(Ordering::Relaxed) > 0 {
            let count = counted(self.late.swap(0, Ordering::Relaxed), "request");
            let how = format!("commits again; {count} answered 503 meanwhile");
            self.troubles.end(Kind::Store, &how);
        }
    }
}
