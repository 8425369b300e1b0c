//! A fake platform on a free port: it issues tokens, knows profiles, records every call, and fails on demand, one path
//! at a time.
//!
//! An unknown path gets an errcode and is recorded with the name of the sample that would describe it, so that a test of
//! a new call reports what is missing.

mod articles;
mod comments;
pub mod connection;
mod content;
mod outgoing;
mod statistics;

pub use articles::Together;
pub use connection::{APP_ID, APP_SECRET, Call};
pub use content::Piece;
pub use statistics::days_ago;

use super::agents::Agents;
use super::desk::Desk;
use super::endpoint::Endpoint;
use super::forms::Forms;
use super::people::People;
use connection::{Reply, Then};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How a call fails.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It does not: the regular answer, so that only a later call fails.
    None,
    /// HTTP 200 with this `errcode` and `errmsg`.
    Errcode(i64, &'static str),
    /// HTTP 502 with a page of HTML.
    BadGateway,
    /// HTTP 404 with a page of HTML.
    NotFound,
    /// HTTP 200 with truncated JSON.
    Truncated,
    /// HTTP 200 with exactly this body.
    Body(String),
    /// No answer until [`Platform::release`], then the regular one.
    Hang,
    /// The connection closes without an answer.
    Closed,
    /// The change is made, but the connection closes without an answer.
    Lost,
    /// HTTP 302 to this address.
    Redirect(String),
    /// A head, then a byte every 50 ms without end.
    Trickle,
    /// A head, then bytes at full speed without end.
    Endless,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    unknown: Vec<String>,
    faults: HashMap<String, VecDeque<Fault>>,
    standing: HashMap<String, Fault>,
    profiles: HashMap<String, String>,
    people: People,
    desk: Desk,
    agents: Agents,
    forms: Forms,
    callback_ips: Vec<String>,
    token: u64,
    expires_in: i64,
    released: u64,
    outgoing: outgoing::Outgoing,
    content: content::Content,
    statistics: statistics::Statistics,
    comments: comments::Comments,
    articles: articles::Articles,
}

struct Shared {
    state: Mutex<State>,
    release: Condvar,
}

/// The fake platform; it stops when dropped.
pub struct Platform {
    shared: Arc<Shared>,
    endpoint: Endpoint,
}

