//! Texts that today's rules leave to nobody or to a rule without a condition, in groups of those that rules take for equal.
//!
//! What answered a text when it came says nothing: the rules may be others now, and a last rule without a condition takes
//! every text. A rule without a condition that forwards or transfers hands the text to somebody, and counts as an answer.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::ControlFlow;

use crate::config::{Action, Folding, Rule, fold, plain};
use crate::dispatch::{Rules, matching};
use crate::login::scan;
use crate::store::{MessageRow, Reader, StoreError, TextRow};
use crate::visible::steers;
use crate::wechat::Push;

/// How far back texts are looked at, in seconds.
pub const PERIOD: i64 = 30 * 86_400;

/// The most groups that are told apart, so that memory is bounded.
const MOST_GROUPS: usize = 50_000;

/// What no rule answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The largest groups first; of groups of the same size the one with the latest text.
    pub groups: Vec<Group>,
    /// How many groups there are, of which some may not be in the list.
    pub count: usize,
    /// How many texts there are in all groups.
    pub texts: usize,
    /// There are more texts than were looked at: 200,000, or 50,000 groups.
    pub is_cut: bool,
}

/// Texts that rules take for equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The latest of them.
    pub latest: MessageRow,
    /// How many there are.
    pub times: usize,
    /// How many people wrote them.
    pub people: usize,
}

impl Group {
    /// The lines of a configuration that answer them; `answer` is to be replaced, and needs no escapes.
    #[must_use]
    pub fn rule(&self, answer: &str) -> String {
        let text = self.latest.content.as_deref().unwrap_or_default();
        let text = quoted(&plain(text, Folding::Text));
        format!("[[rule]]\nmessage = \"text\"\ncontains = [{text}]\ntext = \"{answer}\"\n")
    }
}

/// A text in TOML, on one line, and nothing in it that is not seen.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, too.
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        match steers(c) {
            true => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => quoted.push(c),
        }
    }
    quoted
}

/// Whether today's rules answer texts; each is asked about once.
struct Asked<'r> {
    rules: &'r Rules,
    hasher: RandomState,
    /// Whether a rule tells texts apart that are equal for others.
    has_case: bool,
    /// By the text; whether rules leave it unanswered.
    known: HashMap<u64, bool>,
}

impl<'r> Asked<'r> {
    fn about(rules: &'r Rules) -> Asked<'r> {
        Asked {
            rules,
            hasher: RandomState::new(),
            has_case: rules.iter().any(|rule| rule.case),
            known: HashMap::new(),
        }
    }

    /// The group of a text that is not answered.
    fn group(&mut self, text: &TextRow) -> Option<u64> {
        if text.rule.as_deref() == Some(scan::RULE) {
            return None;
        }
        let folded = fold(&text.content, Folding::Text);
        if folded.is_empty() {
            return None;
        }
        let group = self.hasher.hash_one(&folded);
        let key = match self.has_case {
            true => self.hasher.hash_one(&text.content),
            false => group,
        };
        let is_unanswered = match self.known.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let push = Push::of_text(&text.content);
                *new.insert(matching(self.rules, &push).is_none_or(takes_everything))
            }
        };
        is_unanswered.then_some(group)
    }
}

/// Whether a rule says the same to whatever is written.
fn takes_everything(rule: &Rule) -> bool {
    rule.tests.is_empty()
        && match rule.action {
            Action::Forward { .. } | Action::Transfer(_) => false,
            Action::Silent
            | Action::Text(_)
            | Action::Image(_)
            | Action::Voice(_)
            | Action::Video { .. }
            | Action::Music { .. }
            | Action::News(_) => true,
        }
}

/// What these rules leave unanswered of what was written since then, in Unix seconds; the `most` largest groups.
///
/// # Errors
/// When the store cannot be read.
pub fn unanswered(
    reader: &Reader,
    rules: &Rules,
    since: i64,
    most: usize,
) -> Result<Unanswered, StoreError> {
    #[derive(Clone, Copy)]
    struct Counted {
        latest: i64,
        times: u32,
        people: u32,
    }
    let mut asked = Asked::about(rules);
    let mut groups: HashMap<u64, Counted> = HashMap::new();
    let mut people: HashSet<u64> = HashSet::new();
    let mut texts = 0;
    let mut is_cut = false;
    let not_looked_at = reader.texts(since, None, |text| {
        let Some(group) = asked.group(&text) else {
            return ControlFlow::Continue(());
        };
        if groups.len() == MOST_GROUPS && !groups.contains_key(&group) {
            is_cut = true;
            return ControlFlow::Break(());
        }
        texts += 1;
        let counted = groups.entry(group).or_insert(Counted {
            latest: text.id,
            times: 0,
            people: 0,
        });
        counted.times += 1;
        if people.insert(asked.hasher.hash_one((group, &text.openid))) {
            counted.people += 1;
        }
        ControlFlow::Continue(())
    })?;
    let count = groups.len();
    let mut largest: Vec<Counted> = groups.into_values().collect();
    largest.sort_unstable_by_key(|group| std::cmp::Reverse((group.times, group.latest)));
    largest.truncate(most);
    let mut groups = Vec::with_capacity(largest.len());
    for group in largest {
        // It may have gone since.
        let latest = reader.messages_with(&[group.latest])?.pop();
        groups.extend(latest.map(|latest| Group {
            latest,
            times: group.times as usize,
            people: group.people as usize,
        }));
    }
    Ok(Unanswered {
        groups,
        count,
        texts,
        is_cut: is_cut || not_looked_at.is_some(),
    })
}

/// The latest texts that no rule answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Their ids, the latest first.
    pub ids: Vec<i64>,
    /// If not all texts were looked at: the id before which the others are.
    pub not_looked_at: Option<i64>,
}

/// The latest texts since then that these rules leave unanswered, before the one with the id `before` and of one person,
/// if these are given; at most so many.
///
/// # Errors
/// When the store cannot be read.
pub fn latest(
    reader: &Reader,
    rules: &Rules,
    since: i64,
    before: Option<i64>,
    openid: Option<&str>,
    most: usize,
) -> Result<Latest, StoreError> {
    let mut asked = Asked::about(rules);
    let mut ids = Vec::new();
    let not_looked_at = reader.texts(since, before, |text| {
        let is_theirs = openid.is_none_or(|openid| openid == text.openid);
        if is_theirs && asked.group(&text).is_some() {
            ids.push(text.id);
        }
        match ids.len() >= most {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(Latest { ids, not_looked_at })
}

/// The ids of the group whose latest text was `latest` when it was listed.
///
/// # Errors
/// When the store cannot be read.
pub fn group(
    reader: &Reader,
    rules: &Rules,
    since: i64,
    latest: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut asked = Asked::about(rules);
    let (mut wanted, mut ids) = (None, Vec::new());
    reader.texts(since, Some(latest.saturating_add(1)), |text| {
        let group = asked.group(&text);
        if text.id == latest {
            wanted = group;
        }
        // It is the first.
        if wanted.is_none() {
            return ControlFlow::Break(());
        }
        if group == wanted {
            ids.push(text.id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_quoted_so_that_toml_reads_the_same() {
        for text in [
            "hours",
            "\"hours\" or \\ and 'so'",
            "two\nlines\tand\u{1b}[31m\u{7f}\u{9b}",
            "\u{2066}a\u{2029}b\u{202e}",
            "几点开门？🐟",
        ] {
            let quoted = quoted(text);
            assert!(!quoted.contains(steers), "{quoted}");
            let read: toml::Table = format!("a = {quoted}").parse().expect("TOML");
            assert_eq!(read["a"].as_str(), Some(text));
        }
    }
}
