//! The errors of calls, as one type whose text says what an owner can do about it.
//! No text and no `Debug` output ever contains a URL with its query, a token or a secret.

use std::fmt;

use super::called::{Called, Effect};
use super::errcode::{self, Action};
use crate::outbound::{NetworkCause, OutboundError, TrustError};
use crate::visible;

/// The longest `errmsg` that is kept, in characters.
const MAX_ERRMSG: usize = 300;

/// Why a call to the platform failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The platform answered with an `errcode` other than 0.
    Platform {
        /// The call.
        call: Called,
        /// The platform's number, see [`errcode::ERRCODES`].
        errcode: i64,
        /// The platform's text without its `rid` or `hint`.
        errmsg: String,
        /// The request's number, for `wechatd rid`; it is kept for 7 days.
        rid: Option<String>,
    },
    /// No answer came.
    Network {
        /// The call.
        call: Called,
        /// What happened.
        cause: NetworkCause,
    },
    /// The answer was not JSON: often a proxy's, or the platform failed.
    NotJson {
        /// The call.
        call: Called,
        /// The HTTP status.
        status: u16,
        /// What was found instead.
        cause: String,
    },
    /// The JSON was not what this call returns, or the answer was too large.
    Unexpected {
        /// The call.
        call: Called,
        /// What was found instead.
        cause: String,
    },
    /// The request was not sent, because it cannot be right.
    Request {
        /// The call.
        call: Called,
        /// What is wrong.
        cause: String,
    },
    /// The trusted roots could not be read (environment variable `SSL_CERT_FILE`).
    Trust(TrustError),
    /// Tokens could not be loaded from or saved to their store.
    TokenStore(String),
}

impl ApiError {
    /// An answer with an `errcode`; takes its `errmsg` apart.
    pub(super) fn platform(call: impl Into<Called>, errcode: i64, errmsg: &str) -> ApiError {
        let call = call.into();
        let (errmsg, rid) = split_errmsg(errmsg);
        ApiError::Platform {
            call,
            errcode,
            errmsg,
            rid,
        }
    }

    /// This call got no usable answer.
    pub(super) fn outbound(call: Called, error: OutboundError) -> ApiError {
        match error {
            OutboundError::Network(cause) => ApiError::Network { call, cause },
            OutboundError::Answer(cause) => ApiError::Unexpected { call, cause },
            OutboundError::Address => ApiError::Request {
                call,
                cause: "the address cannot be used".to_owned(),
            },
        }
    }

    /// The platform's error code, if it answered with one.
    #[must_use]
    pub fn errcode(&self) -> Option<i64> {
        let ApiError::Platform { errcode, .. } = self else {
            return None;
        };
        Some(*errcode)
    }