impl Platform {
    /// Starts it; tokens are valid for two hours.
    pub fn start() -> Self {
        let state = State {
            token: 1,
            expires_in: 7200,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            release: Condvar::new(),
        });
        let answered = shared.clone();
        let endpoint = Endpoint::start(move |call| answer(call, &answered));
        Self { shared, endpoint }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.endpoint.address())
    }

    /// The next call of `path` fails this way; several faults apply to successive calls.
    pub fn fault(&self, path: &str, fault: Fault) {
        let mut state = self.shared.state.lock().unwrap();
        state
            .faults
            .entry(path.into())
            .or_default()
            .push_back(fault);
    }

    /// Every call of `path` fails this way until [`Platform::heal`].
    pub fn always(&self, path: &str, fault: Fault) {
        let mut state = self.shared.state.lock().unwrap();
        state.standing.insert(path.into(), fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.faults.clear();
        state.standing.clear();
    }

    /// Lets all hanging calls continue.
    pub fn release(&self) {
        self.shared.state.lock().unwrap().released += 1;
        self.shared.release.notify_all();
    }

    /// Answers `user/info` for this person with exactly this text.
    pub fn profile(&self, openid: &str, json: &str) {
        let mut state = self.shared.state.lock().unwrap();
        state.profiles.insert(openid.into(), json.into());
    }

    /// Reads or changes the account's people.
    pub fn people<T>(&self, with: impl FnOnce(&mut People) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap().people)
    }

    /// Reads or changes agents, their sessions and records.
    pub fn agents<T>(&self, with: impl FnOnce(&mut Agents) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap().agents)
    }

    /// Reads or changes templates, notifications, the speed of mass messages and short keys.
    pub fn forms<T>(&self, with: impl FnOnce(&mut Forms) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap().forms)
    }

    /// Reads or changes the diagnostics (quotas, the callback as the platform sees it).
    pub fn desk<T>(&self, with: impl FnOnce(&mut Desk) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap().desk)
    }

    /// Sets the addresses and networks of `getcallbackip`.
    pub fn callback_ips(&self, list: &[&str]) {
        let mut state = self.shared.state.lock().unwrap();
        state.callback_ips = list.iter().map(|&entry| entry.to_owned()).collect();
    }

    /// Sets the lifetime of the tokens issued from now on, in seconds.
    pub fn tokens_live(&self, seconds: i64) {
        self.shared.state.lock().unwrap().expires_in = seconds;
    }

    /// From now on the current token is refused with 40001, and the next fetch gets a new one.
    pub fn retire_token(&self) {
        self.shared.state.lock().unwrap().token += 1;
    }

    /// The valid token.
    pub fn token(&self) -> String {
        token_text(self.shared.state.lock().unwrap().token)
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state.lock().unwrap().calls.clone()
    }

    /// The number of calls of `path`.
    pub fn count(&self, path: &str) -> usize {
        let calls = self.calls();
        calls.iter().filter(|call| call.path == path).count()
    }

    /// Reads or changes menus, media and messages.
    pub fn outgoing<T>(&self, look: impl FnOnce(&mut outgoing::Outgoing) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap().outgoing)
    }

    /// Reads or changes permanent material.
    pub fn content<T>(&self, look: impl FnOnce(&mut content::Content) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap().content)
    }

    /// Reads or changes drafts and what is published.
    pub fn articles<T>(&self, look: impl FnOnce(&mut articles::Articles) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap().articles)
    }

    /// Reads or changes comments below articles.
    pub fn comments<T>(&self, look: impl FnOnce(&mut comments::Comments) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap().comments)
    }

    /// Reads or changes what it has counted.
    pub fn statistics<T>(&self, look: impl FnOnce(&mut statistics::Statistics) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap().statistics)
    }

    /// The bodies of the calls of `path` so far, as JSON.
    pub fn bodies(&self, path: &str) -> Vec<Value> {
        let calls = self.calls();
        let of_path = calls.iter().filter(|call| call.path == path);
        of_path.map(Call::json).collect()
    }

    /// The number of calls for a token, of either kind.
    pub fn token_calls(&self) -> usize {
        self.count("/cgi-bin/stable_token") + self.count("/cgi-bin/token")
    }

    /// The number of calls for profiles, single or in batches.
    pub fn profile_calls(&self) -> usize {
        self.count("/cgi-bin/user/info") + self.count("/cgi-bin/user/info/batchget")
    }

    /// The number of calls for the profile of this person.
    pub fn profile_calls_for(&self, openid: &str) -> usize {
        let calls = self.calls();
        let asks = |call: &&Call| match call.path.as_str() {
            "/cgi-bin/user/info" => call.query.get("openid").is_some_and(|o| o == openid),
            "/cgi-bin/user/info/batchget" => call.body.contains(openid),
            _ => false,
        };
        calls.iter().filter(asks).count()
    }

    /// Unknown paths that were called, each with the sample that would describe it.
    pub fn unknown(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().unknown.clone()
    }

    /// Refuses new connections and breaks open ones.
    pub fn down(&self) {
        self.endpoint.down();
    }

    /// Listens again on the same port.
    pub fn up(&self) {
        self.endpoint.up();
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.down();
        self.release();
    }
}

/// Calls whose answer is a file unless it is JSON.
const FILES: [&str; 4] = [
    "/cgi-bin/media/get",
    "/cgi-bin/media/get/jssdk",
    "/cgi-bin/material/get_material",
    "/cgi-bin/showqrcode",
];

