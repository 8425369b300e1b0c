//! Opens an encrypted push, and encrypts its answer as the push was.

use std::sync::Arc;

use super::answer;
use super::query::Query;
use super::refusals::Refused;
use super::signature::Signed;
use crate::app::Live;
use crate::clock;
use crate::config::Keys;
use crate::random;
use crate::secret::Secret;
use crate::server::http::response::Response;
use crate::wechat::{AesKey, Envelope, Format, seal, sealed_reply, verify};

/// What is needed to encrypt the answer as the push was.
pub struct Sealing {
    token: Secret,
    nonce: String,
    format: Format,
    /// The one that opened the push.
    key: AesKey,
    app_id: Arc<str>,
}

impl Sealing {
    /// Encrypts and signs a reply.
    pub fn seal(&self, xml: &str) -> Response {
        let random = match random::bytes() {
            Ok(random) => random,
            Err(error) => {
                log::error!("{error}");
                return answer::unavailable();
            }
        };
        let encrypt = seal(&self.key, &self.app_id, xml.as_bytes(), random);
        let body = sealed_reply(
            self.format,
            self.token.expose(),
            clock::unix_seconds(),
            &self.nonce,
            &encrypt,
        );
        answer::reply(body, self.format)
    }
}

/// What was in an envelope.
pub struct Unsealed {
    pub body: Vec<u8>,
    pub sealing: Sealing,
    /// The three-part signature that belongs to the `msg_signature`, of a request that does not have it.
    pub signed: Option<Signed>,
}

/// Verifies and opens an encrypted body.
pub fn unseal(live: &Live, keys: &Keys, query: &Query, body: &[u8]) -> Result<Unsealed, Refused> {
    let envelope = match Envelope::parse(body) {
        Ok(Some(envelope)) => envelope,
        Ok(None) => return Err(Refused::NotEncrypted),
        Err(error) if query.signature.is_some() => {
            return Err(Refused::NotAPush(format!("not encrypted either: {error}")));
        }
        Err(error) => return Err(Refused::BrokenEnvelope(error.to_string())),
    };
    let (Some(timestamp), Some(nonce), Some(msg_signature)) =
        (&query.timestamp, &query.nonce, &query.msg_signature)
    else {
        return Err(Refused::NoMsgSignature);
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
        .ok_or(Refused::WrongMsgSignature)?;
    let (body, key) = keys
        .open(&envelope.encrypt)
        .map_err(|cause| Refused::Undecryptable(cause.to_string()))?;
    let sealing = Sealing {
        token: token.clone(),
        nonce: nonce.to_string(),
        format: envelope.format,
        key: key.clone(),
        app_id: Arc::clone(&keys.app_id),
    };
    Ok(Unsealed {
        body,
        signed: match query.signature {
            Some(_) => None,
            None => Signed::by(token, timestamp, nonce),
        },
        sealing,
    })
}
