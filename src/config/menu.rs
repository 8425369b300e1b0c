//! The account's menu in the configuration: `[[menu.button]]` and `[[menu.conditional]]`, read and written.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Map;
use toml::de::DeTable;

use super::problem::nearest;
use super::value::{self, Read, Value};
use crate::api::menu::{
    ARTICLE_TYPES, Button, KEY_TYPES, MEDIA_TYPES, MatchRule, Tap,
    limits::{self, Mistake},
};

/// The keys of a `[[menu.button]]` with what each is for, in the order of the documentation.
pub const MENU_KEYS: &[(&str, &str)] = &[
    (
        "name",
        "what the user sees: 16 bytes, in a sub_button 60 (a Chinese character has 3)",
    ),
    (
        "type",
        "what a tap does: click, view, miniprogram, scancode_push, scancode_waitmsg, pic_sysphoto, pic_photo_or_album, pic_weixin, location_select, media_id, view_limited, article_id, article_view_limited",
    ),
    (
        "key",
        "of click, scancode_…, pic_… and location_select: the EventKey that rules see",
    ),
    (
        "url",
        "of view: the page; of miniprogram: the page for clients that know no mini programs",
    ),
    ("appid", "of miniprogram: its AppID"),
    ("pagepath", "of miniprogram: the page in it"),
    (
        "media_id",
        "of media_id and view_limited: permanent material",
    ),
    (
        "article_id",
        "of article_id and article_view_limited: a published article",
    ),
    (
        "sub_button",
        "instead of a type: 1 to 5 buttons that a tap unfolds",
    ),
];

const CONDITIONAL_KEYS: [&str; 2] = ["button", "matchrule"];
const RULE_KEYS: [&str; 2] = ["tag_id", "client_platform_type"];

/// The menus of the account.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Menu {
    /// What everybody sees who matches no conditional menu; empty: there is no menu.
    pub button: Vec<Button>,
    /// Menus for some, in the order in which they are made: of those that match, the last is shown.
    pub conditional: Vec<Conditional>,
}

/// A menu for some.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conditional {
    /// Its buttons.
    pub button: Vec<Button>,
    /// Who sees it.
    pub matchrule: MatchRule,
}

/// Takes a mistake: byte offset, key, what is wrong.
type Wrong<'w> = &'w mut dyn FnMut(usize, String, String);

/// Reads the section `[menu]`. Every mistake goes to `wrong`, also what the platform would refuse.
pub(super) fn read(value: &Value, wrong: Wrong) -> Menu {
    let Some(table) = value.get_ref().as_table() else {
        let what = "is a section; begin each button with [[menu.button]] on a line of its own";
        wrong(value.span().start, "menu".to_owned(), what.to_owned());
        return Menu::default();
    };
    refuse_unknown(table, &["button", "conditional"], "menu.", wrong);
    let mut menu = Menu::default();
    match table.get("button") {
        Some(list) => menu.button = read_buttons(list, "menu.button", wrong),
        None => {
            if let Some(conditional) = table.get("conditional") {
                wrong(
                    conditional.span().start,
                    "menu.conditional".to_owned(),
                    "conditional menus need a menu for everybody else: add [[menu.button]]"
                        .to_owned(),
                );
            }
        }
    }
    let conditional = table
        .get("conditional")
        .map(|list| tables(list, "menu.conditional", wrong));
    for (n, (table, at)) in conditional.into_iter().flatten().enumerate() {
        let place = format!("menu.conditional #{}", n + 1);
        if let Some(table) = table {
            menu.conditional
                .push(read_conditional(table, at, &place, wrong));
        }
    }
    menu
}

fn read_conditional(table: &DeTable, at: usize, place: &str, wrong: Wrong) -> Conditional {
    refuse_unknown(table, &CONDITIONAL_KEYS, &format!("{place}: "), wrong);
    let button = match table.get("button") {
        Some(list) => read_buttons(list, &format!("{place}: button"), wrong),
        None => {
            let what = "it has none; add [[menu.conditional.button]]".to_owned();
            wrong(at, format!("{place}: button"), what);
            Vec::new()
        }
    };
    let place = format!("{place}: matchrule");
    let (value, at) = match table.get("matchrule") {
        None => (None, at),
        Some(value) => (value.get_ref().as_table(), value.span().start),
    };
    let mut matchrule = MatchRule::default();
    let mut sound = true;
    if let Some(table) = value {
        refuse_unknown(table, &RULE_KEYS, &format!("{place}."), wrong);
        let mut field = |name: &str| match identifier(table.get(name)?) {
            Ok(text) => Some(text),
            Err(what) => {
                let at = table.get(name).map_or(at, |value| value.span().start);
                wrong(at, format!("{place}.{name}"), what);
                sound = false;
                None
            }
        };
        matchrule.tag_id = field("tag_id");
        matchrule.client_platform_type = field("client_platform_type");
    }
    for mistake in limits::rule_mistakes(&matchrule)
        .into_iter()
        .filter(|_| sound)
    {
        let field = value.and_then(|table| table.get(mistake.field));
        let at = field.map_or(at, |value| value.span().start);
        let key = match field {
            Some(_) => format!("{place}.{}", mistake.field),
            None => place.clone(),
        };
        wrong(at, key, mistake.cause);
    }
    Conditional { button, matchrule }
}

