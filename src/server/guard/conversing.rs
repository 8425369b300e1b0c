//! The client's side of a connection: reads requests, writes answers, closes.

use std::io;
use std::time::Instant;

use mio::event::Event;

use super::connection::{Phase, Received, Sent};
use super::event_loop::{EventLoop, SCRATCH, connection_token};
use super::refusal::Refusal;

/// How much of what a client still sends after its last answer is read, in bytes.
const LINGER_BYTES: usize = 1024 * 1024;

/// Requests that were sent ahead and are on lanes at a time: few, because a push of somebody else waits for them.
const MOST_SENT_AHEAD: usize = 4;

/// The first byte of every TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// How much of one client is read before the others get their turn, in bytes.
const READ_SHARE: usize = SCRATCH;

impl EventLoop {
    pub(super) fn connection_event(&mut self, index: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.note(
            event.is_readable() || event.is_error(),
            event.is_read_closed(),
        );
        connection.gone |= event.is_error() || event.is_write_closed();
        self.attend_to(index);
    }

    /// Continues with connections that had more to read than their share of the last turn.
    pub(super) fn read_on(&mut self) {
        for index in std::mem::take(&mut self.unread) {
            self.attend_to(index);
        }
    }

    fn attend_to(&mut self, index: usize) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        match connection.phase {
            Phase::Reading | Phase::Idle => self.read(index),
            Phase::Answering | Phase::Waiting | Phase::Held | Phase::Leaving if connection.gone => {
                self.count(|counters| &counters.hung_up);
                self.close(index);
            }
            Phase::Waiting | Phase::Held if connection.has_ended_its_half() => {
                self.enter(index, Phase::Leaving);
            }
            // Nothing is read before its turn, or before its answer is out.
            Phase::Queued | Phase::Answering | Phase::Waiting | Phase::Held | Phase::Leaving => {}
            Phase::Writing => self.write(index),
            Phase::Lingering => self.linger(index),
        }
    }

    /// A request has been inside for a while: watches its client from now on.
    pub(super) fn start_waiting(&mut self, index: usize, since: Instant) {
        let token = connection_token(self.lanes.len(), index);
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.has_ended_its_half() {
            self.enter(index, Phase::Leaving);
        } else if let Err(error) = connection.watch_reads(self.poll.registry(), token) {
            self.cannot_watch(index, &error);
        } else {
            self.connections.enter(index, Phase::Waiting, since);
        }
    }

    /// Resumes clients that sent ahead, only as many at a time as hold up nobody else. The least served come first.
    pub(super) fn resume_queued(&mut self) {
        while self.connections.sent_ahead() < MOST_SENT_AHEAD {
            let Some(index) = self.connections.least_served() else {
                return;
            };
            self.take_turn(index);
        }
    }

    /// Resumes a queued connection.
    pub(super) fn take_turn(&mut self, index: usize) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let phase = match connection.input.is_empty() {
            true => Phase::Idle,
            false => Phase::Reading,
        };
        self.enter(index, phase);
        self.read(index);
    }

    /// Reads until the request is whole, the socket is drained, the client's share of this turn is used up, or the
    /// connection ends.
    pub(super) fn read(&mut self, index: usize) {
        let mut share = READ_SHARE;
        loop {
            let Some(connection) = self.connections.get_mut(index) else {
                return;
            };
            match connection.frame(&self.limits) {
                Err(refusal) => {
                    self.count(|counters| &counters.refused);
                    return self.refuse(index, refusal);
                }
                Ok(true) if connection.begins_to_send_ahead() => {
                    return self.enter(index, Phase::Queued);
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
            let wanted = connection.wanted_bytes().min(share);
            match connection.receive(&mut self.scratch[..wanted]) {
                Received::Bytes(count) => {
                    share -= count;
                    connection.keep(&self.scratch[..count]);
                    if connection.phase == Phase::Idle {
                        self.enter(index, Phase::Reading);
                    }
                    self.connections.account(index);
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

    /// Sends the guard's own answer; the connection ends with it.
    pub(super) fn refuse(&mut self, index: usize, refusal: Refusal) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let is_tls =
            refusal == Refusal::BadRequest && connection.input.first() == Some(&TLS_HANDSHAKE);
        self.reports.refused(connection.peer(), refusal, is_tls);
        self.shared.counters.answers.add(refusal.status());
        connection.last = true;
        // What is left of the request is of no use, and more of it may be on its way.
        connection.input = Vec::new();
        connection.note(true, false);
        connection.take_answer(&refusal.response(), &self.date.0);
        self.connections.account(index);
        self.write(index);
    }

    /// Writes as much of the answer as goes out; the rest has a deadline of its own.
    pub(super) fn write(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
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
        let is_tight = self.connections.buffered() > self.limits.memory_budget() / 2;
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.reset();
        if !connection.last {
            let more = connection.may_have_unread();
            if !more && is_tight {
                connection.free_buffers();
            }
            self.connections.account(index);
            return match more {
                true => self.enter(index, Phase::Queued),
                false => self.await_request(index),
            };
        }
        // Closing while unread bytes wait would reset the connection, and the client might never
        // see its answer.
        if self.stop_by.is_none() && connection.may_have_unread() && connection.shutdown_write() {
            connection.free_buffers();
            self.connections.account(index);
            self.enter(index, Phase::Lingering);
            return self.linger(index);
        }
        self.close(index);
    }

    /// Waits for the next request of a connection whose answer is out.
    fn await_request(&mut self, index: usize) {
        self.enter(index, Phase::Idle);
        if let Some(connection) = self.connections.get_mut(index) {
            let token = connection_token(self.lanes.len(), index);
            if let Err(error) = connection.watch_reads(self.poll.registry(), token) {
                self.cannot_watch(index, &error);
            }
        }
    }

    fn linger(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
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
