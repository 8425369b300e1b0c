//! Rows read one page at a time: between two pages the write-ahead log is not held, however slow the consumer is.

use std::ops::ControlFlow;

use super::error::StoreError;
use super::sql::{self, Sql};
use super::statement::Statement;

/// Most rows in a page.
const ROWS: usize = 1_000;

/// A page ends with the row that exceeds this many bytes.
const BYTES: usize = 1 << 20;

/// One page of a list.
pub(super) struct Page<R> {
    pub(super) rows: Vec<R>,
    /// Whether the list ends here.
    pub(super) is_last: bool,
}

/// Reads the first page of the statement's rows.
pub(super) fn page_of<R>(
    sql: &mut dyn Sql,
    statement: &Statement,
    values: &[sql::Value<'_>],
    mut read: impl FnMut(&dyn sql::Row) -> sql::Result<R>,
) -> sql::Result<Page<R>> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut is_last = true;
    sql.rows(statement, values, &mut |row| {
        bytes += (0..row.columns())
            .map(|column| row.value(column).length())
            .sum::<usize>();
        rows.push(read(row)?);
        if rows.len() == ROWS || bytes >= BYTES {
            is_last = false;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Page { rows, is_last })
}

/// Calls `each` for the rows of a list, newest first, a page at a time. `next` reads the page of at most so many rows
/// before the row with this id.
///
/// # Errors
/// When the store cannot be read, or `each` fails.
pub(super) fn newest_first<R, E: From<StoreError>>(
    limit: Option<u32>,
    mut next: impl FnMut(Option<u32>, i64) -> Result<Page<R>, StoreError>,
    id: fn(&R) -> i64,
    mut each: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let (mut left, mut last) = (limit, i64::MAX);
    loop {
        let page = next(left, last)?;
        for row in page.rows {
            last = id(&row);
            left = left.map(|left| left - 1);
            each(row)?;
        }
        if page.is_last {
            return Ok(());
        }
    }
}
