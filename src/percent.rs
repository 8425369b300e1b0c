//! Percent-encoding of URLs and forms.

use std::borrow::Cow;
use std::fmt::Write;

/// A query value, percent-encoded: all bytes except letters, digits and `-._~`.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
    }
    encoded
}

/// Undoes percent-encoding and the `+` of forms. `None` for a `%` without two hex digits, and for what is not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for (text, encoded) in [
            ("", ""),
            ("/a?b=c&d#e", "%2Fa%3Fb%3Dc%26d%23e"),
            ("登 +%", "%E7%99%BB%20%2B%25"),
            ("Az09-._~", "Az09-._~"),
        ] {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
        assert_eq!(decode("a+b%2b").as_deref(), Some("a b+"));
        for wrong in ["%", "%2", "%zz", "%ff", "a%e7%99"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
