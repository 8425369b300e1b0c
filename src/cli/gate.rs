//! `wechatd gate test`: whether a person would pass a gate, and why not.

use std::time::Duration;

use serde_json::json;

use super::input::{Openid, find_named, one_of};
use super::terminal::{Failure, Json, Output};
use crate::clock;
use crate::config::{Config, Gate, Method, read_duration, show_duration};
use crate::login::gate::{Passage, check};
use crate::store::Reader;

pub(super) const HELP: &str = "Example:
  wechatd gate test members oSyn1aAQe7rT0uXk3mPzLc9WvBh4

A gate is a [[gate]] of wechat.conf and says who may pass; `wechatd proxy` lets the reverse proxy ask it. Your app gets these headers with every request; what is unknown is -. The proxy must replace those that a visitor sends, as the printed configuration does, and only the proxy may be able to reach the app.

  Remote-User, X-WeChat-Openid  the openid
  X-WeChat-Subscribed           1 for a follower, as of now, else 0
  X-WeChat-Unionid              as far as known
  X-WeChat-Nickname             as far as known: UTF-8, percent-encoded
  X-WeChat-Method               how they logged in: oauth, or scan by a code
  X-WeChat-Session              12 characters that change with the session

Inside WeChat a visitor is logged in silently. In other browsers they scan a QR code, or send a code such as 登录 483920 to the account, and then tap in the chat the number that the page shows, so that nobody can log in a page that someone else opened. An account that may not make QR codes (48001) offers the code only. Those who follow by such a scan are welcomed as always, with the scene `login`. Someone who unsubscribes is out with the next request.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Tell whether someone would pass; exit code 1 and the reason if not
    #[command(after_help = "Examples:
  wechatd gate test members oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd gate test members oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --method scan --age 3h

A gate is a [[gate]] of the configuration; without any there is one, default. The answer is for someone who logged in by --method and --age ago, whether they did or not. Tags are those of the last sync.")]
    Test(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The gate
    gate: String,
    /// The follower's openid
    openid: Openid,
    /// How they have logged in [default: the first way that the gate takes]
    #[arg(long, value_parser = one_of(Method::ALL.map(|method| (method.name(), method))))]
    method: Option<Method>,
    /// How long ago, such as 3h or 2d
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = read_duration)]
    age: Duration,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Test(arguments) => test(config, &arguments),
    }
}

fn test(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let gate = find_named(&config.gates, &arguments.gate)?;
    let taken = gate.methods.unwrap_or(config.login.methods);
    let mut takes = Method::ALL
        .into_iter()
        .filter(|method| taken.include(*method));
    let method = arguments.method.or_else(|| takes.next());
    let method = method.unwrap_or(Method::Scan);
    let openid = &arguments.openid;

    let now = clock::unix_seconds();
    let created_at = now.saturating_sub_unsigned(arguments.age.as_secs());
    let expires_at = created_at.saturating_add_unsigned(config.login.session.as_secs());
    let times = [created_at, expires_at, now];
    let visitor = Reader::open(&config.store)?.supposed_visitor(openid, method.name(), times)?;

    let passage = check(gate, &config.login, visitor.as_ref(), now);
    let (name, why) = match &passage {
        Passage::Pass => ("pass", None),
        Passage::LogIn if visitor.is_none() => {
            let session = show_duration(config.login.session);
            (
                "log_in",
                Some(format!("a session ends after {session} (login.session)")),
            )
        }
        Passage::LogIn => (
            "log_in",
            Some(why_again(gate, config, method, arguments.age)),
        ),
        Passage::Refused(refusal) => ("refused", Some(refusal.to_string())),
    };
    let out = Output::for_reading();
    let line = match (&passage, &why) {
        (Passage::Pass, _) | (_, None) => format!("{openid} passes {}: {}", gate.name, gate.who),
        (Passage::LogIn, Some(why)) => {
            format!("{openid} has to log in again at {}: {why}", gate.name)
        }
        (Passage::Refused(_), Some(why)) => format!("{openid} is refused at {}: {why}", gate.name),
    };
    let answer = json!({
        "gate": gate.name,
        "openid": openid,
        "method": method.name(),
        "passage": name,
        "why": why,
        "subscribed": visitor.as_ref().map(|visitor| visitor.subscribed),
        "tags": visitor.as_ref().map(|visitor| &visitor.tags),
    });
    out.answer(arguments.json, &answer, &line)?;
    match passage {
        Passage::Pass => Ok(()),
        Passage::LogIn | Passage::Refused(_) => Err(Failure::Shown),
    }
}

/// Why a session of this kind is not good enough.
fn why_again(gate: &Gate, config: &Config, method: Method, age: Duration) -> String {
    let taken = gate.methods.unwrap_or(config.login.methods);
    match gate.max_age {
        Some(most) if taken.include(method) => format!(
            "the log-in was {} ago, and max_age is {}",
            show_duration(age),
            show_duration(most)
        ),
        Some(_) | None => format!("a log-in by {} does not count here", method.name()),
    }
}
