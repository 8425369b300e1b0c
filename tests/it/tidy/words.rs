//! The words that owners read: WeChat is called by its name, and some words are never used.

use super::{code, is_test, root, rust_files};
use crate::support::wechatd;
use regex::Regex;
use std::iter::once;

/// What no owner reads, with what is written instead.
const AVOIDED: [(&str, &str); 9] = [
    (r"\bplatform\b|平台", "WeChat, 微信; the console (公众平台)"),
    (r"\bpersons?\b|\bwhom\b", "follower, user, who"),
    (
        r"\b(take[ns]?|taking|took)\b[^.,;:]* (away|out|off)\b",
        "remove",
    ),
    (r"\b(stands?|stood)\b", "is, is kept, is shown"),
    (r"\b(comes|came) in\b", "arrives, is added"),
    (r"\banew\b", "again"),
    (r"\bbesides?\b", "next to, also"),
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\bin force\b", "active"),
];

/// Names of WeChat's own that have an avoided word in them.
const CONSOLES: [&str; 2] = ["公众平台", "开发者平台"];

/// The string literals of code without comments, with the lines that a backslash joins joined.
fn literals(code: &str) -> Vec<String> {
    let token = r##"(?x) (?s)
        '(?: \\.[^']* | [^\\'] )'       # a character
        | r\#"(.*?)"\#                  # a raw text
        | "( (?: \\. | [^"\\] )* )"
    "##;
    let joined = Regex::new(r"\\\n\s*").unwrap();
    Regex::new(token)
        .unwrap()
        .captures_iter(code)
        .filter_map(|token| token.get(1).or(token.get(2)))
        .map(|text| joined.replace_all(text.as_str(), "").into_owned())
        .collect()
}

/// Every text that reaches an owner, with where it is: literals of the program, what it serves or prints as it is, the
/// help, and the documents.
fn texts() -> Vec<(String, String)> {
    let mut sources = rust_files("src");
    sources.retain(|(path, _)| !is_test(path));
    let literals = sources.iter().flat_map(|(path, text)| {
        let all = literals(&code(text));
        all.into_iter().map(move |text| (path.clone(), text))
    });
    let files = [
        "src/cli/proxy/Caddyfile",
        "src/cli/proxy/nginx.conf",
        "src/cli/proxy/traefik.yml",
        "src/page/script.js",
        "src/server/web/pages/scan.js",
        "wechat.conf",
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
    ];
    let files = files.map(|path| {
        (
            path.to_owned(),
            std::fs::read_to_string(root().join(path)).unwrap(),
        )
    });
    let commands = wechatd::cli::commands().into_iter().map(|(name, _)| name);
    let help = once(String::new()).chain(commands).map(|name| {
        let mut arguments: Vec<&str> = name.split_whitespace().collect();
        arguments.push("--help");
        (
            format!("wechatd {}", arguments.join(" ")),
            wechatd(&arguments).stdout,
        )
    });
    literals.chain(files).chain(help).collect()
}

#[test]
fn owners_read_plain_words_and_the_name_of_wechat() {
    let avoided =
        AVOIDED.map(|(words, instead)| (Regex::new(&format!("(?i){words}")).unwrap(), instead));
    let texts = texts();
    assert!(texts.len() > 5000, "only {} texts were found", texts.len());
    let mut found = Vec::new();
    for (place, text) in &texts {
        for line in text.lines() {
            let line = CONSOLES
                .iter()
                .fold(line.to_owned(), |line, name| line.replace(name, ""));
            for (words, instead) in &avoided {
                if let Some(word) = words.find(&line) {
                    found.push(format!("{place}: {:?} ({instead}): {line}", word.as_str()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn literals_are_found_between_all_other_signs() {
    let code = "f('\"', b'\\'', \"a \\\"b\\\" \\\n   c\", r#\"d \"e\" f\"#, &'static str, \"\");";
    assert_eq!(literals(code), ["a \\\"b\\\" c", "d \"e\" f", ""]);
}
