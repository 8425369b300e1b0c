//! The inner side of a connection: puts whole requests on a lane, and takes their answers from the outbox.

use std::mem;

use super::connection::{Phase, Sent};
use super::event_loop::{EventLoop, due, lane_token};
use super::lane::Lane;
use super::refusal::Refusal;
use crate::server::http::outbox::{Collect, Given, Ticket};
use crate::server::http::response::Response;

/// Requests that are inside, or unsent on one lane, before the next lane gets any: those sent together cost one write and
/// one wake-up, and what handles requests one after the other has its data in its processor's caches.
const COMPANY: usize = 16;

/// A connection ends after this many requests, so that nobody keeps a place forever.
const MOST_REQUESTS: u32 = 1_000;

impl EventLoop {
    pub(super) fn request_is_whole(&mut self, index: usize) {
        self.count(|counters| &counters.requests);
        self.enter(index, Phase::Answering);
        let count = self.lanes.len();
        let first = self.connections.count(&[Phase::Answering]) / COMPANY;
        let lightest = (first..first + count)
            .map(|turn| turn % count)
            .filter_map(|lane_index| Some((lane_index, self.lanes[lane_index].as_ref()?.unsent())))
            .min_by_key(|(_, unsent)| unsent / COMPANY);
        let Some((lane_index, unsent)) = lightest else {
            if due(&mut self.answer_warning, self.now) {
                log::error!("guard: nothing inside answers any more, sent 503");
            }
            return self.nobody_answers(index);
        };
        let ticket = self.shared.outbox.open(index);
        if let Some(connection) = self.connections.get_mut(index)
            && let Some(lane) = &mut self.lanes[lane_index]
        {
            connection.assign(ticket, lane_index);
            lane.take(index);
        }
        self.connections.account(index);
        if unsent + 1 >= COMPANY {
            self.send_requests(lane_index);
        }
    }

    /// At the end of a turn: writes what it has put on the lanes.
    pub(super) fn send_gathered(&mut self) {
        for lane_index in 0..self.lanes.len() {
            self.send_requests(lane_index);
        }
    }

    /// Writes the requests on a lane, as far as there is space.
    fn send_requests(&mut self, lane_index: usize) {
        let Some(lane) = &mut self.lanes[lane_index] else {
            return;
        };
        let is_full = match lane.send(&mut self.connections) {
            Sent::All => false,
            Sent::Part => true,
            Sent::Broken => return self.lose_lane(lane_index, "tiny_http closed it"),
        };
        let watched = lane.watch_writes(self.poll.registry(), lane_token(lane_index), is_full);
        if let Err(error) = watched {
            self.lose_lane(lane_index, &format!("watching it: {error}"));
        }
    }

    /// Only looks for the end: unsent requests are written at the end of the turn.
    pub(super) fn lane_event(&mut self, lane_index: usize) {
        let is_lost = self.lanes[lane_index].as_mut().is_some_and(Lane::is_lost);
        if is_lost {
            self.lose_lane(lane_index, "tiny_http closed it");
        }
    }

    /// Delivers the collected answers to their clients.
    pub(super) fn deliver_answers(&mut self, what: Collect) {
        let mut given = mem::take(&mut self.given);
        self.shared.outbox.collect(what, &mut given);
        for (ticket, given) in given.drain(..) {
            match given {
                Given::Answer(response) => self.deliver(ticket, &response),
                Given::HangUp if self.awaits(ticket) => self.close(ticket.slot),
                Given::Nothing if self.awaits(ticket) => self.nobody_answers(ticket.slot),
                Given::HangUp | Given::Nothing => {}
            }
        }
        self.given = given;
    }

    /// Whether this request is still the one of its slot.
    fn awaits(&self, ticket: Ticket) -> bool {
        let connection = self.connections.get(ticket.slot);
        connection.is_some_and(|connection| connection.ticket == Some(ticket))
    }

    fn deliver(&mut self, ticket: Ticket, response: &Response) {
        let index = ticket.slot;
        let needs_places = self.needs_places();
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.ticket != Some(ticket) {
            return;
        }
        connection.last |=
            connection.requests >= MOST_REQUESTS || needs_places && connection.may_have_unread();
        self.shared.counters.answers.add(response.status);
        connection.take_answer(response, &self.date.0);
        self.connections.account(index);
        self.write(index);
    }

    /// Cancels the request that is inside, if there is one. `false`: its answer is in the outbox already.
    pub(super) fn cancel(&mut self, index: usize) -> bool {
        let Some(connection) = self.connections.get_mut(index) else {
            return true;
        };
        let Some(ticket) = connection.ticket else {
            return true;
        };
        if !self.shared.outbox.cancel(ticket) {
            return false;
        }
        connection.ticket = None;
        if let Some(lane_index) = connection.lane.take()
            && let Some(lane) = &mut self.lanes[lane_index]
        {
            lane.cancel(index, connection);
        }
        true
    }

    /// Answers 503, unless there is an answer after all: then `false`.
    pub(super) fn abandon(&mut self, index: usize) -> bool {
        let is_unanswered = self.cancel(index);
        match is_unanswered {
            true => self.nobody_answers(index),
            false => self.deliver_answers(Collect::All),
        }
        is_unanswered
    }

    /// Closes the connection without an answer, unless there is one after all.
    pub(super) fn hang_up(&mut self, index: usize) {
        match self.cancel(index) {
            true => self.close(index),
            false => self.deliver_answers(Collect::All),
        }
    }

    /// Whether the request that is inside is held.
    pub(super) fn is_held(&self, index: usize) -> bool {
        let ticket = self.connections.get(index).and_then(|one| one.ticket);
        ticket.is_some_and(|ticket| self.shared.outbox.is_held(ticket))
    }

    fn nobody_answers(&mut self, index: usize) {
        self.count(|counters| &counters.unanswered);
        self.refuse(index, Refusal::Unavailable);
    }

    /// Drops a lane. It cannot be replaced: nobody can connect to its tiny_http any more.
    fn lose_lane(&mut self, lane_index: usize, why: &str) {
        if self.lanes[lane_index].take().is_none() {
            return;
        }
        let left = self.lanes.iter().flatten().count();
        log::error!("guard: a lane to tiny_http is lost: {why}; {left} are left");
        for index in self.connections.indices() {
            let connection = self.connections.get(index);
            if connection.is_some_and(|connection| connection.lane == Some(lane_index)) {
                self.abandon(index);
            }
        }
    }
}
