//! Which files of answers the store knows as uploaded.

use std::collections::HashMap;

use crate::clock;
use crate::config::{Config, MediaFile};
use crate::store::{PERMANENT, Reader, StoreError};
use crate::wechat;

/// The type and the digest by which the store keeps the media_id of a file, which is valid for one account only.
#[must_use]
pub fn kept_as(file: &MediaFile, app_id: &str) -> (String, String) {
    let digest = wechat::digest(format!("{app_id}\n{}", file.file.hash).as_bytes());
    (format!("{PERMANENT}{}", file.media_type.name()), digest)
}

/// The media_ids of the files that rules answer with, by their keys, as far as they are uploaded.
///
/// # Errors
/// When the store cannot be read.
pub fn uploaded(
    config: &Config,
    reader: impl FnOnce() -> Result<Reader, StoreError>,
) -> Result<HashMap<String, String>, StoreError> {
    let mut known = HashMap::new();
    let mut files = config
        .rules
        .iter()
        .filter_map(|rule| rule.action.media_file())
        .peekable();
    let (Some(app_id), Some(_)) = (&config.account.app_id, files.peek()) else {
        return Ok(known);
    };
    let (reader, now) = (reader()?, clock::unix_seconds());
    for file in files {
        let (kept_type, digest) = kept_as(file, app_id);
        if let Some(media_id) = reader.kept_media(&kept_type, &digest, now)? {
            known.insert(file.key(), media_id);
        }
    }
    Ok(known)
}
