//! Answers as bytes: the one an inner server gave, made fit for the client, and the guard's own refusals; pure, no I/O.

use std::io::Write;

use httparse::{EMPTY_HEADER, Response, Status};

use super::framing::Persistence;
use crate::server::http::exchange::ABANDONED;

/// The most bytes an answer may have, head and body; no handler of ours comes near it.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// Headers that speak of the inner connection or the inner server, not of the answer.
const DROPPED_HEADERS: [&str; 4] = ["Connection", "Keep-Alive", "Server", "Date"];

/// What the guard answers by itself; the connection is closed after any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    BadRequest,
    RequestTimeout,
    LengthRequired,
    BodyTooLarge,
    ExpectationFailed,
    HeadTooLarge,
    Unavailable,
    VersionNotSupported,
}

impl Refusal {
    /// Status code, reason phrase, and the text that is sent with them.
    pub fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Refusal::BadRequest => (400, "Bad Request", "bad request\n"),
            Refusal::RequestTimeout => (
                408,
                "Request Timeout",
                "the request did not arrive in time\n",
            ),
            Refusal::LengthRequired => (
                411,
                "Length Required",
                "no Transfer-Encoding but chunked, please\n",
            ),
            Refusal::BodyTooLarge => (413, "Content Too Large", "the body is too large\n"),
            Refusal::ExpectationFailed => (
                417,
                "Expectation Failed",
                "no Expect but 100-continue, please\n",
            ),
            Refusal::HeadTooLarge => (
                431,
                "Request Header Fields Too Large",
                "the headers are too large\n",
            ),
            Refusal::Unavailable => (503, "Service Unavailable", "try again later\n"),
            Refusal::VersionNotSupported => (
                505,
                "HTTP Version Not Supported",
                "HTTP/1.0 or HTTP/1.1, please\n",
            ),
        }
    }

    /// What was wrong, for the log, and where it can be changed what to change.
    pub fn why(self) -> &'static str {
        match self {
            Refusal::BadRequest => "it is not a well-formed HTTP request",
            Refusal::RequestTimeout => "it did not arrive whole in time (server.request_timeout)",
            Refusal::LengthRequired => {
                "its Transfer-Encoding is none that is understood; the proxy can send a Content-Length"
            }
            Refusal::BodyTooLarge => "its body is too large (server.max_body)",
            Refusal::ExpectationFailed => "it has an Expect header that cannot be met",
            Refusal::HeadTooLarge => {
                "its headers are too large or too many; does the proxy pass cookies on?"
            }
            Refusal::Unavailable => "nothing inside answers",
            Refusal::VersionNotSupported => "it is neither HTTP/1.0 nor HTTP/1.1",
        }
    }

    /// Replaces the content of `output` by the whole answer.
    pub fn write(self, output: &mut Vec<u8>) {
        let (status, reason, text) = self.parts();
        output.clear();
        write!(
            output,
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        )
        .expect("writing to memory cannot fail");
    }
}

/// An inner answer that cannot be passed on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub(super) &'static str);

/// What came of passing an inner answer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The answer for the client is written.
    Whole,
    /// The handler gave the request up (status 500); `output` is untouched.
    Abandoned,
}

