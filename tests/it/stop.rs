//! The end of the server in the middle of its work.

use crate::support::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn sigterm_under_load_answers_what_was_accepted_and_refuses_the_rest_cleanly() {
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
                        // Closed before it could be heard: it came too late.
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
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(Wire::connect(&address).is_err(), "nobody listens any more");
    let store = account.store();
    let answered = answered.into_inner().unwrap();
    for (id, body) in &answered {
        let sql = format!("SELECT reply FROM messages WHERE msg_id = '{id}'");
        store.is(&sql, &[body]);
    }
    store.is("PRAGMA integrity_check", &["ok"]);
}

/// A server that can not come to its end at once: its store is locked, and a push waits for it.
struct Held {
    account: Account,
    locked: rusqlite::Connection,
}

impl Held {
    fn new() -> Self {
        let account = Account::start();
        let locked = rusqlite::Connection::open(account.store_path()).unwrap();
        locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Self { account, locked }
    }

    /// Pushes, and calls `then` while the push waits.
    fn push_and(&mut self, then: impl FnOnce(&mut Account)) -> Result<http::Response, String> {
        let mut wire = Wire::connect(self.account.address()).unwrap();
        wire.send(&text("hello").request("/wechat", TOKEN).bytes())
            .unwrap();
        // It is whole and inside when a health check behind it waits too: both wait for the writer.
        let mut behind = Wire::connect(self.account.address()).unwrap();
        behind
            .send(&Request::new("GET", "/healthz").bytes())
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        then(&mut self.account);
        wire.response()
    }
}

#[test]
fn a_push_that_waits_for_the_store_is_answered_before_the_end() {
    let mut held = Held::new();
    let mut ended = None;
    let answer = held.push_and(|account| ended = Some(account.stop()));
    assert_eq!(
        answer.map(|answer| answer.status),
        Ok(503),
        "{}",
        held.account.log()
    );
    let ended = ended.unwrap();
    assert_eq!(ended.code, Some(0), "{}", held.account.log());
    assert!(ended.took < Duration::from_secs(6), "{:?}", ended.took);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for second in ["TERM", "INT"] {
        let mut held = Held::new();
        let mut ended = None;
        let answer = held.push_and(|account| {
            account::send_signal(account.pid(), "TERM");
            eventually("the first signal", &account.log().clone(), || {
                account.log().has("stopping")
            });
            // One that comes sooner is the same one, sent to the program and to its group.
            account::send_signal(account.pid(), second);
            std::thread::sleep(Duration::from_millis(400));
            ended = Some(account.signal(second));
        });
        assert!(answer.is_err(), "{answer:?}");
        let ended = ended.unwrap();
        assert_eq!(ended.code, Some(1), "{}", held.account.log());
        assert!(
            ended.took < Duration::from_millis(1_500),
            "{:?}",
            ended.took
        );
        held.locked.execute_batch("ROLLBACK").unwrap();
        held.account.begin();
        held.account.store().is("PRAGMA integrity_check", &["ok"]);
    }
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