/// Records the call and returns the scripted fault or the regular answer.
fn answer(call: &Call, shared: &Shared) -> Reply {
    let mut state = shared.state.lock().unwrap();
    state.calls.push(call.clone());
    let scripted = state
        .faults
        .get_mut(&call.path)
        .and_then(VecDeque::pop_front);
    let page = |status, text| {
        let page = format!("<html><head><title>{status}</title></head><body>{text}</body></html>");
        Reply::http(status, "Content-Type: text/html\r\n", &page, Then::NextCall)
    };
    let forever = |piece, pause| Reply::Forever {
        start: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"errmsg\":\"".into(),
        piece,
        pause,
    };
    let body = match scripted.or_else(|| state.standing.get(&call.path).cloned()) {
        None | Some(Fault::None) => regular_answer(call, &mut state),
        Some(Fault::Errcode(code, text)) => errcode(code, text),
        Some(Fault::BadGateway) => return page("502 Bad Gateway", "nginx"),
        Some(Fault::NotFound) => return page("404 Not Found", "nginx"),
        Some(Fault::Truncated) => r#"{"access_token":"SYN_cut","expi"#.into(),
        Some(Fault::Body(body)) => body,
        Some(Fault::Closed) => return Reply::Bytes(Vec::new(), Then::Close),
        Some(Fault::Lost) => {
            regular_answer(call, &mut state);
            return Reply::Bytes(Vec::new(), Then::Close);
        }
        Some(Fault::Redirect(to)) => {
            return Reply::http(
                "302 Found",
                &format!("Location: {to}\r\n"),
                "",
                Then::NextCall,
            );
        }
        Some(Fault::Trickle) => return forever(vec![b'x'], Duration::from_millis(50)),
        Some(Fault::Endless) => return forever(vec![b'x'; 1 << 16], Duration::ZERO),
        Some(Fault::Hang) => {
            let before = state.released;
            state = shared
                .release
                .wait_while(state, |state| state.released == before)
                .unwrap();
            regular_answer(call, &mut state)
        }
    };
    let kind = match FILES.contains(&call.path.as_str()) && !body.starts_with('{') {
        true => "image/gif\r\nContent-disposition: attachment; filename=\"SYN.gif\"",
        false => "text/plain",
    };
    let headers = format!("Content-Type: {kind}\r\n{}", state.desk.date());
    Reply::http("200 OK", &headers, &body, Then::NextCall)
}

/// Paths that need an access_token.
const NEEDS_TOKEN: [&str; 4] = ["/cgi-bin/", "/customservice/", "/datacube/", "/wxaapi/"];

fn regular_answer(call: &Call, state: &mut State) -> String {
    let authorised = call.query.get("access_token") == Some(&token_text(state.token));
    if authorised && let Some(answer) = state.people.answer(call) {
        return answer;
    }
    if let Some(answer) = state.desk.answer(call, authorised) {
        return answer;
    }
    if let Some(answer) = state.content.answer(call, authorised) {
        return answer;
    }
    if authorised {
        let answer = state.agents.answer(call);
        let answer = answer.or_else(|| state.forms.answer(call));
        if let Some(answer) = answer
            .or_else(|| state.statistics.answer(call))
            .or_else(|| state.comments.answer(call))
            .or_else(|| state.articles.answer(call))
        {
            return answer;
        }
    }
    match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/cgi-bin/stable_token") => {
            let asked = call.json();
            let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
            if asked["force_refresh"] == Value::Bool(true) {
                state.token += 1;
            }
            issue_token(&text("grant_type"), &text("appid"), &text("secret"), state)
        }
        ("GET", "/cgi-bin/token") => {
            let text = |name: &str| call.query.get(name).cloned().unwrap_or_default();
            state.token += 1;
            issue_token(&text("grant_type"), &text("appid"), &text("secret"), state)
        }
        (_, path) if NEEDS_TOKEN.iter().any(|start| path.starts_with(start)) && !authorised => errcode(
            40001,
            "invalid credential, access_token is invalid or not latest",
        ),
        ("GET", "/cgi-bin/getcallbackip") => json!({"ip_list": state.callback_ips}).to_string(),
        ("GET", "/cgi-bin/ticket/getticket") => {
            json!({"errcode": 0, "errmsg": "ok", "ticket": "SYN_JSAPI_TICKET_1", "expires_in": 7200})
                .to_string()
        }
        ("GET", "/cgi-bin/user/info") => {
            let openid = call.query.get("openid").cloned().unwrap_or_default();
            profile_of(&openid, state).unwrap_or_else(|| errcode(40003, "invalid openid"))
        }
        ("POST", "/cgi-bin/user/info/batchget") => {
            let asked = call.json();
            let people = asked["user_list"].as_array().cloned().unwrap_or_default();
            if people.len() > 100 {
                return errcode(40032, "invalid openid list size");
            }
            let openids = people
                .iter()
                .map(|one| one["openid"].as_str().unwrap_or(""));
            let profiles: Option<Vec<String>> = openids.map(|o| profile_of(o, state)).collect();
            match profiles {
                Some(profiles) => format!("{{\"user_info_list\":[{}]}}", profiles.join(",")),
                None => errcode(40003, "invalid openid"),
            }
        }
        (_, path) => {
            if let Some(answer) = state.outgoing.answer(call) {
                return answer;
            }
            let name = path.trim_start_matches("/cgi-bin/").replace('/', "_");
            let wanted = format!("{} {path}: tests/samples/api/{name}.json", call.method);
            state.unknown.push(wanted);
            errcode(-404, "the fake platform does not know this path")
        }
    }
}

