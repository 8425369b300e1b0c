//! Statements on an SQLite connection, and its errors in the words of the store.

use std::ops::ControlFlow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};

use super::super::error::{ErrorKind, SqlError, StoreError};
use super::super::sql::{Result, Row, Sql, Value};
use super::super::statement::Statement;
use super::dbpage;

impl Sql for &Connection {
    fn run(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<usize> {
        if statement.sqlite.is_empty() {
            return Ok(0);
        }
        Ok(prepared(self, statement, values, 1)?.raw_execute()?)
    }

    fn insert(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<Option<i64>> {
        // SQLite makes an id where it is NULL, which an unbound parameter is.
        let inserted = prepared(self, statement, values, 2)?.raw_execute()?;
        Ok((inserted > 0).then(|| self.last_insert_rowid()))
    }

    fn rows(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if statement.sqlite.is_empty() {
            return Ok(());
        }
        let mut statement = prepared(self, statement, values, 1)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clean(&mut self, pages: &[i64]) -> Result<()> {
        let mut pages = pages.iter();
        Ok(pages.try_for_each(|number| dbpage::clean(self, *number))?)
    }

    #[cfg(test)]
    fn sqlite(&self) -> &Connection {
        self
    }
}

/// The statement with its values, of which the first is for this parameter.
fn prepared<'c>(
    connection: &'c Connection,
    statement: &Statement,
    values: &[Value<'_>],
    first: usize,
) -> Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(statement.sqlite)?;
    let (takes, given) = (prepared.parameter_count(), values.len() + first - 1);
    if takes != given {
        let reason = format!("{given} values for the {takes} of {}", statement.sqlite);
        return Err(SqlError::of_one(reason));
    }
    for (value, at) in values.iter().zip(first..) {
        prepared.raw_bind_parameter(at, Bound(*value))?;
    }
    Ok(prepared)
}

pub(super) struct Bound<'a>(pub(super) Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn columns(&self) -> usize {
        self.as_ref().column_count()
    }

    fn value(&self, column: usize) -> Value<'_> {
        match self.get_ref(column) {
            Ok(ValueRef::Integer(number)) => Value::Integer(number),
            Ok(ValueRef::Real(number)) => Value::Real(number),
            Ok(ValueRef::Text(text)) => Value::Text(text),
            Ok(ValueRef::Blob(bytes)) => Value::Bytes(bytes),
            Ok(ValueRef::Null) | Err(_) => Value::Null,
        }
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> SqlError {
        SqlError::from(&error)
    }
}

impl From<&rusqlite::Error> for SqlError {
    fn from(error: &rusqlite::Error) -> SqlError {
        let code = error.sqlite_error_code();
        let (kind, what_to_do) = match code {
            Some(ErrorCode::DiskFull) => (
                ErrorKind::Full,
                Some("the disk is full: make room, the server goes on by itself"),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                ErrorKind::Busy,
                Some(
                    "another program holds the store: end its transaction, the server goes on by itself",
                ),
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                ErrorKind::Other,
                Some("the file or its folder is not writable by this user"),
            ),
            Some(ErrorCode::NotADatabase) => (
                ErrorKind::Damaged,
                Some(
                    "the file is not an SQLite database: move it away, or name another in store.path",
                ),
            ),
            Some(ErrorCode::DatabaseCorrupt) => (
                ErrorKind::Damaged,
                Some("the file is damaged: restore a copy made by `wechatd backup`"),
            ),
            Some(ErrorCode::SystemIoFailure) => {
                (ErrorKind::Other, Some("the disk reports an error"))
            }
            Some(ErrorCode::CannotOpen) => (
                ErrorKind::Other,
                Some("check that the folder exists and is writable by this user"),
            ),
            // From the checks of `OpenFile` before and after a commit; their text has the advice.
            Some(ErrorCode::NotFound) => (ErrorKind::Gone, None),
            _ => (ErrorKind::Other, None),
        };
        // The others are about one statement and its values.
        let concerns_all = !matches!(
            code,
            None | Some(
                ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::TooBig
                    | ErrorCode::ParameterOutOfRange
            )
        );
        SqlError {
            kind,
            reason: error.to_string(),
            what_to_do,
            concerns_all,
        }
    }
}

impl StoreError {
    /// `doing` is what failed, such as `write`; the error code decides which advice is added.
    pub(in super::super) fn from_sqlite(doing: &str, error: &rusqlite::Error) -> StoreError {
        StoreError::of_sql(doing, &error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::ffi;

    use super::super::super::{Options, Reader};
    use super::*;

    #[test]
    fn an_error_of_sqlite_is_of_the_kind_that_its_code_says() {
        for (code, kind) in [
            (ffi::SQLITE_FULL, ErrorKind::Full),
            (ffi::SQLITE_BUSY, ErrorKind::Busy),
            (ffi::SQLITE_LOCKED, ErrorKind::Busy),
            (ffi::SQLITE_NOTFOUND, ErrorKind::Gone),
            (ffi::SQLITE_CORRUPT, ErrorKind::Damaged),
            (ffi::SQLITE_NOTADB, ErrorKind::Damaged),
            (ffi::SQLITE_READONLY, ErrorKind::Other),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Other),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(SqlError::from(error).kind, kind);
        }
    }

    #[test]
    fn where_there_is_no_store_it_is_gone() {
        let error = Reader::open(&Options::from(Path::new("/nonexistent/wechat.db"))).err();
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Gone));
    }
}
