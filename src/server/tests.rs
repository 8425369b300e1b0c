//! Routes and handlers without a socket, and slow handlers behind a real guard.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

use super::callback::refusal;
use super::http::outbox::{Collect, Deferred, Given, Outbox};
use super::http::reply::Reply;
use super::http::request::{Method, Request};
use super::http::response::Response;
use super::router::Runs;
use super::routes::{Caller, Path, Route};
use super::*;
use crate::clock;
use crate::wechat::sign;

const TOKEN: &str = "testToken2026";

/// How long a handler may take in these tests.
const SLOW: Duration = Duration::from_secs(2);

/// Longer than anything takes; only reached when a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The product's own routes, and two that take long.
const WITH_SLOW_ROUTES: &[Route] = &[
    ROUTES[0],
    ROUTES[1],
    ROUTES[2],
    Route {
        path: Path::Exactly("/slow"),
        methods: &[Method::Get],
        caller: Caller::Anyone,
        runs: Runs::Apart,
        handler: |_, _, _| {
            thread::sleep(SLOW);
            Ok(Reply::Now(Response::text(200, "slow")))
        },
    },
    Route {
        path: Path::Exactly("/later"),
        methods: &[Method::Get],
        caller: Caller::Anyone,
        runs: Runs::OnWorker,
        handler: |_, _, _| {
            Ok(Reply::later(|deferred| {
                assert!(deferred.wait());
                thread::spawn(move || {
                    thread::sleep(SLOW);
                    deferred.answer(Response::text(200, "later"));
                });
            }))
        },
    },
];

/// The program without its threads, in a folder of its own.
pub(super) fn site(settings: &str) -> (TempDir, Arc<Site>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wechat.conf");
    let rule = "[[rule]]\nmessage = \"text\"\ntext = \"hello\"\n";
    let text =
        format!("account.token = \"{TOKEN}\"\nserver.listen = \"127.0.0.1:0\"\n{settings}\n{rule}");
    std::fs::write(&file, text).unwrap();
    let app = App::new(Config::load(&file).unwrap()).unwrap();
    let site = Site::new(Arc::new(app), Arc::default()).unwrap();
    (folder, Arc::new(site))
}

/// A validly signed query.
fn signed(nonce: &str) -> String {
    let timestamp = clock::unix_seconds().to_string();
    let signature = sign(&[TOKEN, &timestamp, nonce]);
    format!("signature={signature}&timestamp={timestamp}&nonce={nonce}")
}

fn message(number: u32) -> String {
    format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>o{number}</FromUserName><CreateTime>1700000000</CreateTime>\
         <MsgType>text</MsgType><Content>hi</Content><MsgId>{number}</MsgId></xml>"
    )
}

/// The answer to one request: status, headers and body.
fn ask(router: &Router<Site>, method: Method, target: &str, body: &str) -> (u16, String) {
    answer(router, Request::of(method, target, &[], body))
}

/// The same for any request.
pub(super) fn answer(router: &Router<Site>, request: Request) -> (u16, String) {
    answer_where(1, router, request)
}

/// The same where so many may wait.
pub(super) fn answer_where(
    max_waiting: usize,
    router: &Router<Site>,
    request: Request,
) -> (u16, String) {
    let asked = format!("{request:?}");
    let (wake, woken) = channel();
    let outbox = Arc::new(Outbox::new(move || wake.send(()).unwrap_or_default()));
    outbox.set_max_waiting(max_waiting);
    assert!(outbox.rest());
    let deferred = Deferred::new(outbox.open(0), &outbox);
    router.handle(request, deferred);
    woken.recv_timeout(PATIENCE).unwrap();
    let mut given = Vec::new();
    outbox.collect(Collect::All, &mut given);
    match given.pop() {
        Some((_, Given::Answer(response))) => {
            let mut bytes = Vec::new();
            response.write(&mut bytes, "D", http::response::Persistence::Stays, false);
            (
                response.status,
                String::from_utf8_lossy(&bytes).into_owned(),
            )
        }
        other => panic!("{asked}: {other:?}"),
    }
}

#[test]
fn a_request_finds_its_route_by_path_and_method() {
    let (_folder, site) = site("");
    let router = Router::with(site, ROUTES).unwrap();
    for (method, target, status, said) in [
        (Method::Get, "/healthz", 200, "\r\n\r\nok"),
        (Method::Head, "/healthz", 200, ""),
        (Method::Post, "/healthz", 405, "Allow: GET, HEAD\r\n"),
        (Method::Get, "/healthz/", 404, "not found"),
        (Method::Get, "/", 404, "not found"),
        (Method::Other, "/nowhere", 404, "not found"),
        (Method::Get, "/wechat", 403, "Bad Token!"),
        (Method::Head, "/wechat", 405, "Allow: GET, POST\r\n"),
        (Method::Other, "/wechat?a=b", 405, "Allow: GET, POST\r\n"),
    ] {
        let answer = ask(&router, method, target, "");
        assert_eq!(answer.0, status, "{method:?} {target}");
        assert!(answer.1.contains(said), "{method:?} {target}: {}", answer.1);
    }
}

