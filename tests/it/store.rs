//! The store: what its owner finds in it, and that no acknowledged push is lost or doubled.

use crate::support::account::{HELP, THANKS, WELCOME};
use crate::support::http::Answer;
use crate::support::store::{change, hold_a_snapshot};
use crate::support::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Barrier;

#[test]
fn tables_and_views_have_the_promised_columns() {
    let account = Account::start();
    let store = account.store();
    for (table, columns) in [
        (
            "followers",
            "openid unionid nickname sex language city province country headimgurl remark groupid tagid_list subscribe_time subscribe_scene qr_scene qr_scene_str profile_at profile_error",
        ),
        ("follow_log", "id openid action at scene source"),
        (
            "messages",
            "id dedup_key openid msg_type event event_key msg_id content xml created_at received_at rule reply",
        ),
        ("tokens", "name value expires_at"),
        ("settings", "name value"),
    ] {
        let found = store.columns(table);
        for column in columns.split(' ') {
            assert!(
                found.iter().any(|name| name == column),
                "{table}.{column} is missing: {found:?}"
            );
        }
    }
    for view in ["followers_v", "messages_v", "daily_v"] {
        assert!(!store.columns(view).is_empty(), "view {view} is missing");
        store.rows(&format!("SELECT * FROM {view}"));
    }
}

#[test]
fn the_views_show_newest_rows_first_with_readable_times() {
    let account = Account::start();
    let (early, late) = (another_fan(), another_fan());
    account.post(&subscribe().from(&early));
    account.post(&subscribe().from(&late));
    account.post(&text("hello").from(&early));
    account.post(&unsubscribe().from(&late));
    account.post(&subscribe().from(&late));
    let store = account.store();
    store.is("SELECT openid FROM followers_v", &[&late, &early]);
    store.is("SELECT openid FROM messages_v LIMIT 2", &[&late, &late]);
    let times: Vec<String> = store.rows("SELECT * FROM followers_v");
    let local: String =
        store.one("SELECT datetime(max(subscribe_time), 'unixepoch', 'localtime') FROM followers");
    assert!(times[0].contains(&local), "{} has no {local:?}", times[0]);
    // Summed over days, because midnight may have passed between the pushes.
    store.is(
        "SELECT sum(subscribed), sum(unsubscribed), sum(net), sum(messages) FROM daily_v",
        &["3|1|2|1"],
    );
}

#[test]
fn the_files_are_accessible_to_their_owner_only() {
    let account = Account::start();
    account.post(&text("hello"));
    for name in ["wechat.db", "wechat.db-wal", "wechat.db-shm"] {
        let metadata = std::fs::metadata(account.folder().join(name)).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
    }
}

#[test]
fn the_store_is_in_wal_mode_and_has_a_version() {
    let account = Account::start();
    let store = account.store();
    store.is("PRAGMA journal_mode", &["wal"]);
    let version: i64 = store.one("PRAGMA user_version");
    assert!(version >= 1, "user_version {version}");
}

#[test]
fn store_path_is_relative_to_the_configuration() {
    let setup = Setup::new().set("store.path", "\"data/fans.db\"");
    std::fs::create_dir(setup.folder().join("data")).unwrap();
    let account = setup.start();
    account.post(&text("hello")).is_text(HELP);
    let store = Store::open(&account.folder().join("data/fans.db"), account.log());
    assert_eq!(store.count("messages"), 1);
}

#[test]
fn a_push_delivered_again_gets_the_same_bytes_and_one_row() {
    let mut account = Account::start();
    let pushes = [
        text("hello"),
        subscribe(),
        unsubscribe(),
        image(),
        click("K"),
        unknown_message("hologram"),
        event("Teleported"),
    ];
    let firsts: Vec<_> = pushes.iter().map(|push| account.post(push)).collect();
    let rows = account.store().rows("SELECT * FROM messages ORDER BY id");
    let log = account.store().rows("SELECT * FROM follow_log ORDER BY id");
    let second = now();
    // A reply contains the second in which it was made, so the same bytes later prove that it was kept.
    eventually("the next second", account.log(), || now() > second);
    for round in ["at once", "after a restart", "after a kill"] {
        for (push, first) in pushes.iter().zip(&firsts) {
            let again = account.post(push);
            again.expect(
                again.response.status == 200 && again.response.body == first.response.body,
                &format!("{round}, the same bytes as first:\n{}", first.body()),
            );
        }
        let store = account.store();
        assert_eq!(
            store.rows("SELECT * FROM messages ORDER BY id"),
            rows,
            "{round}"
        );
        assert_eq!(
            store.rows("SELECT * FROM follow_log ORDER BY id"),
            log,
            "{round}"
        );
        match round {
            "at once" => account.restart(),
            _ => {
                account.kill();
                account.begin();
            }
        }
    }
}

