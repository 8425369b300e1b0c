//! Texts with placeholders: `{content}`, `{openid}`, `{key}`, `{scan}`, `{0}`, `{1}`, …

/// A text of a rule, parsed once with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    is_url: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Content,
    OpenId,
    Key,
    Scan,
    ScanType,
    Latitude,
    Longitude,
    Group(usize),
}

/// The values of a [`Template`]'s placeholders for one push; empty if the push has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    /// The text that the rule tests, as received.
    pub content: &'a str,
    /// The sender.
    pub openid: &'a str,
    /// The `EventKey` without `qrscene_`.
    pub key: &'a str,
    /// The text of a scanned code.
    pub scan: &'a str,
    /// `qrcode` or `barcode`.
    pub scan_type: &'a str,
    /// Degrees, decimal text as received.
    pub latitude: &'a str,
    /// Degrees, decimal text as received.
    pub longitude: &'a str,
    /// The groups of the regex that matched, the whole match first.
    pub groups: &'a [&'a str],
}

impl Template {
    /// Parses a text: `{{` is a brace, placeholders are replaced, everything else stays as it is.
    #[must_use]
    pub fn parse(text: &str) -> Template {
        let parts = Template::parts(text);
        Template {
            parts,
            is_url: false,
        }
    }

    /// Parses a URL: the same, but values are percent-encoded, so that they cannot change its structure. A placeholder
    /// that is the whole URL is not encoded, but left empty if its scheme is neither `http` nor `https`.
    #[must_use]
    pub fn url(text: &str) -> Template {
        let parts = Template::parts(text);
        Template {
            parts,
            is_url: true,
        }
    }

    fn parts(text: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('{') {
                literal.push('{');
                rest = tail;
                continue;
            }
            let placeholder = after
                .split_once('}')
                .and_then(|(name, tail)| Some((Placeholder::named(name)?, tail)));
            match placeholder {
                Some((placeholder, tail)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Placeholder(placeholder));
                    rest = tail;
                }
                None => {
                    literal.push('{');
                    rest = after;
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        parts
    }

    /// The whole text, if there is no placeholder in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            [Part::Placeholder(_)] | [_, _, ..] => None,
        }
    }

    /// The highest regex group in the text.
    #[must_use]
    pub fn highest_group(&self) -> Option<usize> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Placeholder(Placeholder::Group(n)) => Some(*n),
                Part::Placeholder(_) | Part::Literal(_) => None,
            })
            .max()
    }

    /// The text for one push. A group that did not participate in the match is empty.
    #[must_use]
    pub fn fill(&self, values: &Values) -> String {
        if let ([Part::Placeholder(whole)], true) = (self.parts.as_slice(), self.is_url) {
            let url = whole.value(values);
            return if is_web_address(url) { url } else { "" }.to_owned();
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(placeholder) => {
                    let value = placeholder.value(values);
                    match self.is_url {
                        true => text.push_str(&crate::percent::encode(value)),
                        false => text.push_str(value),
                    }
                }
            }
        }
        text
    }
}

impl Placeholder {
    fn named(name: &str) -> Option<Placeholder> {
        Some(match name {
            "content" => Placeholder::Content,
            "openid" => Placeholder::OpenId,
            "key" => Placeholder::Key,
            "scan" => Placeholder::Scan,
            "scan_type" => Placeholder::ScanType,
            "latitude" => Placeholder::Latitude,
            "longitude" => Placeholder::Longitude,
            _ if name.len() <= 2 && name.bytes().all(|b| b.is_ascii_digit()) => {
                Placeholder::Group(name.parse().ok()?)
            }
            _ => return None,
        })
    }

    fn value<'a>(self, values: &Values<'a>) -> &'a str {
        match self {
            Placeholder::Content => values.content,
            Placeholder::OpenId => values.openid,
            Placeholder::Key => values.key,
            Placeholder::Scan => values.scan,
            Placeholder::ScanType => values.scan_type,
            Placeholder::Latitude => values.latitude,
            Placeholder::Longitude => values.longitude,
            Placeholder::Group(n) => values.groups.get(n).copied().unwrap_or_default(),
        }
    }
}

/// False for a URL with a scheme other than `http` and `https`, such as `javascript:`. Without a scheme it is harmless.
fn is_web_address(url: &str) -> bool {
    // Browsers ignore these characters.
    let seen: String = url
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .take_while(|c| !"/?#".contains(*c))
        .collect();
    match seen.split_once(':') {
        Some((scheme, _)) => ["http", "https"]
            .iter()
            .any(|web| scheme.eq_ignore_ascii_case(web)),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CUPS: Values = Values {
        content: "two cups",
        openid: "oA",
        key: "K",
        scan: "EAN_13,690",
        scan_type: "barcode",
        latitude: "31.2",
        longitude: "121.4",
        groups: &["two cups", "two", "cups", ""],
    };

    fn fill(text: &str) -> String {
        Template::parse(text).fill(&TWO_CUPS)
    }

    #[test]
    fn placeholders_are_replaced_and_everything_else_stays() {
        for (text, filled) in [
            ("plain", "plain"),
            ("", ""),
            ("{content} for {openid} by {key}", "two cups for oA by K"),
            ("{0}|{1}|{2}|{3}|{9}", "two cups|two|cups||"),
            ("{{content}", "{content}"),
            ("{{{content}", "{two cups"),
            ("{{}} { } {unknown} {", "{}} { } {unknown} {"),
            ("{ {content}", "{ two cups"),
            ("{Content}", "{Content}"),
            ("{1", "{1"),
            ("{scan} ({scan_type})", "EAN_13,690 (barcode)"),
            ("{latitude},{longitude}", "31.2,121.4"),
        ] {
            assert_eq!(fill(text), filled, "{text:?}");
        }
    }

    #[test]
    fn placeholders_in_values_are_not_replaced() {
        let filled = Template::parse("{content}").fill(&Values {
            content: "{openid}",
            ..TWO_CUPS
        });
        assert_eq!(filled, "{openid}");
    }

    #[test]
    fn values_cannot_change_the_structure_of_a_url() {
        let fill = |url: &str, content: &str| {
            let values = Values {
                content,
                ..TWO_CUPS
            };
            Template::url(url).fill(&values)
        };
        for (url, content, filled) in [
            (
                "https://a.b/?q={content}&x=1",
                "a b&admin=1",
                "https://a.b/?q=a%20b%26admin%3D1&x=1",
            ),
            (
                "https://a.b/{content}",
                "../茶#?%",
                "https://a.b/..%2F%E8%8C%B6%23%3F%25",
            ),
            ("{content}/x", "https://evil", "https%3A%2F%2Fevil/x"),
            ("https://a.b/{1}-{openid}", "", "https://a.b/two-oA"),
            ("https://a.b/?q=a b&c", "", "https://a.b/?q=a b&c"),
            (
                "{content}",
                "https://a.b/?q=1&r=茶",
                "https://a.b/?q=1&r=茶",
            ),
            ("{content}", "HTTP://a.b/", "HTTP://a.b/"),
            ("{content}", "shop?a:b", "shop?a:b"),
            ("{content}", "", ""),
            ("{content}", "javascript:alert(1)", ""),
            ("{content}", " java\nscript:alert(1)", ""),
            ("{content}", "data:text/html,x", ""),
            ("{content}", "weixin://dl/x", ""),
        ] {
            assert_eq!(fill(url, content), filled, "{url} {content}");
        }
    }
}
