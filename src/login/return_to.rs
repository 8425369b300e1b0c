//! Where a person goes after the log-in: a path under `web.url`, whatever was asked for.

use std::fmt;

use crate::config::WebUrl;
use crate::percent;

/// The longest path, in bytes; a longer one becomes `/`.
const MOST: usize = 2_048;

/// The same for the path percent-encoded twice, as it stands in the address of WeChat's log-in. nginx takes heads of
/// answers of 4 KiB and makes 502 of longer ones (measured).
const MOST_ENCODED: usize = 3_000;

/// A path with all that follows it, such as `/members?page=2#top`. Behind `web.url` it leads to that site only: it begins
/// with one slash, and has neither control characters nor backslashes, which browsers read as slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The start of the site.
    #[must_use]
    pub fn home() -> ReturnTo {
        ReturnTo("/".to_owned())
    }

    /// A path, or an address that begins with `web.url`, as it is; anything else is the start of the site.
    #[must_use]
    pub fn new(text: &str, url: &WebUrl) -> ReturnTo {
        path_of(text, url)
            .and_then(read)
            .unwrap_or_else(ReturnTo::home)
    }

    /// What stands behind the first `to=` of a query, to its end. It is percent-decoded only if it is neither a path nor
    /// an address as it stands there: whoever writes a login URL by hand need not encode, and loses nothing at a `&`.
    #[must_use]
    pub fn of_query(query: &str, url: &WebUrl) -> ReturnTo {
        let Some(value) = behind_to(query) else {
            return ReturnTo::home();
        };
        let is_plain = ["/", "http://", "https://"]
            .iter()
            .any(|begin| begins_with(value, begin));
        match is_plain {
            true => ReturnTo::new(value, url),
            false => ReturnTo::of_value(value, url),
        }
    }

    /// A value that is percent-encoded, as of a field of a form, and of the query of the way back from WeChat.
    #[must_use]
    pub fn of_value(value: &str, url: &WebUrl) -> ReturnTo {
        let decoded = percent::decode(value);
        decoded.map_or_else(ReturnTo::home, |text| ReturnTo::new(&text, url))
    }

    /// What a proxy says of the request that it asks about, if that was one to this site. Believe only a proxy that is
    /// trusted.
    #[must_use]
    pub fn forwarded(proto: &str, host: &str, uri: &str, url: &WebUrl) -> ReturnTo {
        match is_origin(&format!("{proto}://{host}"), url) && uri.starts_with('/') {
            true => ReturnTo::new(uri, url),
            false => ReturnTo::home(),
        }
    }

    /// One that was kept, by its path.
    #[must_use]
    pub fn kept(path: &str) -> ReturnTo {
        read(path).unwrap_or_else(ReturnTo::home)
    }

    /// The path, in ASCII.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// The whole address, for `Location`.
    #[must_use]
    pub fn location(&self, url: &WebUrl) -> String {
        format!("{}{}", url.origin, self.0)
    }

    /// The path as a value in a query, percent-encoded.
    #[must_use]
    pub fn encoded(&self) -> String {
        percent::encode(&self.0)
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of an address of this site, or the text if it is no address.
fn path_of<'a>(text: &'a str, url: &WebUrl) -> Option<&'a str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some(text);
    };
    // A path may have an address in its query.
    if !scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Some(text);
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (origin, path) = text.split_at(scheme.len() + 3 + end);
    is_origin(origin, url).then_some(path)
}

/// Whether scheme, host and port are those of the site; the usual port may be named.
fn is_origin(origin: &str, url: &WebUrl) -> bool {
    let origin = origin.to_ascii_lowercase();
    let usual_port = if url.is_https { ":443" } else { ":80" };
    origin == url.origin || origin.strip_suffix(usual_port) == Some(&url.origin)
}

/// A path that is safe behind an origin. What must not stand in one is percent-encoded; `None` if it is no path of ours.
fn read(text: &str) -> Option<ReturnTo> {
    let begins_well = match text.strip_prefix('/') {
        Some(rest) => !rest.starts_with(['/', '\\']),
        // An address without a path.
        None => text.is_empty() || text.starts_with(['?', '#']),
    };
    // The control characters of Unicode, and those that turn the direction of writing or cannot be seen.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !begins_well || text.len() > MOST || text.contains(hidden) {
        return None;
    }
    let mut path = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        path.push('/');
    }
    for c in text.chars() {
        // What RFC 3986 lets stand in a path, a query or a fragment.
        match c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%#[]".contains(c) {
            true => path.push(c),
            false => path.push_str(&percent::encode(c.encode_utf8(&mut [0; 4]))),
        }
    }
    let fits = path.len() <= MOST && percent::encode(&percent::encode(&path)).len() <= MOST_ENCODED;
    fits.then_some(ReturnTo(path))
}

