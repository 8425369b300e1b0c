//! Answer texts with placeholders: `{content}`, `{openid}`, `{key}`, `{0}`, `{1}`, …

/// A text of a rule, parsed once when the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Content,
    OpenId,
    Key,
    Group(usize),
}

/// What the placeholders of a [`Template`] stand for in one push.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The subject of the push as received.
    pub content: &'a str,
    /// The sender.
    pub openid: &'a str,
    /// The `EventKey` without `qrscene_`, empty for messages.
    pub key: &'a str,
    /// The groups of the regex that matched; `None` when no regex did.
    pub groups: Option<&'a regex::Captures<'a>>,
}

impl Template {
    /// Parses a text: `{{` is a brace, `{content}`, `{openid}`, `{key}` and the groups are replaced, and everything else stays as it is.
    #[must_use]
    pub fn parse(text: &str) -> Template {
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
                .and_then(|(name, tail)| Part::named(name).map(|part| (part, tail)));
            match placeholder {
                Some((part, tail)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
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
        Template { parts }
    }

    /// The highest regex group that the text asks for.
    #[must_use]
    pub fn highest_group(&self) -> Option<usize> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Group(n) => Some(*n),
                Part::Literal(_) | Part::Content | Part::OpenId | Part::Key => None,
            })
            .max()
    }

    /// The text for one push. A group that took no part in the match is empty.
    #[must_use]
    pub fn fill(&self, values: &Values) -> String {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Literal(literal) => literal,
                Part::Content => values.content,
                Part::OpenId => values.openid,
                Part::Key => values.key,
                Part::Group(n) => values
                    .groups
                    .and_then(|groups| groups.get(*n))
                    .map_or("", |group| group.as_str()),
            });
        }
        text
    }
}

impl Part {
    fn named(name: &str) -> Option<Part> {
        match name {
            "content" => Some(Part::Content),
            "openid" => Some(Part::OpenId),
            "key" => Some(Part::Key),
            _ if name.len() <= 2 && name.bytes().all(|b| b.is_ascii_digit()) => {
                name.parse().ok().map(Part::Group)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> String {
        let regex = regex::Regex::new("(\\w+) (\\w+)( x)?").expect("a regex");
        let groups = regex.captures("two cups").expect("a match");
        Template::parse(text).fill(&Values {
            content: "two cups",
            openid: "oA",
            key: "K",
            groups: Some(&groups),
        })
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
        ] {
            assert_eq!(fill(text), filled, "{text:?}");
        }
    }

    #[test]
    fn what_a_placeholder_brings_in_is_not_read_again() {
        let filled = Template::parse("{content}").fill(&Values {
            content: "{openid}",
            openid: "oA",
            key: "",
            groups: None,
        });
        assert_eq!(filled, "{openid}");
    }
}