/// Reads the buttons of one menu, and holds them to the platform's limits.
fn read_buttons(list: &Value, place: &str, wrong: Wrong) -> Vec<Button> {
    let mut reader = Buttons {
        place,
        wrong,
        told: Vec::new(),
        spots: Vec::new(),
    };
    let buttons = reader.list(list, &[]);
    if list.get_ref().as_array().is_none() {
        return buttons;
    }
    for mistake in limits::mistakes(&buttons) {
        reader.limit(list.span().start, mistake);
    }
    buttons
}

struct Buttons<'a> {
    place: &'a str,
    wrong: Wrong<'a>,
    /// Fields that a mistake was told of: more about them would only confuse. `""` is the button as a whole.
    told: Vec<(Vec<usize>, String)>,
    /// Where each field stands; `""` is the button as a whole.
    spots: Vec<(Vec<usize>, String, usize)>,
}

impl Buttons<'_> {
    fn list(&mut self, list: &Value, above: &[usize]) -> Vec<Button> {
        let place = self.label(above, if above.is_empty() { "" } else { "sub_button" });
        let found = tables(list, &place, self.wrong);
        let mut buttons = Vec::new();
        for ((table, at), number) in found.into_iter().zip(1..) {
            let path = [above, &[number]].concat();
            self.spots.push((path.clone(), String::new(), at));
            match table {
                Some(table) => buttons.push(self.button(table, &path)),
                None => {
                    // `tables` has told of it. What stands in for it keeps the others' numbers.
                    self.told.push((path, String::new()));
                    buttons.push(Button {
                        name: String::new(),
                        tap: Tap::SubButton(Vec::new()),
                    });
                }
            }
        }
        buttons
    }

    fn button(&mut self, table: &DeTable, path: &[usize]) -> Button {
        let label = format!("{}: ", self.label(path, ""));
        let known: Vec<&str> = MENU_KEYS.iter().map(|(key, _)| *key).collect();
        refuse_unknown(table, &known, &label, self.wrong);
        let mut fields = Map::new();
        for (key, _) in MENU_KEYS {
            let Some(value) = table.get(*key) else {
                continue;
            };
            let at = value.span().start;
            self.spots.push((path.to_vec(), (*key).to_owned(), at));
            if *key == "sub_button" {
                continue;
            }
            match value::string(value) {
                Ok(text) => drop(fields.insert((*key).to_owned(), text.into())),
                Err(what) => self.tell(path, key, what),
            }
        }
        let kind = fields.get("type").and_then(|kind| kind.as_str());
        let (kind, unfolds) = (kind.map(str::to_owned), table.get("sub_button"));
        if let (Some(kind), Some(_)) = (&kind, unfolds) {
            let what = format!(
                "a button has either sub_button or a type, and this one is {kind:?}; take one of them out"
            );
            self.tell(path, "sub_button", what);
            fields.retain(|key, _| key == "name");
        }
        let mut button: Button = serde_json::from_value(fields.clone().into())
            .expect("an object of texts is always a button");
        if let Some(list) = unfolds {
            // Deeper levels are refused as a whole and need not be looked at.
            let below = match path.len() {
                1 => self.list(list, path),
                _ => Vec::new(),
            };
            button.tap = Tap::SubButton(below);
        }
        let taken: &[&str] = match &button.tap {
            Tap::SubButton(_) => &["type", "sub_button"],
            Tap::Key { .. } => &["type", "key"],
            Tap::View { .. } => &["type", "url"],
            Tap::Miniprogram { .. } => &["type", "url", "appid", "pagepath"],
            Tap::Media { .. } => &["type", "media_id"],
            Tap::Article { .. } => &["type", "article_id"],
            // Which fields an unknown type takes can not be said.
            Tap::Other { .. } => return button,
        };
        for key in fields.keys().filter(|key| *key != "name") {
            if !taken.contains(&key.as_str()) {
                let what = match &kind {
                    Some(kind) => format!("a button of type {kind:?} has no {key}; take it out"),
                    None => format!("a button with sub_button has no {key}; take it out"),
                };
                self.tell(path, key, what);
            }
        }
        button
    }

    fn limit(&mut self, list_at: usize, mistake: Mistake) {
        let Mistake {
            button,
            field,
            mut cause,
        } = mistake;
        let told = self.told.iter().any(|(path, told)| {
            told.is_empty() && button.starts_with(path) || *path == button && told == field
        });
        if told {
            return;
        }
        let own = self.spot(&button, field);
        if field == "type"
            && let Some(kind) = own.and(cause.split('"').nth(1))
        {
            let types = ["view", "miniprogram"]
                .into_iter()
                .chain(KEY_TYPES)
                .chain(MEDIA_TYPES)
                .chain(ARTICLE_TYPES);
            if let Some(near) = nearest(kind, types) {
                cause = format!("{cause}; did you mean {near:?}?");
            }
        }
        let at = own.or_else(|| self.spot(&button, "")).unwrap_or(list_at);
        let field = if button.is_empty() { "" } else { field };
        let key = self.label(&button, field);
        (self.wrong)(at, key, cause);
    }

    fn tell(&mut self, path: &[usize], field: &str, what: String) {
        let at = self.spot(path, field).unwrap_or(0);
        self.told.push((path.to_vec(), field.to_owned()));
        let key = self.label(path, field);
        (self.wrong)(at, key, what);
    }

    fn spot(&self, path: &[usize], field: &str) -> Option<usize> {
        let found = self
            .spots
            .iter()
            .find(|(of, name, _)| of == path && name == field);
        found.map(|(_, _, at)| *at)
    }

    /// `menu.button #2: sub_button #1: url`
    fn label(&self, path: &[usize], field: &str) -> String {
        let mut label = self.place.to_owned();
        for (level, number) in path.iter().enumerate() {
            let below = if level == 0 { "" } else { ": sub_button" };
            write!(label, "{below} #{number}").expect("writing to a String cannot fail");
        }
        if !field.is_empty() {
            label.push_str(": ");
            label.push_str(field);
        }
        label
    }
}