#[test]
fn a_push_delivered_again_gets_its_first_answer_even_if_the_rules_changed() {
    let mut account = Account::start();
    let push = text("@tea");
    let first = account.post(&push);
    first.is_text(THANKS);
    account.stop();
    account.rewrite_config(|config| config.replace(THANKS, "Something else."));
    account.begin();
    account.post(&push).is(200, &first.body());
    account.post(&text("@tea")).is_text("Something else.");
}

#[test]
fn eight_simultaneous_deliveries_are_one_push() {
    let account = Account::start();
    for push in [text("hello"), subscribe(), text("@tea")] {
        let barrier = Barrier::new(8);
        let bodies: Vec<String> = std::thread::scope(|scope| {
            let copies: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let answer = account.post(&push);
                        answer.is_status(200);
                        answer.body()
                    })
                })
                .collect();
            copies
                .into_iter()
                .map(|copy| copy.join().unwrap())
                .collect()
        });
        for body in &bodies {
            assert_eq!(body, &bodies[0], "{}", account.log());
        }
    }
    let store = account.store();
    store.is("SELECT count(*) FROM messages", &["3"]);
    store.is("SELECT count(*) FROM follow_log", &["1"]);
    store.is("SELECT count(*) FROM followers", &["1"]);
}

#[test]
fn pushes_that_only_look_alike_are_all_recorded() {
    let account = Account::start();
    let (one, two) = (another_fan(), another_fan());
    let time = now() - 50;
    for push in [
        // The same MsgId from two people.
        text("hello").id("77").from(&one),
        text("hello").id("77").from(&two),
        // The same second, other events or other keys.
        click("A").at(time).from(&one),
        click("B").at(time).from(&one),
        scan("A").at(time).from(&one),
        click("A").at(time).from(&two),
        click("A").at(time + 1).from(&one),
        // Results of template messages: one person, one second, two MsgIDs.
        event("TEMPLATESENDJOBFINISH")
            .element("MsgID", "1")
            .at(time)
            .from(&one),
        event("TEMPLATESENDJOBFINISH")
            .element("MsgID", "2")
            .at(time)
            .from(&one),
        // One button, one second, two scans.
        scanned("6901234567892").at(time).from(&one),
        scanned("6901234567908").at(time).from(&one),
    ] {
        account.post(&push).is_status(200);
        account.post(&push).is_status(200);
    }
    account.store().is(
        "SELECT count(*), count(DISTINCT dedup_key) FROM messages",
        &["11|11"],
    );
}

/// An event of a button that scans a code.
fn scanned(code: &str) -> Push {
    event("scancode_waitmsg")
        .key("STOCK")
        .element("ScanResult", code)
}

#[test]
fn followers_are_right_when_pushes_arrive_out_of_order() {
    let account = Account::start();
    let time = now() - 1000;
    let fan = another_fan();
    let follows = |sql: &str| {
        account
            .store()
            .count(&format!("{sql} WHERE openid = '{fan}'"))
    };
    let post = |push: Push, at: i64| account.post(&push.at(at).from(&fan)).is_status(200).took;

    post(subscribe(), time + 10);
    post(unsubscribe(), time);
    assert_eq!(
        follows("followers"),
        1,
        "an older unsubscribe removed a newer follower"
    );
    post(unsubscribe(), time + 20);
    assert_eq!(follows("followers"), 0);
    post(subscribe(), time + 15);
    assert_eq!(
        follows("followers"),
        0,
        "an older subscribe brought back somebody who left later"
    );
    post(subscribe(), time + 30);
    assert_eq!(follows("followers"), 1);
    assert_eq!(follows("follow_log"), 5, "the log keeps late events too");
    account.store().is(
        &format!(
            "SELECT action, at - {time} FROM follow_log WHERE openid = '{fan}' ORDER BY at, id"
        ),
        &[
            "unsubscribe|0",
            "subscribe|10",
            "subscribe|15",
            "unsubscribe|20",
            "subscribe|30",
        ],
    );
}

