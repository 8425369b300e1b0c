//! `wechatd sessions …`: lists and ends the sessions of people who are logged in on the owner's web pages.

use serde_json::json;

use super::input::{Openid, Yes, confirm, limit};
use super::list::List;
use super::terminal::{Failure, Json, Output, text, time, whole};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::store::{Ending, Reader, SessionFilter, SessionRow, Store};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List sessions, newest first
    #[command(after_help = "Examples:
  wechatd sessions list
  wechatd sessions list --openid oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd sessions list --json | jq -r '.[].openid'

A session is one browser of one visitor. `seen` is when it was used last; the server writes it once an hour. Of a cookie only its SHA-256 is kept.")]
    List(ListArguments),
    /// End sessions: the browser has to log in again
    #[command(after_help = "Examples:
  wechatd sessions end 17
  wechatd sessions end --openid oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd sessions end --all --yes

The browser's next request has no session. Inside WeChat the next log-in is silent, so this locks nobody out; to do that, change the gate or block the follower. Sessions of someone who unsubscribes end by themselves.")]
    End(EndArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Only of this openid
    #[arg(long, value_name = "OPENID")]
    openid: Option<Openid>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct EndArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The session's id, from `wechatd sessions list`
    id: Option<i64>,
    /// All sessions of this openid
    #[arg(long, value_name = "OPENID")]
    openid: Option<Openid>,
    /// All sessions
    #[arg(long)]
    all: bool,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List(arguments) => list(config, arguments),
        Commands::End(arguments) => end(config, arguments),
    }
}

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let openid = arguments.openid.map(String::from);
    let nothing = openid.as_ref().map_or_else(
        || "nobody is logged in".to_owned(),
        |openid| format!("{openid} is not logged in"),
    );
    let now = clock::unix_seconds();
    let list = List {
        limit: arguments.limit,
        json: arguments.json,
        all: "the view sessions_v has all",
    };
    list.show(
        |limit, each| reader.sessions(&SessionFilter { openid, now, limit }, each),
        |out, rows| table(out, rows, &nothing),
    )
}

fn table(out: &mut Output, rows: &[SessionRow], nothing: &str) -> Result<(), Failure> {
    let line = |row: &SessionRow| {
        [
            row.id.to_string(),
            row.openid.clone(),
            row.method.clone(),
            row.since.clone(),
            row.expires.clone(),
            row.seen.clone().unwrap_or_default(),
            row.address.clone().unwrap_or_default(),
            row.agent.clone().unwrap_or_default(),
        ]
    };
    let lines: Vec<[String; 8]> = rows.iter().map(line).collect();
    out.table(
        [
            whole("id"),
            whole("openid"),
            whole("method"),
            time("since"),
            time("expires"),
            time("seen"),
            whole("address"),
            text("browser"),
        ],
        &lines,
        nothing,
    )
}

fn end(config: &Config, arguments: EndArguments) -> Result<(), Failure> {
    let EndArguments { which, yes, json } = arguments;
    let store = Store::open(&config.store)?;
    let ending = match (which.id, which.openid) {
        (Some(id), _) => Ending::One(id),
        (None, Some(openid)) => Ending::Of(openid.into()),
        (None, None) => Ending::All,
    };
    let nothing = match &ending {
        Ending::One(id) => Some(format!("there is no session {id}")),
        Ending::Of(openid) => Some(format!("{openid} is not logged in")),
        Ending::All => {
            confirm::ask("Log everybody out?", yes)?;
            None
        }
    };
    let ended = store.end_sessions(ending)?;
    match nothing {
        Some(nothing) if ended == 0 => Err(Failure::failed(
            nothing,
            "`wechatd sessions list` shows who is",
        )),
        Some(_) | None => Output::for_change().answer(
            json,
            &json!({ "ended": ended }),
            &format!("{} ended", counted(ended, "session")),
        ),
    }
}
