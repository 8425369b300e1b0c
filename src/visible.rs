//! Text from strangers, made safe to show on one line: it must not steer a terminal or start a new line in a log.

use std::fmt::{self, Write};

/// Whether it is a control character, or changes the direction of writing.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it is invisible: zero-width spaces, direction marks, variation selectors.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// Like [`is_invisible`], and all else that Unicode calls ignorable: nobody would see it in an error message.
#[must_use]
pub fn is_ignorable(c: char) -> bool {
    is_invisible(c)
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{2061}'..='\u{206f}'
                | '\u{3164}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Shows a text without what [`steers`]: a blank for a line break or tab, `\u{…}` for the rest.
#[derive(Debug, Clone, Copy)]
pub struct Visible<'a>(pub &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(steers) {
            let (before, after) = rest.split_at(at);
            f.write_str(before)?;
            let mut chars = after.chars();
            match chars.next() {
                Some('\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}') => f.write_char(' ')?,
                Some(c) => c.escape_unicode().fmt(f)?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_shown_and_the_rest_stays() {
        for (text, shown) in [
            ("", ""),
            ("oA-_1", "oA-_1"),
            ("a\nERROR b\r", "a ERROR b "),
            ("two\nlines\tand a tab", "two lines and a tab"),
            ("\u{1b}[31m红\u{202e}", "\\u{1b}[31m红\\u{202e}"),
            ("好, café\u{9b}", "好, café\\u{9b}"),
        ] {
            assert_eq!(Visible(text).to_string(), shown);
        }
    }
}
