//! Framing: requests in, the inner head or a refusal out; and that `tiny_http` reads it as we meant it.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::server::http::lanes::{Lanes, Requests};

const MAX_BODY: usize = 1000;
const MAX_HEAD: usize = 8 * 1024;
const PEER: Peer = Peer::Ip(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn limits() -> Limits {
    Limits {
        max_connections: 1,
        max_waiting: 1,
        request_timeout: Duration::MAX,
        idle_timeout: Duration::MAX,
        max_head: MAX_HEAD,
        max_body: MAX_BODY,
        answer_timeout: Duration::MAX,
        held_timeout: Duration::MAX,
        callback: "/wechat".into(),
    }
}

fn ticket() -> Ticket {
    "7.42".parse().unwrap()
}

/// What a head is turned into; that of a body in chunks before its length is known.
fn frame_all(input: &[u8]) -> Result<Option<(Head, String)>, Refusal> {
    let mut inner = Vec::new();
    let head = frame(input, 0, &limits(), &mut inner)?;
    if let Some(head) = &head
        && let Body::Length(_) = head.body
    {
        head.end(&mut inner, ticket(), PEER);
    }
    Ok(head.map(|head| (head, String::from_utf8(inner).unwrap())))
}

/// What the whole head is turned into.
#[track_caller]
fn passes(input: &str) -> (Head, String) {
    match frame_all(input.as_bytes()) {
        Ok(Some(framed)) => framed,
        other => panic!("{input:?} gave {other:?}"),
    }
}

#[track_caller]
fn refused(input: &str, refusal: Refusal) {
    assert_eq!(frame_all(input.as_bytes()), Err(refusal), "{input:?}");
}

/// A POST with these header lines.
fn post(headers: &str) -> String {
    format!("POST /wechat HTTP/1.1\r\n{headers}\r\n")
}

#[test]
fn a_push_is_rewritten_for_tiny_http() {
    let (head, inner) = passes(
        "POST /wechat?signature=a&nonce=b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\n\
         Accept: */*\r\nConnection: Keep-Alive\r\nPragma: no-cache\r\ncontent-length: 12\r\n\r\n",
    );
    assert_eq!(
        inner,
        "POST /wechat?signature=a&nonce=b HTTP/1.1\r\n\
         X-Wechatd-Peer: 7.42 192.0.2.7\r\nContent-Length: 12\r\n\r\n"
    );
    assert_eq!(head.body, Body::Length(12));
    assert_eq!(head.persistence, Persistence::Stays);
}

#[test]
fn a_get_has_no_body_unless_it_says_so() {
    let body = |input| passes(input).0.body;
    assert_eq!(body("GET / HTTP/1.1\r\n\r\n"), Body::Length(0));
    let with_body = "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(body(with_body), Body::Length(5));
    assert!(passes("HEAD / HTTP/1.1\r\n\r\n").0.head_only);
}

#[test]
fn a_content_length_is_one_decimal_number_within_the_limit() {
    let body = |header| passes(&post(header)).0.body;
    assert_eq!(body("Content-Length: 1000\r\n"), Body::Length(1000));
    assert_eq!(body("Content-Length:   007 \r\n"), Body::Length(7));
    for value in ["-1", "+5", "0x10", "5, 5", "5 5", "", "1e3", "٣"] {
        refused(
            &post(&format!("Content-Length: {value}\r\n")),
            Refusal::BadRequest,
        );
    }
    for value in ["1001", "4000000000000000000", "99999999999999999999999999"] {
        refused(
            &post(&format!("Content-Length: {value}\r\n")),
            Refusal::BodyTooLarge,
        );
    }
    refused(
        &post("Content-Length: 5\r\nContent-Length: 5\r\n"),
        Refusal::BadRequest,
    );
}

/// A request as `tiny_http` gets it, and what follows it.
type Whole = (Vec<u8>, Vec<u8>);

/// `None` while the request is not whole.
fn read(input: &[u8]) -> Result<Option<Whole>, Refusal> {
    let (mut input, mut inner) = (input.to_vec(), Vec::new());
    let Some(mut head) = frame(&input, 0, &limits(), &mut inner)? else {
        return Ok(None);
    };
    if !head.is_whole(&mut input)? {
        return Ok(None);
    }
    head.end(&mut inner, ticket(), PEER);
    let rest = input.split_off(head.total());
    inner.extend_from_slice(&input[head.len..]);
    Ok(Some((inner, rest)))
}

#[test]
fn a_body_in_chunks_gets_a_content_length() {
    let chunks = "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\nGET";
    for value in ["chunked", "Chunked", "CHUNKED", "\tchunked \t"] {
        let input = post(&format!("Transfer-Encoding: {value}\r\n")) + chunks;
        let (inner, rest) = read(input.as_bytes()).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(inner).unwrap(),
            "POST /wechat HTTP/1.1\r\nX-Wechatd-Peer: 7.42 192.0.2.7\r\nContent-Length: 11\r\n\r\nhello world"
        );
        assert_eq!(rest, b"GET");
    }
}

