//! Asking a service about a push: what came of it, and whom that concerns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::case::Asked;
use super::desk::ServiceResult;
use super::{Admitted, Deliveries, OPEN, PANIC};
use crate::config::ServiceFormat;
use crate::service::{Backend, Change, Failure, Question};
use crate::store::StoreError;
use crate::trouble::Kind;
use crate::wechat::Reply;

/// A service that takes no calls is called again this long after the push came: of those that wait in the queue behind
/// that, each would add its own time, and be shown too late that the service failed.
const AGAIN_FOR: Duration = Duration::from_secs(2);

impl Deliveries {
    pub(super) fn ask(self: &Arc<Self>, id: i64, admitted: Admitted) {
        let Admitted {
            about,
            desk,
            place,
            mut question,
        } = admitted;
        let (me, openid) = (Arc::clone(self), about.openid.clone());
        let at = Arc::clone(&desk);
        let again_until = (self.now)() + AGAIN_FOR;
        let job = move || {
            let service = &about.backend.service;
            let outcome = if me.goes_on_with(id) == Ok(false) {
                Asked::Reply(None)
            } else if !desk.circuit.begin((me.now)()) {
                desk.count(ServiceResult::NotMade);
                Asked::Failed(OPEN.to_owned())
            } else {
                if let ServiceFormat::Json { .. } = service.format {
                    question.follower = me.follower(&about.openid);
                }
                let still_wanted = || (me.now)() < again_until;
                match ask(&about.backend, &question, &still_wanted) {
                    Ok(reply) => {
                        desk.count(ServiceResult::Answered);
                        let closed = desk.circuit.succeeded().unwrap_or(Change::Closed);
                        // Also if another thread was about to say that it opened.
                        if me.troubles.has(Kind::Service) {
                            let subject = Kind::Service.of(&service.name);
                            me.troubles.end(subject, &closed.to_string());
                        }
                        Asked::Reply(reply.filter(|_| about.shows))
                    }
                    Err(failure) => {
                        desk.count(ServiceResult::Failed);
                        let why = failure.to_string();
                        if let Some(opened) = desk.circuit.failed((me.now)(), &why) {
                            let subject = Kind::Service.of(&service.name);
                            me.troubles.begin(subject, &opened.to_string());
                        }
                        Asked::Failed(why)
                    }
                }
            };
            me.asked(id, outcome);
        };
        at.queue.submit(place, &openid, Box::new(job));
    }

    /// Whether the push is still this server's: it was not erased with its sender while it waited, and no other server has
    /// taken over.
    pub(super) fn goes_on_with(&self, id: i64) -> Result<bool, StoreError> {
        let node = self.store.node();
        self.store.read(|reader| reader.goes_on_with(id, node))
    }

    /// What the store knows of a person; `null` if nothing.
    fn follower(&self, openid: &str) -> Option<Value> {
        let follower = self.store.read(|reader| reader.follower(openid)).ok()??;
        serde_json::to_value(follower).ok()
    }

    pub(super) fn asked(self: &Arc<Self>, id: i64, outcome: Asked) {
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.case.asked(outcome);
        }
        self.advance(id);
    }
}

/// Asks a service. A panic is one of its failures: the push would wait for ever.
fn ask(
    backend: &Backend,
    question: &Question,
    still_wanted: &dyn Fn() -> bool,
) -> Result<Option<Reply>, Failure> {
    let asked = catch_unwind(AssertUnwindSafe(|| backend.ask(question, still_wanted)));
    asked.unwrap_or_else(|_| {
        let error = PANIC.to_owned();
        Err(Failure { error })
    })
}
