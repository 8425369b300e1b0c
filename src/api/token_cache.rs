//! The token cache: one access_token (and one jsapi_ticket) for all threads, all processes of this program and the
//! owner's other programs, fetched by one of them at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::errcode::Action;
use super::error::ApiError;
use crate::clock;
use crate::secret::Secret;

/// The name under which the access_token is stored.
pub const ACCESS_TOKEN: &str = "access_token";

/// The name under which the ticket of the JS-SDK is stored.
pub const JSAPI_TICKET: &str = "jsapi_ticket";

/// A token is replaced this many seconds before it expires. `stable_token` gives out a new one in the last five
/// minutes, and the old one stays valid for about as long.
const EARLY: i64 = 300;

/// The longest lifetime that is believed, in seconds: the maximum that the platform documents.
pub(super) const LONGEST: i64 = 7200;

/// A stored token that expires later than [`LONGEST`] plus these seconds from now was saved under a clock that was
/// ahead: nobody knows when it really expires.
const SLACK: i64 = 300;

/// How often a process checks whether another one has saved a token.
const POLL: Duration = Duration::from_millis(50);

/// A token and when it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token itself.
    pub value: Secret,
    /// When it expires, in Unix seconds, by the platform's word.
    pub expires_at: i64,
}

/// Where tokens are stored across calls, processes and restarts. Names are [`ACCESS_TOKEN`] and
/// [`JSAPI_TICKET`]. The text of an error must not contain a token.
pub trait TokenStore: Send + Sync {
    /// The token of that name, even if it has expired; `None` if there never was one.
    ///
    /// # Errors
    /// Says why it cannot be read.
    fn load(&self, name: &str) -> Result<Option<KeptToken>, String>;

    /// Replaces the token.
    ///
    /// # Errors
    /// Says why it cannot be written.
    fn save(&self, name: &str, token: &KeptToken) -> Result<(), String>;

    /// Takes the lease, the right to fetch that one process has at a time. `true`: this process has it until
    /// it releases it, for at most `for_`. `false`: another one has it now.
    ///
    /// # Errors
    /// Says why it cannot be taken.
    fn lease(&self, name: &str, for_: Duration) -> Result<bool, String>;

    /// Gives the lease back.
    ///
    /// # Errors
    /// Says why it cannot be given back; it then expires.
    fn release(&self, name: &str) -> Result<(), String>;
}

/// Gives out one kind of token. The store decides; the copy in memory serves while the store cannot be written.
pub(super) struct TokenCache {
    name: &'static str,
    store: Arc<dyn TokenStore>,
    /// How long a lease is taken for: two calls, and time to save.
    lease: Duration,
    state: Mutex<State>,
    fetched: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether a thread of this process is fetching.
    fetching: bool,
    /// What this process fetched last.
    last: Option<Last>,
    failure: Option<Failure>,
}

struct Last {
    token: KeptToken,
    /// Until then it counts as fresh, although it may expire within five minutes.
    fresh_until: Instant,
}

struct Failure {
    error: ApiError,
    /// How many fetches failed in a row.
    count: u32,
    until: Instant,
}

impl TokenCache {
    pub(super) fn new(
        name: &'static str,
        store: Arc<dyn TokenStore>,
        timeout: Duration,
    ) -> TokenCache {
        TokenCache {
            name,
            store,
            lease: timeout
                .saturating_mul(2)
                .saturating_add(Duration::from_secs(5)),
            state: Mutex::default(),
            fetched: Condvar::new(),
        }
    }

    /// The stored token, valid or not.
    pub(super) fn stored(&self) -> Result<Option<KeptToken>, ApiError> {
        self.store.load(self.name).map_err(ApiError::TokenStore)
    }

