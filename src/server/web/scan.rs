//! The log-in by a scanned or typed code: it begins, tells how it stands, and is completed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::pages::qr_code;
use super::session::NoSession;
use super::{Web, unavailable};
use crate::api::errcode;
use crate::api::qrcode::{Life, Scene};
use crate::app::Live;
use crate::clock;
use crate::config::{Gate, Method};
use crate::login::cookie::Flow;
use crate::login::return_to::ReturnTo;
use crate::login::scan::{NewLogIn, NotBegun, Page, Stand, Taken, Waiting, scene};
use crate::server::callback::not_found;
use crate::server::form::value;
use crate::server::http::client::ClientAddress;
use crate::server::http::outbox::Deferred;
use crate::server::http::reply::Reply;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::store::Ending;

/// How long a request waits for a log-in to change. Reverse proxies wait for 60 s by default.
const POLL: Duration = Duration::from_secs(25);

/// How long a QR code works, a little longer than its log-in: the platform's clock may be another.
const QR_CODE: Life = Life::Temporary(300);

/// How long it is remembered that the account may not make QR codes, in seconds.
const REMEMBERED: i64 = 7 * 24 * 3_600;

/// A request that waits for a log-in to change.
struct Poll(Deferred);

impl Waiting for Poll {
    fn is_awaited(&self) -> bool {
        self.0.is_awaited()
    }

    fn answer(self: Box<Self>, stand: Stand) {
        self.0.answer(told(stand));
    }
}

impl Web {
    /// Whether a scanned or typed code is a way through this gate.
    pub fn offers_scan(&self, live: &Live, gate: &Gate) -> bool {
        let methods = gate.methods.unwrap_or(live.config.login.methods);
        methods.include(Method::Scan)
    }

    /// `scan`: begins a log-in. Calls the platform.
    pub fn begin_scan(&self, live: &Live, request: &Request) -> Response {
        let form = str::from_utf8(&request.body).unwrap_or_default();
        let mut gates = live.config.gates.iter();
        let gate = match value(form, "gate") {
            "" => gates.next(),
            name => gates.find(|gate| gate.name == name),
        };
        if !gate.is_some_and(|gate| self.offers_scan(live, gate)) {
            return not_found();
        }
        let Ok(flow) = self.flow(request) else {
            return unavailable();
        };
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        let (_, site) = self.url.origin.split_once("://").unwrap_or_default();
        let agent = request.header("User-Agent").unwrap_or_default();
        let begun = self.app.scans.begin(
            NewLogIn {
                flow: flow.digest(),
                network: network(from),
                page: Page::new(site, agent, &from.to_string()),
                to: ReturnTo::of_value(value(form, "to"), &self.url),
            },
            Instant::now(),
        );
        let begun = match begun {
            Ok(begun) => begun,
            Err(NotBegun::TooManyHere) => {
                return Response::text(429, "too many log-ins from this address")
                    .with("Retry-After", "60");
            }
            Err(NotBegun::Full) => return unavailable_for("30"),
            Err(NotBegun::NoRandomNumbers | NotBegun::Store(_)) => return unavailable(),
        };
        let qr = match begun.may_have_qr_code {
            true => self.ask_for_qr_code(&Scene::Text(scene(&begun.id)), QR_CODE),
            false => None,
        };
        let stand = self
            .app
            .scans
            .stand(&begun.id, flow.digest(), Instant::now());
        let stand = stand.ok().flatten();
        let left = stand.map_or(Duration::ZERO, |(_, left)| left);
        let body = json!({
            "id": begun.id,
            "qr": qr,
            "svg": qr.as_deref().and_then(|qr| Some(qr_code(qr)?.into_string())),
            "code": begun.code,
            "word": live.config.login.word,
            "number": null,
            "expires_in": left.as_millis().div_ceil(1_000),
        });
        json_answer(201, &body).with("Set-Cookie", self.cookies.set_flow(&flow))
    }

    /// What a new QR code says; `None`: there is none, and people type the code to log in. Calls the platform.
    pub fn ask_for_qr_code(&self, scene: &Scene, life: Life) -> Option<String> {
        let api = self.app.api.as_ref()?;
        let now = clock::unix_seconds();
        let may_make = self.app.store.read(|reader| reader.may_make_qr_codes(now));
        if !may_make.unwrap_or(false) || !self.app.scans.qr_codes.may_ask(Instant::now()) {
            return None;
        }
        match api.qrcode_create(scene, life) {
            Ok(code) => Some(code.url),
            Err(error) if error.errcode() == Some(errcode::UNAUTHORIZED) => {
                log::warn!(
                    "web: the account may not make QR codes (48001): people log in by typing the code; tried again in a week, or after `wechatd check --online`"
                );
                let noted = self.app.store.lacks_qr_codes(now + REMEMBERED);
                noted
                    .inspect_err(|error| log::warn!("web: that cannot be noted: {error}"))
                    .ok();
                None
            }
            Err(error) => {
                log::warn!("web: no QR code to log in by, people can type the code: {error}");
                self.app.scans.qr_codes.pause(Instant::now());
                None
            }
        }
    }

