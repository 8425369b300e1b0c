//! One private connection to `tiny_http` as the event loop keeps it: carries one request at a time.

use std::io::{self, IoSlice, Read, Write};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::connection::{Received, Sent, shrink};

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Idle,
    /// Carries the request of this connection.
    For(usize),
    /// The client was told 503 as the answer took too long; once it comes it is thrown away, and
    /// the lane is free again.
    Orphaned,
}

/// The guard's end of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    stream: UnixStream,
    pub(super) errand: Errand,
    /// How much of the request has been written, in bytes.
    sent: usize,
    /// The request has been written to its end.
    pub(super) sent_all: bool,
    /// The request is HEAD.
    pub(super) head_only: bool,
    /// The answer, as far as it has come.
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
            errand: Errand::Idle,
            sent: 0,
            sent_all: true,
            head_only: false,
            input: Vec::new(),
            watches_writes: false,
        })
    }

    /// Begins to carry a request for the connection `client`.
    pub(super) fn take(&mut self, client: usize, head_only: bool) {
        self.errand = Errand::For(client);
        self.sent = 0;
        self.sent_all = false;
        self.head_only = head_only;
    }

    /// Makes the lane free for the next request.
    pub(super) fn release(&mut self) {
        self.errand = Errand::Idle;
        self.input.clear();
        shrink(&mut self.input);
    }

    /// Writes on with the request, in one call as far as the socket takes it.
    pub(super) fn send(&mut self, head: &[u8], body: &[u8]) -> Sent {
        let total = head.len() + body.len();
        while self.sent < total {
            let rest_of_head = &head[self.sent.min(head.len())..];
            let rest_of_body = &body[self.sent.saturating_sub(head.len())..];
            let pieces = [IoSlice::new(rest_of_head), IoSlice::new(rest_of_body)];
            match self.stream.write_vectored(&pieces) {
                Ok(0) => return Sent::Broken,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sent::Broken,
            }
        }
        self.sent_all = true;
        Sent::All
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
