//! `wechatd service …`: lists and checks services, and prints their secrets.

use serde::Serialize;

use super::input::none_configured;
use super::terminal::{Failure, Json, Output, text, whole};
use crate::config::{Config, Service};
use crate::store::{Reader, ServiceCounts};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// The services of the configuration, and how each is doing
    #[command(after_help = "Examples:
  wechatd service list
  wechatd service list --json | jq '.[] | select(.failed > 0)'

A service is a [[service]] of the configuration: a program that answers what rules forward to it. The numbers are of all forwarded messages that the store has; `wechatd forwards list` shows each.")]
    List {
        #[command(flatten)]
        json: Json,
    },
}

/// How a service is doing, for `service list` and `check`.
#[derive(Debug, Serialize)]
pub(super) struct ShownService {
    name: String,
    line: usize,
    format: &'static str,
    /// Without what may be secret.
    url: String,
    /// What becomes of late answers.
    slow: Vec<&'static str>,
    state: String,
    waiting: i64,
    kept: i64,
    answered: i64,
    expired: i64,
    failed: i64,
    /// Why it failed last, if it has not answered since.
    error: Option<String>,
    #[serde(skip)]
    kind: String,
}

impl ShownService {
    /// `reader` is the store, if there is one yet.
    pub(super) fn of(service: &Service, reader: Option<&Reader>) -> Result<ShownService, Failure> {
        let counts = match reader {
            Some(reader) => reader.service_counts(&service.name)?,
            None => ServiceCounts::default(),
        };
        Ok(ShownService {
            name: service.name.clone(),
            line: service.line,
            format: service.format.name(),
            url: service.url.to_string(),
            slow: service.slow.rungs(),
            state: state(&counts),
            waiting: counts.waiting,
            kept: counts.kept,
            answered: counts.answered,
            expired: counts.expired,
            failed: counts.failed,
            error: counts.error,
            kind: shown_kind(service),
        })
    }

    /// One line, for `check`.
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "{} (line {}): {} ({}): {}",
            self.name, self.line, self.url, self.kind, self.state
        );
        for (count, what) in [(self.waiting, "waiting"), (self.kept, "kept")] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        if self.error.is_some() {
            line += &format!("; `wechatd service check {}` tries it", self.name);
        }
        line
    }
}

/// The format, and what becomes of late answers.
pub(super) fn shown_kind(service: &Service) -> String {
    format!("{}, {}", service.format.name(), service.slow)
}

fn state(counts: &ServiceCounts) -> String {
    match (
        counts.failed_in_a_row,
        counts.answered + counts.kept + counts.expired,
    ) {
        (0, 0) => "not answered anything yet".to_owned(),
        (0, _) => "works".to_owned(),
        (failed, _) => {
            let times = match failed {
                1 => String::new(),
                times => format!(" {times} times in a row"),
            };
            let why = counts.error.as_deref().unwrap_or("the reason is not known");
            format!("failed{times}: {why}")
        }
    }
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { json } => list(config, json),
    }
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let reader = Reader::open_if_any(&config.store)?;
    let shown = config
        .services
        .iter()
        .map(|service| ShownService::of(service, reader.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&shown);
    }
    let line = |service: &ShownService| {
        [
            service.name.clone(),
            service.kind.clone(),
            service.url.clone(),
            service.waiting.to_string(),
            service.kept.to_string(),
            service.answered.to_string(),
            service.expired.to_string(),
            service.failed.to_string(),
            service.state.clone(),
        ]
    };
    let lines: Vec<[String; 9]> = shown.iter().map(line).collect();
    out.table(
        [
            whole("service"),
            text("format"),
            text("to"),
            whole("waiting"),
            whole("kept"),
            whole("answered"),
            whole("expired"),
            whole("failed"),
            text("state"),
        ],
        &lines,
        &none_configured::<Service>(),
    )?;
    out.done()
}
