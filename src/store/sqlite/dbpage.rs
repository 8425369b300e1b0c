//! Raw pages of the SQLite file, through SQLite's virtual table `sqlite_dbpage`.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

/// Warns, when the store is opened, what forgetting cannot do in this build.
pub(in crate::store) fn warn_without_pages(connection: &Connection) -> rusqlite::Result<()> {
    if !has_pages(connection)? {
        log::warn!(
            "store: built without SQLite's table of pages, so that copies of what is forgotten can stay in unused space of the file: build wechatd in its repository's folder, where .cargo/config.toml asks for the table, or run VACUUM with sqlite3 after forgetting somebody"
        );
    }
    Ok(())
}

/// Whether SQLite was built with `sqlite_dbpage`, as `.cargo/config.toml` requests.
pub(in crate::store) fn has_pages(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = 'sqlite_dbpage')",
        [],
        |row| row.get(0),
    )
}

/// Numbers of the pages that contain the bytes of `text`; empty without `sqlite_dbpage`.
pub(in crate::store) fn pages_with(
    connection: &Connection,
    text: &str,
) -> rusqlite::Result<Vec<i64>> {
    if !has_pages(connection)? {
        return Ok(Vec::new());
    }
    connection
        .prepare("SELECT pgno FROM sqlite_dbpage WHERE instr(data, ?1)")?
        .query_map([Value::Blob(text.as_bytes().to_vec())], |row| row.get(0))?
        .collect()
}

/// Overwrites the unallocated space in the middle of a page.
pub(in crate::store) fn clean(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    let mut page: Vec<u8> = connection
        .prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?
        .query_row([number], |row| row.get(0))?;
    let Some(middle) = free_middle(&page, number) else {
        return Ok(());
    };
    page[middle].fill(0);
    connection
        .prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?
        .execute(params![number, page])?;
    Ok(())
}

/// The unallocated space of a b-tree page, see SQLite's file format (section "B-tree Pages"). `None` for other pages:
/// they start with a page number, and so with a zero byte.
pub(in crate::store) fn free_middle(page: &[u8], number: i64) -> Option<std::ops::Range<usize>> {
    let header = if number == 1 { 100 } else { 0 };
    let two = |at: usize| -> Option<usize> {
        let bytes = page.get(header + at..header + at + 2)?;
        Some(usize::from(u16::from_be_bytes(bytes.try_into().ok()?)))
    };
    let header_length = match page.get(header)? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let start = header + header_length + 2 * two(3)?;
    let end = match two(5)? {
        0 => 65_536,
        content => content,
    };
    (start < end && end <= page.len()).then_some(start..end)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn page(kind: u8, rows: u16, content: u16) -> Vec<u8> {
        let mut page = vec![0xaa; 4096];
        page[0] = kind;
        page[3..5].copy_from_slice(&rows.to_be_bytes());
        page[5..7].copy_from_slice(&content.to_be_bytes());
        page
    }

    #[test]
    fn the_middle_lies_between_the_list_of_rows_and_the_first_row() {
        assert_eq!(free_middle(&page(13, 10, 3000), 2), Some(28..3000));
        assert_eq!(free_middle(&page(10, 0, 4096), 2), Some(8..4096));
        assert_eq!(free_middle(&page(2, 10, 3000), 2), Some(32..3000));
        assert_eq!(free_middle(&page(5, 10, 3000), 2), Some(32..3000));
        let mut first = vec![0; 100];
        first.extend(page(13, 1, 3000));
        assert_eq!(free_middle(&first[..4096], 1), Some(110..3000));
    }

    #[test]
    fn what_is_no_page_of_rows_or_not_sound_is_left_alone() {
        for wrong in [
            page(0, 10, 3000),
            page(7, 10, 3000),
            page(13, 10, 28),
            page(13, 2000, 3000),
            page(13, 10, 4097),
            page(13, 10, 0),
            vec![13, 0, 0],
            Vec::new(),
        ] {
            assert_eq!(free_middle(&wrong, 2), None);
        }
    }
}
