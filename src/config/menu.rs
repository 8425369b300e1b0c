//! The account's menu in the configuration: `[[menu.button]]` and `[[menu.conditional]]`, read and held to the limits.

mod text;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use serde::Serialize;
use serde_json::Map;
use toml::de::DeTable;

use super::problem::{Wrong, nearest, refuse_unknown};
use super::value::{self, Read, Value};
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

/// Reads the section `[menu]`. Every mistake goes to `wrong`, also what the platform would refuse.
pub(super) fn read(value: &Value, wrong: Wrong) -> Menu {
    let Some(table) = value.get_ref().as_table() else {
        let what = "is a section; begin each button with [[menu.button]] on a line of its own";
        wrong(value.span().start, "menu".to_owned(), what.to_owned());
        return Menu::default();
    };
    let mut meant = refuse_unknown(table, &["button", "conditional"], "menu.", wrong);
    let mut menu = Menu::default();
    match table.get("button") {
        Some(list) => menu.button = read_buttons(list, "menu.button", wrong),
        None if meant.take(&["button"]) => {}
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
    let mut meant = refuse_unknown(table, &CONDITIONAL_KEYS, &format!("{place}: "), wrong);
    let button = match table.get("button") {
        Some(list) => read_buttons(list, &format!("{place}: button"), wrong),
        None if meant.take(&["button"]) => Vec::new(),
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
    let mut misspelt = !table.contains_key("matchrule") && meant.take(&["matchrule"]);
    let mut sound = true;
    if let Some(table) = value {
        let mut meant = refuse_unknown(table, &MATCHRULE_KEYS, &format!("{place}."), wrong);
        misspelt = meant.take(&MATCHRULE_KEYS);
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
        if field.is_none() && misspelt {
            continue;
        }
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
        let meant = refuse_unknown(table, &known, &label, self.wrong);
        // Without its type nothing can be said about a button.
        if meant.is_unclear() || meant.has(&["type", "sub_button"]) {
            self.told.push((path.to_vec(), String::new()));
        }
        for (key, _) in MENU_KEYS.iter().filter(|(key, _)| meant.has(&[key])) {
            self.told.push((path.to_vec(), (*key).to_owned()));
        }
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
            // Which fields an unknown type takes cannot be said.
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
            kind,
        } = mistake;
        let told = self.told.iter().any(|(path, told)| {
            told.is_empty() && button.starts_with(path) || *path == button && told == field
        });
        if told {
            return;
        }
        let own = self.spot(&button, field);
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
        let what = match list.get_ref().as_table() {
            Some(_) => "is a list; write its name in two brackets, [[…]]".to_owned(),
            None => value::expected("a list of tables", list),
        };
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

/// A number as a text, or as a number: the platform itself writes both.
fn identifier(value: &Value) -> Read<String> {
    match value.get_ref().as_integer() {
        Some(number) => Ok(number.to_string()),
        None => value::string(value),
    }
}
