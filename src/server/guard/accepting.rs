//! Which connections have a place: accepting, and what makes room when there are too many or they hold too much.

use std::io;
use std::time::{Duration, Instant};

use super::connection::{Connection, Phase};
use super::event_loop::{EventLoop, due};
use crate::server::framing::HEAD_LIMIT;
use crate::server::stream::{Peer, Stream};

/// Connections accepted before those that are open get their turn.
pub(super) const ACCEPTS_PER_TURN: usize = 64;

/// How long accepting rests after it failed, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// There were none left; an event will tell.
    Drained,
    /// There may be some.
    Ready,
    /// After an error: not before this time.
    PausedUntil(Instant),
}

impl EventLoop {
    pub(super) fn max_connections(&self) -> usize {
        self.limits.max_connections.max(1)
    }

    pub(super) fn connections_wait(&mut self) {
        match self.accepting {
            Accepting::Drained | Accepting::Ready => self.accepting = Accepting::Ready,
            // A flood must not cut the pause short.
            Accepting::PausedUntil(_) => {}
        }
    }

    pub(super) fn end_pause(&mut self) {
        if let Accepting::PausedUntil(time) = self.accepting
            && time <= self.now
        {
            self.accepting = Accepting::Ready;
        }
    }

    /// Whether a connection could be accepted now and have a place.
    pub(super) fn may_accept(&self) -> bool {
        let place = self.open < self.max_connections() || self.most_dispensable().is_some();
        self.accepting == Accepting::Ready
            && place
            && self.listener.is_some()
            && self.stop_by.is_none()
    }

    pub(super) fn accept(&mut self) {
        let mut retried = false;
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.may_accept() {
                return;
            }
            let Some(listener) = self.listener.as_mut() else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accepting = Accepting::Drained;
                    return;
                }
                Err(error) => {
                    if !self.worth_another_try(&error, retried) {
                        self.accepting = Accepting::PausedUntil(self.now + ACCEPT_PAUSE);
                        return;
                    }
                    retried = true;
                    continue;
                }
            }
            retried = false;
        }
    }

    /// Whether accepting may go on at once after an error. Whatever it was, it goes on after a pause.
    fn worth_another_try(&mut self, error: &io::Error, retried: bool) -> bool {
        self.count(|counters| &counters.accept_errors);
        if matches!(
            error.kind(),
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
        ) {
            // A client that went away before its turn.
            return true;
        }
        if due(&mut self.accept_warning, self.now) {
            log::warn!("guard: accepting a connection: {error}; going on with fewer connections");
        }
        // Mostly it is for want of file descriptors; a client that can be missed gives up its one.
        !retried && self.make_room()
    }

    fn admit(&mut self, stream: Stream, peer: Peer) {
        self.count(|counters| &counters.accepted);
        if self.open >= self.max_connections() && !self.make_room() {
            return;
        }
        let connection = Connection::new(stream, peer, self.now);
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.ages.insert(index, &connection);
        self.connections[index] = Some(connection);
        self.open += 1;
        // What a client has to say is mostly here already.
        self.read(index);
    }

    /// The connection that can be missed best: one that has had its last answer, else the oldest
    /// whose request is incomplete.
    fn most_dispensable(&self) -> Option<usize> {
        [Phase::Lingering, Phase::Reading]
            .into_iter()
            .find_map(|phase| self.ages.of(phase).first())
            .map(|&(_, index)| index)
    }

    /// Closes the connection that can be missed best; `false` if each has a whole request.
    pub(super) fn make_room(&mut self) -> bool {
        match self.most_dispensable() {
            Some(index) => {
                self.evict(index);
                true
            }
            None => false,
        }
    }

    fn evict(&mut self, index: usize) {
        self.count(|counters| &counters.evicted);
        if due(&mut self.eviction_warning, self.now) {
            log::warn!(
                "guard: too many connections or too much unfinished input, closing the oldest \
                 incomplete ones ({})",
                self.counters()
            );
        }
        self.close(index);
    }

    /// When all buffers together have become too large, closes the oldest large one whose request
    /// is incomplete. `index` has just grown; it may be the one.
    pub(super) fn keep_within_budget(&mut self, index: usize) {
        while self.buffered > self.limits.memory_budget() {
            let large = |&&(_, other): &&(Instant, usize)| {
                self.connections[other]
                    .as_ref()
                    .is_some_and(|connection| connection.accounted > HEAD_LIMIT)
            };
            let Some(&(_, oldest)) = self.ages.of(Phase::Reading).iter().find(large) else {
                return;
            };
            self.evict(oldest);
            if oldest == index {
                return;
            }
        }
    }
}
