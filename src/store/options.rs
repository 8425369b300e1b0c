//! The options of the store: section `[store]` of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a commit waits for another program's lock. The platform waits 5 s for an answer, so a push that cannot
/// be written is refused before that, and the platform delivers it again.
pub(super) const PATIENCE: Duration = Duration::from_millis(3_500);

/// Where the store is, and what it keeps for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file.
    pub path: PathBuf,
    /// Age at which messages are removed; zero: never.
    pub keep_messages: Duration,
    /// The folder for media that followers send; `None`: they are not fetched.
    pub media: Option<PathBuf>,
}

/// A store in this file that keeps all messages.
impl From<&Path> for Options {
    fn from(path: &Path) -> Options {
        Options {
            path: path.to_owned(),
            keep_messages: Duration::ZERO,
            media: None,
        }
    }
}
