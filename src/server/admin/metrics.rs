//! `GET /metrics`: the figures of the server for Prometheus, in the format of OpenMetrics.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::Answer;
use super::asked::Asked;
use crate::api::token_cache::ACCESS_TOKEN;
use crate::api::{CallsOfPath, Client};
use crate::metrics::{Metric, of_this_process, text};
use crate::server::http::headers::FORWARDED_HEADER;
use crate::server::http::peer::Peer;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::store::{HookState, Reader, Store, StoreError, free_beside, size_of};
use crate::trouble::Kind;

/// What the format is called.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the request comes from a program on this machine, and not through a proxy.
pub fn may_read(request: &Request) -> bool {
    let is_local = match request.peer {
        Peer::Ip(address) => address.is_loopback(),
        Peer::Unix => true,
    };
    is_local && request.header(FORWARDED_HEADER).is_none()
}

/// `GET /metrics`. What the store does not say is left out: its trouble is a metric, too.
pub fn metrics(asked: &Asked<'_>) -> Answer {
    let read = |reader: &Reader| Stored::read(asked, reader);
    let stored = asked.admin.app.store.read(read).unwrap_or_else(|error| {
        log::warn!("metrics: {error}");
        Stored::default()
    });
    let mut all = of_pushes(asked);
    all.extend(of_the_server(asked));
    all.extend(of_the_store(asked, &stored));
    all.extend(of_calls(asked, &stored));
    all.extend(of_this_process());
    Ok(Response::of_type(FORMAT, 200, text(all)))
}

fn of_pushes(asked: &Asked<'_>) -> Vec<Metric> {
    let pushes = &asked.admin.app.pushes;
    let mut counted = Metric::counter(
        "wechatd_pushes_total",
        "Pushes by kind and by what became of them.",
    );
    for (kind, outcome, count) in pushes.counted() {
        counted = counted.has([("kind", kind.into()), ("outcome", outcome.into())], count);
    }
    let mut hits = Metric::counter(
        "wechatd_rule_hits_total",
        "Pushes that each rule took; a log-in under way counts like a rule.",
    );
    let rules: BTreeMap<_, _> = asked.live.rule_hits.iter().collect();
    for (rule, count) in rules {
        hits = hits.has(
            [("rule", rule.clone().into())],
            count.load(Ordering::Relaxed),
        );
    }
    let took = Metric::histogram("wechatd_answer_seconds", "From a whole push to its answer.");
    vec![counted, took.is(Some(pushes.answers.times())), hits]
}

fn of_the_server(asked: &Asked<'_>) -> Vec<Metric> {
    let (admin, counters) = (asked.admin, &asked.admin.app.counters);
    let mut refused = Metric::counter("wechatd_refused_total", "Refused requests by reason.");
    for (reason, count) in admin.refusals.counts() {
        refused = refused.has([("reason", reason.into())], count);
    }
    let mut requests = Metric::counter(
        "wechatd_requests_total",
        "Answers by HTTP status code, without those of the operator's page.",
    );
    for (code, count) in counters.answers.given() {
        requests = requests.has([("code", code.to_string().into())], count);
    }
    let open = Metric::gauge(
        "wechatd_connections",
        "Open connections, without those of the operator's page.",
    );
    let evicted = Metric::counter(
        "wechatd_connections_evicted_total",
        "Connections closed to make room for others.",
    );
    let mut trouble = Metric::gauge("wechatd_trouble", "What is wrong now, by kind.");
    let troubles = admin.app.troubles.now();
    for kind in Kind::ALL {
        let count = troubles
            .iter()
            .filter(|one| one.subject.kind == kind)
            .count();
        trouble = trouble.has([("kind", kind.name().into())], count as u64);
    }
    let build = Metric::info("wechatd_build_info", "The version of wechatd.");
    vec![
        requests,
        refused,
        open.is(Some(counters.open.load(Ordering::Relaxed))),
        evicted.is(Some(counters.evicted.load(Ordering::Relaxed))),
        trouble,
        build.has([("version", env!("CARGO_PKG_VERSION").into())], 1u64),
    ]
}

