//! Handlers of the callback: verify what the platform sends, parse it, decide the answer.
//!
//! A push is handed to the store's writer together with the duty to answer it, and the writer answers it after the
//! commit: 200 means that the push and its answer are on disk.

mod admission;
mod answer;
mod query;
mod refusals;
mod replay;
mod sealing;
mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::guard::ANSWER_TIMEOUT;
use super::http::client::ClientAddress;
use super::http::outbox::Deferred;
use super::http::reply::Reply;
use super::http::request::Request;
use crate::app::{App, AppError, Live};
use crate::clock;
use crate::config::Mode;
use crate::counted::counted;
use crate::dispatch::{Outcome, decide};
use crate::store::{Record, Recorded, Signature, StoreError, UsedSignature};
use crate::visible::Visible;
use crate::wechat::{Effect, Envelope, Format, Push, short_digest};
pub use answer::{not_found, refusal};
use query::Query;
pub use refusals::{Refusals, Refused};
use replay::{MOST, Replay, Seen};
use sealing::{Sealing, Unsealed, unseal};
use signature::Signed;

/// What the handlers of the callback share.
#[derive(Debug)]
pub struct Callback {
    app: Arc<App>,
    replay: Replay,
    stall: Arc<Stall>,
}

/// Requests that were answered 503 because the store had not answered in time, since it last did.
#[derive(Debug, Default)]
pub struct Stall(AtomicUsize);