#[test]
fn only_changes_of_the_followers_are_counted() {
    let account = Account::start();
    let daily = "SELECT sum(subscribed), sum(unsubscribed), sum(net) FROM daily_v";
    let (fan, stranger) = (another_fan(), another_fan());
    account.post(&subscribe().from(&fan)).is_status(200);
    account.post(&subscribe().from(&fan)).is_status(200);
    account
        .post(&subscribe_by("door").from(&fan))
        .is_status(200);
    account.post(&unsubscribe().from(&stranger)).is_status(200);
    account.store().is(daily, &["1|0|1"]);
    account.post(&unsubscribe().from(&fan)).is_status(200);
    account.post(&unsubscribe().from(&fan)).is_status(200);
    account.store().is(daily, &["1|1|0"]);
    assert_eq!(
        account.store().count("follow_log"),
        6,
        "all events are kept"
    );
    account.store().is(
        "SELECT counts FROM follow_log ORDER BY id",
        &["1", "0", "0", "0", "1", "0"],
    );
}

#[test]
fn subscribing_again_updates_the_one_row() {
    let account = Account::start();
    let (first, again) = (subscribe(), subscribe_by("door"));
    account.post(&first).is_text(WELCOME);
    account.post(&again).is_text(WELCOME);
    account.store().is(
        "SELECT openid, subscribe_time FROM followers",
        &[&format!("{FAN}|{}", again.created())],
    );
}

#[test]
fn an_unsubscribe_of_a_stranger_is_recorded() {
    let account = Account::start();
    account.post(&unsubscribe()).is_success();
    account.store().is("SELECT count(*) FROM followers", &["0"]);
    account
        .store()
        .is("SELECT action FROM follow_log", &["unsubscribe"]);
}

#[test]
fn a_kill_right_after_the_answer_loses_nothing() {
    let mut account = Account::start();
    for round in 0..5 {
        let fan = another_fan();
        let message = text(&format!("round {round}")).from(&fan);
        let answer = account.post(&message);
        account.post(&subscribe().from(&fan)).is_text(WELCOME);
        account.kill();
        account.begin();
        let store = account.store();
        store.is(
            &format!("SELECT msg_id FROM messages WHERE openid = '{fan}' AND msg_type = 'text'"),
            &[message.msg_id().unwrap()],
        );
        store.is(
            &format!("SELECT openid FROM followers WHERE openid = '{fan}'"),
            &[&fan],
        );
        store.is(
            &format!("SELECT action FROM follow_log WHERE openid = '{fan}'"),
            &["subscribe"],
        );
        store.is("PRAGMA integrity_check", &["ok"]);
        account.post(&message).is(200, &answer.body());
    }
}

#[test]
fn a_kill_under_load_keeps_every_answered_push() {
    let mut account = Account::start();
    let answered = std::sync::Mutex::new(Vec::new());
    let address = account.address().clone();
    let log = account.log().clone();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let push = text("under load").from(&another_fan());
                    let request = push.request("/wechat", TOKEN);
                    let Ok(mut wire) = Wire::connect(&address) else {
                        break;
                    };
                    if wire.send(&request.bytes()).is_err() {
                        break;
                    }
                    let Ok(response) = wire.response() else { break };
                    let id = push.msg_id().unwrap().to_owned();
                    assert_eq!(response.status, 200, "{log}");
                    let body = String::from_utf8(response.body).unwrap();
                    answered.lock().unwrap().push((id, body));
                }
            });
        }
        eventually("some answers", &log, || answered.lock().unwrap().len() > 50);
        account.kill();
    });
    account.begin();
    let store = account.store();
    for (id, body) in answered.into_inner().unwrap() {
        store.is(
            &format!("SELECT reply FROM messages WHERE msg_id = '{id}'"),
            &[&body],
        );
    }
}

#[test]
fn a_locked_store_gives_503_until_it_is_unlocked() {
    let account = Account::start();
    account.post(&text("before")).is_text(HELP);
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let push = subscribe();
    let answer = account.post(&push);
    answer.is_status(503);
    in_time(&answer);
    account.get("/healthz").is_status(503);
    locked.execute_batch("ROLLBACK").unwrap();
    drop(locked);
    // The platform repeats a push that was not acknowledged.
    account.post(&push).is_text(WELCOME);
    account.get("/healthz").is_status(200);
    account
        .store()
        .is("SELECT count(*) FROM follow_log", &["1"]);
}

#[test]
fn with_a_locked_store_no_request_waits_for_another() {
    let account = Account::start();
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let answer = account.post(&text("hello").from(&another_fan()));
                answer.is_status(503);
                in_time(&answer);
            });
            scope.spawn(|| in_time(account.get("/healthz").is_status(503)));
        }
    });
    locked.execute_batch("ROLLBACK").unwrap();
    account.post(&text("hello")).is_text(HELP);
}

