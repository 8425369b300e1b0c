//! Reads a JSON push (the console's data format JSON) into [`Elements`], the form an XML push has.

use std::fmt::{self, Write};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::error::{Format, ParseError};
use super::fields::Elements;

/// Levels of nesting, the outer object included.
const MAX_LEVELS: usize = 16;
/// Values in all, containers included.
const MAX_VALUES: usize = 4096;

/// Reads a document that starts with `{`.
pub(super) fn read(document: &str) -> Result<Elements, ParseError> {
    scan(document)?;
    match serde_json::from_str(&rewritten(document)) {
        Ok(Object(elements)) => Ok(elements),
        Err(error) => {
            // The place is to be that in the body as it came.
            let as_it_came = serde_json::from_str::<IgnoredAny>(document).err();
            let error = as_it_came.unwrap_or(error);
            let at = format!("{}:{}", error.line(), error.column());
            Err(ParseError::Malformed(Format::Json, at))
        }
    }
}

/// Refuses, in one pass, what would cost memory or stack.
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

/// Writes the document so that a parser keeps it as it is: numbers as strings, because a parser makes floats of large
/// ones; and raw control characters in strings as escapes, which JSON demands and the platform does not write. Outside
/// of strings they are white space.
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
            // The backslash before a raw control character escapes nothing that JSON knows.
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

/// The number that the text begins with, by JSON's grammar. What is wrong behind it stays wrong: the parser stops where
/// a string is followed by anything but a comma or an end.
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

/// Adds one value; of a list each, under the same name.
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
