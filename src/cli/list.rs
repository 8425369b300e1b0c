//! A list of rows of the store: up to a limit, as JSON or as a table, with a word where there are more.

use serde::Serialize;

use super::input::Limit;
use super::terminal::{Failure, Json, Output};
use crate::store::StoreError;

/// How a list was asked for.
#[derive(Debug)]
pub(super) struct List {
    /// The most rows that are shown.
    pub(super) limit: u32,
    pub(super) json: Json,
    /// Where all rows are.
    pub(super) all: &'static str,
}

/// Takes one row.
pub(super) type Each<'a, T> = &'a mut dyn FnMut(T) -> Result<(), StoreError>;

impl List {
    /// Shows the rows that `read` gives one by one, at most as many as it is told. `table` shows them to people.
    pub(super) fn show<T: Serialize>(
        self,
        read: impl FnOnce(Option<u32>, Each<T>) -> Result<(), StoreError>,
        table: impl FnOnce(&mut Output, &[T]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let limit = Limit(self.limit);
        let mut rows = Vec::new();
        read(Some(limit.and_one()), &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        let more = limit.cut(&mut rows);
        let mut out = Output::for_reading();
        if self.json.wanted {
            out.json(&rows)?;
        } else {
            table(&mut out, &rows)?;
            out.done()?;
        }
        if more {
            limit.say_there_are_more(self.all);
        }
        Ok(())
    }
}
