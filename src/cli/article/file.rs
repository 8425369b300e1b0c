//! Articles as JSON in a file, as `article draft` and `article edit` take them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::api::draft::DraftArticle;
use crate::byte_order_mark;
use crate::cli::input::json::in_plain_words;
use crate::cli::terminal::Failure;

/// The articles of a file.
///
/// # Errors
/// [`Failure::Wrong`] for a file that cannot be read or holds anything else, and for an article that WeChat would refuse.
pub(super) fn read(file: &Path) -> Result<Vec<DraftArticle>, Failure> {
    let wrong = |what: String| Failure::Wrong(format!("{}: {what}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let articles = articles(&text).map_err(|what| {
        wrong(format!(
            "{what}; `wechatd article draft --help` shows an example"
        ))
    })?;
    for (number, article) in (1..).zip(&articles) {
        let checked = article.check();
        checked.map_err(|what| wrong(format!("article {number}: {what}")))?;
    }
    Ok(articles)
}

/// The articles in a text: one, a list, or a list under `articles`.
fn articles(text: &str) -> Result<Vec<DraftArticle>, String> {
    let mut value: Value = serde_json::from_str(byte_order_mark::skip(text))
        .map_err(|error| in_plain_words(&error))?;
    if let Some(list) = value.get_mut("articles") {
        value = list.take();
    }
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    if list.is_empty() {
        return Err("it holds no article".to_owned());
    }
    let article = |(number, value): (usize, Value)| {
        serde_json::from_value(value)
            .map_err(|error| format!("article {number}: {}", in_plain_words(&error)))
    };
    (1..).zip(list).map(article).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_article_or_several() {
        let one = r#"{"title": "T", "content": "<p>x</p>", "thumb_media_id": "SYN"}"#;
        let two = format!("[{one}, {one}]");
        for (text, count) in [
            (one.to_owned(), 1),
            (two.clone(), 2),
            (format!("{{\"articles\": {two}}}"), 2),
        ] {
            assert_eq!(articles(&text).map(|list| list.len()), Ok(count), "{text}");
        }
        let returned = one.replace(
            '}',
            r#", "url": "http://x", "show_cover_pic": 1, "author": null}"#,
        );
        assert_eq!(articles(&returned), articles(one));
        for (text, why) in [
            ("", "ends too early"),
            ("[]", "no article"),
            ("{}", "article 1: the field `title` is missing"),
            (r#"{"titel": "T"}"#, "unknown field `titel`"),
            ("7", "article 1"),
        ] {
            let error = articles(text).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}
