//! Requests that wait for a locked store, and the other requests meanwhile.

use crate::support::account::HELP;
use crate::support::*;
use std::time::{Duration, Instant};

/// Locks the store as another program might.
fn lock(account: &Account) -> rusqlite::Connection {
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    locked
}

/// Sends this many pushes, each on its own connection, and waits until the server has read them all.
fn waiting(account: &Account, count: usize) -> Vec<Wire> {
    let log = account.log();
    let before = log.count("DEBUG] text from ");
    let wires: Vec<Wire> = (0..count)
        .map(|_| {
            let push = text("hello").from(&another_fan());
            let mut wire = Wire::connect(account.address()).unwrap();
            wire.send(&push.request("/wechat", TOKEN).bytes()).unwrap();
            wire
        })
        .collect();
    eventually("the pushes are read", log, || {
        log.count("DEBUG] text from ") == before + count
    });
    wires
}

/// At this log level a push is logged before it goes to the store.
fn start(setup: Setup) -> Account {
    setup.env("RUST_LOG", "debug").start()
}

#[test]
fn while_pushes_wait_for_the_store_other_requests_are_answered_at_once() {
    let account = start(Setup::new().set("server.workers", "2"));
    let locked = lock(&account);
    let mut wires = waiting(&account, 20);
    let signed = account.signed();
    for (target, status) in [
        ("/nowhere".to_owned(), 404),
        ("/wechat?signature=0&timestamp=0&nonce=0".to_owned(), 403),
        (format!("/wechat?{signed}&echostr=1"), 200),
    ] {
        let mut took: Vec<Duration> = (0..7)
            .map(|_| account.get(&target).is_status(status).took)
            .collect();
        took.sort();
        // The median, because a busy machine may be slow now and then.
        assert!(took[3] < Duration::from_millis(100), "{target}: {took:?}");
    }
    locked.execute_batch("ROLLBACK").unwrap();
    for wire in &mut wires {
        assert_eq!(wire.response().unwrap().status, 200, "{}", account.log());
    }
}

#[test]
fn a_stop_with_two_hundred_waiting_pushes_loses_none() {
    let mut account = start(Setup::new());
    let locked = lock(&account);
    let mut wires = waiting(&account, 200);
    let ended = std::thread::scope(|scope| {
        let log = account.log().clone();
        scope.spawn(move || {
            log.says("shutting down");
            locked.execute_batch("ROLLBACK").unwrap();
        });
        account.stop()
    });
    assert_eq!(ended.code, Some(0), "{}", account.log());
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
    for wire in &mut wires {
        assert_eq!(wire.response().unwrap().status, 200, "{}", account.log());
    }
    account
        .store()
        .is("SELECT count(*) FROM messages", &["200"]);
}

#[test]
fn a_stop_with_two_hundred_waiting_pushes_and_a_locked_store_answers_503() {
    let mut account = start(Setup::new());
    let _locked = lock(&account);
    let mut wires = waiting(&account, 200);
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
    for wire in &mut wires {
        assert_eq!(wire.response().unwrap().status, 503, "{}", account.log());
    }
}

#[test]
fn pushes_that_wait_for_the_store_do_not_count_for_max_waiting() {
    let account = start(Setup::new().set("server.max_waiting", "1"));
    let locked = lock(&account);
    let mut wires = waiting(&account, 3);
    // Longer than any request is inside in quiet.
    std::thread::sleep(Duration::from_millis(300));
    locked.execute_batch("ROLLBACK").unwrap();
    for wire in &mut wires {
        assert_eq!(wire.response().unwrap().status, 200, "{}", account.log());
    }
    account.store().is("SELECT count(*) FROM messages", &["3"]);
}

#[test]
fn a_push_whose_client_hangs_up_is_still_recorded() {
    let account = start(Setup::new());
    let locked = lock(&account);
    let wires = waiting(&account, 5);
    drop(wires);
    // It takes the server a while to notice that they are gone.
    std::thread::sleep(Duration::from_secs(1));
    locked.execute_batch("ROLLBACK").unwrap();
    let log = account.log();
    eventually("the pushes recorded", log, || {
        log.count("and nobody waited any more") == 5
    });
    account.store().is("SELECT count(*) FROM messages", &["5"]);
}

#[test]
fn two_workers_share_the_requests_of_eight_clients() {
    let account = Setup::new().set("server.workers", "2").start();
    let workers = ["worker 1", "worker 2"];
    let before = workers.map(|name| account.sleeps_of(name));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    account
                        .post(&text("busy").from(&another_fan()))
                        .is_text(HELP);
                }
            });
        }
        let begun = Instant::now();
        let both = || {
            let after = workers.map(|name| account.sleeps_of(name));
            after
                .iter()
                .zip(before)
                .all(|(after, before)| *after > before + 20)
        };
        while !both() && begun.elapsed() < IN_TIME {
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(both(), "{workers:?}: {before:?}");
    });
}

#[test]
fn heads_up_to_max_head_are_accepted() {
    let account = Setup::new().start();
    let cookie = |len: usize| Request::new("GET", "/page").header("Cookie", &"x".repeat(len));
    account.send(&cookie(20_000)).is_status(404);
    account.send(&cookie(40_000)).is_status(431);
    let account = Setup::new().set("server.max_head", "\"64KiB\"").start();
    account.send(&cookie(60_000)).is_status(404);
    account.send(&cookie(66_000)).is_status(431);
}

#[test]
fn every_answer_has_a_date() {
    let account = Account::start();
    let signed = account.signed();
    for target in [
        "/healthz",
        "/nowhere",
        "/wechat",
        &format!("/wechat?{signed}&echostr=1"),
    ] {
        account.get(target).has_header("date", " GMT");
    }
    account.post(&text("hi")).has_header("date", " GMT");
    let large = Request::new("GET", "/").header("X", &"x".repeat(40_000));
    account.send(&large).has_header("date", " GMT");
}
