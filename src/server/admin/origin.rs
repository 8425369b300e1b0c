//! Which names the page has, and whether a form was sent from one of its own pages.

use std::net::IpAddr;

use crate::config::AdminUrl;
use crate::server::http::request::Request;

/// Whether the request was sent to a loopback name or to that of `admin.url`, on any port. A name that somebody else
/// chose would make the page part of another site (DNS rebinding).
pub fn is_host_of(request: &Request, url: Option<&AdminUrl>) -> bool {
    let host = request.header("Host").map(without_port).unwrap_or_default();
    is_loopback(host) || url.is_some_and(|url| url.origin.host.eq_ignore_ascii_case(host))
}

/// Whether a form comes from a page of the same origin, as far as the browser says where it comes from.
pub fn is_own(request: &Request, url: Option<&AdminUrl>) -> bool {
    let is_same_site = match request.header("Sec-Fetch-Site") {
        None | Some("same-origin" | "none") => true,
        Some(_) => false,
    };
    is_same_site
        && request
            .header("Origin")
            .is_none_or(|origin| is_ours(origin, request, url))
}

fn is_ours(origin: &str, request: &Request, url: Option<&AdminUrl>) -> bool {
    if url.is_some_and(|url| url.origin.origin == origin) {
        return true;
    }
    let host = request.header("Host").unwrap_or_default();
    origin
        .strip_prefix("http://")
        .is_some_and(|from| from == host && is_loopback(without_port(host)))
}

/// `localhost` or an address of this machine itself, as they stand in `Host`.
fn is_loopback(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::http::request::Method;

    fn url() -> AdminUrl {
        let text = "admin.url = \"https://example.com/admin\"";
        let config = Config::read("wechat.conf".as_ref(), text, None).unwrap();
        config.admin.url.unwrap()
    }

    #[test]
    fn only_loopback_names_and_that_of_the_url_lead_here() {
        let url = url();
        for (host, local, with_url) in [
            ("127.0.0.1:8081", true, true),
            ("127.0.0.1", true, true),
            ("127.8.9.1:1", true, true),
            ("localhost:9000", true, true),
            ("LOCALHOST", true, true),
            ("[::1]:8081", true, true),
            ("[::1]", true, true),
            ("example.com", false, true),
            ("Example.com:8443", false, true),
            ("example.com.evil.test", false, false),
            ("evil.test", false, false),
            ("localhost.evil.test", false, false),
            ("127.0.0.1.evil.test", false, false),
            ("10.0.0.1:8081", false, false),
            ("0.0.0.0", false, false),
            ("", false, false),
            ("127.0.0.1:80@evil.test", false, false),
        ] {
            let request = Request::of(Method::Get, "/", &[("Host", host)], "");
            assert_eq!(is_host_of(&request, None), local, "{host}");
            assert_eq!(is_host_of(&request, Some(&url)), with_url, "{host}");
        }
        let nameless = Request::of(Method::Get, "/", &[], "");
        assert!(!is_host_of(&nameless, Some(&url)));
    }

    #[test]
    fn a_form_of_another_origin_is_not_ours() {
        let url = url();
        let local = ("Host", "127.0.0.1:8081");
        let (origin, site) = ("Origin", "Sec-Fetch-Site");
        for (headers, own) in [
            (&[local][..], true),
            (&[local, (origin, "http://127.0.0.1:8081")], true),
            (&[local, (origin, "https://example.com")], true),
            (&[local, (site, "same-origin")], true),
            (&[local, (site, "same-site")], false),
            (&[local, (site, "cross-site")], false),
            (
                &[local, (site, "cross-site"), (origin, "https://example.com")],
                false,
            ),
            (&[local, (origin, "null")], false),
            (&[local, (origin, "http://127.0.0.1:8080")], false),
            (&[local, (origin, "http://localhost:8081")], false),
            (&[local, (origin, "https://example.com.evil.test")], false),
            (
                &[("Host", "example.com"), (origin, "http://example.com")],
                false,
            ),
            (
                &[("Host", "evil.test"), (origin, "http://evil.test")],
                false,
            ),
        ] {
            let request = Request::of(Method::Post, "/logout", headers, "");
            assert_eq!(is_own(&request, Some(&url)), own, "{headers:?}");
        }
    }
}
