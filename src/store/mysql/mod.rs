//! The store on servers that speak the MySQL protocol: the only folder that names `mysql`.
//!
//! - [`session`]: statements on a connection, which is made when it is needed; [`link`]: one that was made
//! - [`text`]: statements as the server takes them; [`row`]: rows as it sends them
//! - [`committer`]: a connection that commits; [`readers`]: connections that read
//! - [`hosts`]: which server is connected to, and how; [`facts`]: what it says about itself
//! - [`schema`]: tables, views, migrations; [`side`]: copying from another engine and to it
//! - [`ids`]: the ids of new rows
//! - [`error`]: errors in an owner's words, and which are tried again

pub(super) mod committer;
pub(super) mod error;
mod facts;
pub(super) mod hosts;
pub(super) mod ids;
mod link;
pub(super) mod readers;
mod row;
pub(super) mod schema;
pub(super) mod session;
pub(super) mod side;
mod text;

#[cfg(test)]
#[path = "../../../tests/it/support/engine.rs"]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(super) mod engine;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(super) mod tests;
