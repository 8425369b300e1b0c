//! The guard in front of a real `tiny_http` with a trivial handler: the site under test and its client.
//!
//! `attacks` is what hostile and broken clients do, `service` what honest ones rely on, `holding` what becomes of
//! requests that are held.

mod attacks;
mod holding;
mod service;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::{Guard, Limits, Refusal, Reports};
use crate::config::Listen;
use crate::metrics::Counters;
use crate::server::guard::listener::Listener;
use crate::server::http::headers::FORWARDED_HEADER;
use crate::server::http::lanes::Lanes;
use crate::server::http::outbox::Deferred;
use crate::server::http::peer::Peer;
use crate::server::http::request::{Method, Request};
use crate::server::http::response::Response;
use crate::server::http::workers::Workers;

/// Far longer than anything takes; only reached when a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deadline that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

/// Limits under which nothing times out.
pub(super) fn unhurried() -> Limits {
    Limits {
        max_connections: 512,
        max_waiting: 256,
        request_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        max_head: 32 << 10,
        max_body: 1 << 20,
        answer_timeout: PATIENCE,
        held_timeout: PATIENCE,
        callback: "/wechat".into(),
    }
}

/// Limits under which an incomplete request soon times out.
fn hurried() -> Limits {
    Limits {
        request_timeout: SHORT,
        idle_timeout: SHORT,
        ..unhurried()
    }
}

/// A guard, lanes behind it and workers with a trivial handler.
struct Site {
    guard: Guard,
    counters: Arc<Counters>,
    workers: Option<Workers>,
    /// Requests for `/later`, to be answered by the test.
    requests: mpsc::Receiver<Deferred>,
    reported: mpsc::Receiver<Reported>,
}

/// What the guard has reported.
#[derive(Debug, PartialEq)]
enum Reported {
    Fatal(String),
    Late,
}

struct Reporter(mpsc::Sender<Reported>);

impl Reports for Reporter {
    fn fatal(&mut self, reason: String) {
        self.0.send(Reported::Fatal(reason)).ok();
    }

    fn refused(&mut self, _: Peer, _: Refusal, _: bool) {}

    fn late(&mut self) {
        self.0.send(Reported::Late).ok();
    }
}

/// A guard with this many lanes, and their other ends, with no `tiny_http` behind them.
fn bare_guard(lanes: usize) -> (Guard, Vec<UnixStream>, mpsc::Receiver<Reported>) {
    let (streams, theirs) = (0..lanes)
        .map(|_| UnixStream::pair().unwrap())
        .inspect(|(ours, _)| ours.set_nonblocking(true).unwrap())
        .unzip();
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let (sender, reported) = mpsc::channel();
    let (lanes, reporter) = (Lanes { streams }, Reporter(sender));
    let guard = Guard::start(listener, lanes, unhurried(), Arc::default(), reporter).unwrap();
    (guard, theirs, reported)
}

fn address(guard: &Guard) -> SocketAddr {
    match guard.local_addr() {
        Listen::Tcp(address) => *address,
        Listen::Unix(_) => panic!("not TCP"),
    }
}

impl Site {
    fn new(limits: Limits) -> Site {
        Site::with(limits, 8, &"127.0.0.1:0".parse().unwrap(), &[])
    }

    fn with(limits: Limits, lanes: usize, listen: &Listen, accept_faults: &[i32]) -> Site {
        let mut listener = Listener::bind(listen).unwrap();
        listener.faults = accept_faults
            .iter()
            .map(|code| io::Error::from_raw_os_error(*code))
            .collect();
        let (lanes, from_lanes) = Lanes::start(lanes, &std::env::temp_dir()).unwrap();
        let (sender, reported) = mpsc::channel();
        let (counters, reporter) = (Arc::default(), Reporter(sender));
        let guard = Guard::start(listener, lanes, limits, Arc::clone(&counters), reporter).unwrap();
        let (pass_on, requests) = mpsc::channel();
        let handle = move |request, deferred| handle(&request, deferred, &pass_on);
        let workers = Workers::start(4, from_lanes, guard.outbox(), handle).unwrap();
        Site {
            guard,
            counters,
            workers: Some(workers),
            requests,
            reported,
        }
    }

    fn client(&self) -> Client {
        Client::new(TcpStream::connect(address(&self.guard)).unwrap())
    }

