//! Calls to the platform: one client, one table of error codes, one token for all, and a file per family of calls.
//! It knows nothing of the store, the configuration or the server; [`TokenStore`] and [`Settings`] connect them.
//!
//! Reading order: [`Client`] holds the policy (when a call is repeated, when a token is replaced), [`token_cache`] the
//! token cache, [`error`] and [`errcode`] the errors; the rest are the calls.
//!
//! The path and the query of a call contain tokens and secrets. They are never logged here. The crates `ureq` and
//! `ureq_proto` log them at level `trace`, which is why this program is built with `log`'s feature
//! `max_level_debug`: no setting of `RUST_LOG` brings that level back.

pub mod client;
pub mod errcode;
pub mod error;
pub mod token;
pub mod token_cache;

pub mod article;
pub mod autoreply;
pub mod blacklist;
pub mod comment;
pub mod custom;
pub mod draft;
pub mod kf;
pub mod login;
pub mod mass;
pub mod material;
pub mod media;
pub mod menu;
pub mod network;
pub mod qrcode;
pub mod quota;
pub mod raw;
pub mod record;
pub mod session;
pub mod shorten;
pub mod statistics;
pub mod subscription;
pub mod tags;
pub mod template;
pub mod user;

pub mod rate;

mod call;
mod called;
mod calls;
mod http;
mod multipart;
mod standing;

#[cfg(test)]
mod tests;

pub use called::{Called, Effect};
pub use calls::{CallResult, Calls, CallsOfPath};
pub use client::{Client, Settings};
pub use errcode::Action;
pub use error::ApiError;
pub use http::look_at_roots;
pub use standing::Standing;
pub use token_cache::{KeptToken, TokenStore};
