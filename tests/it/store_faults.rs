//! A store that is full, locked, read-only, damaged or moved: nothing acknowledged is lost, pushes that cannot be written
//! get 503, and the server recovers on its own.

use crate::support::account::{HELP, WELCOME};
use crate::support::*;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Posts long messages until one gets 503 three times in a row: once may be due to what the server notes in the same
/// commit. Returns the acknowledged ones, each with its answer, and the refused one.
#[track_caller]
fn fill(account: &Account) -> (Vec<(Push, String)>, Push) {
    let first = text("hello");
    let answer = account.post(&first);
    answer.is_text(HELP);
    let mut acknowledged = vec![(first, answer.body())];
    // After the start and the first push, which tells the time, the log is emptied: that makes room.
    account.await_rest_of("chores");
    let long = "x".repeat(20_000);
    loop {
        assert!(acknowledged.len() < 500, "the limit does not hold");
        let push = text(&long);
        let taken = (0..3).map(|_| account.post(&push)).find(|answer| {
            let is_taken = answer.response.status == 200;
            if !is_taken {
                answer.is_status(503);
            }
            is_taken
        });
        let Some(answer) = taken else {
            assert!(acknowledged.len() > 1, "{}", account.log());
            return (acknowledged, push);
        };
        acknowledged.push((push, answer.body()));
    }
}

/// An account on a small disk.
fn on_a_small_disk() -> Option<Account> {
    let setup = Setup::new().set("store.path", "\"data/wechat.db\"");
    disk::small(setup.stopped())
}

#[test]
fn a_health_check_needs_room_for_a_large_push() {
    let Some(account) = on_a_small_disk() else {
        return;
    };
    let long = "x".repeat(60_000);
    let mut taken = 0;
    while account.post(&text(&long)).response.status == 200 {
        taken += 1;
        assert!(taken < 20, "the limit does not hold");
    }
    account.get("/healthz").is_status(503);
    // How much the refused push has left depends on what else the server has noted.
    disk::make_some_room(&account);
    eventually("an answer to a small push", account.log(), || {
        account.post(&text("hello")).response.status == 200
    });
    account.get("/healthz").is_status(503);
    account.log().says("KiB are free on its disk");
    assert_eq!(account.log().count("KiB are free on its disk"), 1);
}

#[test]
fn a_full_disk_gives_503_until_there_is_room_again() {
    let Some(account) = on_a_small_disk() else {
        return;
    };
    let (acknowledged, refused) = fill(&account);
    account.log().says("make room");
    let answer = account.post(&refused);
    answer.is_status(503);
    answer.expect(answer.took < IN_TIME, "an answer at once");
    // The owner makes room.
    disk::make_room(&account);
    account.post(&refused).is_text(HELP);
    account.get("/healthz").is(200, "ok");
    account.log().says("works again");
    for (push, body) in &acknowledged {
        account.post(push).is(200, body);
    }
    // The log line is written after the answer.
    eventually("all are repetitions", account.log(), || {
        account.log().count(" again: 200") == acknowledged.len()
    });
}

#[test]
fn a_file_that_may_not_grow_gives_503_and_nothing_acknowledged_is_lost() {
    // Limits files to 1 MiB, in units of 512 bytes. The signal that comes with the limit is ignored, so the write fails.
    let script = "trap '' XFSZ; ulimit -S -f 2048; exec \"$@\"";
    let mut account = Setup::new().stopped().wrapped_in(script);
    account.begin();
    let (acknowledged, refused) = fill(&account);
    account.post(&refused).is_status(503);
    account.kill();
    let mut account = account.wrapped_in("exec \"$@\"");
    account.begin();
    for (push, body) in &acknowledged {
        account.post(push).is(200, body);
    }
    let store = account.store();
    assert_eq!(store.count("messages"), acknowledged.len() as i64);
    store.is("PRAGMA integrity_check", &["ok"]);
    account.post(&refused).is_text(HELP);
}

