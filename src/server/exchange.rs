//! One request from `tiny_http` and the one answer to it; the answers of a lane leave in the order of its requests, many in one write.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiny_http::{Method, Request, StatusCode};

/// A request, and the duty to answer it: dropped unanswered, as by a panic, it becomes a 503.
pub struct Exchange {
    /// Taken only by [`Exchange::responder`] and on drop.
    request: Option<Request>,
    place: Place,
}

/// The way back for one answer, when the request itself is needed no more.
pub struct Responder {
    /// Taken by the answer.
    writer: Option<Writer>,
    head_only: bool,
    place: Place,
}

/// What `tiny_http` gives out for an answer; it lets the next one write only once it is dropped.
type Writer = Box<dyn Write + Send>;

/// Where an answer belongs among those of its lane.
#[derive(Clone, Debug)]
struct Place {
    number: u64,
    outbox: Arc<Outbox>,
}

/// The answers of one lane that cannot leave yet, because the one to an earlier request is not there
/// or because the next are about to come.
///
/// It holds at most one answer for each connection of the guard, so it needs no limit of its own.
#[derive(Default)]
pub struct Outbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// The number of the place at the front.
    first: u64,
    /// An answer for every request that was taken, once it is known.
    answers: VecDeque<Option<(Writer, Vec<u8>)>>,
}

impl Exchange {
    /// To be called in the order in which the requests were received.
    pub(super) fn new(request: Request, outbox: &Arc<Outbox>) -> Exchange {
        let place = Place {
            number: outbox.reserve(),
            outbox: Arc::clone(outbox),
        };
        Exchange {
            request: Some(request),
            place,
        }
    }

    /// What was asked.
    pub fn request(&self) -> &Request {
        self.request.as_ref().expect(PRESENT)
    }

    /// The same, to read its body.
    pub fn request_mut(&mut self) -> &mut Request {
        self.request.as_mut().expect(PRESENT)
    }

    /// Answers at once, or as soon as the requests before it on its lane are answered.
    pub fn answer(self, reply: &Reply<'_>) {
        self.responder().answer(reply);
    }

    /// Lets go of the request, so that `tiny_http` reads the next one of the lane. A body that nobody read is thrown away.
    pub fn responder(mut self) -> Responder {
        let request = self.request.take().expect(PRESENT);
        Responder::new(request, self.place.clone())
    }
}

const PRESENT: &str = "the request is there until the exchange is used up";

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            drop(Responder::new(request, self.place.clone()));
        }
    }
}

impl Responder {
    fn new(request: Request, place: Place) -> Responder {
        Responder {
            head_only: *request.method() == Method::Head,
            writer: Some(request.into_writer()),
            place,
        }
    }

    /// Answers at once, or as soon as the requests before it on its lane are answered.
    pub fn answer(mut self, reply: &Reply<'_>) {
        self.put(reply);
        self.place.outbox.leave();
    }

    /// Answers with the next [`Outbox::leave`], together with whatever else waits there.
    pub fn answer_soon(mut self, reply: &Reply<'_>) {
        self.put(reply);
    }

    /// Answers with these very bytes.
    #[cfg(test)]
    pub(super) fn answer_bytes(mut self, bytes: Vec<u8>) {
        let writer = self.writer.take().unwrap();
        self.place.outbox.put(self.place.number, writer, bytes);
        self.place.outbox.leave();
    }

    fn put(&mut self, reply: &Reply<'_>) {
        if let Some(writer) = self.writer.take() {
            let bytes = reply.render(!self.head_only);
            self.place.outbox.put(self.place.number, writer, bytes);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.put(&Reply::text(ABANDONED, ""));
            self.place.outbox.leave();
        }
    }
}

impl Outbox {
    /// A place behind all others.
    fn reserve(&self) -> u64 {
        let mut waiting = self.lock();
        waiting.answers.push_back(None);
        waiting.first + waiting.answers.len() as u64 - 1
    }

    fn put(&self, number: u64, writer: Writer, bytes: Vec<u8>) {
        let mut waiting = self.lock();
        let at = usize::try_from(number - waiting.first).expect("places fit into memory");
        waiting.answers[at] = Some((writer, bytes));
    }

