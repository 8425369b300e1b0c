//! JSON that an owner writes on the command line or in a file, and plain words for what is wrong with it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::api::template::Miniprogram;
use crate::byte_order_mark;
use crate::cli::terminal::Failure;

/// Parses the JSON of an option; `example` shows what such a value looks like.
///
/// # Errors
/// [`Failure::Wrong`] if it is anything else.
pub fn read<T: DeserializeOwned>(option: &str, text: &str, example: &str) -> Result<T, Failure> {
    serde_json::from_str(byte_order_mark::skip(text)).map_err(|error| {
        let what = in_plain_words(&error);
        Failure::wrong(
            format!("{option}: {what}"),
            format!("write it as '{example}'"),
        )
    })
}

/// Parses `--miniprogram` of a message with a link.
///
/// # Errors
/// As [`read`].
pub fn miniprogram(text: &str) -> Result<Miniprogram, Failure> {
    let example = r#"{"appid": "wx0123456789abcdef", "pagepath": "pages/index"}"#;
    read("--miniprogram", text, example)
}

/// What is wrong, without programmers' terms.
pub fn in_plain_words(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => "the JSON ends too early".to_owned(),
        Category::Syntax => format!("it is no JSON from line {line}, column {column} on"),
        Category::Data | Category::Io => {
            let message = error.to_string();
            let message = message
                .rsplit_once(" at line ")
                .map_or(message.as_str(), |(message, _)| message);
            data_error_in_plain_words(message)
        }
    }
}

fn data_error_in_plain_words(message: &str) -> String {
    if let Some((is, should)) = message
        .strip_prefix("invalid type: ")
        .and_then(|types| types.split_once(", expected "))
    {
        return format!("found {} where {} belongs", thing(is), thing(should));
    }
    match message.strip_prefix("missing field ") {
        Some(field) => format!("the field {field} is missing"),
        None => message.to_owned(),
    }
}

/// What serde calls a JSON value, by prefix, and what people call it.
const THINGS: [(&str, &str); 8] = [
    ("sequence", "a list"),
    ("map", "an object in braces"),
    ("string", "a text in quotes"),
    ("integer", "a number"),
    ("i64", "a number"),
    ("u", "a number"),
    ("floating point", "a number"),
    ("boolean", "true or false"),
];

fn thing(name: &str) -> &str {
    let name = name.strip_prefix("a ").unwrap_or(name);
    if name.starts_with("struct ") {
        return "an object in braces";
    }
    let known = THINGS.iter().find(|(theirs, _)| name.starts_with(theirs));
    known.map_or(name, |(_, ours)| ours)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Article {
        #[serde(rename = "title")]
        _title: String,
    }

    #[test]
    fn mistakes_are_reported_in_plain_words() {
        let map = |text| read::<BTreeMap<String, i64>>("--data", text, "{\"a\": 1}");
        for (text, told) in [
            ("", "the JSON ends too early"),
            ("{\"a\": ", "the JSON ends too early"),
            ("{a: 1}", "it is no JSON from line 1, column 2 on"),
            ("[]", "found a list where an object in braces belongs"),
            (
                "{\"a\": \"x\"}",
                "found a text in quotes where a number belongs",
            ),
        ] {
            let whole = format!("--data: {told}; write it as '{{\"a\": 1}}'");
            assert_eq!(map(text).expect_err(text).to_string(), whole);
        }
        let article = |text| read::<Article>("--news", text, "…").expect_err(text);
        for (text, told) in [
            ("{}", "--news: the field `title` is missing"),
            (
                "7",
                "--news: found a number where an object in braces belongs",
            ),
            (
                "{\"title\": true}",
                "--news: found true or false where a text in quotes belongs",
            ),
        ] {
            let error = article(text).to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
