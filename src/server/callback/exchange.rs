//! One delivery of a push: how its answer is written, and its line in the log.

use std::sync::Arc;
use std::time::Instant;

use super::answer;
use super::sealing::Sealing;
use crate::delivery::{Answer, Waiting};
use crate::metrics::{PushOutcome, Pushes};
use crate::server::http::outbox::Deferred;
use crate::server::http::response::Response;
use crate::wechat::Format;

/// What is needed to answer one delivery of a push.
pub struct Exchange {
    /// For the log: kind, sender, rule, outcome.
    pub line: String,
    pub sealing: Option<Sealing>,
    /// When the request was whole.
    pub since: Instant,
    pub pushes: Arc<Pushes>,
    /// See [`Push::kind_number`](crate::wechat::Push::kind_number).
    pub kind: Option<usize>,
}

impl Exchange {
    /// The answer with this plain XML; `None`: `success`.
    pub fn response(&self, reply: Option<&str>) -> Response {
        match (reply, &self.sealing) {
            (None, _) => answer::success(),
            (Some(xml), None) => answer::reply(xml.to_owned(), Format::Xml),
            (Some(xml), Some(sealing)) => sealing.seal(xml),
        }
    }

    /// Counts the push.
    pub fn count(&self, outcome: PushOutcome) {
        self.pushes.add(self.kind, outcome);
    }

    /// The answer was given. `word` says more about what was recorded; `is_taken`: somebody still waited for the answer.
    pub fn log(&self, word: &str, status: u16, is_taken: bool) {
        let Exchange { line, .. } = self;
        let took = self.since.elapsed();
        self.pushes.answers.observe(took);
        let took = took.as_millis();
        match (is_taken, status) {
            (true, _) => log::info!("{line}{word}: {status} in {took} ms"),
            (false, 503) => {
                log::info!("{line}: not recorded after {took} ms, and nobody waited any more");
            }
            (false, _) => {
                log::info!("{line}{word}: recorded after {took} ms, and nobody waited any more");
            }
        }
    }
}

/// A delivery that waits for the answer of a service.
pub struct Held {
    pub deferred: Deferred,
    pub exchange: Exchange,
}

impl Waiting for Held {
    fn answer(self: Box<Self>, answer: Answer) -> bool {
        let Held { deferred, exchange } = *self;
        let response = match answer {
            Answer::Reply(reply) => exchange.response(reply),
            Answer::Unavailable => answer::unavailable(),
        };
        let status = response.status;
        let is_taken = deferred.answer(response);
        exchange.log("", status, is_taken);
        is_taken
    }

    fn hang_up(self: Box<Self>) {
        let Held { deferred, exchange } = *self;
        deferred.hang_up();
        let took = exchange.since.elapsed().as_millis();
        log::info!("{}: no answer yet after {took} ms", exchange.line);
    }
}
