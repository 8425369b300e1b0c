//! What is wrong: the rows of the store, and what this process knows before there is a row, as when the store fails.

use crate::app::App;
use crate::store::{Reader, StoreError};
use crate::trouble::Trouble;

/// Troubles that are not over, and those that were over after `since`, Unix seconds; newest first.
pub fn since(app: &App, reader: &Reader, since: i64) -> Result<Vec<Trouble>, StoreError> {
    let rows = reader.troubles(since)?.into_iter();
    let mut troubles: Vec<Trouble> = rows.map(|row| row.trouble).collect();
    for trouble in app.troubles.now() {
        let has_row = |row: &Trouble| row.until.is_none() && row.subject == trouble.subject;
        if !troubles.iter().any(has_row) {
            troubles.insert(0, trouble);
        }
    }
    Ok(troubles)
}

/// How many are not over.
pub fn count(app: &App, reader: &Reader) -> Result<usize, StoreError> {
    Ok(since(app, reader, i64::MAX)?.len())
}
