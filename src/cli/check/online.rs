//! `wechatd check --online`: asks the platform about the account, and says what to do in a line for each answer.

use std::fmt;

use serde::Serialize;

use crate::api::network::{CallbackCheck, CheckAction};
use crate::api::{ApiError, Client, errcode};
use crate::cli::platform::connect;
use crate::cli::terminal::{Failure, Output};
use crate::config::{Config, show_duration};
use crate::counted::counted;

/// Clocks further apart than this, in seconds, should be corrected.
const CLOCK: i64 = 30;

/// Error codes for calls that this account may not make, as it is unverified or of the other kind.
const NOT_YOURS: [i64; 2] = [errcode::UNAUTHORIZED, errcode::LIMITED];

/// A path that does not exist: asking for its quota is refused, and the refusal has a rid that can be looked up.
const NO_PATH: &str = "/cgi-bin/no/such/path";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Verdict {
    /// As it should be.
    Ok,
    /// Missing, or not available to this account; the rest works without it.
    No,
    /// Something needs to be fixed.
    Wrong,
    /// The platform gave no answer.
    Unknown,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Line {
    what: String,
    verdict: Verdict,
    detail: String,
}

impl Line {
    /// The detail, if something needs to be fixed.
    pub(in crate::cli) fn wrong(&self) -> Option<String> {
        (self.verdict == Verdict::Wrong).then(|| format!("{}: {}", self.what, self.detail))
    }
}

/// A harmless read from each family of calls, and what needs it.
type Try = (
    &'static str,
    &'static str,
    fn(&Client) -> Result<(), ApiError>,
);

const TRIES: [Try; 6] = [
    ("user/get", "followers sync", |api| {
        api.user_get("").map(drop)
    }),
    ("tags/get", "tags", |api| api.tags_get().map(drop)),
    ("getblacklist", "blacklist", |api| {
        api.getblacklist("").map(drop)
    }),
    ("menu/get", "menu", |api| api.menu_get().map(drop)),
    ("getkflist", "send, kf", |api| api.getkflist().map(drop)),
    ("get_all_private_template", "template", |api| {
        api.get_all_private_template().map(drop)
    }),
];

/// Whether the platform takes the AppID and the AppSecret from this address: what has to be right before anything else.
pub(in crate::cli) fn look_at_account(config: &Config) -> Result<Vec<Line>, Failure> {
    let (_, api) = connect(config)?;
    Ok(account(config, &api.once()).0)
}

/// Tries everything, in the order in which an owner would fix it.
pub(super) fn look(config: &Config) -> Result<Vec<Line>, Failure> {
    let (store, api) = connect(config)?;
    // No retries: a person is watching.
    let api = api.once();
    let (mut lines, is_taken) = account(config, &api);
    if !is_taken {
        let rest = "not tried, because there is no token";
        lines.push(unknown("callback, calls, menu", rest));
        return Ok(lines);
    }
    lines.push(callback(&api));
    for (call, needed_by, read) in TRIES {
        lines.push(match read(&api) {
            Ok(()) => ok(call, format!("allowed, for {needed_by}")),
            Err(error) => refusal(call, &error),
        });
    }
    lines.push(menu(&api));
    // Whether a message may be sent shows only when one is, and so with QR codes.
    let [messages, qr_codes] = store.forget_missing_rights()?;
    for (was_missing, call, tries) in [
        (
            messages,
            "message/custom/send",
            "the next late answer of a service",
        ),
        (qr_codes, "qrcode/create", "the next log-in by a code"),
    ] {
        if was_missing {
            lines.push(unknown(
                call,
                format!("was refused; {tries} tries it again"),
            ));
        }
    }
    Ok(lines)
}

/// The lines about the account itself, and whether there is a token to go on with.
fn account(config: &Config, api: &Client) -> (Vec<Line>, bool) {
    let token = api.token_fetched();
    let mut lines = Vec::new();
    match &token {
        Ok(_) => {
            lines.push(ok(
                "access_token",
                "WeChat takes the AppID and the AppSecret",
            ));
            lines.push(address(api));
        }
        Err(error) => match error.unlisted_address() {
            Some(address) => {
                lines.push(unknown("access_token", "see the next line"));
                let what = format!(
                    "{address} is not in the IP whitelist: enter it in the console, under Basic configuration (基本配置), IP whitelist (IP白名单); it counts after 5 to 10 minutes"
                );
                lines.push(line("address", Verdict::Wrong, what));
            }
            None if error.errcode().is_none() => {
                lines.push(line("WeChat", Verdict::Wrong, error.to_string()));
                let what = "nobody said whether the AppID and the AppSecret are right";
                lines.push(unknown("access_token", what));
            }
            None => lines.push(line("access_token", Verdict::Wrong, error.to_string())),
        },
    }
    lines.push(clock(config, api));
    (lines, token.is_ok())
}

/// Prints the lines below the output of `check`.
pub(in crate::cli) fn print(out: &mut Output, lines: &[Line]) -> Result<(), Failure> {
    let width = lines.iter().map(|line| line.what.len()).max().unwrap_or(0);
    for line in lines {
        out.line(&format!(
            "{:width$}  {:7}  {}",
            line.what, line.verdict, line.detail
        ))?;
    }
    Ok(())
}

/// Whether something needs to be fixed.
pub(in crate::cli) fn is_wrong(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.verdict == Verdict::Wrong)
}

