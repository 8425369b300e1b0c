//! A push with the decision about it: what is recorded, and what answers it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::exchange::Exchange;
use super::sealing::Sealing;
use crate::app::{App, Live};
use crate::clock;
use crate::delivery::Request;
use crate::dispatch::{Outcome, decide};
use crate::login::scan::{self, Step};
use crate::metrics::PushOutcome;
use crate::store::{Begins, NewForward, Record, ShowsKept, Signature, recorded_scene};
use crate::visible::Visible;
use crate::wechat::{self, Effect, Push};

/// A push that will be recorded.
pub struct Accepted {
    pub record: Record,
    pub exchange: Exchange,
    /// If a rule forwards it.
    pub forward: Option<Request>,
    /// What it means for a log-in under way.
    pub step: Option<Step>,
    /// What becomes of it, unless it was delivered before.
    pub becomes: PushOutcome,
    /// Counts the hits of its rule.
    pub hits: Option<Arc<AtomicU64>>,
}

impl Accepted {
    /// Decides the answer.
    pub fn new(
        app: &App,
        live: &Live,
        push: Push,
        body: Vec<u8>,
        sealing: Option<Sealing>,
        identity: Identity,
    ) -> Accepted {
        let Identity {
            dedup_key,
            digest,
            signature,
            since,
        } = identity;
        let received_at = clock::unix_seconds();
        let Decided {
            rule,
            todo,
            outcome,
            step,
            is_log_in,
        } = Decided::of(app, live, &push);
        let reply = match &outcome {
            Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, received_at),
            Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } | Outcome::Withheld(_) => {
                None
            }
        };
        let mut effect = push.effect();
        if let Effect::Follow { scene } = &mut effect {
            *scene = scene.take().map(recorded_scene);
        }
        let shows = push.may_be_answered();
        let shows_kept = match &outcome {
            // Together they may be too long, and nothing must be cut off the text of a log-in.
            _ if is_log_in || !shows => ShowsKept::No,
            _ if !app.deliveries.keeps_for(&push.from_user, &live.services) => ShowsKept::No,
            Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } => ShowsKept::Alone,
            Outcome::Reply(wechat::Reply::Text(text)) => ShowsKept::Before(text.clone()),
            Outcome::Reply(_) | Outcome::Withheld(_) => ShowsKept::No,
        };
        let forward = match &outcome {
            // Of somebody who is gone only hooks hear.
            Outcome::Forward { .. } if matches!(effect, Effect::AccountClosed { .. }) => None,
            Outcome::Forward { service, otherwise } => {
                live.services.get(service).map(|backend| Request {
                    backend: Arc::clone(backend),
                    dedup_key: dedup_key.clone(),
                    received: body.clone(),
                    openid: push.from_user.clone(),
                    account: push.to_user.clone(),
                    shows,
                    otherwise: otherwise.clone().filter(|_| shows),
                })
            }
            Outcome::NoRule | Outcome::Silent | Outcome::Reply(_) | Outcome::Withheld(_) => None,
        };
        let shown = match &outcome {
            Outcome::Reply(reply) => reply.msg_type(),
            Outcome::NoRule => "no rule, success",
            Outcome::Silent => "silent, success",
            Outcome::Forward { service, .. } => service,
            Outcome::Withheld(why) => why,
        };
        let becomes = match &outcome {
            Outcome::Reply(_) => PushOutcome::Reply,
            Outcome::NoRule => PushOutcome::NoRule,
            Outcome::Silent => PushOutcome::Silent,
            Outcome::Forward { .. } => PushOutcome::Forward,
            Outcome::Withheld(_) => PushOutcome::Withheld,
        };
        let hits = rule.as_ref().and_then(|rule| live.rule_hits.get(rule));
        let hits = hits.map(Arc::clone);
        let kind_number = push.kind_number();
        let kind = push.event().unwrap_or(push.msg_type());
        let (what, from) = (Visible(kind), Visible(&push.from_user));
        let line = match &rule {
            Some(rule) => format!("{what} from {from}: {rule}: {shown}"),
            None => format!("{what} from {from}: {shown}"),
        };
        log::debug!("{what} from {from}: {:?}", push.subject());
        let subscribers = &live.hooks.subscribers;
        let hook_events = subscribers.push(&push, &effect, digest, received_at);
        let record = Record {
            forward: forward.as_ref().map(|forward| NewForward {
                service: forward.backend.service.name.clone(),
                begins: match shows {
                    true => Begins::Pending,
                    false => Begins::Unanswerable,
                },
            }),
            shows_kept,
            hook_events,
            dedup_key,
            digest,
            signature,
            msg_type: push.msg_type().to_owned(),
            event: push.event().map(str::to_owned),
            event_key: push.event_key().map(str::to_owned),
            msg_id: push.msg_id().map(str::to_owned),
            media_id: push.media_id().map(str::to_owned),
            fetches_media: push.media_id().is_some() && live.config.store.media.is_some(),
            content: Some(push.subject())
                .filter(|subject| !subject.is_empty())
                .map(str::to_owned),
            xml: match &effect {
                // It names the person, whose every trace is being erased.
                Effect::AccountClosed { .. } => None,
                Effect::None
                | Effect::Follow { .. }
                | Effect::Leave
                | Effect::ProfileChanged { .. }
                | Effect::JobFinished(_)
                | Effect::ProfileRevoked { .. } => String::from_utf8(body).ok(),
            },
            created_at: push.create_time,
            received_at,
            rule,
            reply,
            todo,
            effect,
            log_in: step.as_ref().and_then(Step::of_row),
            openid: push.from_user,
            account: push.to_user,
        };
        Accepted {
            record,
            exchange: Exchange {
                line,
                sealing,
                since,
                pushes: Arc::clone(&app.pushes),
                kind: kind_number,
            },
            forward,
            step,
            becomes,
            hits,
        }
    }
}

/// The answer to a push, and where it comes from.
struct Decided {
    rule: Option<String>,
    /// The rule leaves it to somebody.
    todo: bool,
    outcome: Outcome,
    step: Option<Step>,
    /// It was taken by a log-in under way, and not by a rule.
    is_log_in: bool,
}

impl Decided {
    /// A log-in under way comes before the rules.
    fn of(app: &App, live: &Live, push: &Push) -> Decided {
        let word = &live.config.login.word;
        let considered = app.scans.consider(push, word, Instant::now());
        let (step, text) = considered.map_or((None, None), |(step, text)| (Some(step), text));
        match text {
            None => {
                let decision = decide(&live.rules, push);
                Decided {
                    rule: decision.rule.map(|rule| rule.name.clone()),
                    todo: decision.rule.is_some_and(|rule| rule.todo),
                    outcome: decision.outcome,
                    step,
                    is_log_in: false,
                }
            }
            Some(mut text) => {
                // Who follows by such a scan is welcomed all the same.
                if let Effect::Follow { .. } = push.effect()
                    && let Outcome::Reply(wechat::Reply::Text(welcome)) =
                        decide(&live.rules, push).outcome
                {
                    text = format!("{text}\n\n{welcome}");
                }
                Decided {
                    rule: Some(scan::RULE.to_owned()),
                    todo: false,
                    outcome: Outcome::Reply(wechat::Reply::Text(text)),
                    step,
                    is_log_in: true,
                }
            }
        }
    }
}

/// What identifies a push and its request.
pub struct Identity {
    pub dedup_key: String,
    pub digest: i64,
    pub signature: Signature,
    /// When the request was whole.
    pub since: Instant,
}
