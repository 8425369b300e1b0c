//! URLs of the owner's other systems, which may hold secrets.

use std::fmt;

use super::value::{self, Parsed, Value};
use crate::outbound;

/// A URL whose path may be as secret as its query, so it is shown without both.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    pub(super) fn read(value: &Value) -> Parsed<SecretUrl> {
        // The text itself is not repeated: it may hold a secret.
        SecretUrl::parse(&value::string(value)?)
            .ok_or_else(|| "is no URL; it begins with https:// or http://".to_owned())
    }

    /// An `http://` or `https://` URL; `None` if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<SecretUrl> {
        let text = text.trim();
        outbound::host_of(text).map(|_| SecretUrl(text.to_owned()))
    }

    /// The URL itself, for the one place that calls it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}://{host}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            (
                "https://crm.example.com/a/b?key=1",
                "https://crm.example.com",
            ),
            ("http://user:word@127.0.0.1:8000?x", "http://127.0.0.1:8000"),
        ] {
            assert_eq!(SecretUrl(url.to_owned()).to_string(), shown);
        }
    }
}
