//! Leases and nodes on a real server.

use std::thread;
use std::time::{Duration, Instant};

use super::super::super::error::ErrorKind;
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

#[test]
fn nodes_are_listed_with_what_they_alone_do() {
    let Some(options) = new_database() else {
        return;
    };
    let [one, other] = [(); 2].map(|()| Store::open(&options).unwrap());
    let node = |name: &str, config| Node {
        name: name.to_owned(),
        listen: "127.0.0.1:8080".to_owned(),
        version: "0.2.0".to_owned(),
        config: [config; 32],
    };
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
