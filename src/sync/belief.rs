//! Whether the platform's list of followers can be believed, and what the owner says to a doubt.

use std::fmt;

use crate::counted::counted;
use crate::store::SyncState;

/// More people than this, and more than a tenth, do not go out unless the owner believes it; within [`WEEK`].
pub(super) const FEW: i64 = 20;

/// What syncs take out within this time, in seconds, counts together, so that a list that is short by a little every
/// night does not empty the followers.
pub(super) const WEEK: i64 = 7 * 86_400;

/// What speaks against the platform's list. The owner may know better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The list lacks a few of those whom the platform counts.
    Short {
        /// How many the platform counts.
        total: i64,
        /// How many the list holds.
        listed: i64,
    },
    /// More than [`FEW`] and more than a tenth of the followers would go out.
    Many {
        /// How many would go out.
        leaving: i64,
        /// Of how many followers.
        of: i64,
        /// How many syncs have taken out within the week before.
        before: i64,
    },
}

/// What the owner says to a [`Doubt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// The list is right.
    Yes,
    /// Nobody goes out; everything else is done.
    No,
    /// Nothing more is done, and the list is forgotten.
    Stop,
}

/// What is the matter with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// Nobody believes it, for this reason.
    Broken(String),
    /// It may be right.
    Doubtful(Doubt),
}

/// What is the matter with the list, if it does not hold as many people as the platform counts. A few who came while it
/// was read are no reason: one in a thousand, and `allowed` more.
pub(super) fn doubt(state: &SyncState, allowed: i64) -> Option<Listed> {
    let Some(total) = state.total else {
        let why = "the platform did not say how many followers there are";
        return Some(Listed::Broken(why.to_owned()));
    };
    let doubt = Doubt::Short {
        total,
        listed: state.listed,
    };
    let missing = total.saturating_sub(state.listed);
    let is_much = |people: i64| people > FEW && people > total / 10;
    if is_much(missing.saturating_sub(allowed)) || is_much(missing.saturating_neg()) {
        return Some(Listed::Broken(doubt.to_string()));
    }
    (missing > (total / 1000).saturating_add(allowed)).then_some(Listed::Doubtful(doubt))
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Doubt::Short { total, listed } => write!(
                f,
                "the platform counts {} and its list holds only {listed}",
                counted(total, "follower")
            ),
            Doubt::Many {
                leaving,
                of,
                before,
            } => {
                write!(
                    f,
                    "{leaving} of {} would go out by the platform's list",
                    counted(of, "follower")
                )?;
                match before {
                    0 => Ok(()),
                    before => write!(f, ", after {before} in the last 7 days"),
                }
            }
        }
    }
}
