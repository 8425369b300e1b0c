//! Stopping the server while it is busy.

use crate::support::*;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn sigterm_under_load_answers_accepted_requests_and_refuses_the_rest() {
    let mut account = Account::start();
    let answered = Mutex::new(Vec::new());
    let (address, log) = (account.address().clone(), account.log().clone());
    let ended = std::thread::scope(|scope| {
        for client in 0..8 {
            let (address, log, answered) = (&address, &log, &answered);
            scope.spawn(move || {
                let mut kept: Option<Wire> = None;
                loop {
                    let push = text("under load").from(&another_fan());
                    let mut request = push.request("/wechat", TOKEN);
                    request.keep_alive = client % 2 == 0;
                    let idle = kept.is_some();
                    let Some(mut wire) = kept.take().or_else(|| Wire::connect(address).ok()) else {
                        return;
                    };
                    let sent = wire.send(&request.bytes());
                    match wire.response() {
                        Ok(response) if response.status == 200 => {
                            let body = String::from_utf8(response.body).unwrap();
                            let id = push.msg_id().unwrap().to_owned();
                            answered.lock().unwrap().push((id, body));
                        }
                        Ok(response) => {
                            assert_eq!(response.status, 503, "{log}");
                            return;
                        }
                        // Closed before it was read: the request came too late.
                        Err(error) => {
                            let cut = error.contains("after") && !error.contains("after 0 bytes");
                            assert!(!cut, "an answer was cut: {error} {sent:?} {idle}\n{log}");
                            return;
                        }
                    }
                    kept = Some(wire).filter(|_| client % 2 == 0);
                }
            });
        }
        eventually("some answers", &log, || {
            answered.lock().unwrap().len() > 100
        });
        account.stop()
    });
    assert_eq!(ended.code, Some(0), "{log}");
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
    assert!(Wire::connect(&address).is_err(), "still listening");
    let store = account.store();
    let answered = answered.into_inner().unwrap();
    for (id, body) in &answered {
        let sql = format!("SELECT reply FROM messages WHERE msg_id = '{id}'");
        store.is(&sql, &[body]);
    }
    store.is("PRAGMA integrity_check", &["ok"]);
}

/// A server that cannot stop at once, because its store is locked and a push waits for it.
struct Blocked {
    account: Account,
    locked: rusqlite::Connection,
}

impl Blocked {
    fn new() -> Self {
        // At this level a push is logged before it goes to the store.
        let account = Setup::new().env("RUST_LOG", "debug").start();
        let locked = rusqlite::Connection::open(account.store_path()).unwrap();
        locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Self { account, locked }
    }

    /// Pushes, and calls `then` while the push waits.
    fn push_and(&mut self, then: impl FnOnce(&mut Account)) -> Result<http::Response, String> {
        let mut wire = Wire::connect(self.account.address()).unwrap();
        wire.send(&text("hello").request("/wechat", TOKEN).bytes())
            .unwrap();
        let log = self.account.log().clone();
        log.says("text from ");
        then(&mut self.account);
        wire.response()
    }
}

#[test]
fn a_push_that_waits_for_the_store_is_answered_before_the_stop() {
    let mut blocked = Blocked::new();
    let mut ended = None;
    let answer = blocked.push_and(|account| ended = Some(account.stop()));
    assert_eq!(
        answer.map(|answer| answer.status),
        Ok(503),
        "{}",
        blocked.account.log()
    );
    let ended = ended.unwrap();
    assert_eq!(ended.code, Some(0), "{}", blocked.account.log());
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    for second in ["TERM", "INT"] {
        // Repeated, because on a busy machine the second signal may come after the push was refused, which takes 3.5 s.
        let ended = (0..5).any(|_| is_ended_by(second));
        assert!(ended, "the second signal is ignored");
    }
}

/// Whether this second signal ends a server before the waiting push is answered.
fn is_ended_by(second: &str) -> bool {
    let mut blocked = Blocked::new();
    let mut ended = None;
    let answer = blocked.push_and(|account| {
        account::send_signal(account.pid(), "TERM");
        account.log().says("shutting down");
        // A signal that comes sooner counts as the same one.
        std::thread::sleep(Duration::from_millis(400));
        ended = Some(account.signal(second));
    });
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 503, "{}", blocked.account.log());
        return false;
    }
    let ended = ended.unwrap();
    assert_eq!(ended.code, Some(1), "{}", blocked.account.log());
    blocked.locked.execute_batch("ROLLBACK").unwrap();
    blocked.account.begin();
    blocked
        .account
        .store()
        .is("PRAGMA integrity_check", &["ok"]);
    true
}

#[test]
fn two_signals_at_the_same_time_count_as_one() {
    // As `timeout` and some supervisors send them, to the program and to its group. Repeated, because on a busy machine
    // there may be too much time between them.
    let stopped_normally = (0..5).any(|_| {
        let mut blocked = Blocked::new();
        let answer = blocked.push_and(|account| {
            let script = "kill -TERM $0; kill -INT $0";
            let mut shell = Command::new("sh");
            shell.args(["-c", script, &account.pid().to_string()]);
            assert!(shell.status().unwrap().success());
        });
        answer.is_ok_and(|answer| answer.status == 503)
    });
    assert!(stopped_normally, "the second signal ended it");
}

#[test]
fn reloads_under_load_lose_no_request() {
    let account = Account::start();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    account
                        .post(&text("hello").from(&another_fan()))
                        .is_status(200);
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            account.reload();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(!account.log().has("panicked"), "{}", account.log());
}
