//! What a push claims its signature for, where nodes share the store: that decides between them.

use std::sync::Arc;

use super::answer;
use super::refusals::{Refusals, Refused};
use super::replay::{Replay, Seen};
use crate::app::App;
use crate::server::http::client::ClientAddress;
use crate::server::http::response::Response;
use crate::store::{ErrorKind, Recorded, StoreError, UsedSignature};

/// A signature that is to bring a push, until the store has said whether it does.
pub struct Claim {
    pub replay: Arc<Replay>,
    pub refusals: Arc<Refusals>,
    pub seen: Seen,
    /// What it is claimed for.
    pub used: UsedSignature,
    /// Who sent it.
    pub from: ClientAddress,
}

impl Claim {
    /// Learns what the store says about the signature. Returns the answer if it refuses the push.
    pub fn settle(self, app: &App, recorded: &Result<Recorded, StoreError>) -> Option<Response> {
        let Claim {
            replay, seen, used, ..
        } = &self;
        match recorded {
            Ok(Recorded::Replayed { push }) => {
                replay.learn(seen, *push, false);
                Some(self.refuse(&Refused::Replayed))
            }
            Ok(
                Recorded::New { .. }
                | Recorded::Pending(_)
                | Recorded::Again { .. }
                | Recorded::PendingAgain(_)
                | Recorded::Removed,
            ) => {
                replay.learn(seen, used.push, true);
                None
            }
            Err(error) if error.kind() == ErrorKind::TooLong => {
                // Nothing else may come with it, as if it had been recorded.
                let (replay, seen, claimed) = (Arc::clone(replay), *seen, used.push);
                let learn = move |push| replay.learn(&seen, push, push == claimed);
                app.store.use_up(*used, learn);
                Some(self.refuse(&Refused::TooLong(error.to_string())))
            }
            Err(_) => None,
        }
    }

    fn refuse(&self, why: &Refused) -> Response {
        self.refusals.note(self.from, why);
        answer::refusal(why)
    }
}
