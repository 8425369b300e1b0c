//! The metrics: what is counted, in the format of OpenMetrics, and who may read it.

use crate::support::http::Answer;
use crate::support::operator::{Operator, PAGE, ask, page};
use crate::support::service::FORWARD_ALL;
use crate::support::store::change;
use crate::support::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

fn with_metrics(setup: Setup) -> Setup {
    setup.set(PAGE.0, PAGE.1).set("admin.metrics", "true")
}

fn get(account: &Account) -> Answer {
    ask(account, &page(account), Request::new("GET", "/metrics"))
}

/// What was read: the type of each metric by its documented name, and all values by their names with labels.
#[derive(Debug, Default)]
struct Read {
    types: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Read {
    #[track_caller]
    fn of(account: &Account) -> Read {
        let answer = get(account);
        answer.is_status(200).has_header(
            "content-type",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        );
        let body = answer.body();
        Read::parse(&body).unwrap_or_else(|why| panic!("{why}:\n{body}"))
    }

    fn parse(text: &str) -> Result<Read, String> {
        let text = text.strip_suffix("# EOF\n").ok_or("no end")?;
        let mut read = Read::default();
        let (mut family, mut kind) = ("", "");
        for line in text.lines() {
            if let Some(said) = line.strip_prefix("# HELP ") {
                (family, _) = said.split_once(' ').ok_or(line)?;
                kind = "";
            } else if let Some(said) = line.strip_prefix("# TYPE ") {
                kind = said.strip_prefix(family).ok_or(line)?.trim_start();
                let ending = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    "gauge" | "histogram" => "",
                    _ => return Err(line.into()),
                };
                let before = read.types.insert(format!("{family}{ending}"), kind.into());
                before.map_or(Ok(()), |_| Err(format!("twice: {line}")))?;
            } else if let Some(said) = line.strip_prefix("# UNIT ") {
                let unit = said.strip_prefix(family).ok_or(line)?.trim_start();
                family.strip_suffix(unit).ok_or(line)?;
            } else {
                let (name, value) = sample(line)?;
                let bare = name.split('{').next().unwrap();
                let ending = bare.strip_prefix(family).ok_or(line)?;
                let fits = match kind {
                    "counter" => ending == "_total",
                    "info" => ending == "_info" && value == 1.0,
                    "gauge" => ending.is_empty(),
                    "histogram" => ["_sum", "_count", "_bucket"].contains(&ending),
                    _ => false,
                };
                if !fits || value < 0.0 {
                    return Err(line.into());
                }
                let before = read.values.insert(name.into(), value);
                before.map_or(Ok(()), |_| Err(format!("twice: {line}")))?;
            }
        }
        Ok(read)
    }

    /// The value of this name with labels as they are written; 0 where there is none.
    fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// The sum of all values of this name.
    fn sum(&self, name: &str) -> f64 {
        let of_it = |(key, _): &(&String, &f64)| key.split('{').next() == Some(name);
        self.values
            .iter()
            .filter(of_it)
            .map(|(_, value)| value)
            .sum()
    }

    /// Each counter, histograms as what they count.
    fn counters(&self) -> impl Iterator<Item = (&String, &f64)> {
        let endings = ["_total", "_count", "_sum", "_bucket"];
        self.values.iter().filter(move |(name, _)| {
            let bare = name.split('{').next().unwrap();
            endings.iter().any(|ending| bare.ends_with(ending))
        })
    }

    /// The documented names, each with the labels that its values have.
    fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all = BTreeMap::new();
        for (name, kind) in &self.types {
            let labels: &mut BTreeSet<String> = all.entry(name.clone()).or_default();
            let values = match kind.as_str() {
                "histogram" => format!("{name}_count"),
                _ => name.clone(),
            };
            for key in self.values.keys() {
                let (bare, rest) = key.split_once('{').unwrap_or((key, ""));
                if bare == values {
                    let pairs = rest.trim_end_matches('}').split("\",");
                    labels.extend(pairs.filter_map(|pair| Some(pair.split_once('=')?.0.into())));
                }
            }
        }
        all
    }
}

