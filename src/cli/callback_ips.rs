//! `wechatd callback-ips`: the addresses that WeChat's pushes come from, and whether the server takes them.

use ipnet::IpNet;
use serde_json::json;

use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain};
use crate::app::Networks;
use crate::config::{AllowIps, Config, read_network};

pub(super) const EXAMPLES: &str = "Examples:
  wechatd callback-ips
  wechatd callback-ips | sed 's/.*/allow &;/' > /etc/nginx/wechat-ips.conf

This asks WeChat, which changes the list a few times a year. With `server.allow_ips = \"wechat\"` the server fetches it once a day. Addresses that `server.allow_ips` would refuse are pointed out.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let addresses = api.getcallbackip()?;
    let taken = match &config.server.allow_ips {
        AllowIps::Any => None,
        AllowIps::Listed(networks) => Some(networks.clone()),
        AllowIps::Platform => store
            .callback_ips()?
            .as_ref()
            .and_then(Networks::read)
            .map(|list| list.networks),
    };
    let refused = refused(addresses.clone(), taken);
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&json!({ "addresses": addresses, "refused": refused }));
    }
    addresses.iter().try_for_each(|address| out.line(address))?;
    out.done()?;
    if !refused.is_empty() {
        let what_to_do = match &config.server.allow_ips {
            AllowIps::Platform => "the server fetches the list again within a day",
            AllowIps::Any | AllowIps::Listed(_) => {
                "add them, or let the server fetch the list: server.allow_ips = \"wechat\""
            }
        };
        complain(&format!(
            "server.allow_ips refuses pushes from {}: {what_to_do}",
            refused.join(", ")
        ));
    }
    Ok(())
}

/// The addresses that are in none of the networks that the server takes; without a list it takes all.
fn refused(asked: Vec<String>, taken: Option<Vec<IpNet>>) -> Vec<String> {
    let Some(taken) = taken else {
        return Vec::new();
    };
    let taken = IpNet::aggregate(&taken);
    let is_refused = |entry: &String| {
        read_network(entry).is_ok_and(|network| !taken.iter().any(|taken| taken.contains(&network)))
    };
    asked.into_iter().filter(is_refused).collect()
}
