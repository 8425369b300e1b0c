//! Decides what a push is answered: knows rules, pushes and replies, and neither HTTP nor SQL.

mod answer;
mod beginnings;
mod explain;
mod rules;
mod subject;

mod index;

pub use answer::{Decision, Outcome, decide};
pub use explain::{Advice, Step, Verdict, advise, explain, may_answer};
pub use rules::Rules;
