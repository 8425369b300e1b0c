//! Pushes by their kind and what became of them, and how long their answers took.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::Histogram;

/// The kind of a push that no list knows.
const OTHER: &str = "other";

/// What became of a push that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// It was answered with a reply.
    Reply,
    /// Its rule is silent.
    Silent,
    /// No rule matched.
    NoRule,
    /// It went to a service.
    Forward,
    /// Its rule has a reply that could not be given.
    Withheld,
    /// It had been delivered before.
    Again,
    /// It could not be stored, and was answered 503.
    Failed,
}

impl PushOutcome {
    const ALL: [PushOutcome; 7] = [
        PushOutcome::Reply,
        PushOutcome::Silent,
        PushOutcome::NoRule,
        PushOutcome::Forward,
        PushOutcome::Withheld,
        PushOutcome::Again,
        PushOutcome::Failed,
    ];

    const fn name(self) -> &'static str {
        match self {
            PushOutcome::Reply => "reply",
            PushOutcome::Silent => "silent",
            PushOutcome::NoRule => "no_rule",
            PushOutcome::Forward => "forward",
            PushOutcome::Withheld => "withheld",
            PushOutcome::Again => "again",
            PushOutcome::Failed => "failed",
        }
    }
}

/// The pushes so far.
#[derive(Debug)]
pub struct Pushes {
    kinds: Vec<&'static str>,
    /// By kind, then by outcome; the last is for other kinds.
    counts: Vec<[AtomicU64; PushOutcome::ALL.len()]>,
    /// From a whole request to its answer.
    pub answers: Histogram,
}

impl Pushes {
    /// None yet. Kinds are counted by their position in this list.
    #[must_use]
    pub fn new(kinds: impl Iterator<Item = &'static str>) -> Pushes {
        let kinds: Vec<_> = kinds.chain([OTHER]).collect();
        Pushes {
            counts: kinds.iter().map(|_| Default::default()).collect(),
            kinds,
            answers: Histogram::default(),
        }
    }

    /// Counts a push; `kind`: the position of its kind, `None`: another one.
    pub fn add(&self, kind: Option<usize>, outcome: PushOutcome) {
        let counts = kind.and_then(|kind| self.counts.get(kind));
        if let Some(counts) = counts.or(self.counts.last()) {
            counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Kind, outcome and count of all that there were.
    pub fn counted(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let kinds = self.kinds.iter().zip(&self.counts);
        let all = kinds.flat_map(|(kind, counts)| {
            let counts = PushOutcome::ALL.into_iter().zip(counts);
            counts.map(|(outcome, count)| (*kind, outcome.name(), count.load(Ordering::Relaxed)))
        });
        all.filter(|(_, _, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name_and_unknown_kinds_as_other() {
        let pushes = Pushes::new(["text", "SCAN"].into_iter());
        for outcome in PushOutcome::ALL {
            pushes.add(Some(1), outcome);
        }
        pushes.add(None, PushOutcome::Silent);
        pushes.add(Some(9), PushOutcome::Silent);
        let names = PushOutcome::ALL.map(|outcome| ("SCAN", outcome.name(), 1));
        let expected: Vec<_> = names.into_iter().chain([("other", "silent", 2)]).collect();
        assert_eq!(pushes.counted().collect::<Vec<_>>(), expected);
    }
}
