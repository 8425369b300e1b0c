//! Calls to the platform: one client, one table of error codes, one token for everybody, and a
//! file per family of calls. The only folder that names `ureq`; it knows nothing of the store,
//! the configuration or the server, who are wired in by [`TokenShelf`] and [`Settings`].
//!
//! Reading order: [`Client`] holds the policy (when a call is repeated, when a token is replaced),
//! [`token`] the token desk, [`error`] and [`errcode`] what can go wrong; the rest are the calls.
//!
//! The path and the query of a call hold tokens and secrets. They are never logged here, but the
//! crates below write them at level `trace` (targets `ureq` and `ureq_proto`): whoever sets up the
//! log must keep these two targets at `debug` or quieter.

#[allow(dead_code, reason = "the families of calls to come use the rest")]
mod call;
#[allow(dead_code, reason = "the families of calls to come use the rest")]
pub mod client;
pub mod errcode;
pub mod error;
#[allow(dead_code, reason = "the families of calls to come use the rest")]
mod http;
mod json;
pub mod token;
pub mod user;

#[cfg(test)]
mod tests;

pub use client::{Client, Settings};
pub use errcode::Action;
pub use error::{ApiError, NetworkCause};
pub use token::{KeptToken, TokenShelf};
