//! `wechatd messages …`: lists, shows and exports messages and events, and fetches their files.

mod done;
mod follow;
mod unanswered;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::input::{NotBlank, Openid, limit, since};
use super::list::{Each, List};
use super::platform::connect;
use super::terminal::{
    Export, Failure, FormatArguments, Json, Output, complain, download, readable, text, time, whole,
};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::dispatch::Rules;
use crate::inbox::described;
use crate::inbox::unanswered::{PERIOD, latest};
use crate::local_time;
use crate::store::{
    InboxFilter, MOST_LOOKED_AT as MOST, MessageFilter, MessageRow, Older, Reader, WholeMessage,
};
use crate::visible::Visible;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Messages {
    /// List messages and events, newest first
    #[command(after_help = "Examples:
  wechatd messages list --limit 50
  wechatd messages list --from oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --since 7d
  wechatd messages list --since 2026-11-01 --json
  wechatd messages list --search 'opening hours'
  wechatd messages list --todo
  wechatd messages list --follow

--search, --todo and --unanswered look at the newest 200000 messages and events, and say so where there are more.

--follow goes on until Ctrl-C; with --json each message is one object on a line of its own.

Texts that do not fit on the line are cut; `--json` and `wechatd messages export` have them in full.")]
    List(ListArguments),
    /// Show everything about one message or event
    #[command(after_help = "Examples:
  wechatd messages show 12
  wechatd messages show 12 --json | jq -r .xml")]
    Show {
        /// Its id, from `wechatd messages list`
        id: i64,
        #[command(flatten)]
        json: Json,
    },
    /// Download the picture, recording or video of a message; WeChat keeps it for 3 days
    #[command(after_help = "Examples:
  wechatd messages save 12 --out photo.jpg
  wechatd messages save 12 > photo.jpg

A picture is mostly JPEG, a recording AMR, a video MP4. Of a file sent as such, WeChat gives only the name and the size.")]
    Save {
        /// Its id, from `wechatd messages list`
        id: i64,
        /// Where to write it [default: standard output, if that is no terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
    /// List the texts of 30 days that no rule answers, or only one without a condition, most frequent first
    #[command(after_help = "Examples:
  wechatd messages unanswered
  wechatd messages unanswered --since 7d --limit 50
  wechatd messages done --same 120

Texts that rules take for equal are counted together. Today's rules count, not those that answered then; a rule without a condition that forwards or transfers counts as an answer. Below the list is a rule for each text, to be pasted above the last one.")]
    Unanswered(unanswered::Arguments),
    /// Answer the sender of a message, and mark it as done
    #[command(after_help = "Example:
  wechatd messages reply 12 'We are open until 8'

The answer is a customer-service message, as `wechatd send` sends it.")]
    Reply(done::ReplyArguments),
    /// Mark messages as done, which removes them from `wechatd messages list --todo`
    #[command(after_help = "Examples:
  wechatd messages done 12 15
  wechatd messages done --same 120
  wechatd messages done --undo 12")]
    Done(done::DoneArguments),
    /// Write all columns of messages and events to standard output, newest first
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
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    /// Only those whose content contains this text
    #[arg(long, value_name = "TEXT")]
    search: Option<NotBlank>,
    /// Only what a rule with `todo` left for you and is not done yet
    #[arg(long)]
    todo: bool,
    /// Only texts that no rule answers, or only one without a condition; of 30 days, or --since
    #[arg(long, conflicts_with_all = ["search", "todo", "follow"])]
    unanswered: bool,
    /// Only those before this id
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    before: Option<i64>,
    /// Keep running and show each new one
    #[arg(long, short)]
    follow: bool,
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
        Messages::Show { id, json } => show(config, id, json),
        Messages::Save { id, out, json } => save(config, id, out.as_deref(), json),
        Messages::Unanswered(arguments) => unanswered::run(config, &arguments),
        Messages::Reply(arguments) => done::reply(config, &arguments),
        Messages::Done(arguments) => done::done(config, &arguments),
        Messages::Export(arguments) => export(config, arguments),
    }
}

