//! The cookies of a browser: its session after a log-in, and the flow of a log-in under way.

use super::Web;
use crate::app::Live;
use crate::clock;
use crate::config::Method;
use crate::login::cookie::{Flow, SessionToken};
use crate::random::NoRandomNumbers;
use crate::server::http::client::ClientAddress;
use crate::server::http::request::Request;
use crate::store::NewSession;
use crate::visible::Visible;

/// Why a browser is not logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSession {
    /// The log-in by code is not approved any more.
    NotApproved,
    /// It cannot be done now.
    Unavailable,
}

impl Web {
    /// Logs the browser in, always with a session of its own. The value of `Set-Cookie`. The commit completes the log-in
    /// by code that is this `row`, if it is one.
    pub fn begin_session(
        &self,
        live: &Live,
        request: &Request,
        openid: String,
        unionid: Option<String>,
        method: Method,
        row: Option<&str>,
    ) -> Result<String, NoSession> {
        let token = SessionToken::random().map_err(|_| NoSession::Unavailable)?;
        let (now, lives) = (clock::unix_seconds(), live.config.login.session);
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        let line = format!("web: {} logged in from {from}", Visible(&openid));
        let session = NewSession {
            token_hash: token.hash().0,
            openid,
            unionid,
            method: method.name().to_owned(),
            created_at: now,
            expires_at: now.saturating_add_unsigned(lives.as_secs()),
            address: match from {
                ClientAddress::Ip(address) => Some(address.to_string()),
                ClientAddress::Local | ClientAddress::Unknown => None,
            },
            agent: request.header("User-Agent").map(str::to_owned),
        };
        let replaces = self.cookies.session(request.header("Cookie"));
        let replaces = replaces.map(|token| token.0);
        let store = &self.app.store;
        let begun = match row {
            None => store.begin_session(session, replaces).map(|()| true),
            Some(id) => store.complete_log_in(id, session, replaces),
        };
        match begun {
            Ok(true) => {
                log::info!("{line}");
                Ok(self.cookies.set_session(&token, lives))
            }
            Ok(false) => Err(NoSession::NotApproved),
            Err(error) => {
                log::warn!("web: nobody can be logged in: {error}");
                Err(NoSession::Unavailable)
            }
        }
    }

    /// The flow cookie of a browser, or a new one.
    pub fn flow(&self, request: &Request) -> Result<Flow, NoRandomNumbers> {
        let flow = self.cookies.flow(request.header("Cookie"));
        flow.map_or_else(Flow::random, Ok)
    }
}