    /// `scan/ID`: how a log-in stands, at once or when it stands otherwise than the browser knows.
    pub fn scan_stands(&self, request: &Request) -> Reply {
        let (_, query) = request.path_and_query();
        let Some((flow, id)) = self.flow_and_id(request) else {
            return Reply::Now(not_found());
        };
        let (stand, left) = match self.app.scans.stand(id, flow.digest(), Instant::now()) {
            Ok(Some(found)) => found,
            Ok(None) => return Reply::Now(not_found()),
            Err(_) => return Reply::Now(unavailable()),
        };
        let id = id.to_owned();
        if value(query, "state") != stand.name() {
            return Reply::Now(told(stand));
        }
        let app = Arc::clone(&self.app);
        Reply::later(move |deferred: Deferred| {
            let until = Instant::now() + POLL.min(left);
            let unchanged = told(stand);
            match deferred.hold_until(until, unchanged.clone()) {
                true => {
                    let poll = Box::new(Poll(deferred));
                    app.scans.wait(&id, stand, poll, Instant::now());
                }
                // No place: the page asks again.
                false => drop(deferred.answer(unchanged)),
            }
        })
    }

    /// `scan/ID`: the browser gets its session. Writes.
    pub fn complete_scan(&self, live: &Live, request: &Request) -> Response {
        let Some((flow, id)) = self.flow_and_id(request) else {
            return not_found();
        };
        let taken = self.app.scans.take(id, flow.digest(), Instant::now());
        let (openid, to, row) = match taken {
            Ok(Taken::Person { openid, to, row }) => (openid, to, row),
            Ok(Taken::Unknown) => return not_found(),
            Ok(Taken::NotApproved) => return not_approved(),
            Err(_) => return unavailable(),
        };
        let follower = self.app.store.read(|reader| reader.follower(&openid));
        let begun = follower.map_err(|_| NoSession::Unavailable);
        let begun = begun.and_then(|follower| {
            let unionid = follower.and_then(|follower| follower.unionid);
            let (openid, row) = (openid.clone(), row.as_deref());
            self.begin_session(live, request, openid, unionid, Method::Scan, row)
        });
        match begun {
            // The push came between the two, when there was no session yet that it could end.
            Ok(_) if !self.app.scans.still_counts(id) => {
                match self.app.store.end_sessions(Ending::Of(openid)) {
                    Ok(_) => not_approved(),
                    Err(_) => unavailable(),
                }
            }
            Ok(cookie) => json_answer(200, &json!({ "to": to.location(&self.url) }))
                .with("Set-Cookie", cookie),
            Err(NoSession::NotApproved) => not_approved(),
            Err(NoSession::Unavailable) => {
                self.app.scans.give_back(id);
                unavailable()
            }
        }
    }

    /// The flow cookie of a request, and the id in its path.
    fn flow_and_id<'a>(&self, request: &'a Request) -> Option<(Flow, &'a str)> {
        let (path, _) = request.path_and_query();
        let id = self.below(path)?.strip_prefix("/scan/")?;
        Some((self.cookies.flow(request.header("Cookie"))?, id))
    }
}

/// What counts as one address: hosts in IPv6 have whole networks to themselves.
fn network(from: ClientAddress) -> Option<IpAddr> {
    match from {
        ClientAddress::Ip(address @ IpAddr::V4(_)) => Some(address),
        ClientAddress::Ip(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Some(IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
        }
        ClientAddress::Local | ClientAddress::Unknown => None,
    }
}

fn told(stand: Stand) -> Response {
    json_answer(
        200,
        &json!({ "state": stand.name(), "number": stand.number() }),
    )
}

fn not_approved() -> Response {
    Response::text(409, "not approved")
}

fn json_answer(status: u16, value: &serde_json::Value) -> Response {
    Response::of_type("application/json; charset=utf-8", status, value.to_string())
}

fn unavailable_for(seconds: &'static str) -> Response {
    Response::text(503, "unavailable").with("Retry-After", seconds)
}
