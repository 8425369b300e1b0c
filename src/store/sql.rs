//! The one way to an engine: statements with their values, and rows, whatever the engine is.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::SqlError;
use super::statement::Statement;

/// The outcome of a statement.
pub(super) type Result<T> = std::result::Result<T, SqlError>;

/// A connection to an engine, as the logic of the store sees it. Transactions are begun and ended by who owns it.
pub(super) trait Sql {
    /// Runs a statement and returns how many rows it inserted, deleted, or found to update. A row that is there already
    /// counts as none.
    ///
    /// # Errors
    /// When the engine refuses it, or cannot be reached.
    fn run(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<usize>;

    /// Inserts one row with a new id, which is `?1`; `values` begin at `?2`. Returns the id; `None` if the row is there
    /// already.
    ///
    /// # Errors
    /// As [`Sql::run`].
    fn insert(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<Option<i64>>;

    /// Calls `each` for every row until it breaks.
    ///
    /// # Errors
    /// As [`Sql::run`], and those of `each`.
    fn rows(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()>;

    /// Runs a statement of which nobody needs to know how many rows it concerned, and whose row is never there already. Where
    /// that saves a round trip it is sent with the next statement or the commit, and fails with that.
    ///
    /// # Errors
    /// As [`Sql::run`].
    fn run_soon(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<()> {
        self.run(statement, values).map(drop)
    }

    /// Whether the row of `messages` with this id is there after the commit, so that it is looked for: a server may say that it
    /// has committed what it has not.
    fn expect(&mut self, _message: i64, _is_there: bool) {}

    /// The same connection, if each statement is a round trip and many rows at once are faster.
    #[cfg(feature = "mysql")]
    fn many(&mut self) -> Option<&mut dyn Many> {
        None
    }

    /// Overwrites the unallocated space of these pages of the file. Does nothing where there is no file.
    ///
    /// # Errors
    /// As [`Sql::run`].
    fn clean(&mut self, pages: &[i64]) -> Result<()>;

    /// The SQLite connection behind this.
    #[cfg(test)]
    fn sqlite(&self) -> &rusqlite::Connection;
}

/// Many rows in one round trip.
#[cfg(feature = "mysql")]
pub(super) trait Many: Sql {
    /// A new id for a row.
    fn new_id(&mut self) -> i64;

    /// Inserts all of these rows, and if one of them is there already, `false`, those of the statements before its own. What
    /// a statement has in `VALUES (…)` is there for each row. Where they were inserted, calls `each` for what `find` finds,
    /// as [`Many::find_all`].
    ///
    /// # Errors
    /// As [`Sql::run`], and those of `each`.
    fn insert_all(
        &mut self,
        rows: &[(&Statement, &[Vec<Value<'_>>])],
        find: &Statement,
        wanted: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<bool>;

    /// Calls `each` for every row that has one of these: what `find` has in `IN (…)` is there for each of them, as `?1`.
    ///
    /// # Errors
    /// As [`Sql::run`], and those of `each`.
    fn find_all(
        &mut self,
        find: &Statement,
        wanted: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()>;
}

impl dyn Sql + '_ {
    /// What `read` makes of the first row; `None` without rows.
    pub(super) fn optional<T>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.rows(statement, values, &mut |row| {
            found = Some(read(row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// What `read` makes of the first row, which such a statement always has.
    pub(super) fn one<T>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<T> {
        let found = self.optional(statement, values, read)?;
        found.ok_or_else(|| SqlError::of_one("the statement returned no rows"))
    }

    /// What `read` makes of all rows.
    pub(super) fn all<T>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.rows(statement, values, &mut |row| {
            all.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// Whether there is a row.
    pub(super) fn exists(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<bool> {
        Ok(self.optional(statement, values, |_| Ok(()))?.is_some())
    }
}

/// A row that was found.
pub(super) trait Row {
    /// How many columns it has.
    fn columns(&self) -> usize;
    /// What a column holds, counted from 0; NULL beyond the last one.
    fn value(&self, column: usize) -> Value<'_>;
}

impl dyn Row + '_ {
    /// What a column holds, counted from 0, of the type that the caller expects.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn get<T: FromValue>(&self, column: usize) -> Result<T> {
        let value = self.value(column);
        T::from_value(value)
            .ok_or_else(|| SqlError::of_one(format!("column {column} holds {}", value.type_name())))
    }

    /// A text, whatever the column holds: SQLite stores whatever an owner or another program writes, and one such row
    /// must not break a list. `None` for NULL.
    pub(super) fn text(&self, column: usize) -> Option<String> {
        match self.value(column) {
            Value::Null => None,
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Text(bytes) | Value::Bytes(bytes) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }

    /// The text of a column that is never NULL.
    pub(super) fn some_text(&self, column: usize) -> String {
        self.text(column).unwrap_or_default()
    }

    /// An integer; `None` for NULL and for anything that is not one.
    pub(super) fn number(&self, column: usize) -> Option<i64> {
        match self.value(column) {
            Value::Integer(number) => Some(number),
            Value::Text(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            Value::Null | Value::Real(_) | Value::Bytes(_) => None,
        }
    }

    /// The number in a column that is never NULL.
    pub(super) fn some_number(&self, column: usize) -> i64 {
        self.number(column).unwrap_or_default()
    }
}

/// A value on its way to an engine or from it. Texts may be no UTF-8: SQLite stores whatever an owner writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// The same, kept longer than its row.
    pub(super) fn to_owned(self) -> Owned {
        match self {
            Value::Null => Owned::Null,
            Value::Integer(number) => Owned::Integer(number),
            Value::Real(number) => Owned::Real(number),
            Value::Text(text) => Owned::Text(text.to_vec()),
            Value::Bytes(bytes) => Owned::Bytes(bytes.to_vec()),
        }
    }

    /// The text, if it is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => std::str::from_utf8(text).ok(),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Bytes(_) => None,
        }
    }

    /// The bytes of a text or of bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Value::Text(bytes) | Value::Bytes(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Integer(_) => "a number",
            Value::Real(_) => "a real number",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
        }
    }
}

/// A value that is kept longer than its row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
}

/// What can be a value of a statement.
pub(super) trait ToValue {
    /// The value.
    fn value(&self) -> Value<'_>;
}

/// The values of a statement, `?1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::sql::ToValue::value(&$value)),*]
    };
}
pub(super) use values;

impl ToValue for Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Owned::Null => Value::Null,
            Owned::Integer(number) => Value::Integer(*number),
            Owned::Real(number) => Value::Real(*number),
            Owned::Text(text) => Value::Text(text),
            Owned::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

impl ToValue for Value<'_> {
    fn value(&self) -> Value<'_> {
        *self
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::value)
    }
}

impl ToValue for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_bytes())
    }
}

impl ToValue for String {
    fn value(&self) -> Value<'_> {
        self.as_str().value()
    }
}

impl ToValue for Arc<str> {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl ToValue for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl ToValue for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

/// The most rows, for `LIMIT`: without a limit, more than any table has.
pub(super) fn limit(most: Option<u32>) -> i64 {
    most.map_or(i64::MAX, i64::from)
}

macro_rules! integers_to_values {
    ($($integer:ty),*) => {$(
        impl ToValue for $integer {
            fn value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        }
    )*};
}
integers_to_values!(i64, i32, u32, u16, u8, bool);

/// What a column can be read as.
pub(super) trait FromValue: Sized {
    /// `None` if it holds something else.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Option<i64> {
        match value {
            Value::Integer(number) => Some(number),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Bytes(_) => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Option<bool> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for u32 {
    fn from_value(value: Value<'_>) -> Option<u32> {
        i64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Vec<u8>> {
        match value {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value<'_>) -> Option<[u8; N]> {
        match value {
            Value::Bytes(bytes) => bytes.try_into().ok(),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) => None,
        }
    }
}

impl FromValue for Owned {
    fn from_value(value: Value<'_>) -> Option<Owned> {
        Some(value.to_owned())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Bytes(_) => {
                T::from_value(value).map(Some)
            }
        }
    }
}
