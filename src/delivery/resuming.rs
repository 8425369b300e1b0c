//! Going on with what a server that ended left behind.

use std::collections::HashSet;
use std::sync::Arc;

use super::case::{Asked, Case};
use super::{About, Admitted, Deliveries};
use crate::clock;
use crate::dispatch::{Outcome, Rules, decide};
use crate::service::{Question, Services};
use crate::store::{NODE_LIFE, OpenForward, Store, StoreError};
use crate::wechat::Push;

/// What a server that has ended was asking its service is asked again for so much longer, in seconds: that it has ended is
/// noticed after [`NODE_LIFE`].
const NOTICED_WITHIN: u64 = 2 * NODE_LIFE as u64;

impl Deliveries {
    /// Goes on with what a server that ended left behind. What other servers of a shared store do is theirs: see
    /// [`Deliveries::go_on`].
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn resume(self: &Arc<Self>, services: &Services, rules: &Rules) -> Result<(), StoreError> {
        if !self.store.is_shared() {
            for open in self.store.open_forwards(clock::unix_seconds())? {
                self.resume_one(services, rules, open);
            }
        }
        self.refresh_kept()
    }

    /// Goes on with what other servers of a shared store have left behind, if this one does that for all: `duty` is its
    /// store then. Also with what this one has recorded without knowing it, because a commit was not answered. To be called
    /// every few seconds.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn go_on(
        self: &Arc<Self>,
        duty: Option<&Store>,
        services: &Services,
        rules: &Rules,
    ) -> Result<(), StoreError> {
        let now = clock::unix_seconds();
        let mut open = match duty {
            Some(store) => store.take_over_forwards(now)?,
            None => Vec::new(),
        };
        let node = self.store.node();
        let owned = self.store.read(|reader| reader.forwards_of(node))?;
        let mut state = self.lock();
        let is_known = |id: &i64| {
            let entry = state.entries.get(id);
            entry.is_some_and(|entry| !entry.case.is_elsewhere())
        };
        let unknown: HashSet<i64> = owned.into_iter().filter(|id| !is_known(id)).collect();
        // What was just recorded is told in a moment.
        let lost: Vec<i64> = unknown.intersection(&state.unknown).copied().collect();
        state.unknown = unknown;
        drop(state);
        if !lost.is_empty() {
            open.extend(self.store.go_on_with_forwards(lost, now)?);
        }
        for open in open {
            self.resume_one(services, rules, open);
        }
        Ok(())
    }

    fn resume_one(self: &Arc<Self>, services: &Services, rules: &Rules, open: OpenForward) {
        let OpenForward {
            forwarded,
            service,
            openid,
            is_pending,
            asked_at,
            dedup_key,
            received,
        } = open;
        let (id, now) = (forwarded.id, clock::unix_seconds());
        let received = received.unwrap_or_default().into_bytes();
        let cannot_be_asked = |why: String| {
            self.not_asked(&service, &why);
            self.store.fail_forward(id, why, None, now, |_, _| {});
        };
        let Some(backend) = services.get(&service) else {
            let why = "the service is no longer in the configuration";
            return cannot_be_asked(why.to_owned());
        };
        let push = match Push::parse(&received) {
            Ok(push) => push,
            Err(error) => {
                return cannot_be_asked(format!("the push in the store cannot be read: {error}"));
            }
        };
        let about = Arc::new(About {
            backend: Arc::clone(backend),
            openid,
            otherwise: match decide(rules, &push).outcome {
                Outcome::Forward { otherwise, .. } => otherwise,
                Outcome::NoRule | Outcome::Silent | Outcome::Reply(_) | Outcome::Withheld(_) => {
                    None
                }
            },
            shows: push.may_be_answered(),
            account: push.to_user,
        });
        let case = Case::new(forwarded, backend.service.slow, is_pending, (self.now)());
        self.enter_case(id, case, Arc::clone(&about));
        let age = now.saturating_sub(asked_at);
        let longest = match self.store.is_shared() {
            true => backend.service.timeout.as_secs() + NOTICED_WITHIN,
            false => backend.service.timeout.as_secs(),
        };
        if u64::try_from(age).is_ok_and(|age| age >= longest) {
            let why = "the server ended before the service answered";
            return self.asked(id, Asked::Failed(why.to_owned()));
        }
        let desk = self.desk(&backend.service);
        let place = desk.queue.reserve_again();
        let question = Question {
            dedup_key,
            received,
            follower: None,
        };
        self.ask(
            id,
            Admitted {
                about,
                desk,
                place,
                question,
            },
        );
    }
}
