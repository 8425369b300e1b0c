//! Draws menus for people: one as a tree, or the differences between two.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::cli::terminal::cell;
use crate::config::Menu;
use crate::wechat::menu::{Button, MatchRule, Tap};

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is in both menus.
    Same(String),
    /// It is only in the first menu.
    Gone(String),
    /// It is only in the second menu.
    New(String),
}

impl Change {
    pub(super) fn is_same(&self) -> bool {
        matches!(self, Change::Same(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, line) = match self {
            Change::Same(line) => (' ', line),
            Change::Gone(line) => ('-', line),
            Change::New(line) => ('+', line),
        };
        write!(f, "{sign} {line}")
    }
}

/// A button, or the heading of a conditional menu, before the layout.
struct Row {
    branch: &'static str,
    name: String,
    does: String,
}

/// The menu as a tree, with what the buttons do in one column.
pub(super) fn tree(menu: &Menu) -> Vec<String> {
    let rows = rows(menu, ["├─ ", "└─ "]);
    let width = |row: &Row| row.branch.width() + row.name.width();
    let column = rows
        .iter()
        .filter(|row| !row.does.is_empty())
        .map(width)
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|row| {
            let room = " ".repeat((column + 2).saturating_sub(width(row)));
            format!("{}{}{room}{}", row.branch, row.name, row.does)
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// The changes from one menu to the other, line by line.
pub(super) fn changes(from: &Menu, to: &Menu) -> Vec<Change> {
    let lines = |menu: &Menu| -> Vec<String> {
        let rows = rows(menu, ["  ", "  "]);
        let lines = rows.iter().map(|row| {
            let line = format!("{}{}  {}", row.branch, row.name, row.does);
            line.trim_end().to_owned()
        });
        lines.collect()
    };
    compare(&lines(from), &lines(to))
}

/// The shortest edit from one list to the other. Menus are short, so the plain quadratic table is fast enough.
fn compare(from: &[String], to: &[String]) -> Vec<Change> {
    let mut common = vec![vec![0_u32; to.len() + 1]; from.len() + 1];
    for a in (0..from.len()).rev() {
        for b in (0..to.len()).rev() {
            common[a][b] = match from[a] == to[b] {
                true => common[a + 1][b + 1] + 1,
                false => common[a + 1][b].max(common[a][b + 1]),
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut changes = Vec::new();
    loop {
        match (from.get(a), to.get(b)) {
            (Some(gone), Some(new)) if gone == new => {
                changes.push(Change::Same(gone.clone()));
                a += 1;
                b += 1;
            }
            (Some(gone), _) if b == to.len() || common[a + 1][b] >= common[a][b + 1] => {
                changes.push(Change::Gone(gone.clone()));
                a += 1;
            }
            (_, Some(new)) => {
                changes.push(Change::New(new.clone()));
                b += 1;
            }
            (_, None) => return changes,
        }
    }
}

fn rows(menu: &Menu, branches: [&'static str; 2]) -> Vec<Row> {
    let mut rows = Vec::new();
    add(&mut rows, &menu.button, branches);
    for conditional in &menu.conditional {
        rows.push(Row {
            branch: "",
            name: format!("for {}:", audience(&conditional.matchrule)),
            does: String::new(),
        });
        add(&mut rows, &conditional.button, branches);
    }
    rows
}

fn add(rows: &mut Vec<Row>, buttons: &[Button], branches: [&'static str; 2]) {
    for button in buttons {
        rows.push(row(button, ""));
        let Tap::SubButton(below) = &button.tap else {
            continue;
        };
        for (n, button) in below.iter().enumerate() {
            let last = n + 1 == below.len();
            rows.push(row(button, branches[usize::from(last)]));
        }
    }
}

fn row(button: &Button, branch: &'static str) -> Row {
    let does = match &button.tap {
        Tap::SubButton(_) => String::new(),
        Tap::Key { kind, key } => format!("{kind} {key}"),
        Tap::View { url } => format!("view {url}"),
        Tap::Miniprogram {
            url,
            appid,
            pagepath,
        } => format!("miniprogram {appid} {pagepath} (else {url})"),
        Tap::Media { kind, media_id } => format!("{kind} {media_id}"),
        Tap::Article { kind, article_id } => format!("{kind} {article_id}"),
        Tap::Other { kind, fields } => {
            let value = fields.get("value").and_then(|value| value.as_str());
            format!("{kind} {} (console only)", value.unwrap_or_default())
        }
    };
    Row {
        branch,
        name: cell(&button.name, 60),
        does: cell(&does, 2_000),
    }
}

/// Who sees a conditional menu.
fn audience(rule: &MatchRule) -> String {
    let platform = rule.client_platform_type.as_deref().map(|platform| {
        match platform {
            "1" => "iOS",
            "2" => "Android",
            "3" => "neither iOS nor Android",
            other => other,
        }
        .to_owned()
    });
    let tag = rule.tag_id.as_ref().map(|id| format!("tag {id}"));
    let parts: Vec<String> = tag.into_iter().chain(platform).collect();
    let retired = rule
        .retired
        .iter()
        .map(|(name, value)| format!("{name} {value}"));
    let all = Some(parts.join(" on ")).filter(|text| !text.is_empty());
    cell(
        &all.into_iter()
            .chain(retired)
            .collect::<Vec<_>>()
            .join(", "),
        200,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(from: &str, to: &str) -> String {
        let list = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let changes = compare(&list(from), &list(to));
        let signs = changes
            .iter()
            .map(|change| change.to_string().replace(' ', ""));
        signs.collect::<Vec<_>>().join("")
    }

    #[test]
    fn a_comparison_keeps_common_lines() {
        assert_eq!(shown("", ""), "");
        assert_eq!(shown("abc", "abc"), "abc");
        assert_eq!(shown("abc", "adc"), "a-b+dc");
        assert_eq!(shown("ab", ""), "-a-b");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("xab", "aby"), "-xab+y");
    }
}
