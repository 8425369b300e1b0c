//! Reads a JSON push (the console's data format JSON) into [`Fields`], the form an XML push has.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use super::error::{Format, ParseError};
use super::fields::{self, Fields};

/// Levels of nesting, the outer object included.
const MAX_LEVELS: usize = 16;
/// Values in all, containers included.
const MAX_VALUES: usize = 4096;

/// Reads a document that starts with `{`.
pub(super) fn read(document: &str) -> Result<Fields, ParseError> {
    let document = if scan(document)? {
        escape_controls(document)
    } else {
        Cow::Borrowed(document)
    };
    let object: Fields = serde_json::from_str(&document)
        .map_err(|e| ParseError::Malformed(Format::Json, format!("{}:{}", e.line(), e.column())))?;
    Ok(normalise(object))
}

/// Refuses, in one pass, what would cost memory or stack. True if a string holds a raw control
/// character.
fn scan(document: &str) -> Result<bool, ParseError> {
    let (mut level, mut values, mut controls) = (0_usize, 1_usize, false);
    let (mut in_string, mut escaped) = (false, false);
    for byte in document.bytes() {
        if in_string {
            controls |= byte < 0x20;
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
    Ok(controls)
}

/// JSON forbids raw control characters in strings, the platform writes them all the same. Only
/// those inside a string are touched: outside they are white space.
fn escape_controls(document: &str) -> Cow<'_, str> {
    let mut escaped_document = String::with_capacity(document.len() + 64);
    let (mut in_string, mut escaped) = (false, false);
    for c in document.chars() {
        if in_string && c < ' ' {
            // The backslash before a raw control character escapes nothing that JSON knows.
            if escaped {
                escaped_document.push('\\');
                escaped = false;
            }
            let written = write!(escaped_document, "\\u{:04x}", u32::from(c));
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
            continue;
        }
        escaped_document.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    Cow::Owned(escaped_document)
}

fn normalise(object: Fields) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in object {
        match value {
            Value::Array(list) => insert_list(&mut fields, name, list),
            single => fields::insert(&mut fields, name, element(single)),
        }
    }
    fields
}

/// A repeatable element arrives as an array, or as its one value alone. Elsewhere an array is kept
/// as it is.
fn insert_list(fields: &mut Fields, name: String, list: Vec<Value>) {
    if fields::is_repeatable(&name) {
        for value in list {
            fields::insert(fields, name.clone(), element(value));
        }
    } else {
        let list = list.into_iter().map(element).collect();
        fields::insert(fields, name, Value::Array(list));
    }
}

fn element(value: Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value,
        Value::Bool(value) => Value::String(value.to_string()),
        Value::Number(value) => Value::String(value.to_string()),
        Value::Array(list) => Value::Array(list.into_iter().map(element).collect()),
        Value::Object(object) => Value::Object(normalise(object)),
    }
}
