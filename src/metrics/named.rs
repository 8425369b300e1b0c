//! Counters by names of the configuration.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// A counter for each name. It outlasts a reload: a name that comes back goes on where it was.
#[derive(Debug, Default)]
pub struct Named(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Named {
    /// The counter of a name. Takes a lock: whoever counts often keeps it.
    #[must_use]
    pub fn counter(&self, name: &str) -> Arc<AtomicU64> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(name) {
            return Arc::clone(counter);
        }
        Arc::clone(counters.entry(name.to_owned()).or_default())
    }
}
