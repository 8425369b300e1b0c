//! The SQLite file: the only folder that names `rusqlite`.
//!
//! - [`session`]: statements on a connection; [`committer`]: the one connection that writes
//! - [`schema`]: tables, views, migrations; [`counting`]: messages that the writer did not insert
//! - [`open`]: opening the file; [`examine`]: whether it can be opened; [`copy`]: backup and restore; `side`: copying from
//!   another engine and to it
//! - [`checkpoint`]: the thread that moves the write-ahead log ([`wal`]) to the main file ([`main_file`])
//! - [`dbpage`]: raw pages, to erase also from their unallocated space
//! - [`file`]: whether the open files are still in place; [`watch`]: whether they may have changed; [`room`]: how large
//!   they are, and how much room is beside them

pub(super) mod checkpoint;
pub(super) mod committer;
pub(super) mod copy;
pub(super) mod counting;
pub(super) mod dbpage;
pub(super) mod examine;
pub(super) mod file;
pub(super) mod main_file;
pub(super) mod open;
pub(super) mod room;
pub(super) mod schema;
pub(super) mod session;
#[cfg(feature = "mysql")]
pub(super) mod side;
pub(super) mod wal;
pub(super) mod watch;
