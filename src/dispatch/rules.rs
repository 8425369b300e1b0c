//! Matching: which rule a push meets first.

use super::index::Index;
use super::subject::Subjects;
use crate::config::{About, Rule, Test};
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
    pub(super) groups: Vec<&'s str>,
}

/// How one rule and one push meet.
#[derive(Debug)]
pub(super) enum Meeting<'r, 's> {
    /// The rule is about something else.
    Elsewhere,
    /// The subject fails this test of the rule.
    Fails(&'r Test),
    /// The rule answers; the groups are those of its regex, the whole match first.
    Matches(Vec<&'s str>),
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
        subjects: &Subjects<'s>,
    ) -> Option<Found<'r, 's>> {
        self.index.first(subjects, |position| {
            let rule = &self.list[position];
            match meet(rule, push, subjects) {
                Meeting::Matches(groups) => Some(Found { rule, groups }),
                Meeting::Elsewhere | Meeting::Fails(_) => None,
            }
        })
    }
}

/// Holds one rule against one push.
pub(super) fn meet<'r, 's>(
    rule: &'r Rule,
    push: &Push,
    subjects: &Subjects<'s>,
) -> Meeting<'r, 's> {
    let concerned = match (&rule.about, &push.body) {
        (About::Messages(types), Body::Message(message)) => types.include(&message.msg_type),
        (About::Events(names), Body::Event(event)) => names.include(&event.name),
        (About::Messages(_), Body::Event(_)) | (About::Events(_), Body::Message(_)) => false,
    };
    if !concerned {
        return Meeting::Elsewhere;
    }
    let subject = subjects.of_aim(rule.aim);
    let compared = || subject.compared(rule.case);
    let mut groups = Vec::new();
    for test in &rule.tests {
        let any = |patterns: &[String], fits: &dyn Fn(&String) -> bool| patterns.iter().any(fits);
        let holds = match test {
            Test::Equals(patterns) => any(patterns, &|pattern| subject.equals(pattern, rule.case)),
            Test::Prefix(patterns) => any(patterns, &|p| compared().starts_with(p.as_str())),
            Test::Contains(patterns) => any(patterns, &|p| compared().contains(p.as_str())),
            Test::Regex(patterns) => {
                let found = patterns
                    .iter()
                    .find_map(|pattern| subject.groups(pattern, rule.case));
                let holds = found.is_some();
                groups = found.unwrap_or_default();
                holds
            }
        };
        if !holds {
            return Meeting::Fails(test);
        }
    }
    Meeting::Matches(groups)
}
