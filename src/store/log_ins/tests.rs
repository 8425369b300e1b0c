//! Log-ins that are rows, at two nodes with one database.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::thread;

use super::LogInPhase::{Approved, Completed, Denied, Scanned, Waiting};
use super::*;
use crate::store::followers::tests::push;
use crate::store::mysql::tests::new_database;
use crate::store::{NewSession, Record, SessionFilter, SessionRow};
use crate::wechat::Effect;

/// Two nodes; `None` where there is no server.
fn nodes() -> Option<[Store; 2]> {
    let options = new_database()?;
    Some([(); 2].map(|()| Store::open(&options).unwrap()))
}

fn new(id: &str, code: u32, network: &str, flow: u8) -> NewLogInRow {
    NewLogInRow {
        id: id.to_owned(),
        code,
        flow: [flow; 16],
        network: Some(network.to_owned()),
        page: "example.com\nFirefox\n192.0.2.1".to_owned(),
        way_back: "/a".to_owned(),
        numbers: [12, 0xff, 80],
        number: 80,
        lives: Duration::from_secs(180),
    }
}

fn begin(store: &Store, id: &str, code: u32, network: &str, flow: u8) -> LogInBegun {
    let new = new(id, code, network, flow);
    store.begin_log_in(new, 4, 2).unwrap()
}

fn found(store: &Store, id: &str) -> LogInRow {
    let found = store.read(|reader| reader.log_ins(&LogInKey::Id(id)));
    found.unwrap().pop().unwrap()
}

fn phase(store: &Store, id: &str) -> LogInPhase {
    found(store, id).phase
}

/// A push of this person, which is recorded at this node.
fn records(store: &Store, number: usize, openid: &str, effect: Effect, to: Option<LogInPhase>) {
    let record = Record {
        log_in: to.map(|to| LogInStep {
            id: "a".to_owned(),
            openid: openid.to_owned(),
            to,
            lives: Duration::ZERO,
        }),
        ..push(number, openid, 1_790_000_000, effect)
    };
    let (done, recorded) = channel();
    store.record(record, move |outcome, _| done.send(outcome).unwrap());
    recorded.recv().unwrap().unwrap();
}

fn complete(store: &Store, openid: &str, token: u8) -> bool {
    let session = NewSession {
        token_hash: [token; 32],
        openid: openid.to_owned(),
        unionid: None,
        method: "scan".to_owned(),
        created_at: 1_790_000_000,
        expires_at: 1_800_000_000,
        address: None,
        agent: None,
    };
    store.complete_log_in("a", session, None).unwrap()
}

fn sessions(store: &Store) -> usize {
    let mut count = 0;
    let each = |_: SessionRow| {
        count += 1;
        Ok::<(), StoreError>(())
    };
    let reader = store.reader().unwrap();
    reader.sessions(&SessionFilter::default(), each).unwrap();
    count
}

#[test]
fn the_limits_are_those_of_all_nodes_together() {
    let Some([one, other]) = nodes() else { return };
    let begun = |of_minute| LogInBegun::Begun { of_minute };
    assert_eq!(begin(&one, "a", 1, "192.0.2.1", 1), begun(0));
    assert_eq!(begin(&other, "b", 1, "192.0.2.1", 1), LogInBegun::CodeTaken);
    assert_eq!(begin(&other, "b", 2, "192.0.2.1", 1), begun(1));
    // A page that is loaded again makes room by its own oldest one, which goes on to count for the minute.
    let refused = begin(&other, "c", 3, "192.0.2.1", 2);
    assert_eq!(refused, LogInBegun::TooManyHere);
    assert_eq!(begin(&one, "c", 3, "192.0.2.1", 1), begun(2));
    assert!(found(&other, "a").left.is_zero());
    assert_eq!(begin(&other, "d", 4, "192.0.2.2", 3), begun(3));
    assert_eq!(begin(&one, "e", 5, "192.0.2.3", 3), begun(4));
    assert_eq!(begin(&other, "f", 6, "192.0.2.4", 3), LogInBegun::Full);
    let row = found(&other, "b");
    let expected = new("b", 2, "192.0.2.1", 1);
    assert_eq!(
        (row.new.page, row.new.numbers, row.new.flow, row.new.number),
        (
            expected.page,
            expected.numbers,
            expected.flow,
            expected.number
        )
    );
    assert!(row.left > Duration::from_secs(170) && row.age < Duration::from_secs(10));
    let stands = one.read(|reader| reader.log_ins_stand()).unwrap();
    assert_eq!(stands.len(), 5);
}

