//! Folds what rules do not distinguish: case, width, invisible characters, surrounding spaces.

use std::borrow::Cow;
use std::ops::Range;

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, ClassSetItem, LiteralKind, Visitor};

use crate::visible::is_invisible;

/// What a rule without `case` does not distinguish, besides case and surrounding spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// Nothing else: keys of events come from programs.
    Key,
    /// Full-width characters and their ASCII twins; invisible characters are ignored. People write both without
    /// noticing.
    Text,
}

/// Folds a text by its `folding`, except for case. The characters stay in order, each from one character of `text`, see
/// [`written`].
#[must_use]
pub fn plain(text: &str, folding: Folding) -> Cow<'_, str> {
    if folding == Folding::Key {
        return text.trim().into();
    }
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    match !text.is_ascii() && text.chars().any(|c| is_invisible(c) || narrow(c) != c) {
        true => text
            .chars()
            .filter(|c| !is_invisible(*c))
            .map(narrow)
            .collect::<String>()
            .into(),
        false => text.into(),
    }
}

/// A text from [`plain`] in lower case; `None` if it is already.
#[must_use]
pub fn lower(plain: &str) -> Option<String> {
    if plain.is_ascii() {
        let changes = plain.bytes().any(|byte| byte.is_ascii_uppercase());
        return changes.then(|| plain.to_ascii_lowercase());
    }
    let changes = plain.chars().any(|c| lower_character(c).next() != Some(c));
    changes.then(|| plain.chars().flat_map(lower_character).collect())
}

/// A pattern as compared in a rule without `case`.
#[must_use]
pub fn fold(text: &str, folding: Folding) -> String {
    let plain = plain(text, folding);
    lower(&plain).unwrap_or_else(|| plain.into_owned())
}

/// The text without the marks that end a sentence: speech recognition adds one. A text of only marks is kept.
#[must_use]
pub fn without_end_marks(folded: &str) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | '?' | '。' | '｡' | '…');
    match folded.trim_end_matches(ends) {
        "" => folded,
        text => text,
    }
}

/// The parts of `text` that [`plain`] with [`Folding::Text`] turned into these byte `ranges`.
pub fn written(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> Vec<&str> {
    let begin = text.len()
        - text
            .trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c))
            .len();
    // Where the distance between the two texts changes: the offset in the plain text, and in this one.
    let mut changes = vec![(0, begin)];
    let mut in_plain = 0;
    for (at, c) in text[begin..].char_indices() {
        let after = begin + at + c.len_utf8();
        if !is_invisible(c) {
            in_plain += narrow(c).len_utf8();
        }
        if is_invisible(c) || narrow(c) != c {
            changes.push((in_plain, after));
        }
    }
    let place = |plain_at: usize| {
        let after = changes.partition_point(|(in_plain, _)| *in_plain <= plain_at);
        let (in_plain, in_text) = changes[after - 1];
        in_text + (plain_at - in_plain)
    };
    ranges
        .map(|range| {
            if range.is_empty() {
                return "";
            }
            // The last character may be wider here.
            let last = place(range.end - 1) + 1;
            let end = (last..=text.len()).find(|at| text.is_char_boundary(*at));
            &text[place(range.start)..end.unwrap_or(text.len())]
        })
        .collect()
}

/// A regular expression for texts from [`plain`] with [`Folding::Text`]: its literals are folded, and stay literals.
/// `None` if nothing in it would be folded.
#[must_use]
pub fn fold_regex(pattern: &str) -> Option<String> {
    let parsed = Parser::new().parse(pattern).ok()?;
    let folds = ast::visit(&parsed, Folds::default()).ok()?;
    if folds.is_empty() {
        return None;
    }
    let mut folded = String::with_capacity(pattern.len() + 8 * folds.len());
    let mut rest = 0;
    for (span, twin) in folds {
        folded.push_str(&pattern[rest..span.start.offset]);
        folded.push_str(&twin);
        rest = span.end.offset;
    }
    folded.push_str(&pattern[rest..]);
    Some(folded)
}

/// The characters of a regular expression that are folded, each with its replacement, in order.
#[derive(Default)]
struct Folds(Vec<(ast::Span, String)>);