#[test]
fn pushes_get_their_turn_between_the_writes_of_a_busy_program() {
    let account = Account::start();
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = rusqlite::Connection::open(account.store_path()).unwrap();
            other.busy_timeout(Duration::from_secs(60)).unwrap();
            while !over.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(30) {
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                std::thread::sleep(Duration::from_millis(150));
                other.execute_batch("COMMIT").unwrap();
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        // No push is refused. Before one would be, after 3.5 s, there are twenty pauses in which to get the lock. Trying
        // every millisecond finds one soon; SQLite's own busy handler, which soon tries only every 100 ms, would miss
        // all twenty about every second time.
        for _ in 0..12 {
            account.post(&text("meanwhile")).is_text(HELP);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(account.store().count("messages"), 12);
}

#[test]
fn a_store_locked_for_ten_seconds_delays_no_answer_beyond_five() {
    let account = Account::start();
    account.post(&text("before")).is_text(HELP);
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    // Eight clients that repeat their push until it is accepted, as the platform does.
    let pushes: Vec<Push> = (0..8).map(|_| subscribe().from(&another_fan())).collect();
    std::thread::scope(|scope| {
        for push in &pushes {
            scope.spawn(|| {
                let mut refused = 0;
                loop {
                    let answer = account.post(push);
                    // The platform gives up after 5 s, the store after 3.5 s. A push that also waited for another's wait
                    // would take 7 s, and get at most one refusal before the lock is released.
                    let in_time = answer.took < Duration::from_secs(7);
                    answer.expect(in_time, "an answer after one wait of the store");
                    if answer.response.status != 503 {
                        answer.is_text(WELCOME);
                        assert!(begun.elapsed() > Duration::from_secs(10));
                        answer.expect(refused >= 3, "at least three refusals");
                        return;
                    }
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        account.get("/healthz").is_status(503);
        std::thread::sleep(Duration::from_millis(10_100).saturating_sub(begun.elapsed()));
        locked.execute_batch("ROLLBACK").unwrap();
    });
    account.get("/healthz").is(200, "ok");
    let store = account.store();
    store.is("SELECT count(*) FROM messages", &["9"]);
    store.is("SELECT count(*) FROM followers", &["8"]);
    let (failed, works) = ("503 until it works again", "works again");
    eventually("the recovery", account.log(), || {
        account.log().count(works) >= 2
    });
    assert_eq!(
        account.log().count(failed),
        1,
        "logged once\n{}",
        account.log()
    );
}

#[test]
fn a_damaged_store_is_refused_at_start_with_advice_and_left_alone() {
    let mut account = Account::start();
    for _ in 0..50 {
        account.post(&text(&"words ".repeat(200))).is_text(HELP);
    }
    account.stop();
    let whole = std::fs::read(account.store_path()).unwrap();
    for (what, place, length, advice) in [
        ("its magic bytes", 0, 16, "not an SQLite database"),
        ("its whole header", 0, 100, "not an SQLite database"),
        ("its schema", 100, 3_000, "wechatd backup"),
    ] {
        let mut damaged = whole.clone();
        damaged[place..place + length].fill(0xa5);
        std::fs::write(account.store_path(), &damaged).unwrap();
        let ran = account.command(&["serve"]);
        ran.failed().complains("wechat.db").complains(advice);
        let left = std::fs::read(account.store_path()).unwrap();
        assert!(left == damaged, "{what}: the file was touched");
    }
    std::fs::write(account.store_path(), whole).unwrap();
    account.begin();
    account.store().is("SELECT count(*) FROM messages", &["50"]);
}

#[test]
fn damage_found_while_running_gives_503_and_loses_nothing_acknowledged() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    // Damage is simulated by renaming a table.
    let other = rusqlite::Connection::open(account.store_path()).unwrap();
    other
        .execute_batch("ALTER TABLE messages RENAME TO lost")
        .unwrap();
    let push = text("meanwhile");
    account.post(&push).is_status(503);
    account.post(&subscribe()).is_status(503);
    other
        .execute_batch("ALTER TABLE lost RENAME TO messages")
        .unwrap();
    account.post(&push).is_text(HELP);
    account.store().is("SELECT count(*) FROM messages", &["2"]);
    account
        .store()
        .is("SELECT count(*) FROM follow_log", &["0"]);
}

#[test]
fn a_store_that_is_moved_away_gives_503_until_it_is_put_back() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    account.get("/healthz").is(200, "ok");
    let names = ["wechat.db", "wechat.db-wal", "wechat.db-shm"];
    let away = account.folder().join("away");
    std::fs::create_dir(&away).unwrap();
    for name in names {
        std::fs::rename(account.folder().join(name), away.join(name)).unwrap();
    }
    let push = text("meanwhile");
    account.post(&push).is_status(503);
    account.get("/healthz").is_status(503);
    account.log().says("put it back");
    // An empty file in its place does not help.
    std::fs::write(account.store_path(), "").unwrap();
    account.post(&push).is_status(503);
    for name in names {
        std::fs::rename(away.join(name), account.folder().join(name)).unwrap();
    }
    account.post(&push).is_text(HELP);
    account.get("/healthz").is(200, "ok");
    account.store().is("SELECT count(*) FROM messages", &["2"]);
}

#[test]
fn a_health_check_notices_that_nothing_can_be_written() {
    let mut account = Setup::new().stopped();
    account = account.wrapped_in("trap '' XFSZ; exec \"$@\"");
    account.begin();
    account.get("/healthz").is(200, "ok");
    // From now on nothing can be written, as on a full disk, and nobody posts anything.
    let limited = Command::new("prlimit")
        .args(["--fsize=0", "--pid", &account.pid().to_string()])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        eprintln!("no prlimit here, skipped");
        return;
    }
    eventually("503", account.log(), || {
        account.get("/healthz").response.status == 503
    });
}

#[test]
fn a_read_only_disk_is_refused_at_start_with_the_reason() {
    let mut account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    // Mounts the folder read-only for the command; needs root or user namespaces.
    let script =
        "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && cd \"$0\" && exec \"$@\"";
    let program = account.program(&["serve"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]);
    command
        .arg(account.folder())
        .arg(program.get_program())
        .args(program.get_args());
    let ran = Ran::of(command, "");
    if ["unshare", "mount:"]
        .iter()
        .any(|tool| ran.stderr.contains(tool))
    {
        eprintln!("cannot mount here, skipped: {}", ran.stderr);
        return;
    }
    ran.failed().complains("wechat.db").complains("writable");
    account.begin();
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}
