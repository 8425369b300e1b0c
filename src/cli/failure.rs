//! How a command fails: one line, and the exit code that says whose fault it is.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::api::ApiError;
use crate::app::AppError;
use crate::config::Problems;
use crate::server::ServeError;
use crate::store::StoreError;
use crate::sync::SyncError;
use crate::visible::Visible;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// It failed: exit code 1.
    Failed(String),
    /// The command line or the configuration is wrong: exit code 2.
    Wrong(String),
    /// It failed, or the answer is no, and what was printed says how: exit code 1 without a further text.
    Shown,
    /// Whoever read the output has gone, as `head` does: exit code 0.
    OutputClosed,
}

impl Failure {
    /// Prints the failure to stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Failure::Failed(text) => {
                complain(text);
                ExitCode::from(1)
            }
            Failure::Wrong(text) => {
                complain(text);
                ExitCode::from(2)
            }
            Failure::Shown => ExitCode::from(1),
            Failure::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

impl Failure {
    /// Of a call that sends something: such a call is never repeated by itself, so it says whether it may have
    /// arrived.
    pub(super) fn of_sending(error: &ApiError) -> Failure {
        Failure::Failed(match error.may_be_done() {
            true => format!(
                "{error}; the message may have arrived all the same, and is not sent again by itself"
            ),
            false => error.to_string(),
        })
    }

    /// Of a call that changes something, once: `unknown` tells what may be done all the same, and how to see it.
    pub(super) fn of_change(error: &ApiError, unknown: &str) -> Failure {
        Failure::Failed(match error.may_be_done() {
            true => format!("{error}; {unknown}"),
            false => error.to_string(),
        })
    }
}

/// Stderr may be closed; there is nobody left to tell then.
pub(super) fn complain(text: &str) {
    use io::Write;
    let mut stderr = io::stderr().lock();
    for (number, line) in text.lines().enumerate() {
        let name = if number == 0 { "wechatd: " } else { "" };
        writeln!(stderr, "{name}{}", Visible(line)).ok();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(text) | Failure::Wrong(text) => f.write_str(text),
            Failure::Shown => f.write_str("failed"),
            Failure::OutputClosed => f.write_str("output closed"),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Wrong(match problems.list.len() {
            1 => problems.to_string(),
            n => format!("the configuration has {n} mistakes:\n{problems}"),
        })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(format!("output: {error}")),
        }
    }
}
