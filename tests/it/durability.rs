//! Killed again and again under load: whatever was answered is in the store with the answer that was given.

use crate::support::*;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often the server is killed.
const ROUNDS: usize = 50;
/// Clients that push at the same time.
const CLIENTS: usize = 4;
/// A round's kill comes when it has at least so many answers: soon in one round, late in another, and always in
/// the middle of what the clients do.
fn enough(round: usize) -> usize {
    (round * 7) % 25
}

/// A push that was answered, and how.
struct Answered {
    push: Push,
    body: String,
}

/// Pushes over new and kept connections until the server is gone; nothing but 200 is an answer.
fn push_until_killed(address: &http::Address, answered: &Mutex<Vec<Answered>>, log: &Log) {
    let mut kept: Option<Wire> = None;
    for n in 0_usize.. {
        let fan = another_fan();
        let turn = [subscribe(), text("under load"), click("K"), unsubscribe()];
        // Every fourth person leaves again, the others stay.
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
    let mut looked_at = 0;
    for round in 0..ROUNDS {
        let (address, log) = (account.address().clone(), account.log().clone());
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| push_until_killed(&address, &answered, &log));
            }
            // The clients go on until the kill, also when it comes because too few were answered.
            let begun = Instant::now();
            let answers = || answered.lock().unwrap().len() - looked_at;
            while answers() < enough(round) && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            account.kill();
        });
        account.begin();
        let answered = answered.lock().unwrap();
        let answers = answered.len() - looked_at;
        assert!(answers >= enough(round), "{answers}\n{}", account.log());
        is_kept(&account, &answered[looked_at..]);
        // The platform did not hear it, or delivers again for another reason: the same answer.
        for Answered { push, body } in answered[looked_at..].iter().rev().take(2) {
            account.post(push).is(200, body);
        }
        looked_at = answered.len();
    }
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() > 10 * ROUNDS, "{} answers", answered.len());
    is_kept(&account, &answered);
    is_sound(&account);
    let ended = account.stop();
    assert_eq!(ended.code, Some(0));
    is_kept(&account, &answered);
    is_sound(&account);
    eprintln!("{} answers over {ROUNDS} kills, none lost", answered.len());
}

/// Each answered push is in the store once, with the answer that was given.
#[track_caller]
fn is_kept(account: &Account, answered: &[Answered]) {
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

/// The file is whole, and the followers are those whose last act was to follow.
#[track_caller]
fn is_sound(account: &Account) {
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
