//! One client connection as the event loop keeps it.

use std::io::{self, Read, Write};
use std::time::Instant;

use mio::{Interest, Registry, Token};

use super::framing::{self, Head};
use super::limits::Limits;
use super::refusal::Refusal;
use super::stream::Stream;
use crate::server::http::outbox::Ticket;
use crate::server::http::peer::Peer;
use crate::server::http::response::{Persistence, Response};

/// Bytes that are read beyond the request under way, at least.
const READ_AHEAD: usize = 8 * 1024;

/// Buffers up to this size are kept between the requests of a connection; larger ones are freed.
const KEPT_BUFFER: usize = 4 * 1024;

/// Sent to a client that waits for it before it sends its body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Where a connection is in the life of one request. Each phase has its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is not whole yet; the first one of a connection may not have begun.
    Reading,
    /// Answered, and nothing of a next request has come.
    Idle,
    /// The client sends requests before it has the answers to those before: it goes on when it is its turn, so that
    /// those who send ahead do not hold up the others.
    Queued,
    /// The request is whole and inside, and should be answered soon.
    Answering,
    /// The same for longer. The client is watched from now on, because it may hang up.
    Waiting,
    /// The usual time to wait is over, but the request is held: whoever holds it ends it.
    Held,
    /// The client closed its half while it waited: it has most likely gone.
    Leaving,
    /// The answer did not go out at once; the client has to take it.
    Writing,
    /// The last answer is out; what the client still sends is thrown away, so that it reads the
    /// answer instead of a reset.
    Lingering,
}

impl Phase {
    /// Those in which a request is inside.
    pub(super) const INSIDE: [Phase; 4] = [
        Phase::Answering,
        Phase::Waiting,
        Phase::Held,
        Phase::Leaving,
    ];

    pub(super) const ALL: [Phase; 9] = [
        Phase::Reading,
        Phase::Idle,
        Phase::Queued,
        Phase::Answering,
        Phase::Waiting,
        Phase::Held,
        Phase::Leaving,
        Phase::Writing,
        Phase::Lingering,
    ];
}

/// Which events are asked for; never reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Watched {
    Nothing,
    Reads,
    ReadsAndWrites,
}

/// The outcome of one attempt to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Bytes(usize),
    NothingYet,
    /// The client has ended its half, or the connection is broken.
    End,
}

/// How far the answer has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    Part,
    /// The connection is broken.
    Broken,
}

