//! Checks the three-part signature of a request, and its time.

use super::query::Query;
use super::refusals::Refused;
use crate::app::Live;
use crate::clock;
use crate::secret::Secret;
use crate::store::Signature;
use crate::wechat::{sign, signature_bytes, verify};

/// The verified signature of a request.
#[derive(Debug, Clone, Copy)]
pub struct Signed {
    /// Of Token, timestamp and nonce, in the bytes that its hexadecimal digits stand for.
    pub signature: Signature,
    /// The request's timestamp, Unix seconds; `None`: it is not a number, which `server.max_clock_skew` = "0s" allows.
    pub timestamp: Option<i64>,
}

impl Signed {
    /// The signature that a request with this timestamp and nonce has, or could have, under this Token.
    pub fn by(token: &Secret, timestamp: &str, nonce: &str) -> Option<Signed> {
        Signed::read(&sign(&[token.expose(), timestamp, nonce]), timestamp)
    }

    fn read(signature: &str, timestamp: &str) -> Option<Signed> {
        Some(Signed {
            signature: signature_bytes(signature)?,
            timestamp: timestamp.parse().ok(),
        })
    }
}

/// Verifies the signature of a request; `None` if it has none.
///
/// # Errors
/// When the signature is wrong, or the time too far off.
pub fn check(live: &Live, query: &Query) -> Result<Option<Signed>, Refused> {
    let (Some(timestamp), Some(nonce)) = (&query.timestamp, &query.nonce) else {
        return Err(Refused::NoTimestamp);
    };
    let signature = query.signature.as_deref();
    if let Some(signature) = signature
        && !fits(live, timestamp, nonce, signature)
    {
        return Err(Refused::WrongSignature);
    }
    let skew = live.config.server.max_clock_skew;
    if !skew.is_zero() {
        let sent_at: i64 = timestamp.parse().map_err(|_| Refused::Timestamp)?;
        let off = clock::unix_seconds().abs_diff(sent_at);
        if off > skew.as_secs() {
            return Err(Refused::TimestampOff(off));
        }
    }
    Ok(signature.and_then(|signature| Signed::read(signature, timestamp)))
}

/// Whether a request has a valid signature, whatever its time.
pub fn is_valid(live: &Live, query: &Query) -> bool {
    match (&query.timestamp, &query.nonce, &query.signature) {
        (Some(timestamp), Some(nonce), Some(signature)) => fits(live, timestamp, nonce, signature),
        _ => false,
    }
}

fn fits(live: &Live, timestamp: &str, nonce: &str, signature: &str) -> bool {
    let fits = |token: &Secret| verify(&[token.expose(), timestamp, nonce], signature);
    live.tokens.iter().any(fits)
}
