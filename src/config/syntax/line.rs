//! One line of a configuration, parsed as far as possible: where its texts start and end, and which characters do not
//! belong there.

use std::collections::BTreeSet;

use crate::config::fold::{Folding, plain};
use crate::visible::is_invisible;

/// Reported if it is unclear which quote it is.
pub(super) const UNCLEAR: &str =
    "is missing or one too many: each text has one before it and one after it";

/// What the start of a line is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Not in a text.
    Nothing,
    /// In a text that started with three double quotes.
    Basic,
    /// In a text that started with three single quotes.
    Literal,
}

/// What each line starts inside of; and the line and the quotes of a text that never ends.
pub(super) fn insides(lines: &[String]) -> (Vec<Inside>, Option<(usize, &'static str)>) {
    let mut inside = Inside::Nothing;
    let mut opened = 0;
    let mut insides = Vec::with_capacity(lines.len());
    for (n, line) in lines.iter().enumerate() {
        insides.push(inside);
        let mut rest = line.as_str();
        while !rest.is_empty() {
            let quotes = match inside {
                Inside::Basic => "\"\"\"",
                Inside::Literal => "'''",
                Inside::Nothing => {
                    let Some(at) = rest.find(['"', '\'', '#']) else {
                        break;
                    };
                    rest = &rest[at..];
                    if rest.starts_with('#') {
                        break;
                    }
                    opened = n;
                    if let Some(text) = rest.strip_prefix("\"\"\"") {
                        (inside, rest) = (Inside::Basic, text);
                    } else if let Some(text) = rest.strip_prefix("'''") {
                        (inside, rest) = (Inside::Literal, text);
                    } else {
                        rest = end_of_text(rest).map_or("", |end| &rest[end + 1..]);
                    }
                    continue;
                }
            };
            match end_of_lines(rest, quotes) {
                Some(end) => (inside, rest) = (Inside::Nothing, &rest[end..]),
                None => break,
            }
        }
    }
    let unclosed = match inside {
        Inside::Nothing => None,
        Inside::Basic => Some((opened, "\"\"\"")),
        Inside::Literal => Some((opened, "'''")),
    };
    (insides, unclosed)
}

/// The position after the quotes that end a multi-line text.
fn end_of_lines(text: &str, quotes: &str) -> Option<usize> {
    let escapes = quotes.starts_with('"');
    let mut skip = false;
    for (at, c) in text.char_indices() {
        if skip || escapes && c == '\\' {
            skip = !skip;
        } else if text[at..].starts_with(quotes) {
            return Some(at + quotes.len());
        }
    }
    None
}

/// The position of the closing quote of a text that starts with its opening quote.
fn end_of_text(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut skip = false;
    for (at, c) in text.char_indices().skip(1) {
        if skip || quote == '"' && c == '\\' {
            skip = !skip;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

/// The wrong characters of a line, and the line with the right ones; `None` if its characters are fine.
pub(super) fn characters(line: &str) -> Option<(String, String)> {
    let mut found = Found::default();
    let mut repaired = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if rest.starts_with("\"\"\"") || rest.starts_with("'''") {
            let end = end_of_lines(&rest[3..], &rest[..3]).map_or(rest.len(), |end| end + 3);
            repaired.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c == '#' {
            repaired.push_str(rest);
            break;
        } else if c == '"' || c == '\'' || is_foreign_quote(c) {
            rest = found.text(rest, c, &mut repaired);
        } else if (c == ':' || c == '：') && super::is_key(repaired.trim()) {
            found.instead.insert((c, '='));
            repaired.push_str(" =");
            rest = after;
        } else if is_invisible(c) {
            found.invisible.insert(c);
            rest = after;
        } else if !c.is_ascii() && c.is_whitespace() {
            found.wide_space = true;
            repaired.push(' ');
            rest = after;
        } else if let Some(plain) = ascii_twin(c) {
            found.instead.insert((c, plain));
            repaired.push(plain);
            rest = after;
        } else if c == ';' && without_comment(after).trim().is_empty() {
            found.semicolon = true;
            rest = after;
        } else {
            repaired.push(c);
            rest = after;
        }
    }
    Some((found.what()?, repaired))
}

/// The same for a line within a text in three double quotes, which may end on it.
pub(super) fn escapes(line: &str) -> Option<(String, String)> {
    let text = &line[..end_of_lines(line, "\"\"\"").map_or(line.len(), |end| end - 3)];
    let escape = bad_escape(text.strip_suffix('\\').unwrap_or(text))?;
    let what = format!(
        "{} put the text between three single quotes (''')",
        meaningless(&escape)
    );
    Some((what, line.replace(&escape, &format!("\\{escape}"))))
}

/// What was found in a line that does not belong there.
#[derive(Default)]
struct Found {
    quotes: BTreeSet<char>,
    /// A character, and the one that should be there.
    instead: BTreeSet<(char, char)>,
    invisible: BTreeSet<char>,
    wide_space: bool,
    semicolon: bool,
    escape: Option<String>,
    /// The quote of an unclosed text, and whether the line has others.
    unclosed: Option<(char, bool)>,
}

impl Found {
    /// Takes a text with its quotes from the start of `rest`, and returns what follows it.
    fn text<'t>(&mut self, rest: &'t str, quote: char, repaired: &mut String) -> &'t str {
        let begin = quote.len_utf8();
        let plain_end = if is_foreign_quote(quote) {
            None
        } else {
            end_of_text(rest)
        };
        if let Some(end) = plain_end {
            let text = &rest[begin..end];
            match bad_escape(text).filter(|_| quote == '"') {
                Some(escape) => {
                    self.escape.get_or_insert(escape);
                    repaired.push_str(&quoted(text));
                }
                None => repaired.push_str(&rest[..=end]),
            }
            return &rest[end + 1..];
        }
        let ends = |c: char| is_foreign_quote(c) || is_foreign_quote(quote) && c == '"';
        let found = rest[begin..].char_indices().find(|(_, c)| ends(*c));
        let (end, closing) = match found {
            Some((at, closing)) => (begin + at, closing),
            None => (rest.len(), quote),
        };
        if is_foreign_quote(quote) || found.is_some() {
            self.quotes
                .extend([quote, closing].iter().filter(|c| is_foreign_quote(**c)));
        } else {
            let others = repaired.contains(['"', '\'']) || end == begin;
            self.unclosed.get_or_insert((quote, others));
        }
        repaired.push_str(&quoted(rest[begin..end].trim_end()));
        rest.get(end + closing.len_utf8()..).unwrap_or_default()
    }

    fn what(&self) -> Option<String> {
        let mut all = Vec::new();
        if !self.quotes.is_empty() {
            let quotes: Vec<String> = self.quotes.iter().map(char::to_string).collect();
            let quotes = quotes.join(" ");
            all.push(format!(
                "put plain quotes (\") in place of the Chinese ones ({quotes})"
            ));
        }
        for (sign, plain) in &self.instead {
            all.push(match plain {
                ',' => format!("put a plain comma (,) in place of the Chinese one ({sign})"),
                _ => format!("put {plain} in place of {sign}"),
            });
        }
        if self.wide_space {
            all.push("put a plain space in place of the wide one".to_owned());
        }
        for sign in &self.invisible {
            all.push(format!(
                "remove the invisible character U+{:04X}",
                u32::from(*sign)
            ));
        }
        if self.semicolon {
            all.push("remove the ; at the end".to_owned());
        }
        if let Some(escape) = &self.escape {
            all.push(format!(
                "{} put the text between single quotes (')",
                meaningless(escape)
            ));
        }
        match self.unclosed {
            Some((quote, false)) => all.push(format!(
                "the quote ({quote}) at the end of the text is missing"
            )),
            Some((quote, true)) => all.push(format!("a quote ({quote}) {UNCLEAR}")),
            None => {}
        }
        (!all.is_empty()).then(|| all.join("; "))
    }
}

fn meaningless(escape: &str) -> String {
    format!("between double quotes \\ begins an escape, and {escape} is none;")
}

/// The first escape that TOML does not have.
fn bad_escape(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at + 1..];
        let c = rest.chars().next()?;
        let after = &rest[c.len_utf8()..];
        let digits = |count: usize| {
            let digits = after.get(..count)?;
            u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32)
        };
        let known = match c {
            'b' | 'e' | 'f' | 'n' | 'r' | 't' | '"' | '\\' => true,
            'x' => digits(2).is_some(),
            'u' => digits(4).is_some(),
            'U' => digits(8).is_some(),
            _ => false,
        };
        if !known {
            return Some(format!("\\{c}"));
        }
        rest = after;
    }
    None
}

