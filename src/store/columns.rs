//! Reading columns that an owner, or another program, may have filled with another kind of value: SQLite keeps
//! whatever it is given, and one such row must not break a list.

use rusqlite::Row;
use rusqlite::types::ValueRef;

/// A text, whatever the column holds; `None` for NULL.
pub(super) fn text(row: &Row, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    })
}

/// A text of a column that has one in every row.
pub(super) fn some_text(row: &Row, column: usize) -> rusqlite::Result<String> {
    text(row, column).map(Option::unwrap_or_default)
}

/// A whole number; `None` for NULL and for what is none.
pub(super) fn number(row: &Row, column: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    })
}

/// A number of a column that has one in every row.
pub(super) fn some_number(row: &Row, column: usize) -> rusqlite::Result<i64> {
    number(row, column).map(Option::unwrap_or_default)
}
