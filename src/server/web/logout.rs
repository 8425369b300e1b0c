//! Logging out.

use super::pages;
use super::{Web, shown, unavailable};
use crate::login::return_to::ReturnTo;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::language;

impl Web {
    /// A page with the button: a link or a picture on another page must not log anybody out.
    pub fn ask_log_out(&self, request: &Request) -> Response {
        let to = ReturnTo::of_query(request.path_and_query().1, &self.url);
        let action = format!("{}/logout?to={}", self.path, to.encoded());
        shown(pages::log_out(language::of(request), &action))
    }

    /// Ends the session of this browser. Writes.
    pub fn log_out(&self, request: &Request) -> Response {
        let cookie = request.header("Cookie");
        if let Some(token) = self.cookies.session(cookie)
            && let Err(error) = self.app.store.end_session(token.0)
        {
            log::warn!("web: a session cannot be ended: {error}");
            return unavailable();
        }
        if let Some(flow) = self.cookies.flow(cookie) {
            // The next log-in is no circle.
            self.logged_in.forget(&flow.digest().0);
            self.begun.forget(&flow.digest().0);
        }
        let to = ReturnTo::of_query(request.path_and_query().1, &self.url);
        Response::text(303, "logged out")
            .with("Location", to.location(&self.url))
            .with("Set-Cookie", self.cookies.clear_session())
            // The way back of the log-in may still be good, and is one step back in the browser.
            .with("Set-Cookie", self.cookies.clear_flow())
    }
}
