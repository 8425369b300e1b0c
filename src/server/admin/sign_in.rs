//! Signing in with a link or by the log-in of web pages, and signing out.

use super::Answer;
use super::TRIES;
use super::asked::Asked;
use super::visit::Visit;
use crate::clock;
use crate::config::WebUrl;
use crate::login::cookie::{Cookies, SessionToken, TokenHash};
use crate::login::return_to::ReturnTo;
use crate::page::failure::Failure;
use crate::page::login::{self, WithWeChat};
use crate::page::person::called;
use crate::server::http::client::ClientAddress;
use crate::server::http::response::Response;
use crate::store::{AdminEnding, AdminProof, NewAdminSession, StoreError};
use crate::visible::Visible;

/// `GET /login`
pub fn offer(asked: &Asked<'_>) -> Answer {
    let owner = owner(asked)?;
    let address = log_in_address(asked);
    let with_wechat = match (&owner, &address) {
        (Some((_, name)), _) => WithWeChat::As(name),
        (None, Some(address)) => WithWeChat::LogIn(address),
        (None, None) => WithWeChat::No,
    };
    Ok(asked.html(200, login::page(&asked.frame(), with_wechat)))
}

/// `GET /login/KEY`: the same for every key. What opens links to look at them uses nothing up and learns nothing.
pub fn confirm(asked: &Asked<'_>) -> Answer {
    Ok(asked.html(200, login::confirm(&asked.frame())))
}

/// `POST /login/KEY`
pub fn with_key(asked: &Asked<'_>) -> Answer {
    let admin = asked.admin;
    if !admin.tries.has_left(asked.from, TRIES) {
        let page = login::too_many(&asked.frame());
        return Ok(asked.html(429, page).with("Retry-After", "60"));
    }
    let key = TokenHash::of(&asked.last_part());
    match begin(asked, AdminProof::Key(key.0))? {
        Some(response) => Ok(response),
        None => {
            admin.tries.admits(asked.from, TRIES);
            log::warn!(
                "operator page: {} tried to sign in with a link that does not work",
                asked.from
            );
            Ok(asked.html(410, login::gone(&asked.frame())))
        }
    }
}

/// `POST /login`: somebody who is logged in on the web pages, and an owner.
pub fn with_wechat(asked: &Asked<'_>) -> Answer {
    let signed_in = match owner(asked)? {
        Some((openid, name)) => begin(asked, AdminProof::Owner { openid, name })?,
        None => None,
    };
    Ok(signed_in.unwrap_or_else(|| asked.failed(403, Failure::OldForm)))
}

/// `POST /logout`
pub fn sign_out(visit: &Visit<'_>) -> Answer {
    let admin = visit.asked.admin;
    let which = AdminEnding::One(visit.session.id);
    admin.app.store.end_admin_sessions(which)?;
    let response = visit.asked.go_to("/login");
    Ok(response.with("Set-Cookie", admin.cookies.clear_session()))
}

/// Signs the browser in, always with a session of its own; `None`: the proof is not good.
fn begin(asked: &Asked<'_>, proof: AdminProof) -> Result<Option<Response>, StoreError> {
    let admin = asked.admin;
    let token = match SessionToken::random() {
        Ok(token) => token,
        Err(error) => return Ok(Some(Response::text(503, error.to_string()))),
    };
    let cookie = asked.request.header("Cookie");
    let session = NewAdminSession {
        token_hash: token.hash().0,
        proof,
        now: clock::unix_seconds(),
        address: match asked.from {
            ClientAddress::Ip(address) => Some(address.to_string()),
            ClientAddress::Local | ClientAddress::Unknown => None,
        },
        replaces: admin.cookies.session(cookie).map(|hash| hash.0),
    };
    let name = admin.app.store.begin_admin_session(session)?;
    Ok(name.map(|name| {
        log::info!(
            "operator page: {} signed in from {}",
            Visible(&name),
            asked.from
        );
        let lasts = asked.live.config.admin.session;
        let cookie = admin.cookies.set_session(&token, lasts);
        asked.go_to("/").with("Set-Cookie", cookie)
    }))
}

/// The owner who is logged in on the web pages with this browser: openid and name.
fn owner(asked: &Asked<'_>) -> Result<Option<(String, String)>, StoreError> {
    let Some(url) = web_url(asked) else {
        return Ok(None);
    };
    let cookie = asked.request.header("Cookie");
    let Some(token) = Cookies::of(url).session(cookie) else {
        return Ok(None);
    };
    let store = &asked.admin.app.store;
    let found = store.read(|reader| {
        let visitor = reader.visitor(&token.0, clock::unix_seconds())?;
        let Some(openid) = visitor.map(|visitor| visitor.openid) else {
            return Ok(None);
        };
        let follower = reader.follower(&openid)?;
        Ok(Some((openid, follower)))
    })?;
    let owners = &asked.live.config.admin.owners;
    Ok(found
        .filter(|(openid, _)| owners.contains(openid))
        .map(|(openid, follower)| {
            let (remark, nickname) =
                follower.map_or((None, None), |row| (row.remark, row.nickname));
            let name = called(remark.as_deref(), nickname.as_deref(), &openid);
            (openid, name)
        }))
}

/// `web.url`, where the cookie of its pages reaches this one: both are of the same origin, and there are owners.
fn web_url<'a>(asked: &Asked<'a>) -> Option<&'a WebUrl> {
    let config = &asked.live.config;
    let own = asked.admin.url.as_ref()?;
    let url = config.web.url.as_ref()?;
    (!config.admin.owners.is_empty() && own.origin.origin == url.origin).then_some(url)
}

/// Where an owner logs in on the web pages and comes back from.
fn log_in_address(asked: &Asked<'_>) -> Option<String> {
    let url = web_url(asked)?;
    let (path, base) = (&asked.live.config.web.path, asked.admin.base());
    let to = ReturnTo::new(&format!("{base}/login"), url);
    Some(format!("{url}{path}/login?to={}", to.encoded()))
}
