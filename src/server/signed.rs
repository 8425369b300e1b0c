//! Checks the three-part signature of a request, and its time.

use super::query::Query;
use super::refusals::Refused;
use crate::app::Live;
use crate::clock;
use crate::secret::Secret;
use crate::wechat::verify;

/// The signature of a request, which is true; `None`: it has none.
///
/// Refuses a signature that is there and false, and a time that is too far off.
pub(super) fn signature<'q>(live: &Live, query: &'q Query) -> Result<Option<&'q str>, Refused> {
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
        let told: i64 = timestamp.parse().map_err(|_| Refused::Timestamp)?;
        let off = clock::unix_seconds().abs_diff(told);
        if off > skew.as_secs() {
            return Err(Refused::TimestampOff(off));
        }
    }
    Ok(signature)
}

/// Whether a request has a true signature, of whatever time.
pub(super) fn is_true(live: &Live, query: &Query) -> bool {
    match (&query.timestamp, &query.nonce, &query.signature) {
        (Some(timestamp), Some(nonce), Some(signature)) => fits(live, timestamp, nonce, signature),
        _ => false,
    }
}

fn fits(live: &Live, timestamp: &str, nonce: &str, signature: &str) -> bool {
    let fits = |token: &Secret| verify(&[token.expose(), timestamp, nonce], signature);
    live.tokens.iter().any(fits)
}
