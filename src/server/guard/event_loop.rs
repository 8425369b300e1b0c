//! The guard's one thread: a story in events, from the accept to the end of every connection.
//!
//! Reading → (whole) → Answering: goes through a lane → (Writing) → Idle, or Queued where the next
//! request is there already → Reading again, or Lingering → closed. Nothing in here blocks, and each wait has its end in `expire`. This file has
//! the turns, the clocks and the orders from outside; `accepting`, `conversing` and `relaying` have
//! what happens in them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use super::accepting::{ACCEPTS_PER_TURN, Accepting};
use super::connection::{Ages, Connection, Phase};
use super::lane::Lane;
use super::{Counters, Limits, Shared};
use crate::server::guard::listener::{BACKLOG, Listener};
use crate::server::guard::passing::Refusal;
use crate::server::http::lanes::Lanes;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_LANE: usize = 2;

/// Events taken from the system at a time.
const EVENTS: usize = 512;
/// Bytes read at a time.
pub(super) const SCRATCH: usize = 64 * 1024;
/// How long input after a connection's last answer is still read and thrown away.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// A warning that could come for every connection comes this often.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// Everything the guard's thread owns.
pub(super) struct EventLoop {
    pub(super) poll: Poll,
    pub(super) listener: Option<Listener>,
    pub(super) accepting: Accepting,
    pub(super) lanes: Vec<Option<Lane>>,
    pub(super) connections: Vec<Option<Connection>>,
    pub(super) vacant: Vec<usize>,
    pub(super) open: usize,
    pub(super) ages: Ages,
    /// Connections that had their share of a turn and may have more to be read.
    pub(super) unread: BTreeSet<usize>,
    /// Bytes that all connections' buffers hold.
    pub(super) buffered: usize,
    pub(super) scratch: Box<[u8]>,
    pub(super) limits: Limits,
    pub(super) stop_by: Option<Instant>,
    /// The time of the turn under way.
    pub(super) now: Instant,
    pub(super) shared: Arc<Shared>,
    pub(super) accept_warning: Option<Instant>,
    pub(super) eviction_warning: Option<Instant>,
    pub(super) answer_warning: Option<Instant>,
    pub(super) fatal_reason: Option<String>,
}