/// The tables of a list, each with its place; `None` for an item that is none, of which `wrong` was told.
fn tables<'v>(
    list: &'v Value<'v>,
    place: &str,
    wrong: Wrong,
) -> Vec<(Option<&'v DeTable<'v>>, usize)> {
    let Some(items) = list.get_ref().as_array() else {
        let what = value::expected("a list of tables", list);
        wrong(list.span().start, place.to_owned(), what);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let (table, at) = (item.get_ref().as_table(), item.span().start);
        if table.is_none() {
            let what = value::expected("a table such as { name = \"…\", … }", item);
            wrong(at, format!("{place} #{number}"), what);
        }
        found.push((table, at));
    }
    found
}

fn refuse_unknown(table: &DeTable, known: &[&str], place: &str, wrong: Wrong) {
    for key in table.keys() {
        let name = key.get_ref();
        if !known.contains(&name.as_ref()) {
            let advice = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it can be {}", known.join(", ")),
            };
            wrong(
                key.span().start,
                format!("{place}{name}"),
                format!("unknown key; {advice}"),
            );
        }
    }
}

/// A number as a text, or as a number: the platform itself writes both.
fn identifier(value: &Value) -> Read<String> {
    match value.get_ref().as_integer() {
        Some(number) => Ok(number.to_string()),
        None => value::string(value),
    }
}

impl Menu {
    /// Whether there is no menu at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.button.is_empty() && self.conditional.is_empty()
    }

    /// The menu as text of a configuration. What only the console can make stands in comments.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        write_buttons(&mut text, "menu.button", &self.button);
        for conditional in &self.conditional {
            text.push_str("[[menu.conditional]]\n");
            let rule = &conditional.matchrule;
            let fields = [
                ("tag_id", &rule.tag_id),
                ("client_platform_type", &rule.client_platform_type),
            ];
            let fields: Vec<String> = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_ref()?)))
                .map(|(name, value)| format!("{name} = {}", quoted(value)))
                .collect();
            text.push_str(&format!("matchrule = {{ {} }}\n\n", fields.join(", ")));
            write_buttons(&mut text, "menu.conditional.button", &conditional.button);
        }
        text
    }

    /// The same without what only the console can make, and that: the names of those buttons with their types.
    #[must_use]
    pub fn without_console_buttons(&self) -> (Menu, Vec<(String, String)>) {
        let mut left_out = Vec::new();
        let menu = Menu {
            button: expressible(&self.button, &mut left_out),
            conditional: self
                .conditional
                .iter()
                .map(|conditional| Conditional {
                    button: expressible(&conditional.button, &mut left_out),
                    matchrule: conditional.matchrule.clone(),
                })
                .filter(|conditional| !conditional.button.is_empty())
                .collect(),
        };
        (menu, left_out)
    }
}

