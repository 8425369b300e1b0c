//! The guard's one thread: handles the events of every connection, from accept to close.
//!
//! Reading → (whole; Queued first, where the next request is there already) → Answering, through a lane → (Waiting →
//! (Held) → (Leaving)) → (Writing) → Idle or Queued → Reading again, or Lingering → closed. Nothing here blocks, and
//! `expire` ends every wait. This file has the turns, the deadlines and the orders from outside; `accepting`, `conversing` and
//! `relaying` do the work of a turn.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Poll, Token};

use super::connection::{Connection, Phase};
use super::connections::Connections;
use super::lane::Lane;
use super::limits::Limits;
use super::listener::{BACKLOG, Listener};
use super::refusal::Refusal;
use super::{Reports, Shared};
use crate::metrics::Counters;
use crate::server::http::lanes::Lanes;
use crate::server::http::outbox::{Collect, Given, Ticket};

const LISTENER: Token = Token(0);
pub(super) const WAKER: Token = Token(1);
const FIRST_LANE: usize = 2;

/// Events taken from the system at a time.
const EVENTS: usize = 512;
/// Bytes read at a time.
pub(super) const SCRATCH: usize = 64 * 1024;
/// Connections accepted in a turn, before the open ones are served.
pub(super) const ACCEPTS_PER_TURN: usize = 16;
/// How long a request is inside before its client is watched. Most are answered long before that, which saves a system
/// call.
const WATCHED_AFTER: Duration = Duration::from_millis(250);
/// How long a client that has closed its half may still get its answer. Some do that on purpose; most have hung up.
const LEAVING_TIME: Duration = Duration::from_millis(500);
/// How long input after a connection's last answer is still read and thrown away.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Warnings that any connection can cause come no more often than this.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// Whether connections can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// None are pending; an event will report the next.
    Drained,
    /// Some may be pending.
    Ready,
    /// After an error: not before this time.
    PausedUntil(Instant),
}

/// Everything the guard's thread owns.
pub(super) struct EventLoop {
    pub(super) poll: Poll,
    pub(super) listener: Option<Listener>,
    pub(super) accepting: Accepting,
    pub(super) lanes: Vec<Option<Lane>>,
    pub(super) connections: Connections,
    /// Connections that used up their share of a turn and may have more to read.
    pub(super) unread: BTreeSet<usize>,
    pub(super) scratch: Box<[u8]>,
    pub(super) limits: Limits,
    pub(super) stop_by: Option<Instant>,
    /// The time of the turn under way.
    pub(super) now: Instant,
    /// The value of `Date`, and when it was made.
    pub(super) date: (String, Instant),
    pub(super) shared: Arc<Shared>,
    pub(super) reports: Box<dyn Reports>,
    /// Answers being passed on; empty between turns.
    pub(super) given: Vec<(Ticket, Given)>,
    pub(super) accept_warning: Option<Instant>,
    pub(super) eviction_warning: Option<Instant>,
    pub(super) answer_warning: Option<Instant>,
}

impl EventLoop {
    pub(super) fn new(
        poll: Poll,
        mut listener: Listener,
        lanes: Lanes,
        limits: Limits,
        shared: Arc<Shared>,
        reports: impl Reports,
    ) -> io::Result<EventLoop> {
        listener.register(poll.registry(), LISTENER)?;
        shared.outbox.set_max_waiting(limits.max_waiting);
        let lanes = lanes
            .streams
            .into_iter()
            .enumerate()
            .map(|(index, stream)| Lane::new(stream, poll.registry(), lane_token(index)).map(Some))
            .collect::<io::Result<Vec<_>>>()?;
        let now = Instant::now();
        Ok(EventLoop {
            poll,
            listener: Some(listener),
            accepting: Accepting::Ready,
            lanes,
            connections: Connections::default(),
            unread: BTreeSet::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            limits,
            stop_by: None,
            now,
            date: (httpdate::fmt_http_date(SystemTime::now()), now),
            shared,
            reports: Box::new(reports),
            given: Vec::new(),
            accept_warning: None,
            eviction_warning: None,
            answer_warning: None,
        })
    }