    /// What to do about it. Codes that are not in the table are not worth a retry.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            ApiError::Platform { call, errcode, .. } => {
                errcode::find_in(&call.name, *errcode).map_or(Action::Fix, |line| line.action)
            }
            ApiError::Network {
                cause: NetworkCause::Tls(_),
                ..
            }
            | ApiError::Trust(_) => Action::Admin,
            ApiError::Network { .. } | ApiError::TokenStore(_) => Action::Retry,
            ApiError::NotJson { status, .. } if is_passing(*status) => Action::Retry,
            ApiError::NotJson { .. } | ApiError::Unexpected { .. } | ApiError::Request { .. } => {
                Action::Fix
            }
        }
    }

    /// Whether the same read may be sent again soon: the platform was busy or closed the connection.
    /// Not after a timeout, which has taken long enough already.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            ApiError::Platform { .. } => self.action() == Action::Retry,
            ApiError::Network { cause, .. } => {
                matches!(
                    cause,
                    NetworkCause::Refused | NetworkCause::Unreachable(_) | NetworkCause::Closed
                )
            }
            ApiError::NotJson { status, .. } => is_passing(*status),
            ApiError::Unexpected { .. }
            | ApiError::Request { .. }
            | ApiError::Trust(_)
            | ApiError::TokenStore(_) => false,
        }
    }

    /// Whether it concerns only the people in the request, one of them or all.
    #[must_use]
    pub fn concerns_one_person(&self) -> bool {
        match self.action() {
            Action::User => true,
            // The list as such was refused.
            Action::Fix => self
                .errcode()
                .is_some_and(|errcode| errcode::LIST_REFUSED.contains(&errcode)),
            Action::Retry
            | Action::Token
            | Action::Quota
            | Action::Admin
            | Action::UploadAgain
            | Action::RestartOauth
            | Action::Wait
            | Action::Ignore => false,
        }
    }

    /// Whether a requested change may have been made nevertheless: there was no answer, or none that says so.
    /// "The platform is busy" (-1 and the like) says nothing: the platform was working on it, and does not know itself.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        self.if_unknown().is_some()
    }

    /// What an owner does about a change that may have been made; `None` if it was not, or none was requested.
    fn if_unknown(&self) -> Option<&'static str> {
        let answered = match self {
            ApiError::Network { cause, .. } => match cause {
                NetworkCause::Timeout(_) | NetworkCause::Closed | NetworkCause::Other(_) => false,
                // The request was not sent yet.
                NetworkCause::ConnectTimeout
                | NetworkCause::Dns(_)
                | NetworkCause::Tls(_)
                | NetworkCause::Unreachable(_)
                | NetworkCause::Refused => true,
            },
            // A redirect or a 404 page comes from a server that did not pass the call on.
            ApiError::NotJson { status, .. } => !is_passing(*status),
            ApiError::Unexpected { .. } => false,
            // A message with this clientmsgid may be on its way.
            ApiError::Platform { errcode, .. } if *errcode == errcode::CLIENTMSGID_TOO_SOON => {
                false
            }
            ApiError::Platform { .. } => self.action() != Action::Retry,
            ApiError::Request { .. } | ApiError::Trust(_) | ApiError::TokenStore(_) => true,
        };
        match self.called()?.effect {
            Effect::Changes { if_unknown } if !answered => Some(if_unknown),
            Effect::Changes { .. } | Effect::Reads => None,
        }
    }

    fn called(&self) -> Option<&Called> {
        match self {
            ApiError::Platform { call, .. }
            | ApiError::Network { call, .. }
            | ApiError::NotJson { call, .. }
            | ApiError::Unexpected { call, .. }
            | ApiError::Request { call, .. } => Some(call),
            ApiError::Trust(_) | ApiError::TokenStore(_) => None,
        }
    }

    /// The call that failed, as the platform's path without `/cgi-bin/`.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.called().map(|called| &*called.name)
    }

    /// The platform's number for the request, if it gave one.
    #[must_use]
    pub fn rid(&self) -> Option<&str> {
        let ApiError::Platform { rid, .. } = self else {
            return None;
        };
        rid.as_deref()
    }

    /// What an owner does about it, if that is known.
    #[must_use]
    pub fn what_to_do(&self) -> Option<String> {
        if let Some(if_unknown) = self.if_unknown() {
            return Some(if_unknown.to_owned());
        }
        let advice = match self {
            ApiError::Platform { call, errcode, .. } => {
                if let Some(address) = self.unlisted_address() {
                    return Some(format!(
                        "enter {address} in the console, under Basic configuration (基本配置), IP whitelist (IP白名单); it counts after 5 to 10 minutes"
                    ));
                }
                match errcode::find_in(&call.name, *errcode) {
                    None => "look it up in WeChat's documentation",
                    Some(line) if line.advice.is_empty() => line.action.advice(),
                    Some(line) => line.advice,
                }
            }
            ApiError::Network { cause, .. } => cause.advice()?,
            ApiError::NotJson { status, .. } if is_passing(*status) => "try again in a while",
            ApiError::NotJson { .. } => "check api.base_url",
            ApiError::Unexpected { .. }
            | ApiError::Request { .. }
            | ApiError::Trust(_)
            | ApiError::TokenStore(_) => return None,
        };
        Some(advice.to_owned())
    }

    /// The address that 40164 reports as missing in the console's IP whitelist.
    #[must_use]
    pub fn unlisted_address(&self) -> Option<&str> {
        let ApiError::Platform {
            errcode: errcode::ADDRESS_NOT_LISTED,
            errmsg,
            ..
        } = self
        else {
            return None;
        };
        let mut words = errmsg.split([' ', ',']);
        words.find(|word| word.parse::<std::net::IpAddr>().is_ok())
    }

    /// Blanks texts that must not be shown, even if the platform repeats them.
    pub(super) fn without<'a>(mut self, secrets: impl IntoIterator<Item = &'a str>) -> ApiError {
        if let ApiError::Platform { errmsg, .. } = &mut self {
            for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
                if errmsg.contains(secret) {
                    *errmsg = errmsg.replace(secret, "***");
                }
            }
        }
        self
    }
}

/// Whether a non-JSON answer of this status may be temporary: a broken 200 or any 5xx.
/// A redirect or a 404 means that something else lives at the address.
fn is_passing(status: u16) -> bool {
    (200..300).contains(&status) || status >= 500
}

