//! `wechatd admin …`: shows the operator's page, and says who may use it.

use std::time::Duration;

use serde_json::json;

use super::input::{Yes, confirm};
use super::terminal::{Failure, Json, Output, text, time, whole};
use crate::app::App;
use crate::clock;
use crate::config::{Config, Listen};
use crate::counted::counted;
use crate::local_time;
use crate::login::cookie::SessionToken;
use crate::server;
use crate::store::{AdminEnding, AdminSession, NewAdminKey, Reader, Store};

/// How long a link works.
const LINK_LIVES: Duration = Duration::from_secs(600);

/// Most characters of a name.
const NAME: usize = 40;

/// Names that mean something else where the store says who did something.
const TAKEN: [&str; 2] = ["cli", "service"];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Commands>,
    #[command(flatten)]
    name: Name,
}

#[derive(Debug, clap::Subcommand)]
enum Commands {
    /// Print a link that signs a browser in, once and within ten minutes
    #[command(after_help = "Examples:
  wechatd admin link
  wechatd admin link --name Li

Anyone with the link can sign in: send it only to the one it is for. Actions on the page are recorded under the name.")]
    Link(LinkArguments),
    /// List who is signed in
    #[command(after_help = "Examples:
  wechatd admin sessions
  wechatd admin sessions --json | jq -r '.[].name'")]
    Sessions {
        #[command(flatten)]
        json: Json,
    },
    /// Sign browsers out
    #[command(after_help = "Examples:
  wechatd admin logout 3
  wechatd admin logout --all --yes

With --all, unused links stop working, too.")]
    Logout(LogoutArguments),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The name of the one who signs in
    #[arg(long, value_name = "NAME", default_value = "owner", value_parser = name)]
    name: String,
}

#[derive(Debug, clap::Args)]
struct LinkArguments {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
struct LogoutArguments {
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
    /// The session's id, from `wechatd admin sessions`
    id: Option<i64>,
    /// All browsers
    #[arg(long)]
    all: bool,
}

/// A name that can stand behind what somebody did.
fn name(text: &str) -> Result<String, String> {
    let is_good = !text.trim().is_empty()
        && text.chars().count() <= NAME
        && !text.chars().any(char::is_control)
        && !TAKEN.contains(&text);
    match is_good {
        true => Ok(text.trim().to_owned()),
        false => Err(format!(
            "a name has up to {NAME} characters, and is not one of: {}",
            TAKEN.join(", ")
        )),
    }
}

pub(super) fn run(config: Config, arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        None => show(config, arguments.name.name),
        Some(Commands::Link(arguments)) => link(&config, arguments),
        Some(Commands::Sessions { json }) => sessions(&config, json),
        Some(Commands::Logout(arguments)) => logout(&config, arguments),
    }
}

/// Prints a link; where the server does not show the page, shows it here until Ctrl-C.
fn show(config: Config, name: String) -> Result<(), Failure> {
    if config.admin.listen.is_some() {
        let arguments = LinkArguments {
            name: Name { name },
            json: Json { wanted: false },
        };
        return link(&config, arguments);
    }
    server::serve_page(config, |app: &App, listen: &Listen| {
        let link = Link::make(&app.store, &app.live().config, listen, name)?;
        let mut out = Output::for_reading();
        link.print(&mut out)?;
        out.line("This shows the page until Ctrl-C; admin.listen lets the server show it.")?;
        out.flush()
    })
}

fn link(config: &Config, arguments: LinkArguments) -> Result<(), Failure> {
    let LinkArguments { name, json } = arguments;
    let Some(listen) = &config.admin.listen else {
        return Err(Failure::failed(
            "the server does not show the operator's page: admin.listen is off",
            "`wechatd admin` shows it until Ctrl-C",
        ));
    };
    let store = Store::open(&config.store)?;
    let running = store.read(Reader::admin_listening)?;
    if running.is_none() {
        log::warn!(
            "the server does not run, or does not show the page yet: start it to use the link"
        );
    }
    // With port 0 the system has chosen another.
    let at = running.and_then(|at| at.parse().ok());
    let link = Link::make(&store, config, at.as_ref().unwrap_or(listen), name.name)?;
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(&json!({ "url": link.url, "expires_at": link.expires_at }));
    }
    link.print(&mut out)?;
    out.done()
}

/// A link that works once.
struct Link {
    url: String,
    expires_at: i64,
    /// What lets another machine reach it, where only this one can.
    tunnel: Option<String>,
}

impl Link {
    fn make(
        store: &Store,
        config: &Config,
        listen: &Listen,
        name: String,
    ) -> Result<Link, Failure> {
        let key = SessionToken::random().map_err(|error| Failure::Failed(error.to_string()))?;
        let now = clock::unix_seconds();
        let expires_at = now.saturating_add_unsigned(LINK_LIVES.as_secs());
        let (base, tunnel) = match (&config.admin.url, listen) {
            (Some(url), _) => (url.to_string(), None),
            (None, Listen::Tcp(address)) => {
                let port = address.port();
                (
                    format!("http://{address}"),
                    Some(format!("{port}:{address}")),
                )
            }
            (None, Listen::Unix(path)) => (
                "http://127.0.0.1:8081".to_owned(),
                Some(format!("8081:{}", path.display())),
            ),
        };
        let new = NewAdminKey {
            key_hash: key.hash().0,
            name,
            expires_at,
        };
        store.add_admin_key(new, now)?;
        Ok(Link {
            url: format!("{base}/login/{}", key.expose()),
            expires_at,
            tunnel,
        })
    }

    fn print(&self, out: &mut Output) -> Result<(), Failure> {
        out.raw_line(&self.url)?;
        let until = local_time::format(self.expires_at);
        out.line(&format!("It signs one browser in, once, until {until}."))?;
        if let Some(tunnel) = &self.tunnel {
            out.line(&format!(
                "From another machine, first: ssh -N -L {tunnel} THIS-MACHINE"
            ))?;
        }
        Ok(())
    }
}

fn sessions(config: &Config, json: Json) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let lasts = config.admin.session.as_secs();
    let since = clock::unix_seconds().saturating_sub_unsigned(lasts);
    let rows = reader.admin_sessions(since)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&rows);
    }
    let line = |row: &AdminSession| {
        [
            row.id.to_string(),
            row.name.clone(),
            row.openid.clone().unwrap_or_default(),
            row.since.clone(),
            row.seen.clone(),
            row.address.clone().unwrap_or_default(),
        ]
    };
    let lines: Vec<[String; 6]> = rows.iter().map(line).collect();
    out.table(
        [
            whole("id"),
            text("name"),
            whole("openid"),
            time("since"),
            time("seen"),
            whole("address"),
        ],
        &lines,
        "nobody is signed in",
    )?;
    out.done()
}

fn logout(config: &Config, arguments: LogoutArguments) -> Result<(), Failure> {
    let LogoutArguments { which, yes, json } = arguments;
    let store = Store::open(&config.store)?;
    let ending = match which.id {
        Some(id) => AdminEnding::One(id),
        None => {
            confirm::ask("Sign everybody out of the operator's page?", yes)?;
            AdminEnding::All
        }
    };
    let ended = store.end_admin_sessions(ending)?;
    match which.id {
        Some(id) if ended == 0 => Err(Failure::failed(
            format!("there is no session {id}"),
            "`wechatd admin sessions` shows who is signed in",
        )),
        Some(_) | None => Output::for_change().answer(
            json,
            &json!({ "ended": ended }),
            &format!("{} ended", counted(ended, "session")),
        ),
    }
}
