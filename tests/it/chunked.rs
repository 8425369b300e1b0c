//! Chunked bodies, as some proxies send them, and the transfer codings that are refused.

use crate::support::account::HELP;
use crate::support::http::{Answer, Response};
use crate::support::*;

/// A push as bytes, with these headers instead of Content-Length and its body encoded by `body`.
fn encoded(account: &Account, headers: &str, body: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let request = text("hello")
        .from(&another_fan())
        .request("/wechat", &account.token);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n",
        request.target
    );
    [head.into_bytes(), body(request.body)].concat()
}

/// The body in chunks of `size` bytes, each with this extension, followed by these trailers.
fn in_chunks(body: &[u8], size: usize, extension: &str, trailers: &str) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(size) {
        chunks.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    chunks
}

fn next(wire: &mut Wire, account: &Account) -> Response {
    let response = wire.response();
    response.unwrap_or_else(|error| panic!("{error}\n{}", account.log()))
}

#[track_caller]
fn is_answered(wire: &mut Wire, account: &Account) {
    let response = next(wire, account);
    let request = text("hello").request("/wechat", &account.token);
    Answer::new(response, &request, account.log()).is_text(HELP);
}

#[test]
fn a_push_in_chunks_is_recorded_like_any_other() {
    let account = Account::start();
    // All on one connection, as a proxy does: the server must find the end of each.
    let mut wire = Wire::connect(account.address()).unwrap();
    for (size, extension, trailers) in [
        (10_000, "", ""),
        (1, "", ""),
        (7, ";a=b", ""),
        (100, "", "X-Checksum: 1\r\nContent-Length: 5\r\n"),
        (64, ";q=\"1;2\"", "A: b\r\n"),
    ] {
        let chunks = |body: Vec<u8>| in_chunks(&body, size, extension, trailers);
        let bytes = encoded(&account, "Transfer-Encoding: chunked", chunks);
        wire.send(&bytes).unwrap();
        is_answered(&mut wire, &account);
    }
    let bytes = encoded(&account, "transfer-encoding:Chunked", |body| {
        in_chunks(&body, 50, "", "")
    });
    wire.send_in_pieces(&bytes, 1).unwrap();
    is_answered(&mut wire, &account);
    account.store().is(
        "SELECT count(*), count(DISTINCT content) FROM messages",
        &["6|1"],
    );
}

#[test]
fn chunked_bodies_have_the_same_limits_as_others() {
    let limits = Setup::new().set("server.max_body", "\"4KiB\"");
    let account = limits.set("server.request_timeout", "\"1s\"").start();
    let padded = |body: &[u8], length: usize| {
        let padding = " ".repeat(length - body.len());
        String::from_utf8_lossy(body)
            .replace("</xml>", &format!("{padding}</xml>"))
            .into_bytes()
    };
    let head = "Transfer-Encoding: chunked\r\nConnection: close";
    for (what, bytes, status) in [
        (
            "a body at the limit",
            encoded(&account, head, |body| {
                in_chunks(&padded(&body, 4096), 1000, "", "")
            }),
            200,
        ),
        (
            "a body over the limit",
            encoded(&account, head, |body| {
                in_chunks(&padded(&body, 4097), 1000, "", "")
            }),
            413,
        ),
        (
            "a chunk over the limit",
            encoded(&account, head, |_| b"1001\r\n".to_vec()),
            413,
        ),
        (
            "a chunk that never ends",
            encoded(&account, head, |_| b"ffffffffffffffff\r\n".to_vec()),
            400,
        ),
        (
            "an invalid size",
            encoded(&account, head, |_| b"+5\r\nhello\r\n".to_vec()),
            400,
        ),
        (
            "bytes wrapped in long extensions",
            encoded(&account, head, |_| {
                format!("1;{}\r\nx\r\n", "a".repeat(500))
                    .repeat(200)
                    .into_bytes()
            }),
            413,
        ),
        (
            "trailers without end",
            encoded(&account, head, |_| {
                format!("0\r\n{}", "A: b\r\n".repeat(3000)).into_bytes()
            }),
            431,
        ),
        (
            "a body that stops",
            encoded(&account, head, |_| b"5\r\nhel".to_vec()),
            408,
        ),
        (
            "a line that stops",
            encoded(&account, head, |_| b"5\r\nhello\r\n0\r\n".to_vec()),
            408,
        ),
    ] {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&bytes).ok();
        let response = next(&mut wire, &account);
        assert_eq!(
            response.status,
            status,
            "{what}: {response:?}\n{}",
            account.log()
        );
        assert!(wire.is_closed_by_server(), "{what}");
    }
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let account = Account::start();
    let waits = |headers: &str, body: fn(&[u8]) -> Vec<u8>| {
        let bytes = encoded(
            &account,
            &format!("{headers}\r\nExpect: 100-continue"),
            |bytes| body(&bytes),
        );
        let head = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&bytes[..head]).unwrap();
        let response = next(&mut wire, &account);
        if response.status == 100 {
            wire.send(&bytes[head..]).unwrap();
            is_answered(&mut wire, &account);
        }
        response.status
    };
    let length = text("hello").from(&another_fan()).body().len();
    let with_length = format!("Content-Length: {length}");
    assert_eq!(waits(&with_length, <[u8]>::to_vec), 100);
    assert_eq!(
        waits("Transfer-Encoding: chunked", |body| in_chunks(
            body, 40, "", ""
        )),
        100
    );
    // What is refused anyway is refused at once.
    assert_eq!(waits("Content-Length: 99999999", <[u8]>::to_vec), 413);
    assert_eq!(waits("Transfer-Encoding: gzip", <[u8]>::to_vec), 411);
    assert_eq!(
        waits(
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            <[u8]>::to_vec
        ),
        400
    );
    account.store().is("SELECT count(*) FROM messages", &["2"]);
}

/// The 14 values from CVE-2026-66752 that `tiny_http` takes for chunked or stumbles over, and spellings that other
/// servers have understood in two ways: none reaches `tiny_http`, so no request can be smuggled.
#[test]
fn every_other_transfer_encoding_is_refused() {
    let account = Account::start();
    for header in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding:",
        "Transfer-Encoding: garbage",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding:\r\n chunked",
        "A: b\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
    ] {
        let hidden = text("hidden").request("/wechat", &account.token).bytes();
        let bytes = encoded(&account, header, |_| {
            [b"0\r\n\r\n".to_vec(), hidden].concat()
        });
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&bytes).unwrap();
        let response = next(&mut wire, &account);
        let refused = matches!(response.status, 400 | 411);
        assert!(refused, "{header:?}: {response:?}\n{}", account.log());
        assert!(wire.is_closed_by_server(), "{header:?}");
    }
    account.post(&text("hello")).is_text(HELP);
    account
        .store()
        .is("SELECT content FROM messages", &["hello"]);
}