/// A line with a value.
fn sample(line: &str) -> Result<(&str, f64), String> {
    let (name, value) = line.rsplit_once(' ').ok_or(line)?;
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let (bare, labels) = name.split_once('{').unwrap_or((name, "}"));
    if !plain(bare) {
        return Err(line.into());
    }
    let mut rest = labels.strip_suffix('}').ok_or(line)?;
    while !rest.is_empty() {
        let (label, more) = rest.split_once("=\"").ok_or(line)?;
        // No test has a quote in a value.
        let (_, more) = more.split_once('"').ok_or(line)?;
        rest = more.strip_prefix(',').unwrap_or(more);
        if !plain(label) {
            return Err(line.into());
        }
    }
    Ok((name, value.parse().map_err(|_| line.to_owned())?))
}

#[test]
fn the_readme_lists_every_metric_with_its_labels_and_no_other() {
    let (platform, service, receiver) = (Platform::start(), Service::wechat(), Receiver::start());
    let hook = format!(
        "[[hook]]\nname = \"crm\"\nurl = \"{}\"\n",
        receiver.url("hear")
    );
    let rules = format!("{FORWARD_ALL}\n{hook}");
    let setup = Setup::new().platform(&platform).rules(&rules);
    let account = with_metrics(setup.service(&service, "")).start();
    account.post(&text("hello")).is_status(200);
    account.post(&subscribe()).is_status(200);
    account
        .post(&text("hello").signed_with("other"))
        .is_refused();
    eventually("the profile is fetched", account.log(), || {
        Read::of(&account).sum("wechatd_api_seconds_count") > 0.0
    });
    let mut found = Read::of(&account).labels();
    // The one that no store has before the first sync is without labels.
    assert_eq!(found["wechatd_last_sync_timestamp_seconds"].len(), 0);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.unwrap();
    let (_, table) = readme.split_once("\n| Metric | Meaning |\n").unwrap();
    for row in table
        .lines()
        .skip(1)
        .map_while(|row| row.strip_prefix("| "))
    {
        for name in row.split(" |").next().unwrap().split(", ") {
            let name = name.trim_matches('`');
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let labels: BTreeSet<String> = labels
                .filter(|label| !label.is_empty())
                .map(str::to_owned)
                .collect();
            assert_eq!(found.remove(name), Some(labels), "{name}");
        }
    }
    assert!(found.is_empty(), "not in the README: {found:?}");
}

