//! Files of the store that are deleted, emptied or replaced under a running server: pushes that would not be safe get
//! 503, and after a kill and a restart every push that got 200 is there.

use crate::support::account::HELP;
use crate::support::store::hold_a_snapshot;
use crate::support::*;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Whether pushes acknowledged before the damage survive it.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Kept,
    /// The damage itself destroys them.
    Lost,
}

/// Damages the store of a running server: it acknowledges no more pushes, reports one error, and after a kill and a
/// restart everything that it acknowledged is there.
#[track_caller]
fn refuses_after(damage: impl Fn(&Path), before: Before, says: &str) {
    let mut account = Account::start();
    let posted: Vec<Push> = (0..5).map(|n| text(&format!("before {n}"))).collect();
    for push in &posted {
        account.post(push).is_text(HELP);
    }
    account.get("/healthz").is(200, "ok");
    // While it reads the store, what a deleted log held cannot be saved.
    account.await_rest_of("chores");
    // Without this reader the log would soon be checkpointed, and losing a checkpointed log harms nothing.
    let reader = (before == Before::Lost).then(|| hold_a_snapshot(&account.store_path()));
    account
        .post(&text("before, still in the log"))
        .is_text(HELP);
    damage(account.folder());
    let refused = text("after");
    for _ in 0..3 {
        account.post(&refused).is_status(503);
    }
    account.get("/healthz").is_status(503);
    account.log().says(says);
    account.kill();
    assert_eq!(account.log().count("ERROR"), 1, "{}", account.log());
    if reader.is_some() {
        return;
    }
    account.begin();
    account.post(&refused).is_text(HELP);
    let store = account.store();
    for push in &posted {
        let id = push.msg_id().unwrap();
        let found = store.count(&format!("messages WHERE msg_id = '{id}'"));
        assert_eq!(found, 1, "{}", account.log());
    }
    store.is("SELECT count(*) FROM messages", &["7"]);
    store.is("PRAGMA integrity_check", &["ok"]);
}

