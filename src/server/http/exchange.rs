//! One request from `tiny_http` and the one answer to it; the answers of a lane leave in the order of its requests, many in one write.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tiny_http::{Method, Request, StatusCode};

/// How long a request may wait for its answer, from the moment at which a worker took it; then it is 503. The
/// platform hangs up after 5 s. The guard holds whatever waited for a worker to its own limit, a little later.
pub const TIME_LIMIT: Duration = Duration::from_millis(4_200);

/// A request, and the duty to answer it: dropped unanswered, as by a panic, it becomes a 503.
pub struct Exchange {
    /// Taken only by [`Exchange::responder`] and on drop.
    request: Option<Request>,
    since: Instant,
    place: Place,
}

/// The way back for one answer, when the request itself is needed no more.
pub struct Responder {
    head_only: bool,
    answered: bool,
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
    /// One for every request that was taken, in their order.
    places: VecDeque<Slot>,
}

/// What is known of one answer.
struct Slot {
    /// When the request was taken.
    since: Instant,
    head_only: bool,
    /// Here once the request itself is needed no more.
    writer: Option<Writer>,
    /// The first answer that is given; later ones are not heard.
    answer: Option<Vec<u8>>,
}

impl Exchange {
    /// To be called in the order in which the requests were received.
    pub fn new(request: Request, outbox: &Arc<Outbox>) -> Exchange {
        let head_only = *request.method() == Method::Head;
        let since = Instant::now();
        let place = Place {
            number: outbox.reserve(since, head_only),
            outbox: Arc::clone(outbox),
        };
        Exchange {
            request: Some(request),
            since,
            place,
        }
    }

    /// When it was taken.
    pub fn since(&self) -> Instant {
        self.since
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
        let head_only = *request.method() == Method::Head;
        place.outbox.open(place.number, request.into_writer());
        Responder {
            head_only,
            answered: false,
            place,
        }
    }

    /// Answers at once, or as soon as the requests before it on its lane are answered.
    pub fn answer(mut self, reply: &Reply<'_>) {
        self.put(reply);
        self.place.outbox.leave();
    }

    /// Answers with the next [`Outbox::leave`], together with whatever else waits there. `false`: its time was up,
    /// and it has been answered 503.
    pub fn answer_soon(mut self, reply: &Reply<'_>) -> bool {
        self.put(reply)
    }

    /// Answers with these very bytes.
    #[cfg(test)]
    pub fn answer_bytes(mut self, bytes: Vec<u8>) {
        self.answered = true;
        self.place.outbox.put(self.place.number, bytes);
        self.place.outbox.leave();
    }

    fn put(&mut self, reply: &Reply<'_>) -> bool {
        self.answered = true;
        let bytes = reply.render(!self.head_only);
        self.place.outbox.put(self.place.number, bytes)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            self.put(&Reply::text(ABANDONED, ""));
            self.place.outbox.leave();
        }
    }
}

impl Outbox {
    /// A place behind all others.
    fn reserve(&self, since: Instant, head_only: bool) -> u64 {
        let mut waiting = self.lock();
        waiting.places.push_back(Slot {
            since,
            head_only,
            writer: None,
            answer: None,
        });
        waiting.first + waiting.places.len() as u64 - 1
    }

    /// From now on the place can be answered.
    fn open(&self, number: u64, writer: Writer) {
        if let Some(slot) = self.lock().slot(number) {
            slot.writer = Some(writer);
        }
    }

