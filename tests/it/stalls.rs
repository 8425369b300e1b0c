//! A disk that hangs on writes: every request is still answered in time, repeated deliveries get the right answer, and
//! the server can be stopped.

use crate::support::account::{HELP, WELCOME, send_signal};
use crate::support::service::{Act, FORWARD_ALL};
use crate::support::*;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The contract says 4.5 s; a busy machine may take a little longer for anything. An answer that also waited for another's
/// wait would take 8.4 s.
const LIMIT: Duration = Duration::from_millis(6_500);

#[test]
fn while_the_disk_hangs_every_request_is_answered_in_time_and_no_push_is_lost() {
    let (setup, disk) = Disk::under(Setup::new());
    let account = setup.start();
    account.post(&text("before")).is_text(HELP);
    // They would hold the store while they hang, and no push would reach the disk.
    account.await_rest_of("chores");
    disk.stall();
    let pushes: Vec<Push> = (0..12)
        .map(|_| text("meanwhile").from(&another_fan()))
        .collect();
    let follower = subscribe().from(&another_fan());
    let signed = account.signed();
    std::thread::scope(|scope| {
        for (n, push) in pushes.iter().enumerate() {
            let account = &account;
            scope.spawn(move || {
                // One after another, so that most arrive when the writer already hangs.
                std::thread::sleep(Duration::from_millis(100) * n as u32);
                let answer = account.post(push);
                answer.is(503, "unavailable");
                answer.expect(answer.took < LIMIT, "an answer in time");
            });
        }
        // The same push twice at the same time, as by an impatient proxy.
        for _ in 0..2 {
            scope.spawn(|| {
                let answer = account.post(&follower);
                answer.is_status(503);
                answer.expect(answer.took < LIMIT, "an answer in time");
            });
        }
        for (target, status) in [
            ("/healthz".to_owned(), 503),
            ("/nowhere".to_owned(), 404),
            ("/wechat?signature=0&timestamp=0&nonce=0".to_owned(), 403),
            (format!("/wechat?{signed}&echostr=1"), 200),
        ] {
            let account = &account;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(500));
                let answer = account.get(&target);
                answer.is_status(status);
                answer.expect(answer.took < LIMIT, "an answer in time");
            });
        }
    });
    account.log().says("ERROR] store: no commit for 4.2 s");
    assert_eq!(account.log().count("no commit for"), 1, "{}", account.log());
    disk.recover();
    for push in &pushes {
        account.post(push).is_text(HELP);
    }
    account.post(&follower).is_text(WELCOME);
    account.get("/healthz").is(200, "ok");
    let store = account.store();
    store.is("SELECT count(*) FROM messages", &["14"]);
    store.is("SELECT count(*) FROM followers", &["1"]);
    let log = account.log();
    log.says("commits again");
    eventually("the late commits", log, || {
        log.count("and nobody waited any more") == 14
    });
}

#[test]
fn while_the_disk_hangs_a_forwarded_push_is_answered_503_and_asked_about_once_when_it_is_back() {
    let service = Service::wechat();
    service.always(Act::text("at last"));
    let setup = Setup::new().rules(FORWARD_ALL).service(&service, "");
    let (setup, disk) = Disk::under(setup);
    let account = setup.start();
    account.await_rest_of("chores");
    disk.stall();
    let push = text("hello");
    let answer = account.post(&push);
    answer.is(503, "unavailable");
    answer.expect(answer.took < LIMIT, "an answer in time");
    account.log().says("ERROR] store: no commit for 4.2 s");
    assert_eq!(service.asked().len(), 0);
    disk.recover();
    account.post(&push).is_text("at last");
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn a_stop_does_not_wait_for_a_hanging_disk_or_a_hanging_reload() {
    // Without a Token in the configuration, a reload reads the store.
    let (setup, disk) = Disk::under(Setup::new().unset("account.token").env("RUST_LOG", "debug"));
    let mut account = setup.start();
    account.token = account.command(&["check", "--json"]).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    disk.stall();
    let mut wire = Wire::connect(account.address()).unwrap();
    let push = text("hello").request("/wechat", &account.token);
    wire.send(&push.bytes()).unwrap();
    account.log().says("text from ");
    account.hang_up();
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
    assert!(ended.took < IN_TIME, "{ended:?}\n{}", account.log());
    let answer = wire.response().map(|answer| answer.status);
    assert_eq!(answer, Ok(503), "{}", account.log());
    account.log().says("has not ended its last write");
    disk.recover();
    account.begin();
    account.get("/healthz").is(200, "ok");
    account.store().is("PRAGMA integrity_check", &["ok"]);
}

#[test]
fn a_start_on_a_hanging_disk_can_be_interrupted() {
    let (setup, disk) = Disk::under(Setup::new());
    let account = setup.stopped();
    disk.stall();
    let mut child = account
        .program(&["serve"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the store's first bytes", account.log(), || {
        account.store_path().exists()
    });
    let begun = Instant::now();
    send_signal(child.id(), "TERM");
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
}
