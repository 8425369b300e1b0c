//! The store of a live server, read with SQL the way its owner reads it with `sqlite3`.

use super::Log;
use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// A read-only connection.
pub struct Store {
    connection: Connection,
    log: Log,
}

impl Store {
    /// Opens the file read-only.
    #[track_caller]
    pub fn open(path: &Path, log: &Log) -> Self {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap_or_else(|error| panic!("{}: {error}\n{log}", path.display()));
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        Self {
            connection,
            log: log.clone(),
        }
    }

    /// The first column of the first row.
    #[track_caller]
    pub fn one<T: FromSql>(&self, sql: &str) -> T {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}\n{}\n{}", self.dump(), self.log))
    }

    /// All rows as `sqlite3` prints them: one line each, columns separated by `|`; NULL as `NULL`.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}\n{}", self.log))
    }

    /// The rows are exactly these, in the form of [`Store::rows`].
    #[track_caller]
    pub fn is(&self, sql: &str, expected: &[&str]) -> &Self {
        let got = self.rows(sql);
        assert!(
            got == expected,
            "{sql}\n--- expected ---\n{}\n--- got ---\n{}\n--- the whole store ---\n{}\n{}",
            expected.join("\n"),
            got.join("\n"),
            self.dump(),
            self.log
        );
        self
    }

    /// The number of rows of a table, or of a table with a WHERE clause.
    #[track_caller]
    pub fn count(&self, from: &str) -> i64 {
        self.one(&format!("SELECT count(*) FROM {from}"))
    }

    /// Names of the columns of a table or view, in order.
    #[track_caller]
    pub fn columns(&self, table: &str) -> Vec<String> {
        self.rows(&format!("SELECT name FROM pragma_table_info('{table}')"))
    }

    /// Every row of every table.
    pub fn dump(&self) -> String {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut dump = String::new();
        for table in self.try_rows(tables).unwrap_or_default() {
            let rows = self.try_rows(&format!("SELECT * FROM \"{table}\" ORDER BY 1"));
            dump += &format!("{table}:\n");
            for row in rows.unwrap_or_else(|error| vec![error.to_string()]) {
                dump += &format!("  {row}\n");
            }
        }
        dump
    }

    fn try_rows(&self, sql: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: rusqlite::Result<Vec<String>> =
                (0..columns).map(|at| Ok(shown(row.get(at)?))).collect();
            Ok(cells?.join("|"))
        })?;
        rows.collect()
    }
}

fn shown(value: Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// Changes the store behind the server's back, as its owner could with `sqlite3`; `sql` may have several statements.
#[track_caller]
pub fn change(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    if sql.contains("INTO messages") {
        count_inserted(&connection);
    }
    connection
        .execute_batch(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Has the messages that this connection inserts counted, as the server counts those of a commit. Old stores do it alone.
fn count_inserted(connection: &Connection) {
    let newest = "SELECT count(*) FROM sqlite_schema WHERE name = 'media_files'
        AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'messages_counted')";
    if connection.query_row(newest, [], |row| row.get(0)) != Ok(1) {
        return;
    }
    let counting = "CREATE TEMP TRIGGER counts AFTER INSERT ON main.messages BEGIN
        INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
        VALUES (CAST(new.received_at AS INTEGER) / 900, new.msg_type <> 'event', 1, new.id, new.id)
        ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
            first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
            last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id);
    END";
    connection.execute_batch(counting).unwrap();
}

/// Time passes: all that is in the store happened so many seconds earlier.
#[track_caller]
pub fn pass(path: &Path, seconds: i64) {
    change(
        path,
        &format!(
            "UPDATE messages SET received_at = received_at - {seconds}; UPDATE sent SET at = at - {seconds}"
        ),
    );
}

/// A long-running reader: it holds a snapshot of the store until dropped.
pub fn hold_a_snapshot(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("BEGIN; SELECT count(*) FROM messages;")
        .unwrap();
    connection
}
