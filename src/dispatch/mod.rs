//! Decides the answer to a push: knows rules, pushes and replies, but neither HTTP nor SQL.

mod decision;
mod explain;
mod literals;
mod rules;
mod subject;
mod uploads;

mod index;

pub use decision::{Decision, Outcome, decide, matching};
pub use explain::{Advice, Step, Verdict, advise, explain, may_answer};
pub use rules::Rules;
pub use uploads::Uploads;
