//! The inner side of a connection: a whole request waits for a lane, goes through it, and its answer comes back.

use mio::event::Event;

use super::connection::{Phase, Received, Sent};
use super::event_loop::{EventLoop, lane_token};
use super::lane::Errand;
use crate::server::answer::{self, Passed, Refusal};
use crate::server::framing::Persistence;

impl EventLoop {
    pub(super) fn request_is_whole(&mut self, index: usize) {
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

    pub(super) fn lane_event(&mut self, lane_index: usize, event: &Event) {
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
    pub(super) fn take_off_lane(&mut self, index: usize) {
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
}
