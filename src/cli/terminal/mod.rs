//! The output of a command: its answer on stdout, and everything else on stderr.

mod called;
mod chart;
pub mod download;
mod export;
mod failure;
pub mod interrupt;
mod log_queue;
pub mod logging;
mod output;
mod progress;
pub mod refusal;
mod reply;
mod whole_file;

pub use called::called;
pub use chart::{Chart, Stroke};
pub use export::{Export, FormatArguments};
pub use failure::{Failure, complain};
pub use output::{Column, Json, Output, cell, text, time, whole};
pub use progress::ProgressLine;
pub use reply::readable;
pub use whole_file::WholeFile;
