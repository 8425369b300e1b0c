//! Errors of the store, worded so that an owner knows what to do.

use std::fmt;
use std::path::Path;

use rusqlite::ErrorCode;

/// Why the store could not do something. Cheap to clone: one failed commit answers many requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    kind: ErrorKind,
    text: String,
    what_to_do: Option<&'static str>,
}

/// What kind of trouble the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The disk is full.
    Full,
    /// Another program holds the store, or the writer's queue is full; a later attempt may succeed.
    Busy,
    /// There is no store, or one of its open files was moved, deleted, replaced or truncated.
    Gone,
    /// The file is damaged, or not an SQLite database.
    Damaged,
    /// Anything else.
    Other,
}

impl StoreError {
    pub(super) fn new(kind: ErrorKind, text: impl Into<String>) -> StoreError {
        StoreError {
            kind,
            text: text.into(),
            what_to_do: None,
        }
    }

    /// `doing` is what failed, such as `write`; the error code decides which advice is added.
    pub(super) fn from_sqlite(doing: &str, error: &rusqlite::Error) -> StoreError {
        let failed = |kind| StoreError::new(kind, format!("store: {doing}: {error}"));
        let (kind, advice) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (
                ErrorKind::Full,
                "the disk is full: make room, the server goes on by itself",
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                ErrorKind::Busy,
                "another program holds the store: end its transaction, the server goes on by itself",
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                ErrorKind::Other,
                "the file or its folder is not writable by this user",
            ),
            Some(ErrorCode::NotADatabase) => (
                ErrorKind::Damaged,
                "the file is not an SQLite database: move it away, or name another in store.path",
            ),
            Some(ErrorCode::DatabaseCorrupt) => (
                ErrorKind::Damaged,
                "the file is damaged: restore a copy made by `wechatd backup`",
            ),
            Some(ErrorCode::SystemIoFailure) => (ErrorKind::Other, "the disk reports an error"),
            Some(ErrorCode::CannotOpen) => (
                ErrorKind::Other,
                "check that the folder exists and is writable by this user",
            ),
            // From the checks of `OpenFile` before and after a commit; their text has the advice.
            Some(ErrorCode::NotFound) => return failed(ErrorKind::Gone),
            _ => return failed(ErrorKind::Other),
        };
        failed(kind).advising(advice)
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Adds what to do about it, also at the end of the text.
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
        StoreError::new(
            ErrorKind::Other,
            format!("store: {}: {what}", path.display()),
        )
    }

    /// The same error with another kind.
    pub(super) fn of_kind(self, kind: ErrorKind) -> StoreError {
        StoreError { kind, ..self }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StoreError {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::ffi;

    use super::super::{Options, Reader};
    use super::*;

    #[test]
    fn an_error_of_sqlite_is_of_the_kind_that_its_code_says() {
        for (code, kind) in [
            (ffi::SQLITE_FULL, ErrorKind::Full),
            (ffi::SQLITE_BUSY, ErrorKind::Busy),
            (ffi::SQLITE_LOCKED, ErrorKind::Busy),
            (ffi::SQLITE_NOTFOUND, ErrorKind::Gone),
            (ffi::SQLITE_CORRUPT, ErrorKind::Damaged),
            (ffi::SQLITE_NOTADB, ErrorKind::Damaged),
            (ffi::SQLITE_READONLY, ErrorKind::Other),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Other),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(StoreError::from_sqlite("write", &error).kind(), kind);
        }
    }

    #[test]
    fn where_there_is_no_store_it_is_gone() {
        let error = Reader::open(&Options::from(Path::new("/nonexistent/wechat.db"))).err();
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Gone));
    }
}