/// One client connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
    /// This and the next three are changed by [`Connections`](super::connections::Connections) only.
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Instant,
    /// Requests so far, the one under way included.
    pub(super) requests: u32,
    /// The request under way had to wait for its turn, because the client sends ahead.
    sends_ahead: bool,
    /// Bytes of the request under way, then of those that the client sends ahead.
    pub(super) input: Vec<u8>,
    /// How much of `input` is known not to contain the end of a head.
    scanned: usize,
    /// The request under way, once its head has arrived.
    pub(super) head: Option<Head>,
    /// First the head for `tiny_http`, later the answer for the client.
    pub(super) output: Vec<u8>,
    /// How much of the answer has gone out, in bytes.
    written: usize,
    /// The request under way inside.
    pub(super) ticket: Option<Ticket>,
    /// The lane that carried it.
    pub(super) lane: Option<usize>,
    /// No further request is wanted after the answer.
    pub(super) last: bool,
    /// How many bytes were discarded while lingering.
    pub(super) discarded: usize,
    /// Reading may bring something. Events are edge-triggered: this is only cleared when the socket
    /// is known to be drained.
    readable: bool,
    /// The end of the client's half has been reported; reading must go on until it is met.
    read_closed: bool,
    /// The client can neither send nor receive any more.
    pub(super) gone: bool,
    watched: Watched,
    /// What this connection was last counted with in the memory budget, in bytes.
    pub(super) accounted: usize,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, now: Instant) -> Connection {
        Connection {
            stream,
            peer,
            phase: Phase::Reading,
            since: now,
            requests: 0,
            sends_ahead: false,
            input: Vec::new(),
            scanned: 0,
            head: None,
            output: Vec::new(),
            written: 0,
            ticket: None,
            lane: None,
            last: false,
            discarded: 0,
            readable: true,
            read_closed: false,
            gone: false,
            watched: Watched::Nothing,
            accounted: 0,
        }
    }

    /// See [`Connections::enter`](super::connections::Connections::enter).
    pub(super) fn begin(&mut self, phase: Phase, since: Instant) {
        self.phase = phase;
        self.since = since;
        match phase {
            Phase::Answering => self.requests += 1,
            Phase::Queued => self.sends_ahead = true,
            Phase::Idle => self.sends_ahead = false,
            Phase::Reading
            | Phase::Waiting
            | Phase::Held
            | Phase::Leaving
            | Phase::Writing
            | Phase::Lingering => {}
        }
    }

    /// Whether a request has just gone inside that had to wait for its turn. One that has been inside for longer waits
    /// for something, and holds up nobody.
    pub(super) fn is_ahead(&self) -> bool {
        self.phase == Phase::Answering && self.sends_ahead
    }

    /// Whether the client has ended its half.
    pub(super) fn has_ended_its_half(&self) -> bool {
        self.read_closed
    }

    /// Notes what the event queue reported.
    pub(super) fn note(&mut self, readable: bool, read_closed: bool) {
        self.readable |= readable || read_closed;
        self.read_closed |= read_closed;
    }

    /// Whether more has come behind a whole request that has not had to wait for its turn.
    pub(super) fn begins_to_send_ahead(&self) -> bool {
        let behind = self.head.and_then(|head| self.input.get(head.total()..));
        !self.sends_ahead && behind.is_some_and(is_begun_request)
    }

    /// Whether a request has begun to arrive.
    pub(super) fn has_begun_request(&self) -> bool {
        is_begun_request(&self.input)
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether bytes that nobody has read may be waiting.
    pub(super) fn may_have_unread(&self) -> bool {
        self.readable || !self.input.is_empty()
    }

    /// Bytes that its buffers hold.
    pub(super) fn held(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// Reads once into `scratch` if there may be something.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Received {
        while self.readable {
            match self.stream.read(scratch) {
                Ok(0) => return Received::End,
                Ok(count) => {
                    // A short read has drained the socket; later bytes bring a new event.
                    self.readable = count == scratch.len() || self.read_closed;
                    return Received::Bytes(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Received::End,
            }
        }
        Received::NothingYet
    }

    /// How many more bytes are welcome: the rest of the request under way, and a few beyond that.
    pub(super) fn wanted_bytes(&self) -> usize {
        let expected = self.head.map_or(0, |head| head.total());
        expected.saturating_sub(self.input.len()).max(READ_AHEAD)
    }

    /// Keeps bytes that have arrived. The buffer grows with what is there, never with what a
    /// Content-Length promises.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let needed = self.input.len() + bytes.len();
        if needed > self.input.capacity() {
            let useful = match self.head {
                Some(head) => head.total().max(needed),
                // In steps, so that a head that comes byte by byte is not copied for each of them.
                None => needed.next_multiple_of(READ_AHEAD),
            };
            let capacity = (needed * 2).min(useful);
            self.input.reserve_exact(capacity - self.input.len());
        }
        self.input.extend_from_slice(bytes);
    }

    /// Whether `input` begins with a whole request; its head for `tiny_http`, but for the end, is then in `output`.
    pub(super) fn frame(&mut self, limits: &Limits) -> Result<bool, Refusal> {
        if self.head.is_none() {
            self.head = framing::frame(&self.input, self.scanned, limits, &mut self.output)?;
            self.scanned = self.input.len();
        }
        match &mut self.head {
            Some(head) => head.is_whole(&mut self.input),
            None => Ok(false),
        }
    }

    /// Completes the head for `tiny_http`, and notes the lane that will carry it.
    pub(super) fn assign(&mut self, ticket: Ticket, lane: usize) {
        if let Some(head) = &self.head {
            head.end(&mut self.output, ticket, self.peer);
        }
        self.ticket = Some(ticket);
        self.lane = Some(lane);
    }

    /// Puts the answer to the request under way into `output`.
    pub(super) fn take_answer(&mut self, response: &Response, date: &str) {
        let persistence = match self.head {
            Some(head) if !self.last => head.persistence,
            Some(_) | None => Persistence::Close,
        };
        let to_head = self.head.is_some_and(|head| head.head_only);
        response.write(&mut self.output, date, persistence, to_head);
        self.last = persistence == Persistence::Close;
        self.ticket = None;
        self.lane = None;
    }

    /// Sends `100 Continue` to a client that waits for it; `false` if it could not be sent whole, which only happens
    /// when earlier answers have not been taken.
    pub(super) fn invite_body(&mut self) -> bool {
        let waits = |head: &mut Head| {
            std::mem::take(&mut head.expects_continue) && head.len == self.input.len()
        };
        if !self.head.as_mut().is_some_and(waits) {
            return true;
        }
        loop {
            match self.stream.write(CONTINUE) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written.is_ok_and(|count| count == CONTINUE.len()),
            }
        }
    }

    /// What `tiny_http` is sent: the head and the body, in two pieces.
    pub(super) fn inner_request(&self) -> (&[u8], &[u8]) {
        let body = self.head.map_or(0..0, |head| head.len..head.total());
        (&self.output, &self.input[body])
    }

    /// Drops the request, which `tiny_http` has received; what the client sent ahead stays.
    pub(super) fn consume_request(&mut self) {
        if let Some(head) = self.head {
            self.input.drain(..head.total());
        }
        shrink(&mut self.input);
        self.output.clear();
        shrink(&mut self.output);
    }

    /// Writes on with the answer in `output`.
    pub(super) fn send(&mut self) -> Sent {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Sent::Broken,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All
    }

    /// Gives the memory of its buffers back.
    pub(super) fn free_buffers(&mut self) {
        self.input = Vec::new();
        self.output = Vec::new();
    }

    /// Forgets the request that has been answered.
    pub(super) fn reset(&mut self) {
        self.head = None;
        self.scanned = 0;
        self.written = 0;
        self.output.clear();
        shrink(&mut self.output);
    }

    /// Ends our half of the connection; `false` if it is broken.
    pub(super) fn shutdown_write(&self) -> bool {
        self.stream.shutdown_write().is_ok()
    }

    /// Asks for events when bytes arrive. Those that are there already cause one, too.
    pub(super) fn watch_reads(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.watch(registry, token, Watched::Reads)
    }

    /// Asks for events when there is space to write.
    pub(super) fn watch_writes(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.watch(registry, token, Watched::ReadsAndWrites)
    }

    fn watch(&mut self, registry: &Registry, token: Token, wanted: Watched) -> io::Result<()> {
        if self.watched >= wanted {
            return Ok(());
        }
        let interests = match wanted {
            Watched::Nothing => return Ok(()),
            Watched::Reads => Interest::READABLE,
            Watched::ReadsAndWrites => Interest::READABLE | Interest::WRITABLE,
        };
        if self.watched == Watched::Nothing {
            registry.register(&mut self.stream, token, interests)?;
        } else {
            registry.reregister(&mut self.stream, token, interests)?;
        }
        self.watched = wanted;
        Ok(())
    }
}