fn expressible(buttons: &[Button], left_out: &mut Vec<(String, String)>) -> Vec<Button> {
    let keep = |button: &Button| {
        let tap = match &button.tap {
            Tap::Other { kind, .. } => {
                left_out.push((button.name.clone(), kind.clone()));
                return None;
            }
            Tap::SubButton(below) => {
                let below = expressible(below, left_out);
                if below.is_empty() {
                    return None;
                }
                Tap::SubButton(below)
            }
            tap => tap.clone(),
        };
        let name = button.name.clone();
        Some(Button { name, tap })
    };
    buttons.iter().filter_map(keep).collect()
}

fn write_buttons(text: &mut String, place: &str, buttons: &[Button]) {
    for button in buttons {
        let whole = expressible(std::slice::from_ref(button), &mut Vec::new());
        match &button.tap {
            Tap::Other { kind, fields } => {
                text.push_str(&comment(&console_button(place, button, kind, fields)))
            }
            Tap::SubButton(below) if whole.is_empty() => {
                text.push_str(&comment(&format!(
                    "The button {} unfolds only what was made in the console:",
                    quoted(&button.name)
                )));
                write_buttons(text, &format!("{place}.sub_button"), below);
            }
            Tap::SubButton(below) => {
                text.push_str(&lines(place, button));
                write_buttons(text, &format!("{place}.sub_button"), below);
            }
            _ => text.push_str(&lines(place, button)),
        }
    }
}

/// `[[menu.button]]`, and a line for each field as the platform has it.
fn lines(place: &str, button: &Button) -> String {
    let mut text = format!("[[{place}]]\nname = {}\n", quoted(&button.name));
    let fields = match serde_json::to_value(button) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    for (key, _) in MENU_KEYS.iter().filter(|(key, _)| *key != "name") {
        if let Some(value) = fields.get(*key).and_then(|value| value.as_str()) {
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        }
    }
    text.push('\n');
    text
}

/// What the configuration can not express, told so that an owner can do something like it.
fn console_button(
    place: &str,
    button: &Button,
    kind: &str,
    fields: &Map<String, serde_json::Value>,
) -> String {
    let name = quoted(&button.name);
    if let ("text", Some(answer)) = (kind, fields.get("value").and_then(|value| value.as_str())) {
        return format!(
            "The button {name} was made in the console and answers a text. A button and a rule do the same:\n\
             [[{place}]]\nname = {name}\ntype = \"click\"\nkey = {name}\n\
             [[rule]]\nevent = \"CLICK\"\nequals = {name}\ntext = {}\n",
            quoted(&answer.replace('{', "{{"))
        );
    }
    let json = serde_json::to_string(button).unwrap_or_default();
    format!(
        "The button {name} was made in the console; its type {} can not be made through the API:\n{json}\n",
        quoted(kind)
    )
}

fn comment(text: &str) -> String {
    let mut comment = String::new();
    for line in text.lines() {
        let line = line.replace(|c: char| c.is_control() && c != '\t', " ");
        comment.push_str(format!("# {line}").trim_end());
        comment.push('\n');
    }
    comment.push('\n');
    comment
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
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
    fn all_mistakes_are_told_at_once_with_their_lines() {
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
            "1: menu.button #1: name: it is missing or empty",
            "2: menu.button #1: nam: unknown key; did you mean name?",
            "3: menu.button #1: type: \"clik\" cannot be made through the API; did you mean \"click\"?",
            "6: menu.button #2: name: it has 18 bytes, 16 are allowed",
            "8: menu.button #2: url: it begins with neither http:// nor https://",
            "9: menu.button #2: key: a button of type \"view\" has no key; take it out",
            "11: menu.button #3: name: expected a text in quotes, found 5",
            "14: menu.button #3: sub_button #1: sub_button: a menu has two levels",
            "19: menu.button #3: sub_button #2: sub_button: a button has either sub_button or a type, and this one is \"click\"; take one of them out",
            "20: menu.button #4: type: it is missing, and so is sub_button",
            "22: menu.conditional #1: matchrule: it needs tag_id or client_platform_type",
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
    fn what_only_the_console_makes_becomes_a_comment() {
        let button = |json: serde_json::Value| serde_json::from_value(json).expect("a button");
        let menu = Menu {
            button: vec![
                button(
                    serde_json::json!({"type": "text", "name": "Hi", "value": "hello\nyou {x}"}),
                ),
                button(serde_json::json!({"name": "More", "sub_button": {"list": [
                    {"type": "view", "name": "Shop", "url": "https://www.example.com/"},
                    {"type": "news", "name": "News", "value": "M", "news_info": {"list": []}}]}})),
                button(serde_json::json!({"name": "Old", "sub_button": {"list": [
                    {"type": "img", "name": "Picture", "value": "M"}]}})),
            ],
            conditional: Vec::new(),
        };
        let text = menu.to_text();
        let (expressible, left_out) = menu.without_console_buttons();
        assert_eq!(parse(&text), Ok(expressible), "{text}");
        assert_eq!(left_out.len(), 3);
        for part in ["Hi", "hello", "News", "Picture", "equals"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
