//! Parses a JSON push (data format JSON in the console) into [`Elements`], like an XML push.

use std::fmt::{self, Write};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::error::{Format, ParseError};
use super::fields::Elements;

/// The most levels of nesting, including the outer object.
const MAX_LEVELS: usize = 16;
/// The most values, including containers.
const MAX_VALUES: usize = 4096;

/// Parses a document that starts with `{`.
pub(super) fn read(document: &str) -> Result<Elements, ParseError> {
    scan(document)?;
    match serde_json::from_str(&rewritten(document)) {
        Ok(Object(elements)) => Ok(elements),
        Err(error) => {
            // Report the position in the original body.
            let original = serde_json::from_str::<IgnoredAny>(document).err();
            let error = original.unwrap_or(error);
            let at = format!("{}:{}", error.line(), error.column());
            Err(ParseError::Malformed(Format::Json, at))
        }
    }
}

/// Refuses, in one pass, what would take too much memory or stack.
fn scan(document: &str) -> Result<(), ParseError> {
    let (mut level, mut values) = (0_usize, 1_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in document.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                level += 1;
                values += 1;
            }
            b'}' | b']' => level = level.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if level > MAX_LEVELS {
            return Err(ParseError::Refused(Format::Json, "more than 16 levels"));
        }
        if values > MAX_VALUES {
            return Err(ParseError::Refused(Format::Json, "more than 4096 values"));
        }
    }
    Ok(())
}

/// Rewrites the document so that a parser keeps everything: numbers become strings, because a parser turns large ones
/// into floats; raw control characters in strings become escapes, which JSON requires and the platform omits. Outside
/// strings they are white space.
fn rewritten(document: &str) -> String {
    let mut rewritten = String::with_capacity(document.len() + 64);
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = document;
    while let Some(c) = rest.chars().next() {
        if !in_string && let Some(number) = number(rest) {
            rewritten.extend(["\"", number, "\""]);
            rest = &rest[number.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if in_string && c < ' ' {
            // JSON has no escape of a raw control character: the backslash is literal.
            if escaped {
                rewritten.push('\\');
                escaped = false;
            }
            let written = write!(rewritten, "\\u{:04x}", u32::from(c));
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
            continue;
        }
        rewritten.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    rewritten
}

/// The number at the start of the text, by JSON's grammar. An error after it stays an error: the parser stops if a
/// string is followed by anything but a comma or an end.
fn number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let digits = bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        digits.count()
    };
    let start = usize::from(bytes.first() == Some(&b'-'));
    let mut end = match bytes.get(start)? {
        b'0' => start + 1,
        b'1'..=b'9' => start + digits(start),
        _ => return None,
    };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        match digits(end + 1 + sign) {
            0 => {}
            exponent => end += 1 + sign + exponent,
        }
    }
    Some(&text[..end])
}

/// A JSON object as the elements under one parent.
struct Object(Elements);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Elements;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Elements, A::Error> {
        let mut elements = Elements::default();
        while let Some(name) = map.next_key()? {
            let into = &mut elements;
            map.next_value_seed(Named { into, name })?;
        }
        Ok(elements)
    }
}

/// Adds one value, or each value of a list, under this name.
struct Named<'a> {
    into: &'a mut Elements,
    name: String,
}

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.into.push_text(self.name, value.to_string());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.into.push_text(self.name, value.to_owned());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let inside = ObjectVisitor.visit_map(map)?;
        self.into.push_elements(self.name, inside);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Named { into, name } = self;
        let mut next = || {
            let (into, name) = (&mut *into, name.clone());
            list.next_element_seed(Named { into, name })
        };
        while next()?.is_some() {}
        Ok(())
    }
}