/// A text in suitable quotes.
pub(super) fn quoted(text: &str) -> String {
    match (text.contains(['"', '\\']), text.contains('\'')) {
        (false, _) => format!("\"{text}\""),
        (true, false) => format!("'{text}'"),
        (true, true) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// A line of a key and a value without `=`, with one.
pub(super) fn with_equals(line: &str) -> Option<String> {
    let (key, value) = line.trim().split_once(char::is_whitespace)?;
    let value = value.trim();
    let begins = value.starts_with(['"', '\'', '[', '{']);
    (super::is_key(key) && begins).then(|| format!("{key} = {value}"))
}

/// The line without its comment and the spaces before that.
pub(super) fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find(['"', '\'', '#']) {
        let at = from + at;
        if line[at..].starts_with('#') {
            return line[..at].trim_end();
        }
        match end_of_text(&line[at..]) {
            Some(end) => from = at + end + 1,
            None => break,
        }
    }
    line.trim_end()
}

/// The brackets that would close what these lines leave open.
pub(super) fn open_brackets(lines: &[String]) -> String {
    let mut open = Vec::new();
    for line in lines {
        let line = without_comment(line);
        let mut rest = line.split_once('=').map_or(line, |(_, value)| value);
        while let Some(at) = rest.find(['"', '\'', '[', ']', '{', '}']) {
            let from = &rest[at..];
            rest = &from[1..];
            match from.as_bytes()[0] {
                b'[' => open.push(']'),
                b'{' => open.push('}'),
                b'"' | b'\'' => rest = end_of_text(from).map_or("", |end| &from[end + 1..]),
                _ => drop(open.pop()),
            }
        }
    }
    open.iter().rev().collect()
}

fn is_foreign_quote(c: char) -> bool {
    matches!(
        c,
        '“' | '”'
            | '„'
            | '‟'
            | '‘'
            | '’'
            | '‚'
            | '＂'
            | '＇'
            | '「'
            | '」'
            | '『'
            | '』'
            | '«'
            | '»'
    )
}

/// The ASCII character for one of another keyboard.
fn ascii_twin(c: char) -> Option<char> {
    let twin = match c {
        '、' => ',',
        '【' | '〔' => '[',
        '】' | '〕' => ']',
        _ => plain(c.encode_utf8(&mut [0; 4]), Folding::Text)
            .chars()
            .next()?,
    };
    (twin != c).then_some(twin)
}
