//! The inner side of a connection: a whole request is put on a lane, and its answer comes back.

use mio::event::Event;

use super::connection::{Phase, Received, Sent};
use super::event_loop::{EventLoop, due, lane_token};
use super::lane::TakenBack;
use crate::server::guard::framing::Persistence;
use crate::server::guard::passing::{self, Passed, Refusal};

/// So many requests go to the same lane before the next one gets any: those that go together share the
/// wake-ups of the threads on their way (8 connections, measured: 5 to 13 % more pushes a second).
const COMPANY: usize = 16;

/// A connection ends with the answer to this request of it, so that nobody keeps a place for ever.
const MOST_REQUESTS: u32 = 1_000;

/// So many requests wait at most for the end of the turn to be written to their lane together.
const GATHERED: usize = 16;

impl EventLoop {
    pub(super) fn request_is_whole(&mut self, index: usize) {
        self.count(|counters| &counters.requests);
        self.account(index);
        self.enter(index, Phase::Answering);
        let lanes = self.lanes.iter().enumerate();
        let lightest = lanes
            .filter_map(|(lane_index, lane)| Some((lane_index, lane.as_ref()?)))
            .filter(|(_, lane)| lane.is_usable())
            .min_by_key(|(_, lane)| lane.load() / COMPANY)
            .map(|(lane_index, _)| lane_index);
        match lightest {
            Some(lane_index) => self.put_on_lane(index, lane_index),
            None => {
                if due(&mut self.answer_warning, self.now) {
                    log::error!("guard: nothing inside answers any more, sent 503");
                }
                self.count(|counters| &counters.unanswered);
                self.answer_ourselves(index, Refusal::Unavailable);
            }
        }
    }

    fn put_on_lane(&mut self, index: usize, lane_index: usize) {
        if let (Some(connection), Some(lane)) = (
            self.connections[index].as_mut(),
            self.lanes[lane_index].as_mut(),
        ) {
            connection.lane = Some(lane_index);
            lane.take(index, connection.head.is_some_and(|head| head.head_only));
            if lane.unsent() >= GATHERED {
                self.send_requests(lane_index);
            }
        }
    }

    /// At the end of a turn: writes what was put on the lanes in it.
    pub(super) fn send_gathered(&mut self) {
        for lane_index in 0..self.lanes.len() {
            self.send_requests(lane_index);
        }
    }

    /// Writes on with the requests on a lane.
    fn send_requests(&mut self, lane_index: usize) {
        let Some(lane) = self.lanes[lane_index].as_mut() else {
            return;
        };
        let buffered = &mut self.buffered;
        let sent = lane.send(&mut self.connections, |connection| {
            connection.consume_request();
            connection.account(buffered);
        });
        match sent {
            Sent::All => {}
            Sent::Part => {
                let watched = lane.watch_writes(self.poll.registry(), lane_token(lane_index));
                if let Err(error) = watched {
                    self.lose_lane(lane_index, &format!("watching it: {error}"));
                }
            }
            Sent::Broken => self.lose_lane(lane_index, "tiny_http closed it"),
        }
    }

    pub(super) fn lane_event(&mut self, lane_index: usize, event: &Event) {
        let Some(lane) = self.lanes[lane_index].as_mut() else {
            return;
        };
        let received = lane.receive(&mut self.scratch, event.is_read_closed());
        // Requests that did not go out for want of space go on at the end of the turn.
        self.pass_answers_on(lane_index);
        match received {
            Received::End => self.lose_lane(lane_index, "tiny_http closed it"),
            Received::Bytes(_) | Received::NothingYet => {}
        }
    }

    /// Gives every answer that is whole to its client.
    fn pass_answers_on(&mut self, lane_index: usize) {
        let mut consumed = 0;
        loop {
            let wants_places = self.wants_places();
            let Some(lane) = self.lanes[lane_index].as_mut() else {
                return;
            };
            let input = &lane.input[consumed..];
            if input.is_empty() {
                break;
            }
            let errand = match lane.next_answered() {
                Some(errand) => errand,
                None if lane.load() == 0 => {
                    return self.lose_lane(lane_index, "an answer to nothing");
                }
                // An early answer waits until tiny_http has taken the whole request.
                None => break,
            };
            let mut nobody = Vec::new();
            let waiting = errand
                .client
                .and_then(|index| self.connections[index].as_mut());
            let (persistence, output) = match waiting {
                Some(connection) => {
                    connection.last |= connection.requests >= MOST_REQUESTS
                        || wants_places && connection.may_have_unread();
                    (connection.persistence(), &mut connection.output)
                }
                None => (Persistence::Stays, &mut nobody),
            };
            match passing::pass_on(input, errand.head_only, persistence, output) {
                Ok(None) => break,
                Ok(Some((passed, len))) => {
                    consumed += len;
                    lane.answered();
                    if let Some(index) = errand.client {
                        self.answer_has_come(index, passed);
                    }
                }
                Err(passing::Broken(why)) => {
                    let why = format!("its answer cannot be passed on: {why}");
                    return self.lose_lane(lane_index, &why);
                }
            }
        }
        if let Some(lane) = self.lanes[lane_index].as_mut() {
            lane.consume_answers(consumed);
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
    pub(super) fn take_off_lane(&mut self, index: usize) {
        let lane = self.connections[index]
            .as_mut()
            .and_then(|connection| connection.lane.take());
        if let Some(lane_index) = lane
            && let Some(lane) = self.lanes[lane_index].as_mut()
        {
            match lane.take_back(index) {
                TakenBack::Fine => {}
                TakenBack::Torn => self.lose_lane(lane_index, "tiny_http did not take a request"),
            }
        }
    }

    /// Goes on without a lane. It cannot be replaced: nobody can connect to its tiny_http any more.
    fn lose_lane(&mut self, lane_index: usize, why: &str) {
        let Some(lane) = self.lanes[lane_index].take() else {
            return;
        };
        let left = self.lanes.iter().flatten().count();
        log::error!("guard: a lane to tiny_http is lost: {why}; {left} are left");
        if left == 0 {
            self.fatal_reason = Some("guard: every lane to tiny_http is lost".to_owned());
        }
        for index in lane.clients() {
            if let Some(connection) = self.connections[index].as_mut() {
                connection.lane = None;
                self.count(|counters| &counters.unanswered);
                self.answer_ourselves(index, Refusal::Unavailable);
            }
        }
    }
}