#[test]
fn counters_grow_by_what_was_sent_and_go_on_after_a_reload() {
    let account = with_metrics(Setup::new()).start();
    let before = Read::of(&account);
    assert_eq!(before.sum("wechatd_pushes_total"), 0.0);
    assert_eq!(
        before.value("wechatd_follow_events_total{action=\"subscribe\",source=\"push\"}"),
        0.0
    );
    let hello = text("hello");
    account.post(&hello).is_status(200);
    // The platform signs a redelivery anew.
    account.post(&hello).is_status(200);
    account.post(&text("@ tea")).is_status(200);
    account.post(&subscribe()).is_status(200);
    account
        .post(&subscribe().from(&another_fan()))
        .is_status(200);
    account.post(&unsubscribe()).is_status(200);
    account.post(&event("a_new_one")).is_status(200);
    account.post(&unknown_message("<made up>")).is_status(200);
    for _ in 0..3 {
        account
            .post(&text("hello").signed_with("other"))
            .is_refused();
    }
    let read = Read::of(&account);
    for (name, value) in [
        ("pushes_total{kind=\"text\",outcome=\"reply\"}", 2.0),
        ("pushes_total{kind=\"text\",outcome=\"again\"}", 1.0),
        ("pushes_total{kind=\"subscribe\",outcome=\"reply\"}", 2.0),
        (
            "pushes_total{kind=\"unsubscribe\",outcome=\"no_rule\"}",
            1.0,
        ),
        ("pushes_total{kind=\"other\",outcome=\"no_rule\"}", 2.0),
        ("rule_hits_total{rule=\"help\"}", 1.0),
        ("rule_hits_total{rule=\"suggestion\"}", 1.0),
        ("rule_hits_total{rule=\"welcome\"}", 2.0),
        ("refused_total{reason=\"wrong_signature\"}", 3.0),
        ("answer_seconds_count", 8.0),
        ("answer_seconds_bucket{le=\"+Inf\"}", 8.0),
        ("requests_total{code=\"200\"}", 8.0),
        ("requests_total{code=\"403\"}", 3.0),
        ("followers", 1.0),
        (
            "follow_events_total{action=\"subscribe\",source=\"push\"}",
            2.0,
        ),
        (
            "follow_events_total{action=\"unsubscribe\",source=\"push\"}",
            1.0,
        ),
        (
            "follow_events_total{action=\"subscribe\",source=\"sync\"}",
            0.0,
        ),
        ("commit_failures_total", 0.0),
        ("trouble{kind=\"store\"}", 0.0),
    ] {
        assert_eq!(
            read.value(&format!("wechatd_{name}")),
            value,
            "{name} of {read:#?}"
        );
    }
    assert!(read.value("wechatd_commits_total") >= 7.0, "{read:#?}");
    // The profiles that are fetched meanwhile are written as well.
    eventually("nothing waits to be written", account.log(), || {
        Read::of(&account).value("wechatd_writer_queue") == 0.0
    });
    assert!((read.value("wechatd_last_push_timestamp_seconds") - now() as f64).abs() < 60.0);
    assert!((read.value("process_start_time_seconds") - now() as f64).abs() < 120.0);
    // One goes, one comes, two go on.
    account.rewrite_config(|config| config.replace("\"help\"", "\"manual\""));
    account.reload();
    account.post(&text("@ more tea")).is_status(200);
    account.post(&text("again")).is_status(200);
    let after = Read::of(&account);
    assert_eq!(
        after.value("wechatd_rule_hits_total{rule=\"suggestion\"}"),
        2.0
    );
    assert_eq!(after.value("wechatd_rule_hits_total{rule=\"manual\"}"), 1.0);
    assert!(
        !after
            .values
            .contains_key("wechatd_rule_hits_total{rule=\"help\"}")
    );
    account.rewrite_config(|config| config.replace("\"manual\"", "\"help\""));
    account.reload();
    let back = Read::of(&account);
    for (name, value) in read.counters() {
        assert!(back.value(name) >= *value, "{name} fell");
    }
    assert_eq!(back.value("wechatd_rule_hits_total{rule=\"help\"}"), 1.0);
}

