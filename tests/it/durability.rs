//! Kills the server repeatedly under load: every push that was answered is in the store, with its reply.

use crate::support::*;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often the server is killed.
const ROUNDS: usize = 50;
/// Concurrent clients.
const CLIENTS: usize = 4;
/// The answers to wait for before the kill: few in some rounds and many in others, and the clients are always busy.
fn answers_before_kill(round: usize) -> usize {
    (round * 7) % 25
}

/// A push and its answer.
struct Answered {
    push: Push,
    body: String,
}

/// Pushes over new and kept-alive connections until the server is gone. Every answer must be 200.
fn push_until_killed(address: &http::Address, answered: &Mutex<Vec<Answered>>, log: &Log) {
    let mut kept: Option<Wire> = None;
    for n in 0_usize.. {
        let fan = another_fan();
        let turn = [subscribe(), text("under load"), click("K"), unsubscribe()];
        // Every fourth person unsubscribes again.
        let turn = turn
            .into_iter()
            .take(if n.is_multiple_of(4) { 4 } else { 3 });
        for push in turn.map(|push| push.from(&fan)) {
            let request = push.request("/wechat", TOKEN).keep_alive();
            let Some(mut wire) = kept.take().or_else(|| Wire::connect(address).ok()) else {
                return;
            };
            if wire.send(&request.bytes()).is_err() {
                return;
            }
            let Ok(response) = wire.response() else {
                return;
            };
            assert_eq!(response.status, 200, "{log}");
            let body = String::from_utf8(response.body).unwrap();
            answered.lock().unwrap().push(Answered { push, body });
            kept = Some(wire).filter(|_| !n.is_multiple_of(3));
        }
    }
}

#[test]
fn fifty_kills_under_load_lose_nothing_that_was_answered() {
    let mut account = Account::start();
    let answered = Mutex::new(Vec::new());
    let mut checked = 0;
    for round in 0..ROUNDS {
        let (address, log) = (account.address().clone(), account.log().clone());
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| push_until_killed(&address, &answered, &log));
            }
            // Kills even if too few were answered in time, because the clients only end with the server.
            let begun = Instant::now();
            let answers = || answered.lock().unwrap().len() - checked;
            while answers() < answers_before_kill(round) && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            account.kill();
        });
        account.begin();
        let answered = answered.lock().unwrap();
        let answers = answered.len() - checked;
        assert!(
            answers >= answers_before_kill(round),
            "{answers}\n{}",
            account.log()
        );
        is_stored(&account, &answered[checked..]);
        // A push that is delivered again gets the same answer.
        for Answered { push, body } in answered[checked..].iter().rev().take(2) {
            account.post(push).is(200, body);
        }
        checked = answered.len();
    }
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() > 10 * ROUNDS, "{} answers", answered.len());
    is_stored(&account, &answered);
    is_consistent(&account);
    let ended = account.stop();
    assert_eq!(ended.code, Some(0));
    is_stored(&account, &answered);
    is_consistent(&account);
    eprintln!("{} answers over {ROUNDS} kills, none lost", answered.len());
}

/// Each answered push is in the store once, with the answer that was given.
#[track_caller]
fn is_stored(account: &Account, answered: &[Answered]) {
    let store = account.store();
    let rows = store.rows(
        "SELECT openid || ' ' || coalesce(msg_id, event), coalesce(reply, 'success') FROM messages",
    );
    let kept: HashMap<&str, &str> = rows.iter().filter_map(|row| row.split_once('|')).collect();
    assert_eq!(kept.len(), rows.len(), "a push has two rows");
    for Answered { push, body } in answered {
        let key = push.key_in_store();
        let found = kept.get(key.as_str());
        assert_eq!(found, Some(&body.as_str()), "{key}\n{}", account.log());
    }
}

/// The file is intact, and the followers are those whose last event was a subscribe.
#[track_caller]
fn is_consistent(account: &Account) {
    let store = account.store();
    store.is("PRAGMA integrity_check", &["ok"]);
    let by_log = "SELECT openid FROM follow_log AS last WHERE action = 'subscribe' AND NOT EXISTS
        (SELECT 1 FROM follow_log AS later WHERE later.openid = last.openid AND later.at > last.at)";
    store.is(
        &format!("{by_log} EXCEPT SELECT openid FROM followers"),
        &[],
    );
    store.is(
        &format!("SELECT openid FROM followers EXCEPT {by_log}"),
        &[],
    );
    let followed = "SELECT count(*) FROM messages WHERE event IN ('subscribe', 'unsubscribe')";
    let followed: i64 = store.one(followed);
    assert_eq!(store.count("follow_log"), followed);
    assert!(store.count("followers") > 0);
}
