//! Handlers of the callback: verify what the platform sends, parse it, decide the answer.
//!
//! A push is handed to the store's writer together with the duty to answer it, and the writer answers it after the
//! commit: 200 means that the push and its answer are on disk.

mod accepted;
mod admission;
mod answer;
mod claim;
mod exchange;
mod query;
mod recording;
mod refusals;
mod replay;
mod sealing;
mod signature;
mod stall;

use std::sync::Arc;

use super::http::client::ClientAddress;
use super::http::reply::Reply;
use super::http::request::Request;
use crate::app::{App, AppError, Live};
use crate::clock;
use crate::config::Mode;
use crate::store::UsedSignature;
use crate::wechat::{Envelope, Push, short_digest};
use accepted::{Accepted, Identity};
pub use answer::{not_found, refusal};
use claim::Claim;
use query::Query;
pub use refusals::{Refusals, Refused};
use replay::{MOST, Replay, Seen};
use sealing::{Sealing, Unsealed, unseal};
use signature::Signed;
pub use stall::Stall;

/// What the handlers of the callback share.
#[derive(Debug)]
pub struct Callback {
    app: Arc<App>,
    replay: Arc<Replay>,
    refusals: Arc<Refusals>,
    stall: Arc<Stall>,
}

impl Callback {
    /// With the signatures that were used before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(app: Arc<App>, refusals: Arc<Refusals>) -> Result<Callback, AppError> {
        // Where several nodes share the store, it decides, and to read back what all of them got would delay the start.
        let replay = match app.store.is_shared() {
            true => Replay::shared(),
            false => restored(&app)?,
        };
        let stall = Arc::new(Stall::new(Arc::clone(&app.troubles)));
        Ok(Callback {
            app,
            replay: Arc::new(replay),
            refusals,
            stall,
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
        self.app.signing.right();
        let claim = self.app.store.is_shared().then(|| Claim {
            replay: Arc::clone(&self.replay),
            refusals: Arc::clone(&self.refusals),
            seen,
            used: UsedSignature {
                signature: signed.signature,
                received_at: clock::unix_seconds(),
                push: Some(digest),
            },
            from: ClientAddress::of(&request, &live.config.server.trusted_proxies),
        });
        if is_new && let Some(timestamp) = signed.timestamp {
            self.confirm(timestamp);
        }
        let identity = Identity {
            dedup_key,
            digest,
            signature: signed.signature,
            since: request.since,
        };
        let body = readable.unwrap_or(request.body);
        let accepted = Accepted::new(&self.app, live, push, body, sealing, identity);
        Ok(recording::record(&self.app, &self.stall, accepted, claim))
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
            let used = UsedSignature {
                signature: signed.signature,
                received_at: clock::unix_seconds(),
                push: None,
            };
            let replay = Arc::clone(&self.replay);
            let learn = move |push: Option<i64>| replay.learn(&seen, push, push.is_none());
            self.app.store.use_up(used, learn);
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
                log::info!("WeChat verified the callback URL");
                Ok(Reply::Now(answer::echo(echostr.into_owned())))
            }
            None => Err(Refused::NoEchostr),
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

/// The memory of what each signature was used for, as the store has it.
fn restored(app: &App) -> Result<Replay, AppError> {
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
    Ok(replay)
}

fn parse(query: &str) -> Result<Query<'_>, Refused> {
    Query::parse(query).ok_or(Refused::Query)
}
