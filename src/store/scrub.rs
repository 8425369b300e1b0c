//! Overwriting what `secure_delete` does not reach: copies of rows in the unallocated space of a page.
//!
//! When SQLite moves rows between pages it rebuilds a page in place, and bytes of moved rows can stay between the page's
//! cell pointers and its first cell. They are never read, but they are there; erasing the row later erases it only at
//! its new place. Such pages are found by searching their bytes, and their unallocated space is overwritten through
//! `sqlite_dbpage`, in small commits.

use super::error::StoreError;
use super::open::{Reader, Store};

/// Most pages cleaned in one commit.
const STEP: usize = 50;

impl Store {
    /// Overwrites every copy of `text` in unallocated space of the file. Does nothing if SQLite was built without
    /// `sqlite_dbpage`; a warning says so when the store is opened. Does nothing on other engines.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(super) fn scrub(&self, reader: &Reader, text: &str) -> Result<(), StoreError> {
        for pages in reader.pages_with(text)?.chunks(STEP) {
            let pages = pages.to_vec();
            self.writer.write(move |sql| sql.clean(&pages))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::store::sqlite::dbpage::{free_middle, has_pages};

    #[test]
    fn a_copy_in_the_middle_of_a_page_is_overwritten_and_rows_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let has_pages = has_pages(store.reader().unwrap().sqlite()).unwrap();
        assert!(has_pages, "built without what .cargo/config.toml asks for");
        let left: Result<usize, StoreError> = store.writer.write_sqlite(|connection| {
            let add = "INSERT INTO settings (name, value) VALUES (?1, 'a value that stays')";
            for n in 0..40 {
                connection.execute(add, [format!("setting {n}")])?;
            }
            // Like what SQLite leaves when it rebuilds a page.
            let pages: Vec<(i64, Vec<u8>)> = connection
                .prepare("SELECT pgno, data FROM sqlite_dbpage")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let mut left = 0;
            for (number, mut page) in pages {
                if let Some(middle) = free_middle(&page, number).filter(|middle| middle.len() > 20)
                {
                    page[middle.start + 3..middle.start + 13].copy_from_slice(b"oForgotten");
                    let put = "UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1";
                    left += connection.execute(put, params![number, page])?;
                }
            }
            Ok(left)
        });
        assert!(left.unwrap() > 3);
        let found = || {
            assert!(store.empty_log().unwrap());
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(10).any(|part| part == b"oForgotten")
        };
        assert!(found());
        store.scrub(&store.reader().unwrap(), "oForgotten").unwrap();
        assert!(!found());
        let sound: (String, i64) = store
            .reader()
            .unwrap()
            .sqlite()
            .query_row(
                "SELECT (SELECT integrity_check FROM pragma_integrity_check), count(*) FROM settings WHERE value = 'a value that stays'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(sound, ("ok".to_owned(), 40));
    }
}
