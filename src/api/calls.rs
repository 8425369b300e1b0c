//! How often each call to the platform was made by this process, how it ended, and how long it took.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::called::Called;
use super::error::ApiError;
use super::standing::is_answer;
use crate::metrics::{Histogram, Times};

/// The calls so far, by the platform's path, without those whose path an owner typed.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<&'static str, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    ended: [u64; CallResult::ALL.len()],
    seconds: Histogram,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// It was done.
    Done,
    /// The platform refused it.
    Refused,
    /// No usable answer came, or the platform was too busy.
    Failed,
}

/// The calls of one path.
#[derive(Debug, Clone, PartialEq)]
pub struct CallsOfPath {
    /// Without `/cgi-bin/`.
    pub path: &'static str,
    /// How often it ended in each way.
    pub ended: [(CallResult, u64); CallResult::ALL.len()],
    /// How long it took.
    pub seconds: Times,
}

impl CallResult {
    const ALL: [CallResult; 3] = [CallResult::Done, CallResult::Refused, CallResult::Failed];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CallResult::Done => "done",
            CallResult::Refused => "refused",
            CallResult::Failed => "failed",
        }
    }

    fn of(failure: Option<&ApiError>) -> CallResult {
        match failure {
            None => CallResult::Done,
            Some(error) if is_answer(error) => CallResult::Refused,
            Some(_) => CallResult::Failed,
        }
    }
}

impl Calls {
    /// A call is over, by a failure or not.
    pub(super) fn note(&self, called: &Called, failure: Option<&ApiError>, took: Duration) {
        let Cow::Borrowed(path) = called.name else {
            return;
        };
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = calls.entry(path).or_default();
        counted.ended[CallResult::of(failure) as usize] += 1;
        counted.seconds.observe(took);
    }

    /// All that were made, by path.
    #[must_use]
    pub fn by_path(&self) -> Vec<CallsOfPath> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_path = |(path, counted): (&&'static str, &Counted)| CallsOfPath {
            path,
            ended: CallResult::ALL.map(|result| (result, counted.ended[result as usize])),
            seconds: counted.seconds.times(),
        };
        calls.iter().map(of_path).collect()
    }
}
