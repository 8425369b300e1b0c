//! Leases and nodes on a real server.

use std::thread;
use std::time::{Duration, Instant};

use super::super::super::error::ErrorKind;
use super::super::super::process::began as began_at;
use super::super::super::sql::values;
use super::super::super::statement::{Statement, statement};
use super::super::super::{KeptToken, Node, Reader, Store};
use super::new_database;
use crate::secret::Secret;

#[test]
fn a_node_that_was_suspended_writes_nothing_after_another_has_taken_over() {
    let Some(options) = new_database() else {
        return;
    };
    let [slow, next] = [(); 2].map(|()| Store::open(&options).unwrap());
    let length = Duration::from_secs(60);
    let taken = Instant::now();
    let lease = slow.take_lease("chores", length).unwrap().unwrap();
    let until = lease.until() - taken;
    assert!((40..=41).contains(&until.as_secs()), "{until:?}");
    assert!(next.take_lease("chores", length).unwrap().is_none());
    assert!(slow.take_lease("chores", length).unwrap().is_none());
    slow.under(&lease).keep_setting("name", "slow").unwrap();
    assert!(slow.renew_lease(&lease).unwrap().is_some());
    expire(&slow);
    // Nobody has taken it.
    slow.under(&lease).keep_setting("name", "still").unwrap();
    let taken = next.take_lease("chores", length).unwrap().unwrap();
    let token = |value: &str| KeptToken {
        value: Secret::new(value),
        expires_at: 2_000_000_000,
    };
    next.keep_token("access_token", &token("new")).unwrap();
    let refused = slow.under(&lease).keep_token("access_token", &token("old"));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Superseded);
    let kept = next.kept_token("access_token").unwrap().unwrap();
    assert_eq!(kept.value.expose(), "new");
    let refused = slow.under(&lease).keep_setting("name", "slow").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Superseded);
    assert!(slow.renew_lease(&lease).unwrap().is_none());
    slow.end_lease(&lease).unwrap();
    next.under(&taken).keep_setting("other", "next").unwrap();
    assert_eq!(slow.setting("name").unwrap().as_deref(), Some("still"));
    next.end_lease(&taken).unwrap();
    // The same holder again is another one.
    let again = next.take_lease("chores", length).unwrap().unwrap();
    assert!(next.renew_lease(&taken).unwrap().is_none());
    assert!(next.renew_lease(&again).unwrap().is_some());
}

/// The time of all leases is over, by the clock of the server.
fn expire(store: &Store) {
    const EXPIRE: Statement = statement!("UPDATE leases SET until_ms = 1 WHERE name <> ''");
    let expired = store.writer.write(|sql| sql.run(&EXPIRE, &[]));
    assert_eq!(expired, Ok(1));
}

#[test]
fn a_lease_that_several_ask_for_at_once_goes_to_one() {
    let Some(options) = new_database() else {
        return;
    };
    let stores = [(); 4].map(|()| Store::open(&options).unwrap());
    for round in 0..20 {
        let ask = |store: &Store| {
            let taken = store.take_lease("hooks", Duration::from_secs(60));
            taken.unwrap().is_some()
        };
        let taken = thread::scope(|scope| {
            let asking = stores
                .each_ref()
                .map(|store| scope.spawn(move || ask(store)));
            let taken = asking.map(|thread| thread.join().unwrap());
            taken.iter().filter(|taken| **taken).count()
        });
        assert_eq!(taken, 1, "round {round}");
        expire(&stores[0]);
    }
}

fn node(name: &str, config: u8) -> Node {
    Node {
        name: name.to_owned(),
        listen: "127.0.0.1:8080".to_owned(),
        version: "0.2.0".to_owned(),
        config: [config; 32],
    }
}

