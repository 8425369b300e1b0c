//! Finds the end of a request, checks that it is well-formed, and writes the head for `tiny_http`; pure, no I/O.

use std::io::Write;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Request, Status};

use super::chunks::Chunks;
use super::limits::Limits;
use super::refusal::Refusal;
use crate::server::http::headers::{PASSED, PEER_HEADER, Passed, Several};
use crate::server::http::outbox::Ticket;
use crate::server::http::peer::Peer;
use crate::server::http::response::Persistence;

/// The most headers a request may have (431 beyond).
pub const HEADER_LIMIT: usize = 64;

/// What the guard knows of a request whose head has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, up to and including the empty line.
    pub len: usize,
    /// How the end of the body shows.
    pub body: Body,
    /// The client waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// What the connection is for after the answer, as the client asked for it.
    pub persistence: Persistence,
    /// A HEAD request: its answer has no body whatever its Content-Length says.
    pub head_only: bool,
}

/// How the end of a body shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has this many bytes.
    Length(usize),
    /// It comes in chunks.
    Chunked(Chunks),
}

impl Head {
    /// Bytes of the request, as far as is known.
    pub fn total(&self) -> usize {
        let body = match self.body {
            Body::Length(length) => length,
            Body::Chunked(chunks) => chunks.content().saturating_add(chunks.missing()),
        };
        self.len.saturating_add(body)
    }

    /// Whether `input`, which begins with this head, holds the whole request.
    ///
    /// The framing of chunks is taken out of `input` as it arrives. Once they are all there, the request is as if it
    /// had come with a Content-Length.
    pub(super) fn is_whole(&mut self, input: &mut Vec<u8>) -> Result<bool, Refusal> {
        if let Body::Chunked(chunks) = &mut self.body {
            if !chunks.read(input, self.len)? {
                return Ok(false);
            }
            self.body = Body::Length(chunks.content());
        }
        Ok(self.total() <= input.len())
    }

    /// Ends the head for `tiny_http` in `inner` with our own headers. The length of the body is known here:
    /// `tiny_http` never learns of another way to frame it.
    pub(super) fn end(&self, inner: &mut Vec<u8>, ticket: Ticket, peer: Peer) {
        let length = self.total() - self.len;
        write!(
            inner,
            "{PEER_HEADER}: {ticket} {peer}\r\nContent-Length: {length}\r\n\r\n"
        )
        .expect("writing to memory cannot fail");
    }
}

/// Looks for a whole, well-formed head at the start of `input`.
///
/// `Ok(None)`: the end of the head is not there yet; `scanned` is how many bytes of `input` were
/// there when that was last found out. On `Ok(Some(_))` the head to be sent to `tiny_http` has been
/// written to `inner` in one form: method, target, HTTP/1.1, and the headers that pass. [`Head::end`] ends it.
pub(super) fn frame(
    input: &[u8],
    scanned: usize,
    limits: &Limits,
    inner: &mut Vec<u8>,
) -> Result<Option<Head>, Refusal> {
    let Some(len) = find_head(input, scanned, limits.max_head)? else {
        return Ok(None);
    };
    let mut headers = [const { MaybeUninit::uninit() }; HEADER_LIMIT];
    let mut request = Request::new(&mut []);
    let parsed = ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        &input[..len],
        &mut headers,
    );
    match parsed {
        Ok(Status::Complete(parsed_len)) if parsed_len == len => {}
        Ok(_) => return Err(Refusal::BadRequest),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(Refusal::VersionNotSupported),
        Err(_) => return Err(Refusal::BadRequest),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::BadRequest);
    };
    let target = OriginForm::of(target).ok_or(Refusal::BadRequest)?;
    let wanted = Wanted::from(request.headers, minor, limits.max_body)?;
    inner.clear();
    inner.extend_from_slice(method.as_bytes());
    inner.push(b' ');
    inner.extend_from_slice(target.added_slash.as_bytes());
    inner.extend_from_slice(target.rest.as_bytes());
    inner.extend_from_slice(b" HTTP/1.1\r\n");
    // A push needs only the addresses; passing more would slow it down.
    let is_callback = target.path() == &*limits.callback;
    for passed in if is_callback { &PASSED[..1] } else { &PASSED } {
        pass(*passed, request.headers, inner)?;
    }
    Ok(Some(Head {
        len,
        body: wanted.body,
        expects_continue: wanted.expects_continue,
        persistence: wanted.persistence,
        head_only: method == "HEAD",
    }))
}

/// The length of the head, or `None` while its end has not arrived.
fn find_head(input: &[u8], scanned: usize, max_head: usize) -> Result<Option<usize>, Refusal> {
    // Empty lines before a request are allowed (RFC 9112, 2.2) and are not its end.
    let Some(start) = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
        return too_large_or_none(input, max_head);
    };
    // A TLS handshake or other binary noise has no end of head to wait for.
    if !input[start].is_ascii_alphanumeric() {
        return Err(Refusal::BadRequest);
    }
    // The last three bytes seen before may be the beginning of the end.
    let mut at = start.max(scanned.saturating_sub(3));
    while let Some(step) = input[at..].iter().position(|&byte| byte == b'\n') {
        at += step + 1;
        let end = match input[at..] {
            [b'\n', ..] => at + 1,
            [b'\r', b'\n', ..] => at + 2,
            _ => continue,
        };
        return if end > max_head {
            Err(Refusal::HeadTooLarge)
        } else {
            Ok(Some(end))
        };
    }
    too_large_or_none(input, max_head)
}

