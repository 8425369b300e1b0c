//! Connections to the store that are kept from one request to the next: to open one takes longer than most requests.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Reader, Store, StoreError};

/// As many readers as requests have read at a time, which is at most one for each thread of the pools.
#[derive(Debug)]
pub struct Readers {
    store: Arc<Store>,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    /// Opens none yet.
    pub fn new(store: &Arc<Store>) -> Readers {
        Readers {
            store: Arc::clone(store),
            idle: Mutex::default(),
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// When the store cannot be read; the next request opens it again.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let reader = kept.map_or_else(|| self.store.reader(), Ok)?;
        let found = read(&reader)?;
        idle().push(reader);
        Ok(found)
    }
}
