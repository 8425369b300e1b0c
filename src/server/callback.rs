//! One request: routed, verified, understood, answered. Every answer that there is stands in [`Answer`].
//!
//! A push is handed to the store's writer together with its open request, and the request is answered
//! by the writer after the commit: 200 means that the push and its answer are on disk.

use std::sync::Arc;
use std::time::Instant;

use tiny_http::{Method, Request};

use super::admission;
use super::client::ClientAddress;
use super::exchange::{Exchange, Reply as HttpReply, Responder};
use super::query::Query;
use super::refusals::Refusals;
use super::replay::Replay;
use crate::app::{App, Live};
use crate::clock;
use crate::config::Mode;
use crate::dispatch::{Outcome, decide};
use crate::random;
use crate::secret::Secret;
use crate::store::{Record, Recorded, StoreError};
use crate::wechat::{self, Effect, Envelope, Format, Push, seal, sealed_reply, verify};

/// The path of the health check.
pub const HEALTH_PATH: &str = "/healthz";

/// The body of every 403, without detail.
const BAD_TOKEN: &str = "Bad Token!";

/// Answers requests; shared by all workers.
#[derive(Debug)]
pub(super) struct Callback {
    app: Arc<App>,
    refusals: Refusals,
    replay: Replay,
}

/// Every answer, and with [`Answer::send`] its status and body: the whole outside of the server.
#[derive(Debug)]
enum Answer {
    /// The handshake: exactly the `echostr`.
    Echo(String),
    /// A push is on disk; this is the reply, and what it is written in.
    Reply(String, Format),
    /// A push is on disk; nothing is said.
    Success,
    /// The store takes writes.
    Healthy,
    /// Signature, mode or time is wrong; nothing was recorded.
    BadToken,
    /// Signed rightly, but not a push.
    NotAPush,
    /// Not here.
    NotFound,
    /// Here, but not so; with the methods that there are.
    OtherMethod(&'static str),
    /// The store can not write; the platform delivers again.
    Unavailable,
}

/// Why a request is refused, for the log only.
type Refusal = String;

impl Callback {
    pub(super) fn new(app: Arc<App>) -> Callback {
        Callback {
            app,
            refusals: Refusals::default(),
            replay: Replay::new(),
        }
    }

    /// Answers one request, now or after the commit.
    pub(super) fn handle(&self, mut exchange: Exchange) {
        let started = Instant::now();
        let live = self.app.live();
        let request = exchange.request_mut();
        let url = request.url().to_owned();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        if path == HEALTH_PATH {
            return self.health(exchange);
        }
        if path != live.config.server.path {
            return Answer::NotFound.send(exchange.responder());
        }
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        let admitted = || {
            let told = self.app.callback_ips.current();
            admission::check(&live.config.server.allow_ips, told.as_deref(), from)
        };
        let handled = match request.method() {
            Method::Get => admitted()
                .and_then(|()| handshake(&live, query))
                .map(Handled::Now),
            Method::Post => admitted().and_then(|()| self.push(&live, query, request)),
            Method::Head
            | Method::Put
            | Method::Delete
            | Method::Connect
            | Method::Options
            | Method::Trace
            | Method::Patch
            | Method::NonStandard(_) => Ok(Handled::Now(Answer::OtherMethod("GET, POST"))),
        };
        match handled {
            Ok(Handled::Now(answer)) => answer.send(exchange.responder()),
            Ok(Handled::Record(accepted)) => {
                self.record(accepted, live, exchange.responder(), started);
            }
            Err(why) => {
                self.refusals.note(&from.to_string(), &why);
                Answer::BadToken.send(exchange.responder());
            }
        }
    }

    fn health(&self, exchange: Exchange) {
        let is_read = matches!(exchange.request().method(), Method::Get | Method::Head);
        let responder = exchange.responder();
        if !is_read {
            return Answer::OtherMethod("GET, HEAD").send(responder);
        }
        self.app.store.probe(move |probed| match probed {
            Ok(()) => Answer::Healthy.send(responder),
            Err(_) => Answer::Unavailable.send(responder),
        });
    }

