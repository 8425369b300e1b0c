//! `wechatd forwards …`: what became of the pushes that rules forwarded to services.

use clap::builder::PossibleValuesParser;

use super::input::{limit, since};
use super::list::List;
use super::terminal::{Failure, Json, Output, text, time, whole};
use crate::config::Config;
use crate::store::{FORWARD_STATES, ForwardFilter, ForwardRow, Reader};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List forwarded messages and events, newest first
    #[command(after_help = "Examples:
  wechatd forwards list
  wechatd forwards list --state failed --since 1d
  wechatd forwards list --state expired --json | jq -r '.[].answer'

States: asked, no answer yet; answered, in time or with nothing to show; late answers are sending and then sent as a customer-service message (unknown: it may have arrived), or kept and then shown with the next message, or expired, shown nowhere; failed, the service gave no answer. `seconds` is how long the answer took.")]
    List(ListArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(FORWARD_STATES))]
    state: Option<String>,
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List(arguments) => list(config, arguments),
    }
}

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let filter = ForwardFilter {
        state: arguments.state.clone(),
        since: since(arguments.since.as_deref())?,
        limit: None,
    };
    let state = arguments.state.map(|state| format!(" is {state}"));
    let since = arguments.since.map(|since| format!(" since {since}"));
    let nothing = format!(
        "nothing{}{}",
        state.unwrap_or_else(|| " was forwarded".to_owned()),
        since.unwrap_or_default()
    );
    let list = List {
        limit: arguments.limit,
        json: arguments.json,
        all: "the view forwards_v has all",
    };
    list.show(
        |limit, each| reader.forwards(&ForwardFilter { limit, ..filter }, each),
        |out, rows| table(out, rows, &nothing),
    )
}

fn table(out: &mut Output, rows: &[ForwardRow], nothing: &str) -> Result<(), Failure> {
    let line = |row: &ForwardRow| {
        let seconds = row.answered_at.map(|at| at.saturating_sub(row.asked_at));
        [
            row.id.to_string(),
            row.asked.clone(),
            row.service.clone(),
            row.openid.clone(),
            row.state.clone(),
            row.deliveries.to_string(),
            seconds.map_or_else(String::new, |seconds| seconds.to_string()),
            row.error.clone().unwrap_or_default(),
        ]
    };
    let lines: Vec<[String; 8]> = rows.iter().map(line).collect();
    out.table(
        [
            whole("id"),
            time("asked"),
            whole("service"),
            whole("openid"),
            whole("state"),
            whole("deliveries"),
            whole("seconds"),
            text("error"),
        ],
        &lines,
        nothing,
    )
}