impl Folds {
    fn note(&mut self, literal: &ast::Literal) {
        // A number, as in `\x{ff20}`, means exactly that character.
        if literal.kind == LiteralKind::Verbatim && narrow(literal.c) != literal.c {
            let twin = u32::from(narrow(literal.c));
            // Never as the character itself, which could be an operator.
            self.0.push((literal.span, format!("\\x{{{twin:x}}}")));
        }
    }
}

impl Visitor for Folds {
    type Output = Vec<(ast::Span, String)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), Self::Err> {
        if let Ast::Literal(literal) = part {
            match is_invisible(literal.c) && literal.kind == LiteralKind::Verbatim {
                true => self.0.push((literal.span, "(?:)".to_owned())),
                false => self.note(literal),
            }
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ClassSetItem::Literal(literal) => self.note(literal),
            ClassSetItem::Range(range) => {
                let (start, end) = (&range.start, &range.end);
                if narrow(start.c) != start.c && narrow(end.c) != end.c {
                    self.note(start);
                    self.note(end);
                }
            }
            ClassSetItem::Empty(_)
            | ClassSetItem::Ascii(_)
            | ClassSetItem::Unicode(_)
            | ClassSetItem::Perl(_)
            | ClassSetItem::Bracketed(_)
            | ClassSetItem::Union(_) => {}
        }
        Ok(())
    }
}

/// The ASCII twin of a full-width character, or the character itself.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// One character at a time, so that a prefix of a text stays a prefix; the final sigma therefore becomes the usual one.
fn lower_character(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_read_the_same_are_the_same() {
        for (text, folded) in [
            ("  Hello ", "hello"),
            ("\u{200b} ＨＥＬＬＯ，　Ｗorld！\u{feff}　", "hello, world!"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
            ("你好。", "你好。"),
            ("～", "~"),
            ("\u{200b}", ""),
        ] {
            assert_eq!(fold(text, Folding::Text), folded, "{text:?}");
        }
        assert_eq!(fold("　Ｋey\u{200b} ", Folding::Key), "ｋey\u{200b}");
    }

    #[test]
    fn nothing_is_copied_if_nothing_changes() {
        for text in ["", "hello", "  hello ", "你好。"] {
            let plain = plain(text, Folding::Text);
            assert!(matches!(plain, Cow::Borrowed(_)), "{text:?}");
            assert_eq!(lower(&plain), None, "{text:?}");
        }
    }

    #[test]
    fn end_marks_are_dropped_unless_they_are_all() {
        for (text, without) in [
            ("hours。", "hours"),
            ("hours ?!..", "hours"),
            ("a. b", "a. b"),
            ("。！", "。！"),
            ("", ""),
        ] {
            assert_eq!(without_end_marks(text), without);
        }
    }

    #[test]
    fn a_regex_matches_the_twins_and_keeps_its_operators() {
        for (pattern, folded) in [
            ("（a）", Some(r"\x{28}a\x{29}")),
            ("[？！]+", Some(r"[\x{3f}\x{21}]+")),
            ("[０-９]", Some(r"[\x{30}-\x{39}]")),
            ("[^＾]", Some(r"[^\x{5e}]")),
            ("a\u{200b}?b", Some("a(?:)?b")),
            ("a　b", Some(r"a\x{20}b")),
            ("[一-～]", None),
            (r"\x{ff20}", None),
            (r"^(\d+)$", None),
            ("(", None),
        ] {
            assert_eq!(fold_regex(pattern).as_deref(), folded, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn every_part_of_a_plain_text_is_found_in_the_written_one(
            text in "[a ！é😀\u{200b}\u{3000}ＡΣ]{0,8}",
            from in 0..20usize,
            length in 0..20usize,
        ) {
            let all = plain(&text, Folding::Text);
            let boundary = |at: usize| (at.min(all.len())..).find(|at| all.is_char_boundary(*at)).unwrap_or(0);
            let range = boundary(from)..boundary(from + length);
            let part = written(&text, std::iter::once(range.clone()));
            let mapped: String = part[0].chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
            prop_assert_eq!(&mapped, &all[range]);
            prop_assert!(!part[0].starts_with(is_invisible) && !part[0].ends_with(is_invisible));
        }
    }
}