    fn clients(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.client()).collect()
    }

    fn next_request(&self) -> Deferred {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    fn count(&self, counter: fn(&Counters) -> &AtomicU64) -> u64 {
        counter(&self.counters).load(Ordering::Relaxed)
    }

    /// Waits until a counter reaches a figure.
    #[track_caller]
    fn await_count(&self, counter: fn(&Counters) -> &AtomicU64, figure: u64) {
        let counters = &self.counters;
        eventually(&format!("{figure} (have {counters})"), || {
            self.count(counter) == figure
        });
    }

    /// Serves a push, or closes the connection before it has begun to answer.
    #[track_caller]
    fn serves_at_once(&self) -> bool {
        let mut client = self.client();
        let sent = client
            .socket
            .write_all(push("/wechat", "<xml/>").as_bytes());
        let begun = sent.and_then(|()| client.socket.peek(&mut [0]));
        begun.is_ok_and(|bytes| bytes > 0) && client.answer().status == 200
    }

    /// An honest client is served, at once and on a connection of its own.
    #[track_caller]
    fn serves(&self) {
        let mut client = self.client();
        client.send(push("/wechat", "<xml/>"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.line(0)), (200, "POST /wechat"));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.guard.stop(Duration::ZERO);
        self.workers.take().unwrap().stop();
    }
}

/// Waits for something that the guard does sooner or later.
#[track_caller]
fn eventually(what: &str, mut happens: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happens() {
        assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Answers with what it was asked, a line each: method and target, peer, X-Forwarded-For, body.
fn handle(request: &Request, deferred: Deferred, pass_on: &mpsc::Sender<Deferred>) {
    let delivered = match request.target.as_str() {
        "/later" => return pass_on.send(deferred).unwrap(),
        "/waiting" if deferred.wait() => return pass_on.send(deferred).unwrap(),
        "/waiting" => return,
        "/dropped" => return,
        "/panic" => panic!("what a test is about"),
        "/unread" => deferred.answer(Response::text(403, "Bad Token!")),
        "/large" => deferred.answer(Response::text(200, "x".repeat(8 * 1024 * 1024))),
        target => {
            let method = match request.method {
                Method::Other => "another method",
                known => known.name(),
            };
            let forwarded = request.header(FORWARDED_HEADER).unwrap_or_default();
            let body = String::from_utf8_lossy(&request.body);
            let peer = request.peer;
            deferred.answer(Response::text(
                200,
                format!("{method} {target}\n{peer}\n{forwarded}\n{body}"),
            ))
        }
    };
    log::debug!("delivered: {delivered}");
}

/// A whole POST.
fn push(target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Both kinds of socket a client can have.
trait Socket: Read + Write + Send {}
impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// An honest or hostile client, as the test writes it.
struct Client<S: Socket = TcpStream> {
    socket: S,
    /// Bytes received after the last answer.
    ahead: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn line(&self, number: usize) -> &str {
        self.body.split('\n').nth(number).unwrap_or("")
    }

    fn closes(&self) -> bool {
        self.head.contains("\r\nConnection: close\r\n")
    }
}

impl Client {
    fn new(socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            ahead: Vec::new(),
        }
    }

    /// Resets the connection instead of ending it.
    fn reset(self) {
        socket2::SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

impl<S: Socket> Client<S> {
    #[track_caller]
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    /// Reads one answer to its end.
    #[track_caller]
    fn answer_to(&mut self, head_only: bool) -> Answer {
        let end = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
        while end(&self.ahead).is_none() {
            self.read_more();
        }
        let head_len = end(&self.ahead).unwrap() + 4;
        let head: Vec<u8> = self.ahead.drain(..head_len).collect();
        let head = String::from_utf8(head).unwrap();
        let length = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = match length {
            Some(digits) if !head_only => digits.parse().unwrap(),
            _ => 0,
        };
        while self.ahead.len() < length {
            self.read_more();
        }
        let body: Vec<u8> = self.ahead.drain(..length).collect();
        Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    #[track_caller]
    fn read_more(&mut self) {
        let mut bytes = [0; 64 * 1024];
        let count = self.socket.read(&mut bytes).unwrap();
        let so_far = String::from_utf8_lossy(&self.ahead);
        assert!(count > 0, "closed in the middle of an answer: {so_far:?}");
        self.ahead.extend_from_slice(&bytes[..count]);
    }

    /// The guard refuses what was sent and closes.
    #[track_caller]
    fn is_refused(&mut self, status: u16) {
        let answer = self.answer();
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.closes(), "{answer:?}");
        self.is_closed();
    }

    /// Nothing more comes, and the connection has ended.
    #[track_caller]
    fn is_closed(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.ahead), "");
        match self.socket.read(&mut [0; 64]) {
            Ok(count) => assert_eq!(count, 0, "more came"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}
