//! Times as people write and read them: local date and time, by SQLite's own functions, as in the views.

use rusqlite::params;

use super::error::StoreError;
use super::open::Reader;

impl Reader {
    /// A time in Unix seconds as local date and time, for people.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn local_time(&self, at: i64) -> Result<String, StoreError> {
        self.connection
            .query_row(
                "SELECT coalesce(datetime(?1, 'unixepoch', 'localtime'), ?1)",
                [at],
                |row| row.get(0),
            )
            .map_err(|error| Reader::failed(&error))
    }

    /// Reads a point in time such as `2026-11-21` or `2026-11-21 08:30` (local time) into Unix seconds; `None` if it is
    /// none.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn moment(&self, text: &str) -> Result<Option<i64>, StoreError> {
        let well_formed = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('-');
        let moment: Option<i64> = self
            .connection
            .query_row("SELECT unixepoch(?1, 'utc')", [text], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))?;
        Ok(moment.filter(|_| well_formed))
    }

    /// The first moment after `after` at which local clocks show `time`, such as `03:30`; both in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_time_of_day(&self, time: &str, after: i64) -> Result<i64, StoreError> {
        let on_day = |day: &str| {
            self.connection
                .query_row(
                    "SELECT unixepoch(date(?1, 'unixepoch', 'localtime', ?2) || ' ' || ?3, 'utc')",
                    params![after, day, time],
                    |row| row.get::<_, i64>(0),
                )
                .map_err(|error| Reader::failed(&error))
        };
        match on_day("+0 days")? {
            today if today > after => Ok(today),
            _ => on_day("+1 day"),
        }
    }
}
