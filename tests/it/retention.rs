//! `store.keep_messages`: old messages are removed in small steps that delay no push, and nothing else is removed.

use crate::support::account::{HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;
use std::collections::BTreeSet;

const DAY: i64 = 86_400;

/// Adds this many messages of this age, and a follower who sent them.
fn add_old(account: &Account, count: u32, days: i64) {
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

/// Gives messages older than 300 days lower ids, as if they had been added first.
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
fn with_old_messages(keep: Option<&str>, count: u32, days: i64) -> Account {
    let mut account = Setup::new().stopped();
    if let Some(keep) = keep {
        set_keep(&account, keep);
    }
    // The first start makes the store.
    account.begin();
    account.stop();
    add_old(&account, count, days);
    account.begin();
    account
}

const OLD: &str = "messages WHERE content = 'old'";

#[test]
fn messages_older_than_half_a_year_are_removed_and_nothing_else() {
    let account = with_old_messages(None, 1_000, 181);
    account.post(&subscribe()).is_text(WELCOME);
    eventually("the old messages are removed", account.log(), || {
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
fn what_was_sent_is_kept_as_long_as_what_came() {
    let mut account = with_old_messages(Some("30d"), 1, 29);
    account.stop();
    let sent = |days: u32| {
        format!(
            "INSERT INTO sent (openid, at, msg_type, content, by, state)
             VALUES ('o', unixepoch() - {days} * 86400, 'text', 'old', 'cli', 'sent');"
        )
    };
    let many = sent(31).repeat(300);
    change(&account.store_path(), &(many + &sent(29)));
    account.begin();
    account.post(&text("hello")).is_text(HELP);
    eventually("the old ones are removed", account.log(), || {
        account.store().count("sent") == 1
    });
    account.command(&["backup", "copy.db"]).ok();
    let copy = Store::open(&account.folder().join("copy.db"), account.log());
    copy.is("SELECT content, by, state FROM sent", &["old|cli|sent"]);
    set_keep(&account, "0d");
    account.reload();
    assert_eq!(account.store().count("sent"), 1);
}

#[test]
fn younger_messages_are_kept() {
    let mut account = with_old_messages(None, 300, 179);
    account.stop();
    add_old(&account, 300, 400);
    older_came_first(&account);
    account.begin();
    account.post(&text("hello")).is_text(HELP);
    eventually("the older messages are removed", account.log(), || {
        account.store().count(OLD) == 300
    });
    account.reload();
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn zero_keeps_messages_forever() {
    let account = with_old_messages(Some("0d"), 500, 5_000);
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.store().count(OLD), 500);
    // With another value they are removed, so nothing else had prevented it.
    set_keep(&account, "4000d");
    account.reload();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn a_reload_that_shortens_the_time_takes_effect_at_once() {
    let account = with_old_messages(Some("30d"), 500, 10);
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.store().count(OLD), 500);
    set_keep(&account, "7d");
    account.reload();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
    assert_eq!(account.store().count("messages"), 1);
}

#[test]
fn a_reload_that_lengthens_the_time_stops_a_running_removal() {
    // Tried with more messages if all were removed before the reload, as on a busy machine.
    let stops = [20_000, 40_000, 80_000].into_iter().any(stops_under_way);
    assert!(stops, "the removal was not stopped");
}

/// Whether a reload leaves some of this many messages when it stops their removal.
#[track_caller]
fn stops_under_way(count: u32) -> bool {
    let account = with_old_messages(Some("0d"), count, 10);
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
    // These are older than the longer time too, so their removal shows the end of a later round.
    add_old(&account, 300, 400);
    older_came_first(&account);
    account.reload();
    eventually("the end of a round", account.log(), || ended() > before);
    account.store().count(OLD) > 0
}

#[test]
fn the_removal_delays_no_push() {
    // A step removes a few hundred rows and lets pushes in between, so most pushes see another number of rows. On a
    // busy machine this may take another try.
    let in_steps = (0..3).any(|_| counts_between_pushes() > 10);
    assert!(in_steps, "15,000 rows were removed in a few steps");
}

/// How many different numbers of old messages are seen between pushes during a removal.
#[track_caller]
fn counts_between_pushes() -> usize {
    let account = with_old_messages(Some("0d"), 15_000, 200);
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
fn messages_dated_in_the_future_do_not_protect_old_ones() {
    let mut account = Setup::new().start();
    account.stop();
    add_old(&account, 300, -365);
    add_old(&account, 300, 181);
    account.begin();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 300
    });
    let future = format!("messages WHERE received_at > {}", now());
    assert_eq!(account.store().count(&future), 300);
}

/// The age in days that new messages seem to have if the clock is ahead by so much.
const AHEAD: i64 = 200;

const UNCONFIRMED: &str = "nothing has confirmed the clock yet";

#[test]
fn no_message_is_removed_until_the_clock_is_confirmed() {
    let mut account = with_old_messages(None, 300, AHEAD);
    account.log().says(UNCONFIRMED);
    // Neither a restart nor a reload changes that.
    account.restart();
    eventually("another warning", account.log(), || {
        account.log().count(UNCONFIRMED) == 2
    });
    account.reload();
    account.reload();
    account.get("/healthz").is(200, "ok");
    assert_eq!(account.store().count(OLD), 300);
    assert_eq!(
        account.log().count(UNCONFIRMED),
        2,
        "once for each start\n{}",
        account.log()
    );
    // A push confirms the time.
    account.post(&text("hello")).is_text(HELP);
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn an_answer_of_the_platform_confirms_the_clock() {
    let platform = Platform::start();
    platform.desk(|desk| desk.clock = Some(0));
    let mut account = Setup::new().platform(&platform).start();
    account.stop();
    add_old(&account, 300, AHEAD);
    change(&account.store_path(), "DELETE FROM followers");
    account.begin();
    account.log().says(UNCONFIRMED);
    assert_eq!(account.store().count(OLD), 300);
    // So far nothing was called; at the next start a new follower's profile is.
    account.await_rest_of("profiles");
    assert_eq!(platform.calls().len(), 0);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO followers (openid, subscribe_time) VALUES ('{}', 1)",
            another_fan()
        ),
    );
    account.restart();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn the_platforms_time_counts_if_the_clock_is_ahead_of_it() {
    let platform = Platform::start();
    // By the platform's clock the messages are one day old.
    platform.desk(|desk| desk.clock = Some(-(AHEAD - 1) * DAY));
    let mut account = Setup::new().platform(&platform).start();
    account.stop();
    add_old(&account, 300, AHEAD);
    add_old(&account, 50, 2 * AHEAD);
    account.begin();
    eventually(
        "messages that are old by either clock are removed",
        account.log(),
        || account.store().count(OLD) == 300,
    );
    account.reload();
    account.restart();
    // The restarted server still knows it.
    account.log().says(UNCONFIRMED);
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn a_server_stopped_for_a_day_removes_old_messages_at_once_and_one_stopped_for_three_waits() {
    let mut account = with_old_messages(None, 300, 181);
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
    account.post(&text("hello")).is_text(HELP);
    let kept = "settings WHERE name = 'confirmed_at'";
    eventually("the confirmed time", account.log(), || {
        account.store().count(kept) == 1
    });
    account.stop();
    add_old(&account, 300, AHEAD);
    // Sets when the clock was last confirmed.
    let confirmed = |account: &Account, hours: i64| {
        let sql = format!(
            "UPDATE settings SET value = {} WHERE name = 'confirmed_at'",
            now() - hours * 3_600
        );
        change(&account.store_path(), &sql);
    };
    confirmed(&account, 36);
    account.begin();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
    assert!(!account.log().has(UNCONFIRMED));
    account.stop();
    // Due by this clock, but not by the confirmed time.
    add_old(&account, 300, 181);
    confirmed(&account, 72);
    account.begin();
    account.log().says(UNCONFIRMED);
    assert_eq!(account.store().count(OLD), 300);
}

#[test]
fn with_any_timestamp_accepted_an_old_push_does_not_move_the_confirmed_time() {
    let mut account = Setup::new().set("server.max_clock_skew", "\"0s\"").start();
    account.stop();
    add_old(&account, 300, AHEAD);
    account.begin();
    account.log().says(UNCONFIRMED);
    // A push with the platform's time, and an old signed URL.
    for days in [AHEAD, AHEAD + 365] {
        account
            .post(&text("hello").stamped(now() - days * DAY))
            .is_text(HELP);
    }
    let confirmed =
        "SELECT (unixepoch() - value) / 86400 FROM settings WHERE name = 'confirmed_at'";
    eventually("the confirmed time", account.log(), || {
        account.store().rows(confirmed) == [AHEAD.to_string()]
    });
    account.reload();
    assert_eq!(account.store().count(OLD), 300);
    // A later time counts, up to this machine's clock.
    account
        .post(&text("hello").stamped(now() + 5_000 * DAY))
        .is_text(HELP);
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
}

#[test]
fn messages_received_while_the_clock_was_behind_are_not_old() {
    let mut account = Setup::new().start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    add_old(&account, 300, 6_000);
    add_old(&account, 200, 181);
    let sent = format!(
        "UPDATE messages SET created_at = {} WHERE id % 2 = 0 AND received_at < {}",
        now() - DAY,
        now() - 1_000 * DAY
    );
    change(&account.store_path(), &sent);
    account.begin();
    account.post(&text("hello")).is_text(HELP);
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 150
    });
    account.log().says("removed 350 messages");
}

#[test]
fn messages_are_found_and_removed_by_date_even_if_dates_do_not_follow_ids() {
    let mut account = Setup::new().start();
    account.stop();
    // As with a clock that was ahead, was set back, and was ahead again.
    for (count, days) in [(200, 40), (1_000, 181), (200, 100), (300, 10), (200, -50)] {
        add_old(&account, count, days);
    }
    account.begin();
    eventually("the old messages are removed", account.log(), || {
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
fn a_person_who_cannot_be_forgotten_does_not_stop_the_removal() {
    let mut account = Setup::new().stopped();
    account.begin();
    account.stop();
    add_old(&account, 100, 181);
    change(
        &account.store_path(),
        "INSERT INTO settings (name, value) VALUES ('forget oSynStays', '');
         CREATE TRIGGER stays BEFORE DELETE ON settings WHEN old.name = 'forget oSynStays'
         BEGIN SELECT RAISE(ABORT, 'which is what this test is about'); END",
    );
    account.begin();
    eventually("the old messages are removed", account.log(), || {
        account.store().count(OLD) == 0
    });
    eventually("the error", account.log(), || {
        account.log().has("chores: ") && account.log().has("which is what this test is about")
    });
}
