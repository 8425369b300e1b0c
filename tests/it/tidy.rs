//! Rules of this repository that the compiler does not check: what imports what, and which tables must agree.

mod imports;
mod words;

use crate::support::wechatd;
use imports::{Imports, Library, mentions, rings};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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
                // Build output of the fuzzer.
                if !path.ends_with("target") {
                    folders.push(path);
                }
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

/// The code of a file: without comments, without the test module at its end.
fn code(text: &str) -> String {
    let mut tests = text.match_indices("\n#[cfg(test)]\n").filter(|(at, _)| {
        let mut lines = text[*at..].lines().skip(2);
        let item = lines.find(|line| !line.starts_with("#["));
        item.is_some_and(|item| item.starts_with("mod ") && item.ends_with('{'))
    });
    let before_tests = tests.next().map_or(text, |(at, _)| &text[..at]);
    let lines = before_tests.lines().map(|line| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The imports between neighbours in the library, without those of its tests.
static IMPORTS: LazyLock<Imports> = LazyLock::new(|| {
    let mut files = rust_files("src");
    files.retain(|(path, _)| path != "src/main.rs" && !is_test(path));
    for (_, text) in &mut files {
        *text = code(text);
    }
    Library::new(&files).imports()
});

/// True for files that hold tests only.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[test]
fn tests_wait_for_lines_of_the_log() {
    for (path, text) in rust_files("tests/it") {
        let code = code(&text);
        for (at, found) in code.match_indices("assert!(") {
            let asserted: String = code[at + found.len()..]
                .chars()
                .filter(|c| !c.is_whitespace())
                .take(60)
                .collect();
            let log = asserted.split_once(".has(").map_or("", |(log, _)| log);
            let positive = log == "log" || log.ends_with("log()") && !log.starts_with('!');
            assert!(
                !positive,
                "{path}: assert!({asserted}…: wait for it with `Log::says`"
            );
        }
    }
}

#[test]
fn every_file_begins_with_what_it_owns() {
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
    let owners = [
        ("rusqlite", "src/store/"),
        ("mysql", "src/store/"),
        ("ureq", "src/outbound.rs"),
        ("tiny_http", "src/server/"),
        ("jiff", "src/local_time.rs"),
        ("xmltree", "src/wechat/"),
        ("sha1_smol", "src/wechat/"),
        ("clap", "src/cli/"),
        ("pulldown_cmark", "src/cli/article/markdown.rs"),
    ];
    let mut files = rust_files("src");
    files.retain(|(path, _)| !is_test(path));
    for (path, text) in files {
        for mention in mentions(&code(&text)) {
            for (name, owner) in owners {
                assert!(
                    mention.path[0] != name || path.starts_with(owner),
                    "{path} names {name}, which belongs to {owner}: {}",
                    mention.text
                );
            }
        }
    }
}

/// The modules in the order in which `lib.rs` declares them, which is the order of imports.
fn modules() -> Vec<String> {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "));
    declared
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect()
}

/// The top module that a file belongs to.
fn module_of(path: &str) -> &str {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').next().unwrap_or(path)
}

#[test]
fn imports_point_down_only() {
    let modules = modules();
    assert!(modules.len() >= 8, "{modules:?}");
    let rank = |path: &str| modules.iter().position(|module| module == module_of(path));
    for ((from, to), texts) in &*IMPORTS {
        assert!(
            rank(from) <= rank(to),
            "lib.rs declares {to} above {from}: {texts:#?}"
        );
    }
}

#[test]
fn no_two_neighbours_import_each_other_directly_or_in_a_ring() {
    let mut faults = String::new();
    for ring in rings(&IMPORTS) {
        faults += &format!("These import each other: {ring:#?}\n");
        for ((from, to), texts) in &*IMPORTS {
            if ring.contains(&&**from) && ring.contains(&&**to) {
                faults += &format!("  {}\n", texts.join("\n  "));
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn these_modules_never_import_those() {
    for (own, others) in [
        ("store", &["api", "server", "cli", "config"][..]),
        ("api", &["store", "server", "cli", "config"]),
        ("config", &["api"]),
        (
            "wechat",
            &["store", "api", "server", "cli", "config", "app"],
        ),
        ("dispatch", &["store", "api", "server", "cli", "app"]),
    ] {
        for ((from, to), texts) in &*IMPORTS {
            let forbidden = module_of(from) == own && others.contains(&module_of(to));
            assert!(!forbidden, "{from} must not import {to}: {texts:#?}");
        }
    }
}

#[test]
fn the_map_in_lib_rs_lists_the_modules_in_order() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut from = 0;
    for module in modules() {
        let listed = library[from..].find(&format!("[`{module}`]"));
        assert!(
            listed.is_some(),
            "lib.rs does not list {module}, or lists it too early"
        );
        from += listed.unwrap();
    }
}

#[test]
fn the_path_of_a_push_goes_through_files_that_exist() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (_, path) = library.split_once("# The path of a push").unwrap();
    let (path, _) = path.split_once("//! # ").unwrap();
    let steps: Vec<&str> = path
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
        .collect();
    assert!(steps.len() > 5, "{steps:?}");
    for step in steps {
        assert!(root().join("src").join(step).exists(), "src/{step} is gone");
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
fn no_unfinished_code_is_left() {
    for (path, text) in rust_files("src") {
        for word in ["todo!", "unimplemented!", "dbg!(", "FIXME", "TODO"] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}

#[test]
fn no_absolute_path_of_a_developers_machine_is_left() {
    let mut texts = rust_files("src");
    texts.extend(rust_files("tests"));
    // Unit tests invent paths, in files of their own and at the end of others.
    texts.retain(|(path, _)| !path.ends_with("/tests.rs"));
    for (_, text) in &mut texts {
        *text = code(text);
    }
    for name in [
        "README.md",
        "README.zh-CN.md",
        "wechat.conf",
        "Cargo.toml",
        ".ci/run",
    ] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            texts.push((name.into(), text));
        }
    }
    for (path, text) in texts {
        for folder in ["home", "work", "root", "Users"] {
            let start = format!("/{folder}/");
            let on_a_machine = text.match_indices(&start).find(|(at, _)| {
                let before = text[..*at].chars().next_back();
                let after = text[at + start.len()..].chars().next();
                let begins = !before.is_some_and(|c| c.is_alphanumeric() || "._-/".contains(c));
                begins && after.is_some_and(char::is_alphanumeric)
            });
            assert!(on_a_machine.is_none(), "{path} has a path under {start}");
        }
    }
}

#[test]
fn no_test_is_ignored() {
    let off = ["#[", "ignore"].concat();
    for folder in ["src", "tests"] {
        for (path, text) in rust_files(folder) {
            assert!(!text.contains(&off), "{path} ignores a test");
        }
    }
}

#[test]
fn every_dependency_has_its_reason_beside_it_or_is_prescribed_in_the_readme() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let readme = readme();
    let (_, others) = text
        .split_once("# Each of these has its reason above it.\n")
        .unwrap();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        let mut before = "";
        let above = others.lines().find_map(|line| {
            let above = std::mem::replace(&mut before, line);
            let is_it = line.starts_with(&format!("{name} ="));
            is_it.then_some(above)
        });
        match above {
            Some(above) => assert!(
                above.starts_with("# "),
                "Cargo.toml does not say above {name} what it is for"
            ),
            None => assert!(
                readme.contains(&format!("`{name}`")),
                "README.md does not say what `{name}` is for"
            ),
        }
    }
}

#[test]
fn the_newest_entry_of_the_changelog_is_this_version() {
    let text = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let entry = text.lines().find(|line| line.starts_with("## ")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let date = entry.strip_prefix(&format!("## [{version}] - "));
    let is_date = |date: &str| {
        let parts: Vec<&str> = date.split('-').collect();
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.into_iter().all(digits)
    };
    assert!(date.is_some_and(is_date), "not of {version}: {entry}");
}

#[test]
fn the_help_groups_every_command_once_and_fits_a_small_terminal() {
    let help = wechatd(&["--help"]);
    let help = &help.ok().stdout;
    assert!(help.lines().count() <= 24, "{help}");
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (_, groups) = help.split_once("\n\n  Try ").unwrap();
    let (groups, _) = groups.split_once("\n\nOptions:").unwrap();
    let listed: Vec<&str> = groups
        .split([' ', ',', '\n'])
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    for family in families() {
        let times = listed.iter().filter(|name| **name == family).count();
        assert_eq!(times, 1, "{family} in src/cli/groups.rs");
    }
    assert_eq!(listed.len(), families().len(), "{listed:?}");
}

/// The first words of all commands.
fn families() -> Vec<String> {
    let commands = wechatd::cli::commands();
    let mut families: Vec<String> = commands
        .iter()
        .filter_map(|(command, _)| command.split(' ').next().map(str::to_owned))
        .collect();
    families.dedup();
    assert!(families.len() >= 10, "{families:?}");
    families
}

#[test]
fn the_readme_has_a_row_for_every_family_of_commands_with_all_its_subcommands() {
    let readme = readme();
    let table = section(&readme, "Commands");
    let rows: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .collect();
    for family in families() {
        let own: Vec<_> = rows
            .iter()
            .filter(|(first, _)| first.contains(&format!("`{family}`")))
            .collect();
        let [(_, rest)] = own[..] else {
            panic!("README.md has {} rows for {family}", own.len());
        };
        for (command, _) in wechatd::cli::commands() {
            if let Some(subcommand) = command.strip_prefix(&format!("{family} ")) {
                assert!(
                    rest.contains(&format!("`{subcommand}`")),
                    "the row of {family} in README.md lacks `{subcommand}`"
                );
            }
        }
    }
}

/// The text below a heading of the second level, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, below) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    below.split("\n## ").next().unwrap()
}

#[test]
fn the_readme_is_short_and_in_the_order_in_which_an_owner_needs_it() {
    let readme = readme();
    let lines = readme.lines().count();
    assert!(lines <= 370, "README.md has {lines} lines");
    let headings = readme.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(
        headings.collect::<Vec<_>>(),
        [
            "Try it",
            "Going live",
            "Rules",
            "The menu",
            "Reading the data",
            "Web log-in",
            "Your own program",
            "The operator's page",
            "Upgrade, backup, moving",
            "When something goes wrong",
            "Configuration",
            "Commands",
            "More than one machine",
            "How fast",
            "Building",
            "Contributing",
            "Licence",
        ]
    );
}

/// The commands of this program that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let commands = wechatd::cli::commands();
    let called = text.split("wechatd ").skip(1).filter_map(|words| {
        let is_it = |name: &str| {
            let after = words.strip_prefix(name);
            after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let names = commands.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| is_it(name))
            .max_by_key(|name| name.len())
    });
    called.map(str::to_owned).collect()
}

#[test]
fn both_readmes_try_it_and_go_live_by_the_same_commands() {
    let chinese = std::fs::read_to_string(root().join("README.zh-CN.md")).unwrap();
    for (heading, in_chinese) in [("Try it", "先试一试"), ("Going live", "上线")] {
        let own = named(section(&readme(), heading));
        assert!(own.len() >= 4, "{heading}: {own:?}");
        assert_eq!(own, named(section(&chinese, in_chinese)), "{heading}");
    }
}

#[test]
fn both_readmes_name_the_lines_of_the_shipped_rules_as_explain_does() {
    let shipped = std::fs::read_to_string(root().join("wechat.conf")).unwrap();
    let shipped: Vec<&str> = shipped.lines().collect();
    for name in ["README.md", "README.zh-CN.md"] {
        let readme = std::fs::read_to_string(root().join(name)).unwrap();
        let explained = readme.lines().filter_map(|line| {
            let rest = line.strip_prefix("no ").or(line.strip_prefix("yes "))?;
            let (rule, rest) = rest.trim().split_once(" (line ")?;
            Some((rule, rest.split_once(')')?.0.parse::<usize>().unwrap()))
        });
        let explained: Vec<_> = explained.collect();
        assert!(explained.len() >= 3, "{name}: {explained:?}");
        for (rule, line) in explained {
            let there = &shipped[line - 1..line + 1];
            assert_eq!(
                there,
                ["[[rule]]", &format!("name = \"{rule}\"")],
                "{name}: {rule}"
            );
        }
    }
}

#[test]
fn the_chinese_readme_has_each_section_of_the_english_one_or_leads_to_it() {
    let chinese = std::fs::read_to_string(root().join("README.zh-CN.md")).unwrap();
    let told: BTreeMap<&str, &str> = [
        ("Try it", "## 先试一试"),
        ("Going live", "## 上线"),
        ("Rules", "## 规则"),
        ("The menu", "[[menu.button]]"),
        ("Reading the data", "## 日常使用"),
        ("Web log-in", "## 网页登录"),
        ("Your own program", "## 自己的程序"),
        ("The operator's page", "**后台页面。**"),
        ("Upgrade, backup, moving", "## 升级、备份、搬家"),
        ("When something goes wrong", "## 常见问题"),
        ("Metrics", "**监控指标。**"),
        ("More than one machine", "**多台机器：**"),
        ("Licence", "## 许可证"),
    ]
    .into();
    let english = readme();
    let headings = english
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")));
    for heading in headings {
        let link = format!("(README.md#{})", heading.to_lowercase().replace(' ', "-"));
        let has = match told.get(heading) {
            Some(place) => chinese
                .lines()
                .any(|line| line.trim_start_matches("- ").starts_with(place)),
            None => chinese.contains(&link),
        };
        assert!(
            has,
            "README.zh-CN.md: nothing of {heading:?}, and no {link}"
        );
    }
    assert!(chinese.contains("/metrics") && chinese.contains("Prometheus"));
}

#[test]
fn links_between_the_readmes_lead_somewhere() {
    let chinese = std::fs::read_to_string(root().join("README.zh-CN.md")).unwrap();
    for (text, file, own) in [
        (&readme(), "README.md#", true),
        (&chinese, "README.md#", false),
    ] {
        let mut links: Vec<&str> = text.split(&format!("({file}")).skip(1).collect();
        if own {
            links.extend(text.split("](#").skip(1));
        }
        assert!(!links.is_empty());
        for link in links {
            let anchor = link.split(')').next().unwrap();
            let leads = readme().lines().any(|line| {
                let heading = line
                    .strip_prefix('#')
                    .map(|line| line.trim_start_matches('#'));
                heading.map(str::trim).is_some_and(|heading| {
                    let kept = |c: &char| c.is_alphanumeric() || " -".contains(*c);
                    let heading = heading.to_lowercase();
                    heading
                        .chars()
                        .filter(kept)
                        .collect::<String>()
                        .replace(' ', "-")
                        == anchor
                })
            });
            assert!(leads, "README.md has no heading #{anchor}");
        }
    }
}

#[test]
fn the_readme_lists_every_configuration_key_with_its_default() {
    let readme = readme();
    for key in wechatd::config::KEYS {
        let mark = format!("| `{}` |", key.name);
        let line = readme.lines().find(|line| line.starts_with(&mark));
        let line = line.unwrap_or_else(|| panic!("README.md has no line {mark}"));
        if let Some(default) = key.default {
            assert!(
                line.contains(&format!("`{default}`")),
                "not the default {default}: {line}"
            );
        }
    }
}

#[test]
fn the_readme_lists_no_unknown_key() {
    let readme = readme();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    for name in rows.filter_map(|row| row.split('`').next()) {
        let section = name.split('.').next().unwrap_or_default();
        let sections = [
            "account", "server", "store", "api", "web", "login", "admin", "watch",
        ];
        if sections.contains(&section) && name.contains('.') {
            let known = wechatd::config::KEYS.iter().any(|key| key.name == name);
            assert!(known, "README.md lists {name}, which does not exist");
        }
    }
}

#[test]
fn the_shipped_configuration_explains_every_key_with_its_default() {
    let shipped = std::fs::read_to_string(root().join("wechat.conf")).unwrap();
    for key in wechatd::config::KEYS {
        let (section, own) = key.name.split_once('.').unwrap();
        let from = shipped.find(&format!("[{section}]"));
        let from = from.unwrap_or_else(|| panic!("wechat.conf has no [{section}]"));
        let within = shipped[from + 1..].split("\n[").next().unwrap_or_default();
        let line = within.lines().find(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(own)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        let line = line.unwrap_or_else(|| panic!("wechat.conf does not show {}", key.name));
        if let Some(default) = key.default {
            assert!(
                line.contains(default),
                "{}: not the default {default}: {line}",
                key.name
            );
        }
    }
    let lists = [
        wechatd::config::RULE_KEYS,
        wechatd::config::HOOK_KEYS,
        wechatd::config::SERVICE_KEYS,
        wechatd::config::GATE_KEYS,
        wechatd::config::MENU_KEYS,
    ];
    for (key, _) in lists.concat() {
        assert!(
            shipped.contains(key),
            "wechat.conf does not mention the key {key}"
        );
    }
}

#[test]
fn the_shipped_configuration_has_the_defaults_and_three_rules() {
    let shipped = root().join("wechat.conf");
    let shipped = shipped.to_str().unwrap();
    // Another program may listen on its port here, which is for `check` to say.
    let ran = wechatd(&["--config", shipped, "check", "--json"]);
    let checked: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        checked["rules"].as_array().map_or(0, Vec::len),
        3,
        "{checked}"
    );
    assert_eq!(checked["listen"], "http://127.0.0.1:8080");
    assert_eq!(checked["callback_path"], "/wechat");
    assert_eq!(checked["mode"], "plain");
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// True if these licences satisfy an SPDX expression without nested brackets.
fn may_be_shipped(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| allowed.contains(&licence.trim()))
    })
}

#[test]
fn every_crate_has_a_licence_allowed_by_deny_toml() {
    let rules = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let rules: toml::Table = rules.parse().unwrap();
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<&str> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let cargo = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO"));
        command.args(arguments).current_dir(root());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.unwrap();
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--offline",
        "--locked",
        "--filter-platform",
        host,
    ]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let needed: Vec<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        if needed.contains(&package["id"].as_str().unwrap()) {
            let (name, licence) = (&package["name"], package["license"].as_str());
            assert!(
                licence.is_some_and(|licence| may_be_shipped(licence, &allowed)),
                "{name} has the licence {licence:?}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} packages");
    for (expression, may) in [
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR GPL-2.0) AND ISC", true),
    ] {
        assert_eq!(may_be_shipped(expression, &allowed), may, "{expression}");
    }
}