fn of_the_store(asked: &Asked<'_>, stored: &Stored) -> Vec<Metric> {
    let store = &asked.admin.app.store;
    let commits = store.commits();
    let times = commits.seconds.times();
    let mut follows = Metric::counter(
        "wechatd_follow_events_total",
        "Follows and unfollows, by where they were noticed.",
    );
    for (Followed { action, source }, count) in stored.follow_events.iter().flatten() {
        let labels = [("action", (*action).into()), ("source", (*source).into())];
        follows = follows.has(labels, *count);
    }
    vec![
        Metric::counter("wechatd_commits_total", "Commits of the store.").is(Some(times.count())),
        Metric::histogram("wechatd_commit_seconds", "How long they took.").is(Some(times)),
        Metric::counter("wechatd_commit_failures_total", "Commits that failed.")
            .is(Some(commits.failed())),
        Metric::gauge(
            "wechatd_writer_queue",
            "Writes that wait for the next commit.",
        )
        .is(Some(commits.waiting())),
        Metric::gauge("wechatd_followers", "People who follow now.").is(stored.followers),
        follows,
        Metric::gauge("wechatd_profiles_waiting", "Profiles to be fetched.")
            .is(stored.profiles_waiting),
        Metric::gauge("wechatd_todo", "Messages in the list To do.").is(stored.todo),
        Metric::gauge(
            "wechatd_last_push_timestamp_seconds",
            "When the last push came.",
        )
        .is(stored.last_push),
        Metric::gauge(
            "wechatd_last_sync_timestamp_seconds",
            "When the last sync of followers ended.",
        )
        .is(stored.last_sync),
        Metric::gauge("wechatd_store_bytes", "Size of the store with its log.")
            .is(store.file().map(size_of)),
        Metric::gauge("wechatd_disk_free_bytes", "Free space on the store's disk.")
            .is(store.file().and_then(|file| free_beside(file).ok())),
    ]
}

fn of_calls(asked: &Asked<'_>, stored: &Stored) -> Vec<Metric> {
    let app = &asked.admin.app;
    let mut calls = Metric::counter(
        "wechatd_api_calls_total",
        "Calls to WeChat by path and result.",
    );
    let mut seconds = Metric::histogram("wechatd_api_seconds", "How long they took.");
    let made = app.api.as_ref().map(Client::calls);
    for CallsOfPath {
        path,
        ended,
        seconds: times,
    } in made.map_or_else(Vec::new, |calls| calls.by_path())
    {
        for (result, count) in ended {
            let labels = [("path", path.into()), ("result", result.name().into())];
            calls = calls.has(labels, count);
        }
        seconds = seconds.has([("path", path.into())], times);
    }
    let mut services = Metric::counter(
        "wechatd_service_calls_total",
        "Calls to services by result.",
    );
    for service in &asked.live.config.services {
        for (result, count) in app.deliveries.calls(&service.name) {
            let name = service.name.clone().into();
            services = services.has([("service", name), ("result", result.name().into())], count);
        }
    }
    let mut hooks = Metric::gauge("wechatd_hook_events", "Events of hooks by state.");
    for (hook, states) in &stored.hooks {
        for (state, count) in states {
            let labels = [("hook", hook.clone().into()), ("state", (*state).into())];
            hooks = hooks.has(labels, *count);
        }
    }
    let expires = Metric::gauge(
        "wechatd_token_expires_timestamp_seconds",
        "When the access_token expires.",
    );
    vec![
        calls,
        seconds,
        expires.is(stored.token_expires),
        services,
        hooks,
    ]
}

