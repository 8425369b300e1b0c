//! `wechatd kf …`: the customer-service agents of the account and their conversations with users.

mod records;
mod session;

use serde_json::{Value, json};

use super::input::{NotBlank, Yes, confirm};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, text, whole};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Kf {
    /// List the agents and open invitations
    #[command(after_help = "Example:\n  wechatd kf list")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// List the agents at work
    #[command(after_help = "Example:\n  wechatd kf online")]
    Online {
        #[command(flatten)]
        json: Json,
    },
    /// Create an agent
    #[command(after_help = "Example:
  wechatd kf add amy@shop Amy
  wechatd kf invite amy@shop amy_wx

The account name is a prefix, an @, and the WeChat id of your Official Account. An agent cannot work until someone has accepted an invitation. An account can have 100 agents.")]
    Add {
        /// Its account name: 1 to 10 letters, digits or underscores, then @ and the WeChat id of your account
        account: NotBlank,
        /// What users see, at most 16 characters
        nickname: String,
        #[command(flatten)]
        json: Json,
    },
    /// Change an agent's nickname
    #[command(after_help = "Example:\n  wechatd kf rename amy@shop 'Amy L.'")]
    Rename {
        /// Which; `wechatd kf list` shows them
        account: NotBlank,
        /// What users see, at most 16 characters
        nickname: String,
        #[command(flatten)]
        json: Json,
    },
    /// Invite someone to be the agent; they answer in WeChat
    #[command(after_help = "Example:
  wechatd kf invite amy@shop amy_wx
  wechatd kf list                      # shows what became of it")]
    Invite {
        /// Which agent; `wechatd kf list` shows them
        account: NotBlank,
        /// Their WeChat id (not the openid)
        wechat_id: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Remove an agent
    #[command(after_help = "Example:\n  wechatd kf remove amy@shop")]
    Remove {
        /// Which; `wechatd kf list` shows them
        account: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Sessions between agents and followers
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd kf session show oSyn1aAQe7rT0uXk3mPzLc9WvBh4"
    )]
    Session(session::Commands),
    /// List followers waiting for an agent, 100 at most
    #[command(after_help = "Example:\n  wechatd kf waiting")]
    Waiting {
        #[command(flatten)]
        json: Json,
    },
    /// What agents and followers wrote, oldest first
    #[command(after_help = records::EXAMPLES)]
    Records(records::Arguments),
}

pub(super) fn run(config: &Config, command: Kf) -> Result<(), Failure> {
    match command {
        Kf::List { json } => list(config, json),
        Kf::Online { json } => online(config, json),
        Kf::Add {
            account,
            nickname,
            json,
        } => add(config, &account, &nickname, json),
        Kf::Rename {
            account,
            nickname,
            json,
        } => {
            check_nickname(&nickname)?;
            connect(config)?.1.kfaccount_update(&account, &nickname)?;
            let value = json!({ "kf_account": account, "kf_nick": nickname });
            answer(
                json,
                &value,
                &format!("{account} is {nickname} from now on"),
            )
        }
        Kf::Invite {
            account,
            wechat_id,
            json,
        } => {
            connect(config)?
                .1
                .kfaccount_inviteworker(&account, &wechat_id)?;
            let value = json!({ "kf_account": account, "invite_wx": wechat_id });
            answer(
                json,
                &value,
                &format!(
                    "invited {wechat_id} to be {account}; they answer in WeChat, and `wechatd kf list` shows the outcome"
                ),
            )
        }
        Kf::Remove { account, yes, json } => {
            let (_store, api) = connect(config)?;
            confirm::ask(&format!("Remove the agent {account}?"), yes)?;
            api.kfaccount_del(&account)?;
            let value = json!({ "kf_account": account });
            answer(json, &value, &format!("{account} is removed"))
        }
        Kf::Session(command) => session::run(config, command),
        Kf::Waiting { json } => session::waiting(config, json),
        Kf::Records(arguments) => records::run(config, &arguments),
    }
}

/// The longest nickname, in characters.
const MAX_NICKNAME: usize = 16;

/// The longest prefix of an account name, in characters.
const MAX_PREFIX: usize = 10;

fn add(config: &Config, account: &str, nickname: &str, json: Json) -> Result<(), Failure> {
    let well_formed = account.split_once('@').is_some_and(|(prefix, id)| {
        (1..=MAX_PREFIX).contains(&prefix.len())
            && prefix
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !id.is_empty()
    });
    if !well_formed {
        return Err(Failure::Wrong(format!(
            "{account:?} is no account name of an agent: write a prefix of 1 to {MAX_PREFIX} letters, digits or underscores, an @ and the WeChat id of your account, such as amy@shop"
        )));
    }
    check_nickname(nickname)?;
    connect(config)?.1.kfaccount_add(account, nickname)?;
    let value = json!({ "kf_account": account, "kf_nick": nickname });
    answer(
        json,
        &value,
        &format!(
            "created {account}; `wechatd kf invite {account} WECHAT_ID` invites someone to be this agent"
        ),
    )
}

fn check_nickname(nickname: &str) -> Result<(), Failure> {
    match nickname.chars().count() {
        1..=MAX_NICKNAME if !nickname.trim().is_empty() => Ok(()),
        length => Err(Failure::Wrong(format!(
            "a nickname has 1 to {MAX_NICKNAME} characters, this one {length}"
        ))),
    }
}

/// Prints the answer of a command that changed something.
fn answer(json: Json, value: &Value, line: &str) -> Result<(), Failure> {
    Output::for_change().answer(json, value, &cell(line, 400))
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let agents = connect(config)?.1.getkflist()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&agents);
    }
    let lines: Vec<[String; 4]> = agents
        .iter()
        .map(|agent| {
            let nickname = agent.kf_nick.as_deref().unwrap_or_default();
            let user = match (&agent.kf_wx, &agent.invite_wx) {
                (Some(user), _) if !user.is_empty() => user.clone(),
                (_, Some(invited)) => {
                    let status = agent.invite_status.as_deref().unwrap_or("invited");
                    format!("{invited} ({status})")
                }
                (_, None) => "nobody yet".to_owned(),
            };
            [
                agent.kf_id.clone().unwrap_or_default(),
                cell(&agent.kf_account, 60),
                cell(nickname, 32),
                cell(&user, 60),
            ]
        })
        .collect();
    out.table(
        [
            whole("id"),
            whole("account"),
            text("nickname"),
            text("user"),
        ],
        &lines,
        "the account has no agent; `wechatd kf add` makes one",
    )?;
    out.done()
}

fn online(config: &Config, json: Json) -> Result<(), Failure> {
    let agents = connect(config)?.1.getonlinekflist()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&agents);
    }
    let lines: Vec<[String; 3]> = agents
        .iter()
        .map(|agent| {
            let talks = agent.accepted_case.map(|talks| talks.to_string());
            [
                agent.kf_id.clone().unwrap_or_default(),
                cell(&agent.kf_account, 60),
                talks.unwrap_or_default(),
            ]
        })
        .collect();
    out.table(
        [whole("id"), whole("account"), whole("conversations")],
        &lines,
        "no agent is at work",
    )?;
    out.done()
}
