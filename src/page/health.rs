//! `/health`: what is wrong, how the parts of the server are doing, and who is signed in.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Serialize;

use super::frame::{Frame, Place};
use super::person;
use super::refusals::meaning;
use super::texts::Text;
use crate::local_time;
use crate::store::AdminSession;
use crate::wechat::file::shown_size;

/// How everything is doing; `/health.json` is this value. Times are in Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it, for programs too")]
pub struct Health {
    pub version: &'static str,
    /// Where the server listens; `None`: it does not run.
    pub listen: Option<String>,
    pub started_at: Option<i64>,
    pub last_push: Option<i64>,
    pub last_sync: Option<i64>,
    pub token_expires: Option<i64>,
    pub followers: i64,
    pub todo: i64,
    pub profiles_waiting: i64,
    pub forwards_waiting: i64,
    pub store_bytes: Option<u64>,
    pub disk_free_bytes: Option<u64>,
    /// Of the last 30 days; those that are not over have no `until`.
    pub troubles: Vec<TroubleRow>,
    pub services: Vec<ServiceHealth>,
    pub hooks: Vec<HookHealth>,
    /// Since the start, by their name in metrics.
    pub refused: BTreeMap<&'static str, u64>,
}

/// A trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct TroubleRow {
    pub kind: &'static str,
    pub name: Option<String>,
    pub text: String,
    pub since: i64,
    pub until: Option<i64>,
}

/// A service of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it, for programs too")]
pub struct ServiceHealth {
    pub name: String,
    pub waiting: i64,
    pub answered: i64,
    pub failed: i64,
    pub failed_in_a_row: i64,
    pub error: Option<String>,
}

/// A hook of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it, for programs too")]
pub struct HookHealth {
    pub name: String,
    pub waiting: i64,
    pub delivered: i64,
    pub dead: i64,
    pub failures: i64,
    pub paused: Option<String>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, health: &Health, signed_in: &[AdminSession]) -> Markup {
    let (now, over): (Vec<_>, Vec<_>) = health
        .troubles
        .iter()
        .partition(|trouble| trouble.until.is_none());
    let content = html! {
        h2 { (frame.say(Text::TroubleNow)) }
        @if now.is_empty() {
            p { (frame.say(Text::NothingIsWrong)) }
        } @else {
            (troubles(frame, Text::TroubleNow, &now))
        }
        @if !over.is_empty() {
            h2 { (frame.say(Text::TroubleBefore)) }
            (troubles(frame, Text::TroubleBefore, &over))
        }
        h2 { (frame.say(Text::Server)) }
        (facts(frame, health))
        @if !health.services.is_empty() {
            h2 { (frame.say(Text::Services)) }
            (services(frame, &health.services))
        }
        @if !health.hooks.is_empty() {
            h2 { (frame.say(Text::Hooks)) }
            (hooks(frame, &health.hooks))
        }
        h2 { (frame.say(Text::RefusedRequests)) }
        @if health.refused.is_empty() {
            p { (frame.say(Text::RefusedNone)) }
        } @else {
            (refused(frame, &health.refused))
        }
        h2 { (frame.say(Text::WhoIsSignedIn)) }
        (sessions(frame, signed_in))
        (frame.form("/health/sign-out", "row", &html! { button .quiet { (frame.say(Text::SignOutEverybody)) } }))
    };
    frame.page(Text::Health, Some(Place::Health), &content)
}

fn facts(frame: &Frame<'_>, health: &Health) -> Markup {
    let at = |time: Option<i64>| {
        time.map_or_else(|| frame.say(Text::NotYet).to_owned(), local_time::format)
    };
    let size = |bytes: Option<u64>| {
        bytes.map_or_else(String::new, |bytes| {
            shown_size(usize::try_from(bytes).unwrap_or(usize::MAX))
        })
    };
    let server = match &health.listen {
        Some(listen) => listen.clone(),
        None => frame.say(Text::NotRunning).to_owned(),
    };
    let pairs = [
        (Text::Version, health.version.to_owned()),
        (Text::ListensAt, server),
        (Text::Started, at(health.started_at)),
        (Text::LastPush, at(health.last_push)),
        (Text::LastSync, at(health.last_sync)),
        (Text::TokenExpires, at(health.token_expires)),
        (Text::ProfilesWaiting, health.profiles_waiting.to_string()),
        (Text::ForwardsWaiting, health.forwards_waiting.to_string()),
        (Text::StoreSize, size(health.store_bytes)),
        (Text::DiskFree, size(health.disk_free_bytes)),
    ];
    html! {
        dl .facts {
            @for (name, value) in pairs {
                dt { (frame.say(name)) }
                dd { (value) }
            }
        }
    }
}

