//! Marks messages as done, and answers them.

use serde_json::json;

use super::find;
use crate::cli::send::{BY, Outgoing};
use crate::cli::terminal::{Failure, Json, Output};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;
use crate::dispatch::Rules;
use crate::inbox::unanswered::{PERIOD, group};
use crate::store::{Mark, Reader, Store};

#[derive(Debug, clap::Args)]
pub struct DoneArguments {
    /// Their ids, from `wechatd messages list`
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
    /// Put them back on the list
    #[arg(long, conflicts_with = "same")]
    undo: bool,
    /// Also mark earlier messages with the same text, as `wechatd messages unanswered` counts them
    #[arg(long)]
    same: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub struct ReplyArguments {
    /// The id of the message, from `wechatd messages list`
    id: i64,
    /// The answer
    text: String,
    #[command(flatten)]
    json: Json,
}

pub(super) fn done(config: &Config, arguments: &DoneArguments) -> Result<(), Failure> {
    // A store is not made by marking nothing.
    let reader = Reader::open(&config.store)?;
    for id in &arguments.ids {
        find(&reader, *id)?;
    }
    let mut ids = arguments.ids.clone();
    if arguments.same {
        let since = clock::unix_seconds().saturating_sub(PERIOD);
        let rules = Rules::new(config.rules.clone());
        for id in &arguments.ids {
            ids.extend(group(&reader, &rules, since, *id)?);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let store = Store::open(&config.store)?;
    let mark = match arguments.undo {
        true => Mark::Undone,
        false => done_now(),
    };
    let marked = store.mark(&ids, &mark)?;
    let messages = counted(marked.len(), "message");
    let line = match arguments.undo {
        true => format!("{messages} to do"),
        false => format!("{messages} done"),
    };
    let value = json!({"ids": marked, "done": !arguments.undo});
    Output::for_change().answer(arguments.json, &value, &line)
}

pub(super) fn reply(config: &Config, arguments: &ReplyArguments) -> Result<(), Failure> {
    let message = find(&Reader::open(&config.store)?, arguments.id)?;
    Outgoing::text(&message.row.openid, &arguments.text)?.send(config, arguments.json, |store| {
        store.mark(&[arguments.id], &done_now())?;
        Ok(())
    })
}

fn done_now() -> Mark {
    Mark::Done {
        by: BY.to_owned(),
        at: clock::unix_seconds(),
    }
}