/// The values of the tiny_http advisory CVE-2026-66752, each of which it reads as chunks, and ways to hide the header
/// that worked on other servers.
#[test]
fn only_chunks_are_understood_and_only_where_nobody_can_understand_something_else() {
    for value in [
        "",
        "identity",
        "gzip",
        "deflate",
        "compress",
        "garbage",
        "xchunked",
        "chunkedx",
        "x-chunked",
        "chunked, identity",
        "chunked, gzip",
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        ", chunked",
        "chunked;q=1",
        "chunked; a=b",
        "\"chunked\"",
        "'chunked'",
        "chun ked",
        "chunked chunked",
        "chunked\u{a0}",
        "\u{a0}chunked",
        "chunke\u{212a}",
    ] {
        let header = format!("Transfer-Encoding: {value}\r\n");
        refused(&post(&header), Refusal::LengthRequired);
        refused(
            &post(&format!("{header}Transfer-Encoding: chunked\r\n")),
            Refusal::LengthRequired,
        );
        refused(
            &post(&format!("Transfer-Encoding: chunked\r\n{header}")),
            Refusal::LengthRequired,
        );
    }
    let twice = "Transfer-Encoding: chunked\r\n".repeat(2);
    refused(&post(&twice), Refusal::LengthRequired);
    for headers in [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "\tTransfer-Encoding: chunked\r\n",
        "A: b\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\n , identity\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: chunked\x0b\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding: \0chunked\r\n",
        "Transfer-Encoding\0: chunked\r\n",
        "Transfer-Encoding: chunked\rA: b\r\n",
        "A: b\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
    ] {
        refused(&post(headers), Refusal::BadRequest);
    }
    refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::BadRequest,
    );
}

#[test]
fn a_client_may_wait_for_100_continue_and_for_nothing_else() {
    let expects = |version: &str, headers: &str| {
        passes(&format!("POST / HTTP/{version}\r\n{headers}\r\n"))
            .0
            .expects_continue
    };
    assert!(expects(
        "1.1",
        "Content-Length: 5\r\nExpect: 100-continue\r\n"
    ));
    assert!(expects(
        "1.1",
        "Transfer-Encoding: chunked\r\nexpect: 100-Continue\r\n"
    ));
    assert!(!expects("1.1", "Content-Length: 5\r\n"));
    // HTTP/1.0 has no 100 Continue.
    assert!(!expects(
        "1.0",
        "Content-Length: 5\r\nExpect: 100-continue\r\n"
    ));
    for value in ["", "100-continue, x", "101-continue", "continue", "100"] {
        let headers = format!("Content-Length: 5\r\nExpect: {value}\r\n");
        refused(&post(&headers), Refusal::ExpectationFailed);
    }
    // What is refused anyway is refused before the body is asked for.
    for (headers, refusal) in [
        ("Content-Length: 1001\r\n", Refusal::BodyTooLarge),
        ("Content-Length: x\r\n", Refusal::BadRequest),
        ("Transfer-Encoding: gzip\r\n", Refusal::LengthRequired),
    ] {
        refused(
            &post(&format!("Expect: 100-continue\r\n{headers}")),
            refusal,
        );
    }
}

