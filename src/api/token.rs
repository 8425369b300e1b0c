//! The calls that fetch tokens: access_token and jsapi_ticket, which the cache keeps.

use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::errcode;
use super::error::ApiError;
use super::token_cache::{KeptToken, LONGEST};
use crate::clock;
use crate::secret::Secret;
use crate::wechat::lenient;

/// Answers of `stable_token` that refuse the call as such, not the account, the secret or the address: only then, or
/// after HTTP 404, the older `token` is called.
const NO_STABLE_TOKEN: [i64; 2] = [errcode::INVALID_URL, errcode::UNAUTHORIZED];

impl Client {
    /// A valid access_token: the stored one, or a new one if that expires within five minutes.
    /// Of many callers at the same moment, one fetches.
    ///
    /// # Errors
    /// If none could be fetched. A failure is remembered for 1 to 5 seconds, or 5 to 60 if a person must act, at least
    /// for [`Action::least_pause`](errcode::Action::least_pause), and returned to all callers meanwhile.
    pub fn token(&self) -> Result<String, ApiError> {
        let cache = &self.shared.access_token;
        cache.get(None, self.pauses(), || self.fetch_token())
    }

    /// A valid access_token, fetched from the platform even if one is stored: shows whether AppID, AppSecret and this
    /// machine's address are accepted. `stable_token` gives out the current one.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub fn token_fetched(&self) -> Result<String, ApiError> {
        let cache = &self.shared.access_token;
        let kept = cache.stored()?;
        let kept = kept.as_ref().map(|kept| kept.value.expose());
        cache.get(kept, self.pauses(), || self.fetch_token())
    }

    /// A valid access_token for an owner's program whose token, `refused`, the platform refused. If that is still the
    /// stored one, it is fetched again; if the platform then still gives out the same, a new one is forced, which it
    /// allows 20 times a day and twice a minute.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub fn refused(&self, refused: &str) -> Result<String, ApiError> {
        self.shared
            .access_token
            .get(Some(refused), self.pauses(), || {
                let token = self.fetch_token()?;
                if token.value.expose() == refused {
                    return self.stable_token(true);
                }
                Ok(token)
            })
    }

    /// A valid access_token after the platform refused this one in one of our calls.
    pub(super) fn token_instead_of(&self, refused: &str) -> Result<String, ApiError> {
        let cache = &self.shared.access_token;
        cache.get(Some(refused), self.pauses(), || self.fetch_token())
    }

    /// A valid ticket for signing JS-SDK pages, stored and shared like the access_token.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub fn ticket(&self) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            ticket: String,
            #[serde(default, deserialize_with = "lenient::int")]
            expires_in: Option<i64>,
        }
        // The cache does the retries; the call itself must not sleep as well.
        let client = self.once();
        self.shared.jsapi_ticket.get(None, self.pauses(), || {
            let call = Call::read("/cgi-bin/ticket/getticket").query("type", "jsapi");
            let answer: Answer = client.call(&call)?;
            kept(&call, answer.ticket, answer.expires_in)
        })
    }

    /// Calls `stable_token`, or `token` if this account has no `stable_token`.
    fn fetch_token(&self) -> Result<KeptToken, ApiError> {
        match self.stable_token(false) {
            Err(ApiError::Platform { errcode, .. }) if NO_STABLE_TOKEN.contains(&errcode) => {}
            Err(ApiError::NotJson { status: 404, .. }) => {}
            result => return result,
        }
        log::debug!("api: stable_token is not for this account: asking token");
        let settings = &self.shared.settings;
        self.request_token(
            &Call::read("/cgi-bin/token")
                .without_token()
                .query("grant_type", "client_credential")
                .query("appid", settings.app_id.as_str())
                .query("secret", settings.app_secret.expose()),
        )
    }

    fn stable_token(&self, force_refresh: bool) -> Result<KeptToken, ApiError> {
        let settings = &self.shared.settings;
        self.request_token(
            &Call::read("/cgi-bin/stable_token")
                .without_token()
                .json(&json!({
                    "grant_type": "client_credential",
                    "appid": settings.app_id,
                    "secret": settings.app_secret.expose(),
                    "force_refresh": force_refresh,
                }))?,
        )
    }

    fn request_token(&self, call: &Call) -> Result<KeptToken, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default, deserialize_with = "lenient::int")]
            expires_in: Option<i64>,
        }
        let answer: Answer = self.once().call(call)?;
        kept(call, answer.access_token, answer.expires_in)
    }
}

/// A fetched token with its expiry. A lifetime that is missing or absurd is corrected.
fn kept(call: &Call, value: String, expires_in: Option<i64>) -> Result<KeptToken, ApiError> {
    if value.is_empty() {
        let cause = "its token is empty".to_owned();
        return Err(ApiError::Unexpected {
            call: call.called.clone(),
            cause,
        });
    }
    let life = expires_in.unwrap_or(LONGEST).clamp(60, LONGEST);
    Ok(KeptToken {
        value: Secret::new(value),
        expires_at: clock::unix_seconds() + life,
    })
}
