//! `wechatd`: the back end of one WeChat Official Account.
//!
//! The modules in reading order; imports point down this list only.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the command line: one file per family of commands, their input and their output |
//! | [`server`] | listening, limits, one request from its signature to its answer; the only one that names `tiny_http` |
//! | [`background`] | profiles of new followers, the nightly sync, removal of what is old |
//! | [`sync`] | makes the followers in the store the platform's |
//! | [`app`] | the wiring: what is built once and shared |
//! | [`dispatch`] | what a push is answered; knows no HTTP and no SQL |
//! | [`config`] | the configuration file: every key with its default, its meaning and its reader |
//! | [`store`] | the SQLite file; the only one that names `rusqlite` |
//! | [`api`] | calls to the platform |
//! | [`outbound`] | requests to other servers: trust, limits, what can go wrong; the only one that names `ureq` |
//! | [`wechat`] | the protocol, pure: bytes in, values out |
//! | [`metrics`] | counters of what the server has seen |
//! | [`byte_order_mark`], [`clock`], [`counted`], [`local_time`], [`notifier`], [`random`], [`resolver`], [`secret`], [`visible`] | small things that everybody may use |
//!
//! `store` and `api` do not know each other; `app` lets the one keep the tokens of the other.

pub mod cli;
pub mod server;

pub mod background;

pub mod sync;

pub mod app;

pub mod dispatch;

pub mod config;

pub mod store;

pub mod api;

pub mod outbound;

pub mod wechat;

pub mod metrics;

pub mod byte_order_mark;
pub mod clock;
pub mod counted;
pub mod local_time;
pub mod notifier;
pub mod random;
pub mod resolver;
pub mod secret;
pub mod visible;
