//! Checks the three-part signature of a request, and its time.

use super::query::Query;
use super::refusals::Why;
use crate::app::Live;
use crate::clock;
use crate::secret::Secret;
use crate::wechat::verify;

/// The signature of a request, which is true; `None`: it has none.
///
/// Refuses a signature that is there and false, and a time that is too far off.
pub(super) fn signature<'q>(live: &Live, query: &'q Query) -> Result<Option<&'q str>, Why> {
    let (Some(timestamp), Some(nonce)) = (&query.timestamp, &query.nonce) else {
        return Err("it has no timestamp or no nonce".to_owned());
    };
    let signature = query.signature.as_deref();
    if let Some(signature) = signature {
        let fits = |token: &Secret| verify(&[token.expose(), timestamp, nonce], signature);
        if !live.tokens.iter().any(fits) {
            return Err(
                "its signature is wrong: is account.token the Token of the console?".to_owned(),
            );
        }
    }
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
    Ok(signature)
}
