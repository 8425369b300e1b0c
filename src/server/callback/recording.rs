//! A push on its way into the store, and its answer after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::accepted::Accepted;
use super::answer;
use super::claim::Claim;
use super::exchange::{Exchange, Held};
use super::stall::Stall;
use crate::app::App;
use crate::clock;
use crate::delivery::{About, Admitted, Deliveries, Refused, Request, Waiting};
use crate::metrics::PushOutcome;
use crate::server::http::outbox::Deferred;
use crate::server::http::reply::Reply;
use crate::server::http::response::Response;
use crate::store::{AfterCommit, Begins, Forwarded, Record, Recorded, ShowsKept, StoreError};
use crate::wechat::{self, Effect};

/// Hands a push to the store's writer together with the duty to answer it. `claim`: what the store decides about its
/// signature, if it does.
pub fn record(
    app: &Arc<App>,
    stall: &Arc<Stall>,
    accepted: Accepted,
    claim: Option<Claim>,
) -> Reply {
    let (app, stall) = (Arc::clone(app), Arc::clone(stall));
    Reply::later(move |deferred: Deferred| {
        let Accepted {
            mut record,
            exchange,
            forward,
            step,
            becomes,
            hits,
        } = accepted;
        let admitted =
            forward.map(|forward| admit(&app.deliveries, forward, &mut record, &deferred));
        // Encrypted here and not after the commit: there are several workers, but one writer.
        let fresh = exchange.response(record.reply.as_deref());
        let wants_profile = matches!(
            record.effect,
            Effect::Follow { .. } | Effect::ProfileChanged { .. }
        );
        let closes_account = matches!(record.effect, Effect::AccountClosed { .. });
        let has_hook_events = !record.hook_events.is_empty();
        let fetches_media = record.fetches_media;
        let store = Arc::clone(&app.store);
        let recording = Recording {
            admitted,
            exchange,
            becomes,
            hits,
            fresh,
            deferred,
        };
        store.record(
            record,
            move |recorded: Result<Recorded, StoreError>, after| {
                if recorded.is_ok() {
                    stall.is_over();
                }
                // Not for a further delivery: what it meant has been done.
                if let (Ok(Recorded::New { .. } | Recorded::Pending(_)), Some(step)) =
                    (&recorded, step)
                {
                    app.scans.commit(step, Instant::now());
                }
                let refusal = claim.and_then(|claim| claim.settle(&app, &recorded));
                match refusal {
                    Some(refusal) => recording.refuse(refusal, after),
                    None => recording.finish(&app.deliveries, recorded, after),
                }
                if wants_profile {
                    app.notifiers.profiles.notify();
                }
                if closes_account {
                    app.notifiers.chores.notify();
                }
                if has_hook_events {
                    app.notifiers.hooks.notify();
                }
                if fetches_media {
                    app.notifiers.media.notify();
                }
            },
        );
    })
}

/// Takes a place with the service for a push. Where there is none, the push is recorded as failed, with the answer for
/// that case.
fn admit(
    deliveries: &Deliveries,
    request: Request,
    record: &mut Record,
    deferred: &Deferred,
) -> Result<Admitted, Refused> {
    let otherwise = request.otherwise.clone().filter(|_| request.shows);
    // Only a place: until the commit the usual time counts. A client that has gone already delivers it again.
    let may_wait = !request.shows || deferred.wait() || !deferred.is_awaited();
    deliveries.admit(request, may_wait).inspect_err(|refused| {
        if let Some(forward) = &mut record.forward {
            forward.begins = Begins::Failed(refused.why().to_owned());
        }
        if let (ShowsKept::Alone, Some(wechat::Reply::Text(text))) =
            (&record.shows_kept, &otherwise)
        {
            record.shows_kept = ShowsKept::Before(text.clone());
        }
        record.reply = otherwise
            .and_then(|reply| reply.to_xml(&record.openid, &record.account, clock::unix_seconds()));
    })
}

/// A push that waits for its commit.
struct Recording {
    /// If a rule forwards it.
    admitted: Option<Result<Admitted, Refused>>,
    exchange: Exchange,
    /// What becomes of it if it is new.
    becomes: PushOutcome,
    hits: Option<Arc<AtomicU64>>,
    /// The answer, if the push is new and has one.
    fresh: Response,
    deferred: Deferred,
}

