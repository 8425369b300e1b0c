//! Matching: which rule a push meets first. The only place that compares a subject with a pattern.

use std::cell::OnceCell;

use regex::Captures;

use super::index::Index;
use crate::config::{About, Rule, Test, fold};
use crate::wechat::{Body, Push};

/// The rules of one configuration, in their order.
#[derive(Debug, Default)]
pub struct Rules {
    list: Vec<Rule>,
    index: Index,
}

/// The first rule that a push meets.
#[derive(Debug)]
pub(super) struct Found<'r, 's> {
    pub(super) rule: &'r Rule,
    pub(super) groups: Option<Captures<'s>>,
}

/// How one rule and one push meet.
#[derive(Debug)]
pub(super) enum Meeting<'r, 's> {
    /// The rule is about something else.
    Elsewhere,
    /// The subject fails this test of the rule.
    Fails(&'r Test),
    /// The rule answers; the groups are those of its regex.
    Matches(Option<Captures<'s>>),
}

/// What rules look at in a push, folded once however many rules ask.
#[derive(Debug)]
pub(super) struct Subject<'s> {
    text: &'s str,
    folded: OnceCell<String>,
}

impl Rules {
    /// Takes the rules of a configuration.
    #[must_use]
    pub fn new(list: Vec<Rule>) -> Rules {
        Rules {
            index: Index::new(&list),
            list,
        }
    }

    /// The rules in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> + DoubleEndedIterator {
        self.list.iter()
    }

    /// The first rule that matches.
    pub(super) fn first<'r, 's>(
        &'r self,
        push: &Push,
        subject: &Subject<'s>,
    ) -> Option<Found<'r, 's>> {
        self.index.first(subject, |position| {
            let rule = &self.list[position];
            match meet(rule, push, subject) {
                Meeting::Matches(groups) => Some(Found { rule, groups }),
                Meeting::Elsewhere | Meeting::Fails(_) => None,
            }
        })
    }
}

impl<'s> Subject<'s> {
    pub(super) fn of(push: &'s Push) -> Subject<'s> {
        Subject {
            text: push.subject(),
            folded: OnceCell::new(),
        }
    }

    pub(super) fn text(&self) -> &'s str {
        self.text
    }

    pub(super) fn folded(&self) -> &str {
        self.folded.get_or_init(|| fold(self.text))
    }
}

/// Holds one rule against one push.
pub(super) fn meet<'r, 's>(rule: &'r Rule, push: &Push, subject: &Subject<'s>) -> Meeting<'r, 's> {
    let concerned = match (&rule.about, &push.body) {
        (About::Messages(types), Body::Message(message)) => types.include(&message.msg_type),
        (About::Events(names), Body::Event(event)) => names.include(&event.name),
        (About::Messages(_), Body::Event(_)) | (About::Events(_), Body::Message(_)) => false,
    };
    if !concerned {
        return Meeting::Elsewhere;
    }
    let compared = if rule.case {
        subject.text
    } else {
        subject.folded()
    };
    let mut groups = None;
    for test in &rule.tests {
        let holds = match test {
            Test::Equals(patterns) => patterns.iter().any(|pattern| compared == pattern),
            Test::Prefix(patterns) => patterns
                .iter()
                .any(|pattern| compared.starts_with(pattern.as_str())),
            Test::Contains(patterns) => patterns
                .iter()
                .any(|pattern| compared.contains(pattern.as_str())),
            Test::Regex(patterns) => {
                // Not the folded text: what a group takes out goes into the answer as the person wrote it.
                let text = if rule.case {
                    subject.text
                } else {
                    subject.text.trim()
                };
                groups = patterns.iter().find_map(|regex| regex.captures(text));
                groups.is_some()
            }
        };
        if !holds {
            return Meeting::Fails(test);
        }
    }
    Meeting::Matches(groups)
}
