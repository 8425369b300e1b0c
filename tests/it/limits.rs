//! Limits of the port: requests that are too large, too slow, too many, malformed, or arrive in pieces.

use crate::support::account::HELP;
use crate::support::http::Answer;
use crate::support::*;

#[test]
fn a_body_at_the_limit_is_read_and_one_above_gets_413() {
    let account = Setup::new().set("server.max_body", "\"4KiB\"").start();
    let padded = |length: usize| {
        let body = String::from_utf8(text("hello").body()).unwrap();
        let padding = length - body.len();
        body.replace("</xml>", &format!("{}</xml>", " ".repeat(padding)))
    };
    account.post(&raw(padded(4096))).is_text(HELP);
    account.post(&raw(padded(4097))).is_status(413);
    account.post(&raw(padded(100_000))).is_status(413);
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}

#[test]
fn the_default_limit_of_a_body_is_one_megabyte() {
    let account = Account::start();
    let body = String::from_utf8(text("hello").body()).unwrap();
    let padding = (1 << 20) - body.len();
    let fits = body.replace("</xml>", &format!("{}</xml>", " ".repeat(padding)));
    account.post(&raw(fits)).is_text(HELP);
    let over = body.replace("</xml>", &format!("{}</xml>", " ".repeat(padding + 1)));
    account.post(&raw(over)).is_status(413);
}

#[test]
fn a_request_that_does_not_arrive_in_time_gets_408() {
    let account = Setup::new().set("server.request_timeout", "\"1s\"").start();
    let bytes = text("hello").request("/wechat", TOKEN).bytes();
    let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let stops = [20, head_end, bytes.len() - 1];
    let mut wires = stops.map(|stop| {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&bytes[..stop]).unwrap();
        wire
    });
    for (wire, stop) in wires.iter_mut().zip(stops) {
        let response = wire.response();
        let status = response.as_ref().map(|response| response.status);
        assert_eq!(
            status,
            Ok(408),
            "stopped after {stop} bytes\n{}",
            account.log()
        );
        assert!(
            wire.is_closed_by_server(),
            "closed after 408\n{}",
            account.log()
        );
    }
    account.store().is("SELECT count(*) FROM messages", &["0"]);
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn a_silent_connection_is_closed() {
    let account = Setup::new().set("server.request_timeout", "\"1s\"").start();
    let mut silent = Wire::connect(account.address()).unwrap();
    let closed = silent.is_closed_by_server() || silent.response().map(|r| r.status) == Ok(408);
    assert!(closed, "{}", account.log());
}

#[test]
fn a_kept_alive_connection_outlives_the_request_timeout() {
    let account = Setup::new().set("server.request_timeout", "\"1s\"").start();
    let push = || {
        text("hello")
            .from(&another_fan())
            .request("/wechat", TOKEN)
            .keep_alive()
    };
    let answered = |wire: &mut Wire| {
        let response = wire
            .response()
            .unwrap_or_else(|error| panic!("{error}\n{}", account.log()));
        Answer::new(response, &push(), account.log()).is_text(HELP);
    };
    let mut kept = [(); 2].map(|()| Wire::connect(account.address()).unwrap());
    for wire in &mut kept {
        wire.send(&push().bytes()).unwrap();
        answered(wire);
    }
    let mut silent = Wire::connect(account.address()).unwrap();
    assert!(silent.is_closed_by_server());
    kept[0].send(&push().bytes()).unwrap();
    answered(&mut kept[0]);
    // The timeout of the next request starts with its first byte.
    kept[1].send(b"POST /wech").unwrap();
    assert_eq!(kept[1].response().map(|response| response.status), Ok(408));
}

#[test]
fn a_connection_is_closed_after_its_thousandth_answer() {
    let account = Account::start();
    let mut wire = Wire::connect(account.address()).unwrap();
    wire.send("GET / HTTP/1.1\r\n\r\n".repeat(1_500).as_bytes())
        .unwrap();
    for number in 1..=1_000 {
        let response = wire
            .response()
            .unwrap_or_else(|error| panic!("{number}: {error}\n{}", account.log()));
        let closes = response
            .headers
            .contains(&("connection".into(), "close".into()));
        assert_eq!(
            (response.status, closes),
            (404, number == 1_000),
            "{number}"
        );
    }
    assert!(wire.is_closed_by_server());
}

