//! One private connection to `tiny_http` as the event loop keeps it: requests go in one after another, and nothing comes back.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::connection::Sent;
use super::connections::Connections;

/// Pieces that go out in one write: the heads and bodies of 32 requests.
const PIECES: usize = 64;

/// What cancelling a request did to its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// Nothing; the lane goes on.
    Fine,
    /// A part of it has been written, and the rest will not come.
    Torn,
}

/// The guard's end of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    stream: UnixStream,
    /// The connections whose requests have not been written to their end, in their order.
    unsent: VecDeque<usize>,
    /// How much of the first one has been written, in bytes.
    begun: usize,
    watches_writes: bool,
}

impl Lane {
    /// Takes a nonblocking stream; its end is reported from now on.
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

    /// Nobody waits for this connection's answer any more.
    pub(super) fn cancel(&mut self, index: usize) -> Cancelled {
        match self.unsent.iter().position(|unsent| *unsent == index) {
            Some(0) if self.begun > 0 => return Cancelled::Torn,
            Some(at) => drop(self.unsent.remove(at)),
            None => {}
        }
        Cancelled::Fine
    }

    /// Writes on with the requests, many in one call. Those written to their end are taken out of their connections.
    pub(super) fn send(&mut self, connections: &mut Connections) -> Sent {
        while !self.unsent.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut filled = 0;
            let mut skip = self.begun;
            for index in self.unsent.iter().take(PIECES / 2) {
                let Some(connection) = connections.get(*index) else {
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

    /// Sees to it that space for writing is reported.
    pub(super) fn watch_writes(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if !self.watches_writes {
            let interests = Interest::READABLE | Interest::WRITABLE;
            registry.reregister(&mut self.stream, token, interests)?;
            self.watches_writes = true;
        }
        Ok(())
    }

    /// Whether `tiny_http` has closed it, or has said something on its own, which it does before it closes.
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