impl Callback {
    /// Reads back which signatures were used.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(app: Arc<App>) -> Result<Callback, AppError> {
        let replay = Replay::new();
        let server = &app.live().config.server;
        let life = server.life_of_signatures().as_secs();
        let since = clock::unix_seconds().saturating_sub_unsigned(life);
        let reader = app.store.reader()?;
        let beyond = reader.used_signatures(since, MOST, |used| {
            replay.restore(used, server.max_clock_skew);
        })?;
        if let Some(received_at) = beyond {
            replay.begins_after(received_at);
        }
        Ok(Callback {
            app,
            replay,
            stall: Arc::default(),
        })
    }

    /// Counts late answers.
    pub fn stall(&self) -> &Arc<Stall> {
        &self.stall
    }

    /// Whether this client may speak to the callback.
    pub fn admit(&self, live: &Live, from: ClientAddress) -> Result<(), Refused> {
        let platform = self.app.callback_ips.current();
        admission::check(&live.config.server.allow_ips, platform.as_deref(), from)
    }

    /// Whether a request with this query is validly signed, whatever its path.
    pub fn is_signed(live: &Live, query: &str) -> bool {
        Query::parse(query).is_some_and(|query| signature::is_valid(live, &query))
    }

    /// Whether the store takes writes.
    pub fn health(&self) -> Reply {
        let (app, stall) = (Arc::clone(&self.app), Arc::clone(&self.stall));
        Reply::later(move |deferred| {
            app.store.probe_room(move |probed| {
                deferred.answer(match probed {
                    Ok(()) => {
                        stall.is_over();
                        answer::healthy()
                    }
                    Err(_) => answer::unavailable(),
                });
            });
        })
    }

    /// Verifies a push before its body is looked at, decrypts it by the mode, and decides the answer.
    pub fn push(&self, live: &Live, request: Request) -> Result<Reply, Refused> {
        let since = request.since;
        let query = parse(request.path_and_query().1)?;
        let signed = signature::check(live, &query)?;
        let encrypted = match query.encrypt_type.as_deref() {
            None | Some("" | "raw") => false,
            Some(kind) if kind.eq_ignore_ascii_case("aes") => true,
            Some(kind) if kind.eq_ignore_ascii_case("raw") => false,
            Some(_) => return Err(Refused::EncryptType),
        };
        // Without any signature the body is not even parsed.
        match (&signed, &query.msg_signature) {
            (Some(_), _) => {}
            (None, Some(_)) if encrypted => {}
            (None, None) if encrypted => return Err(Refused::NoMsgSignature),
            (None, _) => return Err(Refused::NoSignature),
        }
        let body = &request.body;
        let looked = match signed {
            Some(signed) => Some((signed, self.look(live, &signed, body)?)),
            // Only the body can prove where it comes from.
            None => None,
        };
        let understood = match understand(live, &query, encrypted, body) {
            Ok(understood) => understood,
            Err(why) => {
                if why.is_of_the_platform() {
                    self.use_up(looked)?;
                }
                return Err(why);
            }
        };
        let Understood {
            push,
            readable,
            sealing,
            signed: by_body,
        } = understood;
        let (signed, seen) = match (looked, by_body) {
            (Some(looked), _) => looked,
            (None, Some(signed)) => (signed, self.look(live, &signed, body)?),
            (None, None) => return Err(Refused::NoSignature),
        };
        let dedup_key = push.dedup_key();
        let digest = short_digest(dedup_key.as_bytes());
        let is_new = self.replay.admit(&seen, Some(digest))?;
        if is_new && let Some(timestamp) = signed.timestamp {
            self.confirm(timestamp);
        }
        let identity = Identity {
            dedup_key,
            digest,
            signature: signed.signature,
        };
        let body = readable.unwrap_or(request.body);
        let accepted = Accepted::new(live, push, body, sealing, identity);
        Ok(self.record(accepted, since))
    }

    /// Takes the time from a push that was not seen before. Where `server.max_clock_skew` accepts any timestamp, somebody
    /// may have swapped it with the nonce, which the signature allows: it is not believed beyond this machine's clock.
    fn confirm(&self, timestamp: i64) {
        let timestamp = timestamp.min(clock::unix_seconds());
        if self.app.confirmed.confirm(timestamp) {
            // Removals may have waited for it.
            self.app.notifiers.chores.notify();
        }
    }

    /// Whether the body that came with this signature may be read.
    fn look(&self, live: &Live, signed: &Signed, body: &[u8]) -> Result<Seen, Refused> {
        let skew = live.config.server.max_clock_skew;
        let now = clock::unix_seconds();
        self.replay.look(signed, body, skew, now)
    }

    /// Marks a signature as used, so that it brings no push from now on, even after a restart.
    fn use_up(&self, looked: Option<(Signed, Seen)>) -> Result<(), Refused> {
        let Some((signed, seen)) = looked else {
            return Ok(());
        };
        if self.replay.admit(&seen, None)? {
            self.app.store.use_up(UsedSignature {
                signature: signed.signature,
                received_at: clock::unix_seconds(),
                push: None,
            });
        }
        Ok(())
    }

    /// The platform's check of the callback URL: only the three-part signature, in every mode. It may be repeated, and
    /// brings no push.
    pub fn handshake(&self, live: &Live, request: &Request) -> Result<Reply, Refused> {
        let query = parse(request.path_and_query().1)?;
        let Some(signed) = signature::check(live, &query)? else {
            return Err(Refused::NoSignature);
        };
        // It is only refused if it has been used already.
        if let Ok(seen) = self.look(live, &signed, b"") {
            self.use_up(Some((signed, seen))).ok();
        }
        match query.echostr {
            Some(echostr) => {
                log::info!("the platform verified the callback URL");
                Ok(Reply::Now(answer::echo(echostr.into_owned())))
            }
            None => Err(Refused::NoEchostr),
        }
    }

    fn record(&self, accepted: Accepted, since: Instant) -> Reply {
        let Accepted {
            record,
            line,
            sealing,
        } = accepted;
        let (app, stall) = (Arc::clone(&self.app), Arc::clone(&self.stall));
        let answer_with = move |reply: Option<String>| match (reply, &sealing) {
            (None, _) => answer::success(),
            (Some(xml), None) => answer::reply(xml, Format::Xml),
            (Some(xml), Some(sealing)) => sealing.seal(&xml),
        };
        // Encrypted here and not after the commit: there are several workers, but one writer.
        let fresh = answer_with(record.reply.clone());
        let wants_profile = matches!(
            record.effect,
            Effect::Follow { .. } | Effect::ProfileChanged { .. }
        );
        let closes_account = matches!(record.effect, Effect::AccountClosed { .. });
        let has_hook_events = !record.hook_events.is_empty();
        Reply::later(move |deferred: Deferred| {
            let store = Arc::clone(&app.store);
            store.record(
                record,
                move |recorded: Result<Recorded, StoreError>, after| {
                    if recorded.is_ok() {
                        stall.is_over();
                    }
                    let (response, word) = match recorded {
                        Ok(Recorded::New) => (fresh, ""),
                        Ok(Recorded::Again { reply }) => (answer_with(reply), " again"),
                        Ok(Recorded::Removed) => (answer::success(), " again, not recorded"),
                        Err(_) => (answer::unavailable(), ""),
                    };
                    let status = response.status;
                    let outbox = deferred.answer_together(response);
                    let delivered = outbox.is_some();
                    if let Some(outbox) = outbox {
                        after.then(move || outbox.release());
                    }
                    let took = since.elapsed().as_millis();
                    match (delivered, status) {
                        (true, _) => log::info!("{line}{word}: {status} in {took} ms"),
                        (false, 503) => {
                            log::info!(
                                "{line}: not recorded after {took} ms, and nobody waited any more"
                            );
                        }
                        (false, _) => {
                            log::info!(
                                "{line}{word}: recorded after {took} ms, and nobody waited any more"
                            );
                        }
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
                },
            );
        })
    }
}

