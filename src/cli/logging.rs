//! The log on stderr: levels by RUST_LOG, the journal's own form under systemd, and no secrets of libraries.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use env_logger::{Builder, Env};
use log::{Level, Log, Metadata, Record};

/// Libraries that write URLs, and with them access tokens, at their finest levels.
const TALKATIVE: [&str; 3] = ["ureq", "ureq_proto", "rustls"];

/// Starts the log at `level` unless RUST_LOG says otherwise.
pub(super) fn start(level: &str) {
    let mut builder = Builder::from_env(Env::default().default_filter_or(level));
    if stderr_is_journal() {
        // The journal has its own times, and reads the level from the first characters of a line.
        builder.format(|out, record| {
            let priority = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            for line in record.args().to_string().lines() {
                writeln!(out, "<{priority}>{line}")?;
            }
            Ok(())
        });
    } else {
        builder.format_target(false);
    }
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(most);
    }
}

/// Lets talkative libraries say no more than warnings, whatever RUST_LOG asks for.
struct Discreet(env_logger::Logger);

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let library = metadata.target().split("::").next().unwrap_or_default();
        (metadata.level() <= Level::Warn || !TALKATIVE.contains(&library))
            && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// systemd names the device and inode of the journal's end of stderr in JOURNAL_STREAM.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}
