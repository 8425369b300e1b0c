//! The account's menu in the configuration: `[[menu.button]]` and `[[menu.conditional]]`, parsed and checked against the
//! limits.

mod text;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use serde::Serialize;
use serde_json::Map;
use toml::de::DeTable;

use super::problem::{Report, nearest, refuse_unknown};
use super::value::{self, Parsed, Value};
use crate::wechat::menu::{
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
const MATCHRULE_KEYS: [&str; 2] = ["tag_id", "client_platform_type"];

/// The menus of the account.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Menu {
    /// The menu for users who match no conditional menu; empty: there is none.
    pub button: Vec<Button>,
    /// Conditional menus in the order of their creation: of those that match, the last is shown.
    pub conditional: Vec<Conditional>,
}

/// A conditional menu.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conditional {
    /// Its buttons.
    pub button: Vec<Button>,
    /// Who sees it.
    pub matchrule: MatchRule,
}

/// Parses the section `[menu]`. Every mistake goes to `report`, including what the platform would refuse.
pub(super) fn parse(value: &Value, report: Report) -> Menu {
    let Some(table) = value.get_ref().as_table() else {
        let what = "is a section; begin each button with [[menu.button]] on a line of its own";
        report(value.span().start, "menu".to_owned(), what.to_owned());
        return Menu::default();
    };
    let mut typos = refuse_unknown(table, &["button", "conditional"], "menu.", report);
    let mut menu = Menu::default();
    match table.get("button") {
        Some(list) => menu.button = parse_buttons(list, "menu.button", report),
        None if typos.take(&["button"]) => {}
        None => {
            if let Some(conditional) = table.get("conditional") {
                report(
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
        .map(|list| tables(list, "menu.conditional", report));
    for (n, (table, at)) in conditional.into_iter().flatten().enumerate() {
        let place = format!("menu.conditional #{}", n + 1);
        if let Some(table) = table {
            menu.conditional
                .push(parse_conditional(table, at, &place, report));
        }
    }
    menu
}

fn parse_conditional(table: &DeTable, at: usize, place: &str, report: Report) -> Conditional {
    let mut typos = refuse_unknown(table, &CONDITIONAL_KEYS, &format!("{place}: "), report);
    let button = match table.get("button") {
        Some(list) => parse_buttons(list, &format!("{place}: button"), report),
        None if typos.take(&["button"]) => Vec::new(),
        None => {
            let what = "it has none; add [[menu.conditional.button]]".to_owned();
            report(at, format!("{place}: button"), what);
            Vec::new()
        }
    };
    let place = format!("{place}: matchrule");
    let (value, at) = match table.get("matchrule") {
        None => (None, at),
        Some(value) => (value.get_ref().as_table(), value.span().start),
    };
    let mut matchrule = MatchRule::default();
    let mut misspelt = !table.contains_key("matchrule") && typos.take(&["matchrule"]);
    let mut valid = true;
    if let Some(table) = value {
        let mut typos = refuse_unknown(table, &MATCHRULE_KEYS, &format!("{place}."), report);
        misspelt = typos.take(&MATCHRULE_KEYS);
        let mut field = |name: &str| match identifier(table.get(name)?) {
            Ok(text) => Some(text),
            Err(what) => {
                let at = table.get(name).map_or(at, |value| value.span().start);
                report(at, format!("{place}.{name}"), what);
                valid = false;
                None
            }
        };
        matchrule.tag_id = field("tag_id");
        matchrule.client_platform_type = field("client_platform_type");
    }
    for mistake in limits::rule_mistakes(&matchrule)
        .into_iter()
        .filter(|_| valid)
    {
        let field = value.and_then(|table| table.get(mistake.field));
        if field.is_none() && misspelt {
            continue;
        }
        let at = field.map_or(at, |value| value.span().start);
        let key = match field {
            Some(_) => format!("{place}.{}", mistake.field),
            None => place.clone(),
        };
        report(at, key, mistake.cause);
    }
    Conditional { button, matchrule }
}

/// Parses the buttons of one menu and checks them against the platform's limits.
fn parse_buttons(list: &Value, place: &str, report: Report) -> Vec<Button> {
    let mut parser = Buttons {
        place,
        report,
        reported: Vec::new(),
        offsets: Vec::new(),
    };
    let buttons = parser.list(list, &[]);
    if list.get_ref().as_array().is_none() {
        return buttons;
    }
    for mistake in limits::mistakes(&buttons) {
        parser.limit(list.span().start, mistake);
    }
    buttons
}

struct Buttons<'a> {
    place: &'a str,
    report: Report<'a>,
    /// Fields already reported; do not report them twice. `""` is the button as a whole.
    reported: Vec<(Vec<usize>, String)>,
    /// The offset of each field; `""` is the button as a whole.
    offsets: Vec<(Vec<usize>, String, usize)>,
}

impl Buttons<'_> {
    fn list(&mut self, list: &Value, above: &[usize]) -> Vec<Button> {
        let place = self.label(above, if above.is_empty() { "" } else { "sub_button" });
        let found = tables(list, &place, self.report);
        let mut buttons = Vec::new();
        for ((table, at), number) in found.into_iter().zip(1..) {
            let path = [above, &[number]].concat();
            self.offsets.push((path.clone(), String::new(), at));
            match table {
                Some(table) => buttons.push(self.button(table, &path)),
                None => {
                    // `tables` has reported it. A stand-in keeps the numbers of the others.
                    self.reported.push((path, String::new()));
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
        let typos = refuse_unknown(table, &known, &label, self.report);
        // Without its type, nothing is known about a button.
        if typos.is_unclear() || typos.has(&["type", "sub_button"]) {
            self.reported.push((path.to_vec(), String::new()));
        }
        for (key, _) in MENU_KEYS.iter().filter(|(key, _)| typos.has(&[key])) {
            self.reported.push((path.to_vec(), (*key).to_owned()));
        }
        let mut fields = Map::new();
        for (key, _) in MENU_KEYS {
            let Some(value) = table.get(*key) else {
                continue;
            };
            let at = value.span().start;
            self.offsets.push((path.to_vec(), (*key).to_owned(), at));
            if *key == "sub_button" {
                continue;
            }
            match value::string(value) {
                Ok(text) => drop(fields.insert((*key).to_owned(), text.into())),
                Err(what) => self.fail(path, key, what),
            }
        }
        let kind = fields.get("type").and_then(|kind| kind.as_str());
        let (kind, unfolds) = (kind.map(str::to_owned), table.get("sub_button"));
        if let (Some(kind), Some(_)) = (&kind, unfolds) {
            let what = format!(
                "a button has either sub_button or a type, and this one is {kind:?}; remove one of them"
            );
            self.fail(path, "sub_button", what);
            fields.retain(|key, _| key == "name");
        }
        let mut button: Button = serde_json::from_value(fields.clone().into())
            .expect("an object of texts is always a button");
        if let Some(list) = unfolds {
            // Deeper levels are refused as a whole and need no check.
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
            // The fields of an unknown type are not known.
            Tap::Other { .. } => return button,
        };
        for key in fields.keys().filter(|key| *key != "name") {
            if !taken.contains(&key.as_str()) {
                let what = match &kind {
                    Some(kind) => format!("a button of type {kind:?} has no {key}; remove it"),
                    None => format!("a button with sub_button has no {key}; remove it"),
                };
                self.fail(path, key, what);
            }
        }
        button
    }

    fn limit(&mut self, list_at: usize, mistake: Mistake) {
        let Mistake {
            button,
            field,
            mut cause,
            kind,
        } = mistake;
        let reported = self.reported.iter().any(|(path, reported)| {
            reported.is_empty() && button.starts_with(path) || *path == button && reported == field
        });
        if reported {
            return;
        }
        let own = self.offset(&button, field);
        if let Some(kind) = own.and(kind) {
            let types = ["view", "miniprogram"]
                .into_iter()
                .chain(KEY_TYPES)
                .chain(MEDIA_TYPES)
                .chain(ARTICLE_TYPES);
            if let Some(near) = nearest(&kind, types) {
                cause = format!("{cause}; did you mean {near:?}?");
            }
        }
        let at = own.or_else(|| self.offset(&button, "")).unwrap_or(list_at);
        let field = if button.is_empty() { "" } else { field };
        let key = self.label(&button, field);
        (self.report)(at, key, cause);
    }

    fn fail(&mut self, path: &[usize], field: &str, what: String) {
        let at = self.offset(path, field).unwrap_or(0);
        self.reported.push((path.to_vec(), field.to_owned()));
        let key = self.label(path, field);
        (self.report)(at, key, what);
    }

    fn offset(&self, path: &[usize], field: &str) -> Option<usize> {
        let found = self
            .offsets
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

/// The tables of a list, each with its offset; `None` for an item that is not a table, which is reported.
fn tables<'v>(
    list: &'v Value<'v>,
    place: &str,
    report: Report,
) -> Vec<(Option<&'v DeTable<'v>>, usize)> {
    let Some(items) = list.get_ref().as_array() else {
        let what = match list.get_ref().as_table() {
            Some(_) => "is a list; write its name in two brackets, [[…]]".to_owned(),
            None => value::expected("a list of tables", list),
        };
        report(list.span().start, place.to_owned(), what);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let (table, at) = (item.get_ref().as_table(), item.span().start);
        if table.is_none() {
            let what = value::expected("a table such as { name = \"…\", … }", item);
            report(at, format!("{place} #{number}"), what);
        }
        found.push((table, at));
    }
    found
}

/// A number, written as a text or as a number: the platform itself writes both.
fn identifier(value: &Value) -> Parsed<String> {
    match value.get_ref().as_integer() {
        Some(number) => Ok(number.to_string()),
        None => value::string(value),
    }
}
