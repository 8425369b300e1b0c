//! One client connection as the event loop keeps it, and the order in which connections grow old.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::time::Instant;

use mio::{Interest, Registry, Token};

use crate::server::guard::framing::{self, HEAD_LIMIT, Head, Persistence};
use crate::server::guard::passing::Refusal;
use crate::server::guard::stream::{Peer, Stream};

/// Buffers up to this size are kept between the requests of a connection; larger ones are freed.
const KEPT_BUFFER: usize = 4 * 1024;

/// What a client that expects it is told before it sends its body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Where a connection is in the life of one request. Each phase has its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is not whole yet; the first one of a connection may not have begun.
    Reading,
    /// Answered, and nothing of a next request has come.
    Idle,
    /// The client sent its next request before it had the last answer: it goes on when it is its turn, so that those
    /// who send ahead do not hold up the others.
    Queued,
    /// The request is whole and on a lane, and waits for its answer.
    Answering,
    /// The answer did not go out at once; the client has to take it.
    Writing,
    /// The last answer is out; what the client still sends is thrown away, so that it reads the
    /// answer instead of a reset.
    Lingering,
}

impl Phase {
    pub(super) const ALL: [Phase; 6] = [
        Phase::Reading,
        Phase::Idle,
        Phase::Queued,
        Phase::Answering,
        Phase::Writing,
        Phase::Lingering,
    ];
}

/// The connections of every phase, oldest first, and the turns of those that are queued.
#[derive(Debug, Default)]
pub(super) struct Ages {
    phases: [BTreeSet<(Instant, usize)>; Phase::ALL.len()],
    /// Those in [`Phase::Queued`] by the number of their requests so far.
    turns: BTreeSet<(u32, usize)>,
    /// How many in [`Phase::Answering`] have been queued for it.
    sent_ahead: usize,
}

impl Ages {
    pub(super) fn of(&self, phase: Phase) -> &BTreeSet<(Instant, usize)> {
        &self.phases[phase as usize]
    }

    /// Requests under way that had to wait for their turn.
    pub(super) fn sent_ahead(&self) -> usize {
        self.sent_ahead
    }

    /// The queued connection that has had the fewest requests answered.
    pub(super) fn least_served(&self) -> Option<usize> {
        self.turns.first().map(|&(_, index)| index)
    }

    /// The queued connection that has had the most requests answered.
    pub(super) fn most_served(&self) -> Option<usize> {
        self.turns.last().map(|&(_, index)| index)
    }

    pub(super) fn insert(&mut self, index: usize, connection: &Connection) {
        self.phases[connection.phase as usize].insert((connection.since, index));
        match connection.phase {
            Phase::Queued => drop(self.turns.insert((connection.requests, index))),
            Phase::Answering => self.sent_ahead += usize::from(connection.sends_ahead),
            Phase::Reading | Phase::Idle | Phase::Writing | Phase::Lingering => {}
        }
    }

    pub(super) fn remove(&mut self, index: usize, connection: &Connection) {
        self.phases[connection.phase as usize].remove(&(connection.since, index));
        match connection.phase {
            Phase::Queued => drop(self.turns.remove(&(connection.requests, index))),
            Phase::Answering => self.sent_ahead -= usize::from(connection.sends_ahead),
            Phase::Reading | Phase::Idle | Phase::Writing | Phase::Lingering => {}
        }
    }
}

/// What the event queue reports of a connection; never taken back once asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Watched {
    Nothing,
    Reads,
    ReadsAndWrites,
}

