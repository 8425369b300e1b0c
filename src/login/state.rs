//! The `state` of a log-in inside WeChat. It is checked without any memory of ours: WeChat's browser loses cookies, and a
//! restart must not spoil a log-in under way.

use std::fmt;

use ring::hmac::{self, HMAC_SHA256};

use super::cookie::{Flow, FlowDigest};
use super::return_to::ReturnTo;
use crate::random::{self, NoRandomNumbers};
use crate::secret::Secret;
use crate::store::{Store, StoreError};

/// How long a state is taken, in seconds.
const LIVES: i64 = 600;

/// How far a state may be from the future, in seconds: the clock was set back.
const AHEAD: i64 = 60;

/// Hexadecimal digits of the parts: the time, the attempt, the flow, and the HMAC-SHA256 over all of it and the way back.
const TIME: usize = 10;
const ATTEMPT: usize = 1;
const FLOW: usize = 32;
const MAC: usize = 64;

/// Signs states with the `web_key` of the store.
#[derive(Clone)]
pub struct StateKey(hmac::Key);

/// A state that is ours and not too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// When the log-in began, in Unix seconds.
    pub issued_at: i64,
    /// How often it was begun before.
    pub attempt: u8,
    /// The flow cookie of the browser in which it began.
    pub flow: FlowDigest,
}

/// Why a state is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateError {
    /// It is not ours, or not for this way back.
    Foreign,
    /// It was issued more than 10 minutes ago.
    Old,
}

/// Why there is no key.
#[derive(Debug)]
pub enum StateKeyError {
    /// The store.
    Store(StoreError),
    /// The system gave no random numbers.
    Random(NoRandomNumbers),
}

impl StateKey {
    /// The key of this store; it is made at the first use.
    ///
    /// # Errors
    /// When the store cannot write, or the system gives no random numbers.
    pub fn of(store: &Store) -> Result<StateKey, StateKeyError> {
        let fresh: [u8; 32] = random::bytes().map_err(StateKeyError::Random)?;
        let key = store
            .made_web_key(&Secret::new(hex(&fresh)))
            .map_err(StateKeyError::Store)?;
        Ok(StateKey::new(&key))
    }

    fn new(key: &Secret) -> StateKey {
        StateKey(hmac::Key::new(HMAC_SHA256, key.expose().as_bytes()))
    }

    /// A state of a log-in that begins `now`, in Unix seconds: 107 letters and digits. `attempt` is how often it was begun
    /// before, at most 15.
    #[must_use]
    pub fn issue(&self, flow: FlowDigest, to: &ReturnTo, attempt: u8, now: i64) -> String {
        let time = now.clamp(0, (1 << (4 * TIME)) - 1);
        let attempt = attempt.min(15);
        let parts = format!("{time:0TIME$x}{attempt:x}{}", hex(&flow.0));
        let mac = hmac::sign(&self.0, &signed(&parts, to));
        parts + &hex(mac.as_ref())
    }

    /// What a state says, if it is ours and for this way back; `now` is in Unix seconds.
    ///
    /// # Errors
    /// When it is not, or too old.
    pub fn check(&self, state: &str, to: &ReturnTo, now: i64) -> Result<State, StateError> {
        let read = || {
            let (parts, mac) = state.split_at_checked(TIME + ATTEMPT + FLOW)?;
            let mac: [u8; MAC / 2] = unhex(mac)?;
            // In constant time.
            hmac::verify(&self.0, &signed(parts, to), &mac).ok()?;
            let (time, rest) = parts.split_at_checked(TIME)?;
            let (attempt, flow) = rest.split_at_checked(ATTEMPT)?;
            Some(State {
                issued_at: i64::from_str_radix(time, 16).ok()?,
                attempt: u8::from_str_radix(attempt, 16).ok()?,
                flow: FlowDigest(unhex(flow)?),
            })
        };
        let state = read().ok_or(StateError::Foreign)?;
        let age = now.saturating_sub(state.issued_at);
        match (-AHEAD..=LIVES).contains(&age) {
            true => Ok(state),
            false => Err(StateError::Old),
        }
    }
}