    /// Serves until it is stopped; returns how many requests were left without an answer.
    pub(super) fn run(&mut self) -> usize {
        let mut events = Events::with_capacity(EVENTS);
        let mut has_lanes = true;
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.time_to_next_duty())
                && error.kind() != io::ErrorKind::Interrupted
            {
                self.reports
                    .fatal(format!("guard: waiting for events: {error}"));
                return self.unanswered();
            }
            self.begin_turn();
            // Answers depend on whether somebody needs a place.
            if events.iter().any(|event| event.token() == LISTENER) {
                self.note_pending();
            }
            self.deliver_answers(Collect::Released);
            self.read_on();
            for event in &events {
                match event.token() {
                    LISTENER => {}
                    WAKER => self.apply_orders(),
                    Token(token) => match (token - FIRST_LANE).checked_sub(self.lanes.len()) {
                        None => self.lane_event(token - FIRST_LANE),
                        Some(index) => self.connection_event(index, event),
                    },
                }
            }
            self.expire();
            if self.may_accept() {
                self.accept();
            }
            self.resume_queued();
            self.send_gathered();
            self.show_gauges();
            if has_lanes && self.lanes.iter().all(Option::is_none) {
                has_lanes = false;
                self.reports
                    .fatal("guard: every lane to tiny_http is lost".to_owned());
            }
            if let Some(stop_by) = self.stop_by
                && (self.connections.open() == 0 || self.now >= stop_by)
            {
                return self.give_up();
            }
        }
    }

    fn begin_turn(&mut self) {
        self.now = Instant::now();
        if self.now.saturating_duration_since(self.date.1) >= Duration::from_secs(1) {
            self.date = (httpdate::fmt_http_date(SystemTime::now()), self.now);
        }
        self.end_pause();
        // A stop does not wait for them.
        let until = self.stop_by.is_none().then_some(self.now);
        self.shared.outbox.end_polls(until);
    }

    fn show_gauges(&self) {
        let waiting = self
            .connections
            .count(&[Phase::Waiting, Phase::Held, Phase::Leaving]);
        let counters = self.counters();
        for (gauge, figure) in [
            (&counters.open, self.connections.open()),
            (&counters.waiting, waiting),
            (&counters.buffered, self.connections.buffered()),
        ] {
            gauge.store(figure as u64, Ordering::Relaxed);
        }
    }

    /// At the end of a stop: answers 503 to all that still wait, and closes those that are held. Returns how many requests
    /// were left without an answer.
    fn give_up(&mut self) -> usize {
        self.deliver_answers(Collect::All);
        let unanswered = self.unanswered();
        for phase in Phase::INSIDE {
            while let Some((_, index)) = self.connections.oldest(phase) {
                match self.is_held(index) {
                    true => self.hang_up(index),
                    false => _ = self.abandon(index),
                }
            }
        }
        unanswered
    }

    /// Those that are held do not count: nothing has failed where they get no answer.
    fn unanswered(&self) -> usize {
        let inside = Phase::INSIDE.map(|phase| self.connections.of(phase));
        let inside = inside.into_iter().flatten();
        let owed = inside.filter(|&&(_, index)| !self.is_held(index));
        owed.count() + self.connections.count(&[Phase::Writing])
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(super) fn count(&self, counter: fn(&Counters) -> &AtomicU64) {
        counter(self.counters()).fetch_add(1, Ordering::Relaxed);
    }

    /// How long a connection may stay in a phase.
    fn time_limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Reading | Phase::Writing => self.limits.request_timeout,
            Phase::Idle => self.limits.idle_timeout,
            Phase::Answering => WATCHED_AFTER.min(self.limits.answer_timeout),
            // These three from the beginning, see `start_waiting`.
            Phase::Queued | Phase::Waiting => self.limits.answer_timeout,
            Phase::Held => self.limits.held_timeout,
            Phase::Leaving => LEAVING_TIME,
            Phase::Lingering => LINGER_TIME,
        }
    }

    /// How long to wait for events; `None` if there is nothing to do before one comes.
    fn time_to_next_duty(&self) -> Option<Duration> {
        if self.may_accept() || !self.unread.is_empty() || !self.shared.outbox.rest() {
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
        note(self.shared.outbox.next_end());
        for phase in Phase::ALL {
            if let Some((since, _)) = self.connections.oldest(phase) {
                note(since.checked_add(self.time_limit(phase)));
            }
        }
        next.map(|time| time.saturating_duration_since(Instant::now()))
    }

    /// Ends phases that have lasted too long.
    fn expire(&mut self) {
        for phase in Phase::ALL {
            let limit = self.time_limit(phase);
            while let Some((since, index)) = self.connections.oldest(phase)
                && self.now.saturating_duration_since(since) >= limit
            {
                match phase {
                    Phase::Reading => {
                        self.count(|counters| &counters.timed_out);
                        self.give_up_reading(index, Refusal::RequestTimeout);
                    }
                    Phase::Idle | Phase::Writing => {
                        self.count(|counters| &counters.timed_out);
                        self.close(index);
                    }
                    Phase::Answering => self.start_waiting(index, since),
                    Phase::Waiting if self.is_held(index) => {
                        self.connections.enter(index, Phase::Held, since);
                    }
                    Phase::Queued | Phase::Waiting => {
                        if self.abandon(index) {
                            self.reports.late();
                        }
                    }
                    Phase::Held => self.hang_up(index),
                    Phase::Leaving => {
                        self.count(|counters| &counters.hung_up);
                        self.close(index);
                    }
                    Phase::Lingering => self.close(index),
                }
            }
        }
    }

    /// Ends a connection whose request is incomplete, with an answer if a part of one has come.
    fn give_up_reading(&mut self, index: usize, refusal: Refusal) {
        let connection = self.connections.get(index);
        if connection.is_some_and(Connection::has_begun_request) {
            self.refuse(index, refusal);
        } else {
            self.close(index);
        }
    }

    fn apply_orders(&mut self) {
        let orders = self.shared.take_orders();
        if let Some(limits) = orders.limits {
            let max_head = self.limits.max_head;
            self.limits = Limits { max_head, ..limits };
            self.shared.outbox.set_max_waiting(self.limits.max_waiting);
            while self.connections.open() > self.max_connections() && self.make_room() {}
        }
        if let Some(stop_by) = orders.stop_by {
            // Clients in the backlog believe that they are connected.
            self.accepting = Accepting::Ready;
            for _ in 0..usize::from(BACKLOG) / ACCEPTS_PER_TURN {
                if self.may_accept() {
                    self.accept();
                }
            }
            self.listener = None;
            self.stop_by = Some(stop_by);
            for index in self.connections.indices() {
                self.wind_up(index);
            }
        }
    }

    /// On stop: a whole request is still answered, everything else ends.
    fn wind_up(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
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
                let phase = self
                    .connections
                    .get(index)
                    .map(|connection| connection.phase);
                if let Some(Phase::Reading | Phase::Idle) = phase {
                    self.give_up_reading(index, Refusal::Unavailable);
                }
            }
            Phase::Answering | Phase::Waiting | Phase::Held | Phase::Leaving | Phase::Writing => {}
            Phase::Lingering => self.close(index),
        }
    }

    pub(super) fn enter(&mut self, index: usize, phase: Phase) {
        self.connections.enter(index, phase, self.now);
    }

    /// Closes a connection at once, and cancels its request.
    pub(super) fn close(&mut self, index: usize) {
        self.cancel(index);
        self.connections.close(index);
        self.unread.remove(&index);
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
