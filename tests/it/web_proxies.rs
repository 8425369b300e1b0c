//! Pages behind the real nginx and the real Caddy with the snippets that `wechatd proxy` prints. Where such a program is
//! not installed its tests say so and pass.

use crate::proxy::HEADERS;
use crate::support::account::RULES;
use crate::support::browser::{Browser, code, location, offered, on};
use crate::support::endpoint::bound_socket;
use crate::support::http::Address;
use crate::support::operator::link;
use crate::support::receiver::answer;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

const GATES: &str = "
[[gate]]
name = \"members\"
who = \"followers\"

[[gate]]
name = \"all\"
who = \"anyone\"
";

/// What ends the proxy when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// An app behind a proxy that asks the server about every request to it.
struct Site {
    // Fields are dropped in this order.
    _proxy: Proxy,
    account: Account,
    app: Receiver,
    address: SocketAddr,
    url: String,
    _platform: Platform,
}

impl Site {
    /// Starts all of it; `None` where the proxy is not installed.
    #[track_caller]
    fn behind(program: &str) -> Option<Self> {
        Self::with(program, Setup::new())
    }

    /// The same with this configuration of the server.
    #[track_caller]
    fn with(program: &str, setup: Setup) -> Option<Self> {
        let version = match program {
            "nginx" => "-v",
            _ => "version",
        };
        if Command::new(program).arg(version).output().is_err() {
            eprintln!("no {program} here, skipped");
            return None;
        }
        let platform = Platform::start();
        let app = Receiver::start();
        app.answers(|_| answer("200 OK", "Content-Type: text/plain\r\n", "the app"));
        // It is bound until the proxy listens, so that the port is nobody else's.
        let (socket, address) = bound_socket();
        let url = format!("http://{address}");
        let page = setup.folder().join("operator.sock");
        let account = setup
            .platform(&platform)
            .set("admin.listen", &format!("\"unix:{}\"", page.display()))
            .set("admin.url", &format!("\"{url}/admin\""))
            .set("web.url", &format!("\"{url}\""))
            .set("web.rate", "1000")
            .rules(&format!("{RULES}{GATES}"))
            .start();
        let Address::Tcp(server) = account.address() else {
            panic!("the server has a port");
        };
        let snippet = account.command(&["proxy", program]).ok().stdout.clone();
        let snippet = snippet
            .replace("127.0.0.1:0", &server.to_string())
            .replace("127.0.0.1:3000", &app.address().to_string());
        let mut command = match program {
            "nginx" => nginx(account.folder(), &snippet, address),
            _ => caddy(account.folder(), &snippet, &url),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, log) = (child.stderr.take().unwrap(), account.log().clone());
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                log.push(line);
            }
        });
        let mut proxy = Proxy(child);
        eventually("the proxy listens", account.log(), || {
            let ended = proxy.0.try_wait().unwrap();
            assert!(ended.is_none(), "{program} ended\n{}", account.log());
            TcpStream::connect(address).is_ok()
        });
        drop(socket);
        Some(Self {
            _proxy: proxy,
            account,
            app,
            address,
            url,
            _platform: platform,
        })
    }

    /// A browser without any cookie.
    fn browser(&self) -> Browser<'_> {
        Browser::new(&self.account).through(Address::Tcp(self.address), &self.url)
    }

    /// A follower's browser, which has come through the log-in.
    #[track_caller]
    fn follower(&self) -> (Browser<'_>, String) {
        let fan = another_fan();
        self.account.post(&subscribe().from(&fan)).is_status(200);
        let browser = self.browser();
        self.log_in(&browser, &fan, "/");
        (browser, fan)
    }

    /// Opens a page, is led to the log-in and through it, and comes back to that page.
    #[track_caller]
    fn log_in(&self, browser: &Browser<'_>, openid: &str, page: &str) {
        let led = browser.get(page);
        led.is_status(302);
        let back = browser.begin(&on(&self.url, &location(&led)), &code(openid));
        let done = browser.get(&back);
        assert_eq!(location(done.is_status(303)), format!("{}{page}", self.url));
    }

    /// What the app got with its last request under any spelling of our headers.
    #[track_caller]
    fn seen_by_the_app(&self) -> BTreeMap<String, String> {
        let call = self.app.calls().pop().expect("a request to the app");
        let ours = HEADERS.map(str::to_ascii_lowercase);
        let is_ours = |name: &String| ours.contains(&name.replace('_', "-"));
        let headers = call.headers.into_iter();
        headers.filter(|(name, _)| is_ours(name)).collect()
    }
}