#[test]
fn nodes_are_listed_with_what_they_alone_do() {
    let Some(options) = new_database() else {
        return;
    };
    let [one, other] = [(); 2].map(|()| Store::open(&options).unwrap());
    one.tell_nodes(&node("a", 1)).unwrap();
    other.tell_nodes(&node("b", 1)).unwrap();
    other.tell_nodes(&node("b", 2)).unwrap();
    other
        .take_lease("chores", Duration::from_secs(60))
        .unwrap()
        .unwrap();
    let listed = || one.read(Reader::nodes).unwrap();
    let rows = listed();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].id, one.node());
    assert_eq!((&rows[1].node, rows[1].is_alive), (&node("b", 2), true));
    assert_eq!(rows[0].leases, [""; 0]);
    assert_eq!(rows[1].leases, ["chores"]);
    const AGE: Statement = statement!("UPDATE nodes SET seen_at = seen_at - 61 WHERE name = 'b'");
    one.writer.write(|sql| sql.run(&AGE, &[])).unwrap();
    assert!(!listed()[1].is_alive);
    other.leave_nodes().unwrap();
    assert_eq!(listed().len(), 1);
}

#[test]
fn leases_end_at_once_only_of_nodes_whose_process_is_seen_to_have_ended() {
    let Some(options) = new_database() else {
        return;
    };
    let starting = Store::open(&options).unwrap();
    let here = starting.process.to_string();
    let [_pid, _nonce, name, began] = here.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{here}");
    };
    // No process has this id: it is above the kernel's maximum.
    let nobody = 5_000_000;
    let mut running = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let other = running.id();
    let since = began_at(other).unwrap();
    for (process, has_ended) in [
        (format!("{nobody} 7 {name} {began}"), true),
        (format!("{other} 7 {name} {since}"), false),
        (format!("{other} 7 {name} {}", since - 1), true),
        // Another machine, another boot of this one, another container.
        (format!("{nobody} 7 another-boot/4026531836 {began}"), false),
        (format!("{nobody} 7 {name}1 {began}"), false),
        // Where the system does not tell.
        (format!("{nobody} 7"), false),
    ] {
        let mut earlier = Store::open(&options).unwrap();
        earlier.process = process.parse().unwrap();
        earlier.tell_nodes(&node("a", 1)).unwrap();
        let length = Duration::from_secs(60);
        let held = earlier.take_lease("chores", length).unwrap().unwrap();
        starting.end_dead_nodes().unwrap();
        let is_listed = starting
            .read(Reader::nodes)
            .unwrap()
            .iter()
            .any(|row| row.id == earlier.node());
        assert_eq!(is_listed, !has_ended, "{process}");
        let taken = starting.take_lease("chores", length).unwrap();
        assert_eq!(taken.is_some(), has_ended, "{process}");
        let wrote = earlier.under(&held).keep_setting("name", "earlier");
        assert_eq!(wrote.is_err(), has_ended, "{process}");
        expire(&starting);
        let free = starting.take_lease("chores", length).unwrap();
        starting.end_lease(&free.unwrap()).unwrap();
    }
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn what_ended_processes_left_of_their_commits_goes_after_a_day() {
    let Some(options) = new_database() else {
        return;
    };
    let store = Store::open(&options).unwrap();
    const LEAVE: Statement = statement!(
        "INSERT INTO commits (writer, attempt, at) VALUES (?1, 77, unix_timestamp() - ?2)"
    );
    let leave = |writer: u8, age: i64| {
        let writer = [writer; 16];
        let left = store
            .writer
            .write(move |sql| sql.run(&LEAVE, values![writer, age]));
        assert_eq!(left, Ok(1));
    };
    for (writer, age) in [(1, 86_410), (2, 86_390), (3, 10 * 86_400)] {
        leave(writer, age);
    }
    assert_eq!(store.remove_commits(1), Ok(1));
    assert_eq!(store.remove_commits(9), Ok(1));
    assert_eq!(store.remove_commits(9), Ok(0));
    const LEFT: Statement = statement!("SELECT writer FROM commits WHERE attempt = 77");
    let left: Vec<[u8; 16]> = store
        .reader()
        .unwrap()
        .read(|sql| sql.all(&LEFT, &[], |row| row.get(0)))
        .unwrap();
    assert_eq!(left, [[2; 16]]);
}
