//! What `wechatd check` warns about: rules that are valid but hardly intended, because nothing can reach them, an
//! event takes no reply, or its name is misspelt.

use crate::support::*;

/// Runs `check` on these rules and compares its warnings, as text and as JSON: for each, the number of the rule and
/// parts of the text.
#[track_caller]
fn check(rules: &str, expected: &[(usize, &[&str])]) {
    let account = Setup::new().rules(rules).stopped();
    let ran = account.command(&["check"]);
    ran.ok();
    let warnings: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("warning: ") && line.contains("rule"))
        .collect();
    ran.expect(
        warnings.len() == expected.len(),
        &format!("{} warnings about rules, for\n{rules}", expected.len()),
    );
    let config = std::fs::read_to_string(account.config_path()).unwrap();
    let json = account.command(&["check", "--json"]).json();
    let advice = json["advice"].as_array().unwrap();
    assert_eq!(advice.len(), expected.len(), "{json}");
    for (at, (number, parts)) in expected.iter().enumerate() {
        let starts = config
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == "[[rule]]");
        let line = starts.map(|(line, _)| line + 1).nth(number - 1).unwrap();
        let place = format!("wechat.conf:{line}: rule #{number}: ");
        ran.expect(warnings[at].contains(&place), &place);
        assert_eq!(advice[at]["rule"], format!("rule #{number}"), "{json}");
        assert_eq!(advice[at]["line"], line, "{json}");
        for part in *parts {
            ran.expect(warnings[at].contains(part), part);
            let what = advice[at]["what"].as_str().unwrap();
            assert!(what.contains(part), "{what:?} without {part:?}");
        }
    }
}

fn rule(keys: &str) -> String {
    format!("[[rule]]\n{keys}\ntext = \"x\"\n")
}

fn rules(all: &[&str]) -> String {
    all.iter().map(|keys| rule(keys)).collect()
}

#[test]
fn a_rule_below_one_that_takes_everything_is_reported() {
    let never = |by: &'static str| -> [&'static str; 2] { ["never answers", by] };
    for (above, below) in [
        ("message = \"text\"", "message = \"text\""),
        (
            "message = \"text\"",
            "message = \"text\"\nequals = \"hours\"",
        ),
        (
            "message = \"text\"",
            "message = \"text\"\nregex = '^a'\ncase = true",
        ),
        ("message = \"any\"", "message = \"text\""),
        ("message = \"any\"", "message = \"any\""),
        ("message = \"any\"", "message = [\"voice\", \"image\"]"),
        (
            "message = [\"text\", \"voice\"]",
            "message = \"voice\"\nprefix = \"a\"",
        ),
        ("event = \"any\"", "event = \"subscribe\""),
        ("event = \"CLICK\"", "event = \"click\"\nequals = \"MENU\""),
        (
            "event = [\"subscribe\", \"SCAN\"]",
            "event = \"scan\"\nprefix = \"table-\"",
        ),
        (
            "message = \"text\"\nprefix = \"\"",
            "message = \"text\"\nequals = \"a\"",
        ),
        ("message = \"text\"\ncontains = \"\"", "message = \"text\""),
        (
            "message = \"text\"\nregex = '.*'",
            "message = \"text\"\nequals = \"a\"",
        ),
        ("message = \"text\"\nregex = ''", "message = \"text\""),
        (
            "message = \"text\"\nequals = \"hours\"",
            "message = \"text\"\nequals = \"HOURS\"",
        ),
        (
            "message = \"text\"\nequals = [\"a\", \"b\"]",
            "message = \"text\"\nequals = \"b\"",
        ),
        (
            "message = \"text\"\nprefix = \"or\"",
            "message = \"text\"\nprefix = \"order\"",
        ),
        (
            "message = \"text\"\nprefix = \"or\"",
            "message = \"text\"\nequals = [\"order\", \"orange\"]",
        ),
        (
            "message = \"text\"\ncontains = \"or\"",
            "message = \"text\"\nprefix = \"order\"",
        ),
        (
            "message = \"text\"\ncontains = \"der\"",
            "message = \"text\"\ncontains = \"order\"",
        ),
        (
            "message = \"text\"\ncontains = \"or\"",
            "message = \"text\"\nequals = \"order\"\ncase = true",
        ),
        (
            "message = \"text\"\nequals = \"order\"",
            "message = \"text\"\nequals = \"Order\"\ncase = true",
        ),
        (
            "message = \"text\"\nprefix = \"or\"",
            "message = \"text\"\nprefix = \"ORDER\"\ncase = true",
        ),
        (
            "message = \"text\"\nregex = '^a+$'",
            "message = \"text\"\nregex = '^a+$'",
        ),
        (
            "message = \"text\"\nregex = '^\\d+$'",
            "message = \"text\"\nequals = [\"1\", \"22\"]",
        ),
        (
            "message = \"text\"\nprefix = \"a\"",
            "message = \"text\"\nprefix = \"ab\"\ncontains = \"c\"",
        ),
    ] {
        check(
            &rules(&[above, below]),
            &[(2, &never("rule #1 above it takes everything"))],
        );
    }
}

