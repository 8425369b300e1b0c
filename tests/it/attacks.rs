//! What brings a bare `tiny_http` down, done to the real program: it stays small, and honest pushes are answered.

use crate::support::account::{HELP, RULES};
use crate::support::*;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections at one time, in these tests.
const MOST: usize = 256;
/// Resident memory that no attack may take it over, in KiB.
const RSS: usize = 64 * 1024;
/// A `server.request_timeout` that no honest client outlasts: where an attack goes on as long as it lets it, an
/// honest answer has come before its end.
const LONG: &str = "60s";

fn besieged(request_timeout: &str) -> Account {
    besieged_with(request_timeout, RULES)
}

fn besieged_with(request_timeout: &str, rules: &str) -> Account {
    Setup::new()
        .set("server.max_connections", &MOST.to_string())
        .set("server.request_timeout", &format!("\"{request_timeout}\""))
        .rules(rules)
        .start()
}

/// An honest push is answered, and the server has not grown.
#[track_caller]
fn holds(account: &Account) {
    let answer = account.post(&text("hello"));
    answer.is_text(HELP);
    answer.expect(answer.took < IN_TIME, "an answer in time");
    let vitals = Vitals::of(account.pid());
    assert!(vitals.threads < MOST + 32, "{vitals}\n{}", account.log());
    assert!(vitals.fds < MOST + 300, "{vitals}\n{}", account.log());
    assert!(vitals.rss < RSS, "{vitals}\n{}", account.log());
    assert!(!account.log().has("panicked"), "{}", account.log());
}

/// So many connections, each with these bytes sent.
fn connections(account: &Account, count: usize, bytes: &[u8]) -> Vec<Wire> {
    (0..count)
        .filter_map(|_| {
            let mut wire = Wire::connect(account.address()).ok()?;
            // Refused already: its place was needed.
            wire.send(bytes).ok();
            Some(wire)
        })
        .collect()
}

/// The server has let go of all connections.
#[track_caller]
fn lets_go(account: &Account, before: Vitals) {
    eventually("no connections any more", account.log(), || {
        Vitals::of(account.pid()).fds <= before.fds + 2
    });
}

#[test]
fn announced_lengths_cost_nothing_and_are_refused() {
    let account = besieged(LONG);
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
        holds(&account);
    }
}

#[test]
fn stalled_and_trickling_bodies_block_nobody_and_end_at_the_deadline() {
    let account = besieged("2s");
    let before = Vitals::of(account.pid());
    let target = format!("/wechat?{}", account.signed());
    let head = format!("POST {target} HTTP/1.1\r\nContent-Length: 5000\r\n\r\n<xml>");
    let begun = Instant::now();
    let mut stalled = connections(&account, 50, head.as_bytes());
    let mut trickling = connections(&account, 50, head.as_bytes());
    while begun.elapsed() < Duration::from_millis(1_500) {
        // Not after the honest push, which may take its time: a byte that came long after the refusal would reset it.
        for wire in &mut trickling {
            wire.send(b"x").ok();
        }
        holds(&account);
    }
    for wire in stalled.iter_mut().chain(&mut trickling) {
        assert_eq!(wire.response().map(|r| r.status), Ok(408));
        assert!(wire.is_closed_by_server());
    }
    lets_go(&account, before);
    holds(&account);
}

#[test]
fn two_thousand_idle_connections_are_held_to_the_limit_and_closed_at_the_deadline() {
    let account = besieged("2s");
    let before = Vitals::of(account.pid());
    // As many as this process itself may have, where that is less.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let count = 2_000.min(files.unwrap_or(1_024_usize).saturating_sub(500));
    let idle = connections(&account, count, b"");
    holds(&account);
    lets_go(&account, before);
    drop(idle);
    holds(&account);
}

#[test]
fn five_hundred_slow_heads_are_held_to_the_limit_and_end_at_the_deadline() {
    let account = besieged("2s");
    let before = Vitals::of(account.pid());
    let slow = connections(&account, 500, b"POST /wechat HTTP/1.1\r\nX-Slow: ");
    for _ in 0..10 {
        holds(&account);
    }
    lets_go(&account, before);
    drop(slow);
    holds(&account);
}

#[test]
fn an_endless_head_gets_431() {
    let account = besieged(LONG);
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
        holds(&account);
    }
}

#[test]
fn pipelining_without_reading_is_bounded_and_cut_off() {
    // The system takes megabytes for somebody who does not read: long answers are soon too many.
    let long = "long ".repeat(4_000);
    let article = format!(
        "news = [{{ title = \"A\", description = \"{long}\", pic_url = \"\", url = \"\" }}]"
    );
    let rules = format!("[[rule]]\nmessage = \"text\"\nequals = \"more\"\n{article}\n{RULES}");
    let account = besieged_with("1s", &rules);
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
                    // Blocks when nothing is read any more, and fails when it is cut off.
                    while begun.elapsed() < PATIENCE && wire.send(&request).is_ok() {}
                    assert!(begun.elapsed() < PATIENCE, "never cut off");
                })
            })
            .collect();
        while greedy.iter().any(|greedy| !greedy.is_finished()) {
            holds(account);
        }
    });
    lets_go(&account, before);
    holds(&account);
}

/// Connections that always have a next request, more than there are places: each sends thousands at once, and comes
/// again when it is closed. Honest pushes are answered meanwhile.
#[track_caller]
fn holds_while_requests_are_sent_ahead(reads: bool) {
    let account = besieged(LONG);
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
                let mut ahead: Vec<_> = (0..MOST / 4 + 20).map(|_| connect()).collect();
                while !over.load(Ordering::Relaxed) {
                    for (socket, sent) in &mut ahead {
                        let written = socket.write(&burst.as_bytes()[*sent..]);
                        let closed = match written {
                            Ok(count) => {
                                *sent = (*sent + count) % burst.len();
                                false
                            }
                            Err(error) => error.kind() != ErrorKind::WouldBlock,
                        };
                        let ended = reads && matches!(socket.read(&mut [0; 65_536]), Ok(0));
                        if closed || ended {
                            (*socket, *sent) = connect();
                        }
                    }
                }
            });
        }
        let _ends = Ends(&over);
        for _ in 0..40 {
            holds(&account);
        }
    });
}

/// Ends the attack, also when the test fails meanwhile.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn thousands_of_requests_sent_ahead_shut_nobody_out() {
    holds_while_requests_are_sent_ahead(true);
}

#[test]
fn thousands_of_requests_sent_ahead_whose_answers_nobody_takes_shut_nobody_out() {
    holds_while_requests_are_sent_ahead(false);
}

#[test]
fn resets_at_any_moment_reach_nobody() {
    let account = besieged(LONG);
    let before = Vitals::of(account.pid());
    let http::Address::Tcp(address) = account.address() else {
        panic!("not TCP");
    };
    let bytes = text("hello").request("/wechat", TOKEN).bytes();
    for round in 0..400 {
        let socket = std::net::TcpStream::connect(address).unwrap();
        let socket = socket2::Socket::from(socket);
        socket.send(&bytes[..bytes.len() * round / 399]).unwrap();
        // Closing without lingering sends a reset.
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    lets_go(&account, before);
    holds(&account);
}

#[test]
fn running_out_of_file_descriptors_does_not_end_accepting() {
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
    lets_go(&account, before);
    holds(&account);
}

#[test]
fn hostile_documents_are_refused_at_once() {
    let account = besieged(LONG);
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
        holds(&account);
    }
}