#[test]
fn only_http_1_0_and_1_1_are_spoken() {
    for line in [
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTCPCP/1.0",
    ] {
        refused(&format!("{line}\r\n\r\n"), Refusal::VersionNotSupported);
    }
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 x",
        "/ GET HTTP/1.1",
    ] {
        assert!(
            frame_all(format!("{line}\r\n\r\n").as_bytes()).is_err(),
            "{line}"
        );
    }
    // HTTP/2 with prior knowledge and TLS show by their first bytes.
    assert!(frame_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").is_err());
    assert_eq!(
        frame_all(b"\x16\x03\x01\x02\x00\x01"),
        Err(Refusal::BadRequest)
    );
}

#[test]
fn targets_are_paths_of_visible_ascii() {
    for target in [
        "*",
        "wechat",
        "example.org:443",
        "ftp://example.org/",
        "http:///x",
        "/\u{7f}",
        "/ü",
    ] {
        refused(
            &format!("GET {target} HTTP/1.1\r\n\r\n"),
            Refusal::BadRequest,
        );
    }
    for (target, path) in [
        ("http://example.org/wechat?a=b", "/wechat?a=b"),
        ("HTTPS://example.org?a=b", "/?a=b"),
        ("http://example.org", "/"),
    ] {
        let (_, inner) = passes(&format!("GET {target} HTTP/1.1\r\n\r\n"));
        assert!(
            inner.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{inner}"
        );
    }
}

#[test]
fn malformed_headers_get_400() {
    for headers in [
        "X: a\0b\r\n",
        "X: a\x07b\r\n",
        "X: a\r\n folded\r\n",
        "X : a\r\n",
        "X\r\n",
        ": a\r\n",
        "Host: a b\r\n",
        "Host: ü\r\n",
        "Host: a\r\nHost: b\r\n",
        "X-Forwarded-For: ü\r\n",
    ] {
        refused(
            &post(&format!("{headers}Content-Length: 0\r\n")),
            Refusal::BadRequest,
        );
    }
    // Text in headers that nobody reads may be in any encoding.
    passes(&post("User-Agent: ü\r\nContent-Length: 0\r\n"));
}

