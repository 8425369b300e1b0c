//! Connections to the store that are kept from one request to the next: to open one takes longer than most requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{Reader, Store, StoreError};

/// As many readers as requests have read at a time, which is at most one for each thread of the pools.
#[derive(Debug)]
pub struct Readers {
    store: Arc<Store>,
    /// `None`: none are kept any more.
    idle: Mutex<Option<Vec<Reader>>>,
}

impl Readers {
    /// Opens none yet.
    pub fn new(store: &Arc<Store>) -> Readers {
        Readers {
            store: Arc::clone(store),
            idle: Mutex::new(Some(Vec::new())),
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
        let kept = self.idle().as_mut().and_then(Vec::pop);
        let reader = kept.map_or_else(|| self.store.reader(), Ok)?;
        let found = read(&reader)?;
        if let Some(idle) = &mut *self.idle() {
            idle.push(reader);
        }
        Ok(found)
    }
    /// Closes those that are kept: the last connection to a store moves its write-ahead log into the file.
    pub fn close(&self) {
        *self.idle() = None;
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Reader>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_kept_and_let_go_before_the_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Arc::new(Store::open(&path.as_path().into()).unwrap());
        let readers = Readers::new(&store);
        let follows = || readers.read(|reader| reader.follower("oNobody"));
        let kept = || readers.idle().as_ref().map(Vec::len);
        assert_eq!(follows().unwrap(), None);
        assert_eq!(follows().unwrap(), None);
        assert_eq!(kept(), Some(1));
        readers.close();
        assert_eq!(follows().unwrap(), None);
        assert_eq!(kept(), None);
        store.close();
        let log = folder.path().join("wechat.db-wal");
        assert!(path.exists() && !log.exists());
    }
}
