//! Batches of pushes on a real server, where there is one, next to the same in SQLite.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::TempDir;

use crate::store::daily_counts::tests::every_push_is_counted;
use crate::store::followers::tests::push;
use crate::store::mysql::tests::new_database;
use crate::store::sql::{Owned, Sql, values};
use crate::store::statement::{Statement, statement};
use crate::store::{Options, Record, Recorded, Store, StoreError};
use crate::wechat::Effect;

const AT: i64 = 1_790_000_000;

const REMEMBER: Statement =
    statement!("INSERT INTO removed_pushes (digest, received_at) VALUES (?1, 0)");
const MESSAGES: Statement = statement!(
    "SELECT dedup_key, openid, msg_type, content, xml, reply, signature FROM messages ORDER BY dedup_key"
);
const FOLLOWERS: Statement =
    statement!("SELECT openid, subscribe_time, subscribe_scene FROM followers ORDER BY openid");
const LOG: Statement =
    statement!("SELECT openid, action, at, counts FROM follow_log ORDER BY openid, at, action");

fn text(number: usize, sender: &str, reply: &str) -> Record {
    Record {
        msg_type: "text".to_owned(),
        content: Some(format!("text {number}")),
        reply: Some(reply.to_owned()),
        ..push(number, sender, AT, Effect::None)
    }
}

fn event(number: usize, sender: &str, effect: Effect) -> Record {
    push(number, sender, AT + i64::try_from(number).unwrap(), effect)
}

/// A store on the server whose writer is one connection, and so takes what waits for it as one batch; `None` where there is
/// no server.
fn on_server() -> Option<(Options, Store)> {
    let mut options = new_database()?;
    options.server.as_mut().unwrap().connections = 1;
    let store = Store::open(&options).unwrap();
    Some((options, store))
}

fn in_file() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
    (folder, store)
}

/// Has the writer wait; returns when it does. It goes on when the sender is dropped.
fn block(store: &Store) -> Sender<()> {
    let (begin, begun) = channel();
    let (go, gate) = channel();
    let busy = move |_: &mut dyn Sql| {
        begin.send(()).unwrap();
        gate.recv().ok();
        Ok(())
    };
    store.writer.write_then(busy, |_, _| {});
    begun.recv().unwrap();
    go
}

type Outcomes = Receiver<(usize, Result<Recorded, StoreError>)>;

/// Hands in pushes, which are one batch if the writer is waiting.
fn hand_in(store: &Store, pushes: &[Record]) -> Outcomes {
    let (said, heard) = channel();
    for (number, push) in pushes.iter().enumerate() {
        let said = said.clone();
        store.record(push.clone(), move |outcome, _| {
            said.send((number, outcome)).unwrap();
        });
    }
    heard
}

/// What becomes of each push of a batch, in their order.
fn record(store: &Store, pushes: &[Record]) -> Vec<Result<Recorded, StoreError>> {
    let go = block(store);
    let heard = hand_in(store, pushes);
    drop(go);
    let outcomes: BTreeMap<_, _> = heard.iter().collect();
    assert_eq!(outcomes.len(), pushes.len());
    outcomes.into_values().collect()
}

fn all_recorded(store: &Store, pushes: &[Record]) -> Vec<Recorded> {
    let outcomes = record(store, pushes).into_iter();
    outcomes.map(Result::unwrap).collect()
}

fn rows(store: &Store, statement: &Statement) -> Vec<Vec<Owned>> {
    let reader = store.reader().unwrap();
    let found = reader.read(|sql| {
        sql.all(statement, &[], |row| {
            Ok((0..row.columns())
                .map(|at| row.value(at).to_owned())
                .collect())
        })
    });
    found.unwrap()
}

/// Records batches in both engines, which must do the same. Returns what became of the pushes of the last.
fn same_in_both(batches: &[Vec<Record>]) -> Option<Vec<Recorded>> {
    let (_options, server) = on_server()?;
    let (_folder, file) = in_file();
    let mut last = None;
    for batch in batches {
        let outcomes = all_recorded(&server, batch);
        assert_eq!(outcomes, all_recorded(&file, batch));
        last = Some(outcomes);
    }
    for statement in [&MESSAGES, &FOLLOWERS, &LOG] {
        assert_eq!(rows(&server, statement), rows(&file, statement));
    }
    assert!(every_push_is_counted(&server) && every_push_is_counted(&file));
    last
}

fn again(reply: &str) -> Recorded {
    Recorded::Again {
        reply: Some(reply.to_owned()),
        forwarded: None,
    }
}

const NEW: Recorded = Recorded::New {
    shown: None,
    forwarded: None,
};

