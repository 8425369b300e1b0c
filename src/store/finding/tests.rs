//! Messages are found by time and by person, whatever the clock did.

use rusqlite::Connection;

use crate::store::followers::tests::{push, record_all};
use crate::store::signatures::remove_messages;
use crate::store::sql::Sql;
use crate::store::sqlite::schema::migrate;
use crate::store::statement::{Statement, statement};
use crate::store::{Record, Store};
use crate::wechat::Effect;

const TO_REMOVE: Statement = statement!(
    "SELECT id, dedup_key, received_at, signature, msg_type FROM messages
     WHERE created_at > 480 OR created_at BETWEEN 200 AND 230"
);
const FORGET_SIGNATURES: Statement =
    statement!("UPDATE messages SET signature = NULL WHERE created_at > 500");

/// Messages and events with times that jump by seconds and by years; some were removed, and in a file their ids reused.
pub fn badly_timed(store: &Store) {
    let message = |number: i64, msg_type: &str, received_at| Record {
        msg_type: msg_type.to_owned(),
        created_at: number,
        received_at,
        ..push(usize::try_from(number).unwrap(), "a", 0, Effect::None)
    };
    let pushes = (1..=500).map(|i| {
        let back = if i / 100 % 2 == 1 { 9_000 } else { 0 };
        let ahead = if i / 40 == 6 { 365 * 86_400 } else { 0 };
        let at = match i % 50 {
            0 => i,
            _ => 1_790_000_000 + i * 30 - back + ahead,
        };
        message(i, if i % 3 == 0 { "event" } else { "text" }, at)
    });
    record_all(store, pushes);
    let remove = |sql: &mut dyn Sql| remove_messages(sql, &TO_REMOVE, &[], i64::MAX);
    assert_eq!(store.writer.write(remove), Ok(51));
    record_all(
        store,
        [
            message(501, "event", 1_790_000_010),
            message(502, "text", 1_790_013_000),
        ],
    );
    let forget = |sql: &mut dyn Sql| sql.run(&FORGET_SIGNATURES, &[]);
    assert_eq!(store.writer.write(forget), Ok(2));
    // What an owner changes in a file, triggers count.
    if store.file().is_some() {
        let by_owner = "UPDATE messages SET id = 220 WHERE created_at = 502;
            UPDATE messages SET received_at = 1790020000 WHERE id % 70 = 1";
        let change = |connection: &Connection| connection.execute_batch(by_owner);
        store.writer.write_sqlite(change).unwrap();
    }
}

#[test]
fn every_message_is_found_in_its_quarter() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
    badly_timed(&store);
    let reader = store.reader().unwrap();
    let connection = reader.sqlite();
    let ids = |sql: &str| -> Vec<i64> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let by_quarter = messages_by_quarter!("first_id");
    let found = ids(&format!("SELECT message.id FROM {by_quarter} ORDER BY 1"));
    assert_eq!(found, ids("SELECT id FROM messages ORDER BY id"));
    let counted = "SELECT sum(pushes), sum(messages) FROM daily_counts";
    let rows = "SELECT count(*), sum(msg_type <> 'event') FROM messages";
    let both = |sql| -> (i64, i64) {
        let read = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        read.unwrap()
    };
    assert_eq!(both(counted), both(rows));
    let remove = |connection: &Connection| connection.execute_batch("DELETE FROM messages");
    store.writer.write_sqlite(remove).unwrap();
    assert_eq!(both(counted), (0, 0));
}

#[test]
fn messages_are_found_by_time_without_a_look_at_all() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    let by_quarter = messages_by_quarter!("first_id");
    for order in [
        "quarter, message.id",
        "quarter DESC, message.received_at DESC",
    ] {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT message.id FROM {by_quarter} WHERE quarter < 7 ORDER BY {order}"
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let steps = statement.query_map([], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert_eq!(
            steps[..2],
            [
                "SEARCH daily_counts USING INTEGER PRIMARY KEY (rowid<?)",
                "SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
            ]
        );
    }
}

#[test]
fn a_persons_messages_are_found_in_every_block() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n (id) AS (SELECT -1600 UNION ALL SELECT id + 1 FROM n WHERE id < 3000)
             INSERT INTO messages (id, dedup_key, openid, msg_type, received_at)
             SELECT id, id, iif(id % 7 = 0, 'a', 'b'), 'text', 1790000000 FROM n
             UNION ALL SELECT 1790000000000000 + id * 1000000, 'far ' || id, 'a', 'text', 1790000000 FROM n WHERE id > 2900",
        )
        .unwrap();
    let mut found: Vec<i64> = connection
        .prepare(messages_of_person!())
        .unwrap()
        .query_map(["a"], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    found.sort_unstable();
    let far = (2901..=3000).map(|id| 1_790_000_000_000_000 + id * 1_000_000);
    let near = (-1600..=3000).filter(|id| id % 7 == 0);
    let all: Vec<i64> = near.chain(far).collect();
    assert_eq!(found, all);
}
