//! `wechatd quota …` and `wechatd rid …`: the limits of the platform's calls, and the record of a single call.

use regex::Regex;
use serde::Serialize;

use super::input::{NotBlank, Yes, confirm};
use super::platform::connect;
use super::terminal::{Column, Failure, Json, Output, cell, text, whole};
use crate::api::errcode::{CLEARED_TOO_OFTEN, FOREIGN_PATH, UNAUTHORIZED, UNKNOWN_PATH};
use crate::api::quota::Quota;
use crate::api::{Action, ApiError, Client};
use crate::config::Config;
use crate::local_time;

/// The calls that are shown by default: those that this program makes often, and those with low limits.
const PATHS: [&str; 13] = [
    "/cgi-bin/stable_token",
    "/cgi-bin/user/get",
    "/cgi-bin/user/info",
    "/cgi-bin/user/info/batchget",
    "/cgi-bin/user/info/updateremark",
    "/cgi-bin/tags/members/batchtagging",
    "/cgi-bin/message/custom/send",
    "/cgi-bin/message/template/send",
    "/cgi-bin/message/mass/sendall",
    "/cgi-bin/media/upload",
    "/cgi-bin/menu/create",
    "/cgi-bin/qrcode/create",
    "/cgi-bin/clear_quota",
];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this call, such as /cgi-bin/message/custom/send or message/custom/send
    path: Option<NotBlank>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reset all daily counters (10 times a month), or that of one call (50 times a month)
    #[command(after_help = "Examples:
  wechatd quota clear message/custom/send
  wechatd quota clear --yes         # where nobody can be asked")]
    Clear {
        /// Only of this call, such as /cgi-bin/message/custom/send or message/custom/send
        path: Option<NotBlank>,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Rid {
    /// The rid at the end of an error, such as 66f0a1b2-1c2d3e4f-5a6b7c8d
    rid: NotBlank,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    if let Some(Command::Clear { path, yes, json }) = &arguments.command {
        let path = path.as_deref().map(full_path);
        let question = match &path {
            Some(path) => format!(
                "Set the daily counter of {path} to zero? WeChat allows this 50 times a month."
            ),
            None => {
                "Set all daily counters to zero? WeChat allows this 10 times a month.".to_owned()
            }
        };
        confirm::ask(&question, *yes)?;
        let line = match &path {
            Some(path) => {
                api.openapi_quota_clear(path)?;
                format!(
                    "the daily counter of {path} is at zero; WeChat allows this 50 times a month"
                )
            }
            None => {
                clear(&api)?;
                "all daily counters are at zero; WeChat allows this 10 times a month".to_owned()
            }
        };
        let value = serde_json::json!({ "path": path });
        return Output::for_change().answer(*json, &value, &line);
    }
    let mut out = Output::for_reading();
    if let Some(path) = &arguments.path {
        let path = full_path(path);
        let quota = api.openapi_quota_get(&path)?;
        if arguments.json.wanted {
            return out.json(&Shown { path: &path, quota });
        }
        out.table(HEADING, &[row(&path, &quota)], "")?;
        return out.done();
    }
    let mut shown = Vec::new();
    for path in PATHS {
        match api.openapi_quota_get(path) {
            Ok(quota) => shown.push(Shown { path, quota }),
            // Not every account can make every call.
            Err(error)
                if matches!(
                    error.errcode(),
                    Some(UNKNOWN_PATH | FOREIGN_PATH | UNAUTHORIZED)
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if arguments.json.wanted {
        return out.json(&shown);
    }
    let rows: Vec<[String; 5]> = shown
        .iter()
        .map(|shown| row(shown.path, &shown.quota))
        .collect();
    out.table(
        HEADING,
        &rows,
        "the account has none of the calls that are shown without a PATH",
    )?;
    if !rows.is_empty() {
        out.line("The counters are reset at midnight Beijing time.")?;
    }
    out.done()
}

/// The full path of a call, as the platform names it.
fn full_path(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/cgi-bin/{path}"),
    }
}

const HEADING: [Column; 5] = [
    whole("call"),
    whole("a day"),
    whole("used"),
    whole("left"),
    text("rate limit"),
];

fn row(path: &str, quota: &Quota) -> [String; 5] {
    let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    let rate_limit = quota.rate_limit.as_ref().and_then(|limit| {
        let (calls, seconds) = limit.call_count.zip(limit.refresh_second)?;
        Some(format!("{calls} in {seconds} s"))
    });
    [
        path.to_owned(),
        number(quota.daily_limit),
        number(quota.used),
        number(quota.remain),
        rate_limit.unwrap_or_default(),
    ]
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    path: &'a str,
    #[serde(flatten)]
    quota: Quota,
}

/// Clears all counters, without an access_token if the limit for fetching one is used up.
fn clear(api: &Client) -> Result<(), ApiError> {
    let is_quota = |error: &ApiError| {
        error.action() == Action::Quota && error.errcode() != Some(CLEARED_TOO_OFTEN)
    };
    match api.clear_quota() {
        Err(error) if is_quota(&error) => api.clear_quota_v2(),
        result => result,
    }
}

/// The text with tokens and secrets in queries and JSON masked, as the platform does not promise to mask them.
fn masked(text: &str) -> String {
    let secret =
        Regex::new(r#"(token|secret)(=|"\s*:\s*")[^&"\s]+"#).expect("a test uses this pattern");
    secret.replace_all(text, "$1$2***").into_owned()
}

pub(super) fn rid(config: &Config, arguments: &Rid) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let request = api.openapi_rid_get(arguments.rid.trim())?;
    let masked = |text: Option<String>| {
        text.map(|text| match config.api_rights() {
            Some((_, secret)) => masked(&text.replace(secret.expose(), "***")),
            None => masked(&text),
        })
    };
    let (url, sent, answered) = (
        masked(request.request_url),
        masked(request.request_body),
        masked(request.response_body),
    );
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&serde_json::json!({
            "invoke_time": request.invoke_time,
            "cost_in_ms": request.cost_in_ms,
            "client_ip": request.client_ip,
            "request_url": url,
            "request_body": sent,
            "response_body": answered,
        }));
    }
    let at = request.invoke_time.map(local_time::format);
    let text = |text: Option<String>| cell(text.as_deref().unwrap_or("unknown"), 2_000);
    let took = request.cost_in_ms.map(|ms| format!("{ms} ms"));
    out.pairs(&[
        ("at", text(at)),
        ("took", text(took)),
        ("from", text(request.client_ip)),
        ("query", text(url)),
        ("sent", text(sent)),
        ("answered", text(answered)),
    ])?;
    out.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_and_secrets_are_masked() {
        for (text, shown) in [
            (
                "access_token=SYN_1-2&lang=zh_CN",
                "access_token=***&lang=zh_CN",
            ),
            (
                "grant_type=client_credential&appid=wx1&secret=abc",
                "grant_type=client_credential&appid=wx1&secret=***",
            ),
            (
                r#"{"access_token": "SYN", "expires_in": 7200}"#,
                r#"{"access_token": "***", "expires_in": 7200}"#,
            ),
            (r#"{"errcode":40003}"#, r#"{"errcode":40003}"#),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