#[test]
fn a_copy_gets_the_answer_of_the_first_whether_that_is_in_its_batch_or_before() {
    let before = vec![text(1, "oA", "first"), text(2, "oB", "first")];
    let batch = vec![
        text(3, "oC", "one"),
        text(2, "oB", "other"),
        text(3, "oC", "two"),
        text(1, "oA", "other"),
        text(4, "oD", "one"),
        text(3, "oC", "three"),
        text(2, "oB", "third"),
    ];
    let Some(outcomes) = same_in_both(&[before, batch]) else {
        return;
    };
    let expected = [
        NEW,
        again("first"),
        again("one"),
        again("first"),
        NEW,
        again("one"),
        again("first"),
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn effects_take_place_in_the_order_of_the_batch() {
    let closes = |openid: &str| Effect::AccountClosed {
        openid: openid.to_owned(),
    };
    let follows = || Effect::Follow {
        scene: Some("shop 'one'".to_owned()),
    };
    let batch = vec![
        event(1, "oA", follows()),
        event(2, "oB", follows()),
        text(3, "oB", "goes"),
        event(4, "oA", Effect::Leave),
        event(5, "oC", closes("oB")),
        // After the account was closed: these stay.
        text(6, "oB", "stays"),
        event(7, "oA", follows()),
        event(8, "oD", closes("oE")),
        text(6, "oB", "again"),
    ];
    let Some(outcomes) = same_in_both(&[batch]) else {
        return;
    };
    assert_eq!(outcomes[..8], [const { NEW }; 8]);
    assert_eq!(outcomes[8], again("stays"));
}

#[test]
fn a_push_whose_message_was_removed_is_not_inserted_with_the_others() {
    let Some((_options, store)) = on_server() else {
        return;
    };
    let batch = [1, 2, 3].map(|number| text(number, "oA", "reply"));
    let digest = batch[1].digest;
    let remember = move |sql: &mut dyn Sql| sql.run(&REMEMBER, values![digest]);
    store.writer.write(remember).unwrap();
    assert_eq!(all_recorded(&store, &batch), [NEW, Recorded::Removed, NEW]);
    assert_eq!(rows(&store, &MESSAGES).len(), 2);
    assert!(every_push_is_counted(&store));
}

#[test]
fn of_a_batch_with_a_push_that_is_too_long_only_that_one_fails() {
    let Some((_options, store)) = on_server() else {
        return;
    };
    let mut batch = [1, 2, 3, 4, 5].map(|number| text(number, "oA", "reply"));
    batch[2].openid = "o".repeat(129);
    // Its row fits; what it means does not.
    batch[4].effect = Effect::Follow {
        scene: Some("s".repeat(256)),
    };
    let outcomes = record(&store, &batch);
    let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, false, true, false, true], "{outcomes:?}");
    assert_eq!(rows(&store, &MESSAGES).len(), 3);
    assert_eq!(rows(&store, &FOLLOWERS).len(), 0);
    assert!(every_push_is_counted(&store));
}

#[test]
fn a_batch_of_megabytes_is_stored_byte_by_byte() {
    let batch: Vec<Record> = (0..60)
        .map(|number| {
            let odd = "it's \\ \"quoted\" `?1` 微信 😀 \0 \\' ; -- \n";
            let long = odd.repeat(64_000 / odd.len());
            Record {
                xml: Some(format!("<xml>{long}</xml>")),
                content: Some(String::new()),
                signature: [u8::try_from(number * 4).unwrap(); 20],
                ..text(number, "oA'\\", odd)
            }
        })
        .collect();
    let Some(outcomes) = same_in_both(&[batch]) else {
        return;
    };
    assert!(outcomes.iter().all(|outcome| *outcome == NEW));
}

#[test]
fn batches_that_overlap_at_two_nodes_record_each_push_once_with_the_same_bytes() {
    let Some((options, one)) = on_server() else {
        return;
    };
    let other = Store::open(&options).unwrap();
    let batch = |node: &str, numbers: &mut dyn Iterator<Item = usize>| -> Vec<Record> {
        numbers
            .map(|number| text(number, "oA", &format!("{number} of {node}")))
            .collect()
    };
    for round in 0..5 {
        let begin = round * 1_000;
        let mine = batch("one", &mut (begin..begin + 300));
        let theirs = batch("other", &mut (begin + 100..begin + 400).rev());
        let (go, also_go) = (block(&one), block(&other));
        let (heard, also_heard) = (hand_in(&one, &mine), hand_in(&other, &theirs));
        drop((go, also_go));
        let mut first = BTreeMap::new();
        let mut copies = Vec::new();
        let outcomes = heard.iter().map(|(at, outcome)| (&mine[at], outcome));
        let others = also_heard
            .iter()
            .map(|(at, outcome)| (&theirs[at], outcome));
        for (push, outcome) in outcomes.chain(others) {
            match outcome.unwrap() {
                Recorded::New { .. } => {
                    let reply = push.reply.clone();
                    assert_eq!(first.insert(push.dedup_key.clone(), reply), None);
                }
                Recorded::Again { reply, .. } => copies.push((push.dedup_key.clone(), reply)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((first.len(), copies.len()), (400, 200));
        for (key, reply) in copies {
            assert_eq!(first[&key], reply);
        }
    }
    assert_eq!(rows(&one, &MESSAGES).len(), 2_000);
    assert!(every_push_is_counted(&one));
}
