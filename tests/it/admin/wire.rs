//! What brings a bare `tiny_http` down never reaches it: the page has a guard of its own.

use super::with_page;
use crate::support::operator::{Operator, page};
use crate::support::*;

/// Sends these bytes and returns the status.
#[track_caller]
fn status(account: &Account, bytes: &str) -> u16 {
    let mut wire = Wire::connect(&page(account)).unwrap();
    wire.send(bytes.as_bytes()).unwrap();
    let response = wire.response();
    response
        .unwrap_or_else(|error| panic!("{bytes:?}: {error}\n{}", account.log()))
        .status
}

#[test]
fn every_odd_transfer_encoding_is_refused_and_the_page_goes_on() {
    let account = with_page();
    let operator = Operator::of(&account);
    let before = Vitals::of(account.pid());
    for encoding in [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\n , identity",
    ] {
        let request = format!(
            "POST /logout HTTP/1.1\r\nHost: localhost\r\n{encoding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        let status = status(&account, &request);
        assert!(matches!(status, 400 | 411 | 501), "{encoding}: {status}");
        operator.get("/").is_status(200);
    }
    let after = Vitals::of(account.pid());
    assert!(after.threads <= before.threads, "{before}, then {after}");
}

#[test]
fn large_and_malformed_requests_are_refused() {
    let account = with_page();
    let operator = Operator::of(&account);
    let head = |rest: &str| format!("POST /logout HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n\r\n");
    for (request, expected) in [
        (head("Content-Length: 65537"), 413),
        (head("Content-Length: 4000000000000000000"), 413),
        (head("Content-Length: -1"), 400),
        (head("Content-Length: 0x10"), 400),
        (head("Content-Length: 1\r\nContent-Length: 1"), 400),
        (head(&format!("X: {}", "x".repeat(40_000))), 431),
        (head("Host: other"), 400),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}".into(), 400),
    ] {
        let status = status(&account, &request);
        let shown: String = request.chars().take(80).collect();
        assert!(status == expected || status == 505, "{shown}: {status}");
    }
    // The largest form there may be.
    let body = format!("token={}&x={}", operator.token, "x".repeat(65_000));
    operator
        .send(Request::new("POST", "/language").body(body))
        .is_status(303);
}

#[test]
fn a_flood_of_connections_to_the_page_harms_neither_it_nor_pushes() {
    let account = with_page();
    let operator = Operator::of(&account);
    let at = page(&account);
    let slow: Vec<_> = (0..300)
        .filter_map(|_| {
            let mut wire = Wire::connect(&at).ok()?;
            wire.send(b"GET / HTTP/1.1\r\nX-Slow: ").ok();
            Some(wire)
        })
        .collect();
    for _ in 0..5 {
        let answer = account.post(&text("hello"));
        answer
            .is_status(200)
            .expect(answer.took < IN_TIME, "in time");
        operator.get("/").is_status(200);
    }
    let vitals = Vitals::of(account.pid());
    assert!(vitals.fds < 400, "{vitals}");
    drop(slow);
}