/// The printed snippet in a configuration of its own; it listens on this machine only.
fn nginx(folder: &Path, snippet: &str, address: SocketAddr) -> Command {
    let listen = format!("listen {};", address.port());
    assert!(snippet.contains(&listen), "{snippet}");
    let snippet = snippet.replace(&listen, &format!("listen {address};"));
    std::fs::write(folder.join("snippet.conf"), snippet).unwrap();
    let mut main =
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\nhttp {\naccess_log off;\n"
            .to_owned();
    // Those that are compiled in are root's.
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        main += &format!("{kind}_temp_path {kind};\n");
    }
    main += "include snippet.conf;\n}\n";
    std::fs::write(folder.join("nginx.conf"), main).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
    nginx.arg(folder);
    nginx
}

/// The same for Caddy.
fn caddy(folder: &Path, snippet: &str, url: &str) -> Command {
    let site = format!("{url} {{\n");
    assert!(snippet.contains(&site), "{snippet}");
    let snippet = snippet.replace(&site, &format!("{site}    bind 127.0.0.1\n"));
    let file = folder.join("Caddyfile");
    std::fs::write(&file, format!("{{\n    admin off\n}}\n{snippet}")).unwrap();
    let mut caddy = Command::new("caddy");
    // It writes its own configuration into the home folder.
    caddy.env("HOME", folder).env("XDG_CONFIG_HOME", folder);
    caddy.env("XDG_DATA_HOME", folder);
    caddy.args(["run", "--adapter", "caddyfile", "--config"]);
    caddy.arg(file);
    caddy
}

/// A request that a script of the page sends.
fn fetch(target: &str) -> Request {
    Request::new("GET", target)
        .header("Sec-Fetch-Mode", "cors")
        .header("Accept", "*/*")
}

