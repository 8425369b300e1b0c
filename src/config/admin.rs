//! Sections `[admin]` and `[watch]` of the configuration: where the operator's page is, and what is trouble.

use std::fmt;
use std::time::Duration;

use super::listen::Listen;
use super::secret_url::SecretUrl;
use super::value::{self, Parsed, Value};
use super::web::{self, WebUrl};

/// Section `[admin]`.
#[derive(Debug, Clone, Default)]
pub struct Admin {
    /// Where the operator's page is served; `None`: nowhere.
    pub listen: Option<Listen>,
    /// How browsers reach it; `None`: by a loopback name only.
    pub url: Option<AdminUrl>,
    /// How long a sign-in lasts without use.
    pub session: Duration,
    /// The openids that may sign in with their own WeChat.
    pub owners: Vec<String>,
    /// Whether `GET /metrics` is answered to loopback peers.
    pub metrics: bool,
}

/// How browsers reach the operator's page, such as `https://example.com/admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUrl {
    /// Scheme, host and port.
    pub origin: WebUrl,
    /// Begins with a slash and does not end with one; empty: the root.
    pub path: String,
}

/// Section `[watch]`.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Fetched every 5 minutes while the store takes writes.
    pub heartbeat: Option<SecretUrl>,
    /// The room beside the store below which there is trouble, in bytes.
    pub disk: usize,
}

impl Admin {
    /// What is wrong with where the page listens, if anything.
    pub(super) fn conflict(&self, server: &Listen) -> Option<String> {
        let listen = self.listen.as_ref()?;
        let is_chosen_by_the_system = matches!(listen, Listen::Tcp(address) if address.port() == 0);
        if listen == server && !is_chosen_by_the_system {
            return Some(format!(
                "{listen} is the address of server.listen; choose another one"
            ));
        }
        let Listen::Tcp(address) = listen else {
            return None;
        };
        let is_https = self.url.as_ref().is_some_and(|url| url.origin.is_https);
        (!address.ip().is_loopback() && !is_https).then(|| {
            format!(
                "other machines can reach {address}: set admin.url to the https:// address of a proxy in front of it, or listen on 127.0.0.1"
            )
        })
    }
}

impl AdminUrl {
    /// # Errors
    /// Says what is wrong.
    fn parse(text: &str) -> Parsed<AdminUrl> {
        let host = text.find("://").map_or(0, |at| at + 3);
        let end = text[host..].find('/').map_or(text.len(), |at| host + at);
        let (origin, path) = text.split_at(end);
        Ok(AdminUrl {
            origin: WebUrl::parse(origin)?,
            path: match path {
                "" | "/" => String::new(),
                path => web::prefix(path)?,
            },
        })
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// The value of `admin.listen`.
pub(super) fn listen(value: &Value) -> Parsed<Option<Listen>> {
    match value::string(value)?.as_str() {
        "off" => Ok(None),
        text => match text.parse() {
            Ok(listen) => Ok(Some(listen)),
            Err(error) => Err(format!("{error}, or \"off\"")),
        },
    }
}

/// The value of `admin.url`.
pub(super) fn url(value: &Value) -> Parsed<AdminUrl> {
    AdminUrl::parse(&value::string(value)?)
}

/// The value of `admin.owners`: a list of openids, which may be empty.
pub(super) fn owners(value: &Value) -> Parsed<Vec<String>> {
    let items = value.get_ref().as_array();
    let items = items.ok_or_else(|| value::expected("a list of openids", value))?;
    let owner = |item: &Value| {
        let text = value::string(item)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            true => Ok(text),
            false => Err(format!(
                "{text:?} is not an openid; `wechatd followers list` shows them"
            )),
        }
    };
    items.iter().map(owner).collect()
}