/// What the store says; `None`: it says nothing.
#[derive(Debug, Default)]
struct Stored {
    followers: Option<i64>,
    follow_events: Option<[(Followed, u64); 4]>,
    profiles_waiting: Option<i64>,
    todo: Option<i64>,
    token_expires: Option<i64>,
    last_push: Option<i64>,
    last_sync: Option<i64>,
    /// For each hook how many events are in each state.
    hooks: Vec<(String, [(&'static str, i64); 3])>,
}

impl Stored {
    fn read(asked: &Asked<'_>, reader: &Reader) -> Result<Stored, StoreError> {
        let mut dead = reader.dead_by_hook()?;
        let hooks = asked.live.config.hooks.iter().map(|hook| {
            let name = hook.name.clone();
            let HookState {
                waiting, dropped, ..
            } = reader.hook_state(&name)?;
            let dead = dead.remove(&name).unwrap_or(0);
            let states = [("waiting", waiting), ("dead", dead), ("dropped", dropped)];
            Ok((name, states))
        });
        Ok(Stored {
            followers: Some(reader.count_followers()?),
            follow_events: Some(asked.admin.follow_events.count(reader)?),
            profiles_waiting: Some(reader.profiles_waiting()?),
            todo: Some(reader.todo_count()?),
            token_expires: reader.token_expires_at(ACCESS_TOKEN)?,
            last_push: reader.last_push()?,
            last_sync: reader.synced_at()?,
            hooks: hooks.collect::<Result<_, StoreError>>()?,
        })
    }
}

/// What happened, and where it was noticed, as in `follow_log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Followed {
    action: &'static str,
    source: &'static str,
}

const fn followed(action: &'static str, source: &'static str) -> Followed {
    Followed { action, source }
}

const FOLLOWED: [Followed; 4] = [
    followed("subscribe", "push"),
    followed("subscribe", "sync"),
    followed("unsubscribe", "push"),
    followed("unsubscribe", "sync"),
];

/// Follows and unfollows since the program started: counted from their rows when somebody asks, so that no push pays for
/// it.
#[derive(Debug, Default)]
pub struct FollowEvents(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// The last row that is counted; `None`: the store has not been asked yet.
    after: Option<i64>,
    /// As [`FOLLOWED`].
    counts: [u64; FOLLOWED.len()],
}

impl FollowEvents {
    /// Counts from now on.
    pub fn of(store: &Store) -> FollowEvents {
        FollowEvents(Mutex::new(Counted {
            after: store.read(Reader::last_follow_event).ok(),
            counts: Default::default(),
        }))
    }

    fn count(&self, reader: &Reader) -> Result<[(Followed, u64); FOLLOWED.len()], StoreError> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { after, counts } = &mut *counted;
        let begin = match *after {
            Some(after) => after,
            None => reader.last_follow_event()?,
        };
        let (new, last) = reader.follow_events_after(begin)?;
        *after = Some(last);
        for row in new {
            let is = |one: &Followed| one.action == row.action && one.source == row.source;
            if let Some(place) = FOLLOWED.iter().position(is) {
                counts[place] += u64::try_from(row.count).unwrap_or(0);
            }
        }
        let counts = *counts;
        Ok(std::array::from_fn(|place| {
            (FOLLOWED[place], counts[place])
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::request::Method;

    #[test]
    fn only_who_is_on_this_machine_by_the_real_address_may_read() {
        for (peer, forwarded, may) in [
            ("127.0.0.1", None, true),
            ("127.9.9.9", None, true),
            ("::1", None, true),
            ("::ffff:127.0.0.1", None, true),
            ("unix", None, true),
            ("10.0.0.1", None, false),
            ("::ffff:10.0.0.1", None, false),
            ("fe80::1", None, false),
            ("203.0.113.9", Some("127.0.0.1"), false),
            ("127.0.0.1", Some("127.0.0.1"), false),
            ("127.0.0.1", Some(""), false),
            ("unix", Some("::1"), false),
        ] {
            let headers = forwarded.map(|value| (FORWARDED_HEADER, value));
            let mut request = Request::of(Method::Get, "/metrics", headers.as_slice(), "");
            request.peer = peer.parse().expect("a peer");
            assert_eq!(may_read(&request), may, "{peer} {forwarded:?}");
        }
    }
}
