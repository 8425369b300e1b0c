//! Reading columns with values of unexpected types: SQLite stores whatever an owner or another program writes, and one
//! such row must not break a list.

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

/// The text of a column that is never NULL.
pub(super) fn some_text(row: &Row, column: usize) -> rusqlite::Result<String> {
    text(row, column).map(Option::unwrap_or_default)
}

/// An integer; `None` for NULL and for anything that is not one.
pub(super) fn number(row: &Row, column: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    })
}

/// The number in a column that is never NULL.
pub(super) fn some_number(row: &Row, column: usize) -> rusqlite::Result<i64> {
    number(row, column).map(Option::unwrap_or_default)
}
