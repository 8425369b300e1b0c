//! A request of somebody who is signed in.

use maud::Markup;
use subtle::ConstantTimeEq;

use super::Answer;
use super::asked::Asked;
use crate::clock;
use crate::login::cookie::SessionToken;
use crate::page::failure::{self, Failure};
use crate::page::{Frame, SignedIn};
use crate::server::http::response::Response;
use crate::store::{AdminSession, InboxMark, StoreError};

/// How long a use is not noted after another one, in seconds.
const NOTED: i64 = 300;

/// A request of somebody who is signed in.
#[derive(Debug)]
pub struct Visit<'a> {
    pub asked: Asked<'a>,
    pub session: AdminSession,
    /// When the request came, Unix seconds.
    pub now: i64,
    cookie: SessionToken,
    form_token: String,
    newest: InboxMark,
}

/// Whose cookie the request has. One who signed in with WeChat must be an owner still.
pub fn of(asked: Asked<'_>) -> Result<Option<Visit<'_>>, StoreError> {
    let now = clock::unix_seconds();
    let Some(cookie) = asked.admin.cookies.token(asked.request.header("Cookie")) else {
        return Ok(None);
    };
    let config = &asked.live.config.admin;
    let since = now.saturating_sub_unsigned(config.session.as_secs());
    let read = asked.admin.app.store.read(|reader| {
        let session = reader.admin_session(&cookie.hash().0, since)?;
        Ok(session.zip(Some(reader.inbox_mark()?)))
    });
    let Some((session, newest)) = read? else {
        return Ok(None);
    };
    let is_owner = |openid: &String| config.owners.contains(openid);
    Ok(session.openid.as_ref().is_none_or(is_owner).then(|| Visit {
        asked,
        session,
        now,
        form_token: cookie.form_token(),
        cookie,
        newest,
    }))
}

impl Visit<'_> {
    /// Whether a form carries the token of this session.
    pub fn is_own_form(&self) -> bool {
        let sent = self.asked.field("token");
        sent.as_bytes().ct_eq(self.form_token.as_bytes()).into()
    }

    /// The frame of a page.
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            signed_in: Some(SignedIn {
                name: &self.session.name,
                token: &self.form_token,
                newest: self.newest,
            }),
            ..self.asked.frame()
        }
    }

    /// A page.
    pub fn html(&self, page: Markup) -> Answer {
        Ok(self.asked.html(200, page))
    }

    /// A page that says what does not work.
    pub fn failed(&self, status: u16, failure: Failure<'_>) -> Response {
        self.asked
            .html(status, failure::page(&self.frame(), failure))
    }

    /// Prolongs the sign-in, now and then: nothing is written for most pages.
    pub fn used(&self, response: Response) -> Answer {
        if self.now - self.session.seen_at < NOTED || response.says("Set-Cookie") {
            return Ok(response);
        }
        let admin = self.asked.admin;
        admin
            .app
            .store
            .admin_session_seen(self.session.id, self.now);
        let lasts = self.asked.live.config.admin.session;
        let cookie = admin.cookies.set_session(&self.cookie, lasts);
        Ok(response.with("Set-Cookie", cookie))
    }
}