fn troubles(frame: &Frame<'_>, what: Text, rows: &[&TroubleRow]) -> Markup {
    let heads = [
        (Text::Kind, false),
        (Text::From, false),
        (Text::Until, false),
        (Text::What, false),
    ];
    table(
        frame,
        what,
        &heads,
        &html! {
            @for row in rows {
                tr {
                    td .warn[row.until.is_none()] {
                        (row.kind)
                        @if let Some(name) = &row.name { " " (person::text(name)) }
                    }
                    td .t { (local_time::format(row.since)) }
                    td .t { @if let Some(until) = row.until { (local_time::format(until)) } }
                    td { (person::text(&row.text)) }
                }
            }
        },
    )
}

fn services(frame: &Frame<'_>, rows: &[ServiceHealth]) -> Markup {
    let heads = [
        (Text::Name, false),
        (Text::Waiting, true),
        (Text::Answered, true),
        (Text::Failed, true),
        (Text::LastError, false),
    ];
    table(
        frame,
        Text::Services,
        &heads,
        &html! {
            @for row in rows {
                tr {
                    td { (person::text(&row.name)) }
                    td .n { (row.waiting) }
                    td .n { (row.answered) }
                    td .n { (row.failed) }
                    td { @if let Some(error) = &row.error { (person::text(error)) } }
                }
            }
        },
    )
}

fn hooks(frame: &Frame<'_>, rows: &[HookHealth]) -> Markup {
    let heads = [
        (Text::Name, false),
        (Text::Waiting, true),
        (Text::Delivered, true),
        (Text::GivenUp, true),
        (Text::Paused, false),
    ];
    table(
        frame,
        Text::Hooks,
        &heads,
        &html! {
            @for row in rows {
                tr {
                    td { (person::text(&row.name)) }
                    td .n { (row.waiting) }
                    td .n { (row.delivered) }
                    td .n { (row.dead) }
                    td { @if let Some(why) = &row.paused { (person::text(why)) } }
                }
            }
        },
    )
}

fn refused(frame: &Frame<'_>, counts: &BTreeMap<&'static str, u64>) -> Markup {
    let heads = [(Text::Reason, false), (Text::Number, true)];
    table(
        frame,
        Text::RefusedRequests,
        &heads,
        &html! {
            @for (reason, count) in counts {
                tr {
                    td {
                        code { (reason) }
                        @if let Some(meaning) = meaning(reason) { " " (frame.say(meaning)) }
                    }
                    td .n { (count) }
                }
            }
        },
    )
}

fn sessions(frame: &Frame<'_>, rows: &[AdminSession]) -> Markup {
    let heads = [
        (Text::Name, false),
        (Text::SignedInSince, false),
        (Text::LastSeen, false),
        (Text::Address, false),
    ];
    table(
        frame,
        Text::WhoIsSignedIn,
        &heads,
        &html! {
            @for row in rows {
                tr {
                    td { (person::text(&row.name)) }
                    td .t { (row.since) }
                    td .t { (row.seen) }
                    td { @if let Some(address) = &row.address { (address) } }
                }
            }
        },
    )
}

/// A table with these heads; `true`: of numbers.
fn table(frame: &Frame<'_>, what: Text, heads: &[(Text, bool)], rows: &Markup) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(frame.say(what)) {
            table {
                thead { tr { @for (head, is_number) in heads { th .n[*is_number] scope="col" { (frame.say(*head)) } } } }
                tbody { (rows) }
            }
        }
    }
}
