//! What several nodes do at the same time, on a real server: two stores in one database.

use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::thread;

use super::super::super::error::{ErrorKind, StoreError};
use super::super::super::followers::tests::push;
use super::super::super::{Record, Recorded, Signature, Store, UsedSignature};
use super::new_database;
use crate::wechat::Effect;

/// How often each race is run.
const ROUNDS: usize = 40;

/// Two nodes; `None` where there is no server.
fn nodes() -> Option<[Store; 2]> {
    let options = new_database()?;
    let node = || Store::open(&options).unwrap();
    Some([node(), node()])
}

/// Has both nodes do this at the same time, with their number.
fn both<T: Send>(nodes: &[Store; 2], work: impl Fn(&Store, usize) -> T + Sync) -> [T; 2] {
    let barrier = Barrier::new(2);
    let run = |number: usize| {
        barrier.wait();
        work(&nodes[number], number)
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        [run(0), other.join().unwrap()]
    })
}

fn record(store: &Store, record: Record) -> Result<Recorded, StoreError> {
    let (done, recorded) = channel();
    store.record(record, move |outcome, _| done.send(outcome).unwrap());
    recorded.recv().unwrap()
}

/// A message with the signature of this number.
fn signed(number: usize, signature: usize) -> Record {
    let mut record = push(number, "oSynOne", 1_000, Effect::None);
    record.signature = by_number(signature);
    record.reply = Some(format!("of {number}"));
    record
}

fn by_number(number: usize) -> Signature {
    let mut signature = [7; 20];
    signature[..8].copy_from_slice(&number.to_be_bytes());
    signature
}

fn is_new(recorded: &Result<Recorded, StoreError>) -> bool {
    matches!(recorded, Ok(Recorded::New { .. }))
}

#[test]
fn a_signature_brings_one_of_two_pushes_that_come_to_two_nodes_at_once() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..ROUNDS {
        let of = |node: usize| signed(2 * round + node, round);
        let came = both(&nodes, |store, node| record(store, of(node)));
        let winner = usize::from(!is_new(&came[0]));
        let used = Recorded::Replayed {
            push: Some(of(winner).digest),
        };
        assert!(is_new(&came[winner]), "{came:?}");
        assert_eq!(came[1 - winner], Ok(used.clone()));
        // The same push again gets its answer at either node, with this signature or another; the other one never comes.
        for store in &nodes {
            assert_eq!(record(store, of(1 - winner)), Ok(used.clone()));
            for signature in [round, 1_000 + round] {
                let again = Record {
                    signature: by_number(signature),
                    ..of(winner)
                };
                let reply = again.reply.clone();
                let forwarded = None;
                assert_eq!(
                    record(store, again),
                    Ok(Recorded::Again { reply, forwarded })
                );
            }
            let other = signed(5_000 + round, 1_000 + round);
            assert_eq!(record(store, other), Ok(used.clone()));
        }
    }
}

#[test]
fn a_signature_that_was_used_up_at_one_node_brings_no_push_at_another() {
    let Some(nodes) = nodes() else {
        return;
    };
    let use_up = |store: &Store, number: usize| {
        let (done, heard) = channel();
        let used = UsedSignature {
            signature: by_number(number),
            received_at: 1_000,
            push: None,
        };
        store.use_up(used, move |push| done.send(push).unwrap());
        heard.recv().unwrap()
    };
    assert_eq!(use_up(&nodes[0], 1), None);
    assert_eq!(
        record(&nodes[1], signed(1, 1)),
        Ok(Recorded::Replayed { push: None })
    );
    // What is no push at one node does not keep out the push that another has recorded.
    let recorded = signed(2, 2);
    assert!(is_new(&record(&nodes[1], recorded.clone())));
    assert_eq!(use_up(&nodes[0], 2), Some(recorded.digest));
    let again = record(&nodes[0], recorded);
    assert!(matches!(again, Ok(Recorded::Again { .. })), "{again:?}");
}

#[test]
fn a_push_that_is_too_long_is_refused_alone() {
    let Some([store, other]) = nodes() else {
        return;
    };
    let (done, recorded) = channel();
    for number in 0..40 {
        let mut push = signed(number, number);
        if number % 10 == 3 {
            push.openid = "o".repeat(129);
        }
        let done = done.clone();
        store.record(push, move |outcome, _| {
            done.send((number, outcome)).unwrap();
        });
    }
    drop(done);
    for (number, outcome) in recorded {
        match number % 10 {
            3 => {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooLong, "{error}");
                assert!(error.to_string().contains("'openid'"), "{error}");
            }
            _ => assert!(is_new(&outcome), "{outcome:?}"),
        }
    }
    // Nothing of it is left, and not its signature.
    assert!(is_new(&record(&other, signed(103, 3))));
}