/// The store waits 3.5 s for a lock. A request that also waited for another's wait would take 7 s, and for all of them
/// 56 s; after 5 s the platform shows the user an error.
#[track_caller]
fn in_time(answer: &Answer) {
    let in_time = answer.took < std::time::Duration::from_secs(7);
    answer.expect(in_time, &format!("an answer in 7 s, not {:?}", answer.took));
}

#[test]
fn the_owner_may_read_while_the_server_writes() {
    let account = Account::start();
    let store = account.store();
    for count in 1..=20 {
        account.post(&text("hello")).is_text(HELP);
        assert_eq!(store.count("messages"), count);
    }
}

#[test]
fn a_backup_is_a_snapshot_and_completes_even_if_others_keep_committing() {
    let account = Account::start();
    // 20 MiB; a backup copies 8 MiB at a time and reports its progress after each step.
    let filling =
        "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10000)
        INSERT INTO messages (dedup_key, openid, msg_type, xml, received_at)
        SELECT 'old ' || id, 'oOld', 'text', hex(zeroblob(1000)), 1790000000 FROM n;
        INSERT INTO settings VALUES ('commits', 0)";
    change(&account.store_path(), filling);
    // Each commit changes two tables, so that half a commit would be noticed.
    let writer = rusqlite::Connection::open(account.store_path()).unwrap();
    let commit = || {
        writer
            .execute_batch(
                "BEGIN IMMEDIATE;
                 INSERT INTO follow_log (openid, action, at, source) VALUES ('o', 'subscribe', 1790000000, 'push');
                 UPDATE settings SET value = value + 1 WHERE name = 'commits';
                 COMMIT",
            )
            .unwrap();
    };
    commit();
    let target = account.folder().join("backup.db");
    let mut steps = Vec::new();
    let reader = wechatd::store::Reader::open(&account.store_path().as_path().into()).unwrap();
    let copied = reader.backup(&target, |copied, total| {
        steps.push((copied, total));
        let again = steps.windows(2).any(|pair| pair[0].0 >= pair[1].0);
        assert!(!again, "the copy began again: {steps:?}");
        (0..10).for_each(|_| commit());
    });
    copied.unwrap();
    let (last, total) = steps[steps.len() - 1];
    assert!(steps.len() > 2 && last == total, "{steps:?}");

    let copy = Store::open(&target, account.log());
    copy.is("PRAGMA integrity_check", &["ok"]);
    copy.is("SELECT count(*) FROM messages", &["10000"]);
    copy.is("SELECT value FROM settings WHERE name = 'commits'", &["1"]);
    copy.is("SELECT count(*) FROM follow_log", &["1"]);
    // The reader itself sees later commits.
    let seen = reader.follow_log("o").unwrap().len();
    assert_eq!(seen, 1 + 10 * steps.len());
}

#[test]
fn a_log_kept_large_by_a_reader_is_reported_once_with_the_cause() {
    let account = Account::start();
    account.post(&text("before")).is_text(HELP);
    let reader = hold_a_snapshot(&account.store_path());
    let log = account.folder().join("wechat.db-wal");
    let warning = "has grown to 300 MiB, because a program that began to read the store";
    eventually("the warning", account.log(), || {
        // As if 300 MiB had been written. Once more if the chores emptied the log before the reader came: then it needs
        // none of it, and the next commit begins a new one.
        let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
        if file.metadata().unwrap().len() < 300 << 20 {
            file.set_len(300 << 20).unwrap();
        }
        account.post(&text("meanwhile")).is_text(HELP);
        account.log().has(warning)
    });
    drop(reader);
    eventually("a short log", account.log(), || {
        account.post(&text("afterwards")).is_text(HELP);
        std::fs::metadata(&log).unwrap().len() <= 24 << 20
    });
    assert_eq!(account.log().count(warning), 1, "{}", account.log());
}

#[test]
fn a_store_that_a_command_of_root_makes_belongs_to_whom_its_folder_belongs() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let platform = Platform::start();
    let setup = Setup::new().platform(&platform);
    chown(setup.folder(), Some(65_534), Some(65_534)).unwrap();
    let account = setup.stopped();
    account.command(&["token"]).ok();
    let store = account.folder().join("wechat.db").metadata().unwrap();
    assert_eq!([store.uid(), store.gid()], [65_534, 65_534]);
}