#[test]
fn a_rule_below_several_that_together_take_everything_is_reported() {
    check(
        &rules(&[
            "message = \"text\"",
            "message = [\"voice\", \"image\"]",
            "message = [\"text\", \"image\"]",
        ]),
        &[(
            3,
            &[
                "never answers",
                "rule #1 and rule #2 above it take everything",
            ],
        )],
    );
    check(
        &rules(&[
            "event = \"subscribe\"",
            "event = \"SCAN\"\nprefix = \"t\"",
            "event = [\"scan\", \"SUBSCRIBE\"]\nequals = \"table\"",
        ]),
        &[(3, &["never answers", "rule #2 and rule #1"])],
    );
    // Every one of them is reported.
    check(
        &rules(&[
            "message = \"any\"",
            "message = \"text\"",
            "message = \"voice\"",
        ]),
        &[(2, &["rule #1"]), (3, &["rule #1"])],
    );
}

#[test]
fn no_warning_about_a_rule_that_something_can_reach() {
    for list in [
        &["message = \"text\"\nequals = \"a\"", "message = \"text\""][..],
        &[
            "message = \"text\"",
            "message = \"voice\"",
            "message = \"any\"",
        ],
        &["message = \"any\"", "event = \"any\""],
        &["event = \"any\"", "message = \"any\""],
        &[
            "message = \"text\"\nequals = \"a\"\ncase = true",
            "message = \"text\"\nequals = \"a\"",
        ],
        &[
            "message = \"text\"\nprefix = \"order\"",
            "message = \"text\"\nprefix = \"or\"",
        ],
        &[
            "message = \"text\"\nequals = \"a\"",
            "message = \"text\"\nequals = [\"a\", \"b\"]",
        ],
        &[
            "message = \"text\"\ncontains = \"a\"",
            "message = \"text\"\nregex = 'a'",
        ],
        &[
            "message = \"text\"\nprefix = \"a\"\ncontains = \"b\"",
            "message = \"text\"\nprefix = \"a\"",
        ],
        &[
            "message = [\"text\", \"voice\"]\nprefix = \"a\"",
            "message = [\"text\", \"voice\"]",
        ],
        &[
            "message = \"text\"\nregex = 'a'\ncase = true",
            "message = \"text\"\nregex = 'a'",
        ],
        &[
            "message = \"text\"\nregex = '^$'",
            "message = \"text\"\nequals = \"a\"",
        ],
        &[
            "event = \"subscribe\"\nprefix = \"poster\"",
            "event = \"subscribe\"",
        ],
        &["message = \"text\"", "message = [\"text\", \"image\"]"],
        &["event = \"an_event_of_the_future\""],
    ] {
        check(&rules(list), &[]);
    }
    check(account::RULES, &[]);
}

