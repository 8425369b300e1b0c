//! How messages are found without an index of their own for it: by the time they were received, and by the person.

/// The messages as `message`, each once, by the `quarter` of an hour in which they were received, in SQLite. Queries
/// restrict `quarter`, and may skip ids before `first`.
macro_rules! messages_by_quarter {
    ($first:expr) => {
        concat!(
            "daily_counts CROSS JOIN messages AS message ON pushes > 0 AND message.id BETWEEN ",
            $first,
            " AND last_id AND CAST(message.received_at AS INTEGER) / 900 = quarter"
        )
    };
}
pub(super) use messages_by_quarter;

/// The blocks of 512 ids from the last one down to that of the id `$first`, in SQLite. Ids of a store that was on a server
/// are above 2^50 and far apart: blocks without any are left out there.
macro_rules! blocks_from {
    ($first:expr) => {
        concat!(
            "WITH RECURSIVE block (number) AS (
                 SELECT max(id) / 512 FROM messages
                 UNION ALL SELECT iif(number < 1 << 41, number - 1, (SELECT max(id) / 512 FROM messages WHERE id < number * 512))
                 FROM block WHERE number > ",
            $first,
            " / 512
             )"
        )
    };
}
pub(super) use blocks_from;

/// The ids of the messages of person `?1`, in SQLite: one lookup per block, 20,000 in ten million messages.
macro_rules! messages_of_person {
    () => {
        concat!(
            $crate::store::finding::blocks_from!("(SELECT min(id) FROM messages)"),
            " SELECT theirs.id FROM block CROSS JOIN messages AS theirs INDEXED BY messages_block
             WHERE theirs.id / 512 = block.number AND theirs.openid = ?1"
        )
    };
}
pub(super) use messages_of_person;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(super) mod tests {
    use rusqlite::Connection;
    use tempfile::TempDir;

    use crate::store::sqlite::counting::insert_counted;
    use crate::store::sqlite::schema::migrate;
    use crate::store::{Reader, Store};

    /// Messages and events with times that jump by seconds and by years; some were removed, and their ids reused.
    const BADLY_TIMED: &str = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO messages (dedup_key, openid, msg_type, received_at, signature)
        SELECT i, 'a', iif(i % 3, 'text', 'event'),
            iif(i % 50 = 0, i, 1790000000 + i * 30 - iif(i / 100 % 2, 9000, 0) + iif(i / 40 = 6, 365 * 86400, 0)),
            CAST(printf('%020d', i) AS BLOB) FROM n;
        DELETE FROM messages WHERE id > 480 OR id BETWEEN 200 AND 230;
        INSERT INTO messages (dedup_key, openid, msg_type, received_at) VALUES
            ('again', 'a', 'event', 1790000010), ('at a low id', 'a', 'text', 1790013000);
        UPDATE messages SET id = 220 WHERE dedup_key = 'at a low id';
        UPDATE messages SET received_at = 1790020000 WHERE id % 70 = 1;";

    /// A store with these.
    pub fn badly_timed() -> (TempDir, Store, Reader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let reader = store.reader().unwrap();
        store
            .writer
            .write_sqlite(|connection| insert_counted(connection, BADLY_TIMED))
            .unwrap();
        (folder, store, reader)
    }

    #[test]
    fn every_message_is_found_in_its_quarter() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        insert_counted(&connection, BADLY_TIMED).unwrap();
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
        connection.execute_batch("DELETE FROM messages").unwrap();
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
}