#[test]
fn the_peer_header_cannot_be_forged() {
    let (_, inner) =
        passes("GET / HTTP/1.1\r\nX-Wechatd-Peer: unix\r\nx-wechatd-peer: 127.0.0.1\r\n\r\n");
    assert_eq!(
        inner,
        "GET / HTTP/1.1\r\nX-Wechatd-Peer: 7.42 192.0.2.7\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn forwarded_addresses_are_joined_in_their_order() {
    let (_, inner) = passes(
        "GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\nA: b\r\nx-forwarded-for: 192.0.2.2, ::1\r\n\r\n",
    );
    assert!(
        inner.contains("\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2, ::1\r\n"),
        "{inner}"
    );
}

#[test]
fn headers_that_handlers_ask_for_pass_and_a_push_has_none_of_them() {
    let headers = "Cookie: a=1\r\nHost: h\r\nCookie: b=\u{fc}\r\nAccept: x\r\naccept: y\r\nX-Odd: z\r\n\
                   Referer: https://example.com/\r\nX-Forwarded-Uri: /\u{fc}?q\r\n";
    let (_, inner) = passes(&format!("GET /page HTTP/1.1\r\n{headers}\r\n"));
    assert_eq!(
        inner,
        "GET /page HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=%C3%BC\r\nReferer: https://example.com/\r\nAccept: x\r\n\
         X-Forwarded-Uri: /%C3%BC?q\r\nX-Wechatd-Peer: 7.42 192.0.2.7\r\nContent-Length: 0\r\n\r\n"
    );
    for target in ["/wechat", "/wechat?a=/x", "http://h/wechat"] {
        let (_, inner) = passes(&format!("GET {target} HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(inner.lines().count(), 4, "{inner}");
    }
}

#[test]
fn headers_that_decide_come_once_or_get_400() {
    for passed in PASSED {
        let name = passed.name;
        let input = format!("GET /page HTTP/1.1\r\n{name}: a\r\nX: y\r\n{name}: b\r\n\r\n");
        match passed.several {
            Several::Refused => refused(&input, Refusal::BadRequest),
            Several::First => assert!(passes(&input).1.contains(&format!("{name}: a\r\n"))),
            Several::Joined(between) => {
                let joined = format!("{name}: a{between}b\r\n");
                assert!(passes(&input).1.contains(&joined), "{joined}");
            }
        }
    }
}

#[test]
fn the_clients_wish_about_its_connection_is_understood() {
    for (version, connection, persistence) in [
        ("1.1", "", Persistence::Stays),
        ("1.1", "Connection: x, Close\r\n", Persistence::Close),
        (
            "1.1",
            "Connection: x\r\nConnection: close\r\n",
            Persistence::Close,
        ),
        (
            "1.1",
            "Connection: keep-alive, Upgrade\r\n",
            Persistence::Stays,
        ),
        ("1.0", "", Persistence::Close),
        ("1.0", "Connection: keep-alive\r\n", Persistence::KeepAlive),
        (
            "1.0",
            "Connection: close, keep-alive\r\n",
            Persistence::Close,
        ),
    ] {
        let (head, inner) = passes(&format!("GET / HTTP/{version}\r\n{connection}\r\n"));
        assert_eq!(head.persistence, persistence, "{version} {connection}");
        assert!(!inner.contains("onnection"));
        assert!(inner.starts_with("GET / HTTP/1.1\r\n"));
    }
}

#[test]
fn heads_up_to_the_limit_pass_and_larger_ones_get_431() {
    let head = |len: usize| {
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(len - frame))
    };
    assert_eq!(passes(&head(MAX_HEAD)).0.len, MAX_HEAD);
    refused(&head(MAX_HEAD + 1), Refusal::HeadTooLarge);
    refused(&"x".repeat(MAX_HEAD), Refusal::HeadTooLarge);
    refused(&"\r\n".repeat(MAX_HEAD / 2), Refusal::HeadTooLarge);
    assert_eq!(frame_all(&vec![b'x'; MAX_HEAD - 1]), Ok(None));
}

#[test]
fn headers_up_to_the_limit_pass_and_more_get_431() {
    let head = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    passes(&head(HEADER_LIMIT));
    refused(&head(HEADER_LIMIT + 1), Refusal::HeadTooLarge);
}

#[test]
fn the_end_of_the_head_is_found_wherever_the_bytes_are_split() {
    for input in [
        &b"\r\n\r\nPOST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n"[..],
        b"POST /a HTTP/1.1\nHost: b\nContent-Length: 2\n\n",
        b"POST /a HTTP/1.1\nHost: b\r\nContent-Length: 2\n\r\n",
    ] {
        let whole = frame_all(input).unwrap().unwrap();
        let mut inner = Vec::new();
        for first in 0..input.len() {
            for second in first..input.len() {
                assert_eq!(frame(&input[..first], 0, &limits(), &mut inner), Ok(None));
                let more = frame(&input[..second], first, &limits(), &mut inner);
                assert_eq!(more, Ok(None));
                let all = frame(input, second, &limits(), &mut inner);
                assert_eq!(all, Ok(Some(whole.0)));
                whole.0.end(&mut inner, ticket(), PEER);
                assert_eq!(inner, whole.1.as_bytes());
            }
        }
    }
}

/// One lane to a real `tiny_http`, for all cases of a property.
type Lane = Mutex<(UnixStream, Requests)>;

fn lane() -> Lane {
    let (mut lanes, requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
    Mutex::new((lanes.streams.remove(0), requests))
}

/// Sends what framing let through, then a request that `tiny_http` only finds if it sees the same end as we do.
fn tiny_http_reads_it_the_same(lane: &Lane, inner: &[u8]) {
    let (stream, requests) = &mut *lane.lock().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.write_all(inner).unwrap();
    let head_len = inner
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let (head, body) = inner.split_at(head_len);
    let (received, request) = requests.next().unwrap();
    assert_eq!((received, request.peer), (ticket(), PEER));
    assert_eq!(request.body, body);
    let target = format!(" {} HTTP/1.1\r\n", request.target);
    assert!(String::from_utf8_lossy(head).contains(&target), "{target}");
    stream
        .write_all(b"GET /sentinel HTTP/1.1\r\nX-Wechatd-Peer: 0.1 unix\r\n\r\n")
        .unwrap();
    let (_, sentinel) = requests.next().unwrap();
    assert_eq!(sentinel.target, "/sentinel");
    // Nothing has come back: no 400 or 417 of tiny_http's own.
    stream.set_nonblocking(true).unwrap();
    let nothing = stream.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
}

prop_compose! {
    /// Requests near the edge of what is allowed.
    fn request()(
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "OPTIONS", "get", "X-Y!"]),
        target in prop::sample::select(vec!["/", "/wechat?signature=a&timestamp=1", "http://h/p", "/%0d%0a", "/#a", "/a:b"]),
        version in prop::sample::select(vec!["HTTP/1.1", "HTTP/1.0", "HTTP/1.1 "]),
        end in prop::sample::select(vec!["\r\n", "\n"]),
        headers in prop::collection::vec(prop::sample::select(vec![
            "Host: example.org", "Host:", "Content-Length: 3", "Content-Length: 900", "content-length:0",
            "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", "Transfer-Encoding: xchunked",
            "Transfer-Encoding: gzip, chunked", "Transfer-Encoding : chunked", "Expect: 100-continue", "Connection: close", "Connection: upgrade",
            "Upgrade: websocket", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: a:b", "X-Wechatd-Peer: unix",
            "TE: chunked", "X: y", "Content-Length : 3",
        ]), 0..6),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop::sample::select(vec![
                "0\r\n\r\n", "1\r\nx\r\n", "5;a\r\nhello\r\n", "0\r\nA: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
            ]), 0..5).prop_map(|parts| parts.concat().into_bytes()),
            // Long enough for any length above.
            Just(vec![b'x'; 900]),
        ],
    ) -> Vec<u8> {
        let mut bytes = format!("{method} {target} {version}{end}").into_bytes();
        for header in headers {
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(end.as_bytes());
        }
        bytes.extend_from_slice(end.as_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// Changes a request in a few places, usually to bytes with a meaning.
fn mutate(mut bytes: Vec<u8>, changes: Vec<(prop::sample::Index, u8, u8)>) -> Vec<u8> {
    const TELLING: &[u8] = b"\r\n :,\t\0\x0b\x7f\x80\xc2\xa0/HP019+-";
    for (place, byte, kind) in changes {
        let at = place.index(bytes.len().max(1)).min(bytes.len());
        let telling = TELLING[usize::from(byte) % TELLING.len()];
        match kind % 4 {
            0 => bytes.insert(at, telling),
            1 if at < bytes.len() => bytes[at] = telling,
            2 if at < bytes.len() => bytes[at] = byte,
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

#[test]
fn whatever_passes_is_read_alike_by_tiny_http() {
    let lane = lane();
    let changes = prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 0..4);
    proptest!(ProptestConfig::with_cases(2000), |(request in request(), changes in changes)| {
        let input = mutate(request, changes);
        if let Ok(Some((inner, _))) = read(&input) {
            tiny_http_reads_it_the_same(&lane, &inner);
        }
    });
}

proptest! {
    #[test]
    fn any_bytes_are_framed_without_a_panic_and_alike_in_any_pieces(
        input in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
    ) {
        let mut inner = Vec::new();
        let whole = frame(&input, 0, &limits(), &mut inner);
        let cut = at.index(input.len() + 1);
        match frame(&input[..cut], 0, &limits(), &mut inner) {
            Ok(None) => prop_assert_eq!(frame(&input, cut, &limits(), &mut inner), whole),
            early => prop_assert_eq!(early, whole),
        }
    }
}
