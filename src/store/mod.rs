//! The SQLite file: the only folder that names rusqlite. One writer, any number of readers.
//!
//! - [`schema`]: tables, views, migrations
//! - [`writer`]: the thread that owns the writing connection and commits many requests at once
//! - [`checkpoint`]: the thread that moves the write-ahead log ([`wal`]) to the main file ([`main_file`])
//! - [`record`]: a push and what it does to the followers, in one commit
//! - [`followers`], [`messages`]: what people and commands read
//! - [`page`]: rows a page at a time
//! - [`profiles`]: followers whose profile is still to be fetched
//! - [`sync`]: the working tables of a follower sync
//! - [`tags`]: tags and remarks, kept in step with the platform's
//! - [`export`]: whole rows, one at a time
//! - [`jobs`]: mass and template messages, and what became of them
//! - [`media`]: uploaded files that still work
//! - [`scenes`]: what QR codes brought
//! - [`kept`]: tokens and small values; [`settings`]: the table of the latter; [`lease`]: the right to do something alone, which a
//!   [`process`] holds
//! - [`signatures`]: signatures that were used up, and pushes that are not recorded again
//! - [`erase`]: every trace of a person, gone; [`scrub`]: also from the free space of pages, by [`dbpage`]
//! - [`columns`]: columns that hold another kind of value than they should
//! - [`copy`]: copies made and put back
//! - [`open`]: opening; [`options`]: section `[store]` of the configuration; [`examine`]: what would keep it from being
//!   opened; [`file`]: whether the open files are still in their place; [`error`]: what failed, and what to do

mod checkpoint;
mod columns;
mod copy;
mod dbpage;
mod erase;
mod error;
mod examine;
mod export;
mod file;
mod followers;
mod jobs;
mod kept;
mod lease;
mod main_file;
mod media;
mod messages;
mod open;
mod options;
mod page;
mod process;
mod profiles;
mod record;
mod scenes;
mod schema;
mod scrub;
mod settings;
mod signatures;
mod sync;
mod tags;
mod wal;
mod writer;

pub use copy::{owner_of_copy, remove_part_of, restore};
pub use erase::Erased;
pub use error::{ErrorKind, StoreError};
pub use examine::{Found, examine};
pub use export::Cell;
pub use followers::{FollowLogEntry, Follower, FollowerFilter};
pub use jobs::{Begun, Job, NewJob};
pub use kept::{KeptAddresses, KeptBackup, KeptToken};
pub use media::PERMANENT_VIDEO;
pub use messages::{MessageFilter, MessageRow, Place, WholeMessage};
pub use open::{Reader, Store};
pub use options::Options;
pub use profiles::{FetchedProfile, ProfileOutcome};
pub use record::{Record, Recorded};
pub use scenes::SceneCount;
pub use settings::MENU_BEFORE;
pub use signatures::{Signature, UsedSignature};
pub use sync::{SYNC_ROWS, SyncState, SyncStep};
pub use writer::AfterCommit;
