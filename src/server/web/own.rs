//! Whether a form was sent from a page of our own origin.

use crate::config::WebUrl;
use crate::server::http::request::Request;

/// Whether `Origin` or, where it is missing, `Referer` is of this origin. Browsers send one of them with every form.
pub fn is_own(request: &Request, url: &WebUrl) -> bool {
    match (request.header("Origin"), request.header("Referer")) {
        (Some(origin), _) => origin == url.origin,
        (None, Some(referer)) => referer
            .strip_prefix(url.origin.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::request::Method;

    #[test]
    fn a_form_of_another_origin_is_not_ours() {
        let url = WebUrl {
            is_https: true,
            host: "example.com".to_owned(),
            origin: "https://example.com".to_owned(),
        };
        let (origin, referer) = ("Origin", "Referer");
        for (headers, own) in [
            (&[(origin, "https://example.com")][..], true),
            (&[(referer, "https://example.com/wx/login?to=/")], true),
            (&[(referer, "https://example.com")], true),
            (
                &[(origin, "null"), (referer, "https://example.com/")],
                false,
            ),
            (&[(origin, "https://example.com/")], false),
            (&[(origin, "http://example.com")], false),
            (&[(origin, "https://example.com.evil.test")], false),
            (&[(referer, "https://example.com.evil.test/")], false),
            (&[(referer, "https://example.com@evil.test/")], false),
            (
                &[(referer, "https://evil.test/https://example.com/")],
                false,
            ),
            (&[(origin, "")], false),
            (&[], false),
        ] {
            let request = Request::of(Method::Post, "/wx/logout", headers, "");
            assert_eq!(is_own(&request, &url), own, "{headers:?}");
        }
    }
}
