//! Checks the three-part signature of a request, and its time.

use super::query::Query;
use super::refusals::Why;
use crate::app::Live;
use crate::clock;
use crate::wechat::verify;

/// What the three-part signature of a request says.
pub(super) struct Signed {
    /// It is there and true.
    pub(super) by_token: bool,
}

impl Signed {
    /// Refuses a signature that is there and false, and a time that is too far off.
    pub(super) fn check(live: &Live, query: &Query) -> Result<Signed, Why> {
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
