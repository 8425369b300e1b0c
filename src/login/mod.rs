//! Log-in on the owner's web pages: who may pass a gate, cookies, the way back, the log-in inside WeChat and the one by a
//! scanned code. Knows no HTTP and no SQL.
//!
//! - [`gate`]: whether a visitor may pass
//! - [`cookie`]: the two cookies, read and written
//! - [`return_to`]: where a person goes after the log-in; never away from `web.url`
//! - [`state`]: the `state` of a log-in inside WeChat, checked without a memory of ours
//! - [`exchange`]: a code is exchanged once
//! - [`scan`]: log-ins by a scanned or typed code that are under way
//! - [`seen`]: which sessions were used, until the store is told

pub mod cookie;
pub mod exchange;
pub mod gate;
pub mod return_to;
pub mod scan;
pub mod seen;
pub mod state;
