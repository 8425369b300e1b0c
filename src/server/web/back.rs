//! The way back from WeChat's own log-in: the code is exchanged, and the browser gets its session.

use super::pages::{self, Person, Trouble};
use super::{Web, shown};
use crate::app::Live;
use crate::clock;
use crate::config::Method;
use crate::login::exchange::{Browser, Learned, Person as Known, looks};
use crate::login::return_to::ReturnTo;
use crate::percent;
use crate::server::form::value;
use crate::server::http::client::ClientAddress;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::language;

/// How often a log-in is begun again without asking.
const MOST_ATTEMPTS: u8 = 2;

/// What a browser brings, in the query or in the form of the button.
struct Brought<'a> {
    form: &'a str,
    /// The person has pressed the button.
    is_confirmed: bool,
}

impl Web {
    /// `back`: the browser comes from WeChat. Calls the platform and writes.
    pub fn back(&self, live: &Live, request: &Request) -> Response {
        let (_, form) = request.path_and_query();
        let is_confirmed = false;
        self.come_back(live, request, &Brought { form, is_confirmed })
    }

    /// The button of a page of `back`.
    pub fn confirm_back(&self, live: &Live, request: &Request) -> Response {
        let form = str::from_utf8(&request.body).unwrap_or_default();
        let is_confirmed = true;
        self.come_back(live, request, &Brought { form, is_confirmed })
    }

    fn come_back(&self, live: &Live, request: &Request, brought: &Brought<'_>) -> Response {
        let to = ReturnTo::of_value(value(brought.form, "to"), &self.url);
        let state = value(brought.form, "state");
        let begin_again = |status, trouble| self.begin_again(live, request, &to, status, trouble);
        let now = clock::unix_seconds();
        // Before anything else: the platform is asked about no code that did not come from a log-in of ours.
        let Ok(checked) = self.state_key.check(state, &to, now) else {
            return begin_again(400, Trouble::NotInTime);
        };
        let Some(code) = percent::decode(value(brought.form, "code")) else {
            return begin_again(400, Trouble::NotInTime);
        };
        // Without a code the person has refused.
        let (Some(api), false) = (&self.app.api, code.is_empty()) else {
            return begin_again(200, Trouble::NotInTime);
        };
        let flow = self.cookies.flow(request.header("Cookie"));
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        let agent = request.header("User-Agent").unwrap_or_default();
        let browser = Browser {
            flow: checked.flow,
            has_cookie: flow.is_some_and(|flow| checked.began_in(&flow)),
            looks: looks(&from.to_string(), agent),
        };
        let learned = self
            .exchange
            .learn(&code, browser, || api.sns_access_token(&code));
        match learned {
            Learned::Person(known) if known.is_snapshot => {
                shown(pages::snapshot(language::of(request)))
            }
            Learned::Person(known) if browser.has_cookie || brought.is_confirmed => {
                self.log_in(live, request, &known, browser, &to)
            }
            Learned::Person(known) => self.ask(request, &known, &code, state, &to),
            Learned::StartAgain if browser.has_cookie && checked.attempt < MOST_ATTEMPTS => {
                self.to_wechat(request, &to, checked.attempt + 1)
            }
            Learned::StartAgain => begin_again(200, Trouble::NotInTime),
            Learned::Failed(error) => {
                log::warn!("web: nobody can be logged in: {error}");
                begin_again(503, Trouble::NoAnswer)
            }
            Learned::Busy => begin_again(503, Trouble::NoAnswer),
        }
    }

    /// Logs the browser in.
    fn log_in(
        &self,
        live: &Live,
        request: &Request,
        known: &Known,
        browser: Browser,
        to: &ReturnTo,
    ) -> Response {
        let Known {
            openid, unionid, ..
        } = known.clone();
        let begun = self.begin_session(live, request, openid, unionid, Method::OAuth, None);
        let Ok(cookie) = begun else {
            return self.begin_again(live, request, to, 503, Trouble::NoAnswer);
        };
        self.prepare_follow_code(&known.openid);
        self.logged_in.note(browser.flow.0);
        Response::text(303, "logged in")
            .with("Location", to.location(&self.url))
            .with("Set-Cookie", cookie)
    }

    /// Asks a browser without the cookie of the log-in: the log-in may have begun in another, whose owner wants this
    /// person to act under a foreign name.
    fn ask(
        &self,
        request: &Request,
        known: &Known,
        code: &str,
        state: &str,
        to: &ReturnTo,
    ) -> Response {
        let follower = self.app.store.read(|reader| reader.follower(&known.openid));
        // A page without the name would be pressed blindly.
        let Ok(follower) = follower else {
            return super::unavailable();
        };
        let person = Person {
            name: follower
                .as_ref()
                .and_then(|follower| follower.nickname.as_deref()),
            since: follower
                .as_ref()
                .and_then(|follower| follower.subscribed.split(' ').next()),
        };
        let action = format!("{}/back", self.path);
        let fields = [("code", code), ("state", state), ("to", to.path())];
        let language = language::of(request);
        shown(pages::confirm(language, &person, &action, &fields))
    }

    fn begin_again(
        &self,
        live: &Live,
        request: &Request,
        to: &ReturnTo,
        status: u16,
        trouble: Trouble,
    ) -> Response {
        let again = match live.config.gates.first() {
            Some(gate) => self.login_url(gate, to),
            None => to.location(&self.url),
        };
        let language = language::of(request);
        shown(pages::start_again(language, status, trouble, &again))
    }
}