impl Recording {
    /// Answers a push that the store refuses. Nothing is recorded of it, and it counts as a refused request.
    fn refuse(self, refusal: Response, after: &mut AfterCommit) {
        if let Some(outbox) = self.deferred.answer_together(refusal) {
            after.then(move || outbox.release());
        }
    }

    /// Answers the push after its commit, or lets it wait for its service.
    fn finish(
        self,
        deliveries: &Arc<Deliveries>,
        recorded: Result<Recorded, StoreError>,
        after: &mut AfterCommit,
    ) {
        let Recording {
            admitted,
            exchange,
            becomes,
            hits,
            fresh,
            deferred,
        } = self;
        let since = exchange.since;
        exchange.count(match &recorded {
            Ok(Recorded::New { .. } | Recorded::Pending(_)) => {
                if let Some(hits) = hits {
                    hits.fetch_add(1, Ordering::Relaxed);
                }
                becomes
            }
            Ok(Recorded::PendingAgain(_) | Recorded::Again { .. } | Recorded::Removed) => {
                PushOutcome::Again
            }
            Ok(Recorded::Replayed { .. }) | Err(_) => PushOutcome::Failed,
        });
        match recorded {
            Ok(Recorded::Pending(forwarded)) => {
                // It has its place already; whose time is over delivers it again.
                deferred.hold();
                let held = Box::new(Held { deferred, exchange });
                if let Some(Ok(admitted)) = admitted {
                    deliveries.begin(forwarded, admitted, since, Some(held));
                }
            }
            Ok(Recorded::PendingAgain(forwarded)) => {
                let about = admitted.as_ref().map(|admitted| match admitted {
                    Ok(admitted) => admitted.about(),
                    Err(refused) => refused.about(),
                });
                wait_again(deliveries, forwarded, about, Held { deferred, exchange });
            }
            Ok(Recorded::New { shown, forwarded }) => {
                let response = match shown {
                    Some(xml) => exchange.response(Some(&xml)),
                    None => fresh,
                };
                answer(deferred, response, &exchange, "", after);
                match (forwarded, admitted) {
                    (Some(forwarded), Some(Ok(admitted))) => {
                        deliveries.begin(forwarded, admitted, since, None);
                    }
                    (_, Some(Err(refused))) => deliveries.refused(&refused),
                    (None, Some(Ok(_))) | (_, None) => {}
                }
            }
            Ok(Recorded::Again { reply, forwarded }) => {
                let response = exchange.response(reply.as_deref());
                let is_taken = answer(deferred, response, &exchange, " again", after);
                if let Some(forwarded) = forwarded {
                    deliveries.delivered(forwarded, since, is_taken);
                }
            }
            Ok(Recorded::Removed) => {
                let word = " again, not recorded";
                answer(deferred, answer::success(), &exchange, word, after);
            }
            Ok(Recorded::Replayed { .. }) | Err(_) => {
                answer(deferred, answer::unavailable(), &exchange, "", after);
            }
        }
    }
}

/// Answers together with the others of the commit. `false`: nobody waited any more.
fn answer(
    deferred: Deferred,
    response: Response,
    exchange: &Exchange,
    word: &str,
    after: &mut AfterCommit,
) -> bool {
    let status = response.status;
    let outbox = deferred.answer_together(response);
    let is_taken = outbox.is_some();
    if let Some(outbox) = outbox {
        after.then(move || outbox.release());
    }
    exchange.log(word, status, is_taken);
    is_taken
}

/// Another delivery of a push that has no answer yet. The rule may not forward it any more, so it has no place yet.
fn wait_again(
    deliveries: &Arc<Deliveries>,
    forwarded: Forwarded,
    about: Option<&Arc<About>>,
    held: Held,
) {
    let since = held.exchange.since;
    let has_place = held.deferred.hold();
    let held = Box::new(held);
    if has_place {
        return deliveries.deliver(forwarded, about, since, held);
    }
    // It counts all the same: the platform has not given up yet.
    deliveries.delivered(forwarded, since, false);
    Waiting::hang_up(held);
}
