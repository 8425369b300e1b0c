//! The name of a call in errors and logs, and whether it changes something on the platform.

use std::borrow::Cow;
use std::fmt;

/// Which call an error is about, and what the call does. Every error of a call carries it, so that no caller can
/// forget to mention that a change may have been made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The platform's path without `/cgi-bin/`.
    pub name: Cow<'static, str>,
    /// What the call does.
    pub effect: Effect,
}

/// What a call does on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It reads: it may be sent again when no answer came.
    Reads,
    /// It changes or sends something: without an answer, nobody knows whether it was done.
    Changes {
        /// How an owner finds out whether it was done, or what repeating it does.
        if_unknown: &'static str,
    },
}

/// A call that reads.
impl From<&'static str> for Called {
    fn from(name: &'static str) -> Called {
        Called {
            name: name.into(),
            effect: Effect::Reads,
        }
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
