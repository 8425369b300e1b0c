//! Erasing every trace of a person, with the files that the person sent, and telling the hooks.

use super::MediaFolder;
use crate::clock;
use crate::config::Config;
use crate::hooks::Subscribers;
use crate::store::{Erased, Reader, Store, StoreError};

/// Why a person was not forgotten, or not quite.
#[derive(Debug)]
pub enum ForgetError {
    /// The store fails; see [`Store::forget`].
    Store(StoreError),
    /// The rows are gone, but files may still be there: why.
    Files(String),
}

impl From<StoreError> for ForgetError {
    fn from(error: StoreError) -> ForgetError {
        ForgetError::Store(error)
    }
}

/// Removes every trace of a person and returns what went. The hooks that want to know are told by the server.
///
/// # Errors
/// When the store cannot be read or written, or a file stays.
pub fn forget(
    config: &Config,
    store: &Store,
    reader: &Reader,
    openid: &str,
) -> Result<Erased, ForgetError> {
    let subscribers = Subscribers::of(&config.hooks);
    let hook_events = subscribers.closed(openid, clock::unix_seconds());
    let erased = store.forget(reader, openid, hook_events)?;
    let folder = config.store.media.as_deref();
    let folder = folder.map(|path| MediaFolder::if_taken(path, reader));
    match folder.transpose()?.flatten() {
        Some(folder) => folder.sweep(reader).map_err(ForgetError::Files)?,
        None => 0,
    };
    Ok(erased)
}
