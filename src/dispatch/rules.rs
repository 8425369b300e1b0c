//! Matching: the first rule that matches a push.

use std::sync::Arc;

use super::index::Index;
use super::subject::Subjects;
use super::uploads::Uploads;
use crate::config::{About, Media, Rule, Test};
use crate::wechat::{Body, Push};

/// The rules of one configuration, in order.
#[derive(Debug, Default)]
pub struct Rules {
    list: Vec<Rule>,
    index: Index,
    uploads: Arc<Uploads>,
}

/// A rule that matched.
#[derive(Debug)]
pub(super) struct Found<'r, 's> {
    pub(super) rule: &'r Rule,
    pub(super) groups: Vec<&'s str>,
}

/// The result of matching one rule against one push.
#[derive(Debug)]
pub(super) enum MatchResult<'r, 's> {
    /// The rule is about other kinds of pushes.
    OtherKind,
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
            uploads: Arc::default(),
        }
    }

    /// The same with the files that are uploaded, now and later. Without, none is.
    #[must_use]
    pub fn with_uploads(self, uploads: &Arc<Uploads>) -> Rules {
        Rules {
            uploads: Arc::clone(uploads),
            ..self
        }
    }

    /// What the platform calls what a rule answers with; `None`: it is a file that is not uploaded yet.
    pub(super) fn media_id(&self, media: &Media) -> Option<String> {
        match media {
            Media::Id(media_id) => Some(media_id.clone()),
            Media::File(file) => self.uploads.media_id(file),
        }
    }

    /// The rules in order.
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
            match match_rule(rule, push, subjects) {
                MatchResult::Matches(groups) => Some(Found { rule, groups }),
                MatchResult::OtherKind | MatchResult::Fails(_) => None,
            }
        })
    }
}

/// Matches one rule against one push.
pub(super) fn match_rule<'r, 's>(
    rule: &'r Rule,
    push: &Push,
    subjects: &Subjects<'s>,
) -> MatchResult<'r, 's> {
    let is_its_kind = match (&rule.about, &push.body) {
        (About::Messages(types), Body::Message(message)) => types.include(&message.msg_type),
        (About::Events(names), Body::Event(event)) => names.include(&event.name),
        (About::Messages(_), Body::Event(_)) | (About::Events(_), Body::Message(_)) => false,
    };
    if !is_its_kind {
        return MatchResult::OtherKind;
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
            return MatchResult::Fails(test);
        }
    }
    MatchResult::Matches(groups)
}