/// Splits `errmsg` into the text and the `rid`; the older `hint: […]` is dropped.
fn split_errmsg(errmsg: &str) -> (String, Option<String>) {
    let is_rid = |rid: &str| {
        (1..=64).contains(&rid.len()) && rid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let (text, rid) = match errmsg.rsplit_once("rid:") {
        Some((text, rid)) if is_rid(rid.trim()) => (text, Some(rid.trim().to_owned())),
        Some(_) | None => (errmsg, None),
    };
    let text = text.rfind("hint: [").map_or(text, |at| &text[..at]);
    let text = text
        .trim()
        .chars()
        .filter(|c| !visible::is_ignorable(*c))
        .take(MAX_ERRMSG)
        .map(|c| if visible::steers(c) { ' ' } else { c })
        .collect();
    (text, rid)
}

impl From<TrustError> for ApiError {
    fn from(error: TrustError) -> ApiError {
        ApiError::Trust(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("api: ")?;
        if let Some(call) = self.called() {
            write!(f, "{call}: ")?;
        }
        match self {
            ApiError::Platform {
                call,
                errcode,
                errmsg,
                ..
            } => {
                write!(f, "errcode {errcode}")?;
                if !errmsg.is_empty() {
                    write!(f, " ({errmsg})")?;
                }
                if let Some(address) = self.unlisted_address() {
                    write!(
                        f,
                        ": this machine's address {address} is not in the IP whitelist"
                    )?;
                } else {
                    let line = errcode::find_in(&call.name, *errcode);
                    let meaning = line.map_or("this code is not known here", |line| line.meaning);
                    write!(f, ": {meaning}")?;
                }
            }
            ApiError::Network {
                cause: NetworkCause::Dns(cause),
                ..
            } => write!(f, "the name of api.base_url has no address ({cause})")?,
            ApiError::Network { cause, .. } => write!(f, "{cause}")?,
            ApiError::NotJson { status, cause, .. } => {
                write!(f, "the answer is not WeChat's: HTTP {status}, {cause}")?;
            }
            ApiError::Unexpected { cause, .. } => {
                write!(f, "the answer cannot be used: {cause}")?;
            }
            ApiError::Request { cause, .. } => write!(f, "not sent: {cause}")?,
            ApiError::Trust(error) => error.fmt(f)?,
            ApiError::TokenStore(cause) => write!(f, "the kept token: {cause}")?,
        }
        if self.may_be_done() {
            f.write_str("; it may have been done")?;
        }
        if let Some(what) = self.what_to_do() {
            write!(f, ": {what}")?;
        }
        match self.rid() {
            Some(rid) => write!(f, " (rid {rid})"),
            None => Ok(()),
        }
    }
}

impl NetworkCause {
    /// What an owner does about it.
    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            NetworkCause::Timeout(_) => {
                "WeChat is slow or out of reach; api.timeout sets the limit"
            }
            NetworkCause::ConnectTimeout | NetworkCause::Unreachable(_) => {
                "check this machine's network and firewall"
            }
            NetworkCause::Dns(_) => "check this machine's DNS",
            NetworkCause::Tls(_) => {
                "check this machine's clock and SSL_CERT_FILE, and that there is no proxy in between"
            }
            NetworkCause::Refused => "nobody listens at api.base_url",
            NetworkCause::Closed => "try again in a while",
            NetworkCause::Other(_) => return None,
        })
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rid_and_hint_are_split_from_errmsg() {
        let cases = [
            (
                "invalid openid rid: 66f0a1b2-1c2d3e4f-5a6b7c8d",
                "invalid openid",
                Some("66f0a1b2-1c2d3e4f-5a6b7c8d"),
            ),
            (
                "invalid openid hint: [SYNx0a12345678]",
                "invalid openid",
                None,
            ),
            ("invalid arid: x y", "invalid arid: x y", None),
            ("bad\u{7}text", "bad text", None),
            ("in\u{200b}valid\u{feff} ip\u{202e}", "invalid ip", None),
            ("two\u{2028}lines\u{9b}", "two lines ", None),
            (
                "in\u{ad}va\u{2063}l\u{180e}id\u{2066}\u{e0041} \u{3164}ip",
                "invalid ip",
                None,
            ),
            ("", "", None),
        ];
        for (errmsg, text, rid) in cases {
            assert_eq!(
                split_errmsg(errmsg),
                (text.to_owned(), rid.map(str::to_owned)),
                "{errmsg}"
            );
        }
    }

    #[test]
    fn an_address_missing_in_the_whitelist_is_named() {
        let error = ApiError::platform(
            "stable_token",
            40164,
            "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 66f0a1b2-1c2d3e4f-5a6b7c8d",
        );
        assert_eq!(error.unlisted_address(), Some("203.0.113.9"));
        assert_eq!(error.action(), Action::Admin);
        let text = error.to_string();
        assert!(text.contains("enter 203.0.113.9 in the console"), "{text}");
        assert!(text.ends_with("(rid 66f0a1b2-1c2d3e4f-5a6b7c8d)"), "{text}");
    }

    #[test]
    fn a_40001_of_the_token_call_is_about_the_secret() {
        assert_eq!(
            ApiError::platform("user/info", 40001, "").action(),
            Action::Token
        );
        let error = ApiError::platform("token", 40001, "invalid credential");
        assert_eq!(error.action(), Action::Fix);
        assert!(error.to_string().contains("AppSecret"), "{error}");
    }

    #[test]
    fn a_secret_that_the_platform_repeats_is_blanked() {
        let error = ApiError::platform("token", 40125, "invalid appsecret 0123abcd");
        assert!(
            !error
                .without(["", "0123abcd"])
                .to_string()
                .contains("0123abcd")
        );
    }

    #[test]
    fn only_an_unanswered_change_may_have_been_done() {
        let sends = Called {
            name: "message/custom/send".into(),
            effect: Effect::Changes { if_unknown: "look" },
        };
        let network = |call, cause| ApiError::Network { call, cause };
        let other = || "ended".to_owned();
        for cause in [
            NetworkCause::Timeout(10),
            NetworkCause::Closed,
            NetworkCause::Other(other()),
        ] {
            assert!(
                network(sends.clone(), cause.clone()).may_be_done(),
                "{cause:?}"
            );
            assert!(!network("user/get".into(), cause).may_be_done());
        }
        for cause in [
            NetworkCause::Refused,
            NetworkCause::ConnectTimeout,
            NetworkCause::Dns(other()),
            NetworkCause::Tls(other()),
            NetworkCause::Unreachable(other()),
        ] {
            assert!(
                !network(sends.clone(), cause.clone()).may_be_done(),
                "{cause:?}"
            );
        }
        let page = |status| ApiError::NotJson {
            call: sends.clone(),
            status,
            cause: "an HTML or XML page".to_owned(),
        };
        for (status, unknown) in [
            (200, true),
            (502, true),
            (504, true),
            (302, false),
            (404, false),
        ] {
            assert_eq!(page(status).may_be_done(), unknown, "{status}");
        }
        for busy in [-1, 61450, 268_487_001, 268_487_002] {
            assert!(
                ApiError::platform(sends.clone(), busy, "").may_be_done(),
                "{busy}"
            );
            assert!(!ApiError::platform("token", busy, "").may_be_done());
        }
        for refused in [45015, 99999] {
            assert!(!ApiError::platform(sends.clone(), refused, "").may_be_done());
        }
    }

    #[test]
    fn what_may_have_been_done_should_be_checked_not_repeated() {
        let cause = NetworkCause::Closed;
        let call = Called {
            name: "tags/create".into(),
            effect: Effect::Changes {
                if_unknown: "`wechatd tags list` shows it",
            },
        };
        assert_eq!(
            ApiError::Network {
                call,
                cause: cause.clone()
            }
            .to_string(),
            "api: tags/create: the connection ended before the answer did; it may have been done: `wechatd tags list` shows it"
        );
        let call = "tags/get".into();
        assert_eq!(
            ApiError::Network { call, cause }.to_string(),
            "api: tags/get: the connection ended before the answer did: try again in a while"
        );
    }

    #[test]
    fn a_refusal_of_one_person_or_of_the_list_is_no_failure_of_the_platform() {
        for (errcode, expected) in [
            (40003, true),
            (43004, true),
            (40032, true),
            (46004, true),
            (40013, false),
            (45009, false),
            (-1, false),
        ] {
            let error = ApiError::platform("user/info/batchget", errcode, "");
            assert_eq!(error.concerns_one_person(), expected, "{errcode}");
        }
    }

    #[test]
    fn an_unknown_code_is_not_worth_a_retry() {
        let error = ApiError::platform("user/info", 99999, "odd");
        assert_eq!(error.action(), Action::Fix);
        assert!(
            error
                .to_string()
                .starts_with("api: user/info: errcode 99999 (odd): "),
            "{error}"
        );
    }
}