/// Whether these bytes begin a request. Some old clients send a line break behind a body (RFC 9112, section 2.2), which
/// does not.
fn is_begun_request(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| !b"\r\n".contains(byte))
}

/// Gives memory back that an ordinary request does not need.
///
/// The large block is freed as a whole: shrunk in place, its small rest would keep the allocator from
/// ever using the space between such rests for another large body.
pub(super) fn shrink(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BUFFER && buffer.len() <= buffer.capacity() / 2 {
        *buffer = buffer.as_slice().to_vec();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::server::guard::tests::unhurried;

    #[test]
    fn a_line_break_behind_a_body_is_no_request_sent_ahead() {
        for (behind, is_ahead) in [
            ("", false),
            ("\r\n", false),
            ("\n\r\n", false),
            ("G", true),
            ("\r\nGET / HTTP/1.1\r\n\r\n", true),
        ] {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
            let mut connection = Connection::new(stream, Peer::Unix, Instant::now());
            let request = format!("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok{behind}");
            connection.keep(request.as_bytes());
            assert_eq!(connection.frame(&unhurried()), Ok(true));
            assert_eq!(connection.begins_to_send_ahead(), is_ahead, "{behind:?}");
            // It goes on when it is its turn.
            connection.begin(Phase::Queued, Instant::now());
            assert!(!connection.begins_to_send_ahead(), "{behind:?}");
        }
    }
}
