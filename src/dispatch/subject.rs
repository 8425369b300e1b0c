//! What rules look at in a push, folded once. The only place that compares a subject with a pattern.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::config::{Aim, Folding, Pattern, lower, plain, without_end_marks, written};
use crate::wechat::{Body, MessageKind, Push};

/// A text that regular expressions search.
#[derive(Debug, Clone, Copy)]
pub(super) enum Searched<'a, 's> {
    /// As it was written.
    Written(&'s str),
    /// Folded.
    Folded(&'a str),
}

/// The texts of a push that rules test.
#[derive(Debug)]
pub(super) struct Subjects<'s> {
    key: Subject<'s>,
    scan: Subject<'s>,
}

/// A text that rules test, folded at most once.
#[derive(Debug)]
pub(super) struct Subject<'s> {
    text: &'s str,
    folding: Folding,
    /// Whether it is recognised speech.
    is_spoken: bool,
    plain: OnceCell<Cow<'s, str>>,
    /// `None` if the plain text is already in lower case.
    lower: OnceCell<Option<String>>,
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

    /// The text that a rule with this aim tests, as received.
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

    /// The text that a rule's texts are compared with.
    pub(super) fn compared(&self, case: bool) -> &str {
        match case {
            true => self.text,
            false => {
                let lower = self.lower.get_or_init(|| lower(self.plain()));
                lower.as_deref().unwrap_or_else(|| self.plain())
            }
        }
    }

    /// The texts that a rule's regular expression searches, in order: first as written, so that groups contain what the
    /// person wrote, then folded.
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

    pub(super) fn equals(&self, pattern: &str, case: bool) -> bool {
        let compared = self.compared(case);
        compared == pattern
            || self.is_spoken && !case && without_end_marks(compared) == without_end_marks(pattern)
    }

    /// The groups of the first match, as written by the person.
    pub(super) fn groups(&self, pattern: &Pattern, case: bool) -> Option<Vec<&'s str>> {
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
