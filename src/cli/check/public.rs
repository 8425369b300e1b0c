//! `wechatd check --online`: asks for pages of the web part at their public address, as a browser and the console do.

use std::time::Duration;

use super::online::{Line, Verdict, line, ok};
use crate::config::{Config, VerifyFile, WebUrl};
use crate::outbound::{NetworkCause, Outbound, OutboundError, Request};
use crate::percent;
use crate::visible::Visible;

/// The most that is read of an answer, in bytes: more than any that is expected.
const MOST: u64 = 128 << 10;

/// An answer to a GET.
struct Answer {
    status: u16,
    reason: &'static str,
    location: Option<String>,
    body: Vec<u8>,
}

/// Tries the routes, the JS-SDK and the verify files; nothing where there is no web part.
pub(super) fn look(config: &Config) -> Vec<Line> {
    let Some(url) = &config.web.url else {
        return Vec::new();
    };
    let outbound = match Outbound::new() {
        Ok(outbound) => outbound,
        Err(error) => return vec![line("web", Verdict::Wrong, error.to_string())],
    };
    let get = |path: &str| get(&outbound, &format!("{url}{path}"), config.api.timeout);
    let mut lines = vec![routes(url, &config.web.path, get)];
    if let Some((app_id, _)) = config.api_rights() {
        lines.push(jsapi(url, &config.web.path, app_id, get));
    }
    let files = config.web.verify_files.iter();
    lines.extend(files.map(|file| verify_file(file, get)));
    lines
}

/// Whether the routes are reached: without a session one of them names the log-in.
fn routes(url: &WebUrl, prefix: &str, get: impl Fn(&str) -> Result<Answer, OutboundError>) -> Line {
    let path = format!("{prefix}/me");
    let expected = |answer: &Answer| {
        let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let login = json.as_ref().and_then(|json| json["login"].as_str());
        answer.status == 401
            && login.is_some_and(|login| login.starts_with(&format!("{url}{prefix}/login")))
    };
    match get(&path) {
        Ok(answer) if expected(&answer) => {
            ok(path, format!("{url} leads to a server with this web.url"))
        }
        Ok(answer) => wrong(&path, &answer),
        Err(error) => no_answer(&path, &error),
    }
}

/// Whether a page is signed for the JS-SDK.
fn jsapi(
    url: &WebUrl,
    prefix: &str,
    app_id: &str,
    get: impl Fn(&str) -> Result<Answer, OutboundError>,
) -> Line {
    let path = format!("{prefix}/jsapi");
    let page = percent::encode(&format!("{url}/"));
    let is_signed = |answer: &Answer| {
        let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let is_ours =
            |json: serde_json::Value| json["appId"] == app_id && json["signature"].is_string();
        answer.status == 200 && json.is_some_and(is_ours)
    };
    match get(&format!("{path}?url={page}")) {
        Ok(answer) if is_signed(&answer) => ok(path, "a page is signed for the JS-SDK"),
        Ok(answer) if answer.status == 503 => {
            let what = "no page is signed for the JS-SDK: there is no ticket; the log says why";
            line(path, Verdict::No, what)
        }
        Ok(answer) => wrong(&path, &answer),
        Err(error) => no_answer(&path, &error),
    }
}

/// Whether a verify file is answered as the console wants it: its text and nothing else.
fn verify_file(file: &VerifyFile, get: impl Fn(&str) -> Result<Answer, OutboundError>) -> Line {
    let path = file.path();
    match get(&path) {
        Ok(answer) if answer.status == 200 && answer.body == file.content.as_bytes() => {
            ok(path, "its text is answered")
        }
        Ok(answer) => wrong(&path, &answer),
        Err(error) => no_answer(&path, &error),
    }
}

fn get(outbound: &Outbound, url: &str, timeout: Duration) -> Result<Answer, OutboundError> {
    let response = outbound.send(&Request {
        url,
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        timeout,
        redirects: 0,
    })?;
    let mut answer = Answer {
        status: response.status(),
        reason: response.reason(),
        location: response.header("location").map(str::to_owned),
        body: Vec::new(),
    };
    response.into_body().read_rest(MOST, &mut answer.body)?;
    Ok(answer)
}

fn wrong(path: &str, answer: &Answer) -> Line {
    let what = match (answer.status, &answer.location) {
        (300..=399, Some(location)) => format!(
            "leads to {}; let the proxy hand this path to wechatd itself, before any log-in",
            Visible(location)
        ),
        (404, _) => "404 Not Found: let the proxy hand this path to wechatd, and restart or reload it after a change of the configuration".to_owned(),
        (200 | 401, _) => "something else answers; let the proxy hand this path to wechatd".to_owned(),
        (status, _) => format!("answered {status} {}: is wechatd running?", answer.reason),
    };
    line(path, Verdict::Wrong, what)
}

fn no_answer(path: &str, error: &OutboundError) -> Line {
    let verdict = match error {
        OutboundError::Network(
            NetworkCause::Timeout(_) | NetworkCause::ConnectTimeout | NetworkCause::Unreachable(_),
        ) => Verdict::Unknown,
        OutboundError::Network(
            NetworkCause::Dns(_)
            | NetworkCause::Tls(_)
            | NetworkCause::Refused
            | NetworkCause::Closed
            | NetworkCause::Other(_),
        )
        | OutboundError::Address
        | OutboundError::Answer(_) => Verdict::Wrong,
    };
    let what = match verdict {
        Verdict::Unknown => {
            format!("{error}; some networks do not let a machine reach its own public address")
        }
        Verdict::Ok | Verdict::No | Verdict::Wrong => error.to_string(),
    };
    line(path, verdict, what)
}