#[test]
fn a_store_that_takes_no_writes_is_seen_and_so_is_its_end() {
    let account = with_metrics(Setup::new()).start();
    let lock = rusqlite::Connection::open(account.store_path()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    account.post(&text("hello")).is_status(503);
    let read = Read::of(&account);
    assert_eq!(
        read.value("wechatd_pushes_total{kind=\"text\",outcome=\"failed\"}"),
        1.0
    );
    assert_eq!(read.value("wechatd_trouble{kind=\"store\"}"), 1.0);
    assert_eq!(read.value("wechatd_requests_total{code=\"503\"}"), 1.0);
    assert_eq!(read.value("wechatd_rule_hits_total{rule=\"help\"}"), 0.0);
    assert!(
        read.value("wechatd_commit_failures_total") >= 1.0,
        "{read:#?}"
    );
    lock.execute_batch("ROLLBACK").unwrap();
    account.post(&text("hello")).is_status(200);
    assert_eq!(
        Read::of(&account).value("wechatd_trouble{kind=\"store\"}"),
        0.0
    );
}

#[test]
fn calls_to_services_and_to_the_platform_are_counted_by_their_end() {
    let (platform, service) = (Platform::start(), Service::wechat());
    platform.profile(
        subscribe().sender(),
        "{\"errcode\":40003,\"errmsg\":\"no\"}",
    );
    let setup = Setup::new().platform(&platform).rules(FORWARD_ALL);
    let account = with_metrics(setup.service(&service, "")).start();
    account.post(&text("hello")).is_status(200);
    service.down();
    account.post(&text("hello")).is_status(200);
    account.post(&subscribe()).is_status(200);
    eventually("all is counted", account.log(), || {
        let read = Read::of(&account);
        let of_service = |result| {
            read.value(&format!(
                "wechatd_service_calls_total{{service=\"bot\",result=\"{result}\"}}"
            ))
        };
        let of_api = |path: &str, result: &str| {
            read.value(&format!(
                "wechatd_api_calls_total{{path=\"{path}\",result=\"{result}\"}}"
            ))
        };
        of_service("answered") == 1.0
            && of_service("failed") >= 1.0
            && of_api("stable_token", "done") == 1.0
            && of_api("user/info/batchget", "done") + of_api("user/info", "refused") >= 1.0
    });
    let read = Read::of(&account);
    let expires = read.value("wechatd_token_expires_timestamp_seconds");
    assert!(expires > now() as f64, "{expires}");
}

#[test]
fn who_asks_through_a_proxy_is_refused() {
    let account = with_metrics(Setup::new()).start();
    let at = page(&account);
    for value in ["203.0.113.9", "127.0.0.1", "", "::1, 127.0.0.1"] {
        for method in ["GET", "HEAD"] {
            let request = Request::new(method, "/metrics").header("X-Forwarded-For", value);
            ask(&account, &at, request).is_status(403);
        }
    }
    account.log().says("without X-Forwarded-For");
    let operator = Operator::of(&account);
    let signed_in = Request::new("GET", "/metrics").header("x-forwarded-for", "127.0.0.1");
    operator.send(signed_in).is_status(403);
    ask(&account, &at, Request::new("POST", "/metrics")).is_status(405);
    assert_eq!(
        Read::of(&account).value("wechatd_refused_total{reason=\"foreign_scraper\"}"),
        9.0
    );
}

#[test]
fn there_are_none_where_they_are_off_from_the_next_reload_on() {
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("admin.metrics", "false")
        .start();
    let forwarded = Request::new("GET", "/metrics").header("X-Forwarded-For", "127.0.0.1");
    get(&account).is_status(404);
    ask(&account, &page(&account), forwarded).is_status(404);
    account
        .rewrite_config(|config| config.replace("admin.metrics = false", "admin.metrics = true"));
    account.reload();
    get(&account).is_status(200);
    account
        .rewrite_config(|config| config.replace("admin.metrics = true", "admin.metrics = false"));
    account.reload();
    get(&account).is_status(404);
    // Nor on the callback's listener.
    account.get("/metrics").is_status(404);
}

#[test]
fn a_large_store_is_read_quickly() {
    let account = with_metrics(Setup::new()).start();
    change(
        &account.store_path(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO followers (openid, subscribe_time) SELECT 'oSynFollower' || i, 1790000000 + i FROM n;
         INSERT INTO follow_log (openid, action, at, source) SELECT openid, 'subscribe', subscribe_time, 'sync' FROM followers;",
    );
    let begun = Instant::now();
    let read = Read::of(&account);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(read.value("wechatd_followers"), 30_000.0);
    assert_eq!(read.value("wechatd_profiles_waiting"), 30_000.0);
    let synced = "wechatd_follow_events_total{action=\"subscribe\",source=\"sync\"}";
    assert_eq!(read.value(synced), 30_000.0);
}
