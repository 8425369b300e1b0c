//! Attacks that bring down a bare `tiny_http`: the server stays small and keeps answering honest pushes.

use crate::support::account::{HELP, RULES};
use crate::support::*;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// `server.max_connections` in these tests.
const MAX_CONNECTIONS: usize = 256;
/// Resident memory that the server must not exceed under any attack, in KiB.
const MAX_RSS: usize = 64 * 1024;
/// A `server.request_timeout` longer than any test: an honest answer that arrives did not wait for an attacking
/// connection to time out.
const LONG: &str = "60s";

fn start(request_timeout: &str) -> Account {
    start_with_rules(request_timeout, RULES)
}

fn start_with_rules(request_timeout: &str, rules: &str) -> Account {
    Setup::new()
        .set("server.max_connections", &MAX_CONNECTIONS.to_string())
        .set("server.request_timeout", &format!("\"{request_timeout}\""))
        .rules(rules)
        .start()
}

/// An honest push is answered, and the server has not grown.
#[track_caller]
fn still_serves(account: &Account) {
    let answer = account.post(&text("hello"));
    answer.is_text(HELP);
    answer.expect(answer.took < IN_TIME, "an answer in time");
    let vitals = Vitals::of(account.pid());
    assert!(
        vitals.threads < MAX_CONNECTIONS + 32,
        "{vitals}\n{}",
        account.log()
    );
    assert!(
        vitals.fds < MAX_CONNECTIONS + 300,
        "{vitals}\n{}",
        account.log()
    );
    assert!(vitals.rss < MAX_RSS, "{vitals}\n{}", account.log());
    assert!(!account.log().has("panicked"), "{}", account.log());
}

/// Opens `count` connections and sends these bytes on each.
fn connections(account: &Account, count: usize, bytes: &[u8]) -> Vec<Wire> {
    (0..count)
        .filter_map(|_| {
            let mut wire = Wire::connect(account.address()).ok()?;
            // Fails where the server already closed it to make room.
            wire.send(bytes).ok();
            Some(wire)
        })
        .collect()
}

/// Waits until the server has closed all connections.
#[track_caller]
fn closes_all(account: &Account, before: Vitals) {
    eventually("all connections are closed", account.log(), || {
        // Not all descriptors: threads open the store for themselves soon after the start.
        Vitals::of(account.pid()).sockets <= before.sockets + 2
    });
}

#[test]
fn huge_and_malformed_lengths_are_refused_and_cost_nothing() {
    let account = start(LONG);
    for (length, status) in [
        ("4000000000000000000", 413),
        ("100000000000000000000", 413),
        ("99999999999999999999999999", 413),
        ("-1", 400),
        ("0x10", 400),
        ("+5", 400),
    ] {
        let target = format!("/wechat?{}", account.signed());
        let head = format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        for wire in &mut connections(&account, 5, head.as_bytes()) {
            assert_eq!(wire.response().map(|r| r.status), Ok(status), "{length}");
        }
        still_serves(&account);
    }
}

#[test]
fn stalled_and_trickling_bodies_block_nobody_and_time_out() {
    let account = start("2s");
    let before = Vitals::of(account.pid());
    let target = format!("/wechat?{}", account.signed());
    let head = format!("POST {target} HTTP/1.1\r\nContent-Length: 5000\r\n\r\n<xml>");
    let begun = Instant::now();
    let mut stalled = connections(&account, 50, head.as_bytes());
    let mut trickling = connections(&account, 50, head.as_bytes());
    while begun.elapsed() < Duration::from_millis(1_500) {
        // Before the honest push, which may take a while: a byte sent long after the refusal would reset the connection.
        for wire in &mut trickling {
            wire.send(b"x").ok();
        }
        still_serves(&account);
    }
    for wire in stalled.iter_mut().chain(&mut trickling) {
        assert_eq!(wire.response().map(|r| r.status), Ok(408));
        assert!(wire.is_closed_by_server());
    }
    closes_all(&account, before);
    still_serves(&account);
}

#[test]
fn two_thousand_idle_connections_are_limited_and_time_out() {
    let account = start("2s");
    let before = Vitals::of(account.pid());
    // Fewer where this process may not open so many files.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let count = 2_000.min(files.unwrap_or(1_024_usize).saturating_sub(500));
    let idle = connections(&account, count, b"");
    still_serves(&account);
    closes_all(&account, before);
    drop(idle);
    still_serves(&account);
}

#[test]
fn five_hundred_slow_heads_are_limited_and_time_out() {
    let account = start("2s");
    let before = Vitals::of(account.pid());
    let slow = connections(&account, 500, b"POST /wechat HTTP/1.1\r\nX-Slow: ");
    for _ in 0..10 {
        still_serves(&account);
    }
    closes_all(&account, before);
    drop(slow);
    still_serves(&account);
}

#[test]
fn an_endless_head_gets_431() {
    let account = start(LONG);
    for _ in 0..5 {
        let mut wire = connections(&account, 1, b"GET / HTTP/1.1\r\nX: ").remove(0);
        for _ in 0..1_000 {
            if wire.send(&[b'x'; 16_384]).is_err() {
                break;
            }
        }
        if let Ok(response) = wire.response() {
            assert_eq!(response.status, 431);
        }
        still_serves(&account);
    }
}

