//! The request that a reverse proxy asks about, by its headers `X-Forwarded-…`.

use ipnet::IpNet;

use crate::config::WebUrl;
use crate::login::return_to::ReturnTo;
use crate::server::http::request::Request;

/// What is known of the request that a proxy has got and asks about.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its address, to come back to.
    pub to: ReturnTo,
    /// Whether a browser asked for a page to show it: a script could do nothing with the log-in page.
    pub is_page: bool,
}

impl Asked {
    /// Only trusted proxies are believed; for anybody else it is the request itself, and the way back is the start of the
    /// site.
    pub fn of(request: &Request, trusted: &[IpNet], url: &WebUrl) -> Asked {
        let is_trusted = request.is_from_proxy(trusted);
        let forwarded = |name| request.header(name).filter(|_| is_trusted);
        let address = || {
            Some(ReturnTo::forwarded(
                forwarded("X-Forwarded-Proto")?,
                forwarded("X-Forwarded-Host")?,
                forwarded("X-Forwarded-Uri")?,
                url,
            ))
        };
        let method = forwarded("X-Forwarded-Method").unwrap_or(request.method.name());
        Asked {
            to: address().unwrap_or_else(ReturnTo::home),
            is_page: matches!(method, "GET" | "HEAD") && shows_a_page(request),
        }
    }
}

/// Every browser of today says what it will do with the answer; of the others `Accept` tells.
fn shows_a_page(request: &Request) -> bool {
    match request.header("Sec-Fetch-Mode") {
        Some(mode) => mode == "navigate",
        None => {
            let accepts_html = |accept: &str| accept.to_ascii_lowercase().contains("text/html");
            request.header("Accept").is_some_and(accepts_html)
                && request.header("X-Requested-With").is_none()
        }
    }
}