#[test]
fn a_log_in_belongs_to_who_scanned_it_first_and_is_completed_once_whatever_the_node() {
    let Some([one, other]) = nodes() else { return };
    begin(&one, "a", 1, "192.0.2.1", 1);
    assert_eq!(phase(&other, "a"), Waiting);
    records(&other, 1, "oAmy", Effect::None, Some(Scanned));
    records(&one, 2, "oBen", Effect::None, Some(Scanned));
    records(&one, 3, "oBen", Effect::None, Some(Approved));
    let row = found(&one, "a");
    assert_eq!((row.phase, row.openid.as_deref()), (Scanned, Some("oAmy")));
    assert!(!complete(&one, "oAmy", 1));
    records(&one, 4, "oAmy", Effect::None, Some(Approved));
    // Scanned again, or delivered again: nothing.
    records(&other, 5, "oAmy", Effect::None, Some(Scanned));
    records(&other, 1, "oAmy", Effect::None, Some(Denied));
    assert_eq!(phase(&other, "a"), Approved);
    assert!(!complete(&other, "oBen", 2));
    let at_once = Barrier::new(2);
    let completed: usize = thread::scope(|scope| {
        let threads = [(&one, 3), (&other, 4)].map(|(store, token)| {
            let at_once = &at_once;
            scope.spawn(move || {
                at_once.wait();
                usize::from(complete(store, "oAmy", token))
            })
        });
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!((completed, sessions(&one)), (1, 1));
    assert_eq!(phase(&other, "a"), Completed);
}

#[test]
fn who_leaves_is_logged_in_nowhere_also_while_the_session_begins() {
    let Some([one, other]) = nodes() else { return };
    let mut number = 0;
    for _ in 0..20 {
        let mut says = |openid: &str, effect: Effect, to| {
            number += 1;
            records(&one, number, openid, effect, to);
        };
        begin(&one, "a", 1, "192.0.2.1", 1);
        says("oAmy", Effect::None, Some(Scanned));
        says("oAmy", Effect::None, Some(Approved));
        let at_once = Barrier::new(2);
        thread::scope(|scope| {
            let at_once = &at_once;
            let other = &other;
            scope.spawn(move || {
                at_once.wait();
                complete(other, "oAmy", 1)
            });
            at_once.wait();
            says("oAmy", Effect::Leave, None);
        });
        assert_eq!((phase(&other, "a"), sessions(&other)), (Denied, 0));
        let reader = one.reader().unwrap();
        one.erase(&reader, "oAmy").unwrap();
        let left = one.read(|reader| reader.log_ins(&LogInKey::Code(1)));
        assert_eq!(left.unwrap().len(), 0, "forgotten");
    }
}

#[test]
fn of_two_numbers_at_the_same_time_the_wrong_one_counts() {
    let Some([one, other]) = nodes() else { return };
    for (round, first) in [(0, Approved), (10, Denied)] {
        begin(&one, "a", 1, "192.0.2.1", 1);
        records(&one, round + 1, "oAmy", Effect::None, Some(Scanned));
        let second = if first == Approved { Denied } else { Approved };
        records(&one, round + 2, "oAmy", Effect::None, Some(first));
        records(&other, round + 3, "oAmy", Effect::None, Some(second));
        assert_eq!(phase(&one, "a"), Denied);
        let reader = one.reader().unwrap();
        one.erase(&reader, "oAmy").unwrap();
    }
}
