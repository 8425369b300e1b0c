//! Handlers of the web part behind the table of routes, without sockets.

mod people;

use std::collections::BTreeSet;
use std::time::Duration;

use tempfile::TempDir;

use super::pages::Language;
use super::*;
use crate::api::token_cache::JSAPI_TICKET;
use crate::clock;
use crate::login::cookie::{FlowDigest, SessionToken};
use crate::login::gate::Refusal;
use crate::percent;
use crate::secret::Secret;
use crate::server::http::peer::Peer;
use crate::server::http::request::Method;
use crate::server::http::response::Persistence;
use crate::server::router::Router;
use crate::server::routes::{Path, ROUTES, Site};
use crate::server::tests::{answer, answer_where, site};
use crate::store::{KeptToken, NewSession};
use crate::wechat::sign_page;

/// A server with web pages, a gate for everybody in WeChat and one for followers, the first.
const SETTINGS: &str = "
account.app_id = \"wx7a9c0e1f2b3d4c5e\"
account.app_secret = \"0123456789abcdef0123456789abcdef\"
api.base_url = \"http://127.0.0.1:9\"
web.url = \"https://example.com\"
server.trusted_proxies = [\"10.0.0.1\"]
[[gate]]
name = \"members\"
who = \"followers\"
[[gate]]
name = \"all\"
who = \"anyone\"
";

const WECHAT: (&str, &str) = ("User-Agent", "Mozilla/5.0 MicroMessenger/8.0.50");
const OWN: (&str, &str) = ("Origin", "https://example.com");

const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "203.0.113.9";

type Headers<'a> = &'a [(&'static str, &'a str)];

struct Server {
    _folder: TempDir,
    site: Arc<Site>,
    router: Router<Site>,
}

/// An answer as written.
struct Answer {
    status: u16,
    text: String,
}

fn server() -> Server {
    let (folder, site) = site(SETTINGS);
    Server {
        _folder: folder,
        router: Router::with(Arc::clone(&site), ROUTES).unwrap(),
        site,
    }
}

impl Server {
    /// Asks as this peer.
    fn ask_as(&self, peer: &str, method: Method, target: &str, headers: Headers<'_>) -> Answer {
        let mut request = Request::of(method, target, headers, "");
        request.peer = peer.parse::<Peer>().unwrap();
        let (status, text) = answer(&self.router, request);
        Answer { status, text }
    }

    /// Asks while as many requests wait as may.
    fn ask_where_nothing_may_wait(&self, target: &str) -> Answer {
        let request = Request::of(Method::Get, target, &[], "");
        let (status, text) = answer_where(0, &self.router, request);
        Answer { status, text }
    }

    fn get(&self, target: &str, headers: Headers<'_>) -> Answer {
        self.ask_as(PROXY, Method::Get, target, headers)
    }

    fn post(&self, target: &str, headers: Headers<'_>) -> Answer {
        self.ask_as(PROXY, Method::Post, target, headers)
    }

    /// The header `Cookie` of somebody who has logged in.
    fn logged_in(&self, openid: &str) -> String {
        let now = clock::unix_seconds();
        let token = SessionToken::random().unwrap();
        let session = NewSession {
            token_hash: token.hash().0,
            openid: openid.to_owned(),
            unionid: None,
            method: "oauth".to_owned(),
            created_at: now,
            expires_at: now + 3_600,
            address: None,
            agent: None,
        };
        self.site.app.store.begin_session(session, None).unwrap();
        let set = self.cookies().set_session(&token, Duration::from_secs(1));
        set.split(';').next().unwrap().to_owned()
    }

    fn cookies(&self) -> Cookies {
        Cookies::of(self.site.app.live().config.web.url.as_ref().unwrap())
    }
}

impl Answer {
    fn of(response: &Response) -> Answer {
        let mut bytes = Vec::new();
        response.write(&mut bytes, "D", Persistence::Stays, false);
        Answer {
            status: response.status,
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    #[track_caller]
    fn is(&self, status: u16) -> &Answer {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    fn has(&self, part: &str) -> &Answer {
        assert!(self.text.contains(part), "no {part:?} in {}", self.text);
        self
    }

    #[track_caller]
    fn lacks(&self, part: &str) -> &Answer {
        assert!(!self.text.contains(part), "{part:?} in {}", self.text);
        self
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[track_caller]
    fn says_what_all_say(&self) -> &Answer {
        self.has("X-Content-Type-Options: nosniff\r\n")
            .has("Cache-Control: no-store\r\n")
            .has("Referrer-Policy: same-origin\r\n")
    }

    #[track_caller]
    fn leads_to(&self, address: &str) -> &Answer {
        assert_eq!(self.header("Location"), Some(address), "{}", self.text);
        self
    }

    /// A page as it has to be.
    #[track_caller]
    fn is_page(&self, status: u16) -> &Answer {
        self.is(status).has("<!DOCTYPE html><html lang=\"");
        let policy = self.header("Content-Security-Policy").unwrap();
        let nonce = policy.split("style-src 'nonce-").nth(1).unwrap();
        let nonce = nonce.split('\'').next().unwrap();
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; img-src 'self' data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
                 connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
        );
        self.has(&format!("<style nonce=\"{nonce}\">"));
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap();
        assert!(body.len() < 30_000, "{} bytes", body.len());
        for outside in ["url(", "@import", "style=\""] {
            self.lacks(outside);
        }
        for (names, inside) in [
            ("src=", "src=\"data:"),
            ("<link", "<link rel=\"icon\" href=\"data:"),
        ] {
            let named = body.matches(names).count();
            assert_eq!(named, body.matches(inside).count(), "{body}");
        }
        self
    }
}

#[test]
fn without_a_web_address_there_is_nothing_of_it() {
    let (_folder, site) = site("");
    let router = Router::with(site, ROUTES).unwrap();
    for path in [
        "/wx",
        "/wx/",
        "/wx/auth",
        "/wx/gate/members",
        "/wx/login",
        "/wx/back",
        "/wx/me",
        "/wx/logout",
        "/MP_verify_aBcD1234.txt",
    ] {
        let request = Request::of(Method::Get, path, &[], "");
        assert_eq!(answer(&router, request).0, 404, "{path}");
    }
}

#[test]
fn whatever_is_answered_below_the_path_it_says_what_all_answers_say() {
    let server = server();
    let methods = [Method::Get, Method::Head, Method::Post, Method::Other];
    let mut targets: BTreeSet<String> = ["", "/", "/x", "/x/y?z", "/scan/", "/p/"]
        .map(|end| format!("/wx{end}"))
        .into();
    for route in ROUTES {
        match route.path {
            Path::Callback | Path::Exactly(_) | Path::VerifyFile => {}
            Path::Web(end) | Path::Gate(end) => {
                targets.extend(["", "/", "/all", "/nobody"].map(|name| format!("/wx{end}{name}")));
            }
            Path::Named(end) => {
                targets.extend(["1", "1/2"].map(|name| format!("/wx{end}{name}")));
            }
        }
    }
    let mut statuses = BTreeSet::new();
    for (n, target) in targets.iter().enumerate() {
        // Each from an address of its own, and with a form of ours and none.
        let stranger = format!("2001:db8:{n}::1");
        for (method, headers) in methods
            .iter()
            .flat_map(|method| [(*method, &[][..]), (*method, &[OWN])])
        {
            let answer = server.ask_as(&stranger, method, target, headers);
            statuses.insert(answer.status);
            answer.says_what_all_say();
        }
    }
    for _ in 0..100 {
        server.ask_as(STRANGER, Method::Get, "/wx/me", &[]);
    }
    server
        .ask_as(STRANGER, Method::Get, "/wx/me", &[])
        .is(429)
        .says_what_all_say();
    let all = [200, 201, 303, 400, 401, 403, 404, 405];
    assert!(
        all.iter().all(|status| statuses.contains(status)),
        "{statuses:?}"
    );
    // There is no room for the request.
    let busy = server.ask_where_nothing_may_wait("/wx/back");
    busy.is(503).has("Retry-After: 1\r\n").says_what_all_say();
    // Not ours: the owner's app, if anything.
    for target in ["/", "/wxyz", "/docs"] {
        server.get(target, &[]).is(404).lacks("Cache-Control");
    }
}

#[test]
fn each_route_takes_its_methods() {
    let server = server();
    for (method, target, status) in [
        (Method::Get, "/wx/auth", 401),
        (Method::Other, "/wx/auth/all", 401),
        (Method::Post, "/wx/gate", 401),
        (Method::Head, "/wx/login", 200),
        (Method::Get, "/wx/me", 401),
        (Method::Get, "/wx/logout", 200),
        (Method::Get, "/wx/auth/nobody", 404),
        (Method::Get, "/wx/gate/", 404),
        (Method::Get, "/wx/login/members/more", 404),
    ] {
        server.ask_as(STRANGER, method, target, &[]).is(status);
    }
    for (method, target, allow) in [
        (Method::Post, "/wx/login", "GET, HEAD"),
        (Method::Post, "/wx/me", "GET, HEAD"),
        (Method::Other, "/wx/logout", "GET, HEAD, POST"),
        (Method::Get, "/wx/scan", "POST"),
        (Method::Head, "/wx/scan/1", "GET, POST"),
    ] {
        let answer = server.ask_as(STRANGER, method, target, &[]);
        answer.is(405).has(&format!("Allow: {allow}\r\n"));
    }
    for target in [
        "/wx",
        "/wx/",
        "/wx/authx",
        "/wx/scan/",
        "/wx/scan/1",
        "/wx/scan/1/2",
        "/auth",
    ] {
        server.get(target, &[]).is(404);
    }
}

#[test]
fn who_passes_is_told_with_seven_headers_none_of_them_empty() {
    let server = server();
    let cookie = server.logged_in("oVisitorOne");
    let asked = [("Cookie", cookie.as_str())];
    let answer = server.get("/wx/auth/all", &asked);
    answer.is(200);
    for (name, value) in [
        ("Remote-User", "oVisitorOne"),
        ("X-WeChat-Openid", "oVisitorOne"),
        ("X-WeChat-Subscribed", "0"),
        ("X-WeChat-Unionid", "-"),
        ("X-WeChat-Nickname", "-"),
        ("X-WeChat-Method", "oauth"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{}", answer.text);
    }
    let session = answer.header("X-WeChat-Session").unwrap();
    assert_eq!(session.len(), 12);
    let again = server.logged_in("oVisitorOne");
    let other = server.get("/wx/auth/all", &[("Cookie", again.as_str())]);
    assert_ne!(other.header("X-WeChat-Session"), Some(session));
    server
        .get("/wx/gate/all", &asked)
        .is(200)
        .has("X-WeChat-Openid: oVisitorOne\r\n");
    // Not a follower.
    for path in ["/wx/auth", "/wx/auth/members", "/wx/gate"] {
        server.get(path, &asked).is(403).lacks("oVisitorOne");
    }
}

#[test]
fn query_and_body_decide_nothing_at_the_checks() {
    let server = server();
    let cookie = server.logged_in("oVisitorOne");
    for headers in [&[("Cookie", cookie.as_str())][..], &[]] {
        for path in ["/wx/auth/members", "/wx/auth/all", "/wx/gate/members"] {
            let plain = server.get(path, headers);
            let with_query = server.get(&format!("{path}?gate=all&to=//evil.test"), headers);
            assert_eq!(plain.text, with_query.text);
            let posted = server.post(&format!("{path}?a=b"), headers);
            assert_eq!(plain.text, posted.text);
        }
    }
}

#[test]
fn who_is_not_logged_in_is_told_where_to() {
    let server = server();
    let asked = |peer: &str, headers: Headers<'_>| {
        let login = server.ask_as(peer, Method::Get, "/wx/auth/all", headers);
        login.is(401);
        login.header("X-WeChat-Login").unwrap().to_owned()
    };
    let forwarded = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "example.com"),
        ("X-Forwarded-Uri", "/docs?a=1&b=2"),
    ];
    let login = |to: &str| format!("https://example.com/wx/login/all?to={to}");
    assert_eq!(asked(PROXY, &forwarded), login("%2Fdocs%3Fa%3D1%26b%3D2"));
    assert_eq!(asked(PROXY, &forwarded[..2]), login("%2F"));
    // Strangers are not believed.
    assert_eq!(asked(STRANGER, &forwarded), login("%2F"));
    for (name, value) in [
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Uri", "//evil.test"),
        ("X-Forwarded-Uri", "/\\evil.test"),
        ("X-Forwarded-Uri", "https://evil.test"),
    ] {
        let mut headers = forwarded;
        for header in &mut headers {
            if header.0 == name {
                header.1 = value;
            }
        }
        assert_eq!(asked(PROXY, &headers), login("%2F"), "{name}: {value}");
    }
    // The first gate is in force where none is named.
    let unnamed = server.get("/wx/auth", &[]);
    unnamed.has("X-WeChat-Login: https://example.com/wx/login/members?to=%2F\r\n");
}

#[test]
fn a_page_is_led_to_the_log_in_and_a_script_gets_the_401() {
    let server = server();
    let html = ("Accept", "text/html,application/xhtml+xml");
    let by_script = ("X-Requested-With", "XMLHttpRequest");
    for (peer, headers, status) in [
        (PROXY, &[("Sec-Fetch-Mode", "navigate")][..], 302),
        (PROXY, &[html], 302),
        (STRANGER, &[html], 302),
        (PROXY, &[html, ("X-Forwarded-Method", "HEAD")], 302),
        (PROXY, &[html, ("X-Forwarded-Method", "POST")], 401),
        (PROXY, &[html, by_script], 401),
        (PROXY, &[html, ("Sec-Fetch-Mode", "cors")], 401),
        (PROXY, &[("Accept", "*/*")], 401),
        (PROXY, &[], 401),
    ] {
        let answer = server.ask_as(peer, Method::Get, "/wx/gate/all", headers);
        answer.is(status);
        let login = "https://example.com/wx/login/all?to=%2F";
        match status {
            302 => answer.leads_to(login),
            _ => answer.has(&format!("X-WeChat-Login: {login}\r\n")),
        };
    }
    let cookie = ("Cookie", &*server.logged_in("oVisitorOne"));
    server.get("/wx/gate", &[cookie, html]).is_page(403);
    let plain = server.get("/wx/gate", &[cookie]);
    plain.is(403).has("Content-Type: text/plain");
}

#[test]
fn a_script_learns_who_its_visitor_is() {
    let server = server();
    let cookie = server.logged_in("oVisitorOne");
    let answer = server.get("/wx/me", &[("Cookie", &cookie)]);
    let (_, body) = answer.is(200).text.split_once("\r\n\r\n").unwrap();
    let me: serde_json::Value = serde_json::from_str(body).unwrap();
    let since = me["since"].as_i64().unwrap();
    assert_eq!(
        me,
        serde_json::json!({
            "openid": "oVisitorOne", "subscribed": false, "nickname": null, "headimgurl": null, "unionid": null,
            "tags": [], "method": "oauth", "since": since, "expires": since + 3_600,
        })
    );
    answer.lacks("Access-Control");
    for (referer, to) in [
        ("https://example.com/docs?a=1", "%2Fdocs%3Fa%3D1"),
        ("https://evil.test/", "%2F"),
    ] {
        let login = format!("https://example.com/wx/login/members?to={to}");
        let body = serde_json::json!({ "error": "not_logged_in", "login": login }).to_string();
        server
            .get("/wx/me", &[("Referer", referer)])
            .is(401)
            .has(&body);
    }
}

#[test]
fn a_page_is_signed_with_the_ticket_that_is_there() {
    let server = server();
    let target = "/wx/jsapi?url=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%23d";
    let keep = |value: &str, life: i64| {
        let token = KeptToken {
            value: Secret::new(value),
            expires_at: clock::unix_seconds() + life,
        };
        let store = &server.site.app.store;
        store.keep_token(JSAPI_TICKET, &token).unwrap();
    };
    let none = server.get(target, &[]);
    none.is(503).has("Retry-After: 5\r\n");
    keep("TICKET_1", -1);
    server.get(target, &[]).is(503);
    for ticket in ["TICKET_2", "TICKET_3"] {
        keep(ticket, 60);
        let answer = server.get(target, &[]);
        answer.is(200).has("Cache-Control: no-store\r\n");
        let (_, body) = answer.text.split_once("\r\n\r\n").unwrap();
        let signed: serde_json::Value = serde_json::from_str(body).unwrap();
        let nonce = signed["nonceStr"].as_str().unwrap();
        let timestamp = signed["timestamp"].as_i64().unwrap();
        let signature = sign_page(ticket, nonce, timestamp, "https://example.com/a?b=c");
        assert_eq!(
            signed,
            serde_json::json!({
                "appId": "wx7a9c0e1f2b3d4c5e", "timestamp": timestamp, "nonceStr": nonce, "signature": signature,
            })
        );
    }
    server.get("/wx/jsapi?url=https://evil.test/", &[]).is(403);
    server.get("/wx/jsapi?url=//example.com/", &[]).is(400);
    server.get("/wx/jsapi", &[]).is(400);
}

#[test]
fn an_address_has_its_rate_and_a_proxy_asks_for_all() {
    let server = server();
    let status = |peer: &str, target: &str, headers: Headers<'_>| {
        let answer = server.ask_as(peer, Method::Get, target, headers);
        if answer.status == 429 {
            answer
                .has("Retry-After: 1\r\n")
                .has("Cache-Control: no-store\r\n");
        }
        answer.status
    };
    let admitted = |peer: &str, target: &str, headers: Headers<'_>| {
        (0..130)
            .filter(|_| status(peer, target, headers) != 429)
            .count()
    };
    // A few more may be admitted while this runs.
    let burst = 100..115;
    assert!(burst.contains(&admitted(STRANGER, "/wx/logout", &[])));
    assert_eq!(status(STRANGER, "/wx/auth", &[]), 429);
    assert_eq!(status("203.0.113.10", "/wx/auth", &[]), 401);
    assert_eq!(admitted(PROXY, "/wx/auth", &[]), 130);
    assert_eq!(admitted(PROXY, "/wx/gate", &[]), 130);
    let client = [("X-Forwarded-For", "198.51.100.1")];
    assert!(burst.contains(&admitted(PROXY, "/wx/logout", &client)));
    // The callback and the health check are another part.
    assert_eq!(status(STRANGER, "/healthz", &[]), 200);
}
