//! Signs the owner's pages for the JS-SDK, and nobody else's.

use serde_json::json;

use super::{Web, unavailable};
use crate::api::Client;
use crate::api::token_cache::JSAPI_TICKET;
use crate::clock;
use crate::config::WebUrl;
use crate::percent;
use crate::random;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::wechat::sign_page;

/// The longest address of a page, in bytes.
const MOST: usize = 2_048;

/// When to ask again while there is no ticket, in seconds.
const RETRY_AFTER: &str = "5";

/// Why a page is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotSigned {
    NoAddress,
    OtherHost,
}

impl Web {
    /// `jsapi`: what `wx.config` of a page wants. The ticket comes from the store, where the background keeps it.
    pub fn jsapi(&self, request: &Request) -> Response {
        let (_, query) = request.path_and_query();
        let url = match page_of(query, &self.url) {
            Ok(url) => url,
            Err(NotSigned::NoAddress) => {
                return Response::text(
                    400,
                    "url is the address of a page, percent-encoded: encodeURIComponent(location.href)",
                );
            }
            Err(NotSigned::OtherHost) => return Response::text(403, "a page of another host"),
        };
        let now = clock::unix_seconds();
        let ticket = self
            .app
            .store
            .read(|reader| reader.valid_token(JSAPI_TICKET, now));
        let (ticket, nonce) = match (ticket, random::hex()) {
            (Ok(Some(ticket)), Ok(nonce)) => (ticket, nonce),
            (Ok(None), _) => {
                return Response::text(503, "no ticket yet").with("Retry-After", RETRY_AFTER);
            }
            (Err(_), _) | (_, Err(_)) => return unavailable(),
        };
        let signed = json!({
            "appId": self.app.api.as_ref().map(Client::app_id),
            "timestamp": now,
            "nonceStr": nonce,
            "signature": sign_page(ticket.expose(), &nonce, now, &url),
        });
        Response::of_type("application/json; charset=utf-8", 200, signed.to_string())
    }
}

/// The address in the parameter `url`, decoded once and cut at `#`, if it is of a page of this host.
fn page_of(query: &str, own: &WebUrl) -> Result<String, NotSigned> {
    let mut parameters = query.split('&');
    let encoded = parameters.find_map(|parameter| parameter.strip_prefix("url="));
    // A plus is one: no address of a page has a space, for which it would stand in a form.
    let encoded = encoded.map(|encoded| encoded.replace('+', "%2B"));
    let decoded = encoded.as_deref().and_then(percent::decode);
    let decoded = decoded.ok_or(NotSigned::NoAddress)?;
    let url = decoded.split('#').next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").ok_or(NotSigned::NoAddress)?;
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let is_plain = !url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\');
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if !is_web || !is_plain || url.len() > MOST || authority.contains('@') {
        return Err(NotSigned::NoAddress);
    }
    let without_port = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = without_port.map_or(authority, |(host, _)| host);
    match host.eq_ignore_ascii_case(&own.host) {
        true => Ok(url.to_owned()),
        false => Err(NotSigned::OtherHost),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<String, NotSigned> {
        page_of(query, &WebUrl::parse("https://example.com").unwrap())
    }

    #[test]
    fn a_page_is_signed_byte_for_byte_up_to_the_hash() {
        for (query, url) in [
            ("url=https%3A%2F%2Fexample.com", "https://example.com"),
            (
                "url=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3D%25E4%23e%23f&url=x",
                "https://example.com/a?b=c&d=%E4",
            ),
            (
                "a=b&url=http://EXAMPLE.com:8443/a+b%2B?c",
                "http://EXAMPLE.com:8443/a+b+?c",
            ),
            (
                "url=https://example.com/%E7%99%BB%2520",
                "https://example.com/登%20",
            ),
            (
                "url=https://example.com?@evil/",
                "https://example.com?@evil/",
            ),
        ] {
            assert_eq!(page(query).as_deref(), Ok(url), "{query}");
        }
        let own = WebUrl::parse("http://[::1]:8080").unwrap();
        for url in ["http://[::1]:8080/a", "http://[::1]/a"] {
            assert_eq!(page_of(&format!("url={url}"), &own).as_deref(), Ok(url));
        }
    }

    #[test]
    fn no_page_of_another_host_is_signed() {
        for url in [
            "https://evil/",
            "https://evil.test/?https://example.com/",
            "https://example.com.evil/",
            "https://example.com.",
            "https://example.comevil",
            "https://evil.example.com/",
            "https://example.com:evil",
            "https://%65xample.com",
            "https://",
            "https:///example.com",
        ] {
            let query = format!("url={}", percent::encode(url));
            assert_eq!(page(&query), Err(NotSigned::OtherHost), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_page_is_not_signed() {
        let long = format!("https://example.com/{}", "a".repeat(MOST));
        for url in [
            "https://example.com@evil/",
            "https://evil@example.com/",
            "https://evil\\@example.com/",
            "https://example.com\\.evil/",
            "//example.com/",
            "/a",
            "",
            "file:///etc/passwd",
            "file://example.com/",
            "javascript://example.com/%0aalert(1)",
            "https:example.com",
            "https://example.com/\n",
            "https://example.com/ a",
            "#https://example.com/",
            " https://example.com/",
            &long,
        ] {
            let query = format!("url={}", percent::encode(url));
            assert_eq!(page(&query), Err(NotSigned::NoAddress), "{url}");
        }
        for query in [
            "",
            "uri=https://example.com/",
            "url=https://example.com/%",
            "url=https://example.com/%ff",
        ] {
            assert_eq!(page(query), Err(NotSigned::NoAddress), "{query}");
        }
    }
}
