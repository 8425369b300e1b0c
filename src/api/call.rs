//! One call as data: its address, its query and body, and whether it may be repeated.

use std::borrow::Cow;

use serde::Serialize;

use super::called::{Called, Effect};
use super::error::ApiError;

/// A call to be made by [`Client::call`](super::Client::call). It has no `Debug`, because its query
/// may hold secrets.
pub(super) struct Call {
    /// For errors and logs, and whether it may be sent again.
    pub(super) called: Called,
    /// The path on the platform, from the slash on.
    pub(super) path: Cow<'static, str>,
    /// The platform's host for it.
    pub(super) host: Host,
    /// The query without the access_token, values not yet percent-encoded.
    pub(super) query: Vec<(Cow<'static, str>, String)>,
    /// The body of a POST; `None`: it is a GET.
    pub(super) body: Option<Body>,
    /// Whether it is sent with the access_token.
    pub(super) with_token: bool,
    /// Error codes that this call's answer type handles itself.
    pub(super) accepted: &'static [i64],
    /// Whether it carries a file, which takes longer.
    pub(super) bulky: bool,
}

/// The platform's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The host of `api.base_url`.
    Api,
    /// The host of pages and pictures, `mp.weixin.qq.com`.
    Pages,
}

/// Query parameters whose values must not be shown, even if the platform repeats them.
const SECRET: [&str; 6] = [
    "access_token",
    "appsecret",
    "code",
    "refresh_token",
    "secret",
    "ticket",
];

/// What errors and logs call the call of this path.
fn name_of(path: &str) -> &str {
    path.strip_prefix("/cgi-bin/")
        .unwrap_or(path.trim_start_matches('/'))
}

/// A request body and its content type.
pub(super) struct Body {
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
}

impl Call {
    /// A call that changes nothing: it is repeated with pauses if the platform fails.
    pub(super) fn read(path: &'static str) -> Call {
        Call::to(path.into(), Called::from(name_of(path)))
    }

    /// A call whose path and effect come from the owner.
    pub(super) fn raw(path: &str, effect: Effect) -> Call {
        let called = Called {
            name: name_of(path).to_owned().into(),
            effect,
        };
        Call::to(path.to_owned().into(), called)
    }

    fn to(path: Cow<'static, str>, called: Called) -> Call {
        Call {
            called,
            path,
            host: Host::Api,
            query: Vec::new(),
            body: None,
            with_token: true,
            accepted: &[],
            bulky: false,
        }
    }

    /// A call that changes or sends something: it is sent once. (Only after a refused
    /// access_token, with which the platform has done nothing yet, it is sent again.) `if_unknown` is what an owner
    /// reads after "it may have been done: " when no answer came.
    pub(super) fn change(path: &'static str, if_unknown: &'static str) -> Call {
        let mut call = Call::read(path);
        call.called.effect = Effect::Changes { if_unknown };
        call
    }

    /// Whether it may be sent again when its outcome is unknown.
    pub(super) fn is_repeatable(&self) -> bool {
        self.called.effect == Effect::Reads
    }

    /// Adds a query parameter.
    pub(super) fn query(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Call {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Makes it a POST with a JSON body, in raw UTF-8.
    pub(super) fn json(self, body: &impl Serialize) -> Result<Call, ApiError> {
        match serde_json::to_vec(body) {
            Ok(bytes) => Ok(self.json_bytes(bytes)),
            Err(_) => Err(self.refused("the request cannot be written as JSON")),
        }
    }

    /// Makes it a POST with a JSON body that is written already.
    pub(super) fn json_bytes(self, bytes: Vec<u8>) -> Call {
        self.body(Body {
            content_type: "application/json; charset=utf-8".to_owned(),
            bytes,
        })
    }

    /// Makes it a POST with this body.
    pub(super) fn body(mut self, body: Body) -> Call {
        self.body = Some(body);
        self
    }

    /// Sends it without an access_token.
    pub(super) fn without_token(mut self) -> Call {
        self.with_token = false;
        self
    }

    /// Sends it to the host of pages and pictures.
    pub(super) fn at_pages(mut self) -> Call {
        self.host = Host::Pages;
        self
    }

    /// The values of the query that must not be shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let query = self.query.iter();
        query
            .filter(|(name, _)| SECRET.contains(&&**name))
            .map(|(_, value)| value.as_str())
    }

    /// Passes these error codes on to the answer type instead of failing.
    pub(super) fn accepting(mut self, errcodes: &'static [i64]) -> Call {
        self.accepted = errcodes;
        self
    }

    /// Allows the longer time that files take.
    pub(super) fn bulky(mut self) -> Call {
        self.bulky = true;
        self
    }

    /// The error for a request that cannot be right and so is not sent.
    pub(super) fn refused(&self, cause: impl Into<String>) -> ApiError {
        ApiError::Request {
            call: self.called.clone(),
            cause: cause.into(),
        }
    }
}
