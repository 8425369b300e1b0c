//! The client's side of a connection: reading its request, giving it its answer, parting from it.

use std::io;

use mio::event::Event;

use super::connection::{Phase, Received, Sent};
use super::event_loop::{EventLoop, SCRATCH, connection_token};
use crate::server::guard::passing::Refusal;

/// How much of what a client still sends after its last answer is read, in bytes.
const LINGER_BYTES: usize = 1024 * 1024;

/// Requests that were sent ahead and are on lanes at a time: enough to keep every worker busy.
const MOST_SENT_AHEAD: usize = 64;

/// How much of one client is read before the others get their turn, in bytes.
const READ_SHARE: usize = SCRATCH;

impl EventLoop {
    pub(super) fn connection_event(&mut self, index: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        connection.note(
            event.is_readable() || event.is_error(),
            event.is_read_closed(),
        );
        self.attend_to(index);
    }

    /// Goes on with those who had more to be read than their share of the turn before.
    pub(super) fn read_on(&mut self) {
        for index in std::mem::take(&mut self.unread) {
            self.attend_to(index);
        }
    }

    fn attend_to(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_ref() else {
            return;
        };
        match connection.phase {
            Phase::Reading | Phase::Idle => self.read(index),
            // It gets its turn, or its answer, first.
            Phase::Queued | Phase::Answering => {}
            Phase::Writing => self.write(index),
            Phase::Lingering => self.linger(index),
        }
    }

    /// Lets those who sent ahead go on, as many at a time as hold up nobody else. Mostly those who have had the least
    /// come first; when places are wanted those who have had the most, because their next answer is their last.
    pub(super) fn let_queued_go_on(&mut self) {
        while self.ages.sent_ahead() < MOST_SENT_AHEAD {
            let next = match self.wants_places() {
                true => self.ages.most_served(),
                false => self.ages.least_served(),
            };
            let Some(index) = next else {
                return;
            };
            self.take_turn(index);
        }
    }

    /// Goes on with a queued connection.
    pub(super) fn take_turn(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_ref() else {
            return;
        };
        let phase = match connection.input.is_empty() {
            true => Phase::Idle,
            false => Phase::Reading,
        };
        self.enter(index, phase);
        self.read(index);
    }

    /// Goes on until the request is whole, the socket is drained, the client's share of this turn is used up, or the
    /// connection has ended.
    pub(super) fn read(&mut self, index: usize) {
        let mut share = READ_SHARE;
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
            if share == 0 {
                self.unread.insert(index);
                return;
            }
            let appetite = connection.appetite().min(share);
            match connection.receive(&mut self.scratch[..appetite]) {
                Received::Bytes(count) => {
                    share -= count;
                    connection.keep(&self.scratch[..count]);
                    if connection.phase == Phase::Idle {
                        self.enter(index, Phase::Reading);
                    }
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
                    self.keep_within_budget(index);
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
            let more = connection.may_have_unread();
            if !more && self.buffered > self.limits.memory_budget() / 2 {
                connection.free_buffers();
            }
            self.account(index);
            return match more {
                true => self.enter(index, Phase::Queued),
                false => self.await_request(index),
            };
        }
        // Closing while unread bytes wait would reset the connection, and the client might never
        // see its answer.
        if self.stop_by.is_none() && connection.may_have_unread() && connection.shutdown_write() {
            connection.free_buffers();
            self.account(index);
            self.enter(index, Phase::Lingering);
            return self.linger(index);
        }
        self.close(index);
    }

    /// Waits for the next request of a connection whose answer is out.
    fn await_request(&mut self, index: usize) {
        self.enter(index, Phase::Idle);
        if let Some(connection) = self.connections[index].as_mut() {
            let token = connection_token(self.lanes.len(), index);
            if let Err(error) = connection.watch_reads(self.poll.registry(), token) {
                self.cannot_watch(index, &error);
            }
        }
    }

    fn linger(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        let mut share = READ_SHARE;
        while connection.discarded < LINGER_BYTES {
            if share == 0 {
                self.unread.insert(index);
                return;
            }
            match connection.receive(&mut self.scratch[..share]) {
                Received::Bytes(count) => {
                    connection.discarded += count;
                    share -= count;
                }
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
