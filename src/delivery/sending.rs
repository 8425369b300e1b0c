//! Sending a late answer as a customer-service message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::late::as_message;
use super::{About, Deliveries, PANIC};
use crate::clock;
use crate::inbox::window::{LONGEST, Window, window};
use crate::store::Sent;
use crate::wechat::Reply;

impl Deliveries {
    /// Sends an answer as a customer-service message.
    pub(super) fn send(self: &Arc<Self>, id: i64, about: &About, reply: &Reply) {
        let no = |why: &str| Sent::No {
            why: why.to_owned(),
            errcode: None,
            no_right_until: None,
        };
        let Some(message) = as_message(reply) else {
            return self.sent(id, no("it cannot be a message"));
        };
        let Some(place) = self.senders.reserve() else {
            return self.sent(id, no("too many messages wait to be sent"));
        };
        let (me, openid) = (Arc::clone(self), about.openid.clone());
        let job = move || {
            let send = || match (me.goes_on_with(id), &me.send) {
                (Ok(false), _) => no("the follower was erased"),
                // Another server may have taken over.
                (Err(error), _) if me.store.is_shared() => no(&error.to_string()),
                (Ok(true) | Err(_), Some(send)) => match me.refused_before(&openid) {
                    Some(why) => no(why),
                    None => send(&openid, &message),
                },
                (Ok(true) | Err(_), None) => no("there are no API rights"),
            };
            let sent = catch_unwind(AssertUnwindSafe(send));
            me.sent(id, sent.unwrap_or_else(|_| Sent::Unknown(PANIC.to_owned())));
        };
        self.senders.submit(place, &about.openid, Box::new(job));
    }

    /// Why the platform takes no message to this person now: it has said so since the person last did anything.
    fn refused_before(&self, openid: &str) -> Option<&'static str> {
        let now = clock::unix_seconds();
        let contact = self
            .store
            .read(|reader| reader.contact(openid, now.saturating_sub(LONGEST)));
        match window(&contact.ok()?, now) {
            Window::Shut(shut) => Some(shut.why()).filter(|_| shut.is_told()),
            Window::Open { .. } => None,
        }
    }

    fn sent(self: &Arc<Self>, id: i64, sent: Sent) {
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.case.sent(sent);
        }
        self.advance(id);
    }
}