    /// Verifies a push before its body is read, decrypts it by the mode, and decides the answer.
    fn push(&self, live: &Live, query: &str, request: &mut Request) -> Result<Handled, Refusal> {
        let query = parse(query)?;
        let signed = Signed::check(live, &query)?;
        let encrypted = match query.encrypt_type.as_deref() {
            None | Some("" | "raw") => false,
            Some(kind) if kind.eq_ignore_ascii_case("aes") => true,
            Some(kind) if kind.eq_ignore_ascii_case("raw") => false,
            Some(_) => return Err("its encrypt_type is unknown".to_owned()),
        };
        match (live.config.account.mode, encrypted) {
            (Mode::Plain, true) => {
                return Err(
                    "it is encrypted, and account.mode is plain: set the mode that the console has"
                        .to_owned(),
                );
            }
            (Mode::Secure, false) => {
                return Err("it is not encrypted, and account.mode is secure: set the mode that the console has".to_owned());
            }
            (Mode::Plain | Mode::Compatible, false) | (Mode::Compatible | Mode::Secure, true) => {}
        }
        if !encrypted && !signed.by_token {
            return Err("it has no signature".to_owned());
        }
        let mut body = Vec::with_capacity(
            request
                .body_length()
                .unwrap_or(0)
                .min(live.config.server.max_body),
        );
        request
            .as_reader()
            .read_to_end(&mut body)
            .map_err(|error| format!("its body can not be read: {error}"))?;
        // In compatible mode the readable part counts only where it stands alone: no signature covers it.
        let encrypted = encrypted
            || live.config.account.mode == Mode::Compatible
                && matches!(Envelope::parse(&body), Ok(Some(_)));
        let sealing = match encrypted {
            false => None,
            true => match unseal(live, &query, &body)? {
                Some(unsealed) => {
                    body = unsealed.body;
                    Some(unsealed.sealing)
                }
                None => return Ok(Handled::Now(Answer::NotAPush)),
            },
        };
        let push = match Push::parse(&body) {
            Ok(push) => push,
            Err(error) => {
                log::warn!("a rightly signed request is not a push: {error}");
                return Ok(Handled::Now(Answer::NotAPush));
            }
        };
        // One of them is there: it was verified above.
        let signature = query.signature.or(query.msg_signature).unwrap_or_default();
        let skew = live.config.server.max_clock_skew;
        if !self.replay.admits(&signature, &push.dedup_key(), skew) {
            return Err(
                "its signature was used for another push before: somebody replays requests"
                    .to_owned(),
            );
        }
        Ok(Handled::Record(Box::new(Accepted::new(
            live, push, body, sealing,
        ))))
    }

