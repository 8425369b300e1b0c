//! The guard's end of a private connection to `tiny_http`: requests go in one after another, and nothing comes back.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::connection::{Connection, Sent};
use super::connections::Connections;

/// Requests that go out in one write.
const TOGETHER: usize = 32;

/// Pieces of them: heads, bodies, and the rest of a cancelled one.
const PIECES: usize = 2 * TOGETHER + 1;

/// The guard's end of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    stream: UnixStream,
    /// What is left of a request that was cancelled when a part of it had been written. It goes first.
    rest: Vec<u8>,
    /// The connections whose requests have not been written to their end, in their order.
    unsent: VecDeque<usize>,
    /// How much of the first one has been written, in bytes.
    begun: usize,
    watches_writes: bool,
}

impl Lane {
    /// Takes a nonblocking stream and registers it.
    pub(super) fn new(
        stream: std::os::unix::net::UnixStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Lane> {
        let mut stream = UnixStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Lane {
            stream,
            rest: Vec::new(),
            unsent: VecDeque::new(),
            begun: 0,
            watches_writes: false,
        })
    }

    /// Requests that have not been written to their end.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Puts the whole request of this connection on the lane; [`Lane::send`] writes it.
    pub(super) fn take(&mut self, index: usize) {
        self.unsent.push_back(index);
    }

    /// Nobody waits for the answer to this connection's request any more. If `tiny_http` has a part of it, it gets the
    /// rest all the same, so that it finds the beginning of the next one.
    pub(super) fn cancel(&mut self, index: usize, connection: &Connection) {
        let Some(at) = self.unsent.iter().position(|unsent| *unsent == index) else {
            return;
        };
        self.unsent.remove(at);
        if at == 0 && self.begun > 0 {
            let (head, body) = connection.inner_request();
            self.rest.extend_from_slice(unwritten(head, self.begun));
            let of_body = self.begun.saturating_sub(head.len());
            self.rest.extend_from_slice(unwritten(body, of_body));
            self.begun = 0;
        }
    }

    /// Writes as much as goes out, many requests in one call. Those written whole are taken out of their connections.
    pub(super) fn send(&mut self, connections: &mut Connections) -> Sent {
        while !self.unsent.is_empty() || !self.rest.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            pieces[0] = IoSlice::new(&self.rest);
            let mut filled = 1;
            let mut skip = self.begun;
            for index in self.unsent.iter().take(TOGETHER) {
                let Some(connection) = connections.get(*index) else {
                    return Sent::Broken;
                };
                let (head, body) = connection.inner_request();
                pieces[filled] = IoSlice::new(unwritten(head, skip));
                pieces[filled + 1] = IoSlice::new(unwritten(body, skip.saturating_sub(head.len())));
                filled += 2;
                skip = 0;
            }
            match self.stream.write_vectored(&pieces[..filled]) {
                Ok(0) => return Sent::Broken,
                Ok(count) => self.advance(count, connections),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All
    }

    /// Notes that this many more bytes have been written.
    fn advance(&mut self, mut count: usize, connections: &mut Connections) {
        let of_rest = count.min(self.rest.len());
        count -= of_rest;
        match of_rest == self.rest.len() {
            true => self.rest = Vec::new(),
            false => drop(self.rest.drain(..of_rest)),
        }
        while let Some(&index) = self.unsent.front()
            && let Some(connection) = connections.get_mut(index)
        {
            let (head, body) = connection.inner_request();
            let left = head.len() + body.len() - self.begun;
            if count < left {
                self.begun += count;
                return;
            }
            count -= left;
            self.begun = 0;
            self.unsent.pop_front();
            connection.consume_request();
            connections.account(index);
        }
    }

    /// Whether space to write is reported, besides the end.
    ///
    /// Only while requests wait for it: else the event loop would be woken for every request that `tiny_http` reads.
    pub(super) fn watch_writes(
        &mut self,
        registry: &Registry,
        token: Token,
        wanted: bool,
    ) -> io::Result<()> {
        if self.watches_writes != wanted {
            let interests = match wanted {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            registry.reregister(&mut self.stream, token, interests)?;
            self.watches_writes = wanted;
        }
        Ok(())
    }

    /// Whether `tiny_http` has closed it, or is about to: it sends an error first.
    pub(super) fn is_lost(&mut self) -> bool {
        match self.stream.read_exact(&mut [0]) {
            Ok(()) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ),
        }
    }
}

/// What of `bytes` is left when this many have been written, or all of them.
fn unwritten(bytes: &[u8], written: usize) -> &[u8] {
    &bytes[written.min(bytes.len())..]
}