fn remove(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

fn shorten(folder: &Path, name: &str, length: u64) {
    let file = OpenOptions::new().write(true).open(folder.join(name));
    file.unwrap().set_len(length).unwrap();
}

#[test]
fn a_deleted_log_gives_503_and_its_content_is_saved() {
    refuses_after(
        |folder| remove(folder, "wechat.db-wal"),
        Before::Kept,
        "wechat.db-wal",
    );
}

#[test]
fn a_deleted_log_and_index_give_503_and_their_content_is_saved() {
    let damage = |folder: &Path| {
        remove(folder, "wechat.db-wal");
        remove(folder, "wechat.db-shm");
    };
    refuses_after(damage, Before::Kept, "wechat.db-wal");
}

#[test]
fn a_log_recreated_by_another_program_is_not_taken_for_the_open_one() {
    let damage = |folder: &Path| {
        remove(folder, "wechat.db-wal");
        remove(folder, "wechat.db-shm");
        let other = rusqlite::Connection::open(folder.join("wechat.db")).unwrap();
        let count = "SELECT count(*) FROM messages";
        let _: i64 = other.query_row(count, [], |row| row.get(0)).unwrap();
        // Kept open, because closing the last connection deletes the log again.
        std::mem::forget(other);
    };
    refuses_after(damage, Before::Kept, "wechat.db-wal");
}

#[test]
fn a_log_that_is_moved_away_gives_503_until_it_is_put_back() {
    let account = Account::start();
    account.post(&text("before")).is_text(HELP);
    let (log, away) = (
        account.folder().join("wechat.db-wal"),
        account.folder().join("away"),
    );
    fs::rename(&log, &away).unwrap();
    let push = text("meanwhile");
    account.post(&push).is_status(503);
    fs::write(&log, "").unwrap();
    account.post(&push).is_status(503);
    fs::rename(&away, &log).unwrap();
    account.post(&push).is_text(HELP);
    account.get("/healthz").is(200, "ok");
    account.store().is("SELECT count(*) FROM messages", &["2"]);
}

#[test]
fn a_deleted_index_gives_503_and_loses_nothing() {
    refuses_after(
        |folder| remove(folder, "wechat.db-shm"),
        Before::Kept,
        "wechat.db-shm",
    );
}

#[test]
fn a_log_truncated_in_place_gives_503() {
    refuses_after(
        |folder| shorten(folder, "wechat.db-wal", 0),
        Before::Lost,
        "wechat.db-wal",
    );
    refuses_after(
        |folder| shorten(folder, "wechat.db-wal", 5_000),
        Before::Lost,
        "wechat.db-wal",
    );
}

#[test]
fn a_log_overwritten_in_place_gives_503() {
    let damage = |folder: &Path| {
        let log = folder.join("wechat.db-wal");
        let length = fs::metadata(&log).unwrap().len();
        fs::write(&log, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
    };
    refuses_after(damage, Before::Lost, "wechat.db-wal");
}

#[test]
fn a_store_emptied_in_place_gives_503() {
    // At the next start SQLite would delete the log of an empty file.
    refuses_after(
        |folder| shorten(folder, "wechat.db", 0),
        Before::Lost,
        "wechatd backup",
    );
}

#[test]
fn a_store_emptied_in_place_whose_log_was_deleted_gives_503() {
    // As SQLite does when another program opens the empty file.
    let damage = |folder: &Path| {
        shorten(folder, "wechat.db", 0);
        remove(folder, "wechat.db-wal");
    };
    refuses_after(damage, Before::Lost, "wechatd backup");
}

#[test]
fn an_emptied_store_is_not_filled_again_and_can_be_restored() {
    let mut account = Account::start();
    account.post(&text("before")).is_text(HELP);
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    // With the log, and with the index only: whoever opens the file with SQLite deletes the log.
    for left in ["wechat.db-wal", "wechat.db-shm"] {
        account.kill();
        for name in ["wechat.db-wal", "wechat.db-shm"] {
            fs::remove_file(account.folder().join(name)).ok();
        }
        fs::write(account.folder().join(left), "left").unwrap();
        shorten(account.folder(), "wechat.db", 0);
        for command in [
            &["serve"][..],
            &["followers", "list"],
            &["followers", "forget", "oAnybody", "--yes"],
        ] {
            let refused = account.command(command);
            refused.failed().complains("was emptied");
            refused.complains("wechatd restore");
        }
        account.command(&["check"]).is_code(1).says("was emptied");
        assert!(account.folder().join(left).exists());
        account.command(&["restore", &copy, "--yes"]).ok();
        account.begin();
        account.post(&text("after")).is_text(HELP);
        account.store().is("SELECT count(*) FROM messages", &["2"]);
    }
}

#[test]
fn a_store_truncated_while_its_log_is_in_use_gives_503() {
    for length in [0, 4_096, 20_000] {
        let mut account = Account::start();
        account.post(&text("before")).is_text(HELP);
        account.restart();
        // The reader keeps the log from being moved into the file, which would make it longer again.
        checkpoint(account.folder());
        let reader = hold_a_snapshot(&account.store_path());
        account.post(&text("again")).is_text(HELP);
        shorten(account.folder(), "wechat.db", length);
        account.post(&text("after")).is_status(503);
        account.get("/healthz").is_status(503);
        account.log().says("wechatd backup");
        drop(reader);
    }
}

#[test]
fn the_files_of_a_store_behind_a_symbolic_link_are_watched_too() {
    let setup = Setup::new();
    let real = setup.folder().join("real");
    fs::create_dir(&real).unwrap();
    symlink(real.join("fans.db"), setup.folder().join("wechat.db")).unwrap();
    let account = setup.start();
    account.post(&text("before")).is_text(HELP);
    remove(&real, "fans.db-wal");
    account.post(&text("after")).is_status(503);
}

/// Moves everything from the log to the file, as any program may.
fn checkpoint(folder: &Path) {
    let other = rusqlite::Connection::open(folder.join("wechat.db")).unwrap();
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    // Retried, because the server checkpoints soon after its start and only one can at a time.
    eventually("a checkpoint", &Log::default(), || {
        other.query_row(sql, [], |row| row.get::<_, i64>(0)) == Ok(0)
    });
}

#[test]
fn a_renamed_folder_gives_503_until_it_is_renamed_back() {
    let setup = Setup::new().set("store.path", "\"data/wechat.db\"");
    let (data, away) = (setup.folder().join("data"), setup.folder().join("away"));
    fs::create_dir(&data).unwrap();
    let account = setup.start();
    account.post(&text("before")).is_text(HELP);
    fs::rename(&data, &away).unwrap();
    let push = text("meanwhile");
    account.post(&push).is_status(503);
    fs::rename(&away, &data).unwrap();
    account.post(&push).is_text(HELP);
}

#[test]
fn checkpoints_and_vacuum_by_other_programs_do_no_harm() {
    let account = Account::start();
    let post = |what: &str| {
        account.post(&text(what)).is_text(HELP);
        account.get("/healthz").is(200, "ok");
    };
    post("before");
    checkpoint(account.folder());
    post("after an emptied log");
    account.post(&text(&"x".repeat(300_000))).is_text(HELP);
    let other = rusqlite::Connection::open(account.store_path()).unwrap();
    let sql = "DELETE FROM messages WHERE length(content) > 200000; VACUUM;";
    other.execute_batch(sql).unwrap();
    post("after VACUUM");
    checkpoint(account.folder());
    post("after a shorter store");
    other
        .execute_batch("INSERT INTO settings VALUES ('big', zeroblob(200000)); DELETE FROM settings WHERE name = 'big'; VACUUM")
        .unwrap();
    checkpoint(account.folder());
    other
        .execute_batch("INSERT INTO settings VALUES ('new', hex(zeroblob(20000)))")
        .unwrap();
    post("after a shorter store with new pages in the log");
    drop(other);
    post("after the other has gone");
    account.store().is("SELECT count(*) FROM messages", &["6"]);
    assert_eq!(account.log().count("ERROR"), 0, "{}", account.log());
}
