//! `wechatd token`: prints the access_token, or ticket, that the owner's other programs share with the server.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::input::Hidden;
use super::platform::connect;
use super::terminal::{Failure, Json, Output};
use crate::api::token_cache::{ACCESS_TOKEN, JSAPI_TICKET};
use crate::config::Config;

/// The oldest token file that is used. A running server touches it several times a minute, and a token stays valid for
/// five minutes after it is replaced.
const MAX_AGE: Duration = Duration::from_secs(300);

pub(super) const EXAMPLES: &str = "Examples:
  wechatd token
  curl \\
      \"https://api.weixin.qq.com/cgi-bin/tags/get?access_token=$(wechatd token)\"
  printf %s \"$TOKEN\" | wechatd token --refused -
  wechatd token --jsapi-ticket

--refused is for a token that WeChat answered with 40001, 40014 or 42001; - reads it from standard input, because every user of this machine can see a command line. --jsapi-ticket is for signing pages of the JS-SDK.

The server, the commands and all programs that ask here share one token: a program that fetches its own would end the others'. Ask for each use instead of keeping it; a token that is still good costs no call.

Programs of another user, who may read neither the AppSecret nor the store, get the token that the server keeps in a file. Set `token_file = \"/run/wechatd/access_token\"` under [api], run `wechatd install` again (or print the unit again), restart the server, and add that user to its group, such as `usermod -aG wechatd www-data`. The file has mode 0640, holds the token and nothing else, and does not exist while no token works. The server renews it five minutes before it expires; one replaced with --refused is there within 10 s. Anything else at that path is left alone, and the log says so. Members of the group can do whatever the token can do, and read wechat.conf: add only programs that you trust with the account.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A token that WeChat refused: fetch a new one, unless that has been done already
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

pub(super) fn run(file: &Path, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(token) = token_file(file)? {
        return print_from_file(&token, arguments);
    }
    let config = &Config::load(file)?;
    let (store, api) = connect(config)?;
    let (name, value) = match (&arguments.refused, arguments.jsapi_ticket) {
        (None, true) => (JSAPI_TICKET, api.ticket()?),
        (Some(refused), _) => (ACCESS_TOKEN, api.refused(refused.read()?.expose())?),
        (None, false) => (ACCESS_TOKEN, api.token()?),
    };
    let mut out = Output::for_reading();
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

/// The token file for other users, if there is one and this user needs it because the AppSecret or the store cannot be
/// read.
fn token_file(file: &Path) -> Result<Option<PathBuf>, Failure> {
    let Ok(config) = Config::load_without_secrets(file) else {
        // The usual path reports what is wrong.
        return Ok(None);
    };
    let secret = config.account.app_secret_file.as_deref();
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    // Only regular files are opened: a FIFO would wait for a writer.
    let kept_out = |path: &Path| match fs::metadata(path) {
        Ok(found) => found.is_file() && File::open(path).is_err_and(|error| is_denied(&error)),
        Err(error) => is_denied(&error),
    };
    let server = config.store.server.as_ref();
    let store = match server {
        None => Some(config.store.path.as_path()),
        Some(server) => server.password_file.as_deref(),
    };
    let needed = [secret, store].into_iter().flatten().any(kept_out);
    Ok(config.api.token_file.filter(|_| needed))
}

/// Prints the token from the server's token file.
fn print_from_file(file: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let failed = |why: &str| Failure::Failed(format!("token: {}: {why}", file.display()));
    if arguments.refused.is_some() || arguments.jsapi_ticket {
        return Err(failed(
            "holds the access_token only; --refused and --jsapi-ticket need the right to read the AppSecret and the store",
        ));
    }
    let none = "there is no token: the server keeps it there while it runs and WeChat gives it one";
    let token = fs::read_to_string(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed(none),
        io::ErrorKind::PermissionDenied => failed(
            "this user may not read it; put the user into the group of the file, and log in again",
        ),
        _ => failed(&error.to_string()),
    })?;
    let touched = fs::metadata(file).and_then(|metadata| metadata.modified());
    let is_old = touched.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > MAX_AGE));
    if token.is_empty() || is_old {
        return Err(failed(none));
    }
    let mut out = Output::for_reading();
    match arguments.json.wanted {
        true => out.json(&Shown {
            access_token: Some(token),
            jsapi_ticket: None,
            expires_at: None,
        }),
        false => {
            out.line(&token)?;
            out.done()
        }
    }
}
