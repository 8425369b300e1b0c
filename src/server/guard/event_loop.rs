//! The guard's one thread: a story in events, from the accept to the end of every connection.
//!
//! Reading → (whole) → Answering: waits for a lane, goes through it → (Writing) → the next request,
//! or Lingering → closed. Nothing in here blocks, and each wait has its end in `expire`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

use super::connection::{Ages, Connection, Phase, Received, Sent};
use super::lane::{Errand, Lane};
use super::{Counters, Limits, Shared};
use crate::server::answer::{self, Passed, Refusal};
use crate::server::framing::{HEAD_LIMIT, Persistence};
use crate::server::lanes::Lanes;
use crate::server::listener::Listener;
use crate::server::stream::{Peer, Stream};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_LANE: usize = 2;

/// Events taken from the system at a time.
const EVENTS: usize = 512;
/// Connections accepted before those that are open get their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long accepting rests after it failed, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes read at a time.
const SCRATCH: usize = 64 * 1024;
/// How long and how much is read after a last answer while the client still sends.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;
/// A warning that could come for every connection comes this often.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// Whether connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    /// There were none left; an event will tell.
    Drained,
    /// There may be some.
    Ready,
    /// After an error: not before this time.
    PausedUntil(Instant),
}

/// Everything the guard's thread owns.
pub(super) struct EventLoop {
    poll: Poll,
    listener: Option<Listener>,
    accepting: Accepting,
    lanes: Vec<Option<Lane>>,
    /// Lanes without a request; the one that was used last is taken first, its thread is warm.
    free_lanes: Vec<usize>,
    lanes_alive: usize,
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    open: usize,
    ages: Ages,
    /// Whole requests that wait for a lane, first come, first served.
    waiting: VecDeque<usize>,
    /// Bytes that all connections' buffers hold.
    buffered: usize,
    scratch: Box<[u8]>,
    limits: Limits,
    stop_by: Option<Instant>,
    /// The time of the turn under way.
    now: Instant,
    shared: Arc<Shared>,
    accept_warning: Option<Instant>,
    eviction_warning: Option<Instant>,
    fatal_reason: Option<String>,
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
            free_lanes: (0..lanes.len()).rev().collect(),
            lanes_alive: lanes.len(),
            lanes,
            connections: Vec::new(),
            vacant: Vec::new(),
            open: 0,
            ages: Ages::default(),
            waiting: VecDeque::new(),
            buffered: 0,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            limits,
            stop_by: None,
            now: Instant::now(),
            shared,
            accept_warning: None,
            eviction_warning: None,
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
                log::debug!("guard: stopped: {}", self.counters());
                return self.unanswered();
            }
        }
    }

    fn unanswered(&self) -> usize {
        self.ages.of(Phase::Answering).len() + self.ages.of(Phase::Writing).len()
    }

    fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    fn count(&self, counter: fn(&Counters) -> &std::sync::atomic::AtomicU64) {
        counter(self.counters()).fetch_add(1, Ordering::Relaxed);
    }

    // ---- time ----

    /// How long a connection may stay in a phase.
    fn time_limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Reading | Phase::Writing => self.limits.request_timeout,
            Phase::Answering => self.limits.answer_timeout,
            Phase::Lingering => LINGER_TIME,
        }
    }

    /// How long to wait for events at most; `None` if only events can give us something to do.
    fn time_to_next_duty(&self) -> Option<Duration> {
        if self.may_accept() {
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
                    Phase::Answering => {
                        log::error!("guard: no answer from inside within {limit:?}");
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

    // ---- orders ----

    fn obey(&mut self) {
        let orders = self.shared.take_orders();
        if let Some(limits) = orders.limits {
            self.limits = limits;
            while self.open > self.max_connections() && self.make_room() {}
        }
        if let Some(stop_by) = orders.stop_by {
            // Clients that are already through to the kernel have been accepted as far as they know.
            for _ in 0..16 {
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
            Phase::Reading => {
                connection.note(true, false);
                self.read(index);
                let still_reading = self.connections[index]
                    .as_ref()
                    .is_some_and(|connection| connection.phase == Phase::Reading);
                if still_reading {
                    self.give_up_reading(index, Refusal::Unavailable);
                }
            }
            Phase::Answering | Phase::Writing => {}
            Phase::Lingering => self.close(index),
        }
    }

    // ---- accepting ----

    fn max_connections(&self) -> usize {
        self.limits.max_connections.max(1)
    }

    fn connections_wait(&mut self) {
        match self.accepting {
            Accepting::Drained | Accepting::Ready => self.accepting = Accepting::Ready,
            // A flood must not cut the pause short.
            Accepting::PausedUntil(_) => {}
        }
    }

    fn end_pause(&mut self) {
        if let Accepting::PausedUntil(time) = self.accepting
            && time <= self.now
        {
            self.accepting = Accepting::Ready;
        }
    }

    /// Whether a connection could be accepted now and have a place.
    fn may_accept(&self) -> bool {
        let place = self.open < self.max_connections() || self.most_dispensable().is_some();
        self.accepting == Accepting::Ready
            && place
            && self.listener.is_some()
            && self.stop_by.is_none()
    }

    fn accept(&mut self) {
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
                    self.accept_failed(&error);
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) {
                        return;
                    }
                }
            }
        }
    }

    /// Whatever the error, the next attempt may go well. Only a client that went away before its
    /// turn needs no pause.
    fn accept_failed(&mut self, error: &io::Error) {
        self.count(|counters| &counters.accept_errors);
        match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => return,
            _ => self.accepting = Accepting::PausedUntil(self.now + ACCEPT_PAUSE),
        }
        if due(&mut self.accept_warning, self.now) {
            log::warn!("guard: accepting a connection: {error}; trying again");
        }
        // It is mostly for want of file descriptors; let an idle client give up its one.
        self.make_room();
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
    fn make_room(&mut self) -> bool {
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

    // ---- reading ----

    fn connection_event(&mut self, index: usize, event: &Event) {
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
    fn read(&mut self, index: usize) {
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

    /// Brings the sum of all buffers up to date.
    fn account(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].as_mut() {
            self.buffered -= connection.accounted;
            connection.accounted = connection.held();
            self.buffered += connection.accounted;
        }
    }

    /// When all buffers together have become too large, closes the oldest large one whose request
    /// is incomplete. `index` has just grown; it may be the one.
    fn keep_within_budget(&mut self, index: usize) {
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

    fn request_is_whole(&mut self, index: usize) {
        self.count(|counters| &counters.requests);
        self.account(index);
        self.enter(index, Phase::Answering);
        if self.lanes_alive == 0 {
            self.count(|counters| &counters.unanswered);
            return self.answer_ourselves(index, Refusal::Unavailable);
        }
        match self.free_lanes.pop() {
            Some(lane) => self.put_on_lane(index, lane),
            None => self.waiting.push_back(index),
        }
    }

    fn enter(&mut self, index: usize, phase: Phase) {
        if let Some(connection) = self.connections[index].as_mut() {
            self.ages.remove(index, connection);
            connection.phase = phase;
            connection.since = self.now;
            self.ages.insert(index, connection);
        }
    }

    // ---- lanes ----

    fn put_on_lane(&mut self, index: usize, lane_index: usize) {
        if let (Some(connection), Some(lane)) = (
            self.connections[index].as_mut(),
            self.lanes[lane_index].as_mut(),
        ) {
            connection.lane = Some(lane_index);
            lane.take(index, connection.head.is_some_and(|head| head.head_only));
            self.send_request(lane_index);
        }
    }

    /// Writes on with the request that the lane carries.
    fn send_request(&mut self, lane_index: usize) {
        let Some(lane) = self.lanes[lane_index].as_mut() else {
            return;
        };
        let Errand::For(index) = lane.errand else {
            return;
        };
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        let (head, body) = connection.inner_request();
        match lane.send(head, body) {
            Sent::All => {
                connection.consume_request();
                self.account(index);
            }
            Sent::Part => {
                let watched = lane.watch_writes(self.poll.registry(), lane_token(lane_index));
                if let Err(error) = watched {
                    self.lose_lane(lane_index, &format!("watching it: {error}"));
                }
            }
            Sent::Broken => self.lose_lane(lane_index, "tiny_http closed it"),
        }
    }

    fn lane_event(&mut self, lane_index: usize, event: &Event) {
        let Some(lane) = self.lanes[lane_index].as_mut() else {
            return;
        };
        let read_closed = event.is_read_closed();
        let received = lane.receive(&mut self.scratch, read_closed);
        if !lane.sent_all && event.is_writable() {
            self.send_request(lane_index);
        }
        self.pass_answer_on(lane_index);
        match received {
            Received::End => self.lose_lane(lane_index, "tiny_http closed it"),
            Received::Bytes(_) | Received::NothingYet => {}
        }
    }

    /// If the answer on the lane is whole, frees the lane for the next request and gives the answer
    /// to its client.
    fn pass_answer_on(&mut self, lane_index: usize) {
        let Some(lane) = self.lanes[lane_index].as_mut() else {
            return;
        };
        // An early answer waits until tiny_http has taken the whole request.
        if !lane.sent_all || lane.input.is_empty() {
            return;
        }
        let mut nobody = Vec::new();
        let (client, persistence, output) = match lane.errand {
            Errand::Idle => return self.lose_lane(lane_index, "an answer to nothing"),
            Errand::Orphaned => (None, Persistence::Stays, &mut nobody),
            Errand::For(index) => match self.connections[index].as_mut() {
                Some(connection) => {
                    let persistence = connection.persistence();
                    (Some(index), persistence, &mut connection.output)
                }
                None => (None, Persistence::Stays, &mut nobody),
            },
        };
        match answer::pass_on(&lane.input, lane.head_only, persistence, output) {
            Ok(None) => {}
            Ok(Some(passed)) => {
                self.free_lane(lane_index);
                if let Some(index) = client {
                    self.answer_has_come(index, passed);
                }
            }
            Err(answer::Broken(why)) => {
                self.lose_lane(
                    lane_index,
                    &format!("its answer cannot be passed on: {why}"),
                );
            }
        }
    }

    fn free_lane(&mut self, lane_index: usize) {
        if let Some(lane) = self.lanes[lane_index].as_mut() {
            lane.release();
            match self.waiting.pop_front() {
                Some(index) => self.put_on_lane(index, lane_index),
                None => self.free_lanes.push(lane_index),
            }
        }
    }

    fn answer_has_come(&mut self, index: usize, passed: Passed) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        connection.lane = None;
        match passed {
            Passed::Whole => {
                connection.last |= connection.persistence() == Persistence::Close;
                self.account(index);
                self.write(index);
            }
            Passed::Abandoned => {
                self.count(|counters| &counters.unanswered);
                self.answer_ourselves(index, Refusal::Unavailable);
            }
        }
    }

    /// Takes a request back whose answer took too long.
    fn take_off_lane(&mut self, index: usize) {
        let lane = self.connections[index]
            .as_mut()
            .and_then(|connection| connection.lane.take());
        let Some(lane_index) = lane else {
            self.waiting.retain(|&waiting| waiting != index);
            return;
        };
        if let Some(lane) = self.lanes[lane_index].as_mut() {
            lane.errand = Errand::Orphaned;
            if !lane.sent_all {
                self.lose_lane(lane_index, "tiny_http did not take a request");
            }
        }
    }

    /// Goes on without a lane. It cannot be replaced: nobody can connect to tiny_http any more.
    fn lose_lane(&mut self, lane_index: usize, why: &str) {
        let Some(lane) = self.lanes[lane_index].take() else {
            return;
        };
        self.lanes_alive -= 1;
        self.free_lanes.retain(|&free| free != lane_index);
        log::error!(
            "guard: a lane to tiny_http is lost: {why}; {} are left",
            self.lanes_alive
        );
        if let Errand::For(index) = lane.errand
            && let Some(connection) = self.connections[index].as_mut()
        {
            connection.lane = None;
            self.count(|counters| &counters.unanswered);
            self.answer_ourselves(index, Refusal::Unavailable);
        }
        if self.lanes_alive == 0 {
            self.fatal_reason = Some("guard: every lane to tiny_http is lost".to_owned());
            while let Some(index) = self.waiting.pop_front() {
                self.count(|counters| &counters.unanswered);
                self.answer_ourselves(index, Refusal::Unavailable);
            }
        }
    }

    // ---- answering ----

    /// Answers in the place of `tiny_http`; the connection ends with it.
    fn answer_ourselves(&mut self, index: usize, refusal: Refusal) {
        if let Some(connection) = self.connections[index].as_mut() {
            log::debug!(
                "guard: {} answered {}",
                connection.peer(),
                refusal.parts().0
            );
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
    fn write(&mut self, index: usize) {
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

    fn close(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].take() {
            self.ages.remove(index, &connection);
            self.buffered -= connection.accounted;
            self.vacant.push(index);
            self.open -= 1;
        }
    }
}

fn lane_token(index: usize) -> Token {
    Token(FIRST_LANE + index)
}

fn connection_token(lanes: usize, index: usize) -> Token {
    Token(FIRST_LANE + lanes + index)
}

/// Whether a warning may be given again; notes that it is.
fn due(last: &mut Option<Instant>, now: Instant) -> bool {
    let due = last.is_none_or(|last| now.saturating_duration_since(last) >= WARNING_PAUSE);
    if due {
        *last = Some(now);
    }
    due
}