impl Filters {
    fn read(&self) -> Result<MessageFilter, Failure> {
        Ok(MessageFilter {
            openid: self.from.as_ref().map(Openid::to_string),
            since: since(self.since.as_deref())?,
            limit: None,
        })
    }

    /// The filters as the end of a sentence; empty if there are none.
    fn as_phrase(&self) -> String {
        let from = self.from.as_ref().map(|from| format!(" of {from}"));
        let since = self.since.as_ref().map(|since| format!(" since {since}"));
        from.into_iter().chain(since).collect()
    }
}

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let filter = InboxFilter {
        todo: arguments.todo,
        openid: arguments.filters.from.as_ref().map(Openid::to_string),
        since: since(arguments.filters.since.as_deref())?,
        search: arguments.search.clone().map(String::from),
        ..InboxFilter::default()
    };
    if arguments.follow {
        let first = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
        return follow::run(config, &filter, first, arguments.json.wanted);
    }
    let reader = Reader::open(&config.store)?;
    let whole = arguments.filters.read()?;
    let mut not_looked_at = None;
    let read = |limit: Option<u32>, each: Each<MessageRow>| {
        let most = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let rows = if arguments.unanswered {
            let rules = Rules::new(config.rules.clone());
            let since = filter
                .since
                .unwrap_or_else(|| clock::unix_seconds().saturating_sub(PERIOD));
            let from = filter.openid.as_deref();
            let found = latest(&reader, &rules, since, arguments.before, from, most)?;
            not_looked_at = found.not_looked_at;
            reader.messages_with(&found.ids)?
        } else if filter.todo || filter.search.is_some() || arguments.before.is_some() {
            let page = reader.inbox(&filter, arguments.before, most)?;
            if let Older::NotLookedAt(before) = page.older {
                not_looked_at = Some(before);
            }
            page.rows
        } else {
            return reader.messages(&MessageFilter { limit, ..whole }, each);
        };
        rows.into_iter().try_for_each(each)
    };
    let nothing = format!("no message{}", arguments.as_phrase());
    let list = List {
        limit: arguments.limit,
        json: arguments.json,
        all: "`wechatd messages export` gives all",
    };
    list.show(read, |out, rows| table(out, rows, &nothing))?;
    if let Some(before) = not_looked_at {
        complain(&format!(
            "only the newest {MOST} messages and events were looked at; --before {before} goes on"
        ));
    }
    Ok(())
}

impl ListArguments {
    /// What is listed as the end of a sentence.
    fn as_phrase(&self) -> String {
        let which = match (self.todo, self.unanswered) {
            (true, _) => " to do",
            (false, true) => " without an answer",
            (false, false) => "",
        };
        let with = self
            .search
            .as_ref()
            .map(|text| format!(" with {:?}", text.to_string()));
        format!(
            "{which}{}{}",
            with.unwrap_or_default(),
            self.filters.as_phrase()
        )
    }
}

fn find(reader: &Reader, id: i64) -> Result<WholeMessage, Failure> {
    reader.message(id)?.ok_or_else(|| {
        Failure::failed(
            format!("the store has no message {id}"),
            "`wechatd messages list` shows the ids",
        )
    })
}

fn show(config: &Config, id: i64, json: Json) -> Result<(), Failure> {
    let message = find(&Reader::open(&config.store)?, id)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&message);
    }
    let WholeMessage { row, xml } = message;
    let xml = xml.unwrap_or_default();
    let mut facts = vec![
        ("id", row.id.to_string()),
        ("received", row.received.clone()),
        ("openid", row.openid.clone()),
        ("kind", kind(&row)),
        ("key", row.event_key.clone().unwrap_or_default()),
        ("msg_id", row.msg_id.clone().unwrap_or_default()),
        ("content", described::shown(&row, described::english)),
    ];
    facts.extend(described::facts(&xml));
    if let Some(media_id) = &row.media_id {
        facts.push(("media_id", media_id.clone()));
        facts.push(("its file", format!("wechatd messages save {id} --out FILE")));
    }
    facts.push(("answered by", answered_by(&row)));
    facts.push(("to do", to_do(&row)));
    facts.push((
        "reply",
        row.reply
            .as_deref()
            .map(readable)
            .unwrap_or_default()
            .join("\n"),
    ));
    facts.push(("as received", xml));
    facts.retain(|(_, value)| !value.is_empty());
    out.pairs(&facts)?;
    out.done()
}