    /// Takes the answer unless there has been one. Under the lock, so that of an answer and the end of its time
    /// one comes first.
    fn put(&self, number: u64, bytes: Vec<u8>) -> bool {
        match self.lock().slot(number) {
            Some(slot) if slot.answer.is_none() => {
                slot.answer = Some(bytes);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Answers `reply` to whatever has waited for `limit` at `now`, and says how many those were and when the
    /// next one's time is up.
    pub fn expire(
        &self,
        now: Instant,
        limit: Duration,
        reply: &Reply<'_>,
    ) -> (usize, Option<Instant>) {
        let mut waiting = self.lock();
        let mut expired = 0;
        let mut next = None;
        for slot in waiting
            .places
            .iter_mut()
            .filter(|slot| slot.answer.is_none())
        {
            let in_time = now.saturating_duration_since(slot.since) < limit;
            // Without a writer its request is still being read, by the thread that is here now: there is none.
            if in_time || slot.writer.is_none() {
                next = slot.since.checked_add(limit);
                break;
            }
            slot.answer = Some(reply.render(!slot.head_only));
            expired += 1;
        }
        if expired > 0 {
            waiting.leave();
        }
        (expired, next)
    }

    /// Sends every answer that no unanswered request stands before, in one write.
    pub fn leave(&self) {
        // The lock is held on: what leaves later must not overtake this.
        self.lock().leave();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The place with this number, unless its answer has left.
    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.places.get_mut(at)
    }

    fn leave(&mut self) {
        let ready = self.places.iter().take_while(|slot| slot.answer.is_some());
        let ready = ready.count();
        self.first += ready as u64;
        let mut last: Option<(Writer, Vec<u8>)> = None;
        let slots = self.places.drain(..ready);
        for (writer, bytes) in slots.filter_map(|slot| slot.writer.zip(slot.answer)) {
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
        if let Some((mut writer, bytes)) = last
            && let Err(error) = send(&mut writer, &bytes)
        {
            log::debug!("answers could not be sent, the guard has given the lane up: {error}");
        }
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
pub const ABANDONED: u16 = 500;

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
    pub fn render(&self, with_body: bool) -> Vec<u8> {
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
    use crate::server::http::lanes::{Lanes, Requests};

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
    fn what_waits_too_long_is_answered_once_and_holds_up_nobody() {
        let (mut lane, requests, exchanges) = asked(3);
        let mut responders: Vec<_> = exchanges.into_iter().map(Exchange::responder).collect();
        responders.pop().unwrap().answer(&Reply::text(200, "/3"));
        let outbox = requests.outbox();
        let (late, now) = (Reply::text(503, "/-"), Instant::now());
        let (expired, next) = outbox.expire(now, TIME_LIMIT, &late);
        assert_eq!(expired, 0);
        assert!(next.is_some_and(|next| next > now));
        responders
            .pop()
            .unwrap()
            .answer_soon(&Reply::text(200, "/2"));
        let (expired, next) = outbox.expire(now + TIME_LIMIT, TIME_LIMIT, &late);
        assert_eq!((expired, next), (1, None));
        assert_eq!(bodies(&read(&mut lane)), ["/-", "/2", "/3"]);
        let heard = responders
            .pop()
            .unwrap()
            .answer_soon(&Reply::text(200, "/1"));
        assert!(!heard, "it has been answered");
        outbox.leave();
        lane.set_nonblocking(true).unwrap();
        assert!(lane.read(&mut [0; 16]).is_err(), "a second answer");
    }

    #[test]
    fn of_an_answer_and_the_end_of_its_time_one_is_heard() {
        let (mut lane, requests, exchanges) = asked(200);
        let late = Instant::now() + TIME_LIMIT;
        let mut answered = 0;
        std::thread::scope(|scope| {
            let expired = scope.spawn(|| {
                let reply = Reply::text(503, "/-");
                (0..200)
                    .map(|_| requests.outbox().expire(late, TIME_LIMIT, &reply).0)
                    .sum::<usize>()
            });
            for exchange in exchanges {
                let heard = exchange.responder().answer_soon(&Reply::text(200, "/+"));
                requests.outbox().leave();
                answered += usize::from(heard);
            }
            assert_eq!(answered + expired.join().unwrap(), 200);
        });
        let mut all = String::new();
        while bodies(&all).len() < 200 {
            all += &read(&mut lane);
        }
        assert_eq!(
            bodies(&all).iter().filter(|body| **body == "/+").count(),
            answered
        );
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
