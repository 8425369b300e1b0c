//! The client against a small platform in the same process.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cases;
mod platform;
mod policy;
mod readings;
mod samples;
mod token_cache;
mod trust;