/// What stands behind the first `to=` of a query.
fn behind_to(query: &str) -> Option<&str> {
    let mut from = 0;
    loop {
        let rest = &query[from..];
        if let Some(value) = rest.strip_prefix("to=") {
            return Some(value);
        }
        from += rest.find('&')? + 1;
    }
}

fn begins_with(text: &str, begin: &str) -> bool {
    text.get(..begin.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(begin))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site(origin: &str) -> WebUrl {
        let (scheme, host) = origin.split_once("://").expect("an origin");
        WebUrl {
            is_https: scheme == "https",
            host: host.to_owned(),
            origin: origin.to_owned(),
        }
    }

    fn example() -> WebUrl {
        site("https://example.com")
    }

    /// Where `login?to=…` leads.
    fn leads(to: &str) -> String {
        ReturnTo::of_query(&format!("to={to}"), &example()).location(&example())
    }

    /// Forms that have led away from other sites (threat 1).
    const AWAY: &[&str] = &[
        "//evil.example",
        "//evil.example/a",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "\\evil.example",
        "/\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/\u{0}/evil.example",
        "\t//evil.example",
        " //evil.example",
        "%2F%2Fevil.example",
        "%2f%5cevil.example",
        "%5C%5Cevil.example",
        "%09//evil.example",
        "%2F%09%2Fevil.example",
        "%2F%0D%0ASet-Cookie%3A%20a%3Db",
        "%00//evil.example",
        "%20//evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https://evil.example",
        "https:///evil.example",
        "https:////evil.example",
        "https:\\\\evil.example",
        "https:/\\evil.example",
        "HTTPS://evil.example",
        "http://example.com/",
        "http://evil.example",
        "https%3A%2F%2Fevil.example",
        "https%3Aevil.example",
        "https://example.com@evil.example",
        "https://example.com:pass@evil.example",
        "https://example.com:443@evil.example",
        "https://example.com%40evil.example",
        "https://example.com.evil.example",
        "https://example.comevil.example",
        "https://example.com:8443/",
        "https://example.com:@evil.example",
        "https://evil.example/https://example.com/",
        "https://evil.example#https://example.com/",
        "https://evil.example?https://example.com/",
        "https://evil.example\\@example.com/",
        "https://example.com\\.evil.example",
        "https://example.com\\@evil.example",
        "https://user@example.com/",
        "https://examp\u{200b}le.com/",
        "https://ex\u{430}mple.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript%3Aalert(1)",
        "data:text/html,evil",
        "vbscript:evil",
        "evil.example",
        ".evil.example",
        "@evil.example",
        ":443@evil.example",
        "%2Eevil.example",
        "%40evil.example",
        "/a\u{202e}b",
        "/\u{85}/evil.example",
        "%E2%80%AE",
        "%FF%FE",
        "to=//evil.example",
        "",
    ];

    #[test]
    fn what_leads_away_leads_to_the_start_of_the_site() {
        assert!(AWAY.len() >= 60);
        for to in AWAY {
            assert_eq!(leads(to), "https://example.com/", "{to:?}");
            let value = ReturnTo::new(to, &example());
            assert_eq!(value, ReturnTo::home(), "{to:?}");
            let uri = ReturnTo::forwarded("https", "example.com", to, &example());
            assert_eq!(uri, ReturnTo::home(), "{to:?}");
        }
    }

    #[test]
    fn a_path_that_looks_strange_stays_on_the_site() {
        for (to, at) in [
            ("/%09/evil.example", "/%09/evil.example"),
            ("/.//evil.example", "/.//evil.example"),
            ("/a//evil.example", "/a//evil.example"),
            ("/a\\evil.example", "/a%5Cevil.example"),
            ("/@evil.example", "/@evil.example"),
            ("/?to=//evil.example", "/?to=//evil.example"),
            ("/a&to=//evil.example", "/a&to=//evil.example"),
            ("/%2F%2Fevil.example", "/%2F%2Fevil.example"),
            ("/\"><script>", "/%22%3E%3Cscript%3E"),
            ("/小明 1", "/%E5%B0%8F%E6%98%8E%201"),
        ] {
            assert_eq!(leads(to), format!("https://example.com{at}"), "{to}");
        }
    }

    #[test]
    fn a_way_back_is_kept_to_its_end_encoded_or_not() {
        let at = "https://example.com/shop?a=1&b=2&to=3#top";
        for to in [
            "/shop?a=1&b=2&to=3#top",
            "https://example.com/shop?a=1&b=2&to=3#top",
            "HTTPS://Example.com:443/shop?a=1&b=2&to=3#top",
            "%2Fshop%3Fa%3D1%26b%3D2%26to%3D3%23top",
            "https%3A%2F%2Fexample.com%2Fshop%3Fa%3D1%26b%3D2%26to%3D3%23top",
        ] {
            assert_eq!(leads(to), at, "{to}");
            let later = ReturnTo::of_query(&format!("x=1&to={to}"), &example());
            assert_eq!(later.location(&example()), at);
        }
        for (to, at) in [
            ("https://example.com", "/"),
            ("https://example.com?a=1", "/?a=1"),
            ("https://example.com#/a", "/#/a"),
            ("/a%2Fb?c=%26", "/a%2Fb?c=%26"),
            ("%2Fa%252Fb", "/a%2Fb"),
            ("/a?u=https://other.example/", "/a?u=https://other.example/"),
        ] {
            assert_eq!(leads(to), format!("https://example.com{at}"), "{to}");
        }
        for query in ["", "t=1", "goto=/a", "x=to=/a"] {
            assert_eq!(
                ReturnTo::of_query(query, &example()),
                ReturnTo::home(),
                "{query}"
            );
        }
    }

    #[test]
    fn a_proxy_is_believed_about_this_site_only() {
        let local = site("http://127.0.0.1:8080");
        let at = |proto: &str, host: &str, url: &WebUrl| {
            ReturnTo::forwarded(proto, host, "/a?b=c", url).0
        };
        assert_eq!(at("https", "Example.com", &example()), "/a?b=c");
        assert_eq!(at("https", "example.com:443", &example()), "/a?b=c");
        assert_eq!(at("http", "127.0.0.1:8080", &local), "/a?b=c");
        for (proto, host) in [
            ("http", "example.com"),
            ("https", "example.com:8443"),
            ("https", "evil.example"),
            ("https", "example.com, evil.example"),
            ("https", ""),
            ("", "example.com"),
        ] {
            assert_eq!(at(proto, host, &example()), "/", "{proto} {host}");
        }
        let whole = "https://example.com/a";
        assert_eq!(
            ReturnTo::forwarded("https", "example.com", whole, &example()),
            ReturnTo::home()
        );
    }

    #[test]
    fn a_way_back_that_no_proxy_would_take_is_the_start() {
        let long = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert_eq!(ReturnTo::new(&long(MOST), &example()).0, long(MOST));
        assert_eq!(ReturnTo::new(&long(MOST + 1), &example()), ReturnTo::home());
        for (unit, times) in [("%E4%BD%A0", 140), ("&a=b", 240), ("/", 580)] {
            let fits = format!("/s?q={}", unit.repeat(times));
            assert_eq!(ReturnTo::new(&fits, &example()).0, fits);
            let more = unit.repeat(times / 10);
            assert_eq!(
                ReturnTo::new(&format!("{fits}{more}"), &example()),
                ReturnTo::home()
            );
        }
        let grows = format!("/{}", "é".repeat(MOST / 3));
        assert_eq!(ReturnTo::new(&grows, &example()), ReturnTo::home());
    }

    /// Texts that are more likely to lead away than random ones.
    fn text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("/".to_owned()),
            Just("\\".to_owned()),
            Just("https:".to_owned()),
            Just("example.com".to_owned()),
            Just("@".to_owned()),
            Just("%2F".to_owned()),
            Just("%5c".to_owned()),
            Just("%0a".to_owned()),
            Just("&to=".to_owned()),
            Just("\t".to_owned()),
            any::<String>(),
        ];
        proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_the_location_begins_with_the_site(text in text(), other in text()) {
            for url in [example(), site("http://127.0.0.1:8080")] {
                for to in [
                    ReturnTo::new(&text, &url),
                    ReturnTo::of_query(&text, &url),
                    ReturnTo::of_query(&format!("to={text}"), &url),
                    ReturnTo::of_value(&text, &url),
                    ReturnTo::forwarded("https", &other, &text, &url),
                    ReturnTo::forwarded("https", "example.com", &text, &url),
                    ReturnTo::forwarded(&other, "example.com", &text, &url),
                ] {
                    let location = to.location(&url);
                    let path = location.strip_prefix(&url.origin).unwrap_or_default();
                    prop_assert!(path.starts_with('/') && !path.starts_with("//"), "{location}");
                    prop_assert!(location.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\'), "{location}");
                    prop_assert!(location.len() <= url.origin.len() + MOST);
                }
            }
        }

        #[test]
        fn a_way_back_survives_the_way_there(text in text()) {
            let to = ReturnTo::new(&text, &example());
            prop_assert_eq!(&ReturnTo::of_value(&to.encoded(), &example()), &to);
            prop_assert_eq!(&ReturnTo::of_query(&format!("to={}", to.encoded()), &example()), &to);
            prop_assert_eq!(&ReturnTo::new(to.path(), &example()), &to);
            prop_assert_eq!(&ReturnTo::new(&to.location(&example()), &example()), &to);
            prop_assert!(to.encoded().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }
    }
}
