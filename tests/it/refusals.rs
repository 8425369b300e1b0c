//! Refusals are logged with what to change, once in a while for each kind and address.

use crate::support::account::HELP;
use crate::support::*;

/// Sends these bytes three times, each on its own connection, and expects this status.
fn refused(account: &Account, bytes: &[u8], status: u16) {
    for _ in 0..3 {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(bytes).unwrap();
        let answer = wire.response().unwrap();
        assert_eq!(answer.status, status, "{}", account.log());
    }
}

#[test]
fn a_signed_request_for_another_path_logs_the_right_path() {
    let account = Account::start();
    for path in ["/wechat/", "/", "/wx"] {
        let line = format!("the console asks for {path}, the callback is /wechat");
        for _ in 0..3 {
            let signed = account.signed();
            account
                .get(&format!("{path}?{signed}&echostr=1"))
                .is(404, "not found");
            let push = text("hello").request(path, TOKEN);
            account.send(&push).is(404, "not found");
        }
        account.log().says(&line);
        assert_eq!(account.log().count(&line), 1, "{}", account.log());
    }
    let log = account.log();
    let lines = log.lines();
    let warnings = lines.iter().filter(|line| line.contains("WARN"));
    assert_eq!(warnings.count(), 3, "{log}");
    assert!(!log.has("signature="), "{log}");
    account.store().is("SELECT count(*) FROM messages", &["0"]);
}

#[test]
fn ordinary_internet_noise_is_not_logged() {
    let account = Account::start();
    account.get("/wp-login.php").is_status(404);
    account
        .get("/wechat/?signature=0&timestamp=0&nonce=0")
        .is_status(404);
    account.post(&text("hello")).is_text(HELP);
    account.log().says("text from ");
    for word in ["WARN", "(404)", "wp-login", "/wechat/"] {
        assert!(!account.log().has(word), "{word}\n{}", account.log());
    }
}

#[test]
fn every_kind_of_refusal_is_logged_once_at_the_default_level() {
    let account = Setup::new().set("server.request_timeout", "\"1s\"").start();
    let cookie = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500));
    for (bytes, status, line) in [
        (&b"PUT /wechat HTTP/1.1\r\n\r\n"[..], 405, "(405)"),
        (b"DELETE /healthz HTTP/1.1\r\n\r\n", 405, "(405)"),
        (b"GET /wechat HTTP/1.1\r\nHo", 408, "server.request_timeout"),
        (
            b"POST /wechat HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            411,
            "(411)",
        ),
        (
            b"POST /wechat HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "server.max_body",
        ),
        (
            b"POST /wechat HTTP/1.1\r\nExpect: the-impossible\r\nContent-Length: 1\r\n\r\n",
            417,
            "(417)",
        ),
        (cookie.as_bytes(), 431, "(431)"),
        (many.as_bytes(), 431, "(431)"),
        (b"GET / HTTP/3.0\r\n\r\n", 505, "(505)"),
        (b"GET nowhere HTTP/1.1\r\n\r\n", 400, "(400)"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            400,
            "a TLS client is talking to the plain HTTP port",
        ),
    ] {
        refused(&account, bytes, status);
        account.log().says("refused a request from 127.0.0.1: ");
        account.log().says(line);
        let log = account.log();
        assert_eq!(log.count(line), 1, "{line} {log}");
    }
    let broken = raw("<xml><broken>");
    for _ in 0..3 {
        account.post(&broken).is(400, "not a push");
    }
    account.log().says("a rightly signed request is not a push");
    assert_eq!(account.log().count("is not a push"), 1, "{}", account.log());
}

#[test]
fn refusals_are_logged_once_for_each_address() {
    let account = Account::start();
    for (address, shown) in [
        ("198.51.100.1", "198.51.100.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("unknown", "an unknown address"),
    ] {
        let line = format!("refused a request from {shown}: its signature is wrong");
        let again = || {
            let push = text("hello").signed_with("someOtherToken");
            let request = push.request("/wechat", TOKEN);
            account
                .send(&request.header("X-Forwarded-For", address))
                .is_refused();
            account.log().has(&line)
        };
        // Lines of one kind are at least a second apart.
        eventually("a line", account.log(), again);
        for _ in 0..3 {
            again();
        }
        assert_eq!(account.log().count(&line), 1, "{}", account.log());
    }
    account.log().says("more since the last such line)");
}
