//! `wechatd messages …`: what was written and what happened.

use super::Failure;
use super::arguments::Json;
use super::export::{Export, Format};
use super::moment::since;
use super::output::{Output, cell};
use crate::config::Config;
use crate::store::{MessageFilter, MessageRow, Reader};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Messages {
    /// List messages and events, newest first
    #[command(after_help = "Examples:
  wechatd messages list --limit 50
  wechatd messages list --from oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --since 7d
  wechatd messages list --since 2026-11-01 --json")]
    List(ListArguments),
    /// Write messages and events to standard output, every column of them, newest first
    #[command(after_help = "Examples:
  wechatd messages export > messages.csv
  wechatd messages export --since 30d --format jsonl | gzip > messages.jsonl.gz")]
    Export(ExportArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Only of this sender
    #[arg(long, value_name = "OPENID")]
    from: Option<String>,
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or 7d for the last seven days
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// Only of this sender
    #[arg(long, value_name = "OPENID")]
    from: Option<String>,
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or 7d for the last seven days
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// csv or jsonl
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

pub(super) fn run(config: &Config, command: Messages) -> Result<(), Failure> {
    match command {
        Messages::List(arguments) => list(config, arguments),
        Messages::Export(arguments) => export(config, arguments),
    }
}

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store.path)?;
    let filter = MessageFilter {
        openid: arguments.from,
        since: since(&reader, arguments.since.as_deref())?,
        limit: Some(arguments.limit),
    };
    let mut rows = Vec::new();
    reader.messages(&filter, |row| {
        rows.push(row);
        Ok::<(), Failure>(())
    })?;
    let mut out = Output::text();
    if arguments.json.wanted {
        return out.json(&rows);
    }
    table(&mut out, &rows)?;
    out.done()
}

fn export(config: &Config, arguments: ExportArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store.path)?;
    let filter = MessageFilter {
        openid: arguments.from,
        since: since(&reader, arguments.since.as_deref())?,
        limit: None,
    };
    let mut export = Export::to_stdout(arguments.format);
    reader.export_messages(&filter, |names, cells| export.row(names, cells))?;
    export.done()
}

/// Messages as lines, also used by `followers show`.
pub(super) fn table(out: &mut Output, rows: &[MessageRow]) -> Result<(), Failure> {
    let lines: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            [
                row.received.clone(),
                row.openid.clone(),
                row.event.clone().unwrap_or_else(|| row.msg_type.clone()),
                cell(row.content.as_deref().unwrap_or_default(), 40),
                match (&row.rule, &row.reply) {
                    (Some(rule), Some(_)) => cell(rule, 24),
                    (Some(rule), None) => format!("{} (success)", cell(rule, 24)),
                    (None, _) => "success".to_owned(),
                },
            ]
        })
        .collect();
    out.table(
        ["received", "openid", "kind", "content", "answered by"],
        &lines,
    )
}
