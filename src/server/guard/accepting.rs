//! Accepting connections, and closing some when there are too many or they hold too much memory.

use std::io;
use std::time::{Duration, Instant};

use super::connection::{Connection, Phase};
use super::event_loop::{ACCEPTS_PER_TURN, Accepting, EventLoop, due};
use super::stream::Stream;
use crate::server::http::peer::Peer;

/// How long a new connection is spared while others that send ahead can make room: without this, a client that has just
/// been accepted would be closed first, as the only one without a whole request.
const ARRIVAL: Duration = Duration::from_millis(250);

/// Back-off after a failed accept, such as EMFILE.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// With more than this in its buffers, in bytes, a connection whose request is incomplete is the first to go when
/// memory runs out.
const LARGE: usize = 8 * 1024;

impl EventLoop {
    pub(super) fn max_connections(&self) -> usize {
        self.limits.max_connections.max(1)
    }

    pub(super) fn note_pending(&mut self) {
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
        let place =
            self.connections.open() < self.max_connections() || self.most_dispensable().is_some();
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
            // A client that left before it was accepted.
            return true;
        }
        if due(&mut self.accept_warning, self.now) {
            log::warn!("guard: accepting a connection: {error}; going on with fewer connections");
        }
        // Usually file descriptors have run out; closing another connection frees one.
        !retried && self.make_room()
    }

    fn admit(&mut self, stream: Stream, peer: Peer) {
        self.count(|counters| &counters.accepted);
        if self.connections.open() >= self.max_connections() && !self.make_room() {
            return;
        }
        let connection = Connection::new(stream, peer, self.now);
        let index = self.connections.insert(connection);
        // Usually the request is here already.
        self.read(index);
    }

    /// The oldest connection without a whole request.
    fn oldest_unfinished(&self) -> Option<(Instant, usize)> {
        let oldest = [Phase::Idle, Phase::Reading].map(|phase| self.connections.oldest(phase));
        oldest.into_iter().flatten().min()
    }

    /// The connection to close first: one that has had its last answer, else the oldest whose request is incomplete,
    /// else the one that has left its answer untaken for longest, else the most served of those that send ahead and wait
    /// for their turn: nothing of theirs has been accepted.
    fn most_dispensable(&self) -> Option<usize> {
        let lingering = self.connections.oldest(Phase::Lingering);
        let closable = lingering.or_else(|| self.oldest_closable());
        closable
            .map(|(_, index)| index)
            .or_else(|| self.connections.most_served())
    }

    fn oldest_closable(&self) -> Option<(Instant, usize)> {
        let writing = self.connections.oldest(Phase::Writing);
        let others_can_go = writing.is_some() || self.somebody_sends_ahead();
        let unfinished = self.oldest_unfinished().filter(|&(since, _)| {
            !others_can_go || self.now.saturating_duration_since(since) >= ARRIVAL
        });
        unfinished.or(writing)
    }

    fn somebody_sends_ahead(&self) -> bool {
        self.connections.sent_ahead() > 0 || self.connections.least_served().is_some()
    }

    /// Whether places are needed and only clients with a request inside can give theirs up, which those that have sent
    /// further requests ahead do with its answer.
    pub(super) fn needs_places(&self) -> bool {
        let is_full = match self.accepting {
            Accepting::Drained => self.connections.open() > self.max_connections(),
            Accepting::Ready => self.connections.open() >= self.max_connections(),
            // Usually file descriptors have run out.
            Accepting::PausedUntil(_) => true,
        };
        is_full && self.most_dispensable().is_none()
    }

    /// When the oldest unfinished connection is no longer spared, and can make room.
    pub(super) fn next_place(&self) -> Option<Instant> {
        let (since, _) = self.oldest_unfinished()?;
        self.needs_places().then(|| since + ARRIVAL)
    }

    /// Closes the most dispensable connection; `false` if each has a request inside.
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
                "guard: too many connections or too much in their buffers, closing those that can \
                 be missed best ({})",
                self.counters()
            );
        }
        self.close(index);
    }

    /// While all buffers together are too large, closes the oldest large connection whose request is incomplete, or else
    /// the one with the largest untaken answer, or else any without a request inside. `index` has just grown and may be
    /// closed itself.
    pub(super) fn keep_within_budget(&mut self, index: usize) {
        while self.connections.buffered() > self.limits.memory_budget() {
            let held = |index: usize| self.connections.get(index).map_or(0, |one| one.accounted);
            let in_phase = |phase| self.connections.of(phase).iter().map(|&(_, index)| index);
            let dispensable = in_phase(Phase::Reading)
                .find(|&index| held(index) > LARGE)
                .or_else(|| in_phase(Phase::Writing).max_by_key(|&index| held(index)))
                .or_else(|| {
                    let phases = [Phase::Queued, Phase::Reading, Phase::Idle];
                    phases.into_iter().find_map(|phase| in_phase(phase).next())
                });
            let Some(dispensable) = dispensable else {
                return;
            };
            self.evict(dispensable);
            if dispensable == index {
                return;
            }
        }
    }
}