/// Every way to write a name with `-` and `_`.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in name.split('-') {
        let longer = |start: &String| match start.as_str() {
            "" => vec![part.to_owned()],
            start => vec![format!("{start}-{part}"), format!("{start}_{part}")],
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[track_caller]
fn visitors_are_led_to_the_log_in_and_the_app_learns_who_they_are(program: &str) {
    let Some(site) = Site::behind(program) else {
        return;
    };
    let page = "/docs?a=1&b=//2";
    let browser = site.browser();
    let led = browser.get(page);
    let login = format!(
        "{}/wx/login/members?to=%2Fdocs%3Fa%3D1%26b%3D%2F%2F2",
        site.url
    );
    assert_eq!(location(led.is_status(302)).replace("%2f", "%2F"), login);
    let script = browser.send(fetch("/data.json"));
    script.is_status(401);
    script.expect(script.header("location").is_none(), "no redirect");
    let fan = another_fan();
    site.account.post(&subscribe().from(&fan)).is_status(200);
    site.log_in(&browser, &fan, page);
    assert_eq!(site.app.calls().len(), 0);

    browser.get(page).is(200, "the app");
    let seen = site.seen_by_the_app();
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert_eq!(seen["remote-user"], fan);
    assert_eq!(seen["x-wechat-openid"], fan);
    assert_eq!(seen["x-wechat-subscribed"], "1");
    assert_eq!(seen["x-wechat-unionid"], format!("u{fan}"));
    assert_eq!(seen["x-wechat-nickname"], "-");
    assert_eq!(seen["x-wechat-method"], "oauth");
    assert_eq!(seen["x-wechat-session"].len(), 12);
    browser.send(fetch("/data.json")).is(200, "the app");
    assert_eq!(site.seen_by_the_app(), seen);
    // A form arrives whole, and its body is not held back by the check.
    let form = "x".repeat(100_000);
    browser.post("/order", &form).is(200, "the app");
    let order = site.app.calls().pop().unwrap();
    assert_eq!(
        (order.method.as_str(), order.path.as_str()),
        ("POST", "/order")
    );
    assert_eq!(order.body, form);

    // Who leaves is out with the next request; who never followed is known, and stays out.
    site.account.post(&unsubscribe().from(&fan)).is_status(200);
    browser.get(page).is_status(302);
    let stranger = site.browser();
    site.log_in(&stranger, "oStranger", "/");
    stranger.get(page).is_status(403);
    stranger.send(fetch("/data.json")).is_status(403);
    assert_eq!(site.app.calls().len(), 3);
    // The routes of the server go past the check.
    stranger.get("/wx/me").is_status(200);
    let push = text("hello").request("/wechat", TOKEN);
    stranger.send(push).is_status(200);
}

#[track_caller]
fn threat_14_no_visitor_writes_the_headers_that_the_app_believes(program: &str) {
    let Some(site) = Site::behind(program) else {
        return;
    };
    let (browser, fan) = site.follower();
    browser.get("/").is_status(200);
    let ours = site.seen_by_the_app();
    assert_eq!((ours.len(), &ours["x-wechat-openid"]), (7, &fan));
    let all: Vec<String> = HEADERS.iter().flat_map(|name| spellings(name)).collect();
    assert_eq!(all.len(), 26);
    let cases = [
        str::to_owned,
        str::to_ascii_lowercase as fn(&str) -> String,
        str::to_ascii_uppercase,
    ];
    for case in cases {
        let mut together = Request::new("GET", "/");
        for name in &all {
            let name = case(name);
            for forged in ["oForged", ""] {
                browser
                    .send(Request::new("GET", "/").header(&name, forged))
                    .is_status(200);
                assert_eq!(site.seen_by_the_app(), ours, "{name}: {forged}");
            }
            together = together.header(&name, "oForged").header(&name, "oAgain");
        }
        browser.send(together.clone()).is_status(200);
        assert_eq!(site.seen_by_the_app(), ours);
        // Nor do they log anybody in.
        site.browser().send(together).is_status(302);
    }
    // 3 times each name with two values and all together, and the first.
    assert_eq!(site.app.calls().len(), 3 * (2 * 26 + 1) + 1);
}

#[track_caller]
fn threat_15_neither_query_nor_forwarded_headers_of_a_visitor_decide(program: &str) {
    let Some(site) = Site::behind(program) else {
        return;
    };
    let asked = "?gate=all&to=//evil.test&openid=oForged";
    let (browser, fan) = site.follower();
    let page = format!("/docs{asked}");
    browser.get("/docs").is_status(200);
    let ours = site.seen_by_the_app();
    browser.get(&page).is_status(200);
    assert_eq!(site.seen_by_the_app(), ours);
    assert_eq!(ours["x-wechat-openid"], fan);
    // The query is the app's.
    assert_eq!(site.app.calls().pop().unwrap().query["to"], "//evil.test");
    // Not even for a gate that would let this person pass.
    let stranger = site.browser();
    site.log_in(&stranger, "oStranger", &page);
    stranger.get(&page).is_status(403);

    let login = |request: Request| {
        let led = site.browser().send(request);
        location(led.is_status(302))
    };
    let plain = login(Request::new("GET", "/docs"));
    assert_eq!(plain, format!("{}/wx/login/members?to=%2Fdocs", site.url));
    let forwarded = Request::new("GET", "/docs")
        .header("X-Forwarded-Uri", "/wx/logout")
        .header("X-Forwarded-Host", "evil.test")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Method", "POST");
    assert_eq!(login(forwarded), plain);
    let queried = login(Request::new("GET", &page));
    let (path, to) = queried.split_once("?to=").unwrap();
    assert_eq!(path, format!("{}/wx/login/members", site.url));
    assert_eq!(wechatd::percent::decode(to).unwrap(), page);
    assert_eq!(site.app.calls().len(), 2);
}

#[track_caller]
fn a_page_that_waits_for_the_scan_hears_of_it_at_once(program: &str) {
    // One waits at a time, so that the answer to one of two tells that the other has come through and waits.
    let Some(site) = Site::with(program, Setup::new().set("server.max_waiting", "1")) else {
        return;
    };
    let (account, fan) = (&site.account, another_fan());
    account.post(&subscribe().from(&fan)).is_status(200);
    let browser = site.browser();
    let begun = browser.post("/wx/scan", "gate=members&to=%2Fdocs");
    let begun: Value = serde_json::from_str(&begun.is_status(201).body()).unwrap();
    let id = begun["id"].as_str().unwrap();
    let (_, host) = site.url.split_once("://").unwrap();
    let flow = browser.cookie("wechatd-flow").unwrap();
    let poll = Request::new("GET", &format!("/wx/scan/{id}?state=waiting"))
        .header("Host", host)
        .header("Cookie", &format!("wechatd-flow={flow}"));
    let (answered, answers) = mpsc::channel();
    for _ in 0..2 {
        let mut wire = Wire::connect(&Address::Tcp(site.address)).unwrap();
        wire.send(&poll.bytes()).unwrap();
        let answered = answered.clone();
        std::thread::spawn(move || answered.send(wire.response()));
    }
    let heard = || -> Value {
        let response = answers.recv().unwrap().unwrap();
        serde_json::from_slice(&response.body).unwrap()
    };
    assert_eq!(heard(), json!({"state": "waiting", "number": null}));
    let scanned = account.post(&scan(&format!("login-{id}")).from(&fan));
    let (asked, heard) = (scanned.reply().content, heard());
    assert_eq!(heard["state"], "scanned");
    let number = heard["number"].to_string();
    assert!(offered(&asked).contains(&number), "{asked}");
    account.post(&text(&number).from(&fan)).is_status(200);
    let done = browser.post(&format!("/wx/scan/{id}"), "");
    done.is(
        200,
        &json!({"to": format!("{}/docs", site.url)}).to_string(),
    );
    browser.get("/docs").is(200, "the app");
    let seen = site.seen_by_the_app();
    assert_eq!(
        (&seen["remote-user"], &*seen["x-wechat-method"]),
        (&fan, "scan")
    );
}

#[track_caller]
fn the_operators_page_is_reached_past_the_gate(program: &str) {
    let Some(site) = Site::behind(program) else {
        return;
    };
    let browser = site.browser();
    browser.get(&link(&site.account)).is_status(200);
    let asked = browser.get("/admin/");
    assert!(location(asked.is_status(303)).ends_with("/admin/login"));
    let without_a_slash = browser.get("/admin");
    let status = without_a_slash.response.status;
    without_a_slash.expect([301, 303].contains(&status), "a redirect");
    assert!(location(&without_a_slash).contains("/admin/"));
    // What only begins with the same letters is the app's.
    let led = browser.get("/administration");
    assert!(location(led.is_status(302)).contains("/wx/login/members"));
    assert_eq!(site.app.calls().len(), 0);
}

mod nginx {
    #[test]
    fn visitors_are_led_to_the_log_in_and_the_app_learns_who_they_are() {
        super::visitors_are_led_to_the_log_in_and_the_app_learns_who_they_are("nginx");
    }

    #[test]
    fn threat_14_no_visitor_writes_the_headers_that_the_app_believes() {
        super::threat_14_no_visitor_writes_the_headers_that_the_app_believes("nginx");
    }

    #[test]
    fn a_page_that_waits_for_the_scan_hears_of_it_at_once() {
        super::a_page_that_waits_for_the_scan_hears_of_it_at_once("nginx");
    }

    #[test]
    fn threat_15_neither_query_nor_forwarded_headers_of_a_visitor_decide() {
        super::threat_15_neither_query_nor_forwarded_headers_of_a_visitor_decide("nginx");
    }

    #[test]
    fn the_operators_page_is_reached_past_the_gate() {
        super::the_operators_page_is_reached_past_the_gate("nginx");
    }
}

mod caddy {
    #[test]
    fn visitors_are_led_to_the_log_in_and_the_app_learns_who_they_are() {
        super::visitors_are_led_to_the_log_in_and_the_app_learns_who_they_are("caddy");
    }

    #[test]
    fn threat_14_no_visitor_writes_the_headers_that_the_app_believes() {
        super::threat_14_no_visitor_writes_the_headers_that_the_app_believes("caddy");
    }

    #[test]
    fn a_page_that_waits_for_the_scan_hears_of_it_at_once() {
        super::a_page_that_waits_for_the_scan_hears_of_it_at_once("caddy");
    }

    #[test]
    fn threat_15_neither_query_nor_forwarded_headers_of_a_visitor_decide() {
        super::threat_15_neither_query_nor_forwarded_headers_of_a_visitor_decide("caddy");
    }

    #[test]
    fn the_operators_page_is_reached_past_the_gate() {
        super::the_operators_page_is_reached_past_the_gate("caddy");
    }
}