#[test]
fn a_client_that_pipelines_without_reading_is_cut_off() {
    // Long answers, because the kernel buffers megabytes for a client that does not read.
    let long = "long ".repeat(4_000);
    let article = format!(
        "news = [{{ title = \"A\", description = \"{long}\", pic_url = \"\", url = \"\" }}]"
    );
    let rules = format!("[[rule]]\nmessage = \"text\"\nequals = \"more\"\n{article}\n{RULES}");
    let account = start_with_rules("1s", &rules);
    let before = Vitals::of(account.pid());
    let request = text("more").request("/wechat", &account.token);
    let request = request.keep_alive().bytes().repeat(10);
    std::thread::scope(|scope| {
        let account = &account;
        let greedy: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut wire = Wire::connect(account.address()).unwrap();
                    let begun = Instant::now();
                    // Blocks when the server stops reading, fails when it cuts the connection.
                    while begun.elapsed() < PATIENCE && wire.send(&request).is_ok() {}
                    assert!(begun.elapsed() < PATIENCE, "never cut off");
                })
            })
            .collect();
        while greedy.iter().any(|greedy| !greedy.is_finished()) {
            still_serves(account);
        }
    });
    closes_all(&account, before);
    still_serves(&account);
}

/// More connections than the server allows, each pipelining thousands of requests and reconnecting when closed. Honest
/// pushes are answered meanwhile.
#[track_caller]
fn serves_while_requests_are_pipelined(attackers_read: bool) {
    let account = start(LONG);
    let http::Address::Tcp(address) = account.address() else {
        panic!("not TCP");
    };
    let burst = "GET / HTTP/1.1\r\n\r\n".repeat(4_000);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let connect = || {
                    let socket = std::net::TcpStream::connect(address).unwrap();
                    socket.set_nonblocking(true).unwrap();
                    (socket, 0)
                };
                let mut attackers: Vec<_> =
                    (0..MAX_CONNECTIONS / 4 + 20).map(|_| connect()).collect();
                while !over.load(Ordering::Relaxed) {
                    for (socket, sent) in &mut attackers {
                        let written = socket.write(&burst.as_bytes()[*sent..]);
                        let closed = match written {
                            Ok(count) => {
                                *sent = (*sent + count) % burst.len();
                                false
                            }
                            Err(error) => error.kind() != ErrorKind::WouldBlock,
                        };
                        let ended =
                            attackers_read && matches!(socket.read(&mut [0; 65_536]), Ok(0));
                        if closed || ended {
                            (*socket, *sent) = connect();
                        }
                    }
                }
            });
        }
        let _end = EndOnDrop(&over);
        for _ in 0..40 {
            still_serves(&account);
        }
    });
}

/// Ends the attack when dropped, also by a panic.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn thousands_of_pipelined_requests_shut_nobody_out() {
    serves_while_requests_are_pipelined(true);
}

#[test]
fn thousands_of_pipelined_requests_without_readers_shut_nobody_out() {
    serves_while_requests_are_pipelined(false);
}

#[test]
fn connections_reset_at_any_moment_harm_nobody() {
    let account = start(LONG);
    let before = Vitals::of(account.pid());
    let http::Address::Tcp(address) = account.address() else {
        panic!("not TCP");
    };
    let bytes = text("hello").request("/wechat", TOKEN).bytes();
    for round in 0..400 {
        let socket = std::net::TcpStream::connect(address).unwrap();
        let socket = socket2::Socket::from(socket);
        socket.send(&bytes[..bytes.len() * round / 399]).unwrap();
        // Closing with a zero linger sends a reset.
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    closes_all(&account, before);
    still_serves(&account);
}

#[test]
fn the_server_still_accepts_after_running_out_of_file_descriptors() {
    // The program itself needs about 25.
    let mut account = Setup::new()
        .set("server.request_timeout", "\"3s\"")
        .stopped()
        .wrapped_in("ulimit -n 300; exec \"$@\"");
    account.begin();
    let before = Vitals::of(account.pid());
    let idle = connections(&account, 400, b"POST /wechat HTTP/1.1\r\n");
    for _ in 0..5 {
        let answer = account.post(&text("hello"));
        answer.is_text(HELP);
        answer.expect(answer.took < IN_TIME, "an answer in time");
    }
    assert!(Vitals::of(account.pid()).fds <= 300);
    drop(idle);
    closes_all(&account, before);
    still_serves(&account);
}

#[test]
fn hostile_documents_are_refused_at_once() {
    let account = start(LONG);
    let deep = |levels: usize| "<a>".repeat(levels) + &"</a>".repeat(levels);
    let wide = format!("<xml>{}</xml>", "<a/>".repeat(100_000));
    let namespaces: String = (0..5_000).map(|n| format!(" xmlns:n{n}='u'")).collect();
    let entities =
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><xml>&b;</xml>";
    for (what, body) in [
        ("3,000 levels", deep(3_000)),
        ("200,000 levels", deep(100_000)),
        ("open tags only", "<a>".repeat(300_000)),
        ("100,000 elements", wide),
        ("5,000 namespaces", format!("<xml{namespaces}></xml>")),
        ("entities", entities.to_owned()),
        ("JSON of 100,000 levels", "{\"a\":".repeat(100_000)),
        ("JSON lists", "[".repeat(500_000)),
    ] {
        let answer = account.post(&raw(body));
        answer.is_status(400);
        answer.expect(answer.took < IN_TIME, &format!("{what}: at once"));
        still_serves(&account);
    }
}
