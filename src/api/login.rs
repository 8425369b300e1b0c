//! Log-in to web pages in WeChat: the URL that starts it, and the calls that identify the person ("Web page
//! authorization"). They have access_tokens of their own, one per person, and never use the account's.

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::outbound::host_of;
use crate::percent;
use crate::secret::Secret;
use crate::wechat::lenient;

/// Where a page sends the browser first.
const AUTHORIZE: &str = "https://open.weixin.qq.com/connect/oauth2/authorize";

/// The longest `state`, in bytes.
pub const MAX_STATE: usize = 128;

/// What a page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The openid, without asking the person.
    Base,
    /// The profile, too; the person is asked, unless they follow and come from the chat or the menu.
    UserInfo,
}

impl Scope {
    /// The platform's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::Base => "snsapi_base",
            Scope::UserInfo => "snsapi_userinfo",
        }
    }
}

/// Who the person is, and the tokens for further calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIn {
    /// The person.
    pub openid: String,
    /// The same person in the other accounts of the same Open Platform account.
    pub unionid: Option<String>,
    /// The granted scopes, separated by commas.
    pub scope: Option<String>,
    /// For [`Client::sns_userinfo`] and [`Client::sns_auth`].
    pub access_token: Secret,
    /// How long the access_token works, in seconds: 2 hours.
    pub expires_in: Option<i64>,
    /// For [`Client::sns_refresh_token`]; it works for 30 days.
    pub refresh_token: Option<Secret>,
    /// The page was opened as a snapshot: the openid is not a person's, and should get no account.
    pub is_snapshot: bool,
}

/// The profile that web pages may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageUser {
    /// The person.
    #[serde(deserialize_with = "lenient::id")]
    pub openid: String,
    /// The nickname.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub nickname: Option<String>,
    /// The URL of the avatar; its last part is the size in pixels.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub headimgurl: Option<String>,
    /// The same person in the other accounts of the same Open Platform account.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub unionid: Option<String>,
    /// 1 male, 2 female, 0 unknown; today it is 0 for everybody.
    #[serde(default, deserialize_with = "lenient::int")]
    pub sex: Option<i64>,
    /// Empty today, like the next two.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub country: Option<String>,
    /// See `country`.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub province: Option<String>,
    /// See `country`.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub city: Option<String>,
}

/// The URL to which a page sends the browser. The browser comes back to `redirect_uri` with a code, which works once and
/// for five minutes, and with `state`, by which the page recognises its own request. Works only inside WeChat.
///
/// # Errors
/// [`ApiError::Request`] for a `redirect_uri` that is not a web address, or a `state` other than 1 to [`MAX_STATE`]
/// letters and digits.
pub fn authorize_url(
    app_id: &str,
    redirect_uri: &str,
    scope: Scope,
    state: &str,
) -> Result<String, ApiError> {
    let refused = |cause: String| ApiError::Request {
        call: "oauth2/authorize".into(),
        cause,
    };
    if host_of(redirect_uri).is_none() || redirect_uri.contains('#') {
        return Err(refused(
            "the redirect_uri is no http:// or https:// address of a page".to_owned(),
        ));
    }
    let known = state.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !known || !(1..=MAX_STATE).contains(&state.len()) {
        return Err(refused(format!(
            "a state has 1 to {MAX_STATE} letters and digits"
        )));
    }
    // The platform's page insists on this order and this end.
    Ok(format!(
        "{AUTHORIZE}?appid={app_id}&redirect_uri={}&response_type=code&scope={}&state={state}#wechat_redirect",
        percent::encode(redirect_uri),
        scope.name()
    ))
}