#[test]
fn check_warns_about_a_reply_to_an_event_that_takes_none() {
    for name in [
        "unsubscribe",
        "LOCATION",
        "VIEW",
        "view_miniprogram",
        "TEMPLATESENDJOBFINISH",
        "user_get_card",
        "View",
    ] {
        let named = name.to_lowercase();
        check(
            &rule(&format!("event = \"{name}\"")),
            &[(1, &["takes no reply", &named, "success"])],
        );
        // Saying nothing on purpose is fine.
        check(
            &format!("[[rule]]\nevent = \"{name}\"\nsilent = true\n"),
            &[],
        );
    }
    check(
        &rule("event = [\"subscribe\", \"unsubscribe\", \"VIEW\"]"),
        &[(1, &["unsubscribe"]), (1, &["view"])],
    );
    check(&rule("event = \"any\""), &[]);
}

#[test]
fn check_names_hooks_where_a_rule_forwards_only_events_that_take_no_reply() {
    let forwards = |about: &str| {
        format!(
            "[[service]]\nname = \"bot\"\nurl = \"http://127.0.0.1:9000\"\n[[rule]]\n{about}\nforward = \"bot\"\n"
        )
    };
    check(
        &forwards("event = [\"unsubscribe\", \"VIEW\"]"),
        &[(
            1,
            &[
                "no reply to unsubscribe and view events",
                "a [[hook]] is the thing for those",
            ],
        )],
    );
    for about in [
        "event = [\"subscribe\", \"unsubscribe\"]",
        "event = \"any\"",
        "event = \"another_new_event\"",
        "message = \"any\"",
    ] {
        check(&forwards(about), &[]);
    }
}

#[test]
fn check_suggests_the_right_name_for_a_misspelt_event() {
    for (wrong, right) in [
        ("subscrbe", "subscribe"),
        ("unsubscibe", "unsubscribe"),
        ("CLIK", "CLICK"),
        ("scancode_waitmesg", "scancode_waitmsg"),
        ("localtion_select", "location_select"),
    ] {
        check(
            &rule(&format!("event = \"{wrong}\"")),
            &[(1, &["did you mean", right])],
        );
    }
}

#[test]
fn check_warns_about_a_rule_that_looks_at_the_scan_of_an_event_without_one() {
    check(
        &rule("event = [\"scancode_waitmsg\", \"CLICK\"]\nsubject = \"scan\"\nequals = \"a\""),
        &[(1, &["nothing is scanned in click events"])],
    );
    // These rules look at different subjects, so neither hides the other.
    let scans = "event = \"scancode_waitmsg\"\nsubject = \"scan\"";
    let on_scan = |keys: &str| format!("{scans}\n{keys}");
    let key = "event = \"scancode_waitmsg\"\nprefix = \"a\"";
    check(&rules(&[key, &on_scan("equals = \"ab\"")]), &[]);
    check(
        &rules(&[&on_scan("prefix = \"A\""), &on_scan("equals = \"ａb\"")]),
        &[(2, &["never answers"])],
    );
}

/// What `check` says about buttons that no rule answers, for these rules and this menu.
fn unanswered(rules_and_menu: &str) -> Vec<String> {
    let account = Setup::new().rules(rules_and_menu).stopped();
    let ran = account.command(&["check"]);
    let lines = ran.ok().stdout.lines();
    let warnings: Vec<String> = lines
        .filter(|line| line.starts_with("warning: ") && line.contains("no rule answers"))
        .map(|line| line.replace("warning: ", ""))
        .collect();
    let json = account.command(&["check", "--json"]).json();
    let all = json["warnings"].as_array().unwrap();
    for warning in &warnings {
        assert!(
            all.iter().any(|listed| listed == warning),
            "{warning} in {json}"
        );
    }
    warnings
}

