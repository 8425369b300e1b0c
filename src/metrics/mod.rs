//! What the server counts while it runs, without locks and without allocations for a push, and the text of all metrics.

mod commits;
mod counters;
mod histogram;
mod named;
mod process;
mod pushes;
mod text;

pub use commits::Commits;
pub use counters::{Answers, Counters};
pub use histogram::{Histogram, Times};
pub use named::Named;
pub use process::of_this_process;
pub use pushes::{PushOutcome, Pushes};
pub use text::{Metric, Value, text};