#[test]
fn stalled_connections_make_room_for_an_honest_push() {
    let account = Setup::new()
        .set("server.max_connections", "8")
        .set("server.request_timeout", "\"60s\"")
        .start();
    let bytes = text("hello").request("/wechat", TOKEN).bytes();
    let mut stalled: Vec<Wire> = (0..40)
        .map(|_| {
            let mut wire = Wire::connect(account.address()).unwrap();
            wire.send(&bytes[..bytes.len() - 10]).ok();
            wire
        })
        .collect();
    for _ in 0..10 {
        let answer = account.post(&text("hello"));
        answer.is_text(HELP);
        let in_time = answer.took < IN_TIME;
        answer.expect(in_time, "an answer long before the stalled ones time out");
    }
    assert!(
        stalled[0].is_closed_by_server(),
        "the oldest made room\n{}",
        account.log()
    );
}

#[test]
fn a_request_in_single_bytes_is_answered() {
    // On a busy machine, hundreds of packets may take longer than the default 10 s.
    let patient = Setup::new().set("server.request_timeout", "\"300s\"");
    let account = patient.start();
    let request = text("hello").request("/wechat", TOKEN);
    let mut wire = Wire::connect(account.address()).unwrap();
    wire.send_in_pieces(&request.bytes(), 1).unwrap();
    let response = wire.response().unwrap();
    Answer::new(response, &request, account.log()).is_text(HELP);
}

#[test]
fn one_connection_carries_many_pushes() {
    let account = Account::start();
    let mut wire = Wire::connect(account.address()).unwrap();
    for _ in 0..20 {
        let request = text("hello").request("/wechat", TOKEN).keep_alive();
        wire.send(&request.bytes()).unwrap();
        let response = wire
            .response()
            .unwrap_or_else(|error| panic!("{error}\n{}", account.log()));
        Answer::new(response, &request, account.log()).is_text(HELP);
    }
    account.store().is("SELECT count(*) FROM messages", &["20"]);
}

#[test]
fn a_client_that_asks_to_close_is_closed() {
    let account = Account::start();
    let mut wire = Wire::connect(account.address()).unwrap();
    let request = text("hello").request("/wechat", TOKEN);
    wire.send(&request.bytes()).unwrap();
    let response = wire.response().unwrap();
    Answer::new(response, &request, account.log()).is_text(HELP);
    assert!(wire.is_closed_by_server(), "{}", account.log());
}

#[test]
fn a_post_without_a_length_has_no_body() {
    let account = Account::start();
    let status = |target: &str| {
        let mut wire = Wire::connect(account.address()).unwrap();
        let request = format!("POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        wire.send(request.as_bytes()).unwrap();
        wire.response().map(|response| response.status)
    };
    assert_eq!(status("/wechat"), Ok(403));
    assert_eq!(status(&format!("/wechat?{}", account.signed())), Ok(400));
    assert_eq!(status("/elsewhere"), Ok(404));
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn broken_framing_is_refused_and_harms_nobody() {
    let account = Account::start();
    let target = format!("/wechat?{}", account.signed());
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n");
    for (what, rest) in [
        (
            "a length of four exabytes",
            "Content-Length: 4000000000000000000\r\n\r\n",
        ),
        (
            "a length of 21 digits",
            "Content-Length: 100000000000000000000\r\n\r\n",
        ),
        ("a negative length", "Content-Length: -1\r\n\r\n"),
        ("a signed length", "Content-Length: +5\r\n\r\nhello"),
        ("a length in hex", "Content-Length: 0x10\r\n\r\n"),
        (
            "two lengths",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ),
        ("a length list", "Content-Length: 5, 5\r\n\r\nhello"),
        ("an unknown encoding", "Transfer-Encoding: gzip\r\n\r\n"),
        (
            "an endless chunk",
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ),
        (
            "length and chunks",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("a header without a colon", "nonsense\r\n\r\n"),
        ("a NUL in a header", "X: a\0b\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(format!("{head}{rest}").as_bytes()).unwrap();
        let response = wire
            .response()
            .unwrap_or_else(|error| panic!("{what}: {error}\n{}", account.log()));
        let refused = (400..500).contains(&response.status);
        assert!(refused, "{what}: {}\n{}", response.status, account.log());
    }
    for (what, bytes) in [
        ("not HTTP", "hello\r\n\r\n".to_owned()),
        ("a future HTTP", "GET / HTTP/9.9\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned()),
        (
            "an endless head",
            format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000)),
        ),
    ] {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(bytes.as_bytes()).ok();
        if let Ok(response) = wire.response() {
            let refused = (400..600).contains(&response.status);
            assert!(refused, "{what}: {}\n{}", response.status, account.log());
        }
    }
    account.post(&text("hello")).is_text(HELP);
    assert!(!account.log().has("panicked"), "{}", account.log());
}

#[test]
fn concurrent_pushes_are_all_answered() {
    let account = Account::start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..10 {
                    account
                        .post(&text("hello").from(&another_fan()))
                        .is_text(HELP);
                }
            });
        }
    });
    account.store().is(
        "SELECT count(*), count(DISTINCT openid) FROM messages",
        &["160|160"],
    );
}
