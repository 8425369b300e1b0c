//! The elements of a push in one form, whether they came as XML or as JSON: what [`super::xml`] and
//! [`super::json`] produce and the typed kinds are read from.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::error::{Format, ParseError};
use super::{json, xml};

/// Elements by their exact names. A leaf is a string, an element with children an object, and a
/// repeatable element always an array. Numbers and truth values stay text, so that 64-bit ids,
/// leading zeros and decimals survive. An empty element is absent.
pub type Fields = serde_json::Map<String, Value>;

/// Elements that people write: kept to the last space. All others are trimmed.
pub(super) const VERBATIM: [&str; 6] = [
    "Content",
    "Recognition",
    "Title",
    "Description",
    "Label",
    "Poiname",
];

/// Elements that may occur several times under one parent.
const REPEATABLE: [&str; 4] = ["item", "List", "AroundBeacon", "fail_idx"];

/// Reads the body of a callback, after an optional byte order mark and white space.
pub(super) fn read(body: &[u8]) -> Result<(Format, Fields), ParseError> {
    let body = std::str::from_utf8(body).map_err(|e| ParseError::NotUtf8(e.valid_up_to()))?;
    let body = body.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    match body.as_bytes().first() {
        None => Err(ParseError::Empty),
        Some(b'<') => Ok((Format::Xml, xml::read(body)?)),
        Some(b'{') => Ok((Format::Json, json::read(body)?)),
        Some(_) => Err(ParseError::UnknownFormat),
    }
}

/// All elements of a body, of whatever kind it is.
///
/// # Errors
/// When it is neither XML nor JSON of the platform's form.
pub fn elements(body: &[u8]) -> Result<Fields, ParseError> {
    read(body).map(|(_, fields)| fields)
}

/// Adds one element. "No value" adds nothing; of an element that should occur once the first
/// counts.
pub(super) fn insert(fields: &mut Fields, name: String, value: Value) {
    let value = match value {
        Value::Null => return,
        Value::String(text) => match leaf(&name, text) {
            Some(text) => Value::String(text),
            None => return,
        },
        other => other,
    };
    if is_repeatable(&name) {
        let list = fields
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(value);
        }
    } else {
        fields.entry(name).or_insert(value);
    }
}

/// Whether the element may occur several times and therefore always is an array.
pub(super) fn is_repeatable(name: &str) -> bool {
    REPEATABLE.contains(&name)
}

fn leaf(name: &str, text: String) -> Option<String> {
    let trimmed = text.trim();
    let text = if trimmed.len() == text.len() || VERBATIM.contains(&name) {
        text
    } else {
        trimmed.to_owned()
    };
    (!text.is_empty()).then_some(text)
}

/// Takes a leaf out, `None` where it is missing or not a leaf.
pub(super) fn take(fields: &mut Fields, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The text of a leaf, `None` where it is missing or not a leaf.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// Reads the elements of one kind. An element of another shape than documented is no value, like a
/// missing one: the others still count, above all the user whom a follow or a deletion is about.
pub(super) fn typed<T: DeserializeOwned + Default>(fields: &Fields) -> T {
    T::deserialize(fields).unwrap_or_else(|_| {
        let fits = |(name, value): &(&String, &Value)| {
            let alone = Fields::from_iter([((*name).clone(), (*value).clone())]);
            T::deserialize(&alone).is_ok()
        };
        let fitting = fields.iter().filter(fits);
        let fitting: Fields = fitting
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        T::deserialize(&fitting).unwrap_or_default()
    })
}

/// What was read, as one text that is the same for the same content.
pub(super) fn as_json(content: &impl Serialize) -> String {
    serde_json::to_string(content).expect("texts, numbers and lists of them are always JSON")
}

/// For `#[serde(deserialize_with = "integer")]`: a number that cannot be read is no value and never
/// an error, because the push around it is still worth answering.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(deserializer)?
        .as_str()
        .and_then(|text| text.parse().ok()))
}
