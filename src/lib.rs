//! `wechatd`: the back end of one WeChat Official Account.
//!
//! The modules in reading order; imports point down this list only.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the command line: one file per family of commands, their input and output |
//! | [`server`] | connections, limits, requests from signature to answer, pages of the web log-in; the only one that names `tiny_http` |
//! | [`page`] | the operator's page as HTML: a file for each page, all texts, style and plots; knows no HTTP and no SQL |
//! | [`background`] | threads for profiles of new followers, the nightly sync, removal of old data |
//! | [`sync`] | syncs the followers in the store with the platform |
//! | [`app`] | the wiring: what is built once and shared |
//! | [`hooks`] | events for programs and group robots: what is sent to whom, in which format, and when again |
//! | [`delivery`] | answers of services on their way to the followers: in time, late, at most once |
//! | [`inbox`] | what an owner does with messages: the window for answers, sending, what no rule answers; knows no HTTP and no SQL |
//! | [`service`] | the owner's own programs: one call, its queue, and when none is made |
//! | [`dispatch`] | the answer to a push; knows no HTTP and no SQL |
//! | [`login`] | log-in on the owner's web pages: gates, cookies, the way back; knows no HTTP and no SQL |
//! | [`simulated`] | pushes as the platform would send them, to be played or explained |
//! | [`config`] | the configuration file: every key with its default, its meaning and its parser |
//! | [`store`] | the store; its folder `sqlite` is the only one that names `rusqlite` |
//! | [`api`] | calls to the platform |
//! | [`outbound`] | requests to other servers: trust, limits, errors; the only one that names `ureq` |
//! | [`wechat`] | the protocol, pure: bytes in, values out |
//! | [`trouble`] | what is wrong now, of a closed list of kinds, and who is told when |
//! | [`metrics`] | the server's counters |
//! | [`webhook`] | Standard Webhooks: secrets and signatures |
//! | [`byte_order_mark`], [`clock`], [`counted`], [`language`], [`local_time`], [`notifier`], [`percent`], [`random`], [`resolver`], [`secret`], [`visible`] | small things that all modules may use |
//!
//! `store` and `api` do not know each other; `app` lets the store keep the tokens of the API.
//!
//! # The path of a push
//!
//! | file | what happens |
//! |---|---|
//! | `server/guard/conversing.rs` | the bytes arrive, until the request is complete |
//! | `server/guard/framing.rs` | it is checked for form and size; its head is normalised for `tiny_http` |
//! | `server/guard/relaying.rs` | it gets a ticket and goes over a lane to `tiny_http` |
//! | `server/http/workers.rs` | a free worker takes it |
//! | `server/routes.rs` | its route is found, its address checked |
//! | `server/callback.rs` | its signature is verified, the push decrypted and parsed, replays refused |
//! | `dispatch/` | a rule decides the answer |
//! | `store/record.rs` | push and answer are handed to the writer |
//! | `store/writer.rs` | they are committed together with all others that wait |
//! | `server/http/outbox.rs` | the answers of the commit are handed to the guard by ticket |
//! | `server/guard/relaying.rs` | each goes to its client |
//!
//! # Where the larger features live
//!
//! | feature | folders | imports |
//! |---|---|---|
//! | late answers of the owner's own program | `delivery/`, `background/deliveries.rs` | `server/callback` → `delivery` → `service`, `api`, `store` |
//! | web log-in | `login/` (codes, sessions, gates; no HTTP), `server/web/` (pages and endpoints) | `server/web` → `login` → `store`, `api`, `config` |
//! | operator's page | `page/` (a file for each page; no SQL, no HTTP types), `server/admin/` | `server/admin` → `page` → readers of the store, on the pool |
//! | several machines | `store/mysql/`, `store/lease.rs`, `app/duties.rs`, `background/nodes.rs` | nothing outside `store` names an engine; `background` → `app` → `store` |
//!
//! Each has its rows in `server/routes.rs`, its keys in `config/key.rs` and its tests, and nothing in the folders of
//! others.

pub mod cli;
pub mod server;

pub mod page;

pub mod background;

pub mod sync;

pub mod app;

pub mod hooks;

pub mod delivery;

pub mod inbox;

pub mod service;

pub mod dispatch;

pub mod login;

pub mod simulated;

pub mod config;

pub mod store;

pub mod api;

pub mod outbound;

pub mod wechat;

pub mod trouble;

pub mod metrics;

pub mod webhook;

pub mod byte_order_mark;
pub mod clock;
pub mod counted;
pub mod language;
pub mod local_time;
pub mod notifier;
pub mod percent;
pub mod random;
pub mod resolver;
pub mod secret;
pub mod visible;
