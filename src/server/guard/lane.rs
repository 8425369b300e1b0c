//! One private connection to `tiny_http` as the event loop keeps it: requests go in one after another, answers come back in the same order.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::connection::{Connection, Received, Sent, shrink};

/// Pieces that go out in one write: the heads and bodies of 32 requests.
const PIECES: usize = 64;

/// A lane with this many abandoned requests gets no more: whatever is behind it hangs.
const MOST_ORPHANS: usize = 256;

/// One request on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    /// The connection that waits for the answer; `None` once it was told 503 as that took too long.
    /// The answer is thrown away when it comes.
    pub(super) client: Option<usize>,
    /// The request is HEAD.
    pub(super) head_only: bool,
}

/// What taking a request back has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenBack {
    /// The lane goes on.
    Fine,
    /// A part of it is on the lane, and the rest will not come.
    Torn,
}

/// The guard's end of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    stream: UnixStream,
    /// Oldest first: those that `tiny_http` has got, then those that it will get.
    errands: VecDeque<Errand>,
    /// How many of them have been written to their end.
    sent: usize,
    /// How much of the next one has been written, in bytes.
    begun: usize,
    orphans: usize,
    /// Answers, as far as they have come.
    pub(super) input: Vec<u8>,
    watches_writes: bool,
}

impl Lane {
    /// Takes a nonblocking stream; what arrives on it is reported from now on.
    pub(super) fn new(
        stream: std::os::unix::net::UnixStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Lane> {
        let mut stream = UnixStream::from_std(stream);
        // Watching for space to write, too, would wake the event loop for every request that
        // tiny_http reads; it is asked for only when a write did not go through.
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Lane {
            stream,
            errands: VecDeque::new(),
            sent: 0,
            begun: 0,
            orphans: 0,
            input: Vec::new(),
            watches_writes: false,
        })
    }

    /// Requests that are under way here.
    pub(super) fn load(&self) -> usize {
        self.errands.len()
    }

    /// Whether another request may be put on it.
    pub(super) fn is_usable(&self) -> bool {
        self.orphans < MOST_ORPHANS
    }

    /// Requests that have not been written to their end.
    pub(super) fn unsent(&self) -> usize {
        self.errands.len() - self.sent
    }

    /// Those who wait for answers.
    pub(super) fn clients(&self) -> impl Iterator<Item = usize> {
        self.errands.iter().filter_map(|errand| errand.client)
    }

    /// Puts the whole request of the connection `client` on the lane; [`Lane::send`] writes it.
    pub(super) fn take(&mut self, client: usize, head_only: bool) {
        self.errands.push_back(Errand {
            client: Some(client),
            head_only,
        });
    }

    /// The request that the next answer belongs to; `None` if `tiny_http` has got none whole.
    pub(super) fn next_answered(&self) -> Option<Errand> {
        self.errands.front().copied().filter(|_| self.sent > 0)
    }

    /// Notes that the answer to the oldest request has come.
    pub(super) fn answered(&mut self) {
        if let Some(errand) = self.errands.pop_front() {
            self.sent -= 1;
            self.orphans -= usize::from(errand.client.is_none());
        }
    }

    /// Drops the answers that were passed on from `input`, so many bytes.
    pub(super) fn consume_answers(&mut self, len: usize) {
        self.input.drain(..len);
        shrink(&mut self.input);
    }

    /// Nobody waits for this connection's answer any more.
    pub(super) fn take_back(&mut self, client: usize) -> TakenBack {
        let mut errands = self.errands.iter();
        let Some(at) = errands.position(|errand| errand.client == Some(client)) else {
            return TakenBack::Fine;
        };
        if at < self.sent {
            self.errands[at].client = None;
            self.orphans += 1;
        } else if at == self.sent && self.begun > 0 {
            return TakenBack::Torn;
        } else {
            self.errands.remove(at);
        }
        TakenBack::Fine
    }

    /// Writes on with the requests, many in one call. `gone` is told each connection whose request has
    /// been written to its end.
    pub(super) fn send(
        &mut self,
        connections: &mut [Option<Connection>],
        mut gone: impl FnMut(&mut Connection),
    ) -> Sent {
        while self.unsent() > 0 {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut filled = 0;
            let mut skip = self.begun;
            let unsent = self.errands.iter().skip(self.sent).take(PIECES / 2);
            for client in unsent.filter_map(|errand| errand.client) {
                let Some(connection) = &connections[client] else {
                    return Sent::Broken;
                };
                let (head, body) = connection.inner_request();
                pieces[filled] = IoSlice::new(&head[skip.min(head.len())..]);
                pieces[filled + 1] = IoSlice::new(&body[skip.saturating_sub(head.len())..]);
                filled += 2;
                skip = 0;
            }
            match self.stream.write_vectored(&pieces[..filled]) {
                Ok(0) => return Sent::Broken,
                Ok(count) => self.advance(count, connections, &mut gone),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All
    }

    /// Notes that so many more bytes have been written.
    fn advance(
        &mut self,
        mut count: usize,
        connections: &mut [Option<Connection>],
        gone: &mut impl FnMut(&mut Connection),
    ) {
        while let Some(client) = self.errands.get(self.sent).and_then(|next| next.client)
            && let Some(connection) = &mut connections[client]
        {
            let (head, body) = connection.inner_request();
            let left = head.len() + body.len() - self.begun;
            if count < left {
                self.begun += count;
                return;
            }
            count -= left;
            self.begun = 0;
            self.sent += 1;
            gone(connection);
        }
    }

    /// Sees to it that space for writing is reported.
    pub(super) fn watch_writes(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if !self.watches_writes {
            let interests = Interest::READABLE | Interest::WRITABLE;
            registry.reregister(&mut self.stream, token, interests)?;
            self.watches_writes = true;
        }
        Ok(())
    }

    /// Reads what has arrived; `read_closed` says that the end is known to follow.
    pub(super) fn receive(&mut self, scratch: &mut [u8], read_closed: bool) -> Received {
        let before = self.input.len();
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Received::End,
                Ok(count) => {
                    self.input.extend_from_slice(&scratch[..count]);
                    if count < scratch.len() && !read_closed {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Received::End,
            }
        }
        match self.input.len() - before {
            0 => Received::NothingYet,
            count => Received::Bytes(count),
        }
    }
}
