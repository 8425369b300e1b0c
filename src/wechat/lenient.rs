//! Parses the platform's JSON leniently: raw control characters, bytes that are not UTF-8, numbers as text and text as
//! numbers (calls differ).

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

/// Parses a body. The error says what is wrong without quoting the body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut text = String::from_utf8_lossy(body).into_owned();
    if text.bytes().any(|byte| byte < 0x20) {
        // Nicknames may contain raw control characters, which JSON forbids inside strings.
        // Outside strings they are white space, so a space fits in both places.
        text = text.replace(|c: char| c < ' ', " ");
    }
    serde_json::from_str(&text).map_err(|error| what_is_wrong(&error, body))
}

/// Converts a parsed body into the answer of a call, or says where it differs.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    // serde's text can quote the value, which may be a token.
    T::deserialize(value).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field ") {
            Some(field) => format!("it lacks {field}"),
            None => "a field is of another kind than documented".to_owned(),
        }
    })
}

fn what_is_wrong(error: &serde_json::Error, body: &[u8]) -> String {
    if body.iter().all(u8::is_ascii_whitespace) {
        return "an empty body".to_owned();
    }
    if body.trim_ascii_start().starts_with(b"<") {
        return "an HTML or XML page".to_owned();
    }
    match error.classify() {
        Category::Eof => format!("JSON that breaks off after {} bytes", body.len()),
        Category::Syntax | Category::Data | Category::Io => {
            format!("no JSON from byte {} on", error.column())
        }
    }
}

/// An integer that may come as a number, as text or not at all. Anything else becomes `None`.
pub(crate) fn int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(as_int(&Value::deserialize(deserializer)?))
}

/// A required integer, as a number or as text.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    int(deserializer)?.ok_or_else(|| serde::de::Error::custom("a number is none"))
}

/// A text that may come as text, as a number or not at all. Anything else becomes `None`.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(as_text(&Value::deserialize(deserializer)?))
}

/// A required identifier, as text or as a number of up to 64 bits.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    as_text(&Value::deserialize(deserializer)?)
        .filter(|id| !id.is_empty())
        .ok_or_else(|| serde::de::Error::custom("an identifier is empty"))
}

/// Like [`text`], but an empty text becomes `None`.
pub(crate) fn filled<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|text| !text.is_empty()))
}

/// A list of integers; other elements are left out.
pub(crate) fn ints<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<i64>>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => Some(items.iter().filter_map(as_int).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            None
        }
    })
}

/// A list that may be `null` when empty.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The integer that a value stands for.
pub(crate) fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|n| n.fract() == 0.0)
                .map(|n| n as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text that a value stands for.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn raw_control_characters_and_broken_utf8_are_read() {
        let value = parse(b"\xef\xbb\xbf{\n\t\"nickname\":\"a\x01b\nc\xff\"}\n").unwrap();
        assert_eq!(value, json!({"nickname": "a b c\u{fffd}"}));
    }

    #[test]
    fn what_is_not_json_is_named_and_not_quoted() {
        assert_eq!(parse(b" <html>secret").unwrap_err(), "an HTML or XML page");
        assert_eq!(parse(b"").unwrap_err(), "an empty body");
        assert_eq!(
            parse(b"{\"a\":\"sec").unwrap_err(),
            "JSON that breaks off after 9 bytes"
        );
        assert_eq!(parse(b"secret").unwrap_err(), "no JSON from byte 1 on");
    }

    #[test]
    fn numbers_and_texts_stand_for_each_other() {
        assert_eq!(as_int(&json!("42")), Some(42));
        assert_eq!(as_int(&json!(42)), Some(42));
        assert_eq!(as_int(&json!("")), None);
        assert_eq!(as_int(&json!([])), None);
        assert_eq!(
            as_text(&json!(4_250_000_000_000_000_001_u64)),
            Some("4250000000000000001".to_owned())
        );
        assert_eq!(as_text(&json!(null)), None);
    }

    #[test]
    fn an_answer_of_another_shape_is_refused_without_quoting_it() {
        #[derive(Debug, serde::Deserialize)]
        struct Answer {
            #[expect(dead_code, reason = "only its presence matters here")]
            access_token: String,
        }
        assert_eq!(
            read::<Answer>(json!({})).unwrap_err(),
            "it lacks `access_token`"
        );
        let error = read::<Answer>(json!({"access_token": ["secret"]})).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    /// One field of each lenient type.
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "that it is read is what matters")]
    struct Lenient {
        #[serde(default, deserialize_with = "int")]
        int: Option<i64>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "filled")]
        filled: Option<String>,
        #[serde(default, deserialize_with = "ints")]
        ints: Option<Vec<i64>>,
        #[serde(deserialize_with = "id")]
        id: String,
    }

    #[test]
    fn nesting_is_refused_before_it_overflows_the_stack() {
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(parse("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
            "\\PC{0,10}|-?[0-9]{0,25}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            let name = "int|text|filled|ints|id|\\PC{0,5}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange_to_read(body in prop::collection::vec(any::<u8>(), 0..200)) {
            parse(&body).and_then(read::<Lenient>).ok();
        }

        #[test]
        fn no_fields_are_too_strange_to_read(value in any_json(), cut in any::<prop::sample::Index>()) {
            let mut body = value.to_string().into_bytes();
            prop_assert_eq!(parse(&body).map(|value| value.to_string()), Ok(value.to_string()));
            read::<Lenient>(value).ok();
            body.truncate(cut.index(body.len() + 1));
            parse(&body).and_then(read::<Lenient>).ok();
        }
    }
}
