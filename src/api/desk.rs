//! The token desk: one access_token (and one jsapi_ticket) for every thread, every process of this
//! program and the owner's other programs, fetched by one of them at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::errcode::Action;
use super::error::ApiError;
use crate::clock;
use crate::secret::Secret;

/// The name under which the access_token is kept.
pub const ACCESS_TOKEN: &str = "access_token";

/// The name under which the ticket of the JS-SDK is kept.
pub const JSAPI_TICKET: &str = "jsapi_ticket";

/// A token is replaced this many seconds before it ends. `stable_token` gives out a new one from
/// five minutes before the end on, and the old one lives on for about as long.
const EARLY: i64 = 300;

/// The longest life that is believed, in seconds; what the platform documents as its maximum.
pub(super) const LONGEST: i64 = 7200;

/// A kept token whose end is further away than its life and these seconds was kept by a clock that was ahead: nobody
/// knows when it ends.
const SLACK: i64 = 300;

/// How often a process looks whether another one has saved a token.
const POLL: Duration = Duration::from_millis(50);

/// A token and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token itself.
    pub value: Secret,
    /// When it ends, in Unix seconds, as the platform said.
    pub expires_at: i64,
}

/// Where tokens are kept between calls, processes and restarts. Names are [`ACCESS_TOKEN`] and
/// [`JSAPI_TICKET`]. The text of an error must not hold a token.
pub trait TokenShelf: Send + Sync {
    /// The token of that name, also if it has expired; `None` if there never was one.
    ///
    /// # Errors
    /// A text that says why it cannot be read.
    fn load(&self, name: &str) -> Result<Option<KeptToken>, String>;

    /// Puts a token in the place of the one before.
    ///
    /// # Errors
    /// A text that says why it cannot be written.
    fn save(&self, name: &str, token: &KeptToken) -> Result<(), String>;

    /// Asks for the right to fetch, which one process has at a time. `true`: this one has it, until
    /// it releases it, and at most for `for_`. `false`: another one has it now.
    ///
    /// # Errors
    /// A text that says why it cannot be had.
    fn lease(&self, name: &str, for_: Duration) -> Result<bool, String>;

    /// Gives the right to fetch back.
    ///
    /// # Errors
    /// A text that says why it cannot be given back; it then ends by itself.
    fn release(&self, name: &str) -> Result<(), String>;
}

/// Gives out one kind of token. The shelf has the truth; what is in memory serves while the shelf
/// cannot be written.
pub(super) struct Desk {
    name: &'static str,
    shelf: Arc<dyn TokenShelf>,
    /// How long a lease is asked for: two calls, and time to save.
    lease: Duration,
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether a thread of this process fetches now.
    fetching: bool,
    /// What was fetched last by this process.
    last: Option<Last>,
    failure: Option<Failure>,
}

struct Last {
    token: KeptToken,
    /// Until then it is not fetched again, although it may end within five minutes.
    rest: Instant,
}

struct Failure {
    error: ApiError,
    /// How many fetches failed in a row.
    count: u32,
    until: Instant,
}

impl Desk {
    pub(super) fn new(name: &'static str, shelf: Arc<dyn TokenShelf>, timeout: Duration) -> Desk {
        Desk {
            name,
            shelf,
            lease: timeout
                .saturating_mul(2)
                .saturating_add(Duration::from_secs(5)),
            state: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    /// The token on the shelf, whether it is valid or not.
    pub(super) fn on_shelf(&self) -> Result<Option<KeptToken>, ApiError> {
        self.shelf.load(self.name).map_err(ApiError::Shelf)
    }

    /// A valid token other than `unwanted`. Fetches if there is none, or waits for the thread that
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
                // It is being replaced early and serves until then.
                return Ok(token.value.expose().to_owned());
            }
            if !state.fetching {
                state.fetching = true;
                break;
            }
            state = self
                .landed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let flight = Flight(self);
        let fetched = self.fetch_with_pauses(unwanted, pauses, &fetch);
        let mut state = self.lock();
        let result = match fetched {
            Ok(token) => {
                state.failure = None;
                Ok(token.value.expose().to_owned())
            }
            Err(error) => {
                state.failed(&error);
                // Five minutes before its end the old one still serves.
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
        drop(flight);
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

    /// Fetches under the lease, or takes what the process that had it has saved.
    fn fetch_leased(
        &self,
        unwanted: Option<&str>,
        fetch: &impl Fn() -> Result<KeptToken, ApiError>,
    ) -> Result<KeptToken, ApiError> {
        let begun = Instant::now();
        loop {
            let leased = self
                .shelf
                .lease(self.name, self.lease)
                .map_err(ApiError::Shelf)?;
            let lease = leased.then(|| Lease(self));
            // Also with the lease in hand: it may just have been given back by who saved.
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
                return Err(ApiError::Shelf(format!(
                    "another process fetches the {} and does not end",
                    self.name
                )));
            }
            thread::sleep(POLL);
        }
    }

    /// The kept token that is known to be valid still, unless it is the unwanted one.
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
        match self.shelf.load(self.name) {
            Ok(on_shelf) => Ok(on_shelf
                .filter(|token| usable(token))
                // A shelf that could not be written holds an older one.
                .filter(|token| in_memory.is_none_or(|m| m.expires_at <= token.expires_at))
                .or_else(|| in_memory.cloned())),
            Err(error) => match in_memory {
                Some(token) => Ok(Some(token.clone())),
                None => Err(ApiError::Shelf(error)),
            },
        }
    }

    fn keep(&self, token: &KeptToken) {
        if let Err(error) = self.shelf.save(self.name, token) {
            log::warn!(
                "api: the {} could not be kept and serves this process only: {error}",
                self.name
            );
        }
        let life = token.expires_at - clock::unix_seconds();
        // A token that came with less than five minutes to live would otherwise be asked for again
        // with every call.
        let rest = (life - EARLY).max((life / 2).min(60));
        self.lock().last = Some(Last {
            token: token.clone(),
            rest: Instant::now() + Duration::from_secs(u64::try_from(rest).unwrap_or(0)),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so that a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fresh(&self, token: &KeptToken) -> bool {
        token.expires_at - EARLY > clock::unix_seconds()
            || self
                .last
                .as_ref()
                .is_some_and(|last| last.token.value == token.value && Instant::now() < last.rest)
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

/// Wakes those who wait when the fetch has ended, however it ended.
struct Flight<'a>(&'a Desk);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.lock().fetching = false;
        self.0.landed.notify_all();
    }
}

/// Gives the lease back when the fetch has ended, however it ended.
struct Lease<'a>(&'a Desk);

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.shelf.release(self.0.name) {
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
    fn a_limit_of_calls_is_given_time_before_a_token_is_asked_for_again() {
        for (errcode, least) in [(-1, 1), (40164, 5), (45011, 60), (45009, 600)] {
            let begun = Instant::now();
            let mut state = State::default();
            state.failed(&ApiError::platform("stable_token", errcode, ""));
            let pause = state.failure.expect("a failure").until - begun;
            assert_eq!(pause.as_secs(), least, "{errcode}");
        }
    }
}
