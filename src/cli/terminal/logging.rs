//! The log on stderr: levels from RUST_LOG, the journal's format under systemd, and no secrets from libraries.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::thread;
use std::time::Duration;

use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::failure::{Failure, complain};
use super::log_queue::LogQueue;

/// The environment variable that sets the level.
const VARIABLE: &str = "RUST_LOG";

/// Libraries that log URLs, and so access tokens, at their finest levels, or details that are no use to an owner.
const TALKATIVE: [&str; 4] = ["ureq", "ureq_proto", "rustls", "tiny_http"];

/// How long the server's last lines may take, as perhaps nobody is reading them.
const LAST_LINES: Duration = Duration::from_millis(250);

/// Starts the log of a command at `level`, unless RUST_LOG says otherwise.
pub fn start(level: &str) {
    start_with(level, None);
}

/// Starts the log of the server, which never waits for the reader of stderr. Panics go to the log too.
///
/// # Errors
/// When its thread cannot be started.
pub fn start_queued(level: &str) -> Result<LogQueue, Failure> {
    let queue = LogQueue::to_stderr()
        .map_err(|error| Failure::Failed(format!("the log cannot be written: {error}")))?;
    start_with(level, Some(queue.clone()));
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => log::error!("thread {name:?} {panic}\n{backtrace}"),
            _ => log::error!("thread {name:?} {panic}"),
        }
        log::logger().flush();
    }));
    Ok(queue)
}

fn start_with(level: &str, queue: Option<LogQueue>) {
    let wanted = std::env::var_os(VARIABLE).map(|wanted| wanted.to_string_lossy().into_owned());
    let wanted = match wanted.as_deref().map(str::trim) {
        None | Some("") => level,
        Some(wanted) if is_useful(wanted) => wanted,
        Some(wanted) => {
            complain(&format!(
                "{VARIABLE}={wanted:?} names no level, which is error, warn, info, debug, trace or off: it is taken as {level}"
            ));
            level
        }
    };
    let mut builder = Builder::new();
    builder.parse_filters(wanted);
    builder.parse_write_style(&std::env::var("RUST_LOG_STYLE").unwrap_or_default());
    if stderr_is_journal() {
        // The journal adds the time, and reads the level from the prefix of each line.
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
    if let Some(queue) = &queue {
        builder.target(Target::Pipe(Box::new(queue.clone())));
    }
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet { logger, queue })).is_ok() {
        log::set_max_level(most);
    }
}

/// Whether a filter names a level or this program. Any other filter would silence even errors.
fn is_useful(filter: &str) -> bool {
    let directives = filter.split('/').next().unwrap_or_default();
    directives.split(',').any(|directive| {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target.trim(), level.trim()),
            None => (directive.trim(), directive.trim()),
        };
        let own = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
        level.parse::<LevelFilter>().is_ok() || own && target == level
    })
}

/// Limits [`TALKATIVE`] libraries to warnings, whatever RUST_LOG asks for.
struct Discreet {
    logger: env_logger::Logger,
    queue: Option<LogQueue>,
}

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let library = metadata.target().split("::").next().unwrap_or_default();
        (metadata.level() <= Level::Warn || !TALKATIVE.contains(&library))
            && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            self.logger.log(record);
        }
    }

    /// Call this before ending the process.
    fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.flush_within(LAST_LINES);
        }
    }
}

/// Compares stderr with JOURNAL_STREAM, in which systemd gives the device and inode of its journal stream.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_useful_filter_names_a_level_or_the_program() {
        for filter in [
            "debug",
            "OFF",
            " info ",
            "wechatd=trace",
            "wechatd",
            "wechatd::server",
            "foo,warn",
            "foo=debug",
            "info/pattern",
        ] {
            assert!(is_useful(filter), "{filter}");
        }
        for filter in ["foo", "inf", "wechatd=foo", "foo,bar", "7", "/info", ","] {
            assert!(!is_useful(filter), "{filter}");
        }
    }
}
