//! Why a body could not be parsed as a push. The texts are for the owner's log and never quote the body.

use std::fmt;

/// The data format of a push, chosen in the platform's console ("Message push", data format).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// XML with the root `<xml>`: what every account can receive.
    Xml,
    /// One JSON object with the same names and no root.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Xml => "xml",
            Format::Json => "json",
        })
    }
}

/// A body that is not a push. All of these are answered with 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// The body is empty or only white space.
    Empty,
    /// The body starts like neither XML nor a JSON object.
    UnknownFormat,
    /// The body is not UTF-8; the byte offset of the first error.
    NotUtf8(usize),
    /// The body contains something that no push has and that could harm the parser; says what.
    Refused(Format, &'static str),
    /// The body is not well-formed; says where, as `line:column`, counted from 1.
    Malformed(Format, String),
    /// A required element is missing, empty or not a text; its name.
    Missing(&'static str),
    /// `CreateTime` is not a number of seconds up to the year 9999.
    CreateTime,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Empty => f.write_str("push: cannot be read: the body is empty"),
            ParseError::UnknownFormat => {
                f.write_str("push: cannot be read: the body is neither XML nor a JSON object")
            }
            ParseError::NotUtf8(at) => write!(f, "push: cannot be read: not UTF-8 at byte {at}"),
            ParseError::Refused(format, what) => write!(f, "{format}: refused: {what}"),
            ParseError::Malformed(format, at) => write!(f, "{format}: not well-formed at {at}"),
            ParseError::Missing(name) => write!(f, "push: {name} is missing"),
            ParseError::CreateTime => f.write_str("push: CreateTime is not a number of seconds"),
        }
    }
}

impl std::error::Error for ParseError {}
