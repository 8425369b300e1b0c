//! Whole rows for exports: every column, a row at a time, so that memory does not grow with the store.

use rusqlite::params;
use rusqlite::types::ValueRef;

use super::error::StoreError;
use super::followers::FollowerFilter;
use super::messages::MessageFilter;
use super::open::Reader;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(&'a str),
}

impl Reader {
    /// Calls `each` with the names of the columns and the values of every follower that the filter lets through,
    /// newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn export_followers<E: From<StoreError>>(
        &self,
        filter: &FollowerFilter,
        each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT * FROM followers {}", FollowerFilter::WHERE);
        let values = params![filter.since, filter.scene, filter.tag, filter.limit];
        self.export(&sql, values, each)
    }

    /// The same for messages, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn export_messages<E: From<StoreError>>(
        &self,
        filter: &MessageFilter,
        each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.first_message_of(filter)?;
        let sql = format!("SELECT * FROM messages {}", filter.conditions());
        self.export(
            &sql,
            params![filter.openid, first, filter.limit, filter.since],
            each,
        )
    }

    /// The names of the columns come with every row, and once with no values when there is no row.
    fn export<E: From<StoreError>>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        mut each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(Reader::failed(&error));
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut rows = statement.query(values).map_err(failed)?;
        each(&names, &[])?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells: rusqlite::Result<Vec<Cell>> = (0..names.len())
                .map(|at| {
                    Ok(match row.get_ref(at)? {
                        ValueRef::Integer(number) => Cell::Integer(number),
                        ValueRef::Text(text) => {
                            std::str::from_utf8(text).map_or(Cell::Null, Cell::Text)
                        }
                        // No column of ours holds these.
                        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
                    })
                })
                .collect();
            each(&names, &cells.map_err(failed)?)?;
        }
        Ok(())
    }
}
