//! How the calls of this process to the platform have gone: whether it answers, and whether it takes the token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::errcode::{ADDRESS_NOT_LISTED, TOKEN_CALLS, WRONG_SECRET};
use super::error::ApiError;

/// How calls have gone.
#[derive(Debug, Default)]
pub struct Standing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// A call was made.
    is_known: bool,
    failing: Option<Failing>,
    /// Why the platform takes no token, or gives none.
    refused: Option<Refused>,
}

#[derive(Debug, Clone)]
struct Refused {
    why: String,
    /// Not the fetching of a token was refused, but the token after it.
    is_fresh: bool,
}

/// Calls that failed since the platform last answered one.
#[derive(Debug, Clone)]
struct Failing {
    first: Instant,
    last: Instant,
    why: String,
}

impl Standing {
    /// Whether a call was made.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.lock().is_known
    }

    /// Calls have failed for this long, the last of them for this reason. `None`: the platform answered the last call,
    /// or none was made.
    #[must_use]
    pub fn failing(&self) -> Option<(Duration, String)> {
        let failing = self.lock().failing.clone()?;
        let lasts = failing.last.saturating_duration_since(failing.first);
        Some((lasts, failing.why))
    }

    /// Why the platform takes no token of this account, or gives none, as far as the last calls say.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.lock()
            .refused
            .as_ref()
            .map(|refused| refused.why.clone())
    }

    /// A call is over, by a failure or not.
    pub(super) fn note(&self, call: &str, failure: Option<&ApiError>, now: Instant) {
        let mut state = self.lock();
        state.is_known = true;
        match failure {
            None => {
                state.failing = None;
                let is_fetch = TOKEN_CALLS.contains(&call);
                if state
                    .refused
                    .as_ref()
                    .is_some_and(|one| !one.is_fresh || !is_fetch)
                {
                    state.refused = None;
                }
            }
            Some(error) if is_answer(error) => {
                state.failing = None;
                if matches!(error.errcode(), Some(ADDRESS_NOT_LISTED | WRONG_SECRET)) {
                    state.refused = Some(Refused {
                        why: error.to_string(),
                        is_fresh: false,
                    });
                }
            }
            Some(error) => {
                let first = state.failing.as_ref().map_or(now, |failing| failing.first);
                state.failing = Some(Failing {
                    first,
                    last: now,
                    why: error.to_string(),
                });
            }
        }
    }

    /// The platform has refused a token right after it gave it out.
    pub(super) fn fresh_token_refused(&self, error: &ApiError) {
        self.lock().refused = Some(Refused {
            why: error.to_string(),
            is_fresh: true,
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the platform answered: also a refusal is an answer, unless it is only too busy.
pub(super) fn is_answer(error: &ApiError) -> bool {
    matches!(error, ApiError::Platform { .. }) && !error.is_passing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::errcode::{INVALID_OPENID, MINUTE_LIMIT};

    const CALL: &str = "user/get";

    fn refusal(errcode: i64) -> ApiError {
        ApiError::platform(CALL, errcode, "no")
    }

    #[test]
    fn calls_fail_from_the_first_failure_to_the_next_answer_even_if_that_is_a_refusal() {
        let standing = Standing::default();
        let begun = Instant::now();
        let note = |seconds, failure: Option<ApiError>| {
            standing.note(CALL, failure.as_ref(), begun + Duration::from_secs(seconds));
            standing.failing().map(|(lasts, _)| lasts.as_secs())
        };
        assert_eq!(note(0, None), None);
        assert_eq!(note(10, Some(refusal(-1))), Some(0));
        assert_eq!(note(400, Some(refusal(-1))), Some(390));
        assert_eq!(note(401, Some(refusal(MINUTE_LIMIT))), None);
        assert_eq!(note(402, Some(refusal(-1))), Some(0));
        assert_eq!(note(403, None), None);
    }

    #[test]
    fn a_refused_token_secret_or_address_stands_until_a_call_is_done() {
        let standing = Standing::default();
        let now = Instant::now();
        standing.note(CALL, Some(&refusal(INVALID_OPENID)), now);
        assert_eq!(standing.refused(), None);
        for errcode in [ADDRESS_NOT_LISTED, WRONG_SECRET] {
            standing.note(CALL, Some(&refusal(errcode)), now);
            assert!(standing.refused().is_some(), "{errcode}");
            standing.note(CALL, Some(&refusal(INVALID_OPENID)), now);
            assert!(standing.refused().is_some(), "{errcode}");
            standing.note(CALL, None, now);
            assert_eq!(standing.refused(), None);
        }
        standing.fresh_token_refused(&refusal(40001));
        standing.note(TOKEN_CALLS[0], None, now);
        assert!(
            standing.refused().is_some(),
            "another one may be refused, too"
        );
        standing.note(CALL, None, now);
        assert_eq!(standing.refused(), None);
    }
}
