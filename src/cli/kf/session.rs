//! `wechatd kf session …` and `kf waiting`: which agent talks to which user, and who is waiting for one.

use serde_json::json;

use super::answer;
use crate::api::session::{AgentSession, WaitCase};
use crate::cli::input::{NotBlank, Openid};
use crate::cli::platform::connect;
use crate::cli::terminal::{Failure, Json, Output, cell, time, whole};
use crate::config::Config;
use crate::local_time;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Commands {
    /// Assign a follower to an agent who is online
    #[command(
        after_help = "Example:\n  wechatd kf session open oSyn1aAQe7rT0uXk3mPzLc9WvBh4 amy@shop"
    )]
    Open {
        /// The user
        openid: Openid,
        /// The agent; `wechatd kf online` shows who is at work
        account: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// End the session of a follower and an agent
    #[command(
        after_help = "Example:\n  wechatd kf session close oSyn1aAQe7rT0uXk3mPzLc9WvBh4 amy@shop"
    )]
    Close {
        /// The user
        openid: Openid,
        /// The agent; `wechatd kf session show` tells which
        account: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Show which agent a follower talks to
    #[command(
        after_help = "Example:\n  wechatd kf session show oSyn1aAQe7rT0uXk3mPzLc9WvBh4\n\nWith --json a user without a session is null."
    )]
    Show {
        /// The user
        openid: Openid,
        #[command(flatten)]
        json: Json,
    },
    /// List the sessions of an agent
    #[command(after_help = "Example:\n  wechatd kf session list amy@shop --json")]
    List {
        /// The agent; `wechatd kf list` shows them
        account: NotBlank,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Open {
            openid,
            account,
            json,
        } => {
            connect(config)?.1.kfsession_create(&account, &openid)?;
            let value = json!({ "openid": openid, "kf_account": account });
            answer(json, &value, &format!("{account} has {openid} now"))
        }
        Commands::Close {
            openid,
            account,
            json,
        } => {
            connect(config)?.1.kfsession_close(&account, &openid)?;
            let value = json!({ "openid": openid, "kf_account": account });
            answer(
                json,
                &value,
                &format!("the session of {openid} with {account} is closed"),
            )
        }
        Commands::Show { openid, json } => show(config, &openid, json),
        Commands::List { account, json } => list(config, &account, json),
    }
}

fn show(config: &Config, openid: &str, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let session = api.kfsession_getsession(openid)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&session);
    }
    let Some(session) = session else {
        out.line("no agent has this user")?;
        return out.done();
    };
    out.pairs(&[
        ("agent", cell(&session.kf_account, 60)),
        ("since", shown_time(session.createtime)),
    ])?;
    out.done()
}

fn list(config: &Config, account: &str, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let sessions = api.kfsession_getsessionlist(account)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&sessions);
    }
    let row = |session: &AgentSession| [cell(&session.openid, 40), shown_time(session.createtime)];
    let rows: Vec<[String; 2]> = sessions.iter().map(row).collect();
    out.table(
        [whole("openid"), time("since")],
        &rows,
        &format!("{account} has no session"),
    )?;
    out.done()
}

pub(super) fn waiting(config: &Config, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let waiting = api.kfsession_getwaitcase()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&waiting);
    }
    let row = |case: &WaitCase| [cell(&case.openid, 40), shown_time(case.latest_time)];
    let rows: Vec<[String; 2]> = waiting.waitcaselist.iter().map(row).collect();
    out.table([whole("openid"), time("wrote last")], &rows, "nobody waits")?;
    let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if let Some(count) = waiting.count.filter(|count| *count > shown) {
        out.line(&format!("{count} wait; WeChat shows {shown} of them"))?;
    }
    out.done()
}

/// A time from the platform, for people; empty if there is none.
pub(super) fn shown_time(at: Option<i64>) -> String {
    at.map(local_time::format).unwrap_or_default()
}
