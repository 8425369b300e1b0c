//! The log-in page, and the way to WeChat's own log-in for browsers inside WeChat.

use super::pages::{self, Offer};
use super::recent::TIMES;
use super::{Web, shown, unavailable};
use crate::api::Client;
use crate::api::login::{Scope, authorize_url};
use crate::app::Live;
use crate::clock;
use crate::config::{Gate, Method};
use crate::login::gate::Passage;
use crate::login::return_to::ReturnTo;
use crate::server::callback::not_found;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::language;

impl Web {
    /// `login`: lets through who is logged in, and logs in who is not.
    pub fn login(&self, live: &Live, request: &Request) -> Response {
        let Some(gate) = self.gate(live, request, "/login") else {
            return not_found();
        };
        let to = ReturnTo::of_query(request.path_and_query().1, &self.url);
        let language = language::of(request);
        match self.passage(live, request, gate) {
            Err(_) => unavailable(),
            Ok((Some((token, _)), Passage::Pass)) => {
                if self.let_through.note(token) >= TIMES {
                    return self.unseen(request, gate, &to);
                }
                Response::text(303, "logged in").with("Location", to.location(&self.url))
            }
            Ok((_, Passage::Refused(refusal))) => self.refuse(request, &refusal),
            Ok((_, Passage::LogIn | Passage::Pass)) => {
                let offers_oauth = self.offers_oauth(live, gate);
                if is_wechat(request) && offers_oauth {
                    return self.begin(request, gate, &to);
                }
                let address = self.login_url(gate, &to);
                let in_wechat = offers_oauth.then_some(address.as_str());
                let action = format!("{}/scan", self.path);
                let form = format!("gate={}&to={}", gate.name, to.encoded());
                let offer = match (self.offers_scan(live, gate), in_wechat) {
                    (true, in_wechat) => Offer::Scan {
                        action: &action,
                        form: &form,
                        in_wechat,
                    },
                    (false, Some(address)) => Offer::InWeChat(address),
                    (false, None) => Offer::Nothing,
                };
                shown(pages::log_in(language, &self.url.host, &offer))
            }
        }
    }

    /// Whether WeChat's own log-in is a way through this gate.
    fn offers_oauth(&self, live: &Live, gate: &Gate) -> bool {
        let methods = gate.methods.unwrap_or(live.config.login.methods);
        methods.include(Method::OAuth) && self.app.api.is_some()
    }

    /// Begins a log-in, unless this browser has just been through one to no avail.
    fn begin(&self, request: &Request, gate: &Gate, to: &ReturnTo) -> Response {
        let cookie = request.header("Cookie");
        if let Some(flow) = self.cookies.flow(cookie) {
            let flow = flow.digest().0;
            let has_lost_session =
                self.cookies.session(cookie).is_none() && self.logged_in.has(&flow);
            if self.begun.note(flow) >= TIMES || has_lost_session {
                return self.unseen(request, gate, to);
            }
        }
        self.to_wechat(request, to, 0)
    }

    /// Sends the browser to WeChat, from where it comes to `back`. `attempt` is how often this log-in was begun before.
    pub fn to_wechat(&self, request: &Request, to: &ReturnTo, attempt: u8) -> Response {
        let Ok(flow) = self.flow(request) else {
            return unavailable();
        };
        let state = self
            .state_key
            .issue(flow.digest(), to, attempt, clock::unix_seconds());
        let back = format!("{}{}/back?to={}", self.url, self.path, to.encoded());
        let app_id = self.app.api.as_ref().map_or("", Client::app_id);
        match authorize_url(app_id, &back, Scope::Base, &state) {
            Ok(address) => Response::text(302, "log in")
                .with("Location", address)
                .with("Set-Cookie", self.cookies.set_flow(&flow)),
            Err(error) => {
                log::error!("web: {error}");
                unavailable()
            }
        }
    }

    fn unseen(&self, request: &Request, gate: &Gate, to: &ReturnTo) -> Response {
        shown(pages::unseen(
            language::of(request),
            self.cookies.session_name(),
            &self.url.origin,
            &self.login_url(gate, to),
        ))
    }
}

fn is_wechat(request: &Request) -> bool {
    request
        .header("User-Agent")
        .is_some_and(|agent| agent.contains("MicroMessenger"))
}
