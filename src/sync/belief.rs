//! Whether to believe the platform's list of followers, and what the owner says about a doubt.

use std::fmt;

use crate::counted::counted;
use crate::store::SyncState;

/// More people than this, and more than a tenth, are not removed within a [`WEEK`] unless the owner believes the list.
pub(super) const FEW: i64 = 20;

/// Removals within this time, in seconds, count together, so that a list that is slightly short every night does not
/// empty the followers.
pub(super) const WEEK: i64 = 7 * 86_400;

/// A doubt about the platform's list. The owner may know better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The list is a little shorter than the platform's count.
    Short {
        /// The platform's count.
        total: i64,
        /// The length of the list.
        listed: i64,
    },
    /// More than [`FEW`] and more than a tenth of the followers would be removed.
    Many {
        /// How many would be removed.
        leaving: i64,
        /// Of how many followers.
        of: i64,
        /// How many were removed by the syncs of the last week.
        before: i64,
    },
}

/// What the owner says about a [`Doubt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// The list is right.
    Yes,
    /// Nobody is removed; everything else is done.
    No,
    /// The sync ends, and the list is dropped.
    Stop,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is wrong, for this reason.
    Broken(String),
    /// It may be right.
    Doubtful(Doubt),
}

/// What is wrong with the list, if its length differs from the platform's count. A small difference is normal, because
/// people come and go while it is read: one in a thousand, and `allowed` more.
pub(super) fn doubt(state: &SyncState, allowed: i64) -> Option<Listed> {
    let Some(total) = state.total else {
        let why = "WeChat did not say how many followers there are";
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
                "WeChat counts {} and its list holds only {listed}",
                counted(total, "follower")
            ),
            Doubt::Many {
                leaving,
                of,
                before,
            } => {
                write!(
                    f,
                    "{leaving} of {} would be removed by WeChat's list",
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
