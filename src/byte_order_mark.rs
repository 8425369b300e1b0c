//! The sign that some editors put before the text of a file; it is no part of the text.

/// UTF-8 of U+FEFF.
const MARK: &str = "\u{feff}";

/// The text after its mark, if it has one.
#[must_use]
pub fn skip(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The bytes after the mark of their text, if it has one.
#[must_use]
pub fn skip_bytes(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}
