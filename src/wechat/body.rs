//! The body of a push, in one of the two formats that the console offers.

use super::error::{Format, ParseError};
use super::fields::{Elements, Fields};
use super::{json, xml};

/// Parses the body of a callback, after an optional byte order mark and white space.
pub(super) fn read(body: &[u8]) -> Result<(Format, Elements), ParseError> {
    let body = std::str::from_utf8(body).map_err(|e| ParseError::NotUtf8(e.valid_up_to()))?;
    let body = body.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    match body.as_bytes().first() {
        None => Err(ParseError::Empty),
        Some(b'<') => Ok((Format::Xml, xml::read(body)?)),
        Some(b'{') => Ok((Format::Json, json::read(body)?)),
        Some(_) => Err(ParseError::UnknownFormat),
    }
}

/// All elements of a body of any kind.
///
/// # Errors
/// When it is neither XML nor JSON in the platform's form.
pub fn elements(body: &[u8]) -> Result<Fields, ParseError> {
    read(body).map(|(_, elements)| elements.into_fields())
}
