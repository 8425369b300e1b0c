//! What a text must hold for a regular expression to match anywhere in it: the literals that its matches can begin with.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// Literals of which every text that matches `pattern` holds at least one. `None`: nothing certain can be said.
///
/// Without `case`, their ASCII letters stand for both cases, in the pattern and in the text; other letters
/// that have a case end a literal, because the expression folds them by rules of its own.
pub(super) fn of(pattern: &str, case: bool) -> Option<Vec<String>> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let sequence = Extractor::new().extract(&hir);
    let literals = sequence.literals()?;
    let certain = literals.iter().map(|literal| {
        let text = whole_characters(literal.as_bytes());
        let end = match case {
            true => text.len(),
            false => text.find(|c| !folds_plainly(c)).unwrap_or(text.len()),
        };
        Some(text[..end].to_owned()).filter(|text| !text.is_empty())
    });
    let certain: Vec<String> = certain.collect::<Option<_>>()?;
    // An expression that matches nothing has no beginnings, and is not worth a case of its own.
    (!certain.is_empty()).then_some(certain)
}

/// A literal may have been cut inside a character.
fn whole_characters(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Whether `c` is equal without case only to itself and, if it is an ASCII letter, to that letter in
/// the other case. `k` is not: it is equal to the sign of the kelvin.
fn folds_plainly(c: char) -> bool {
    let mut equals = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    equals.try_case_fold_simple().is_ok()
        && equals
            .ranges()
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .all(|other| other == c || c.is_ascii() && other.eq_ignore_ascii_case(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn begins(pattern: &str, case: bool, with: &[&str]) {
        let expected: Vec<String> = with.iter().map(|text| (*text).to_owned()).collect();
        let expected = Some(expected).filter(|list| !list.is_empty());
        assert_eq!(of(pattern, case), expected, "{pattern}");
    }

    #[test]
    fn matches_begin_with_what_the_expression_begins_with() {
        begins(r"^order 7-(\d+)$", false, &["order 7-"]);
        begins("(menu|today).*", false, &["menu", "today"]);
        begins("^天气 ?(.*)", false, &["天气 ", "天气"]);
        begins("[ab]c", true, &["ac", "bc"]);
    }

    #[test]
    fn nothing_is_said_where_a_match_may_begin_with_anything() {
        for pattern in [r"\d+", ".*x", "", "^$", "a?", "(a|)", "(?i)é"] {
            begins(pattern, false, &[]);
        }
    }

    #[test]
    fn letters_that_fold_in_their_own_way_end_a_literal() {
        begins("ask", false, &["a"]);
        begins("ask", true, &["ask"]);
        begins("kilo", false, &[]);
        begins("café x", false, &["caf"]);
    }
}
