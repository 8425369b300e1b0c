//! Matching: which rule a push meets first. The only place that compares a subject with a pattern.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::index::Index;
use crate::config::{
    About, Aim, Folding, Pattern, Rule, Test, lower, plain, without_end_marks, written,
};
use crate::wechat::{Body, MessageKind, Push};

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

/// A text in which a regular expression is searched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Searched<'a, 's> {
    /// As it was written.
    Written(&'s str),
    /// Folded.
    Folded(&'a str),
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

/// What rules look at in a push.
#[derive(Debug)]
pub(super) struct Subjects<'s> {
    key: Subject<'s>,
    scan: Subject<'s>,
}

/// A text that rules look at, folded once however many of them ask.
#[derive(Debug)]
pub(super) struct Subject<'s> {
    text: &'s str,
    folding: Folding,
    /// Whether it is what speech recognition made of a recording.
    is_spoken: bool,
    plain: OnceCell<Cow<'s, str>>,
    /// `None` where the plain text is in lower case already.
    lower: OnceCell<Option<String>>,
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

impl<'s> Subjects<'s> {
    pub(super) fn of(push: &'s Push) -> Subjects<'s> {
        let (folding, is_spoken) = match &push.body {
            Body::Event(_) => (Folding::Key, false),
            Body::Message(message) => {
                let is_spoken = message.kind == MessageKind::Voice;
                (Folding::Text, is_spoken)
            }
        };
        let scan = push.scan().map_or("", |(_, text)| text);
        Subjects {
            key: Subject::new(push.subject(), folding, is_spoken),
            scan: Subject::new(scan, Folding::Text, false),
        }
    }

    pub(super) fn of_aim(&self, aim: Aim) -> &Subject<'s> {
        match aim {
            Aim::Key => &self.key,
            Aim::Scan => &self.scan,
        }
    }

    /// What a rule with this aim looks at, as received.
    pub(super) fn text(&self, aim: Aim) -> &'s str {
        self.of_aim(aim).text
    }
}

impl<'s> Subject<'s> {
    fn new(text: &'s str, folding: Folding, is_spoken: bool) -> Subject<'s> {
        Subject {
            text,
            folding,
            is_spoken,
            plain: OnceCell::new(),
            lower: OnceCell::new(),
        }
    }

    fn plain(&self) -> &str {
        self.plain.get_or_init(|| plain(self.text, self.folding))
    }

    /// What texts of a rule are compared with.
    pub(super) fn compared(&self, case: bool) -> &str {
        match case {
            true => self.text,
            false => {
                let lower = self.lower.get_or_init(|| lower(self.plain()));
                lower.as_deref().unwrap_or_else(|| self.plain())
            }
        }
    }

    /// The texts in which a regular expression of a rule is searched, one after the other: as it was written, so that
    /// what a group takes out is what the person wrote, then what folding makes another text of.
    pub(super) fn searched(&self, case: bool) -> impl Iterator<Item = Searched<'_, 's>> {
        let as_written = if case { self.text } else { self.text.trim() };
        let folds = !case && self.folding == Folding::Text;
        let folded = folds.then(|| std::iter::once_with(|| self.plain()));
        let without_marks = (folds && self.is_spoken)
            .then(|| std::iter::once_with(|| without_end_marks(self.plain())));
        let others = folded
            .into_iter()
            .flatten()
            .chain(without_marks.into_iter().flatten());
        std::iter::once(Searched::Written(as_written)).chain(others.map(Searched::Folded))
    }

    fn equals(&self, pattern: &str, case: bool) -> bool {
        let compared = self.compared(case);
        compared == pattern
            || self.is_spoken && !case && without_end_marks(compared) == without_end_marks(pattern)
    }

    /// The groups of the first match, as the person wrote them.
    fn groups(&self, pattern: &Pattern, case: bool) -> Option<Vec<&'s str>> {
        self.searched(case).find_map(|searched| match searched {
            Searched::Written(text) => {
                let captures = pattern.written.captures(text)?;
                Some(
                    captures
                        .iter()
                        .map(|group| group.map_or("", |group| group.as_str()))
                        .collect(),
                )
            }
            Searched::Folded(text) if pattern.folded.is_none() && text == self.text.trim() => None,
            Searched::Folded(text) => {
                let captures = pattern.for_folded().captures(text)?;
                let ranges = captures
                    .iter()
                    .map(|group| group.map_or(0..0, |group| group.range()));
                Some(written(self.text, ranges))
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
