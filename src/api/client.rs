//! The client: every call goes through here, and only here is decided what is repeated.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use super::calls::Calls;
use super::errcode::Action;
use super::error::ApiError;
use super::http::{Answer, Http};
use super::standing::Standing;
use super::token_cache::{ACCESS_TOKEN, JSAPI_TICKET, TokenCache, TokenStore};
use crate::outbound::Outbound;
use crate::secret::Secret;
use crate::wechat::lenient;

/// The pauses before a read is sent again.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and, if need be, port and path before `/cgi-bin/…`.
    pub base_url: String,
    /// The time limit of one call, from looking up the name to the last byte of the answer.
    /// Calls that carry a file have at least two minutes.
    pub timeout: Duration,
    /// The account's AppID.
    pub app_id: String,
    /// The account's AppSecret.
    pub app_secret: Secret,
}

/// Makes calls to the platform. Clones share connections and the token.
///
/// What is repeated, and what is not:
/// - An access_token that the platform refuses is replaced once, by a new one or one that another process has fetched
///   since, and the call is sent once more.
/// - A read is sent again after 1, 2 and 4 seconds while the platform is busy (errcode -1), answers
///   5xx or not with JSON, refuses the connection or cuts it.
/// - After a timeout nothing is repeated, and a call that changes or sends something never is: it
///   may have been done.
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    pauses: Vec<Duration>,
}

pub(super) struct Shared {
    pub(super) http: Http,
    pub(super) settings: Settings,
    pub(super) access_token: TokenCache,
    pub(super) jsapi_ticket: TokenCache,
    pub(super) standing: Standing,
    calls: Calls,
}

impl Client {
    /// Prepares a client; makes no call. The environment variable `SSL_CERT_FILE`, if set, names a
    /// PEM file with the only roots to trust.
    ///
    /// # Errors
    /// [`ApiError::Trust`] if that file cannot be used, [`ApiError::Request`] if `base_url` cannot.
    pub fn new(settings: Settings, tokens: Arc<dyn TokenStore>) -> Result<Client, ApiError> {
        let http = Http::new(&settings.base_url, settings.timeout, Outbound::new()?)?;
        let cache = |name| TokenCache::new(name, Arc::clone(&tokens), settings.timeout);
        Ok(Client {
            shared: Arc::new(Shared {
                http,
                access_token: cache(ACCESS_TOKEN),
                jsapi_ticket: cache(JSAPI_TICKET),
                standing: Standing::default(),
                calls: Calls::default(),
                settings,
            }),
            pauses: PAUSES.to_vec(),
        })
    }

    /// The same client, waiting this long before each repetition of a read.
    #[cfg(test)]
    #[must_use]
    pub(super) fn with_pauses(mut self, pauses: [Duration; 3]) -> Client {
        self.pauses = pauses.to_vec();
        self
    }

    /// The same client for a caller that does its own retries: it never sleeps and repeats a call only after a refused
    /// access_token.
    #[must_use]
    pub fn once(&self) -> Client {
        Client {
            shared: Arc::clone(&self.shared),
            pauses: Vec::new(),
        }
    }

    /// The platform's current time, in Unix seconds, by the `Date` of the last answer and the time that has passed
    /// since; `None` before the first answer that has one.
    #[must_use]
    pub fn platform_time(&self) -> Option<i64> {
        self.shared.http.platform_time()
    }

    /// How many seconds this machine's clock is ahead of the platform's, by the `Date` of the last answer; `None` before
    /// the first answer that has one.
    #[must_use]
    pub fn clock_difference(&self) -> Option<i64> {
        self.shared.http.clock_difference()
    }

    /// How the calls of this process have gone.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.shared.standing
    }

    /// The calls of this process so far.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    /// The AppID of the account.
    #[must_use]
    pub fn app_id(&self) -> &str {
        &self.shared.settings.app_id
    }

    pub(super) fn pauses(&self) -> &[Duration] {
        &self.pauses
    }

    /// Makes a call and parses its answer.
    pub(super) fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ApiError> {
        let value = self.run(call, |answer| checked(call, answer.json()?))?;
        lenient::read(value).map_err(|cause| ApiError::Unexpected {
            call: call.called.clone(),
            cause,
        })
    }

    /// Makes a call that returns nothing.
    pub(super) fn done(&self, call: &Call) -> Result<(), ApiError> {
        self.run(call, |answer| checked(call, answer.json()?))
            .map(drop)
    }

    /// Makes a call, with the retries that [`Client`] describes.
    pub(super) fn run<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut pauses = self.pauses.iter().filter(|_| call.is_repeatable());
        let mut token = call.with_token.then(|| self.token()).transpose()?;
        let mut replaced = false;
        loop {
            let error = match self.exchange(call, token.as_deref(), &read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &token {
                Some(refused) if !replaced && error.action() == Action::Token => {
                    replaced = true;
                    token = Some(self.token_instead_of(refused)?);
                }
                Some(_) if error.action() == Action::Token => {
                    self.shared.standing.fresh_token_refused(&error);
                    return Err(error);
                }
                _ if error.is_passing() => match pauses.next() {
                    Some(pause) => thread::sleep(*pause),
                    None => return Err(error),
                },
                _ => return Err(error),
            }
        }
    }

    /// One exchange, with a log line that contains neither query nor body.
    fn exchange<T>(
        &self,
        call: &Call,
        token: Option<&str>,
        read: &impl Fn(Answer) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let begun = Instant::now();
        let result = self
            .shared
            .http
            .send(call, token)
            .and_then(read)
            .map_err(|error| {
                let own = [
                    token.unwrap_or_default(),
                    self.shared.settings.app_secret.expose(),
                ];
                error.without(own.into_iter().chain(call.secrets()))
            });
        let failure = result.as_ref().err();
        let took = begun.elapsed();
        self.shared.calls.note(&call.called, failure, took);
        self.shared
            .standing
            .note(&call.called.name, failure, Instant::now());
        match &result {
            Ok(_) => log::debug!("api: {}: done in {} ms", call.called, took.as_millis()),
            Err(error) => log::debug!("{error} ({} ms)", took.as_millis()),
        }
        result
    }
}

/// Turns an answer with an `errcode` into an error.
pub(super) fn checked(call: &Call, answer: Value) -> Result<Value, ApiError> {
    let errcode = answer.get("errcode").map_or(Some(0), lenient::as_int);
    match errcode {
        Some(0) => Ok(answer),
        Some(errcode) if call.accepted.contains(&errcode) => Ok(answer),
        Some(errcode) => {
            let errmsg = answer
                .get("errmsg")
                .and_then(lenient::as_text)
                .unwrap_or_default();
            Err(ApiError::platform(call.called.clone(), errcode, &errmsg))
        }
        None => Err(ApiError::Unexpected {
            call: call.called.clone(),
            cause: "its errcode is no number".to_owned(),
        }),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.shared.settings)
            .field("pauses", &self.pauses)
            .finish_non_exhaustive()
    }
}