/// What one attempt to read has brought.
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
    /// This and the next three are changed only while [`Ages`] does not hold the connection.
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Instant,
    /// Requests so far, the one under way included.
    pub(super) requests: u32,
    /// The request under way came before the answer to the one before it was out.
    pub(super) sends_ahead: bool,
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
    /// The lane that carries the request.
    pub(super) lane: Option<usize>,
    /// No further request is wanted after the answer.
    pub(super) last: bool,
    /// How much has been thrown away while lingering, in bytes.
    pub(super) discarded: usize,
    /// Reading may bring something. Events are edge-triggered: this is only cleared when the socket
    /// is known to be drained.
    readable: bool,
    /// The end of the client's half has been reported; reading must go on until it is met.
    read_closed: bool,
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
            lane: None,
            last: false,
            discarded: 0,
            readable: true,
            read_closed: false,
            watched: Watched::Nothing,
            accounted: 0,
        }
    }

    /// Notes what the event queue reported.
    pub(super) fn note(&mut self, readable: bool, read_closed: bool) {
        self.readable |= readable || read_closed;
        self.read_closed |= read_closed;
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether bytes that nobody has read may be waiting.
    pub(super) fn may_have_unread(&self) -> bool {
        self.readable || !self.input.is_empty()
    }

    /// Brings `buffered`, the sum of all connections' buffers, up to date for this one.
    pub(super) fn account(&mut self, buffered: &mut usize) {
        *buffered -= self.accounted;
        self.accounted = self.input.capacity() + self.output.capacity();
        *buffered += self.accounted;
    }

    /// Reads once into `scratch` if there may be something.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Received {
        while self.readable {
            match self.stream.read(scratch) {
                Ok(0) => return Received::End,
                Ok(count) => {
                    // A short read has drained the socket; later bytes are reported anew.
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

    /// How many more bytes are welcome: the rest of the request under way, and what fits into the
    /// space of a head beyond that.
    pub(super) fn appetite(&self) -> usize {
        let expected = self.head.map_or(0, |head| head.total());
        expected.saturating_sub(self.input.len()).max(HEAD_LIMIT)
    }

    /// Keeps bytes that have arrived. The buffer grows with what is there, never with what a
    /// Content-Length promises.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let needed = self.input.len() + bytes.len();
        if needed > self.input.capacity() {
            let useful = self
                .head
                .map_or(HEAD_LIMIT, |head| head.total())
                .max(needed);
            let capacity = (needed * 2).min(useful);
            self.input.reserve_exact(capacity - self.input.len());
        }
        self.input.extend_from_slice(bytes);
    }

    /// Whether `input` begins with a whole request; its head for `tiny_http` is then in `output`.
    pub(super) fn frame(&mut self, max_body: usize) -> Result<bool, Refusal> {
        if self.head.is_none() {
            self.head = framing::frame(
                &self.input,
                self.scanned,
                max_body,
                self.peer,
                &mut self.output,
            )?;
            self.scanned = self.input.len();
        }
        match &mut self.head {
            Some(head) => head.is_whole(&mut self.input, &mut self.output),
            None => Ok(false),
        }
    }

    /// Tells a client that waits for it to send its body; `false` if that cannot be told.
    ///
    /// So few bytes fit unless answers to earlier requests have not been taken.
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

    /// Drops the request that `tiny_http` has got; what the client sent ahead stays.
    pub(super) fn consume_request(&mut self) {
        if let Some(head) = self.head {
            self.input.drain(..head.total());
        }
        shrink(&mut self.input);
    }

    /// What the answer has to say about the connection.
    pub(super) fn persistence(&self) -> Persistence {
        match self.head {
            Some(head) if !self.last => head.persistence,
            Some(_) | None => Persistence::Close,
        }
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

    /// Sees to it that further bytes are reported. What arrived before that is reported, too.
    pub(super) fn watch_reads(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.watch(registry, token, Watched::Reads)
    }

    /// Sees to it that space for writing is reported.
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

/// Gives memory back that an ordinary request does not need.
///
/// The large block is freed as a whole: shrunk in place, its small rest would keep the allocator from
/// ever using the space between such rests for another large body.
pub(super) fn shrink(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BUFFER && buffer.len() <= buffer.capacity() / 2 {
        *buffer = buffer.as_slice().to_vec();
    }
}
