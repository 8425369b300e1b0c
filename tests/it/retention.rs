//! `store.keep_messages`: what is old goes, in small steps that no push notices; what is not a message stays.

use crate::support::account::{HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;
use std::time::Duration;

const DAY: i64 = 86_400;

/// Adds messages of this age, as earlier years would have left them.
fn age(account: &Account, count: u32, days: i64) {
    let (at, name) = (now() - days * DAY, another_fan());
    change(
        &account.store_path(),
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO messages (dedup_key, openid, msg_type, content, xml, created_at, received_at)
             SELECT '{name}|' || i, '{name}', 'text', 'old', hex(zeroblob(300)), {at}, {at} FROM n;
             INSERT INTO follow_log (openid, action, at, source) VALUES ('{name}', 'subscribe', {at}, 'push');
             INSERT INTO followers (openid, subscribe_time) VALUES ('{name}', {at})"
        ),
    );
}

#[track_caller]
fn set_keep(account: &Account, keep: &str) {
    account.rewrite_config(|config| {
        let others = config
            .lines()
            .filter(|line| !line.starts_with("store.keep_messages"));
        let others: Vec<&str> = others.collect();
        format!("store.keep_messages = \"{keep}\"\n{}\n", others.join("\n"))
    });
}

/// An account with old messages, started with this `store.keep_messages`.
fn aged(keep: Option<&str>, count: u32, days: i64) -> Account {
    let mut account = Setup::new().stopped();
    if let Some(keep) = keep {
        set_keep(&account, keep);
    }
    // The first start makes the store.
    account.begin();
    account.stop();
    age(&account, count, days);
    account.begin();
    account
}

const OLD: &str = "messages WHERE content = 'old'";

#[test]
fn messages_older_than_half_a_year_go_and_everything_else_stays() {
    let account = aged(None, 1_000, 181);
    account.post(&subscribe()).is_text(WELCOME);
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
    account.post(&text("hello")).is_text(HELP);
    let store = account.store();
    assert_eq!(store.count("messages"), 2);
    assert_eq!(store.count("follow_log"), 2);
    assert_eq!(store.count("followers"), 2);
    eventually("it is told", account.log(), || {
        account.log().has("removed 1000 messages")
    });
}

#[test]
fn messages_that_are_young_enough_stay() {
    let mut account = aged(None, 300, 179);
    account.stop();
    age(&account, 300, 400);
    // The older ones came later here, as after a clock that was wrong: they are met all the same.
    change(
        &account.store_path(),
        "UPDATE messages SET id = id - 10000 WHERE received_at < unixepoch() - 300 * 86400",
    );
    account.begin();
    eventually("the older are gone", account.log(), || {
        account.store().count(OLD) == 300
    });
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn zero_keeps_everything_for_ever() {
    let account = aged(Some("0d"), 500, 5_000);
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.store().count(OLD), 500);
    // Shown by a round that does come: it takes what the new time says.
    set_keep(&account, "4000d");
    account.reload();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn a_reload_that_shortens_the_time_acts_at_once() {
    let account = aged(Some("30d"), 500, 10);
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.store().count(OLD), 500);
    set_keep(&account, "7d");
    account.reload();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
    assert_eq!(account.store().count("messages"), 1);
}

#[test]
fn a_reload_that_lengthens_the_time_stops_a_removal_under_way() {
    let account = aged(Some("0d"), 20_000, 10);
    set_keep(&account, "7d");
    account.reload();
    eventually("the removal has begun", account.log(), || {
        account.store().count(OLD) < 20_000
    });
    set_keep(&account, "30d");
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    let left = account.store().count(OLD);
    assert!(left > 0, "too quick for this test");
    account.post(&text("hello")).is_text(HELP);
    assert!(
        account.store().count(OLD) >= left - 200,
        "the removal goes on"
    );
}

#[test]
fn pushes_do_not_notice_the_removal() {
    let account = aged(Some("0d"), 15_000, 200);
    let quiet = slowest(&account, |round| round < 50);
    set_keep(&account, "180d");
    account.reload();
    let store = account.store();
    let mut seen = vec![store.count(OLD)];
    let busy = slowest(&account, |_| {
        seen.push(store.count(OLD));
        seen.last() != Some(&0)
    });
    // One step takes a few hundred rows: pushes come in between.
    assert!(seen.len() > 20, "{} pushes during the removal", seen.len());
    let largest = seen.windows(2).map(|pair| pair[0] - pair[1]).max().unwrap();
    assert!(largest <= 2_000, "{largest} rows went between two pushes");
    assert!(
        busy < Duration::from_secs(1).max(quiet * 20),
        "the slowest push took {busy:?} during the removal, {quiet:?} before it"
    );
    assert_eq!(store.count("follow_log"), 1);
}

/// Posts while `more` says so; the slowest answer.
#[track_caller]
fn slowest(account: &Account, mut more: impl FnMut(u32) -> bool) -> Duration {
    let started = std::time::Instant::now();
    let mut slowest = Duration::ZERO;
    let mut round = 0;
    while more(round) {
        let answer = account.post(&text("hello"));
        answer.is_text(HELP);
        slowest = slowest.max(answer.took);
        round += 1;
        assert!(
            started.elapsed() < PATIENCE * 2,
            "does not end\n{}",
            account.log()
        );
    }
    slowest
}

#[test]
fn messages_from_a_clock_that_was_ahead_do_not_keep_old_ones() {
    let mut account = Setup::new().start();
    account.stop();
    age(&account, 300, -365);
    age(&account, 300, 181);
    account.begin();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 300
    });
    let future = format!("messages WHERE received_at > {}", now());
    assert_eq!(account.store().count(&future), 300);
}

#[test]
fn a_person_who_can_not_be_forgotten_does_not_keep_old_messages() {
    let mut account = Setup::new().stopped();
    account.begin();
    account.stop();
    age(&account, 100, 181);
    change(
        &account.store_path(),
        "INSERT INTO settings (name, value) VALUES ('forget oSynStays', '');
         CREATE TRIGGER stays BEFORE DELETE ON settings WHEN old.name = 'forget oSynStays'
         BEGIN SELECT RAISE(ABORT, 'which is what this test is about'); END",
    );
    account.begin();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
    eventually("it is told", account.log(), || {
        account.log().has("chores: ") && account.log().has("which is what this test is about")
    });
}
