//! The byte order mark that some editors put at the start of a file; it is not part of the text.

/// UTF-8 of U+FEFF.
const MARK: &str = "\u{feff}";

/// The text without its mark, if it has one.
#[must_use]
pub fn skip(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The bytes without their mark, if they have one.
#[must_use]
pub fn skip_bytes(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}