fn save(config: &Config, id: i64, out: Option<&Path>, json: Json) -> Result<(), Failure> {
    if json.wanted && out.is_none() {
        return Err(Failure::Wrong(
            "--json says what was written: name the file with --out FILE".to_owned(),
        ));
    }
    let WholeMessage { row, xml } = find(&Reader::open(&config.store)?, id)?;
    let Some(media_id) = &row.media_id else {
        let why = match &*row.msg_type.to_ascii_lowercase() {
            "file" => {
                "WeChat gives no way to fetch a file that somebody sent, only its name and size"
            }
            _ => "nothing that can be fetched came with it",
        };
        return Err(Failure::Failed(format!(
            "message {id} ({}): {why}",
            kind(&row)
        )));
    };
    download::check_destination(out)?;
    let (_store, api) = connect(config)?;
    let fetch = |to: &mut dyn Write| api.media_file(media_id, to);
    let saved = download::fetch(out, fetch, |_| true).map_err(|failure| {
        let picture = described::facts(xml.as_deref().unwrap_or_default());
        let picture = picture.into_iter().find(|(name, _)| *name == "picture at");
        match picture {
            Some((_, url)) => {
                failure.and(&format!("the picture may still be at {}", Visible(&url)))
            }
            None => failure,
        }
    })?;
    let Some(path) = out else {
        return Ok(());
    };
    if json.wanted {
        return Output::for_reading().json(&json!({
            "id": id, "media_id": media_id, "file": path.display().to_string(), "bytes": saved.length,
            "content_type": saved.content_type,
        }));
    }
    complain(&format!(
        "{}: {}",
        path.display(),
        counted(saved.length, "byte")
    ));
    Ok(())
}

fn export(config: &Config, arguments: ExportArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let filter = arguments.filters.read()?;
    let mut export = Export::to_stdout(arguments.format)?;
    reader.export_messages(&filter, |names, cells| export.row(names, cells))?;
    export.done()
}

/// Prints messages as lines, also for `followers show`; prints `nothing` if there are none.
pub(super) fn table(out: &mut Output, rows: &[MessageRow], nothing: &str) -> Result<(), Failure> {
    let line = |row: &MessageRow| {
        [
            row.id.to_string(),
            row.received.clone(),
            row.openid.clone(),
            kind(row),
            described::shown(row, described::english),
            answered_by(row),
        ]
    };
    let lines: Vec<[String; 6]> = rows.iter().map(line).collect();
    out.table(
        [
            whole("id"),
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

/// The name of the event, or the kind of message.
fn kind(row: &MessageRow) -> String {
    row.event.clone().unwrap_or_else(|| row.msg_type.clone())
}

/// Whether somebody should look at it, or who did and when.
fn to_do(row: &MessageRow) -> String {
    match (row.todo, &row.done_by) {
        (Some(0), Some(by)) => format!(
            "done by {by}, {}",
            row.done_at.map(local_time::format).unwrap_or_default()
        ),
        (Some(0), None) => "done".to_owned(),
        (Some(_), _) => "yes".to_owned(),
        (None, _) => String::new(),
    }
}

fn answered_by(row: &MessageRow) -> String {
    let by = match (&row.rule, &row.reply) {
        (Some(rule), Some(_)) => rule.clone(),
        (Some(rule), None) if row.pending => format!("{rule} (not yet)"),
        (Some(rule), None) => format!("{rule} (success)"),
        (None, _) => "success".to_owned(),
    };
    match row.todo {
        Some(1) => format!("{by} (to do)"),
        Some(_) | None => by,
    }
}
