//! Rules of this repository that a compiler does not know: what imports what, and which tables must agree.

use crate::support::wechatd;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder of the repository, with its text.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((relative(&path), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no Rust files under {folder}");
    found
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root()).unwrap().into();
    path.display().to_string()
}

/// The code of a file: without comments, without what follows its test module.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = before_tests.lines().map(|line| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// True when `code` uses `word` as a whole path segment: `word::`, `use word`, `{word, …}`.
fn names(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        let whole =
            !before.is_some_and(part_of_name) && !after.chars().next().is_some_and(part_of_name);
        let path = after.starts_with("::") || code[..at].trim_end().ends_with("use");
        whole && path
    })
}

#[test]
fn every_file_says_first_what_it_owns() {
    for folder in ["src", "tests"] {
        for (path, text) in rust_files(folder) {
            assert!(
                text.starts_with("//! "),
                "{path} does not begin with a //! sentence"
            );
        }
    }
}

#[test]
fn a_crate_is_named_only_in_the_folder_that_owns_it() {
    for (crate_name, owner) in [
        ("rusqlite", "src/store"),
        ("ureq", "src/api"),
        ("tiny_http", "src/server"),
        ("xmltree", "src/wechat"),
        ("sha1_smol", "src/wechat"),
        ("clap", "src/cli"),
    ] {
        for (path, text) in rust_files("src") {
            let allowed = path.starts_with(owner) || crate_name == "clap" && path == "src/main.rs";
            assert!(
                allowed || !names(&code(&text), crate_name),
                "{path} names {crate_name}, which belongs to {owner}"
            );
        }
    }
}

#[test]
fn imports_point_down_only() {
    for (folder, forbidden) in [
        (
            "src/wechat",
            &["store", "api", "server", "cli", "config", "dispatch", "app"][..],
        ),
        ("src/store", &["api", "server", "cli", "dispatch", "app"]),
        ("src/api", &["store", "server", "cli", "dispatch", "app"]),
        ("src/dispatch", &["store", "api", "server", "cli", "app"]),
        ("src/config", &["store", "api", "server", "cli", "app"]),
        ("src/server", &["cli"]),
        ("src/app.rs", &["server", "cli"]),
        (
            "src/clock.rs",
            &[
                "store", "api", "server", "cli", "config", "dispatch", "app", "wechat",
            ],
        ),
    ] {
        for (path, text) in rust_files("src") {
            if !(path == folder
                || path.starts_with(&format!("{folder}/"))
                || path == format!("{folder}.rs"))
            {
                continue;
            }
            let code = code(&text);
            for module in forbidden {
                assert!(
                    !code.contains(&format!("crate::{module}")),
                    "{path} imports crate::{module}"
                );
            }
        }
    }
}

#[test]
fn dispatch_knows_no_xml_and_no_sql() {
    for (path, text) in rust_files("src") {
        if path.starts_with("src/dispatch") {
            for word in [
                "xmltree",
                "rusqlite",
                "tiny_http",
                "ureq",
                "SELECT ",
                "<xml",
            ] {
                assert!(!code(&text).contains(word), "{path} knows {word}");
            }
        }
    }
}

#[test]
fn nothing_unfinished_is_left() {
    for (path, text) in rust_files("src") {
        for word in ["todo!", "unimplemented!", "dbg!(", "FIXME", "XXX"] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}

#[test]
fn no_path_of_some_machine_is_left() {
    let mut texts = rust_files("src");
    texts.extend(rust_files("tests"));
    for name in ["README.md", "wechat.conf", "Cargo.toml", ".ci/run"] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            texts.push((name.into(), text));
        }
    }
    for (path, text) in texts {
        for folder in ["home", "work", "root", "Users"] {
            for quote in ['"', '`', ' ', '('] {
                let machine = format!("{quote}/{folder}/");
                assert!(!text.contains(&machine), "{path} has {machine:?}");
            }
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    let off = ["#[", "ignore"].concat();
    for folder in ["src", "tests"] {
        for (path, text) in rust_files(folder) {
            assert!(!text.contains(&off), "{path} ignores a test");
        }
    }
}

#[test]
fn every_dependency_has_its_reason_in_the_readme() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let readme = readme();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        assert!(
            readme.contains(&format!("`{name}`")),
            "README.md does not say what `{name}` is for"
        );
    }
}

#[test]
fn every_command_of_the_help_is_in_the_readme() {
    let readme = readme();
    let help = wechatd(&["--help"]);
    help.ok();
    let commands = listed_commands(&help.stdout);
    help.expect(commands.len() >= 8, "a list of commands");
    for command in commands {
        assert!(
            readme.contains(&format!("`{command}"))
                || readme.contains(&format!("wechatd {command}")),
            "README.md does not mention the command {command}"
        );
    }
}

/// The names under `Commands:`.
fn listed_commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}
