//! Rows as the server sends them.

use mysql::Column;
use mysql::consts::ColumnType;

use super::super::sql::{Row, Value};

/// The number of the character set that is none: of bytes.
const BINARY: u16 = 63;

/// A row of a statement.
pub(super) struct Found(pub(super) mysql::Row);

impl Row for Found {
    fn columns(&self) -> usize {
        self.0.len()
    }

    fn value(&self, column: usize) -> Value<'_> {
        match self.0.as_ref(column) {
            Some(mysql::Value::Int(number)) => Value::Integer(*number),
            // Only a count could be as large.
            Some(mysql::Value::UInt(number)) => {
                Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX))
            }
            Some(mysql::Value::Float(number)) => Value::Real(f64::from(*number)),
            Some(mysql::Value::Double(number)) => Value::Real(*number),
            Some(mysql::Value::Bytes(bytes)) => match self.0.columns_ref().get(column) {
                Some(column) => of_type(column, bytes),
                None => Value::Text(bytes),
            },
            // No table has dates or times, only Unix seconds.
            None | Some(mysql::Value::NULL | mysql::Value::Date(..) | mysql::Value::Time(..)) => {
                Value::Null
            }
        }
    }
}

/// What the bytes of a column are. `VARBINARY` is a text that is compared by its bytes; `BINARY` and `BLOB` are bytes. The
/// sum of numbers is a decimal number.
fn of_type<'a>(column: &Column, bytes: &'a [u8]) -> Value<'a> {
    match column.column_type() {
        // Where the statement was sent as a text with its values, numbers are texts, too.
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_FLOAT
        | ColumnType::MYSQL_TYPE_DOUBLE
        | ColumnType::MYSQL_TYPE_NEWDECIMAL
        | ColumnType::MYSQL_TYPE_DECIMAL => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            match (text.parse(), text.parse()) {
                (Ok(number), _) => Value::Integer(number),
                (Err(_), Ok(number)) => Value::Real(number),
                (Err(_), Err(_)) => Value::Text(bytes),
            }
        }
        ColumnType::MYSQL_TYPE_STRING
        | ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB
            if column.character_set() == BINARY =>
        {
            Value::Bytes(bytes)
        }
        _ => Value::Text(bytes),
    }
}
