//! Errors of the store, told so that an owner knows what to do.

use std::fmt;
use std::path::Path;

use rusqlite::ErrorCode;

/// Why the store could not do something. Cheap to clone: one failed commit answers many requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    text: String,
    what_to_do: Option<&'static str>,
}

impl StoreError {
    pub(super) fn new(text: impl Into<String>) -> StoreError {
        StoreError {
            text: text.into(),
            what_to_do: None,
        }
    }

    /// `doing` is what failed, such as `write`; the cause gets the advice that fits its code.
    pub(super) fn from_sqlite(doing: &str, error: &rusqlite::Error) -> StoreError {
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                "the disk is full: make room, the server goes on by itself"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds the store: end its transaction, the server goes on by itself"
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "the file or its folder is not writable by this user"
            }
            Some(ErrorCode::NotADatabase) => {
                "the file is not an SQLite database: move it away, or name another in store.path"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "the file is damaged: put back a copy made by `wechatd backup`"
            }
            Some(ErrorCode::SystemIoFailure) => "the disk reports an error",
            Some(ErrorCode::CannotOpen) => {
                "check that the folder exists and is writable by this user"
            }
            _ => return StoreError::new(format!("store: {doing}: {error}")),
        };
        StoreError::new(format!("store: {doing}: {error}")).advising(advice)
    }

    /// The same with what to do about it, at the end of the line, too.
    pub(super) fn advising(mut self, what_to_do: &'static str) -> StoreError {
        self.text = format!("{}; {what_to_do}", self.text);
        self.what_to_do = Some(what_to_do);
        self
    }

    /// What the owner can do about it: the end of the text.
    #[must_use]
    pub fn what_to_do(&self) -> Option<&'static str> {
        self.what_to_do
    }

    pub(super) fn at(path: &Path, what: impl fmt::Display) -> StoreError {
        StoreError::new(format!("store: {}: {what}", path.display()))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StoreError {}