impl Client {
    /// Exchanges the code that a browser brought (`sns/oauth2/access_token`). It works once, so it is sent once.
    ///
    /// # Errors
    /// 40029 for an unknown code, 42003 for one that has expired, 40163 for one that was used; any [`ApiError`].
    pub fn sns_access_token(&self, code: &str) -> Result<LogIn, ApiError> {
        let settings = &self.shared.settings;
        self.log_in(
            &Call::change(
                "/sns/oauth2/access_token",
                "the code works once and may be used up; let the user open the page again",
            )
            .without_token()
            .query("appid", settings.app_id.as_str())
            .query("secret", settings.app_secret.expose())
            .query("code", code)
            .query("grant_type", "authorization_code"),
        )
    }

    /// Gets a new access_token for a person (`sns/oauth2/refresh_token`). Repeating it does no harm: the refresh_token
    /// stays valid for its 30 days.
    ///
    /// # Errors
    /// 40030 for an unknown refresh_token, 42002 for one that has expired; any [`ApiError`].
    pub fn sns_refresh_token(&self, refresh_token: &str) -> Result<LogIn, ApiError> {
        self.log_in(
            &Call::change(
                "/sns/oauth2/refresh_token",
                "the refresh_token still works; repeat it",
            )
            .without_token()
            .query("appid", self.shared.settings.app_id.as_str())
            .query("grant_type", "refresh_token")
            .query("refresh_token", refresh_token),
        )
    }

    fn log_in(&self, call: &Call) -> Result<LogIn, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            openid: String,
            #[serde(default, deserialize_with = "lenient::filled")]
            unionid: Option<String>,
            #[serde(default, deserialize_with = "lenient::filled")]
            scope: Option<String>,
            access_token: String,
            #[serde(default, deserialize_with = "lenient::int")]
            expires_in: Option<i64>,
            #[serde(default, deserialize_with = "lenient::filled")]
            refresh_token: Option<String>,
            #[serde(default, deserialize_with = "lenient::int")]
            is_snapshotuser: Option<i64>,
        }
        let answer: Answer = self.call(call)?;
        Ok(LogIn {
            openid: answer.openid,
            unionid: answer.unionid,
            scope: answer.scope,
            access_token: Secret::new(answer.access_token),
            expires_in: answer.expires_in,
            refresh_token: answer.refresh_token.map(Secret::new),
            is_snapshot: answer.is_snapshotuser == Some(1),
        })
    }

    /// A person's profile (`sns/userinfo`), with the access_token of [`Scope::UserInfo`].
    ///
    /// # Errors
    /// 40003 for another person's access_token, 42001 for one that has expired, 48001 for one of [`Scope::Base`]; any
    /// [`ApiError`].
    pub fn sns_userinfo(&self, access_token: &str, openid: &str) -> Result<PageUser, ApiError> {
        self.call(
            &Call::read("/sns/userinfo")
                .without_token()
                .query("access_token", access_token)
                .query("openid", openid)
                .query("lang", "zh_CN"),
        )
    }

    /// Checks whether a person's access_token still works (`sns/auth`).
    ///
    /// # Errors
    /// 40003 if it does not; any [`ApiError`].
    pub fn sns_auth(&self, access_token: &str, openid: &str) -> Result<(), ApiError> {
        self.done(
            &Call::read("/sns/auth")
                .without_token()
                .query("access_token", access_token)
                .query("openid", openid),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_the_platform_would_refuse_is_not_made() {
        let url = |redirect_uri: &str, state: &str| {
            authorize_url("wx7a9c0e1f2b3d4c5e", redirect_uri, Scope::Base, state)
        };
        assert!(
            url("https://www.example.com/cb?shop=1", "s1").is_ok_and(|url| {
                url.contains("redirect_uri=https%3A%2F%2Fwww.example.com%2Fcb%3Fshop%3D1&")
            })
        );
        for redirect_uri in [
            "",
            "www.example.com/cb",
            "ftp://x/",
            "https:///cb",
            "https://x/#a",
        ] {
            assert!(url(redirect_uri, "s1").is_err(), "{redirect_uri}");
        }
        for state in ["", "a b", "a-b", &"x".repeat(129)] {
            assert!(url("https://www.example.com/cb", state).is_err(), "{state}");
        }
    }
}
