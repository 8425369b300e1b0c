//! `store.keep_messages`: what is old goes, in small steps that no push notices; what is not a message stays.

use crate::support::account::{HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;
use std::collections::BTreeSet;

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

/// Messages of the year before stand before the others.
fn older_came_first(account: &Account) {
    change(
        &account.store_path(),
        "UPDATE messages SET id = id - 1000000 WHERE received_at < unixepoch() - 300 * 86400",
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
    account.log().says("removed 1000 messages");
}

#[test]
fn messages_that_are_young_enough_stay() {
    let mut account = aged(None, 300, 179);
    account.stop();
    age(&account, 300, 400);
    older_came_first(&account);
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
    // More of them where all had gone before the longer time could be read, as on a busy machine.
    let stops = [20_000, 40_000, 80_000].into_iter().any(stops_under_way);
    assert!(stops, "the removal goes on to its end");
}

/// Whether some of so many messages are left by a removal that a reload would stop.
#[track_caller]
fn stops_under_way(count: u32) -> bool {
    let account = aged(Some("0d"), count, 10);
    set_keep(&account, "7d");
    account.reload();
    eventually("the removal has begun", account.log(), || {
        account.store().count(OLD) < i64::from(count)
    });
    set_keep(&account, "30d");
    account.reload();
    let ended = || account.log().count("older than store.keep_messages");
    let before = ended();
    // The longer time is too short for these: with them it is seen that a round has come to its end since.
    age(&account, 300, 400);
    older_came_first(&account);
    account.reload();
    eventually("the end of a round", account.log(), || ended() > before);
    account.store().count(OLD) > 0
}

#[test]
fn pushes_do_not_notice_the_removal() {
    // One step takes a few hundred rows, and pushes come between the steps: most find fewer rows than the one
    // before. On a busy machine it may take another try to see it.
    let in_steps = (0..3).any(|_| numbers_between_pushes() > 10);
    assert!(in_steps, "15,000 rows went in a few steps");
}

/// How many different numbers of old messages are seen by somebody who pushes while they go.
#[track_caller]
fn numbers_between_pushes() -> usize {
    let account = aged(Some("0d"), 15_000, 200);
    set_keep(&account, "180d");
    account.reload();
    let store = account.store();
    let mut seen = BTreeSet::new();
    eventually("the end of the removal", account.log(), || {
        let answer = account.post(&text("hello"));
        answer.is_text(HELP);
        answer.expect(answer.took < IN_TIME, "an answer in time");
        let left = store.count(OLD);
        seen.insert(left);
        left == 0
    });
    assert_eq!(store.count("follow_log"), 1);
    seen.len()
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
fn messages_that_a_wrong_clock_dated_are_found_and_removed_by_their_date_alone() {
    let mut account = Setup::new().start();
    account.stop();
    // Ids grow, times go up and down: a clock was ahead, was set back, and was ahead again.
    for (count, days) in [(200, 40), (1_000, 181), (200, 100), (300, 10), (200, -50)] {
        age(&account, count, days);
    }
    account.begin();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 900
    });
    for (since, found) in [("120d", 900), ("99d", 700), ("20d", 500), ("5d", 200)] {
        for command in [
            &["messages", "export", "--format", "jsonl"][..],
            &["messages", "list", "--json", "--limit", "10000"],
        ] {
            let ran = account.command(&[command, &["--since", since]].concat());
            let lines = ran.ok().stdout.matches("\"received_at\"").count();
            assert_eq!(lines, found, "{command:?} --since {since}");
        }
    }
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
