//! Errors of the store, worded so that an owner knows what to do.

use std::fmt;
use std::path::Path;

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
    /// Another process does this now: the lease under which it was to be written is no longer held.
    Superseded,
    /// A value is longer than its column: only what it belongs to is not stored.
    TooLong,
    /// The store was moved to another place, or is an unfinished copy.
    Moved,
    /// Only a newer version of this program can use the store.
    TooNew,
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

    /// `doing` is what failed, such as `write`.
    pub(super) fn of_sql(doing: &str, error: &SqlError) -> StoreError {
        let failed = StoreError::new(error.kind, format!("store: {doing}: {}", error.reason));
        match error.what_to_do {
            Some(what_to_do) => failed.advising(what_to_do),
            None => failed,
        }
    }

    /// The error of a program that was built without the engine of a server.
    #[cfg(not(feature = "mysql"))]
    pub(super) fn not_built() -> StoreError {
        let text = "store: this wechatd was built without databases on servers";
        StoreError::new(ErrorKind::Other, text)
            .advising("build one that has them with `cargo build --release --features mysql`")
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

/// Why an engine could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlError {
    /// What kind of trouble it is.
    pub(super) kind: ErrorKind,
    /// The engine's words.
    pub(super) reason: String,
    /// What the owner can do about it.
    pub(super) what_to_do: Option<&'static str>,
    /// Whether it is about the store, not about one piece of work: every other commit would fail, too.
    pub(super) concerns_all: bool,
}

impl SqlError {
    /// An error of one piece of work.
    pub(super) fn of_one(reason: impl Into<String>) -> SqlError {
        SqlError {
            kind: ErrorKind::Other,
            reason: reason.into(),
            what_to_do: None,
            concerns_all: false,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
