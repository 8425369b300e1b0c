//! What the platform calls the files of answers, as far as they are uploaded.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::config::MediaFile;

/// The media_ids of uploaded files, by [`MediaFile::key`].
#[derive(Debug, Default)]
pub struct Uploads(RwLock<HashMap<String, String>>);

impl Uploads {
    /// The media_id of a file; `None` until it is uploaded.
    #[must_use]
    pub fn media_id(&self, file: &MediaFile) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&file.key()).cloned()
    }

    /// A file was uploaded: rules answer with it from now on.
    pub fn add(&self, file: &MediaFile, media_id: String) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(file.key(), media_id);
    }

    /// Replaces all that is known.
    pub fn replace(&self, all: HashMap<String, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
