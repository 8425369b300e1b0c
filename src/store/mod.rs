//! The store: what the server knows, and the seam to the engine that holds it. Each change is committed by a writer; any
//! number of readers.
//!
//! - [`engine`]: the seam; [`sql`]: statements with their values, and rows, whatever the engine is; [`statement`]: the
//!   texts for each engine, side by side; `statements`: tests of all of them;
//!   `both_engines`: tests that run on each
//! - [`sqlite`]: the engine in one file, and all that is its own; `mysql`: the one on a server, in a program that is built
//!   with it
//! - [`open`]: the open store; [`options`]: section `[store]` of the configuration; [`found`]: what is there; [`server_facts`]: what a server
//!   says about itself; [`error`]: what failed, and what to do
//! - `copying`: copies of the store in another engine, of the `tables` that each has; [`copied`]: what became of one;
//!   [`marks`]: what keeps one from being served
//! - [`writer`]: the threads that commit many requests at once
//! - [`record`]: a push and its effect on the followers, in one commit; [`rows`]: its row, or those of many at once
//! - [`followers`], [`messages`]: what people and commands read; [`follow_counts`]: what follows count for
//! - [`daily_counts`]: counting messages by the quarter of an hour, once for each commit
//! - [`finding`]: messages by the time they were received, and by person
//! - [`page`]: rows one page at a time; [`pauses`]: reads that give way to pushes
//! - [`profiles`]: followers whose profile must be fetched
//! - [`sync`]: the working tables of a follower sync
//! - [`tags`]: tags and remarks, kept in step with the platform's
//! - [`export`]: whole rows, one at a time
//! - [`jobs`]: mass and template messages, and their results
//! - [`outbox`]: adding events for the hooks; [`hooks`]: what became of them, and the state of each hook
//! - [`forwards`]: forwarded pushes, and what became of the answers
//! - [`forwards_open`]: those whose service has not answered, when a server has ended
//! - [`forwards_read`]: what people read of forwarded pushes
//! - [`sent`]: customer-service messages, each before and after it is sent
//! - [`contact`]: what came from one person and went to them
//! - [`inbox`]: lists of messages that are searched, and marking messages as done
//! - [`media`]: uploaded files, valid or expired; [`media_files`]: the files of messages, to be fetched or fetched
//! - [`pictures`]: pictures that the web part serves
//! - [`sessions`]: people who are logged in on the owner's web pages; [`log_ins`], [`exchanged`]: who is about
//!   to be
//! - [`admin`]: who may use the operator's page
//! - [`scenes`]: follows and scans of QR codes
//! - [`growth`]: who came and left, when messages come, who stayed; [`rule_counts`]: how often each rule answered
//! - [`troubles`]: what was wrong, from when to when
//! - [`kept`]: tokens and small values; [`settings`]: the table of the latter; [`lease`]: the exclusive right to do
//!   something, which [`fence`] checks at each write, held by a [`process`]; [`node`]: the servers of a store that several
//!   machines share
//! - [`used`]: what signatures were used for; [`signatures`]: reading and removing them, and pushes that are not recorded again
//! - [`erase`]: erasing every trace of a person; [`scrub`]: also from the unallocated space of pages

mod admin;
#[cfg(test)]
mod both_engines;
mod contact;
mod copied;
#[cfg(feature = "mysql")]
mod copying;
mod daily_counts;
mod engine;
mod erase;
mod error;
mod exchanged;
mod export;
mod fence;
mod finding;
mod follow_counts;
mod followers;
mod forwards;
mod forwards_open;
mod forwards_read;
mod found;
mod growth;
mod hooks;
mod inbox;
mod jobs;
mod kept;
mod lease;
mod log_ins;
mod marks;
mod media;
mod media_files;
mod messages;
#[cfg(feature = "mysql")]
mod mysql;
mod node;
mod open;
mod options;
mod outbox;
mod page;
mod pauses;
mod pictures;
mod process;
mod profiles;
mod record;
mod rows;
mod rule_counts;
mod scenes;
mod scrub;
mod sent;
mod server_facts;
mod sessions;
mod settings;
mod signatures;
mod sql;
mod sqlite;
mod statement;
#[cfg(test)]
mod statements;
mod sync;
#[cfg(feature = "mysql")]
mod tables;
mod tags;
mod troubles;
mod used;
mod writer;

pub use admin::{AdminEnding, AdminProof, AdminSession, NewAdminKey, NewAdminSession};
pub use contact::{Before, Contact, Conversation, Said, SentMark};
pub use copied::{Copied, CopiedTable};
#[cfg(not(feature = "mysql"))]
pub use copied::{copy_store, restore_to_server};
#[cfg(feature = "mysql")]
pub use copying::{copy_store, restore_to_server};
pub use engine::examine;
pub use erase::Erased;
pub use error::{ErrorKind, StoreError};
pub use exchanged::Exchanged;
pub use export::Cell;
pub use followers::{
    FollowCount, FollowLogEntry, Follower, FollowerFilter, FollowerMark, FollowerPage,
};
pub use forwards::{Begins, Forwarded, NewForward, Rungs, Settled, ShowsKept};
pub use forwards_open::OpenForward;
pub use forwards_read::{FORWARD_STATES, ForwardFilter, ForwardRow, ServiceCounts};
pub use found::Found;
pub use growth::{DayCount, MessageTimes, SceneGrowth, by_week, net_of_last};
pub use hooks::{
    Announce, Change, EventState, HookChange, HookCounts, HookEvent, HookOutcome, HookState,
};
pub use inbox::{InboxFilter, InboxMark, InboxPage, Kinds, MOST_LOOKED_AT, Mark, Older, TextRow};
pub use jobs::{Begun, Job, NewJob};
pub use kept::{KeptAddresses, KeptBackup, KeptToken};
pub use lease::Lease;
pub use log_ins::{LogInBegun, LogInKey, LogInPhase, LogInRow, LogInStep, NewLogInRow};
pub use media::{PERMANENT, PERMANENT_VIDEO};
pub use media_files::{DueMedia, FetchedMedia, MediaCounts};
pub use messages::{MessageFilter, MessageRow, Place, WholeMessage};
pub use node::{NODE_LIFE, Node, NodeRow};
pub use open::{Reader, Store};
pub use options::{Host, Options, Server, Tls};
pub use outbox::NewHookEvent;
pub use pictures::NewPicture;
pub use process::{NodeId, machine};
pub use profiles::{FetchedProfile, ProfileOutcome};
pub use record::{Record, Recorded};
pub use rule_counts::RuleHits;
pub use scenes::{SceneCount, recorded_scene};
pub use sent::{NewSent, SendBegun, Sent, SentMessage, SentRow, SentState};
pub use server_facts::ServerFacts;
pub use sessions::{Ending, NewSession, SessionFilter, SessionRow, Visitor};
pub use settings::MENU_BEFORE;
pub use sqlite::copy::{copy_any_version, owner_of_copy, remove_part_of, restore};
pub use sqlite::room::{free_beside, size_of};
pub use sqlite::watch::{Looked, Watch};
pub use sync::{SYNC_ROWS, SyncState, SyncStep};
pub use used::{Signature, UsedSignature};
pub use writer::AfterCommit;
