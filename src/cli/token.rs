//! `wechatd token`: a valid access_token for the owner's other programs, from the one that all of them share.

use serde::Serialize;

use super::Failure;
use super::arguments::{Hidden, Json};
use super::output::Output;
use super::platform::connect;
use crate::api::token::{ACCESS_TOKEN, JSAPI_TICKET};
use crate::config::Config;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd token
  curl \\
      \"https://api.weixin.qq.com/cgi-bin/tags/get?access_token=$(wechatd token)\"
  printf %s \"$TOKEN\" | wechatd token --refused -
  wechatd token --jsapi-ticket

--refused is for a token that the platform answered with 40001, 40014 or 42001; - reads it from standard input, because every user of this machine can see a command line. --jsapi-ticket is for signing pages of the JS-SDK.

The server, the commands and all programs that ask here share one token, so none ends the others' token. Ask for each use instead of keeping it: a token that is still good costs no call to the platform.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A token that the platform no longer took: fetch another one, unless somebody has already
    #[arg(long, value_name = "TOKEN", conflicts_with = "jsapi_ticket")]
    refused: Option<Hidden>,
    /// The ticket of the JS-SDK instead, kept and shared in the same way
    #[arg(long)]
    jsapi_ticket: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jsapi_ticket: Option<String>,
    /// Unix seconds.
    expires_at: Option<i64>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let (name, value) = match (&arguments.refused, arguments.jsapi_ticket) {
        (None, true) => (JSAPI_TICKET, api.ticket()?),
        (Some(refused), _) => (ACCESS_TOKEN, api.refused(refused.read()?.expose())?),
        (None, false) => (ACCESS_TOKEN, api.token()?),
    };
    let mut out = Output::text();
    if !arguments.json.wanted {
        out.line(&value)?;
        return out.done();
    }
    let kept = store.kept_token(name)?;
    let expires_at = kept
        .filter(|kept| kept.value.expose() == value)
        .map(|kept| kept.expires_at);
    let value = Some(value);
    out.json(&match name {
        JSAPI_TICKET => Shown {
            access_token: None,
            jsapi_ticket: value,
            expires_at,
        },
        _ => Shown {
            access_token: value,
            jsapi_ticket: None,
            expires_at,
        },
    })
}
