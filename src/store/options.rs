//! The options of the store: section `[store]` of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the store is, and how long it keeps messages.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file.
    pub path: PathBuf,
    /// Age at which messages are removed; zero: never.
    pub keep_messages: Duration,
}

/// A store in this file that keeps all messages.
impl From<&Path> for Options {
    fn from(path: &Path) -> Options {
        Options {
            path: path.to_owned(),
            keep_messages: Duration::ZERO,
        }
    }
}
