//! `wechatd blacklist …`: people whose messages the platform does not deliver, although they stay followers.

use super::input::bulk;
use super::input::bulk::BulkOperation;
use super::openids;
use super::platform::{Patience, connect};
use super::terminal::{Failure, Json};
use crate::api::blacklist::MAX_BATCHBLACKLIST;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Blacklist {
    /// List who is blocked, one openid per line
    #[command(after_help = "Example:\n  wechatd blacklist list")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Block followers: their messages do not arrive, and none can be sent to them
    #[command(after_help = "Examples:
  wechatd blacklist add oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd blacklist add - < openids.txt

They are not told, and stay followers.")]
    Add(Change),
    /// Unblock followers
    #[command(after_help = "Examples:
  wechatd blacklist remove oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd blacklist list | wechatd blacklist remove -")]
    Remove(Change),
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// The followers' openids; - reads them from standard input, one per line
    #[arg(required = true, value_name = "OPENID")]
    openids: Vec<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Blacklist) -> Result<(), Failure> {
    match command {
        Blacklist::List { json } => {
            let (_, api) = connect(config)?;
            openids::list(json, |begin| api.getblacklist(begin), "nobody is blocked")
        }
        Blacklist::Add(arguments) => change(config, &arguments, true),
        Blacklist::Remove(arguments) => change(config, &arguments, false),
    }
}

fn change(config: &Config, arguments: &Change, adds: bool) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let openids = bulk::openids(&arguments.openids)?;
    let operation = BulkOperation {
        label: if adds { "blocking" } else { "unblocking" },
        batch_size: MAX_BATCHBLACKLIST,
        rate: config.api.rate,
        patience: Patience::new(),
    };
    let call = |batch: &[String]| match adds {
        true => api.batchblacklist(batch),
        false => api.batchunblacklist(batch),
    };
    let outcome = operation.run(
        &openids,
        |batch| call(batch).map(|()| Vec::new()),
        |_| Ok(()),
    );
    outcome.report(
        |people| match adds {
            true => format!("blocked {people}"),
            false => format!("unblocked {people}"),
        },
        arguments.json,
    )
}
