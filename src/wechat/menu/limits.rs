//! The platform's limits for menus: finds all mistakes at once, before anything is sent.

use std::fmt;

use super::{Button, MatchRule, Tap};

/// A mistake in a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The numbers of the button, counted from 1: none for the menu as a whole, one for a button, two for a button in a
    /// submenu.
    pub button: Vec<usize>,
    /// The field, in the platform's words.
    pub field: &'static str,
    /// What is wrong with it.
    pub cause: String,
    /// The button's type, if the API cannot create it.
    pub kind: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.button.as_slice() {
            [] => f.write_str("menu")?,
            [first] => write!(f, "button {first}")?,
            [first, rest @ ..] => {
                write!(f, "button {first}")?;
                for below in rest {
                    write!(f, ", sub_button {below}")?;
                }
            }
        }
        write!(f, ": {}: {}", self.field, self.cause)
    }
}

/// All mistakes in a menu, by the platform's page on custom menus.
#[must_use]
pub fn mistakes(menu: &[Button]) -> Vec<Mistake> {
    let mut found = Vec::new();
    if !(1..=3).contains(&menu.len()) {
        found.push(mistake(
            &[],
            "button",
            format!("it has {} of them, 1 to 3 are allowed", menu.len()),
        ));
    }
    for (button, number) in menu.iter().zip(1..) {
        check(button, &[number], &mut found);
    }
    found
}

/// All mistakes in the rule of a conditional menu.
#[must_use]
pub fn rule_mistakes(rule: &MatchRule) -> Vec<Mistake> {
    let mut found = Vec::new();
    if rule.tag_id.is_none() && rule.client_platform_type.is_none() {
        let cause = "it needs tag_id or client_platform_type";
        found.push(mistake(&[], "matchrule", cause));
    }
    let tag_id = rule.tag_id.as_deref();
    if tag_id.is_some_and(|id| id.parse::<u32>().is_err()) {
        found.push(mistake(&[], "tag_id", "it is no number"));
    }
    let platform = rule.client_platform_type.as_deref();
    if platform.is_some_and(|platform| !["1", "2", "3"].contains(&platform)) {
        let cause = "it is 1 (iOS), 2 (Android) or 3 (others)";
        found.push(mistake(&[], "client_platform_type", cause));
    }
    found
}

fn check(button: &Button, at: &[usize], found: &mut Vec<Mistake>) {
    let mut text = |field, text: &str, most| {
        if text.trim().is_empty() {
            found.push(mistake(at, field, "it is missing or empty"));
        } else if text.len() > most {
            let cause = format!("it has {} bytes, {most} are allowed", text.len());
            found.push(mistake(at, field, cause));
        }
    };
    text("name", &button.name, if at.len() == 1 { 16 } else { 60 });
    match &button.tap {
        Tap::Key { kind: _, key } => text("key", key, 128),
        Tap::View { url } => text("url", url, 1024),
        Tap::Miniprogram {
            url,
            appid,
            pagepath,
        } => {
            text("url", url, 1024);
            text("appid", appid, 64);
            text("pagepath", pagepath, 1024);
        }
        Tap::Media { kind: _, media_id } => text("media_id", media_id, 1024),
        Tap::Article {
            kind: _,
            article_id,
        } => text("article_id", article_id, 1024),
        Tap::Other { kind, fields: _ } if kind.is_empty() => {
            found.push(mistake(at, "type", "it is missing, and so is sub_button"));
        }
        Tap::Other { kind, fields: _ } => {
            let cause = format!("{kind:?} cannot be made through the API");
            found.push(Mistake {
                kind: Some(kind.clone()),
                ..mistake(at, "type", cause)
            });
        }
        Tap::SubButton(_) if at.len() > 1 => {
            found.push(mistake(at, "sub_button", "a menu has two levels"));
        }
        Tap::SubButton(buttons) => {
            if !(1..=5).contains(&buttons.len()) {
                let cause = format!("it has {} of them, 1 to 5 are allowed", buttons.len());
                found.push(mistake(at, "sub_button", cause));
            }
            for (button, number) in buttons.iter().zip(1..) {
                check(button, &[at, &[number]].concat(), found);
            }
        }
    }
    if let Tap::View { url } | Tap::Miniprogram { url, .. } = &button.tap
        && !url.is_empty()
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        let cause = "it begins with neither http:// nor https://";
        found.push(mistake(at, "url", cause));
    }
}

fn mistake(at: &[usize], field: &'static str, cause: impl Into<String>) -> Mistake {
    Mistake {
        button: at.to_vec(),
        field,
        cause: cause.into(),
        kind: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(menu: serde_json::Value) -> Vec<String> {
        let menu: Vec<Button> = serde_json::from_value(menu).unwrap();
        mistakes(&menu).iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let long = "x".repeat(129);
        assert_eq!(
            check(json!([
                {"type": "click", "name": "一二三四五六", "key": long},
                {"name": "Tools", "sub_button": [
                    {"type": "view", "name": "Shop", "url": "www.example.com"},
                    {"name": "Deep", "sub_button": [{"type": "click", "name": "x", "key": "x"}]},
                    {"type": "miniprogram", "name": "App"},
                    {"type": "news", "name": "News", "value": "x"},
                ]},
                {"name": "None"},
                {"type": "click", "name": "Fourth", "key": "K"},
            ])),
            [
                "menu: button: it has 4 of them, 1 to 3 are allowed",
                "button 1: name: it has 18 bytes, 16 are allowed",
                "button 1: key: it has 129 bytes, 128 are allowed",
                "button 2, sub_button 1: url: it begins with neither http:// nor https://",
                "button 2, sub_button 2: sub_button: a menu has two levels",
                "button 2, sub_button 3: url: it is missing or empty",
                "button 2, sub_button 3: appid: it is missing or empty",
                "button 2, sub_button 3: pagepath: it is missing or empty",
                "button 2, sub_button 4: type: \"news\" cannot be made through the API",
                "button 3: type: it is missing, and so is sub_button",
            ]
        );
    }

    #[test]
    fn a_menu_within_the_limits_has_no_mistakes() {
        let name = "x".repeat(16);
        assert!(
            check(json!([{"type": "click", "name": name, "key": "K", "sub_button": []}]))
                .is_empty()
        );
    }

    #[test]
    fn a_rule_needs_a_condition_that_exists() {
        let rule = |tag_id: Option<&str>, platform: Option<&str>| {
            rule_mistakes(&MatchRule {
                tag_id: tag_id.map(str::to_owned),
                client_platform_type: platform.map(str::to_owned),
                ..MatchRule::default()
            })
            .len()
        };
        assert_eq!(rule(None, None), 1);
        assert_eq!(rule(Some("134"), Some("2")), 0);
        assert_eq!(rule(Some("vip"), Some("4")), 2);
    }
}
