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
    account.post(&text("hello")).is_text(HELP);
    eventually("the older are gone", account.log(), || {
        account.store().count(OLD) == 300
    });
    account.reload();
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
    account.post(&text("hello")).is_text(HELP);
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

/// What a clock that is 200 days ahead makes of a store: its messages are 200 days old.
const AHEAD: i64 = 200;

const WAITS: &str = "nothing has confirmed the clock yet";

#[test]
fn a_clock_that_nothing_confirms_removes_no_message() {
    let mut account = aged(None, 300, AHEAD);
    account.log().says(WAITS);
    // Neither at a further start, nor by a look at the configuration.
    account.restart();
    eventually("another warning", account.log(), || {
        account.log().count(WAITS) == 2
    });
    account.reload();
    account.reload();
    account.get("/healthz").is(200, "ok");
    assert_eq!(account.store().count(OLD), 300);
    assert_eq!(
        account.log().count(WAITS),
        2,
        "once for each start\n{}",
        account.log()
    );
    // A push tells the time.
    account.post(&text("hello")).is_text(HELP);
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn an_answer_of_the_platform_confirms_the_time() {
    let platform = Platform::start();
    platform.desk(|desk| desk.clock = Some(0));
    let mut account = Setup::new().platform(&platform).start();
    account.stop();
    age(&account, 300, AHEAD);
    change(&account.store_path(), "DELETE FROM followers");
    account.begin();
    account.log().says(WAITS);
    assert_eq!(account.store().count(OLD), 300);
    // A new follower's profile is asked for; nothing else was.
    assert_eq!(platform.calls().len(), 0);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO followers (openid, subscribe_time) VALUES ('{}', 1)",
            another_fan()
        ),
    );
    account.restart();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn messages_go_by_the_platforms_time_when_this_machines_clock_is_ahead_of_it() {
    let platform = Platform::start();
    // By its clock the messages are one day old.
    platform.desk(|desk| desk.clock = Some(-(AHEAD - 1) * DAY));
    let mut account = Setup::new().platform(&platform).start();
    account.stop();
    age(&account, 300, AHEAD);
    age(&account, 50, 2 * AHEAD);
    account.begin();
    eventually(
        "those that are old by any clock are gone",
        account.log(),
        || account.store().count(OLD) == 300,
    );
    account.reload();
    account.restart();
    // What it knows outlives the process.
    account.log().says(WAITS);
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn a_service_that_was_away_for_a_day_does_not_wait_with_a_days_messages() {
    let mut account = aged(None, 300, 181);
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
    account.post(&text("hello")).is_text(HELP);
    let kept = "settings WHERE name = 'confirmed_at'";
    eventually("the time is kept", account.log(), || {
        account.store().count(kept) == 1
    });
    account.stop();
    age(&account, 300, AHEAD);
    // The platform told it a day and a half ago, or three days ago.
    let told = |account: &Account, hours: i64| {
        let sql = format!(
            "UPDATE settings SET value = {} WHERE name = 'confirmed_at'",
            now() - hours * 3_600
        );
        change(&account.store_path(), &sql);
    };
    told(&account, 36);
    account.begin();
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
    assert!(!account.log().has(WAITS));
    account.stop();
    // These are due by this clock, and not by the time that was told.
    age(&account, 300, 181);
    told(&account, 72);
    account.begin();
    account.log().says(WAITS);
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn with_any_timestamp_accepted_an_old_push_does_not_make_the_time_later() {
    let mut account = Setup::new().set("server.max_clock_skew", "\"0s\"").start();
    account.stop();
    age(&account, 300, AHEAD);
    account.begin();
    account.log().says(WAITS);
    // The platform's time, and a signed URL of a year before.
    for days in [AHEAD, AHEAD + 365] {
        account
            .post(&text("hello").stamped(now() - days * DAY))
            .is_text(HELP);
    }
    let told = "SELECT (unixepoch() - value) / 86400 FROM settings WHERE name = 'confirmed_at'";
    eventually("the time is kept", account.log(), || {
        account.store().rows(told) == [AHEAD.to_string()]
    });
    account.reload();
    assert_eq!(account.store().count(OLD), 300);
    // A later time counts as far as this machine's clock goes.
    account
        .post(&text("hello").stamped(now() + 5_000 * DAY))
        .is_text(HELP);
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn messages_that_came_while_the_clock_was_behind_are_not_old() {
    let mut account = Setup::new().start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    age(&account, 300, 6_000);
    age(&account, 200, 181);
    let sent = format!(
        "UPDATE messages SET created_at = {} WHERE id % 2 = 0 AND received_at < {}",
        now() - DAY,
        now() - 1_000 * DAY
    );
    change(&account.store_path(), &sent);
    account.begin();
    account.post(&text("hello")).is_text(HELP);
    eventually("the old messages are gone", account.log(), || {
        account.store().count(OLD) == 150
    });
    account.log().says("removed 350 messages");
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