/// Our address as the platform sees it, from its record of a refused request.
fn address(api: &Client) -> Line {
    let refused = api.openapi_quota_get(NO_PATH);
    let client_ip = match refused {
        Err(ApiError::Platform { rid: Some(rid), .. }) => api
            .openapi_rid_get(&rid)
            .ok()
            .and_then(|request| request.client_ip)
            .filter(|address| !address.is_empty()),
        Ok(_) | Err(_) => None,
    };
    match client_ip {
        Some(address) => ok("address", format!("WeChat sees {address}")),
        None => unknown(
            "address",
            "WeChat does not tell which it sees; it takes calls from it",
        ),
    }
}

fn clock(config: &Config, api: &Client) -> Line {
    let Some(ahead) = api.clock_difference() else {
        return unknown("clock", "no answer told WeChat's time");
    };
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let seconds = ahead.unsigned_abs();
    if seconds == 0 {
        return ok("clock", "agrees with WeChat's");
    }
    if ahead.abs() <= CLOCK {
        return ok("clock", format!("{seconds} s {side} WeChat's"));
    }
    let skew = config.server.max_clock_skew;
    let refused = if !skew.is_zero() && seconds >= skew.as_secs() {
        "so that all pushes are refused"
    } else {
        "and pushes are refused from that on"
    };
    let what = format!(
        "{seconds} s {side} WeChat's: set it, and keep it by NTP; server.max_clock_skew is {}, {refused}",
        show_duration(skew)
    );
    line("clock", Verdict::Wrong, what)
}

fn callback(api: &Client) -> Line {
    let check = match api.callback_check(CheckAction::All) {
        Ok(check) => check,
        Err(error) => return refusal("callback", &error),
    };
    let CallbackCheck { dns, ping } = check;
    if dns.is_empty() {
        let what = "the name in the console's URL has no address: check its DNS record";
        return line("callback", Verdict::Wrong, what);
    }
    let addresses: Vec<&str> = dns.iter().map(|found| found.ip.as_str()).collect();
    let addresses = addresses.join(", ");
    let answered = |loss: &Option<String>| loss.as_deref().is_some_and(|loss| loss != "100%");
    match ping.iter().find(|ping| answered(&ping.package_loss)) {
        Some(ping) => {
            let time = ping.time.as_deref().unwrap_or("an unknown time");
            ok("callback", format!("{addresses}, reached in {time}"))
        }
        None => ok(
            "callback",
            format!("{addresses}; pings are not answered, which alone does no harm"),
        ),
    }
}

fn menu(api: &Client) -> Line {
    let own = match api.menu_get() {
        Ok(own) => own,
        Err(error) => return refusal("menu", &error),
    };
    if let Some(menus) = own {
        let conditional = menus.conditional.len();
        let buttons = menus.button.len();
        let what = format!(
            "{}, {}",
            counted(buttons, "button"),
            counted(conditional, "conditional menu")
        );
        return ok("menu", what);
    }
    match api.get_current_selfmenu_info() {
        Ok(shown) if shown.is_menu_open && !shown.button.is_empty() => ok(
            "menu",
            format!(
                "{}, made in the console; `wechatd menu pull` prints them as configuration",
                counted(shown.button.len(), "button")
            ),
        ),
        Ok(_) => line(
            "menu",
            Verdict::No,
            "there is none; write one into the configuration, `wechatd menu apply` makes it",
        ),
        Err(error) => refusal("menu", &error),
    }
}

fn refusal(what: &'static str, error: &ApiError) -> Line {
    let verdict = match error.errcode() {
        Some(errcode) if NOT_YOURS.contains(&errcode) => Verdict::No,
        Some(_) | None => Verdict::Wrong,
    };
    line(what, verdict, error.to_string())
}

pub(super) fn ok(what: impl Into<String>, detail: impl Into<String>) -> Line {
    line(what, Verdict::Ok, detail)
}

fn unknown(what: impl Into<String>, detail: impl Into<String>) -> Line {
    line(what, Verdict::Unknown, detail)
}

pub(super) fn line(what: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Line {
    Line {
        what: what.into(),
        verdict,
        detail: detail.into(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::No => "no",
            Verdict::Wrong => "wrong",
            Verdict::Unknown => "unknown",
        })
    }
}