    fn record(
        &self,
        accepted: Box<Accepted>,
        live: Arc<Live>,
        responder: Responder,
        started: Instant,
    ) {
        let Accepted {
            record,
            line,
            sealing,
        } = *accepted;
        let app = Arc::clone(&self.app);
        let answer_with = move |reply: Option<String>| match (reply, &sealing) {
            (None, _) => Answer::Success,
            (Some(xml), None) => Answer::Reply(xml, Format::Xml),
            (Some(xml), Some(sealing)) => sealing.seal(&live, &xml),
        };
        // Sealed here and not after the commit: there is one writer, and there are several workers.
        let fresh = answer_with(record.reply.clone());
        let wants_profile = matches!(
            record.effect,
            Effect::Follow { .. } | Effect::ProfileChanged { .. }
        );
        let closes_account = matches!(record.effect, Effect::AccountClosed { .. });
        self.app
            .store
            .record(record, move |recorded: Result<Recorded, StoreError>| {
                let (answer, word) = match recorded {
                    Ok(Recorded::New) => (fresh, ""),
                    Ok(Recorded::Again { reply }) => (answer_with(reply), " again"),
                    Err(_) => (Answer::Unavailable, ""),
                };
                let status = answer.status();
                answer.send_soon(responder);
                log::info!(
                    "{line}{word}: {status} in {} ms",
                    started.elapsed().as_millis()
                );
                if wants_profile {
                    app.profiles.ring();
                }
                if closes_account {
                    app.chores.ring();
                }
            });
    }
}

enum Handled {
    Now(Answer),
    Record(Box<Accepted>),
}

/// A push that will be recorded.
struct Accepted {
    record: Record,
    /// For the log: kind, sender, rule, outcome.
    line: String,
    sealing: Option<Sealing>,
}

impl Accepted {
    fn new(live: &Live, push: Push, body: Vec<u8>, sealing: Option<Sealing>) -> Accepted {
        let received_at = clock::unix_seconds();
        let decision = decide(&live.rules, &push);
        let reply = match &decision.outcome {
            Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, received_at),
            Outcome::NoRule | Outcome::Silent | Outcome::Withheld(_) => None,
        };
        let outcome = match &decision.outcome {
            Outcome::Reply(reply) => reply.msg_type(),
            Outcome::NoRule => "no rule, success",
            Outcome::Silent => "silent, success",
            Outcome::Withheld(why) => why,
        };
        let rule = decision.rule.map(|rule| rule.name.clone());
        let kind = push.event().unwrap_or(push.msg_type());
        let line = match &rule {
            Some(rule) => format!("{kind} from {}: {rule}: {outcome}", push.from_user),
            None => format!("{kind} from {}: {outcome}", push.from_user),
        };
        log::debug!("{kind} from {}: {:?}", push.from_user, push.subject());
        let effect = push.effect();
        let record = Record {
            dedup_key: push.dedup_key(),
            msg_type: push.msg_type().to_owned(),
            event: push.event().map(str::to_owned),
            event_key: push.event_key().map(str::to_owned),
            msg_id: push.msg_id().map(str::to_owned),
            content: Some(push.subject())
                .filter(|subject| !subject.is_empty())
                .map(str::to_owned),
            xml: match &effect {
                // It names the person of whom every trace goes.
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

/// What is needed to encrypt the answer as the push was.
struct Sealing {
    token: Secret,
    nonce: String,
    format: Format,
    previous_key: bool,
}

impl Sealing {
    fn seal(&self, live: &Live, xml: &str) -> Answer {
        let account = &live.config.account;
        let key = if self.previous_key {
            &account.previous_aes_key
        } else {
            &account.aes_key
        };
        let (Some(key), Some(app_id)) = (key, &account.app_id) else {
            return Answer::Unavailable;
        };
        let random = match random::bytes() {
            Ok(random) => random,
            Err(error) => {
                log::error!("{error}");
                return Answer::Unavailable;
            }
        };
        let encrypt = seal(key, app_id, xml.as_bytes(), random);
        let body = sealed_reply(
            self.format,
            self.token.expose(),
            clock::unix_seconds(),
            &self.nonce,
            &encrypt,
        );
        Answer::Reply(body, self.format)
    }
}

struct Unsealed {
    body: Vec<u8>,
    sealing: Sealing,
}

/// Verifies and opens an encrypted body. `None`: it is not an envelope at all.
fn unseal(live: &Live, query: &Query, body: &[u8]) -> Result<Option<Unsealed>, Refusal> {
    let envelope = match Envelope::parse(body) {
        Ok(Some(envelope)) => envelope,
        Ok(None) => return Err("encrypt_type is aes and the body is readable".to_owned()),
        Err(error) if query.signature.is_some() => {
            log::warn!("a rightly signed request is not an encrypted push: {error}");
            return Ok(None);
        }
        Err(error) => return Err(format!("its body is not an encrypted push: {error}")),
    };
    let (Some(timestamp), Some(nonce), Some(msg_signature)) =
        (&query.timestamp, &query.nonce, &query.msg_signature)
    else {
        return Err("it is encrypted and has no msg_signature".to_owned());
    };
    let token = live
        .tokens
        .iter()
        .find(|token| {
            verify(
                &[token.expose(), timestamp, nonce, &envelope.encrypt],
                msg_signature,
            )
        })
        .ok_or("its msg_signature is wrong: is account.token the Token of the console?")?;
    let account = &live.config.account;
    let app_id = account.app_id.as_deref().unwrap_or_default();
    let keys = [(&account.aes_key, false), (&account.previous_aes_key, true)];
    let mut cause = None;
    for (key, previous_key) in keys {
        let Some(key) = key else { continue };
        match wechat::open(key, app_id, &envelope.encrypt) {
            Ok(body) => {
                let sealing = Sealing {
                    token: token.clone(),
                    nonce: nonce.to_string(),
                    format: envelope.format,
                    previous_key,
                };
                return Ok(Some(Unsealed { body, sealing }));
            }
            Err(error) => cause = cause.or(Some(error)),
        }
    }
    let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    Err(format!(
        "it can not be decrypted{cause}; compare account.aes_key and account.app_id with the console"
    ))
}

/// What the three-part signature of a request says.
struct Signed {
    /// It is there and true.
    by_token: bool,
}

impl Signed {
    /// Refuses a signature that is there and false, and a time that is too far off.
    fn check(live: &Live, query: &Query) -> Result<Signed, Refusal> {
        let (Some(timestamp), Some(nonce)) = (&query.timestamp, &query.nonce) else {
            return Err("it has no timestamp or no nonce".to_owned());
        };
        let by_token =
            match &query.signature {
                None => false,
                // Each Token is tried, so that the time does not tell which one it was.
                Some(signature) => {
                    let fits = live
                        .tokens
                        .iter()
                        .filter(|token| verify(&[token.expose(), timestamp, nonce], signature));
                    match fits.count() {
                        0 => return Err(
                            "its signature is wrong: is account.token the Token of the console?"
                                .to_owned(),
                        ),
                        _ => true,
                    }
                }
            };
        let skew = live.config.server.max_clock_skew;
        if !skew.is_zero() {
            let told: i64 = timestamp
                .parse()
                .map_err(|_| "its timestamp is not a number".to_owned())?;
            let off = clock::unix_seconds().abs_diff(told);
            if off > skew.as_secs() {
                return Err(format!(
                    "its timestamp is {off} s off; is this machine's clock right? (server.max_clock_skew)"
                ));
            }
        }
        Ok(Signed { by_token })
    }
}

/// The platform's check of the callback URL: only the three-part signature, in every mode.
fn handshake(live: &Live, query: &str) -> Result<Answer, Refusal> {
    let query = parse(query)?;
    if !Signed::check(live, &query)?.by_token {
        return Err("it has no signature".to_owned());
    }
    match query.echostr {
        Some(echostr) => {
            log::info!("the platform verified the callback URL");
            Ok(Answer::Echo(echostr.into_owned()))
        }
        None => Err("it has no echostr".to_owned()),
    }
}

fn parse(query: &str) -> Result<Query<'_>, Refusal> {
    Query::parse(query).ok_or_else(|| "its query has a parameter twice, or is not UTF-8".to_owned())
}

impl Answer {
    fn status(&self) -> u16 {
        match self {
            Answer::Echo(_) | Answer::Reply(..) | Answer::Success | Answer::Healthy => 200,
            Answer::BadToken => 403,
            Answer::NotAPush => 400,
            Answer::NotFound => 404,
            Answer::OtherMethod(_) => 405,
            Answer::Unavailable => 503,
        }
    }

    /// Sends it when all earlier requests of the lane are answered.
    fn send(self, responder: Responder) {
        self.with_reply(|reply| responder.answer(reply));
    }

    /// Sends it together with those of the same commit.
    fn send_soon(self, responder: Responder) {
        self.with_reply(|reply| responder.answer_soon(reply));
    }

    fn with_reply(&self, send: impl FnOnce(&HttpReply<'_>)) {
        let status = self.status();
        const XML: &str = "text/xml; charset=utf-8";
        const JSON: &str = "application/json; charset=utf-8";
        // A browser must not take the echoed text for a page.
        const NOSNIFF: &[(&str, &str)] = &[("X-Content-Type-Options", "nosniff")];
        let allow;
        let reply = match self {
            Answer::Echo(echostr) => HttpReply {
                headers: NOSNIFF,
                ..HttpReply::text(status, echostr)
            },
            Answer::Reply(body, format) => HttpReply {
                content_type: match format {
                    Format::Xml => XML,
                    Format::Json => JSON,
                },
                ..HttpReply::text(status, body)
            },
            Answer::Success => HttpReply::text(status, "success"),
            Answer::Healthy => HttpReply::text(status, "ok"),
            Answer::BadToken => HttpReply::text(status, BAD_TOKEN),
            Answer::NotAPush => HttpReply::text(status, "not a push"),
            Answer::NotFound => HttpReply::text(status, "not found"),
            Answer::OtherMethod(methods) => {
                allow = [("Allow", *methods)];
                HttpReply {
                    headers: &allow,
                    ..HttpReply::text(status, "method not allowed")
                }
            }
            Answer::Unavailable => HttpReply::text(status, "unavailable"),
        };
        send(&reply);
    }
}
