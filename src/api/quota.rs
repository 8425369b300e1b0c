//! Limits of calls, and the record of a single request: `quota` and `rid`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::errcode;
use super::error::ApiError;
use crate::wechat::lenient;

/// How often one call may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Times a day, until midnight Beijing time.
    #[serde(default, deserialize_with = "lenient::int")]
    pub daily_limit: Option<i64>,
    /// Made today.
    #[serde(default, deserialize_with = "lenient::int")]
    pub used: Option<i64>,
    /// Left today.
    #[serde(default, deserialize_with = "lenient::int")]
    pub remain: Option<i64>,
    /// The limit over a shorter time, where the call has one.
    #[serde(skip_deserializing)]
    pub rate_limit: Option<RateLimit>,
}

/// The limit over a shorter time: `call_count` calls in `refresh_second` seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// The number of calls.
    #[serde(default, deserialize_with = "lenient::int")]
    pub call_count: Option<i64>,
    /// The time, in seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub refresh_second: Option<i64>,
}

/// The record of a request, which the platform keeps for 7 days, with tokens masked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RidRequest {
    /// When, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub invoke_time: Option<i64>,
    /// How long it took, in milliseconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub cost_in_ms: Option<i64>,
    /// The query.
    #[serde(default, deserialize_with = "lenient::text")]
    pub request_url: Option<String>,
    /// What was sent.
    #[serde(default, deserialize_with = "lenient::text")]
    pub request_body: Option<String>,
    /// What was answered.
    #[serde(default, deserialize_with = "lenient::text")]
    pub response_body: Option<String>,
    /// The address of the caller.
    #[serde(default, deserialize_with = "lenient::text")]
    pub client_ip: Option<String>,
}

impl Client {
    /// The limit of one call (`openapi/quota/get`), given as its path, like `/cgi-bin/user/get`.
    ///
    /// # Errors
    /// 76021 and 76022 for a path that is unknown or not this account's; any [`ApiError`].
    pub fn openapi_quota_get(&self, cgi_path: &str) -> Result<Quota, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            quota: Quota,
            rate_limit: Option<RateLimit>,
        }
        let call = Call::read("/cgi-bin/openapi/quota/get");
        let answer: Answer = self.call(&call.json(&json!({"cgi_path": cgi_path}))?)?;
        Ok(Quota {
            rate_limit: answer.rate_limit,
            ..answer.quota
        })
    }

    /// Sets all daily counters to zero (`clear_quota`), 10 times a month.
    ///
    /// # Errors
    /// 48006 when that is used up; any [`ApiError`].
    pub fn clear_quota(&self) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/clear_quota", "`wechatd quota` shows it");
        self.done(&call.json(&json!({"appid": self.shared.settings.app_id}))?)
    }

    /// The same without an access_token (`clear_quota/v2`), for when the limit for fetching tokens is used up. The 10
    /// times a month are shared. AppID and AppSecret go in the body; one of the platform's examples has them in the
    /// query, where they are added if the platform misses them.
    ///
    /// # Errors
    /// As [`Client::clear_quota`].
    pub fn clear_quota_v2(&self) -> Result<(), ApiError> {
        const MISSING: [i64; 2] = [errcode::APPID_MISSING, errcode::SECRET_MISSING];
        let settings = &self.shared.settings;
        let (appid, appsecret) = (&settings.app_id, settings.app_secret.expose());
        let call =
            Call::change("/cgi-bin/clear_quota/v2", "`wechatd quota` shows it").without_token();
        let call = call.json(&json!({"appid": appid, "appsecret": appsecret}))?;
        match self.done(&call) {
            Err(error) if error.errcode().is_some_and(|code| MISSING.contains(&code)) => {
                self.done(&call.query("appid", appid).query("appsecret", appsecret))
            }
            result => result,
        }
    }

    /// Sets the daily counter of one call to zero (`openapi/quota/clear`), given as in
    /// [`Client::openapi_quota_get`]; 50 times a month.
    ///
    /// # Errors
    /// 76021 and 76022 for a path that is unknown or not this account's, 48006 when the 50 are used up;
    /// any [`ApiError`].
    pub fn openapi_quota_clear(&self, cgi_path: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/openapi/quota/clear",
            "`wechatd quota PATH` shows it",
        );
        self.done(&call.json(&json!({"cgi_path": cgi_path}))?)
    }

    /// The record of the request with this `rid` (`openapi/rid/get`).
    ///
    /// # Errors
    /// 76001 to 76004 for a rid that is unknown, too old or not this account's; any [`ApiError`].
    pub fn openapi_rid_get(&self, rid: &str) -> Result<RidRequest, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            request: RidRequest,
        }
        let call = Call::read("/cgi-bin/openapi/rid/get").json(&json!({"rid": rid}))?;
        Ok(self.call::<Answer>(&call)?.request)
    }
}
