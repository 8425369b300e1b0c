//! Menus of a configuration: valid ones, invalid ones, and what the console created.

use super::*;
use crate::config::Config;
use std::path::Path;

fn parse(text: &str) -> Result<Menu, Vec<String>> {
    match Config::read(Path::new("wechat.conf"), text, None) {
        Ok(config) => Ok(config.menu),
        Err(problems) => Err(problems.to_string().lines().map(str::to_owned).collect()),
    }
}

const SOUND: &str = r#"
[[menu.button]]
name = "Today"
type = "click"
key = "TODAY"

[[menu.button]]
name = "Tools"
sub_button = [
{ name = "Shop", type = "view", url = "https://www.example.com/shop" },
{ name = "App", type = "miniprogram", url = "https://www.example.com/", appid = "wx00aa11bb22cc33dd", pagepath = "pages/a" },
]

[[menu.button]]
name = "更多"

[[menu.button.sub_button]]
name = "Say \"hi\" \\ 好"
type = "media_id"
media_id = "M"

[[menu.conditional]]
matchrule = { tag_id = 134, client_platform_type = "2" }

[[menu.conditional.button]]
name = "VIP"
type = "article_id"
article_id = "A"
"#;

#[test]
fn what_is_written_reads_back_equal() {
    let menu = parse(SOUND).expect("a sound menu");
    assert_eq!(menu.button.len(), 3);
    assert_eq!(menu.conditional[0].matchrule.tag_id.as_deref(), Some("134"));
    let text = menu.to_text();
    assert_eq!(parse(&text).as_ref(), Ok(&menu), "{text}");
    assert_eq!(Menu::default().to_text(), "");
    assert_eq!(parse(""), Ok(Menu::default()));
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_lines() {
    let mistakes = parse(
        r#"[[menu.button]]
nam = "Today"
type = "clik"
key = "TODAY"
[[menu.button]]
name = "Tools are too long"
type = "view"
url = "www.example.com"
key = "K"
[[menu.button]]
name = 5
[[menu.button.sub_button]]
name = "Deep"
sub_button = []
[[menu.button.sub_button]]
name = "Both"
type = "click"
key = "K"
sub_button = [7]
[[menu.button]]
name = "Fourth"
[[menu.conditional]]
matchrul = { sex = 1 }
[[menu.conditional.button]]
name = "VIP"
type = "click"
key = "V"
[[menu.conditional]]
button = "x"
matchrule = { sex = 1, client_platform_type = "4" }
[menu.x]
"#,
    )
    .expect_err("mistakes");
    let expected = [
        "1: menu.button: it has 4 of them, 1 to 3 are allowed",
        "2: menu.button #1: nam: unknown key; did you mean name?",
        "3: menu.button #1: type: \"clik\" cannot be made through the API; did you mean \"click\"?",
        "6: menu.button #2: name: it has 18 bytes, 16 are allowed",
        "8: menu.button #2: url: it begins with neither http:// nor https://",
        "9: menu.button #2: key: a button of type \"view\" has no key; remove it",
        "11: menu.button #3: name: expected a text in quotes, found 5",
        "14: menu.button #3: sub_button #1: sub_button: a menu has two levels",
        "19: menu.button #3: sub_button #2: sub_button: a button has either sub_button or a type, and this one is \"click\"; remove one of them",
        "20: menu.button #4: type: it is missing, and so is sub_button",
        "23: menu.conditional #1: matchrul: unknown key; did you mean matchrule?",
        "29: menu.conditional #2: button: expected a list of tables, found a text",
        "30: menu.conditional #2: matchrule.client_platform_type: it is 1 (iOS), 2 (Android) or 3 (others)",
        "30: menu.conditional #2: matchrule.sex: unknown key; it can be tag_id, client_platform_type",
        "31: menu.x: unknown key; it can be button, conditional",
    ];
    for line in expected {
        let line = format!("wechat.conf:{line}");
        assert!(mistakes.contains(&line), "{line}\n{mistakes:#?}");
    }
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
}

#[test]
fn strange_shapes_are_refused_without_harm() {
    for text in [
        "menu = 5",
        "[menu]\nbutton = 5",
        "[menu]\nbutton = [5]",
        "[menu]\nbutton = []",
        "[menu]\nconditional = []",
        "[menu]\nbutton = [{ name = \"x\", sub_button = 5 }]",
        "[[menu.conditional]]",
        "[[menu.conditional]]\nmatchrule = 5",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_only_the_console_can_create_becomes_a_comment() {
    let button = |json: serde_json::Value| serde_json::from_value(json).expect("a button");
    let menu = Menu {
        button: vec![
            button(serde_json::json!({"type": "text", "name": "Hi", "value": "hello\nyou {x}"})),
            button(serde_json::json!({"name": "More", "sub_button": {"list": [
                {"type": "view", "name": "Shop", "url": "https://www.example.com/"},
                {"type": "news", "name": "News", "value": "M", "news_info": {"list": []}}]}})),
            button(serde_json::json!({"name": "Old", "sub_button": {"list": [
                {"type": "img", "name": "Picture", "value": "M"}]}})),
        ],
        conditional: Vec::new(),
    };
    let text = menu.to_text();
    let (expressible, left_out) = menu.sendable();
    assert_eq!(parse(&text), Ok(expressible), "{text}");
    assert_eq!(left_out.len(), 3);
    for part in ["Hi", "hello", "News", "Picture", "equals"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_conditional_menu_that_cannot_be_expressed_becomes_a_comment() {
    let menu = |matchrule: serde_json::Value, button: serde_json::Value| Conditional {
        button: serde_json::from_value(button).expect("buttons"),
        matchrule: serde_json::from_value(matchrule).expect("a rule"),
    };
    let click = serde_json::json!([{"type": "click", "name": "A", "key": "A"}]);
    let console = serde_json::json!([{"type": "text", "name": "B", "value": "b"}]);
    let all = Menu {
        button: serde_json::from_value(click.clone()).expect("buttons"),
        conditional: vec![
            menu(serde_json::json!({"tag_id": "134"}), console),
            menu(serde_json::json!({"province": "a\n[menu]"}), click.clone()),
            menu(
                serde_json::json!({"client_platform_type": "9"}),
                click.clone(),
            ),
            menu(serde_json::json!({}), click.clone()),
            menu(serde_json::json!({"tag_id": "135"}), click),
        ],
    };
    let text = all.to_text();
    let (sendable, left_out) = all.sendable();
    assert_eq!(sendable.conditional.len(), 1);
    assert_eq!(parse(&text), Ok(sendable), "{text}");
    assert_eq!(left_out.len(), 4, "{left_out:?}");
}
