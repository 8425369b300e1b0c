//! Every text of the page stands in its table, and is used.

use std::path::Path;

/// The files that make pages, with their code: without comments and tests.
fn code() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src/page", "src/server/admin"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]").next().unwrap();
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let name = path.display().to_string();
            files.push((name, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    files
}

#[test]
fn every_text_is_used() {
    let files = code();
    for (name, ..) in wechatd::page::Text::ALL {
        let used = files.iter().any(|(_, code)| {
            code.match_indices(&format!("Text::{name}"))
                .any(|(at, found)| {
                    let after = code[at + found.len()..].chars().next();
                    !after.is_some_and(char::is_alphanumeric)
                })
        });
        assert!(used, "nothing shows the text {name}");
    }
}

#[test]
fn every_reason_of_a_refusal_has_a_text() {
    let mut reasons = 0;
    for file in ["callback/refusals.rs", "guard/refusal.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/server")
            .join(file);
        let code = std::fs::read_to_string(path).unwrap();
        let (_, names) = code.split_once("fn reason(").unwrap();
        let (names, _) = names.split_once("\n    }\n").unwrap();
        for (_, reason) in literals(names) {
            reasons += 1;
            // Of this one there is no count.
            let has_text = wechatd::page::refusals::meaning(reason).is_some();
            assert_eq!(has_text, reason != "unavailable", "{reason}");
        }
    }
    assert!(reasons > 30, "{reasons}");
}

#[test]
fn no_text_of_the_page_stands_outside_of_the_table() {
    // What people type, and what only browsers read.
    let allowed = ["wechatd admin link"];
    let mut looked_at = 0;
    for (name, code) in code() {
        let files_without_texts = ["page/texts.rs", "page/files.rs"];
        if !name.contains("src/page") || files_without_texts.iter().any(|file| name.ends_with(file))
        {
            continue;
        }
        assert!(
            !code.chars().any(|c| ('\u{3000}'..='\u{9fff}').contains(&c)),
            "{name} has a Chinese text"
        );
        for (at, literal) in literals(&code) {
            looked_at += 1;
            // Values of attributes, and paths. A text has a blank or begins with a capital letter.
            let before = &code[..at];
            let is_attribute = before.ends_with('=') || before.ends_with("reason = ");
            let is_path = literal.starts_with(['/', '#', '.']);
            let has_word = without_names(literal)
                .split(|c: char| !c.is_alphabetic())
                .any(|word| word.len() > 1);
            let reads = literal.contains(' ') || literal.starts_with(char::is_uppercase);
            let is_text = has_word && reads && !is_attribute && !is_path;
            assert!(
                !is_text || allowed.contains(&literal),
                "{name} has a text of its own: {literal:?}"
            );
        }
    }
    assert!(looked_at > 50, "{looked_at}");
}

/// A format without what stands in braces.
fn without_names(literal: &str) -> String {
    let parts = literal.split('{').enumerate();
    let outside = parts.map(|(n, part)| match (n, part.split_once('}')) {
        (0, _) | (_, None) => part,
        (_, Some((_, outside))) => outside,
    });
    outside.collect()
}

/// Every string literal with its place.
fn literals(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) = code[from..].find('"') {
        let begin = from + begin;
        let rest = &code[begin + 1..];
        let mut end = 0;
        while let Some(at) = rest[end..].find('"') {
            end += at;
            if !rest[..end].ends_with('\\') {
                break;
            }
            end += 1;
        }
        found.push((begin, &rest[..end]));
        from = begin + 1 + end + 1;
    }
    found
}
