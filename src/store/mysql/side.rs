//! The database as a side of a copy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::Params;
use mysql::prelude::Queryable;

use super::super::error::{ErrorKind, SqlError, StoreError};
use super::super::options::Server;
use super::super::sql::{Owned, Result, Row, Sql};
use super::super::tables::{DEDUP, DIGESTED, PAGE, ROWS, SHARDED, Side, Table, Values, size};
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::row::Found;
use super::schema;
use super::session::Connection;

/// The most rows of one statement, and about the most bytes: every server takes so much.
const INSERTED: usize = 500;
const BYTES: usize = 1 << 20;

/// The rows that are read at first: a table of pictures has few in [`PAGE`] bytes.
const AT_FIRST: usize = 16;

/// How long a server is looked for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection to a database.
pub(in super::super) struct Database {
    connection: Connection,
    /// The last table that was read, and how many rows of it are read next.
    reading: (&'static str, usize),
}

impl Database {
    /// An existing store to be copied.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub(in super::super) fn source(server: &Server) -> std::result::Result<Database, StoreError> {
        let (hosts, mut database) = Database::of(server)?;
        match schema::is_there(&mut database.connection, &hosts)? {
            true => Ok(database),
            false => Err(schema::none_yet(&hosts)),
        }
    }

    /// A store to be written to; it is made, or migrated, first.
    ///
    /// # Errors
    /// When it cannot be.
    pub(in super::super) fn target(server: &Server) -> std::result::Result<Database, StoreError> {
        let (hosts, database) = Database::of(server)?;
        schema::migrate(&hosts, &new_ids()?)?;
        Ok(database)
    }

    fn of(server: &Server) -> std::result::Result<(Arc<Hosts>, Database), StoreError> {
        let hosts = Arc::new(Hosts::new(server));
        // A statement takes as long as it takes.
        let connection = Connection::new(&hosts, &new_ids()?, Purpose::Migrating);
        let database = Database {
            connection,
            reading: ("", 0),
        };
        Ok((hosts, database))
    }

    /// Writes rows with one statement.
    fn put_some(&mut self, table: &Table, rows: &[Values]) -> Result<()> {
        let mut columns = Table::names(table.columns);
        let mut marks = vec!["?"; table.columns.len()];
        let digested = (table.name == DIGESTED.0).then(|| {
            columns = format!("{columns}, {DEDUP}");
            marks.push("unhex(sha2(?, 256))");
            DIGESTED.1
        });
        let row = format!("({})", marks.join(", "));
        let sql = format!(
            "REPLACE INTO {} ({columns}) VALUES {}",
            table.name,
            vec![row.as_str(); rows.len()].join(", ")
        );
        let values = rows.iter().flat_map(|row| {
            let again = digested.map(|name| table.columns.iter().position(|is| is.name == name));
            row.iter().chain(again.flatten().map(|at| &row[at]))
        });
        let values = Params::Positional(values.map(value).collect());
        let put = self
            .connection
            .driver(|driver| driver.exec_drop(&sql, values));
        Ok(put?)
    }
}

fn new_ids() -> std::result::Result<Arc<Ids>, StoreError> {
    let ids = Ids::new().map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
    Ok(Arc::new(ids))
}

fn value(owned: &Owned) -> mysql::Value {
    match owned {
        Owned::Null => mysql::Value::NULL,
        Owned::Integer(number) => mysql::Value::Int(*number),
        Owned::Real(number) => mysql::Value::Double(*number),
        Owned::Text(bytes) | Owned::Bytes(bytes) => mysql::Value::Bytes(bytes.clone()),
    }
}

/// The values of a statement; one without any is not prepared with an empty list.
fn values<'v>(values: impl IntoIterator<Item = &'v Owned>) -> Params {
    let values: Vec<mysql::Value> = values.into_iter().map(value).collect();
    match values.is_empty() {
        true => Params::Empty,
        false => Params::Positional(values),
    }
}

/// The columns as they are read. Of the rows of one quarter of an hour SQLite has one.
fn read_columns(table: &Table) -> String {
    if table.name != SHARDED {
        return Table::names(table.columns);
    }
    let columns = table.columns.iter().map(|column| match column.name {
        "quarter" => "quarter".to_owned(),
        "first_id" => "min(first_id)".to_owned(),
        name @ ("last_id" | "counted") => format!("max({name})"),
        name => format!("CAST(sum({name}) AS SIGNED)"),
    });
    columns.collect::<Vec<_>>().join(", ")
}

