//! The elements of a push, the same for XML and JSON: the output of [`super::xml`] and [`super::json`].

use std::borrow::Cow;

use serde_json::Value;

use super::{digest, text};

/// Elements by their exact names. A leaf is a string, an element with children an object, and a
/// repeatable element always an array. Numbers and booleans stay text, so that 64-bit ids,
/// leading zeros and decimals survive. Empty elements are left out.
pub type Fields = serde_json::Map<String, Value>;

/// Elements that people write: kept exactly. All others are trimmed.
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

/// All elements under one parent in their order, repeated names included. Elements without a value are left out.
#[derive(Debug, Default)]
pub(super) struct Elements(Vec<(String, Content)>);

/// What an element holds.
#[derive(Debug)]
enum Content {
    Text(String),
    Elements(Elements),
}

impl Elements {
    pub(super) fn push_text(&mut self, name: String, text: String) {
        let trimmed = text.trim();
        let text = if trimmed.len() == text.len() || VERBATIM.contains(&&*name) {
            text
        } else {
            trimmed.to_owned()
        };
        if !text.is_empty() {
            self.0.push((name, Content::Text(text)));
        }
    }

    pub(super) fn push_elements(&mut self, name: String, elements: Elements) {
        if !elements.0.is_empty() {
            self.0.push((name, Content::Elements(elements)));
        }
    }

    /// The text of the first element of this name; `None` if there is none, or it is not a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.0.iter().find(|(known, _)| known == name)? {
            (_, Content::Text(text)) => Some(text),
            (_, Content::Elements(_)) => None,
        }
    }

    /// The text of the last element of this name.
    pub(super) fn last_text(&self, name: &str) -> Option<&str> {
        match self.0.iter().rfind(|(known, _)| known == name)? {
            (_, Content::Text(text)) => Some(text),
            (_, Content::Elements(_)) => None,
        }
    }

    /// Removes and returns all elements of this name.
    pub(super) fn take_all(&mut self, name: &str) -> Elements {
        Elements(self.0.extract_if(.., |(known, _)| known == name).collect())
    }

    /// Appends all elements as XML. Those whose names XML does not allow are left out.
    pub(super) fn push_xml(&self, xml: &mut String) {
        for (name, content) in &self.0 {
            if !is_xml_name(name) {
                continue;
            }
            match content {
                Content::Text(text) => text::push_element(xml, name, text),
                Content::Elements(elements) => {
                    xml.extend(["<", name, ">\n"]);
                    elements.push_xml(xml);
                    xml.extend(["</", name, ">\n"]);
                }
            }
        }
    }

    /// A digest of all elements, independent of their order.
    pub(super) fn digest(&self) -> String {
        digest(self.canonical().as_bytes())
    }

    /// All elements as one unambiguous text.
    fn canonical(&self) -> String {
        let written = |(name, content): &(String, Content)| {
            let (kind, inside) = match content {
                Content::Text(text) => ('t', Cow::Borrowed(&**text)),
                Content::Elements(elements) => ('e', Cow::Owned(elements.canonical())),
            };
            format!("{}:{name}{kind}{}:{inside}", name.len(), inside.len())
        };
        let mut parts: Vec<String> = self.0.iter().map(written).collect();
        parts.sort_unstable();
        parts.concat()
    }

    /// The elements by name. If one that should occur once is repeated, the first counts.
    pub(super) fn into_fields(self) -> Fields {
        let mut fields = Fields::new();
        for (name, content) in self.0 {
            let value = match content {
                Content::Text(text) => Value::String(text),
                Content::Elements(elements) => Value::Object(elements.into_fields()),
            };
            if is_repeatable(&name) {
                let list = fields.entry(name).or_insert(Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(value);
                }
            } else {
                fields.entry(name).or_insert(value);
            }
        }
        fields
    }
}

/// Whether the element may occur several times and is therefore always an array.
pub(super) fn is_repeatable(name: &str) -> bool {
    REPEATABLE.contains(&name)
}

/// Whether an element can have this name; the platform's are ASCII.
fn is_xml_name(name: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(is_inside)
}

/// Removes a leaf; `None` if it is missing or not a leaf.
pub(super) fn take(fields: &mut Fields, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The text of a leaf; `None` if it is missing or not a leaf.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}
