//! Literals that a text must contain for a regular expression to match: those that its matches can start with.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// Literals of which every text that matches `pattern` contains at least one. `None`: unknown.
///
/// Without `case`, their ASCII letters stand for both cases, in the pattern and in the text; other letters with case end
/// a literal, because regular expressions fold them by rules of their own.
pub(super) fn required(pattern: &str, case: bool) -> Option<Vec<String>> {
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
    // An expression that matches nothing has no literals; it is not worth a special case.
    (!certain.is_empty()).then_some(certain)
}

/// The text without a character that is cut off at its end.
fn whole_characters(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Whether `c`, ignoring case, equals only itself and, if it is an ASCII letter, that letter in the other case. `k` does
/// not: it equals the kelvin sign.
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
    fn check(pattern: &str, case: bool, starts: &[&str]) {
        let expected: Vec<String> = starts.iter().map(|text| (*text).to_owned()).collect();
        let expected = Some(expected).filter(|list| !list.is_empty());
        assert_eq!(required(pattern, case), expected, "{pattern}");
    }

    #[test]
    fn matches_start_with_what_the_expression_starts_with() {
        check(r"^order 7-(\d+)$", false, &["order 7-"]);
        check("(menu|today).*", false, &["menu", "today"]);
        check("^天气 ?(.*)", false, &["天气 ", "天气"]);
        check("[ab]c", true, &["ac", "bc"]);
    }

    #[test]
    fn nothing_is_known_if_a_match_may_start_with_anything() {
        for pattern in [r"\d+", ".*x", "", "^$", "a?", "(a|)", "(?i)é"] {
            check(pattern, false, &[]);
        }
    }

    #[test]
    fn letters_with_special_folding_end_a_literal() {
        check("ask", false, &["a"]);
        check("ask", true, &["ask"]);
        check("kilo", false, &[]);
        check("café x", false, &["caf"]);
    }
}
