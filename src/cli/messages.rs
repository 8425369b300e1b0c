//! `wechatd messages …`: what was written and what happened.

use super::Failure;
use super::arguments::{Json, Limit, Openid, limit};
use super::export::{Export, FormatArguments};
use super::moment::since;
use super::output::{Output, cell, text, time, whole};
use crate::config::Config;
use crate::store::{MessageFilter, MessageRow, Reader};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Messages {
    /// List messages and events, newest first
    #[command(after_help = "Examples:
  wechatd messages list --limit 50
  wechatd messages list --from oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --since 7d
  wechatd messages list --since 2026-11-01 --json

A content that does not fit on the line is cut: `--json` and `wechatd messages export` give whole texts.")]
    List(ListArguments),
    /// Write messages and events to standard output, every column of them, newest first
    #[command(after_help = "Examples:
  wechatd messages export > messages.csv
  wechatd messages export --excel --since 30d > messages.csv
  wechatd messages export --since 30d --format jsonl | gzip > 30d.jsonl.gz")]
    Export(ExportArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Only of this sender
    #[arg(long, value_name = "OPENID")]
    from: Option<Openid>,
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    filters: Filters,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    format: FormatArguments,
}

pub(super) fn run(config: &Config, command: Messages) -> Result<(), Failure> {
    match command {
        Messages::List(arguments) => list(config, arguments),
        Messages::Export(arguments) => export(config, arguments),
    }
}

impl Filters {
    fn read(&self, reader: &Reader, limit: Option<u32>) -> Result<MessageFilter, Failure> {
        Ok(MessageFilter {
            openid: self.from.as_ref().map(Openid::to_string),
            since: since(reader, self.since.as_deref())?,
            limit,
        })
    }

    /// As the end of a sentence; empty without any.
    fn told(&self) -> String {
        let from = self.from.as_ref().map(|from| format!(" of {from}"));
        let since = self.since.as_ref().map(|since| format!(" since {since}"));
        from.into_iter().chain(since).collect()
    }
}

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store.path)?;
    let limit = Limit(arguments.limit);
    let filter = arguments.filters.read(&reader, Some(limit.and_one()))?;
    let mut rows = Vec::new();
    reader.messages(&filter, |row| {
        rows.push(row);
        Ok::<(), Failure>(())
    })?;
    let more = limit.cut(&mut rows);
    let mut out = Output::text();
    if arguments.json.wanted {
        out.json(&rows)?;
    } else {
        let nothing = format!("no message{}", arguments.filters.told());
        table(&mut out, &rows, &nothing)?;
        out.done()?;
    }
    if more {
        limit.tell("messages");
    }
    Ok(())
}

fn export(config: &Config, arguments: ExportArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store.path)?;
    let filter = arguments.filters.read(&reader, None)?;
    let mut export = Export::to_stdout(arguments.format)?;
    reader.export_messages(&filter, |names, cells| export.row(names, cells))?;
    export.done()
}

/// Messages as lines, also used by `followers show`; `nothing` is said where there are none.
pub(super) fn table(out: &mut Output, rows: &[MessageRow], nothing: &str) -> Result<(), Failure> {
    let line = |row: &MessageRow| {
        [
            row.received.clone(),
            row.openid.clone(),
            row.event.clone().unwrap_or_else(|| row.msg_type.clone()),
            row.content.clone().unwrap_or_default(),
            match (&row.rule, &row.reply) {
                (Some(rule), Some(_)) => cell(rule, 24),
                (Some(rule), None) => format!("{} (success)", cell(rule, 24)),
                (None, _) => "success".to_owned(),
            },
        ]
    };
    let lines: Vec<[String; 5]> = rows.iter().map(line).collect();
    out.table(
        [
            time("received"),
            whole("openid"),
            text("kind"),
            text("content"),
            text("answered by"),
        ],
        &lines,
        nothing,
    )
}
