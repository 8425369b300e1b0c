//! The lines between `---` at the top of a Markdown file: title, author, digest and cover, each on one line, as in YAML.

use crate::config::nearest;

/// What the top of the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FrontMatter {
    pub title: String,
    pub author: Option<String>,
    pub digest: Option<String>,
    /// A picture beside the file, or a media_id.
    pub cover: String,
}

/// A Markdown file in its two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    pub front: FrontMatter,
    pub body: &'t str,
    /// The line of the file, from 1, on which the body begins.
    pub body_line: usize,
}

/// Every key.
const KEYS: [&str; 4] = ["title", "author", "digest", "cover"];

/// Characters with which YAML begins something other than a plain text.
const RESERVED: &[char] = &[
    '|', '>', '[', ']', '{', '}', '&', '*', '!', '%', '@', '`', '#', ',', '?', '-',
];

/// Takes the front matter off a file.
///
/// # Errors
/// What is wrong, with its line: an unknown or repeated key, a value that is more than one line of text, a missing title
/// or cover.
pub(super) fn split(text: &str) -> Result<Parts<'_>, String> {
    let mut lines = text.split_inclusive('\n');
    let mut used = lines.next().map_or(0, str::len);
    if text[..used].trim_end() != "---" {
        return Err(
            "it does not begin with ---, and lines such as title: Open day after it".to_owned(),
        );
    }
    let mut values: [Option<String>; 4] = Default::default();
    let mut body_line = None;
    for (number, line) in (2..).zip(lines) {
        used += line.len();
        let line = line.trim_end();
        if line == "---" || line == "..." {
            body_line = Some(number + 1);
            break;
        }
        read_line(line, &mut values).map_err(|what| format!("line {number}: {what}"))?;
    }
    let Some(body_line) = body_line else {
        return Err("the front matter has no end: put --- on a line after it".to_owned());
    };
    let [title, author, digest, cover] = values;
    let needed = |value: Option<String>, key: &str, example: &str| {
        value
            .filter(|value| !value.trim().is_empty())
            .ok_or_else(|| {
                format!("the front matter has no {key}: write a line such as {key}: {example}")
            })
    };
    Ok(Parts {
        front: FrontMatter {
            title: needed(title, "title", "Open day")?,
            author,
            digest,
            cover: needed(cover, "cover", "cover.jpg")?,
        },
        body: &text[used..],
        body_line,
    })
}

/// Reads one line into the values of [`KEYS`].
fn read_line(line: &str, values: &mut [Option<String>; 4]) -> Result<(), String> {
    if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
        return Ok(());
    }
    if line.starts_with([' ', '\t']) {
        return Err("it is indented: each key has its value on its own line".to_owned());
    }
    let known = || format!("it can be {}", KEYS.join(", "));
    let Some((key, value)) = line.split_once(':') else {
        return Err(format!("it is no key: value; {}", known()));
    };
    if !value.is_empty() && !value.starts_with([' ', '\t']) {
        return Err(format!("put a space after {key}:"));
    }
    let Some(at) = KEYS.iter().position(|known| *known == key) else {
        let advice = match nearest(key, KEYS) {
            Some(near) => format!("did you mean {near}?"),
            None => known(),
        };
        return Err(format!("the key {key:?} is unknown; {advice}"));
    };
    let value = scalar(value.trim()).map_err(|what| format!("{key}: {what}"))?;
    match values[at].replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{key} was given before")),
    }
}

/// The text of a value on one line: plain, in single or in double quotes.
fn scalar(value: &str) -> Result<String, String> {
    match value.chars().next() {
        Some('"') => double_quoted(&value[1..]),
        Some('\'') => single_quoted(&value[1..]),
        Some(first) if RESERVED.contains(&first) => {
            Err(format!("write the value in quotes: it begins with {first}"))
        }
        Some(_) if value.contains(": ") || value.ends_with(':') => {
            Err("write the value in quotes: it has a colon".to_owned())
        }
        Some(_) => Ok(without_comment(value).to_owned()),
        None => Ok(String::new()),
    }
}

/// A plain text ends before a comment.
fn without_comment(value: &str) -> &str {
    let comment = value.match_indices('#').find(|(at, _)| {
        let before = value[..*at].chars().next_back();
        before.is_some_and(char::is_whitespace)
    });
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

fn single_quoted(rest: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_some() => text.push('\''),
            '\'' => return nothing_after(&rest[at + 1..]).map(|()| text),
            c => text.push(c),
        }
    }
    Err("the closing ' is missing".to_owned())
}

fn double_quoted(rest: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return nothing_after(&rest[at + 1..]).map(|()| text),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '/'))) => text.push(escaped),
                Some((_, other)) => {
                    return Err(format!(
                        "\\{other} is not known here: \\\" and \\\\ are; or use single quotes"
                    ));
                }
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("the closing \" is missing".to_owned())
}

/// Only a comment may follow the closing quote.
fn nothing_after(rest: &str) -> Result<(), String> {
    match without_comment(rest).trim().is_empty() {
        true => Ok(()),
        false => Err("there is something after the closing quote".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(lines: &str) -> Result<FrontMatter, String> {
        let text = format!("---\n{lines}\n---\nBody\n");
        split(&text).map(|parts| parts.front)
    }

    #[test]
    fn the_four_keys_are_read_plain_and_in_quotes() {
        let text = "---\r\ntitle: 开放日 #1  # not part of it\r\n\r\n# a comment\r\nauthor: 'Amy''s'\r\n\
                    digest: \"He said: \\\"come\\\" # in\" # so\r\ncover: pictures/a b.jpg\r\n---\r\n\r\nBody\r\n";
        let parts = split(text).expect("a front matter");
        let expected = FrontMatter {
            title: "开放日".to_owned(),
            author: Some("Amy's".to_owned()),
            digest: Some("He said: \"come\" # in".to_owned()),
            cover: "pictures/a b.jpg".to_owned(),
        };
        assert_eq!(parts.front, expected);
        assert_eq!((parts.body, parts.body_line), ("\r\nBody\r\n", 9));
        let least = front("title: C#\ncover: MEDIA_ID").expect("enough");
        assert_eq!((&*least.title, least.author), ("C#", None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (lines, told) in [
            (
                "titel: T",
                "line 2: the key \"titel\" is unknown; did you mean title?",
            ),
            (
                "title: T\ntags: a",
                "line 3: the key \"tags\" is unknown; it can be title",
            ),
            ("title: T\ntitle: U", "line 3: title was given before"),
            (
                "title: |\n  T",
                "line 2: title: write the value in quotes: it begins with |",
            ),
            ("title: [T]", "begins with ["),
            (
                "title: a: b",
                "line 2: title: write the value in quotes: it has a colon",
            ),
            ("title: T\n  more", "line 3: it is indented"),
            ("title:T", "put a space after title:"),
            ("just words", "line 2: it is no key: value"),
            ("title: 'T", "the closing ' is missing"),
            ("title: \"T", "the closing \" is missing"),
            ("title: \"T\" x", "something after the closing quote"),
            ("title: \"\\x\"", "\\x is not known here"),
            ("title:\ncover: c.jpg", "the front matter has no title"),
            (
                "title: T",
                "the front matter has no cover: write a line such as cover: cover.jpg",
            ),
        ] {
            let error = front(lines).expect_err(lines);
            assert!(error.contains(told), "{lines}: {error}");
        }
        for (text, told) in [
            ("", "does not begin with ---"),
            ("# Open day", "does not begin with ---"),
            ("---\ntitle: T\n", "has no end"),
        ] {
            let error = split(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