/// Passes on the first answer in `input`, as soon as it is whole, to `output`, whose content it replaces;
/// says how many bytes of `input` it was.
///
/// `Ok(None)`: more bytes are needed. The answer must be framed by Content-Length; `head_only` says
/// that the request was HEAD, so that no body follows. A request that was dropped unanswered, as by a
/// panic, has the answer 500; it is for the guard to say 503 then.
pub fn pass_on(
    input: &[u8],
    head_only: bool,
    persistence: Persistence,
    output: &mut Vec<u8>,
) -> Result<Option<(Passed, usize)>, Broken> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = Response::new(&mut headers);
    let head_len = match response.parse(input) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if input.len() < ANSWER_LIMIT => return Ok(None),
        Ok(Status::Partial) => return Err(Broken("its head has no end")),
        Err(_) => return Err(Broken("its head is malformed")),
    };
    let status = response.code.ok_or(Broken("it has no status"))?;
    if status < 200 {
        return Err(Broken("it is an interim answer"));
    }
    let mut content_length = None;
    for header in &*response.headers {
        if header.name.eq_ignore_ascii_case("Transfer-Encoding") {
            return Err(Broken("it has a Transfer-Encoding"));
        }
        if header.name.eq_ignore_ascii_case("Content-Length") {
            content_length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|digits| digits.parse::<usize>().ok());
        }
    }
    let bodiless = head_only || status == 204 || status == 304;
    let body_len = match content_length {
        _ if bodiless => 0,
        Some(length) if length <= ANSWER_LIMIT => length,
        Some(_) => return Err(Broken("it is too large")),
        None => return Err(Broken("it has no Content-Length")),
    };
    let len = head_len + body_len;
    let Some(body) = input.get(head_len..len) else {
        return Ok(None);
    };
    if status == ABANDONED {
        return Ok(Some((Passed::Abandoned, len)));
    }
    output.clear();
    output.reserve_exact(len + 32);
    let reason = response.reason.unwrap_or_default();
    write!(output, "HTTP/1.1 {status} {reason}\r\n").expect("writing to memory cannot fail");
    for header in &*response.headers {
        if DROPPED_HEADERS
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
        {
            continue;
        }
        output.extend_from_slice(header.name.as_bytes());
        output.extend_from_slice(b": ");
        output.extend_from_slice(header.value);
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(match persistence {
        Persistence::Stays => b"\r\n",
        Persistence::KeepAlive => b"Connection: keep-alive\r\n\r\n",
        Persistence::Close => b"Connection: close\r\n\r\n",
    });
    output.extend_from_slice(body);
    Ok(Some((Passed::Whole, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(
        input: &str,
        head_only: bool,
        persistence: Persistence,
    ) -> Result<Option<String>, Broken> {
        let mut output = Vec::new();
        let passed = pass_on(input.as_bytes(), head_only, persistence, &mut output)?;
        Ok(passed.map(|(passed, len)| match passed {
            Passed::Whole => {
                assert_eq!(len, input.len(), "it was all one answer");
                String::from_utf8(output).unwrap()
            }
            Passed::Abandoned => "abandoned".to_owned(),
        }))
    }

    const ANSWER: &str = "HTTP/1.1 405 Method Not Allowed\r\nServer: x\r\nDate: y\r\nConnection: z\r\n\
                          Allow: GET\r\nContent-Length: 2\r\n\r\nno";

    #[test]
    fn an_answer_is_passed_on_with_the_clients_connection_header() {
        let rest = "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 2\r\n";
        for (persistence, said) in [
            (Persistence::Stays, ""),
            (Persistence::KeepAlive, "Connection: keep-alive\r\n"),
            (Persistence::Close, "Connection: close\r\n"),
        ] {
            assert_eq!(
                pass(ANSWER, false, persistence),
                Ok(Some(format!("{rest}{said}\r\nno")))
            );
        }
    }

    #[test]
    fn an_answer_is_awaited_to_its_last_byte() {
        for cut in 0..ANSWER.len() {
            assert_eq!(pass(&ANSWER[..cut], false, Persistence::Stays), Ok(None));
        }
    }

    #[test]
    fn an_answer_ends_where_the_next_begins() {
        let two = ANSWER.repeat(2);
        let mut output = Vec::new();
        let passed = pass_on(two.as_bytes(), false, Persistence::Stays, &mut output);
        assert_eq!(passed, Ok(Some((Passed::Whole, ANSWER.len()))));
        assert!(output.ends_with(b"\r\n\r\nno"));
    }

    #[test]
    fn answers_without_a_body_end_with_their_head() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n";
        assert_eq!(
            pass(head, true, Persistence::Stays),
            Ok(Some(head.to_owned()))
        );
        let head = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(
            pass(head, false, Persistence::Stays),
            Ok(Some(head.to_owned()))
        );
    }

    #[test]
    fn an_abandoned_request_is_told_apart() {
        let given_up = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        let passed = pass(given_up, false, Persistence::Stays);
        assert_eq!(passed, Ok(Some("abandoned".to_owned())));
    }

    #[test]
    fn answers_whose_end_is_unclear_are_broken() {
        for input in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "garbage\r\n\r\n",
        ] {
            assert!(pass(input, false, Persistence::Stays).is_err(), "{input}");
        }
    }

    #[test]
    fn every_refusal_is_a_whole_answer_that_closes() {
        for refusal in [
            Refusal::BadRequest,
            Refusal::RequestTimeout,
            Refusal::LengthRequired,
            Refusal::BodyTooLarge,
            Refusal::ExpectationFailed,
            Refusal::HeadTooLarge,
            Refusal::Unavailable,
            Refusal::VersionNotSupported,
        ] {
            let mut output = b"left over".to_vec();
            refusal.write(&mut output);
            let text = String::from_utf8(output).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let (status, _, said) = refusal.parts();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            assert!(head.contains("Connection: close"));
            assert_eq!(body, said);
        }
    }
}
