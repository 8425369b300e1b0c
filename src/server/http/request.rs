//! One request as a handler sees it: whole, in memory, with no more of `tiny_http` in it.

use std::io;
use std::time::Instant;

use ipnet::IpNet;
use tiny_http::Header;

use super::headers::{PASSED, PEER_HEADER};
use super::outbox::Ticket;
use super::peer::Peer;

/// A request method, as far as there are routes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// Any other; no route takes it.
    Other,
}

impl Method {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Other => "any other",
        }
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Path and query, ASCII without spaces or control characters, beginning with `/`.
    pub target: String,
    /// Those of [`PASSED`](super::headers::PASSED) that it has.
    headers: Vec<(&'static str, String)>,
    /// Who is at the other end of its connection.
    pub peer: Peer,
    /// The body, at most `server.max_body` bytes.
    pub body: Vec<u8>,
    /// When a worker took it.
    pub since: Instant,
}

impl Request {
    /// Takes everything out of a request of `tiny_http`, which reads the next one of its lane then. Nothing is written
    /// to the lane: the answer goes to the guard by the ticket.
    ///
    /// # Errors
    /// When the lane broke in the middle of the body, or the request did not come from the guard.
    pub fn receive(mut inner: tiny_http::Request) -> io::Result<(Ticket, Request)> {
        let since = Instant::now();
        let mut origin = None;
        let mut headers = Vec::new();
        for Header { field, value } in inner.headers() {
            if field.equiv(PEER_HEADER) {
                origin = value.as_str().split_once(' ');
            } else if let Some(passed) = PASSED.iter().find(|passed| field.equiv(passed.name)) {
                headers.push((passed.name, value.to_string()));
            }
        }
        let origin =
            origin.and_then(|(ticket, peer)| Some((ticket.parse().ok()?, peer.parse().ok()?)));
        let (ticket, peer) = origin.ok_or(io::ErrorKind::InvalidData)?;
        let mut body = Vec::with_capacity(inner.body_length().unwrap_or(0));
        inner.as_reader().read_to_end(&mut body)?;
        let request = Request {
            method: match inner.method() {
                tiny_http::Method::Get => Method::Get,
                tiny_http::Method::Head => Method::Head,
                tiny_http::Method::Post => Method::Post,
                _ => Method::Other,
            },
            target: inner.url().to_owned(),
            headers,
            peer,
            body,
            since,
        };
        // Dropped as it is, it would write an answer of its own.
        drop(inner.into_writer());
        Ok((ticket, request))
    }

    /// A header of [`PASSED`](super::headers::PASSED), by its name as it stands there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it was sent by one of these proxies, or through the Unix socket: a process that may open that is trusted
    /// like a proxy.
    pub fn is_from_proxy(&self, trusted: &[IpNet]) -> bool {
        match self.peer {
            Peer::Ip(address) => trusted.iter().any(|net| net.contains(&address)),
            Peer::Unix => true,
        }
    }

    /// The path, and the query or nothing.
    pub fn path_and_query(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    /// One for tests of handlers, without a socket.
    #[cfg(test)]
    pub fn of(
        method: Method,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Request {
        let own = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        Request {
            method,
            target: target.to_owned(),
            headers: headers.iter().map(own).collect(),
            peer: Peer::Unix,
            body: body.into(),
            since: Instant::now(),
        }
    }
}
