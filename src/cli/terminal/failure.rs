//! How a command fails: one line or one JSON object on stderr, and an exit code that scripts can act on.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde::Serialize;

use crate::api::ApiError;
use crate::app::AppError;
use crate::config::Problems;
use crate::hooks::HooksError;
use crate::server::ServeError;
use crate::service::ServicesError;
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
    /// Either of these, or a change that may have been made, with more than a text.
    Detailed(Box<Details>),
    /// It failed, or the answer is no, and the output already says so: exit code 1 without any more text.
    Shown,
    /// The command line or the configuration is wrong, and the output already says so: exit code 2 without any more text.
    ShownWrong,
    /// The reader of the output has gone, as with `head`: exit code 0.
    OutputClosed,
}

/// The exit codes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Failed = 1,
    Wrong = 2,
    /// The platform was asked for a change and did not answer.
    MayBeDone = 3,
}

/// A failure broken into parts, for programs.
#[derive(Debug)]
pub struct Details {
    exit: Exit,
    /// The whole line for people, including what to do.
    text: String,
    /// The call to the platform that failed.
    call: Option<String>,
    errcode: Option<i64>,
    rid: Option<String>,
    what_to_do: Option<String>,
}

impl Failure {
    /// It failed, and this is what to do about it.
    pub fn failed(why: impl fmt::Display, what_to_do: impl Into<String>) -> Failure {
        Failure::Failed(why.to_string()).advising(what_to_do)
    }

    /// The command line or the configuration is wrong, and this is what to do about it.
    pub fn wrong(why: impl fmt::Display, what_to_do: impl Into<String>) -> Failure {
        Failure::Wrong(why.to_string()).advising(what_to_do)
    }

    /// Adds what to do about it, also at the end of the line.
    fn advising(self, what_to_do: impl Into<String>) -> Failure {
        let what_to_do = what_to_do.into();
        self.and(&what_to_do)
            .map(|details| details.what_to_do = Some(what_to_do))
    }

    /// Adds what was done before the failure, at the beginning of the line.
    pub fn after(self, done: &str) -> Failure {
        self.map(|details| details.text = format!("{done}, then: {}", details.text))
    }

    /// Adds `more` at the end of the line.
    pub fn and(self, more: &str) -> Failure {
        self.map(|details| details.text = format!("{}; {more}", details.text))
    }

    /// For commands whose exit code 1 is an answer: exits with 2, as there is no answer.
    pub fn instead_of_an_answer(self) -> Failure {
        match self {
            Failure::Shown => Failure::Wrong("there is no answer".to_owned()),
            failure => failure.map(|details| details.exit = Exit::Wrong),
        }
    }

    fn map(self, change: impl FnOnce(&mut Details)) -> Failure {
        match self.detailed() {
            Ok(mut details) => {
                change(&mut details);
                Failure::Detailed(details)
            }
            Err(failure) => failure,
        }
    }

    /// Breaks the failure into parts, unless it has no text.
    fn detailed(self) -> Result<Box<Details>, Failure> {
        let plain = |exit, text| {
            Ok(Box::new(Details {
                exit,
                text,
                call: None,
                errcode: None,
                rid: None,
                what_to_do: None,
            }))
        };
        match self {
            Failure::Failed(text) => plain(Exit::Failed, text),
            Failure::Wrong(text) => plain(Exit::Wrong, text),
            Failure::Detailed(details) => Ok(details),
            Failure::Shown | Failure::ShownWrong | Failure::OutputClosed => Err(self),
        }
    }

    /// Prints the failure to stderr, as a line or as JSON, and returns the exit code.
    pub fn report(self, as_json: bool) -> ExitCode {
        match self.detailed() {
            Ok(details) => {
                match as_json {
                    true => details.print_json(),
                    false => complain(&details.text),
                }
                ExitCode::from(details.exit as u8)
            }
            Err(Failure::OutputClosed) => ExitCode::SUCCESS,
            Err(Failure::ShownWrong) => ExitCode::from(2),
            Err(_) => ExitCode::from(1),
        }
    }
}

impl Details {
    fn print_json(&self) {
        use io::Write;
        #[derive(Serialize)]
        struct Printed<'a> {
            error: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            text: &'a str,
            call: Option<&'a str>,
            errcode: Option<i64>,
            rid: Option<&'a str>,
            may_be_done: bool,
            what_to_do: Option<&'a str>,
        }
        let error = Fields {
            text: &self.text,
            call: self.call.as_deref(),
            errcode: self.errcode,
            rid: self.rid.as_deref(),
            may_be_done: self.exit == Exit::MayBeDone,
            what_to_do: self.what_to_do.as_deref(),
        };
        if let Ok(line) = serde_json::to_string(&Printed { error }) {
            writeln!(io::stderr().lock(), "{line}").ok();
        }
    }
}

/// Prints to stderr, with the program's name in front. If stderr is closed, the text is lost.
pub fn complain(text: &str) {
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
            Failure::Detailed(details) => f.write_str(&details.text),
            Failure::Shown | Failure::ShownWrong => f.write_str("failed"),
            Failure::OutputClosed => f.write_str("output closed"),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        // All mistakes in one text, one per line.
        Failure::Wrong(match problems.list.len() {
            1 => problems.to_string(),
            n => format!("the configuration has {n} mistakes:\n{problems}"),
        })
        .map(|details| {
            details.what_to_do = Some("correct it; `wechatd check` reads it again".to_owned());
        })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Failed(error.to_string())
            .map(|details| details.what_to_do = error.what_to_do().map(str::to_owned))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Detailed(Box::new(Details {
            exit: match error.may_be_done() {
                true => Exit::MayBeDone,
                false => Exit::Failed,
            },
            text: error.to_string(),
            call: error.call().map(str::to_owned),
            errcode: error.errcode(),
            rid: error.rid().map(str::to_owned),
            what_to_do: error.what_to_do(),
        }))
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Failure {
        match error {
            AppError::Api(error) => error.into(),
            AppError::Store(error) => error.into(),
            AppError::Hooks(_)
            | AppError::Services(_)
            | AppError::Random(_)
            | AppError::File(_)
            | AppError::OtherAccount { .. } => Failure::Failed(error.to_string()),
        }
    }
}

impl From<HooksError> for Failure {
    fn from(error: HooksError) -> Failure {
        AppError::from(error).into()
    }
}

impl From<ServicesError> for Failure {
    fn from(error: ServicesError) -> Failure {
        match error {
            ServicesError::Store(error) => error.into(),
            error @ (ServicesError::Random(_) | ServicesError::Trust(_)) => {
                Failure::Failed(error.to_string())
            }
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Failure {
        let text = error.to_string();
        match error {
            SyncError::Api(error) => Failure::from(error).map(|details| details.text = text),
            SyncError::Store(error) => Failure::from(error).map(|details| details.text = text),
            SyncError::Busy
            | SyncError::Stopped
            | SyncError::Endless
            | SyncError::NotBelieved(_) => Failure::Failed(text),
        }
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