    /// A valid token other than `unwanted`. If there is none, fetches one or waits for the thread that
    /// does; the lock is not held meanwhile.
    pub(super) fn get(
        &self,
        unwanted: Option<&str>,
        pauses: &[Duration],
        fetch: impl Fn() -> Result<KeptToken, ApiError>,
    ) -> Result<String, ApiError> {
        let mut state = self.lock();
        loop {
            let kept = self.kept(&state, unwanted);
            if let Ok(Some(token)) = &kept
                && state.is_fresh(token)
            {
                return Ok(token.value.expose().to_owned());
            }
            if let Some(failure) = state.failure.as_ref().filter(|f| Instant::now() < f.until) {
                return match kept {
                    Ok(Some(token)) => Ok(token.value.expose().to_owned()),
                    Ok(None) | Err(_) => Err(failure.error.clone()),
                };
            }
            if let Some(token) = kept?
                && state.fetching
            {
                // Another thread is replacing it early; it is still valid.
                return Ok(token.value.expose().to_owned());
            }
            if !state.fetching {
                state.fetching = true;
                break;
            }
            state = self
                .fetched
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let guard = FetchGuard(self);
        let fetched = self.fetch_with_pauses(unwanted, pauses, &fetch);
        let mut state = self.lock();
        let result = match fetched {
            Ok(token) => {
                state.failure = None;
                Ok(token.value.expose().to_owned())
            }
            Err(error) => {
                state.failed(&error);
                // In its last five minutes the old one is still valid.
                match self.kept(&state, unwanted) {
                    Ok(Some(token)) => {
                        log::warn!("{error}; the {} of before is used until it ends", self.name);
                        Ok(token.value.expose().to_owned())
                    }
                    Ok(None) | Err(_) => Err(error),
                }
            }
        };
        drop(state);
        drop(guard);
        result
    }

    fn fetch_with_pauses(
        &self,
        unwanted: Option<&str>,
        pauses: &[Duration],
        fetch: &impl Fn() -> Result<KeptToken, ApiError>,
    ) -> Result<KeptToken, ApiError> {
        let mut pauses = pauses.iter();
        loop {
            match self.fetch_leased(unwanted, fetch) {
                Err(error) if error.is_passing() => match pauses.next() {
                    Some(pause) => thread::sleep(*pause),
                    None => return Err(error),
                },
                result => return result,
            }
        }
    }

    /// Fetches under the lease, or takes what the process that held it has saved.
    fn fetch_leased(
        &self,
        unwanted: Option<&str>,
        fetch: &impl Fn() -> Result<KeptToken, ApiError>,
    ) -> Result<KeptToken, ApiError> {
        let begun = Instant::now();
        loop {
            let leased = self
                .store
                .lease(self.name, self.lease)
                .map_err(ApiError::TokenStore)?;
            let lease = leased.then(|| Lease(self));
            // With the lease, too: the process that held it before may just have saved a token.
            let kept = self.kept(&self.lock(), unwanted)?;
            if let Some(token) = kept.filter(|token| self.lock().is_fresh(token)) {
                return Ok(token);
            }
            if lease.is_some() {
                let token = fetch()?;
                self.keep(&token);
                return Ok(token);
            }
            if begun.elapsed() > self.lease + Duration::from_secs(5) {
                return Err(ApiError::TokenStore(format!(
                    "another process fetches the {} and does not end",
                    self.name
                )));
            }
            thread::sleep(POLL);
        }
    }

    /// The stored token (or the one in memory) if it is known to be valid and is not `unwanted`.
    fn kept(&self, state: &State, unwanted: Option<&str>) -> Result<Option<KeptToken>, ApiError> {
        let now = clock::unix_seconds();
        let usable = |token: &KeptToken| {
            (now + 1..=now + LONGEST + SLACK).contains(&token.expires_at)
                && Some(token.value.expose()) != unwanted
        };
        let in_memory = state
            .last
            .as_ref()
            .map(|last| &last.token)
            .filter(|token| usable(token));
        match self.store.load(self.name) {
            Ok(stored) => Ok(stored
                .filter(|token| usable(token))
                // If the store could not be written, its token is older.
                .filter(|token| in_memory.is_none_or(|m| m.expires_at <= token.expires_at))
                .or_else(|| in_memory.cloned())),
            Err(error) => match in_memory {
                Some(token) => Ok(Some(token.clone())),
                None => Err(ApiError::TokenStore(error)),
            },
        }
    }

    fn keep(&self, token: &KeptToken) {
        if let Err(error) = self.store.save(self.name, token) {
            log::warn!(
                "api: the {} could not be kept and serves this process only: {error}",
                self.name
            );
        }
        let life = token.expires_at - clock::unix_seconds();
        // A token fetched with less than five minutes to live would otherwise be fetched again with every call.
        let fresh_for = (life - EARLY).max((life / 2).min(60));
        self.lock().last = Some(Last {
            token: token.clone(),
            fresh_until: Instant::now()
                + Duration::from_secs(u64::try_from(fresh_for).unwrap_or(0)),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent after every statement, so that a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fresh(&self, token: &KeptToken) -> bool {
        token.expires_at - EARLY > clock::unix_seconds()
            || self.last.as_ref().is_some_and(|last| {
                last.token.value == token.value && Instant::now() < last.fresh_until
            })
    }

    fn failed(&mut self, error: &ApiError) {
        let count = self
            .failure
            .as_ref()
            .map_or(0, |failure| failure.count)
            .saturating_add(1);
        let doubled = 1_u64 << (count - 1).min(6);
        let seconds = match error.action() {
            Action::Retry => doubled.min(5),
            Action::Token
            | Action::Fix
            | Action::User
            | Action::Quota
            | Action::Admin
            | Action::UploadAgain
            | Action::RestartOauth
            | Action::Wait
            | Action::Ignore => (5 * doubled).min(60),
        };
        let pause = Duration::from_secs(seconds).max(error.action().least_pause());
        self.failure = Some(Failure {
            error: error.clone(),
            count,
            until: Instant::now() + pause,
        });
    }
}

/// Wakes the waiting threads when the fetch ends, even by a panic.
struct FetchGuard<'a>(&'a TokenCache);

impl Drop for FetchGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().fetching = false;
        self.0.fetched.notify_all();
    }
}

/// Gives the lease back when the fetch ends, even by a panic.
struct Lease<'a>(&'a TokenCache);

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.store.release(self.0.name) {
            log::warn!(
                "api: the right to fetch the {} ends by itself: {error}",
                self.0.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_limit_of_calls_a_token_is_not_fetched_at_once() {
        for (errcode, least) in [(-1, 1), (40164, 5), (45011, 60), (45009, 600)] {
            let begun = Instant::now();
            let mut state = State::default();
            state.failed(&ApiError::platform("stable_token", errcode, ""));
            let pause = state.failure.expect("a failure").until - begun;
            assert_eq!(pause.as_secs(), least, "{errcode}");
        }
    }
}
