//! The client's side of a connection: reading its request, giving it its answer, parting from it.

use std::io;

use mio::event::Event;

use super::connection::{Phase, Received, Sent};
use super::event_loop::{EventLoop, connection_token};
use crate::server::passing::Refusal;

/// How much of what a client still sends after its last answer is read, in bytes.
const LINGER_BYTES: usize = 1024 * 1024;

impl EventLoop {
    pub(super) fn connection_event(&mut self, index: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        connection.note(
            event.is_readable() || event.is_error(),
            event.is_read_closed(),
        );
        match connection.phase {
            Phase::Reading => self.read(index),
            // It gets its answer first.
            Phase::Answering => {}
            Phase::Writing => self.write(index),
            Phase::Lingering => self.linger(index),
        }
    }

    /// Goes on until the request is whole, the socket is drained, or the connection has ended.
    pub(super) fn read(&mut self, index: usize) {
        loop {
            let Some(connection) = self.connections[index].as_mut() else {
                return;
            };
            match connection.frame(self.limits.max_body) {
                Err(refusal) => {
                    self.count(|counters| &counters.refused);
                    return self.answer_ourselves(index, refusal);
                }
                Ok(true) => return self.request_is_whole(index),
                Ok(false) => {}
            }
            if !connection.invite_body() {
                return self.close(index);
            }
            let appetite = connection.appetite().min(self.scratch.len());
            match connection.receive(&mut self.scratch[..appetite]) {
                Received::Bytes(count) => {
                    connection.keep(&self.scratch[..count]);
                    self.account(index);
                    self.keep_within_budget(index);
                }
                Received::NothingYet => {
                    let token = connection_token(self.lanes.len(), index);
                    if let Err(error) = connection.watch_reads(self.poll.registry(), token) {
                        self.cannot_watch(index, &error);
                    }
                    return;
                }
                Received::End => return self.close(index),
            }
        }
    }

    fn cannot_watch(&mut self, index: usize, error: &io::Error) {
        log::error!("guard: watching a connection: {error}");
        self.close(index);
    }

    /// Answers in the place of `tiny_http`; the connection ends with it.
    pub(super) fn answer_ourselves(&mut self, index: usize, refusal: Refusal) {
        if let Some(connection) = self.connections[index].as_mut() {
            self.shared.note(connection, refusal);
            connection.reset();
            connection.last = true;
            // What is left of the request is of no use, and more of it may be on its way.
            connection.input = Vec::new();
            connection.note(true, false);
            refusal.write(&mut connection.output);
            self.account(index);
            self.write(index);
        }
    }

    /// Writes on with the answer; what does not go out at once has its own deadline.
    pub(super) fn write(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        match connection.send() {
            Sent::All => self.answer_is_out(index),
            Sent::Broken => self.close(index),
            Sent::Part => {
                let token = connection_token(self.lanes.len(), index);
                if let Err(error) = connection.watch_writes(self.poll.registry(), token) {
                    return self.cannot_watch(index, &error);
                }
                if connection.phase != Phase::Writing {
                    self.enter(index, Phase::Writing);
                }
            }
        }
    }

    fn answer_is_out(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        connection.reset();
        if !connection.last {
            self.account(index);
            self.enter(index, Phase::Reading);
            return self.read(index);
        }
        // Closing while unread bytes wait would reset the connection, and the client might never
        // see its answer.
        if self.stop_by.is_none() && connection.may_have_unread() && connection.shutdown_write() {
            connection.input = Vec::new();
            connection.output = Vec::new();
            self.account(index);
            self.enter(index, Phase::Lingering);
            return self.linger(index);
        }
        self.close(index);
    }

    fn linger(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        while connection.discarded < LINGER_BYTES {
            match connection.receive(&mut self.scratch) {
                Received::Bytes(count) => connection.discarded += count,
                Received::NothingYet => {
                    let token = connection_token(self.lanes.len(), index);
                    if let Err(error) = connection.watch_reads(self.poll.registry(), token) {
                        self.cannot_watch(index, &error);
                    }
                    return;
                }
                Received::End => break,
            }
        }
        self.close(index);
    }
}
