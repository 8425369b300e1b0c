//! The program run as a person would type it: arguments and standard input in; exit code, stdout and stderr
//! out.

use super::PATIENCE;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program, without environment variables of this machine that could change its behaviour.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wechatd"));
    for name in [
        "RUST_LOG",
        "RUST_LOG_STYLE",
        "RUST_BACKTRACE",
        "WECHATD_APP_SECRET",
        "WECHATD_STORE_PASSWORD",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "JOURNAL_STREAM",
        "CREDENTIALS_DIRECTORY",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs the program with exactly these arguments, without `--config`.
#[track_caller]
pub fn wechatd(arguments: &[&str]) -> Ran {
    let mut command = program();
    command.args(arguments);
    Ran::of(command, "")
}

/// The outcome of a command.
#[derive(Debug, Clone)]
pub struct Ran {
    /// As typed.
    pub line: String,
    /// The exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Runs `command` with this standard input until it ends; panics if it does not.
    #[track_caller]
    pub fn of(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped());
        Self::run(command, Some(input))
    }

    /// The same with the standard input that `command` already has.
    #[track_caller]
    pub fn of_prepared(command: Command) -> Self {
        Self::run(command, None)
    }

    #[track_caller]
    fn run(mut command: Command, input: Option<&str>) -> Self {
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let line = format!("wechatd {}", arguments.join(" "));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(input) = input {
            // A command that reads no input may have ended already.
            child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        }
        let mut out = child.stdout.take().unwrap();
        let mut err = child.stderr.take().unwrap();
        let out = std::thread::spawn(move || read_all(&mut out));
        let err = std::thread::spawn(move || read_all(&mut err));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if started.elapsed() > PATIENCE {
                child.kill().ok();
                child.wait().ok();
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let ran = Self {
            line,
            code: status.and_then(|status| status.code()).unwrap_or(-1),
            stdout: out.join().unwrap(),
            stderr: err.join().unwrap(),
        };
        ran.expect(status.is_some(), &format!("an end within {PATIENCE:?}"));
        ran
    }

    /// Panics with everything known about this run if `holds` is false.
    #[track_caller]
    pub fn expect(&self, holds: bool, expected: &str) -> &Self {
        assert!(
            holds,
            "$ {}\n--- expected ---\n{expected}\n--- got: exit code {}, stdout ---\n{}\n--- stderr ---\n{}",
            self.line, self.code, self.stdout, self.stderr
        );
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub fn is_code(&self, code: i32) -> &Self {
        self.expect(self.code == code, &format!("exit code {code}"))
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        self.is_code(0)
    }

    /// It failed and gave the reason in one line on stderr.
    #[track_caller]
    pub fn failed(&self) -> &Self {
        self.is_code(1);
        self.expect(!self.stderr.trim().is_empty(), "a reason on stderr");
        self.expect(!self.stderr.contains("panicked"), "an error, not a panic")
    }

    /// It asked the platform for a change, got no answer, and said what to do in one line on stderr.
    #[track_caller]
    pub fn may_be_done(&self) -> &Self {
        self.is_code(3);
        self.complains("it may have been done: ")
    }

    /// It refused the command line or the configuration.
    #[track_caller]
    pub fn refused(&self) -> &Self {
        self.is_code(2);
        self.expect(!self.stderr.trim().is_empty(), "a reason on stderr");
        self.expect(!self.stderr.contains("panicked"), "an error, not a panic")
    }

    /// stdout contains `part`.
    #[track_caller]
    pub fn says(&self, part: &str) -> &Self {
        self.expect(self.stdout.contains(part), &format!("{part:?} on stdout"))
    }

    /// stdout does not contain `part`.
    #[track_caller]
    pub fn says_nothing_of(&self, part: &str) -> &Self {
        self.expect(
            !self.stdout.contains(part),
            &format!("no {part:?} on stdout"),
        )
    }

    /// stderr contains `part`.
    #[track_caller]
    pub fn complains(&self, part: &str) -> &Self {
        self.expect(self.stderr.contains(part), &format!("{part:?} on stderr"))
    }

    /// stdout as one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        self.ok();
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => {
                self.expect(false, &format!("one JSON value on stdout: {error}"));
                unreachable!()
            }
        }
    }
}

fn read_all(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// True if some string or number inside `value` equals `wanted`.
pub fn json_holds(value: &serde_json::Value, wanted: &str) -> bool {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.iter().any(|item| json_holds(item, wanted)),
        Value::Object(fields) => fields.values().any(|field| json_holds(field, wanted)),
        Value::String(text) => text == wanted,
        Value::Number(number) => number.to_string() == wanted,
        Value::Null | Value::Bool(_) => false,
    }
}
