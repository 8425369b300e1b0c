//! Whether a visitor may pass, for reverse proxies and for scripts. Reads the store, never writes, never calls the
//! platform.

use std::borrow::Cow;

use serde_json::json;

use super::asked::Asked;
use super::pages;
use super::{Web, shown, unavailable};
use crate::app::Live;
use crate::clock;
use crate::config::Gate;
use crate::login::cookie::TokenHash;
use crate::login::gate::{HEADERS, Passage, Refusal, check};
use crate::login::return_to::ReturnTo;
use crate::percent;
use crate::server::callback::not_found;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::language;
use crate::store::{StoreError, Visitor};

/// Stands for a header's value that is absent. A proxy may leave in place what the visitor sent where ours is missing or
/// empty.
const ABSENT: &str = "-";

/// Who a request comes from: a valid session, and the person.
type Known = Option<(TokenHash, Visitor)>;

impl Web {
    /// `auth`: for proxies that make something of 200, 401 and 403 themselves, as nginx does. Query and body mean nothing.
    pub fn auth(&self, live: &Live, request: &Request) -> Response {
        let Some(gate) = self.gate(live, request, "/auth") else {
            return not_found();
        };
        match self.passage(live, request, gate) {
            Err(_) => unavailable(),
            Ok((Some(known), Passage::Pass)) => admitted(&known),
            Ok((_, Passage::Refused(_))) => forbidden(),
            Ok((_, Passage::LogIn | Passage::Pass)) => {
                let asked = Asked::of(request, &live.config.server.trusted_proxies, &self.url);
                self.unauthorized(gate, &asked.to)
            }
        }
    }

    /// `gate`: the same for proxies that pass our answers on to the browser, as Caddy and Traefik do.
    pub fn pass_gate(&self, live: &Live, request: &Request) -> Response {
        let Some(gate) = self.gate(live, request, "/gate") else {
            return not_found();
        };
        let asked = || Asked::of(request, &live.config.server.trusted_proxies, &self.url);
        match self.passage(live, request, gate) {
            Err(_) => unavailable(),
            Ok((Some(known), Passage::Pass)) => admitted(&known),
            Ok((_, Passage::Refused(refusal))) => match asked().is_page {
                true => self.refuse(request, &refusal),
                false => forbidden(),
            },
            Ok((_, Passage::LogIn | Passage::Pass)) => {
                let asked = asked();
                match asked.is_page {
                    true => Response::text(302, "log in")
                        .with("Location", self.login_url(gate, &asked.to)),
                    false => self.unauthorized(gate, &asked.to),
                }
            }
        }
    }

    /// `me`: what a script of the owner's page may know of its visitor.
    pub fn me(&self, live: &Live, request: &Request) -> Response {
        let json = |status, value: serde_json::Value| {
            Response::of_type("application/json; charset=utf-8", status, value.to_string())
        };
        match self.visitor(request, clock::unix_seconds()) {
            Err(_) => unavailable(),
            Ok(Some((_, visitor))) => json(
                200,
                json!({
                    "openid": visitor.openid,
                    "subscribed": visitor.subscribed,
                    "nickname": visitor.nickname,
                    "headimgurl": visitor.headimgurl,
                    "unionid": visitor.unionid,
                    "tags": visitor.tags,
                    "method": visitor.method,
                    "since": visitor.created_at,
                    "expires": visitor.expires_at,
                }),
            ),
            Ok(None) => {
                let Some(gate) = live.config.gates.first() else {
                    return not_found();
                };
                // The page of the script: it is of our origin, or it is no way back.
                let page = request.header("Referer").unwrap_or_default();
                let login = self.login_url(gate, &ReturnTo::new(page, &self.url));
                json(401, json!({ "error": "not_logged_in", "login": login }))
            }
        }
    }

    /// Whose session the request's cookie is.
    pub fn visitor(&self, request: &Request, now: i64) -> Result<Known, StoreError> {
        let Some(token) = self.cookies.session(request.header("Cookie")) else {
            return Ok(None);
        };
        let visitor = self
            .app
            .store
            .read(|reader| reader.visitor(&token.0, now))?;
        if let Some(visitor) = &visitor {
            self.app.seen.note(visitor.id, now);
        }
        Ok(visitor.map(|visitor| (token, visitor)))
    }

    /// Who asks, and what becomes of them at this gate.
    pub fn passage(
        &self,
        live: &Live,
        request: &Request,
        gate: &Gate,
    ) -> Result<(Known, Passage), StoreError> {
        let now = clock::unix_seconds();
        let known = self.visitor(request, now)?;
        let visitor = known.as_ref().map(|(_, visitor)| visitor);
        let passage = check(gate, &live.config.login, visitor, now);
        Ok((known, passage))
    }

    /// The page for a person whom a gate does not admit.
    pub fn refuse(&self, request: &Request, refusal: &Refusal) -> Response {
        let language = language::of(request);
        let follow = self.follow_code.known();
        shown(pages::refused(language, refusal, follow.as_deref()))
    }

    fn unauthorized(&self, gate: &Gate, to: &ReturnTo) -> Response {
        Response::text(401, "not logged in").with("X-WeChat-Login", self.login_url(gate, to))
    }
}

fn forbidden() -> Response {
    Response::text(403, "not admitted")
}

/// 200 with who it is. All of these headers, always, and none of them empty.
fn admitted((token, visitor): &(TokenHash, Visitor)) -> Response {
    let openid = plain(Some(&visitor.openid));
    let nickname = visitor.nickname.as_deref().filter(|name| !name.is_empty());
    let values: [Cow<'static, str>; HEADERS.len()] = [
        openid.clone(),
        openid,
        if visitor.subscribed { "1" } else { "0" }.into(),
        plain(visitor.unionid.as_deref()),
        nickname.map_or(ABSENT.into(), |name| percent::encode(name).into()),
        plain(Some(&visitor.method)),
        token.mark().into(),
    ];
    let headers = HEADERS.into_iter().zip(values);
    headers.fold(Response::text(200, "ok"), |response, (name, value)| {
        response.with(name, value)
    })
}

/// A value as it is. What could end a header is percent-encoded: the platform's ids have nothing of it.
fn plain(text: Option<&str>) -> Cow<'static, str> {
    match text.filter(|text| !text.is_empty()) {
        None => ABSENT.into(),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => text.to_owned().into(),
        Some(text) => percent::encode(text).into(),
    }
}
