//! `wechatd login …`: finds out who opens an owner's web page in WeChat. Stores and logs nothing.

use serde_json::json;

use super::input::{Hidden, Openid};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, complain};
use crate::api::ApiError;
use crate::api::login::{LogIn, Scope, authorize_url};
use crate::config::Config;
use crate::random;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Print the URL that starts a log-in
    #[command(after_help = "Examples:
  wechatd login url https://www.example.com/cb
  wechatd login url https://www.example.com/cb --scope userinfo --state order7

The browser comes back to https://www.example.com/cb?code=CODE&state=STATE. The code works once and for five minutes: `wechatd login code CODE`. Compare the state with yours. It works inside WeChat only, and the host must be entered in the console as the web authorisation domain.")]
    Url {
        /// The page that the browser comes back to
        redirect_uri: String,
        /// base: only the openid, without asking; userinfo: asks for name and picture, too
        #[arg(long, value_name = "SCOPE", default_value = "base", value_parser = scope)]
        scope: Scope,
        /// 1 to 128 letters and digits that come back [default: random ones]
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Exchange a code for the visitor's openid and tokens
    #[command(after_help = "Example:
  wechatd login code 061fRb0w3XqJk23

The tokens are the visitor's, not the account's. Keep them on the server, never in a page.")]
    Code {
        /// What came as `code`; - reads it from standard input
        code: Hidden,
        #[command(flatten)]
        json: Json,
    },
    /// Renew a visitor's expired access_token
    #[command(after_help = "Example:
  wechatd login refresh - < refresh-token.txt

An access_token works for two hours, a refresh_token for 30 days. With - the token comes from standard input; on the command line every user of this machine can see it.")]
    Refresh {
        /// What `wechatd login code` printed; - reads it from standard input
        refresh_token: Hidden,
        #[command(flatten)]
        json: Json,
    },
    /// Show the name and picture of a visitor who agreed to --scope userinfo
    #[command(after_help = "Example:
  wechatd login user oSyn1aAQe7rT0uXk3mPzLc9WvBh4 - < access-token.txt")]
    User {
        /// Who
        openid: Openid,
        /// The visitor's, from `wechatd login code`; - reads it from standard input
        access_token: Hidden,
        #[command(flatten)]
        json: Json,
    },
    /// Check whether a visitor's access_token still works; exit code 1 if not
    #[command(after_help = "Example:
  wechatd login check oSyn1aAQe7rT0uXk3mPzLc9WvBh4 - < access-token.txt

If it does not, or if WeChat cannot be asked, a line on stderr says why.")]
    Check {
        /// The visitor's openid
        openid: Openid,
        /// The visitor's, from `wechatd login code`; - reads it from standard input
        access_token: Hidden,
        #[command(flatten)]
        json: Json,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    match text {
        "base" | "snsapi_base" => Ok(Scope::Base),
        "userinfo" | "snsapi_userinfo" => Ok(Scope::UserInfo),
        _ => Err("it is base or userinfo".to_owned()),
    }
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Url {
            redirect_uri,
            scope,
            state,
            json,
        } => url(config, &redirect_uri, scope, state, json),
        Commands::Code { code, json } => {
            let code = code.read()?;
            show(&connect(config)?.1.sns_access_token(code.expose())?, json)
        }
        Commands::Refresh {
            refresh_token,
            json,
        } => {
            let token = refresh_token.read()?;
            show(&connect(config)?.1.sns_refresh_token(token.expose())?, json)
        }
        Commands::User {
            openid,
            access_token,
            json,
        } => user(config, &openid, access_token.read()?.expose(), json),
        Commands::Check {
            openid,
            access_token,
            json,
        } => {
            let token = access_token.read()?;
            connect(config)?.1.sns_auth(token.expose(), &openid)?;
            let value = json!({ "openid": openid, "works": true });
            Output::for_reading().answer(json, &value, "the access_token works")
        }
    }
}

fn url(
    config: &Config,
    redirect_uri: &str,
    scope: Scope,
    state: Option<String>,
    json: Json,
) -> Result<(), Failure> {
    let app_id = config.account.app_id.as_deref().ok_or_else(|| {
        Failure::wrong(
            format!(
                "{}: account.app_id is not set, and the URL names it",
                config.file.display()
            ),
            "take it from the console, Basic configuration (基本配置)",
        )
    })?;
    let made = match state {
        Some(_) => None,
        None => Some(random::hex().map_err(|error| Failure::Failed(format!("login: {error}")))?),
    };
    let state = made.as_ref().or(state.as_ref()).map_or("", String::as_str);
    let url = authorize_url(app_id, redirect_uri, scope, state).map_err(|error| match error {
        ApiError::Request { cause, .. } => Failure::Wrong(cause),
        error => error.into(),
    })?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&json!({ "url": url, "scope": scope.name(), "state": state }));
    }
    out.line(&url)?;
    if let Some(state) = &made {
        out.line(&format!("state  {state}"))?;
    }
    out.done()
}

fn show(log_in: &LogIn, json: Json) -> Result<(), Failure> {
    let refresh_token = log_in.refresh_token.as_ref().map(|token| token.expose());
    if log_in.is_snapshot {
        complain(
            "the page was opened as a snapshot: this openid is nobody's, create no account for it; it changes when the visitor opens the page in full",
        );
    }
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(&json!({
            "openid": log_in.openid,
            "unionid": log_in.unionid,
            "scope": log_in.scope,
            "access_token": log_in.access_token.expose(),
            "expires_in": log_in.expires_in,
            "refresh_token": refresh_token,
            "is_snapshot": log_in.is_snapshot,
        }));
    }
    let mut facts = vec![("openid", log_in.openid.clone())];
    if let Some(unionid) = &log_in.unionid {
        facts.push(("unionid", unionid.clone()));
    }
    if let Some(scope) = &log_in.scope {
        facts.push(("scope", scope.clone()));
    }
    facts.push(("access_token", log_in.access_token.expose().to_owned()));
    if let Some(seconds) = log_in.expires_in {
        facts.push(("works", format!("{seconds} s")));
    }
    if let Some(refresh_token) = refresh_token {
        facts.push(("refresh_token", refresh_token.to_owned()));
    }
    out.pairs(&facts)?;
    out.done()
}

fn user(config: &Config, openid: &str, access_token: &str, json: Json) -> Result<(), Failure> {
    let user = connect(config)?.1.sns_userinfo(access_token, openid)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&user);
    }
    let mut facts = vec![("openid", user.openid.clone())];
    for (name, value) in [
        ("unionid", &user.unionid),
        ("nickname", &user.nickname),
        ("picture", &user.headimgurl),
    ] {
        if let Some(value) = value {
            facts.push((name, cell(value, 500)));
        }
    }
    out.pairs(&facts)?;
    out.done()
}