    /// Sends every answer that no unanswered request stands before, in one write.
    pub fn leave(&self) {
        let mut waiting = self.lock();
        let ready = waiting.answers.iter().take_while(|answer| answer.is_some());
        let ready = ready.count();
        waiting.first += ready as u64;
        let mut last: Option<(Writer, Vec<u8>)> = None;
        for (writer, bytes) in waiting.answers.drain(..ready).flatten() {
            last = Some(match last {
                None => (writer, bytes),
                Some((before, mut all)) => {
                    // Its turn goes to the next writer, which says what this one had to say.
                    drop(before);
                    all.extend_from_slice(&bytes);
                    (writer, all)
                }
            });
        }
        // The lock is held on: what leaves later must not overtake this.
        if let Some((mut writer, bytes)) = last
            && let Err(error) = send(&mut writer, &bytes)
        {
            log::debug!("answers could not be sent, the guard has given the lane up: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(writer: &mut Writer, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes)?;
    writer.flush()
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither its signature nor its text.
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

/// The status that tells the guard that nobody answered.
pub(super) const ABANDONED: u16 = 500;

/// One answer.
///
/// The guard adds what concerns the client's connection. Status 500 is reserved: it stands for a
/// request that was dropped unanswered, and the guard turns it into 503.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status code, 200 to 599 but not 500.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: &'a str,
    /// Other headers, name and value; not Content-Length, Connection or Transfer-Encoding.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; left out of the answer to HEAD.
    pub body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A `text/plain` answer without further headers.
    pub fn text(status: u16, body: &'a str) -> Reply<'a> {
        Reply {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: &[],
            body: body.as_bytes(),
        }
    }

    /// The bytes for the lane.
    pub(super) fn render(&self, with_body: bool) -> Vec<u8> {
        let reason = StatusCode(self.status).default_reason_phrase();
        let mut bytes = Vec::with_capacity(self.body.len() + 256);
        let mut line = |parts: &[&str]| {
            for part in parts {
                bytes.extend_from_slice(part.as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        };
        line(&["HTTP/1.1 ", &self.status.to_string(), " ", reason]);
        line(&["Content-Type: ", self.content_type]);
        for (name, value) in self.headers {
            line(&[name, ": ", value]);
        }
        line(&["Content-Length: ", &self.body.len().to_string()]);
        line(&[]);
        if with_body {
            bytes.extend_from_slice(self.body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::server::lanes::{Lanes, Requests};

    /// A lane on which so many requests were sent one after another, `/1` and so on, and they themselves.
    fn asked(count: usize) -> (UnixStream, Arc<Requests>, Vec<Exchange>) {
        let (lanes, mut requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        let mut lane = lanes.streams.into_iter().next().unwrap();
        let requests = requests.remove(0);
        lane.set_nonblocking(false).unwrap();
        for number in 1..=count {
            write!(lane, "GET /{number} HTTP/1.1\r\n\r\n").unwrap();
        }
        let exchanges = (0..count).map(|_| requests.recv().unwrap()).collect();
        (lane, requests, exchanges)
    }

    fn answer(exchange: Exchange) {
        let said = exchange.request().url().to_owned();
        exchange.answer(&Reply::text(200, &said));
    }

    fn read(lane: &mut UnixStream) -> String {
        let mut bytes = vec![0; 4096];
        let count = lane.read(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// The bodies in `answers`, each of two bytes.
    fn bodies(answers: &str) -> Vec<&str> {
        answers
            .split("\r\n\r\n")
            .skip(1)
            .map(|rest| &rest[..2])
            .collect()
    }

    #[test]
    fn answers_leave_in_the_order_of_their_requests() {
        let (mut lane, _requests, exchanges) = asked(3);
        exchanges.into_iter().rev().for_each(answer);
        assert_eq!(bodies(&read(&mut lane)), ["/1", "/2", "/3"]);
    }

    #[test]
    fn what_is_answered_soon_leaves_together() {
        let (mut lane, requests, exchanges) = asked(3);
        for exchange in exchanges {
            let said = exchange.request().url().to_owned();
            exchange.responder().answer_soon(&Reply::text(200, &said));
        }
        lane.set_nonblocking(true).unwrap();
        let nothing = lane.read(&mut [0; 16]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        lane.set_nonblocking(false).unwrap();
        requests.outbox().leave();
        assert_eq!(bodies(&read(&mut lane)), ["/1", "/2", "/3"]);
    }

    #[test]
    fn what_is_dropped_unanswered_is_abandoned_and_holds_up_nobody() {
        let (mut lane, _requests, mut exchanges) = asked(3);
        answer(exchanges.pop().unwrap());
        drop(exchanges.pop().unwrap().responder());
        drop(exchanges);
        let answers = read(&mut lane);
        assert_eq!(answers.matches("HTTP/1.1 500 ").count(), 2, "{answers}");
        assert!(answers.ends_with("\r\n\r\n/3"), "{answers}");
    }

    #[test]
    fn a_reply_is_written_with_its_headers() {
        let reply = Reply {
            status: 405,
            content_type: "text/plain",
            headers: &[("Allow", "GET, POST")],
            body: b"no",
        };
        let head = "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\n\
                    Allow: GET, POST\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(reply.render(true), format!("{head}no").into_bytes());
        assert_eq!(reply.render(false), head.as_bytes());
    }
}