#[test]
fn the_callback_is_verified_and_answers_a_push_after_its_commit() {
    let (_folder, site) = site("");
    let router = Router::with(Arc::clone(&site), ROUTES).unwrap();
    let target = format!("/wechat?{}&echostr=echo", signed("1"));
    assert!(
        ask(&router, Method::Get, &target, "")
            .1
            .ends_with("\r\n\r\necho")
    );
    let target = format!("/wechat?{}", signed("2"));
    let (status, answer) = ask(&router, Method::Post, &target, &message(1));
    assert_eq!(status, 200);
    assert!(
        answer.contains("<Content><![CDATA[hello]]></Content>"),
        "{answer}"
    );
    assert_eq!(
        ask(
            &router,
            Method::Post,
            &format!("/wechat?{}", signed("3")),
            "{"
        )
        .0,
        400
    );
    // Elsewhere it gets a plain 404.
    let target = format!("/?{}", signed("4"));
    assert_eq!(ask(&router, Method::Post, &target, &message(2)).0, 404);
}

#[test]
fn who_may_not_ask_is_refused_before_the_handler_runs() {
    let (_folder, site) = site("server.allow_ips = [\"203.0.113.0/24\"]");
    let router = Router::with(site, ROUTES).unwrap();
    let target = format!("/wechat?{}", signed("1"));
    assert_eq!(ask(&router, Method::Post, &target, &message(1)).0, 403);
    assert_eq!(ask(&router, Method::Get, "/healthz", "").0, 200);
}

#[test]
fn every_route_with_a_path_of_its_own_is_closed_to_the_callback() {
    for route in ROUTES {
        if let Path::Exactly(path) = route.path {
            let (text, file) = (
                format!("server.path = {path:?}"),
                tempfile::tempdir().unwrap(),
            );
            let file = file.path().join("wechat.conf");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            let refused = Config::load(&file).unwrap_err().to_string();
            assert!(refused.contains("server.path"), "{path}: {refused}");
        }
    }
}

#[test]
fn a_refusal_says_no_more_than_it_has_to() {
    let mut bodies: Vec<Response> = [
        Refused::WrongSignature,
        Refused::TimestampOff(7),
        Refused::Undecryptable("a secret".to_owned()),
    ]
    .iter()
    .map(refusal)
    .collect();
    bodies.dedup();
    assert_eq!(bodies, [Response::text(403, "Bad Token!")]);
}

/// Sends a request and reads its answer, on a connection of its own.
fn exchange(address: &Listen, request: &str) -> String {
    let Listen::Tcp(address) = address else {
        panic!("not TCP");
    };
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_hundred_slow_requests_delay_no_push() {
    let (folder, site) = site("");
    let limits = Limits::of(&site.app.live().config.server);
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let (lanes, requests) = Lanes::start(2, folder.path()).unwrap();
    let (events, _happened) = channel();
    let reports = Reporter {
        events,
        refusals: Arc::default(),
        stall: Arc::clone(site.callback().stall()),
    };
    let router = Router::with(Arc::clone(&site), WITH_SLOW_ROUTES).unwrap();
    let guard = Guard::start(listener, lanes, limits, Arc::default(), reports).unwrap();
    let handle = move |request, deferred| router.handle(request, deferred);
    let workers = Workers::start(2, requests, guard.outbox(), handle).unwrap();
    let address = guard.local_addr();
    thread::scope(|scope| {
        let slow: Vec<_> = (0..100)
            .map(|number| {
                let path = if number % 2 == 0 { "/slow" } else { "/later" };
                let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
                scope.spawn(move || exchange(address, &request))
            })
            .collect();
        let mut took: Vec<Duration> = (1..=20)
            .map(|number| {
                let (query, body) = (signed(&number.to_string()), message(number));
                let request = format!(
                    "POST /wechat?{query} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let begun = Instant::now();
                assert!(exchange(address, &request).starts_with("HTTP/1.1 200 "));
                begun.elapsed()
            })
            .collect();
        took.sort();
        // The median, because a busy machine may be slow now and then.
        assert!(took[10] < Duration::from_millis(100), "{took:?}");
        let answers: Vec<String> = slow.into_iter().map(|one| one.join().unwrap()).collect();
        let (later, pooled): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer.ends_with("\r\n\r\nlater"));
        assert_eq!(later.len(), 50);
        let done = |answer: &&&String| answer.ends_with("\r\n\r\nslow");
        assert_eq!(pooled.iter().filter(done).count(), 50);
    });
    guard.stop(PATIENCE);
    workers.stop();
    drop(folder);
}
