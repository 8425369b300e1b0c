//! `wechatd kf …`: the customer-service agents of the account.

use super::Failure;
use super::output::{Output, cell};
use super::platform::connect;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Kf {
    /// List the agents and who is invited to be one
    #[command(after_help = "Example:\n  wechatd kf list")]
    List {
        /// One JSON value
        #[arg(long)]
        json: bool,
    },
    /// List the agents at work
    #[command(after_help = "Example:\n  wechatd kf online")]
    Online {
        /// One JSON value
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, command: Kf) -> Result<(), Failure> {
    match command {
        Kf::List { json } => list(config, json),
        Kf::Online { json } => online(config, json),
    }
}

fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let agents = connect(config)?.1.getkflist()?;
    let mut out = Output::text();
    if json {
        let agents: Vec<serde_json::Value> = agents
            .iter()
            .map(|agent| {
                serde_json::json!({
                    "kf_account": agent.kf_account,
                    "kf_id": agent.kf_id,
                    "kf_nick": agent.kf_nick,
                    "kf_headimgurl": agent.kf_headimgurl,
                    "kf_wx": agent.kf_wx,
                    "invite_wx": agent.invite_wx,
                    "invite_expire_time": agent.invite_expire_time,
                    "invite_status": agent.invite_status,
                })
            })
            .collect();
        return out.json(&agents);
    }
    let lines: Vec<[String; 4]> = agents
        .iter()
        .map(|agent| {
            let nickname = agent.kf_nick.as_deref().unwrap_or_default();
            let person = match (&agent.kf_wx, &agent.invite_wx) {
                (Some(person), _) if !person.is_empty() => person.clone(),
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
                cell(&person, 60),
            ]
        })
        .collect();
    out.table(["id", "account", "nickname", "person"], &lines)?;
    out.done()
}

fn online(config: &Config, json: bool) -> Result<(), Failure> {
    let agents = connect(config)?.1.getonlinekflist()?;
    let mut out = Output::text();
    if json {
        let agents: Vec<serde_json::Value> = agents
            .iter()
            .map(|agent| {
                serde_json::json!({
                    "kf_account": agent.kf_account,
                    "kf_id": agent.kf_id,
                    "status": agent.status,
                    "accepted_case": agent.accepted_case,
                })
            })
            .collect();
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
    out.table(["id", "account", "conversations"], &lines)?;
    out.done()
}
