//! The file as a side of a copy.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::super::error::{SqlError, StoreError};
use super::super::sql::{Owned, Result, Row, Sql, ToValue};
use super::super::tables::{PAGE, ROWS, Side, Table, Values, size};
use super::open::{READ_PATIENCE, for_reading, for_writing};
use super::session::Bound;
use super::{copy, schema};

/// A connection to a file.
pub(in super::super) struct File(Connection);

impl File {
    /// An existing store to be copied. `alone`: nobody else may have it open, from now on.
    ///
    /// # Errors
    /// When there is none, it is of another version, or another process has it open.
    pub(in super::super) fn source(
        path: &Path,
        alone: bool,
    ) -> std::result::Result<File, StoreError> {
        for_reading(path)?;
        File::open(path, alone)
    }

    /// A store to be written to; it is made, or migrated, first.
    ///
    /// # Errors
    /// When it cannot be, or another process has it open.
    pub(in super::super) fn target(
        path: &Path,
        alone: bool,
    ) -> std::result::Result<File, StoreError> {
        for_writing(path)?;
        File::open(path, alone)
    }

    fn open(path: &Path, alone: bool) -> std::result::Result<File, StoreError> {
        let fail =
            |error: rusqlite::Error| StoreError::from_sqlite(&path.display().to_string(), &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        if alone {
            // The last one that closes it takes away what SQLite has beside it; who only reads cannot, and who is alone
            // does not know of all.
            let read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
            read.map_err(fail)?;
            drop(connection);
            connection = copy::open_alone(path)?;
        }
        connection.busy_timeout(READ_PATIENCE).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;",
            )
            .map_err(fail)?;
        File::without_triggers(connection).map_err(fail)
    }

    /// A new file with nothing in it, private to its owner. Nobody reads it before it is complete: what is written is not
    /// on disk yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(in super::super) fn new(path: &Path) -> std::result::Result<File, StoreError> {
        copy::make_private(path)?;
        let make = || {
            let mut connection = Connection::open(path)?;
            connection.execute_batch(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;",
            )?;
            schema::migrate(&mut connection)?;
            File::without_triggers(connection)
        };
        make().map_err(|error| StoreError::from_sqlite(&path.display().to_string(), &error))
    }

    /// A copy that is restored from. It is not written to.
    ///
    /// # Errors
    /// When it is no intact store, or of another version.
    pub(in super::super) fn sound(path: &Path) -> std::result::Result<File, StoreError> {
        let connection = copy::sound(path)?;
        for_reading(path)?;
        Ok(File(connection))
    }

    /// What a trigger would count or remove is copied itself.
    fn without_triggers(connection: Connection) -> rusqlite::Result<File> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(File(connection))
    }

    fn batch(&self, sql: &str) -> Result<()> {
        Ok(self.0.execute_batch(sql)?)
    }
}

fn bound<'v>(values: impl IntoIterator<Item = &'v Owned>) -> impl rusqlite::Params {
    params_from_iter(
        values
            .into_iter()
            .map(|value| Bound(value.value()))
            .collect::<Vec<_>>(),
    )
}

impl Side for File {
    fn begin_snapshot(&mut self) -> Result<()> {
        self.batch("BEGIN")?;
        // Only what is read is kept.
        let read = self
            .0
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        Ok(read?)
    }

    fn begin(&mut self) -> Result<()> {
        self.batch("BEGIN IMMEDIATE")
    }

    fn end(&mut self) -> Result<()> {
        self.batch("COMMIT")
    }

    fn page(&mut self, table: &Table, after: Option<&[Owned]>) -> Result<Vec<Values>> {
        let beyond = after.map_or("TRUE".to_owned(), |_| table.beyond());
        let sql = format!(
            "SELECT {} FROM {} WHERE {} AND {beyond} ORDER BY {} LIMIT {ROWS}",
            Table::names(table.columns),
            table.name,
            table.condition(),
            Table::names(table.keys()),
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let after = after.map(|key| table.after(key)).unwrap_or_default();
        let mut found = statement.query(bound(after))?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE
            && let Some(row) = found.next()?
        {
            let row: &dyn Row = row;
            let values: Values = (0..table.columns.len())
                .map(|at| row.value(at).to_owned())
                .collect();
            bytes += size(&values);
            page.push(values);
        }
        Ok(page)
    }

    fn count(&mut self, table: &Table) -> Result<i64> {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE {}",
            table.name,
            table.condition()
        );
        Ok(self.0.query_row(&sql, [], |row| row.get(0))?)
    }

    fn remove(&mut self, table: &Table, keys: &[Values]) -> Result<()> {
        let sql = format!(
            "DELETE FROM {} WHERE ({}) = ({})",
            table.name,
            Table::names(table.keys()),
            vec!["?"; table.key].join(", ")
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        for key in keys {
            statement.execute(bound(key))?;
        }
        Ok(())
    }

    fn put(&mut self, table: &Table, rows: &[Values]) -> Result<()> {
        let sql = format!(
            "INSERT OR REPLACE INTO {} ({}) VALUES ({})",
            table.name,
            Table::names(table.columns),
            vec!["?"; table.columns.len()].join(", ")
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        for row in rows {
            statement
                .execute(bound(row))
                .map_err(|error| table.of_row(row, SqlError::from(error)))?;
        }
        Ok(())
    }

    /// Others are kept out of a file.
    fn users(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn run(&mut self, work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>) -> Result<()> {
        work(&mut &self.0)
    }
}
