//! Shared by all integration tests: the account under test, the fake platform, the HTTP client, the store and the
//! commands.

pub mod account;
pub mod agents;
pub mod browser;
#[cfg(feature = "mysql")]
pub mod cluster;
pub mod command;
pub mod console;
pub mod desk;
pub mod disk;
pub mod endpoint;
#[cfg(feature = "mysql")]
pub mod engine;
pub mod forms;
pub mod http;
pub mod operator;
pub mod people;
pub mod phone;
pub mod platform;
pub mod process;
pub mod push;
pub mod receiver;
pub mod service;
pub mod store;
pub mod terminal;
pub mod tls;
pub mod webdriver;

pub use account::{Account, Setup, TOKEN};
pub use command::{Ran, wechatd};
pub use console::{Console, Delivery, Mode};
pub use disk::Disk;
pub use http::{Request, Wire};
pub use people::crowd;
pub use platform::{Call, Fault, Piece, Platform, Together};
pub use process::Vitals;
pub use push::*;
pub use receiver::Receiver;
pub use service::Service;
pub use store::Store;
pub use terminal::at_a_terminal;
pub use tls::TlsFront;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long to wait for a background effect. Generous, because a busy two-core machine runs many servers at once; a
/// passing test never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An answer that takes longer than this waited for something. (The platform gives up after 5 s, but a busy machine can
/// take seconds for anything.) Whatever an answer must not wait for has to take longer than this in a test.
pub const IN_TIME: Duration = Duration::from_secs(10);

/// Waits until `condition` is true; panics with `what` and the log if it does not become true in time.
///
/// The only way in which tests wait for something in the background: for any line of the log (see [`Log::says`]), and
/// for any row except those of a push that was just answered 200.
#[track_caller]
pub fn eventually(what: &str, log: &Log, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "did not happen within {PATIENCE:?}: {what}\n{log}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The current Unix time in seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A time of day for `api.sync` that does not occur while the tests run: twelve hours ago.
pub fn far_from_now() -> String {
    let clock = rusqlite::Connection::open_in_memory().unwrap();
    let sql = "SELECT strftime('\"%H:%M\"', 'now', '-12 hours', 'localtime')";
    clock.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The content of a file in `tests/samples`.
pub fn sample(path: &str) -> String {
    let path = format!("{}/tests/samples/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// True if this process may read and write everything (root in a container), so that tests of file permissions prove
/// nothing.
pub fn permissions_do_not_bind(folder: &std::path::Path) -> bool {
    let probe = folder.join("permission-probe");
    std::fs::write(&probe, "x").unwrap();
    let mut permissions = std::fs::metadata(&probe).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o000);
    std::fs::set_permissions(&probe, permissions).unwrap();
    std::fs::read(&probe).is_ok()
}

/// The stderr of a server across restarts; shared with every answer, so that a failing assertion can show it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Adds one line.
    pub fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The number of lines that contain `needle`.
    pub fn count(&self, needle: &str) -> usize {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(needle)).count()
    }

    /// Waits until some line contains `needle`.
    ///
    /// A line is written after the answer that it is about, on a busy machine long after. So tests wait for a line and
    /// never read the log right after an answer; `tidy` enforces that.
    #[track_caller]
    pub fn says(&self, needle: &str) {
        eventually(&format!("a line with {needle:?}"), self, || {
            self.has(needle)
        });
    }

    /// True if some line contains `needle` by now: for lines that must not be there, and as a condition of
    /// [`eventually`].
    pub fn has(&self, needle: &str) -> bool {
        self.count(needle) > 0
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "--- the server's log ---")?;
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "--- end of log ---")
    }
}
