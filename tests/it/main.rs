//! The integration tests: the real program on a free port in a folder of its own, talked to over HTTP,
//! its store read with SQL, its commands typed, its platform played by `support::platform`.
//!
//! Each file holds one subject and is named after it. `support` is everything they share.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets an impossible value should stop right there"
)]

mod callback;
mod commands;
mod config;
mod export;
mod handshake;
mod limits;
mod logs;
mod online;
mod profile;
mod protocol;
mod push_kinds;
mod replies;
mod rules;
mod simulate;
mod start;
mod store;
mod support;
mod sync;
mod tags;
mod tidy;
mod token;