impl Side for Database {
    fn begin_snapshot(&mut self) -> Result<()> {
        Ok(self.connection.begin_snapshot()?)
    }

    fn begin(&mut self) -> Result<()> {
        self.connection.begin(Instant::now() + PATIENCE);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.connection.commit()?)
    }

    fn page(&mut self, table: &Table, after: Option<&[Owned]>) -> Result<Vec<Values>> {
        if self.reading.0 != table.name || after.is_none() {
            self.reading = (table.name, AT_FIRST);
        }
        let limit = self.reading.1;
        let sql = format!(
            "SELECT {} FROM {} WHERE {} AND {}{} ORDER BY {} LIMIT {limit}",
            read_columns(table),
            table.name,
            table.condition(),
            after.map_or("TRUE".to_owned(), |_| table.beyond()),
            if table.name == SHARDED {
                " GROUP BY quarter"
            } else {
                ""
            },
            Table::names(table.keys()),
        );
        let after = values(after.map(|key| table.after(key)).unwrap_or_default());
        let page = self.connection.driver(|driver| {
            let (mut page, mut bytes) = (Vec::new(), 0);
            for row in driver.exec_iter(&sql, after)? {
                let found = Found(row?);
                let row: &dyn Row = &found;
                let columns = 0..table.columns.len();
                let values: Values = columns.map(|at| row.value(at).to_owned()).collect();
                bytes += size(&values);
                page.push(values);
                if bytes >= PAGE {
                    break;
                }
            }
            Ok(page)
        })?;
        // What is sent beyond a page is thrown away.
        self.reading.1 = match page.len() < limit {
            true => page.len().max(1),
            false => (2 * limit).min(ROWS),
        };
        Ok(page)
    }

    fn count(&mut self, table: &Table) -> Result<i64> {
        let counted = match table.name {
            SHARDED => "DISTINCT quarter",
            _ => "*",
        };
        let sql = format!(
            "SELECT count({counted}) FROM {} WHERE {}",
            table.name,
            table.condition()
        );
        let counts: Vec<i64> = self.connection.simple_rows(&sql)?;
        let count = counts.first().copied();
        count.ok_or_else(|| SqlError::of_one("the server counted nothing"))
    }

    fn remove(&mut self, table: &Table, keys: &[Values]) -> Result<()> {
        let key = format!("({})", vec!["?"; table.key].join(", "));
        for keys in keys.chunks(INSERTED) {
            let sql = format!(
                "DELETE FROM {} WHERE ({}) IN ({})",
                table.name,
                Table::names(table.keys()),
                vec![key.as_str(); keys.len()].join(", ")
            );
            let values = values(keys.iter().flatten());
            self.connection
                .driver(|driver| driver.exec_drop(&sql, values))?;
        }
        Ok(())
    }

    fn put(&mut self, table: &Table, rows: &[Values]) -> Result<()> {
        if table.name == SHARDED {
            let keys: Vec<Values> = rows.iter().map(|row| table.key_of(row).to_vec()).collect();
            self.remove(table, &keys)?;
        }
        let mut left = rows;
        while !left.is_empty() {
            let mut bytes = 0;
            let fits = |row: &&Values| {
                bytes += size(row);
                bytes <= BYTES
            };
            let count = left.iter().take(INSERTED).take_while(fits).count().max(1);
            let (some, rest) = left.split_at(count);
            if let Err(error) = self.put_some(table, some) {
                return Err(self.of_one(table, some, error));
            }
            left = rest;
        }
        Ok(())
    }

    fn users(&mut self) -> Result<Vec<String>> {
        // As the list of nodes has it.
        let sql = "SELECT name FROM nodes WHERE seen_at >= unix_timestamp() - 60 ORDER BY name";
        Ok(self.connection.simple_rows(sql)?)
    }

    fn run(&mut self, work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>) -> Result<()> {
        work(&mut self.connection)
    }
}

impl Database {
    /// The error of the row that a statement with several failed about.
    fn of_one(&mut self, table: &Table, rows: &[Values], error: SqlError) -> SqlError {
        if let [row] = rows {
            return table.of_row(row, error);
        }
        if error.concerns_all {
            return error;
        }
        let failing = rows.iter().find_map(|row| {
            let error = self.put_some(table, std::slice::from_ref(row)).err()?;
            Some(table.of_row(row, error))
        });
        failing.unwrap_or(error)
    }
}
