//! For whom answers are kept, as far as known: every push asks, and almost always it is nobody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The people for whom an answer is kept. The store decides; this saves most pushes from asking it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    people: Mutex<HashSet<String>>,
    /// Whether there are any, so that pushes need no lock.
    any: AtomicBool,
}

impl Kept {
    pub(super) fn has(&self, openid: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.lock().contains(openid)
    }

    pub(super) fn add(&self, openid: String) {
        self.lock().insert(openid);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Takes over what the store says. Somebody who was added since it was asked is found at the next time.
    pub(super) fn replace(&self, people: Vec<String>) {
        let mut known = self.lock();
        *known = people.into_iter().collect();
        self.any.store(!known.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
