//! Pushes are counted as many as there are, whatever else their commit does.

use std::sync::mpsc::channel;

use rusqlite::Connection;

use super::*;
use crate::store::both_engines::on_both_engines;
use crate::store::followers::tests::push;
use crate::store::statement::{Statement, statement};
use crate::store::{Record, Store, erase};
use crate::wechat::Effect;

const AT: i64 = 1_790_000_000;

/// Whether as many messages and pushes are counted as there are; in SQLite also whether all are between the ids of their
/// quarter.
const IS_COUNTED: Statement = statement!({
    sqlite: "SELECT (coalesce(sum(messages), 0), coalesce(sum(pushes), 0)) =
                 (SELECT coalesce(sum(msg_type <> 'event'), 0), count(*) FROM messages)
             AND NOT EXISTS (SELECT 1 FROM messages LEFT JOIN daily_counts ON received_at / 900 = quarter
                 WHERE (pushes > 0 AND id BETWEEN first_id AND last_id) IS NOT TRUE)
             FROM daily_counts",
    mysql: "SELECT (coalesce(sum(messages), 0), coalesce(sum(pushes), 0)) =
                (SELECT coalesce(sum(msg_type <> 'event'), 0), count(*) FROM messages) FROM daily_counts",
});

const MESSAGES: Statement = statement!("SELECT count(*) FROM messages");

pub fn every_push_is_counted(store: &Store) -> bool {
    let reader = store.reader().unwrap();
    let counted = reader.read(|sql| sql.one(&IS_COUNTED, &[], |row| row.get(0)));
    counted.unwrap()
}

fn new_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
    (folder, store)
}

fn text(number: usize, sender: &str, at: i64) -> Record {
    Record {
        msg_type: "text".to_owned(),
        ..push(number, sender, at, Effect::None)
    }
}

#[test]
fn pushes_are_counted_also_where_other_work_of_their_commit_removes_them() {
    on_both_engines(|store| {
        let first_commit = [text(0, "oA", AT)];
        let closing = |openid: &str| Effect::AccountClosed {
            openid: openid.to_owned(),
        };
        let second_commit = [
            text(1, "oB", AT),
            text(2, "oC", AT),
            text(2, "oC", AT),
            push(3, "oB", AT, closing("oB")),
            text(4, "oD", AT + 900),
            push(5, "oC", AT + 900, closing("oD")),
            text(6, "oE", AT),
        ];
        for (pushes, left) in [(&first_commit[..], 1), (&second_commit[..], 3)] {
            // What is queued while this runs is one commit.
            let (running, runs) = channel();
            let (end, ended) = channel::<()>();
            let waits = move |_: &mut dyn Sql| {
                running.send(()).unwrap();
                ended.recv().unwrap();
                Ok(())
            };
            store.writer.write_then(waits, |_, _| ());
            runs.recv().unwrap();
            let (done, all) = channel();
            for push in pushes {
                let done = done.clone();
                store.record(push.clone(), move |outcome, _| {
                    done.send(outcome.is_ok()).unwrap();
                });
            }
            let forget = |sql: &mut dyn Sql| erase::rows_of(sql, "oE");
            store.writer.write_then(forget, move |outcome, _| {
                done.send(outcome.is_ok()).unwrap();
            });
            end.send(()).unwrap();
            assert_eq!(all.iter().collect::<Vec<_>>(), vec![true; pushes.len() + 1]);
            assert!(every_push_is_counted(store));
            let reader = store.reader().unwrap();
            let rows = reader.read(|sql| sql.one(&MESSAGES, &[], |row| row.get::<i64>(0)));
            assert_eq!(rows, Ok(left));
        }
    });
}

#[test]
fn messages_that_were_inserted_by_hand_are_counted_when_the_store_is_opened_next() {
    let (folder, store) = new_store();
    let (done, recorded) = channel();
    store.record(text(0, "oA", AT), move |outcome, _| {
        done.send(outcome.is_ok()).unwrap();
    });
    assert_eq!(recorded.recv(), Ok(true));
    let by_hand = Connection::open(store.file().unwrap()).unwrap();
    let sql = "INSERT INTO messages (dedup_key, openid, msg_type, received_at)
        VALUES ('1', 'oA', 'event', 1790000001), ('2', 'oA', 'text', 1790001000)";
    by_hand.execute_batch(sql).unwrap();
    assert!(!every_push_is_counted(&store));
    drop(store);
    for _ in 0..2 {
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        assert!(every_push_is_counted(&store));
    }
}