impl EventLoop {
    pub(super) fn new(
        mut listener: Listener,
        lanes: Lanes,
        limits: Limits,
        shared: Arc<Shared>,
    ) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        listener.register(poll.registry(), LISTENER)?;
        let lanes = lanes
            .streams
            .into_iter()
            .enumerate()
            .map(|(index, stream)| Lane::new(stream, poll.registry(), lane_token(index)).map(Some))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(EventLoop {
            poll,
            listener: Some(listener),
            accepting: Accepting::Ready,
            lanes,
            connections: Vec::new(),
            vacant: Vec::new(),
            open: 0,
            ages: Ages::default(),
            unread: BTreeSet::new(),
            buffered: 0,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            limits,
            stop_by: None,
            now: Instant::now(),
            shared,
            accept_warning: None,
            eviction_warning: None,
            answer_warning: None,
            fatal_reason: None,
        })
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Serves until it is told to stop; returns how many requests were left without their answer.
    pub(super) fn run(&mut self, fatal: &mut dyn FnMut(String)) -> usize {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.time_to_next_duty())
                && error.kind() != io::ErrorKind::Interrupted
            {
                fatal(format!("guard: waiting for events: {error}"));
                return self.unanswered();
            }
            self.now = Instant::now();
            self.end_pause();
            self.read_on();
            for event in &events {
                match event.token() {
                    LISTENER => self.connections_wait(),
                    WAKER => self.obey(),
                    Token(token) => match (token - FIRST_LANE).checked_sub(self.lanes.len()) {
                        None => self.lane_event(token - FIRST_LANE, event),
                        Some(index) => self.connection_event(index, event),
                    },
                }
            }
            self.expire();
            if self.may_accept() {
                self.accept();
            }
            self.let_queued_go_on();
            self.send_gathered();
            self.counters()
                .open
                .store(self.open as u64, Ordering::Relaxed);
            self.counters()
                .buffered
                .store(self.buffered as u64, Ordering::Relaxed);
            if let Some(reason) = self.fatal_reason.take() {
                fatal(reason);
            }
            if let Some(stop_by) = self.stop_by
                && (self.open == 0 || self.now >= stop_by)
            {
                return self.unanswered();
            }
        }
    }

    pub(super) fn unanswered(&self) -> usize {
        self.ages.of(Phase::Answering).len() + self.ages.of(Phase::Writing).len()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(super) fn count(&self, counter: fn(&Counters) -> &std::sync::atomic::AtomicU64) {
        counter(self.counters()).fetch_add(1, Ordering::Relaxed);
    }

    /// How long a connection may stay in a phase.
    fn time_limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Reading | Phase::Writing => self.limits.request_timeout,
            Phase::Idle => self.limits.idle_timeout,
            Phase::Queued | Phase::Answering => self.limits.answer_timeout,
            Phase::Lingering => LINGER_TIME,
        }
    }

    /// How long to wait for events at most; `None` if only events can give us something to do.
    fn time_to_next_duty(&self) -> Option<Duration> {
        if self.may_accept() || !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let mut next = self.stop_by;
        let mut note = |time: Option<Instant>| {
            next = match (next, time) {
                (Some(next), Some(time)) => Some(next.min(time)),
                (next, time) => next.or(time),
            };
        };
        if let Accepting::PausedUntil(time) = self.accepting {
            note(Some(time));
        }
        note(self.next_place());
        for phase in Phase::ALL {
            if let Some((since, _)) = self.ages.of(phase).first() {
                note(since.checked_add(self.time_limit(phase)));
            }
        }
        next.map(|time| time.saturating_duration_since(Instant::now()))
    }

    /// Ends what has taken too long.
    fn expire(&mut self) {
        for phase in Phase::ALL {
            let limit = self.time_limit(phase);
            while let Some(&(since, index)) = self.ages.of(phase).first()
                && self.now.saturating_duration_since(since) >= limit
            {
                match phase {
                    Phase::Reading => {
                        self.count(|counters| &counters.timed_out);
                        self.give_up_reading(index, Refusal::RequestTimeout);
                    }
                    Phase::Idle => {
                        self.count(|counters| &counters.timed_out);
                        self.close(index);
                    }
                    Phase::Queued | Phase::Answering => {
                        if due(&mut self.answer_warning, self.now) {
                            log::error!("guard: no answer from inside within {limit:?}, sent 503");
                        }
                        self.take_off_lane(index);
                        self.count(|counters| &counters.unanswered);
                        self.answer_ourselves(index, Refusal::Unavailable);
                    }
                    Phase::Writing => {
                        self.count(|counters| &counters.timed_out);
                        self.close(index);
                    }
                    Phase::Lingering => self.close(index),
                }
            }
        }
    }

    /// Ends a connection whose request will not be read on: with an answer if a part of one has come.
    fn give_up_reading(&mut self, index: usize, refusal: Refusal) {
        let begun = self.connections[index]
            .as_ref()
            .is_some_and(|connection| !connection.input.is_empty());
        if begun {
            self.answer_ourselves(index, refusal);
        } else {
            self.close(index);
        }
    }

    fn obey(&mut self) {
        let orders = self.shared.take_orders();
        if let Some(limits) = orders.limits {
            self.limits = limits;
            while self.open > self.max_connections() && self.make_room() {}
        }
        if let Some(stop_by) = orders.stop_by {
            // Clients that are already through to the kernel have been accepted as far as they know.
            self.accepting = Accepting::Ready;
            for _ in 0..usize::from(BACKLOG) / ACCEPTS_PER_TURN {
                if self.may_accept() {
                    self.accept();
                }
            }
            self.listener = None;
            self.stop_by = Some(stop_by);
            for index in 0..self.connections.len() {
                self.wind_up(index);
            }
        }
    }

    /// On stop: a request that is whole by now goes on, everything else ends.
    fn wind_up(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        connection.last = true;
        match connection.phase {
            Phase::Reading | Phase::Idle | Phase::Queued => {
                connection.note(true, false);
                self.take_turn(index);
                while self.unread.remove(&index) {
                    self.read(index);
                }
                let unfinished = self.connections[index].as_ref().is_some_and(|connection| {
                    matches!(connection.phase, Phase::Reading | Phase::Idle)
                });
                if unfinished {
                    self.give_up_reading(index, Refusal::Unavailable);
                }
            }
            Phase::Answering | Phase::Writing => {}
            Phase::Lingering => self.close(index),
        }
    }

    /// Brings the sum of all buffers up to date.
    pub(super) fn account(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].as_mut() {
            connection.account(&mut self.buffered);
        }
    }

    pub(super) fn enter(&mut self, index: usize, phase: Phase) {
        if let Some(connection) = self.connections[index].as_mut() {
            self.ages.remove(index, connection);
            connection.phase = phase;
            connection.since = self.now;
            match phase {
                Phase::Answering => connection.requests += 1,
                Phase::Queued => connection.sends_ahead = true,
                Phase::Idle => connection.sends_ahead = false,
                Phase::Reading | Phase::Writing | Phase::Lingering => {}
            }
            self.ages.insert(index, connection);
        }
    }

    pub(super) fn close(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].take() {
            self.ages.remove(index, &connection);
            self.unread.remove(&index);
            self.buffered -= connection.accounted;
            self.vacant.push(index);
            self.open -= 1;
        }
    }
}

pub(super) fn lane_token(index: usize) -> Token {
    Token(FIRST_LANE + index)
}

pub(super) fn connection_token(lanes: usize, index: usize) -> Token {
    Token(FIRST_LANE + lanes + index)
}

/// Whether a warning may be given again; notes that it is.
pub(super) fn due(last: &mut Option<Instant>, now: Instant) -> bool {
    let due = last.is_none_or(|last| now.saturating_duration_since(last) >= WARNING_PAUSE);
    if due {
        *last = Some(now);
    }
    due
}
