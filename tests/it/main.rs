//! The integration tests: the real program on a free port in a folder of its own, talked to over HTTP,
//! its store read with SQL, its commands typed, its platform played by `support::platform`.
//!
//! Each file holds one subject and is named after it. `support` is everything they share.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets an impossible value should stop right there"
)]

mod admin;
mod advice;
mod allow_ips;
mod api;
mod arguments;
mod article;
mod attacks;
mod backup;
mod byte_order_mark;
mod callback;
mod changes;
mod check_start;
mod chunked;
#[cfg(feature = "mysql")]
mod cluster;
mod commands;
mod comments;
mod config;
mod console_rules;
mod drafts;
mod durability;
mod explain;
mod export;
mod folding;
mod forwarding;
mod gate;
mod going_live;
mod handshake;
mod hooks;
mod inbox;
mod init;
mod install;
mod kf;
mod limits;
mod lists;
mod local_time;
mod login;
mod logs;
mod lost_files;
mod markdown;
mod mass;
mod material;
mod media;
mod media_folder;
mod menu;
mod messages;
mod migration;
mod modes;
mod notify;
mod one_account;
mod online;
mod outages;
mod privacy;
mod profile;
mod protocol;
mod proxy;
mod push_kinds;
mod qrcode;
mod refusals;
mod reload;
mod replay;
mod replies;
mod retention;
mod rules;
mod samples;
mod sealed_replies;
mod secrets;
mod send;
mod service;
mod service_calls;
mod services_cli;
mod sessions;
mod shorten;
mod simulate;
mod stalls;
mod start;
mod statistics;
mod stats;
mod status;
mod stop;
mod store;
mod store_faults;
mod support;
mod sync;
mod tags;
mod template;
mod tidy;
mod token;
mod trouble;
mod waiting;
mod web;
mod web_check;
mod web_files;
mod web_proxies;
mod web_scan;
mod window;
