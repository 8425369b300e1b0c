//! Writes a menu as text of a configuration, and finds what cannot be expressed there.

use serde_json::Map;

use super::{Conditional, MENU_KEYS, Menu};
use crate::wechat::menu::limits::rule_mistakes;
use crate::wechat::menu::{Button, Tap};

impl Menu {
    /// Whether there is no menu at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.button.is_empty() && self.conditional.is_empty()
    }

    /// The menu as text of a configuration. What only the console can create becomes comments.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        write_buttons(&mut text, "menu.button", &self.button);
        for conditional in &self.conditional {
            write_conditional(&mut text, conditional);
        }
        text
    }

    /// The menu without what the API cannot create: buttons of the console, and conditional menus whose rule it would not
    /// accept. Also returns what was left out, each as the start of a sentence.
    #[must_use]
    pub fn sendable(&self) -> (Menu, Vec<String>) {
        let mut left_out = Vec::new();
        let mut console = Vec::new();
        let button = expressible(&self.button, &mut console);
        let mut conditional = Vec::new();
        for (one, n) in self.conditional.iter().zip(1..) {
            let rule = &one.matchrule;
            if !rule.retired.is_empty() || !rule_mistakes(rule).is_empty() {
                let rule = serde_json::to_string(rule).unwrap_or_default();
                left_out.push(format!("conditional menu #{n} with the matchrule {rule}"));
                continue;
            }
            let button = expressible(&one.button, &mut console);
            if !button.is_empty() {
                let matchrule = rule.clone();
                conditional.push(Conditional { button, matchrule });
            }
        }
        left_out.extend(console.into_iter().map(|(name, kind)| {
            format!("the button {name:?} of type {kind:?}, which was made in the console,")
        }));
        let menu = Menu {
            button,
            conditional,
        };
        (menu, left_out)
    }
}

/// Writes a conditional menu; one that the platform would not accept becomes a comment as a whole.
fn write_conditional(text: &mut String, conditional: &Conditional) {
    let rule = &conditional.matchrule;
    let line = |(name, value): (&str, &str)| format!("{name} = {}", quoted(value));
    let fields = [
        ("tag_id", &rule.tag_id),
        ("client_platform_type", &rule.client_platform_type),
    ];
    let fields = fields
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let fields: Vec<String> = fields.map(line).collect();
    if !rule.retired.is_empty() {
        let retired = rule.retired.iter().map(|(name, value)| line((name, value)));
        text.push_str(&comment(&format!(
            "WeChat no longer takes these conditions of the menu below, without which more people see it:\n{}",
            retired.collect::<Vec<_>>().join("\n")
        )));
    }
    let fields = match fields.is_empty() {
        true => "tag_id = \"…\"".to_owned(),
        false => fields.join(", "),
    };
    let mut whole = format!("[[menu.conditional]]\nmatchrule = {{ {fields} }}\n\n");
    write_buttons(&mut whole, "menu.conditional.button", &conditional.button);
    let no_button = expressible(&conditional.button, &mut Vec::new()).is_empty();
    match no_button || !rule_mistakes(rule).is_empty() {
        true => text.push_str(&comment(&format!(
            "This conditional menu lacks a button, or a matchrule with tag_id or client_platform_type:\n{whole}"
        ))),
        false => text.push_str(&whole),
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
            Tap::Key { .. }
            | Tap::View { .. }
            | Tap::Miniprogram { .. }
            | Tap::Media { .. }
            | Tap::Article { .. } => text.push_str(&lines(place, button)),
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

/// Describes what the configuration cannot express, so that an owner can do something similar.
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
        "The button {name} was made in the console; its type {} cannot be made through the API:\n{json}\n",
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