fn issue_token(grant_type: &str, appid: &str, secret: &str, state: &State) -> String {
    if grant_type != "client_credential" {
        return errcode(40002, "invalid grant_type");
    }
    if appid != APP_ID {
        return errcode(40013, "invalid appid");
    }
    if secret != APP_SECRET {
        return errcode(40125, "invalid appsecret");
    }
    let token = token_text(state.token);
    json!({"access_token": token, "expires_in": state.expires_in}).to_string()
}

/// The answer of `user/info`: the scripted text, or the shape that real accounts get since December 2021. `None` if the
/// OpenID does not look like one of this account.
fn profile_of(openid: &str, state: &State) -> Option<String> {
    if let Some(scripted) = state.profiles.get(openid) {
        return Some(scripted.clone());
    }
    let remark = state.people.remarks.get(openid);
    let remark = remark.map_or("VIP", String::as_str);
    let tags = state.people.tags_of(openid);
    let profile = json!({
        "subscribe": 1, "openid": openid, "nickname": "", "sex": 0, "language": "zh_CN", "city": "",
        "province": "", "country": "", "headimgurl": "", "subscribe_time": 1_767_000_000,
        "unionid": format!("u{openid}"), "remark": remark, "groupid": 0, "tagid_list": tags,
        "subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 98765, "qr_scene_str": "",
    });
    openid.starts_with('o').then(|| profile.to_string())
}

fn token_text(number: u64) -> String {
    format!("SYN_ACCESS_TOKEN_{number:06}_q8Zr2Lm5")
}

pub(super) fn errcode(code: i64, text: &str) -> String {
    let text = format!("{text} rid: 66f0a1b2-1c2d3e4f-5a6b7c8d");
    json!({"errcode": code, "errmsg": text}).to_string()
}

/// Tests of the fake itself: if it is wrong, every other test is wrong.
mod tests {
    use super::super::http::{Address, exchange};
    use super::super::{Log, Request, Wire};
    use super::*;

    fn ask_for_a_token(platform: &Platform) -> String {
        let target = format!(
            "/cgi-bin/token?grant_type=client_credential&appid={APP_ID}&secret={APP_SECRET}"
        );
        let address = Address::Tcp(platform.endpoint.address());
        exchange(&address, &Request::new("GET", &target), &Log::default()).body()
    }

    #[test]
    fn the_fake_platform_refuses_connections_while_down_and_returns_on_its_port() {
        let platform = Platform::start();
        for _ in 0..3 {
            assert!(ask_for_a_token(&platform).contains(&platform.token()));
            platform.down();
            let refused = Wire::connect(&Address::Tcp(platform.endpoint.address()));
            let kind = refused.err().map(|error| error.kind());
            assert_eq!(kind, Some(std::io::ErrorKind::ConnectionRefused));
            platform.up();
        }
        assert!(ask_for_a_token(&platform).contains(&platform.token()));
        assert_eq!(platform.token_calls(), 4);
    }

    #[test]
    fn the_fake_platform_fails_on_demand_and_then_answers() {
        let platform = Platform::start();
        platform.fault("/cgi-bin/token", Fault::Errcode(-1, "system error"));
        platform.fault("/cgi-bin/token", Fault::BadGateway);
        assert!(ask_for_a_token(&platform).contains("-1"));
        assert!(ask_for_a_token(&platform).contains("<html>"));
        assert!(ask_for_a_token(&platform).contains("access_token"));
        let address = Address::Tcp(platform.endpoint.address());
        let unknown = format!("/cgi-bin/draft/count?access_token={}", platform.token());
        exchange(&address, &Request::new("GET", &unknown), &Log::default()).is_status(200);
        assert_eq!(
            platform.unknown(),
            ["GET /cgi-bin/draft/count: tests/samples/api/draft_count.json"]
        );
    }
}