#[test]
fn check_warns_about_a_button_that_no_rule_answers() {
    let button = |name: &str, kind: &str, key: &str| {
        format!("[[menu.button]]\nname = \"{name}\"\ntype = \"{kind}\"\nkey = \"{key}\"\n")
    };
    let click = rule("event = \"CLICK\"\nequals = \"Hours\"");
    let today = button("Today", "click", "TODAY");
    assert_eq!(
        unanswered(&(click.clone() + &today)),
        ["button Today: no rule answers CLICK TODAY"]
    );
    for rules in [
        "event = \"CLICK\"",
        "event = \"any\"",
        "event = [\"SCAN\", \"click\"]\nequals = [\"x\", \"today\"]",
        "event = \"CLICK\"\nregex = '^T'",
    ] {
        assert!(unanswered(&(rule(rules) + &today)).is_empty(), "{rules}");
    }
    let silent = "[[rule]]\nevent = \"CLICK\"\nsilent = true\n";
    assert!(unanswered(&(silent.to_owned() + &today)).is_empty());
    for rules in [
        "message = \"any\"",
        "event = \"SCAN\"",
        "event = \"CLICK\"\nequals = \"today\"\ncase = true",
        "event = \"CLICK\"\nequals = \"ＴＯＤＡＹ\"",
    ] {
        assert_eq!(unanswered(&(rule(rules) + &today)).len(), 1, "{rules}");
    }
    // Other kinds of buttons: only a scanned code waits for an answer; pictures and places follow as messages.
    for (kind, waits) in [
        ("scancode_waitmsg", true),
        ("scancode_push", false),
        ("pic_sysphoto", false),
        ("pic_photo_or_album", false),
        ("pic_weixin", false),
        ("location_select", false),
    ] {
        let warnings = unanswered(&(click.clone() + &button("B", kind, "K")));
        let warning = "button B: no rule answers scancode_waitmsg K";
        let expected = if waits { vec![warning] } else { vec![] };
        assert_eq!(warnings, expected, "{kind}");
    }
    let scans = rule("event = \"scancode_waitmsg\"\nsubject = \"scan\"\nprefix = \"EAN\"");
    assert!(unanswered(&(scans + &button("B", "scancode_waitmsg", "K"))).is_empty());
    // In a submenu and in a conditional menu.
    let nested = r#"
[[menu.button]]
name = "More"
sub_button = [
    { name = "Shop", type = "view", url = "https://www.example.com/" },
    { name = "Open", type = "click", key = "hours" },
    { name = "News", type = "click", key = "NEWS" },
]
[[menu.conditional]]
matchrule = { tag_id = "134" }
[[menu.conditional.button]]
name = "VIP"
type = "click"
key = "VIP"
"#;
    assert_eq!(
        unanswered(&(click + nested)),
        [
            "button News: no rule answers CLICK NEWS",
            "menu.conditional #1: button VIP: no rule answers CLICK VIP"
        ]
    );
}

#[test]
fn rules_answer_every_button_in_the_readme_and_in_the_shipped_file() {
    let root = env!("CARGO_MANIFEST_DIR");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let shown = |section: &str| {
        let text = readme.split(section).nth(1).unwrap();
        let block = text.split("```toml\n").nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let warnings = unanswered(&(shown("\n## Rules\n") + &shown("\n## The menu\n")));
    assert!(warnings.is_empty(), "{warnings:?}");
    // The shipped file, with its menu uncommented.
    let shipped = std::fs::read_to_string(format!("{root}/wechat.conf")).unwrap();
    let (rules, menu) = shipped.split_once("# The menu below the chat").unwrap();
    let (menu, _) = menu.split_once("\n# Services: ").unwrap();
    let rules = &rules[rules.find("[[rule]]").unwrap()..];
    let settings = menu.lines().filter_map(|line| line.strip_prefix("# "));
    let settings = settings.filter(|line| line.contains(" = ") || line.contains(']'));
    let menu = settings.collect::<Vec<_>>().join("\n");
    assert!(menu.contains("click"), "{menu}");
    let warnings = unanswered(&(rules.to_owned() + &menu));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_log_reports_rules_that_can_never_answer_at_start_and_at_every_reload() {
    let rules = "[[rule]]\nmessage = \"any\"\ntext = \"a\"\n\n[[rule]]\nname = \"hidden\"\nmessage = \"text\"\ntext = \"b\"\n";
    let account = Account::with_rules(rules);
    let warnings = || account.log().count("hidden: never answers");
    eventually("the warning", account.log(), || warnings() == 1);
    account.reload();
    eventually("the warning again", account.log(), || warnings() == 2);
}
