//! Counts that triggers keep, for old stores and new ones.

use super::*;
use crate::store::sqlite::counting::insert_counted;

/// The rows of `daily_v`: day, subscribed, unsubscribed, net, messages.
fn daily(connection: &Connection) -> Vec<(String, i64, i64, i64, i64)> {
    let mut statement = connection.prepare("SELECT * FROM daily_v").unwrap();
    let rows = statement.query_map([], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

const ROWS: &str = "
    INSERT INTO follow_log (openid, action, at, source) VALUES
        ('a', 'subscribe', 1790000000, 'push'), ('b', 'subscribe', 1790000900, 'sync'),
        ('a', 'unsubscribe', 1790172800, 'push');
    INSERT INTO messages (dedup_key, openid, msg_type, received_at) VALUES
        ('1', 'a', 'text', 1790000001), ('2', 'a', 'event', 1790000001), ('3', 'b', 'image', 1790300000)
        ON CONFLICT (dedup_key) DO NOTHING;";

#[test]
fn daily_counts_are_the_same_for_an_old_store_and_a_new_one() {
    let mut new = Connection::open_in_memory().unwrap();
    migrate(&mut new).unwrap();
    insert_counted(&new, ROWS).unwrap();

    let mut old = Connection::open_in_memory().unwrap();
    old.execute_batch(MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(ROWS).unwrap();
    let before = daily(&old);
    migrate(&mut old).unwrap();

    assert_eq!(daily(&new), before);
    assert_eq!(daily(&old), before);
    let ranges = |connection: &Connection| -> Vec<(i64, i64, Option<i64>, Option<i64>)> {
        let sql = "SELECT quarter, pushes, first_id, last_id FROM daily_counts ORDER BY quarter";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(ranges(&old), ranges(&new));
    assert_eq!(before.len(), 3, "{before:?}");
}

#[test]
fn the_events_that_wait_for_a_hook_are_counted_as_they_go_and_come_back() {
    // A store of before, in which there are no hooks.
    let mut connection = Connection::open_in_memory().unwrap();
    let before = MIGRATIONS.iter().take_while(|step| **step != HOOKS);
    for (step, version) in before.zip(1_i64..) {
        connection.execute_batch(step).unwrap();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
    }
    connection.execute_batch(ROWS).unwrap();
    migrate(&mut connection).unwrap();
    let waiting = |sql: &str| -> Vec<(String, i64)> {
        connection.execute_batch(sql).unwrap();
        let mut statement = connection
            .prepare("SELECT name, waiting FROM hooks ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let of = |a: i64, b: i64| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(waiting(""), []);
    let come = "INSERT INTO hooks (name, waiting) VALUES ('a', 2), ('b', 1);
         INSERT INTO hook_events (digest, hook, type, body, created_at, next_at)
         VALUES (0, 'a', 'leave', '{}', 0, 0), (0, 'a', 'leave', '{}', 0, 0), (0, 'b', 'leave', '{}', 0, 0)";
    assert_eq!(waiting(come), of(2, 1));
    let heard = "UPDATE hook_events SET state = 'delivered' WHERE number IN (1, 3)";
    assert_eq!(waiting(heard), of(1, 0));
    assert_eq!(waiting(heard), of(1, 0));
    let again = "UPDATE hook_events SET state = 'waiting' WHERE number = 3";
    assert_eq!(waiting(again), of(1, 1));
    assert_eq!(waiting("DELETE FROM hook_events"), of(0, 0));
}

#[test]
fn daily_counts_follow_what_is_recorded_twice_and_what_is_removed() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    insert_counted(&connection, ROWS).unwrap();
    let before = daily(&connection);
    let again = ROWS.split_once("INSERT INTO messages").unwrap().1;
    insert_counted(&connection, &format!("INSERT INTO messages{again}")).unwrap();
    assert_eq!(daily(&connection), before);
    connection
        .execute_batch(
            "DELETE FROM messages WHERE openid = 'a'; DELETE FROM follow_log WHERE openid = 'a'",
        )
        .unwrap();
    let left: Vec<_> = daily(&connection)
        .into_iter()
        .map(|(_, subscribed, unsubscribed, net, messages)| {
            (subscribed, unsubscribed, net, messages)
        })
        .collect();
    assert_eq!(left, [(0, 0, 0, 1), (1, 0, 1, 0)]);
}