impl Stall {
    /// Counts a request that was answered 503 because its time was over.
    pub fn late(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            log::error!(
                "store: no commit for {} s: the disk is too slow, or stalls; pushes are answered 503 until it \
                 works again, so that the platform delivers them again",
                ANSWER_TIMEOUT.as_secs_f32()
            );
        }
    }

    /// The store has answered.
    fn is_over(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            let count = self.0.swap(0, Ordering::Relaxed);
            log::info!(
                "store: commits again; {} answered 503 meanwhile",
                counted(count, "request")
            );
        }
    }
}

/// What a body says.
struct Understood {
    push: Push,
    /// What was in the envelope; `None`: the body itself is readable.
    readable: Option<Vec<u8>>,
    sealing: Option<Sealing>,
    /// See [`Unsealed::signed`].
    signed: Option<Signed>,
}

/// What identifies a push and its request.
struct Identity {
    dedup_key: String,
    digest: i64,
    signature: Signature,
}

/// Decrypts a body by the mode, and reads it.
fn understand(
    live: &Live,
    query: &Query,
    encrypted: bool,
    body: &[u8],
) -> Result<Understood, Refused> {
    let keys = match (&live.config.account.mode, encrypted) {
        (Mode::Plain, true) => return Err(Refused::EncryptedInPlain),
        (Mode::Secure(_), false) => {
            return Err(Refused::PlainInSecure);
        }
        (Mode::Plain, false) => None,
        (Mode::Compatible(keys), _) | (Mode::Secure(keys), true) => Some(keys),
    };
    // In compatible mode the readable part counts only where it stands alone: no signature covers it.
    let keys = keys.filter(|_| encrypted || matches!(Envelope::parse(body), Ok(Some(_))));
    let unsealed = match keys {
        None => None,
        Some(keys) => Some(unseal(live, keys, query, body)?),
    };
    let readable = unsealed.as_ref().map_or(body, |unsealed| &unsealed.body);
    let push = match Push::parse(readable) {
        Ok(push) => push,
        Err(_) if keys.is_none() && matches!(Envelope::parse(body), Ok(Some(_))) => {
            return Err(Refused::EncryptedInPlain);
        }
        Err(error) => {
            return Err(Refused::NotAPush(error.to_string()));
        }
    };
    Ok(match unsealed {
        None => Understood {
            push,
            readable: None,
            sealing: None,
            signed: None,
        },
        Some(Unsealed {
            body,
            sealing,
            signed,
        }) => Understood {
            push,
            readable: Some(body),
            sealing: Some(sealing),
            signed,
        },
    })
}

/// A push that will be recorded.
struct Accepted {
    record: Record,
    /// For the log: kind, sender, rule, outcome.
    line: String,
    sealing: Option<Sealing>,
}

impl Accepted {
    fn new(
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
        } = identity;
        let received_at = clock::unix_seconds();
        let decision = decide(&live.rules, &push);
        let reply = match &decision.outcome {
            Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, received_at),
            Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } | Outcome::Withheld(_) => {
                None
            }
        };
        let outcome = match &decision.outcome {
            Outcome::Reply(reply) => reply.msg_type(),
            Outcome::NoRule => "no rule, success",
            Outcome::Silent => "silent, success",
            Outcome::Forward { .. } => "forward",
            Outcome::Withheld(why) => why,
        };
        let rule = decision.rule.map(|rule| rule.name.clone());
        let kind = push.event().unwrap_or(push.msg_type());
        let (what, from) = (Visible(kind), Visible(&push.from_user));
        let line = match &rule {
            Some(rule) => format!("{what} from {from}: {rule}: {outcome}"),
            None => format!("{what} from {from}: {outcome}"),
        };
        log::debug!("{what} from {from}: {:?}", push.subject());
        let effect = push.effect();
        let subscribers = &live.hooks.subscribers;
        let hook_events = subscribers.push(&push, &effect, &dedup_key, received_at);
        let record = Record {
            hook_events,
            dedup_key,
            digest,
            signature,
            msg_type: push.msg_type().to_owned(),
            event: push.event().map(str::to_owned),
            event_key: push.event_key().map(str::to_owned),
            msg_id: push.msg_id().map(str::to_owned),
            media_id: push.media_id().map(str::to_owned),
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
            effect,
            openid: push.from_user,
        };
        Accepted {
            record,
            line,
            sealing,
        }
    }
}

fn parse(query: &str) -> Result<Query<'_>, Refused> {
    Query::parse(query).ok_or(Refused::Query)
}
