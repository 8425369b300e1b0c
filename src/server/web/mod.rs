//! Log-in for the owner's own pages: endpoints for reverse proxies and scripts, and pages for people.
//!
//! There is all of this only with `web.url`. What a visitor may do is decided in [`login`](crate::login); here are HTTP
//! and HTML. Of several nodes with one store each counts for itself what an address may do, wrong codes, and rounds in
//! circles; sessions and log-ins under way are those of all.

mod asked;
mod back;
mod check;
mod follow;
mod headers;
mod jsapi;
mod login;
mod logout;
mod own;
mod pages;
mod pictures;
mod recent;
mod scan;
mod session;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::callback::Refused;
use super::http::client::ClientAddress;
use super::http::request::Request;
use super::http::response::Response;
use crate::app::{App, AppError, Live};
use crate::config::{Gate, WebUrl};
use crate::login::cookie::{Cookies, TokenHash};
use crate::login::exchange::Exchange;
use crate::login::return_to::ReturnTo;
use crate::login::state::StateKey;
use crate::server::rate::{Pace, Rate};
use follow::FollowCode;
use pages::Page;
use recent::Recent;
pub use verify::verify_file;

/// Requests that may come at once, in seconds' worth of them.
const BURST: u32 = 10;

/// What the handlers of the web part share.
#[derive(Debug)]
pub struct Web {
    app: Arc<App>,
    /// How browsers reach this server, as when it started.
    url: WebUrl,
    /// The prefix of the routes, as when it started.
    path: String,
    cookies: Cookies,
    state_key: StateKey,
    rate: Rate,
    /// Sessions that came to log in although they need not.
    let_through: Recent<TokenHash>,
    /// Browsers that began a log-in inside WeChat.
    begun: Recent<[u8; 16]>,
    /// Browsers that completed one.
    logged_in: Recent<[u8; 16]>,
    exchange: Exchange,
    follow_code: FollowCode,
}

impl Web {
    /// `None` without `web.url`.
    ///
    /// # Errors
    /// When the store gives no key for what is signed.
    pub fn new(app: &Arc<App>) -> Result<Option<Web>, AppError> {
        let config = &app.live().config.web;
        let Some(url) = config.url.clone() else {
            return Ok(None);
        };
        Ok(Some(Web {
            app: Arc::clone(app),
            cookies: Cookies::of(&url),
            url,
            path: config.path.clone(),
            state_key: StateKey::of(&app.store)?,
            rate: Rate::new(),
            let_through: Recent::new(),
            begun: Recent::new(),
            logged_in: Recent::new(),
            exchange: Exchange::of(&app.store),
            follow_code: FollowCode::default(),
        }))
    }

    /// Whether a path is the prefix or below it.
    pub fn owns(&self, path: &str) -> bool {
        self.below(path)
            .is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// What follows the prefix in the path of a request, if it begins with it.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.path.as_str())
    }

    /// Whether this address may make one more request now.
    pub fn admit(&self, live: &Live, from: ClientAddress) -> Result<(), Refused> {
        let rate = live.config.web.rate.max(1);
        let pace = Pace {
            every: Duration::from_secs(1) / rate,
            burst: rate.saturating_mul(BURST),
        };
        match self.rate.admits(from, pace) {
            true => Ok(()),
            false => Err(Refused::TooMany),
        }
    }

    /// Whether a form comes from one of our own pages.
    pub fn admit_form(&self, request: &Request) -> Result<(), Refused> {
        match own::is_own(request, &self.url) {
            true => Ok(()),
            false => Err(Refused::ForeignForm),
        }
    }

    /// The gate that the path of a request names behind `route`, or the first one where it names none.
    fn gate<'a>(&self, live: &'a Live, request: &Request, route: &str) -> Option<&'a Gate> {
        let (path, _) = request.path_and_query();
        let name = self.below(path)?.strip_prefix(route)?;
        let mut gates = live.config.gates.iter();
        match name.strip_prefix('/') {
            None => gates.next(),
            Some(name) => gates.find(|gate| gate.name == name),
        }
    }

    /// Where a person logs in for this gate, and comes back from there.
    fn login_url(&self, gate: &Gate, to: &ReturnTo) -> String {
        let (url, path, gate) = (&self.url, &self.path, &gate.name);
        format!("{url}{path}/login/{gate}?to={}", to.encoded())
    }
}

/// A page, or 503 where it cannot be made.
fn shown(page: Page) -> Response {
    page.unwrap_or_else(|_| unavailable())
}

/// The store cannot be used, or the system gives no random numbers.
fn unavailable() -> Response {
    Response::text(503, "unavailable").with("Retry-After", "1")
}