fn too_large_or_none(input: &[u8], max_head: usize) -> Result<Option<usize>, Refusal> {
    if input.len() >= max_head {
        Err(Refusal::HeadTooLarge)
    } else {
        Ok(None)
    }
}

/// A request target as path and query; the absolute form that proxies use is brought into it.
struct OriginForm<'a> {
    added_slash: &'static str,
    rest: &'a str,
}

impl<'a> OriginForm<'a> {
    fn of(target: &'a str) -> Option<OriginForm<'a>> {
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        if target.starts_with('/') {
            return Some(OriginForm {
                added_slash: "",
                rest: target,
            });
        }
        let (scheme, after) = target.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let authority = after.find(['/', '?']).unwrap_or(after.len());
        let rest = &after[authority..];
        if authority == 0 {
            return None;
        }
        let added_slash = if rest.starts_with('/') { "" } else { "/" };
        Some(OriginForm { added_slash, rest })
    }

    fn path(&self) -> &str {
        match self.added_slash {
            "" => self.rest.split('?').next().unwrap_or_default(),
            slash => slash,
        }
    }
}

/// What the headers ask of the guard itself.
struct Wanted {
    body: Body,
    expects_continue: bool,
    persistence: Persistence,
}

impl Wanted {
    fn from(headers: &[Header<'_>], minor: u8, max_body: usize) -> Result<Wanted, Refusal> {
        let (mut content_length, mut chunked, mut expects_continue) = (None, false, false);
        let mut has_host = false;
        let (mut close, mut keep_alive) = (false, false);
        for header in headers {
            let value = header.value;
            if is(header, "Content-Length") {
                if content_length.is_some() {
                    return Err(Refusal::BadRequest);
                }
                content_length = Some(value);
            } else if is(header, "Host") {
                if has_host || !value.iter().all(u8::is_ascii_graphic) {
                    return Err(Refusal::BadRequest);
                }
                has_host = true;
            } else if is(header, "Connection") {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is(header, "Transfer-Encoding") {
                // Once, and nothing else: a proxy in front may not understand a list as we would.
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::LengthRequired);
                }
                chunked = true;
            } else if is(header, "Expect") {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::ExpectationFailed);
                }
                // HTTP/1.0 does not know of it (RFC 9110, section 10.1.1).
                expects_continue = minor > 0;
            }
        }
        let body = match (chunked, content_length) {
            // Two ways to find the end of the body are one too many, and HTTP/1.0 does not know chunks: a
            // proxy in front may have understood it in another way (RFC 9112, section 6.1).
            (true, Some(_)) => return Err(Refusal::BadRequest),
            (true, None) if minor == 0 => return Err(Refusal::BadRequest),
            (true, None) => Body::Chunked(Chunks::new(max_body)),
            (false, Some(value)) => Body::Length(content_length_of(value, max_body)?),
            // Without either there is no body (RFC 9112, section 6.3).
            (false, None) => Body::Length(0),
        };
        let persistence = match (close, minor, keep_alive) {
            (true, _, _) | (false, 0, false) => Persistence::Close,
            (false, 0, true) => Persistence::KeepAlive,
            (false, _, _) => Persistence::Stays,
        };
        Ok(Wanted {
            body,
            expects_continue,
            persistence,
        })
    }
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// Digits only: no sign, no list, no hexadecimal. What does not fit into a number is too large, too.
fn content_length_of(value: &[u8], max_body: usize) -> Result<usize, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BadRequest);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|&length| length <= max_body)
        .ok_or(Refusal::BodyTooLarge)
}

/// Writes the headers of this name as one, if there are any.
fn pass(passed: Passed, headers: &[Header<'_>], inner: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut found = headers.iter().filter(|header| is(header, passed.name));
    let Some(first) = found.next() else {
        return Ok(());
    };
    inner.extend_from_slice(passed.name.as_bytes());
    inner.extend_from_slice(b": ");
    write_value(passed, first, inner)?;
    for more in found {
        match passed.several {
            Several::Joined(between) => {
                inner.extend_from_slice(between.as_bytes());
                write_value(passed, more, inner)?;
            }
            Several::First => {}
            Several::Refused => return Err(Refusal::BadRequest),
        }
    }
    inner.extend_from_slice(b"\r\n");
    Ok(())
}

fn write_value(passed: Passed, header: &Header<'_>, inner: &mut Vec<u8>) -> Result<(), Refusal> {
    for &byte in header.value {
        match byte {
            b'\t' | b' '..=b'~' => inner.push(byte),
            0x80.. if !passed.ascii_only => {
                write!(inner, "%{byte:02X}").expect("writing to memory cannot fail")
            }
            _ => return Err(Refusal::BadRequest),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