impl State {
    /// Whether the log-in began in the browser with this flow cookie. Takes constant time.
    #[must_use]
    pub fn began_in(&self, flow: &Flow) -> bool {
        flow.digest() == self.flow
    }
}

/// What is signed: nothing else is ever signed with this key in the same form.
fn signed(parts: &str, to: &ReturnTo) -> Vec<u8> {
    format!("state {parts} {to}").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of exactly so many lower-case hexadecimal digits.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'f' => char::from(byte).to_digit(16),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for StateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateKeyError::Store(error) => error.fmt(f),
            StateKeyError::Random(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StateKeyError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::login::MAX_STATE;
    use crate::config::WebUrl;

    const NOW: i64 = 1_790_000_000;

    fn key(text: &str) -> StateKey {
        StateKey::new(&Secret::new(text))
    }

    fn to(path: &str) -> ReturnTo {
        let url = WebUrl {
            is_https: true,
            host: "example.com".to_owned(),
            origin: "https://example.com".to_owned(),
        };
        ReturnTo::new(path, &url)
    }

    #[test]
    fn a_state_says_when_where_and_how_often_a_log_in_began() {
        let flow = Flow::random().unwrap();
        let state = key("k").issue(flow.digest(), &to("/a?b=c"), 2, NOW);
        assert!(state.len() <= MAX_STATE);
        assert!(state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let said = key("k").check(&state, &to("/a?b=c"), NOW + 5).unwrap();
        assert_eq!((said.issued_at, said.attempt), (NOW, 2));
        assert!(said.began_in(&flow));
        assert!(!said.began_in(&Flow::random().unwrap()));
    }

    #[test]
    fn a_state_is_taken_for_ten_minutes() {
        let flow = Flow::random().unwrap().digest();
        let state = key("k").issue(flow, &to("/"), 0, NOW);
        let at = |now: i64| key("k").check(&state, &to("/"), now).map(drop);
        assert_eq!(at(NOW + 600), Ok(()));
        assert_eq!(at(NOW + 601), Err(StateError::Old));
        assert_eq!(at(NOW - 60), Ok(()));
        assert_eq!(at(NOW - 61), Err(StateError::Old));
        for now in [i64::MIN, i64::MAX, -1] {
            let state = key("k").issue(flow, &to("/"), u8::MAX, now);
            assert_eq!(state.len(), 107);
            assert_ne!(
                key("k").check(&state, &to("/"), now),
                Err(StateError::Foreign)
            );
        }
    }

    #[test]
    fn a_state_of_another_key_or_for_another_way_back_is_not_ours() {
        let flow = Flow::random().unwrap().digest();
        let state = key("k").issue(flow, &to("/a"), 0, NOW);
        for (other, way) in [(key("K"), "/a"), (key("k"), "/b"), (key("k"), "/")] {
            let checked = other.check(&state, &to(way), NOW);
            assert_eq!(checked, Err(StateError::Foreign), "{way}");
        }
    }

    #[test]
    fn the_key_is_made_once_and_a_spoilt_one_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let flow = Flow::random().unwrap().digest();
        let state = StateKey::of(&store).unwrap().issue(flow, &to("/"), 0, NOW);
        let again = StateKey::of(&store).unwrap();
        assert!(again.check(&state, &to("/"), NOW).is_ok());
        store.keep_setting("web_key", "").unwrap();
        let other = StateKey::of(&store).unwrap();
        assert_eq!(other.check(&state, &to("/"), NOW), Err(StateError::Foreign));
    }

    proptest! {
        #[test]
        fn a_state_that_was_altered_in_any_way_is_not_ours(at in 0_usize..107, with in "[^a]|[0-9a-fA-F]", more in ".{1,3}") {
            let flow = Flow::random().unwrap().digest();
            let state = key("k").issue(flow, &to("/a"), 1, NOW);
            let mut altered = state.clone();
            altered.replace_range(at..=at, &with);
            let cut = &state[..at];
            for other in [altered, format!("{state}{more}"), format!("{more}{state}"), cut.to_owned(), state.to_uppercase(), more.clone()] {
                if other != state {
                    prop_assert_eq!(key("k").check(&other, &to("/a"), NOW), Err(StateError::Foreign));
                }
            }
        }
    }
}
