//! Whole rows for exports: every column, one page at a time, so that memory does not grow with the store.

use super::error::StoreError;
use super::followers::{self, FollowerFilter};
use super::messages::{self, MessageFilter};
use super::open::Reader;
use super::page::page_of;
use super::sql::{Owned, ToValue, Value, limit, values};
use super::statement::Statement;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(&'a str),
    /// Bytes, such as a signature.
    Bytes(&'a [u8]),
}

impl Reader {
    /// Calls `each` with the column names and the values of every follower that matches the filter, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn export_followers<E: From<StoreError>>(
        &self,
        filter: &FollowerFilter,
        each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let FollowerFilter {
            since,
            scene,
            tag,
            search,
            limit: _,
        } = filter;
        let (time, openid) = FollowerFilter::BEGINNING;
        let last = vec![Owned::Integer(time), Owned::Text(openid.into())];
        self.export(
            (&followers::LIST, followers::COLUMNS),
            values![since, scene, tag, search],
            filter.limit,
            &["subscribe_time", "openid"],
            last,
            each,
        )
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
        let last = vec![Owned::Integer(MessageFilter::BEGINNING)];
        self.export(
            (filter.export(), messages::ALL_COLUMNS),
            values![filter.openid, first, filter.since],
            filter.limit,
            &["id"],
            last,
            each,
        )
    }

    /// Passes the column names with every row, and once without values before the first. The parameters of the statement
    /// are `values`, the limit, and the values of the `key` columns in the previous row: at first `last`.
    fn export<E: From<StoreError>>(
        &self,
        (statement, names): (&Statement, &[&str]),
        values: &[Value<'_>],
        mut left: Option<u32>,
        key: &[&str],
        mut last: Vec<Owned>,
        mut each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = |key: &&str| names.iter().position(|name| name == key);
        let keys: Vec<usize> = key.iter().filter_map(at).collect();
        each(names, &[])?;
        loop {
            let mut values = values.to_vec();
            let most = limit(left);
            values.push(most.value());
            values.extend(last.iter().map(ToValue::value));
            let page = self.read(|sql| {
                page_of(sql, statement, &values, |row| {
                    let columns = 0..row.columns();
                    let all = columns.map(|column| row.value(column).to_owned());
                    Ok(all.collect::<Vec<Owned>>())
                })
            })?;
            for row in &page.rows {
                let cells: Vec<Cell> = row.iter().map(Cell::of).collect();
                each(names, &cells)?;
            }
            match page.rows.last() {
                Some(row) if !page.is_last => {
                    last = keys.iter().map(|key| row[*key].clone()).collect();
                    let rows = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
                    left = left.map(|left| left.saturating_sub(rows));
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}

impl Cell<'_> {
    fn of(value: &Owned) -> Cell<'_> {
        match value {
            Owned::Integer(number) => Cell::Integer(*number),
            // Text that is not UTF-8 is left out.
            Owned::Text(text) => std::str::from_utf8(text).map_or(Cell::Null, Cell::Text),
            Owned::Bytes(bytes) => Cell::Bytes(bytes),
            // No column of ours holds a real number.
            Owned::Null | Owned::Real(_) => Cell::Null,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::followers::tests::{push, record_all};
    use crate::store::statement::statement;
    use crate::store::{FetchedProfile, ProfileOutcome, Record, Store};
    use crate::wechat::Effect;

    /// Checks the columns of the only row of a table; returns how many there are with a value.
    fn columns_with_a_value(reader: &Reader, table: &str, names: &[&str], cells: &[Cell]) -> usize {
        assert_eq!(names.len(), cells.len(), "{table}");
        for (name, cell) in names.iter().zip(cells) {
            let text = &*format!("SELECT {name} FROM {table}").leak();
            let value = reader.read(|sql| sql.one(&statement!((text)), &[], |row| row.get(0)));
            assert_eq!(*cell, Cell::of(&value.unwrap()), "{table}.{name}");
        }
        cells.iter().filter(|cell| **cell != Cell::Null).count()
    }

    #[test]
    fn the_cells_of_an_export_are_those_of_the_columns_that_it_names() {
        on_both_engines(|store| {
            let some = |text: &str| Some(text.to_owned());
            let scene = some("poster");
            let follow = Record {
                event: some("subscribe"),
                event_key: some("qrscene_poster"),
                msg_id: some("17"),
                content: some("content"),
                xml: some("<xml/>"),
                rule: some("welcome"),
                reply: some("reply"),
                media_id: some("media"),
                todo: true,
                ..push(1, "oSynOne", 1_790_000_000, Effect::Follow { scene })
            };
            record_all(store, [follow]);
            let profile = FetchedProfile {
                unionid: some("union"),
                remark: some("remark"),
                tagid_list: some("[2]"),
                ..FetchedProfile::default()
            };
            let fetched = ProfileOutcome::Fetched(Box::new(profile));
            let fetched = vec![("oSynOne".to_owned(), fetched)];
            store.profiles_done(fetched, 1_790_000_001).unwrap();
            let reader = store.reader().unwrap();
            let mut found = Vec::new();
            let mut check = |table: &str, names: &[&str], cells: &[Cell]| {
                if !cells.is_empty() {
                    found.push(columns_with_a_value(&reader, table, names, cells));
                }
                Ok::<(), StoreError>(())
            };
            let followers = FollowerFilter::default();
            let messages = |openid| MessageFilter {
                openid,
                ..MessageFilter::default()
            };
            let done = [
                reader
                    .export_followers(&followers, |names, cells| check("followers", names, cells)),
                reader.export_messages(&messages(None), |names, cells| {
                    check("messages", names, cells)
                }),
                reader.export_messages(&messages(some("oSynOne")), |names, cells| {
                    check("messages", names, cells)
                }),
            ];
            assert_eq!(done, [const { Ok(()) }; 3]);
            assert_eq!(found, [8, 16, 16]);
        });
    }

    #[test]
    fn exports_have_all_columns_of_their_table_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let reader = store.reader().unwrap();
        let columns = |sql: &str| -> Vec<String> {
            let statement = reader.sqlite().prepare(sql).unwrap();
            statement.column_names().map(str::to_owned).collect()
        };
        let of_all = MessageFilter::default();
        let of_one = MessageFilter {
            openid: Some("oSynOne".to_owned()),
            ..MessageFilter::default()
        };
        for (table, names, statement) in [
            ("followers", followers::COLUMNS, &followers::LIST),
            ("messages", messages::ALL_COLUMNS, of_all.export()),
            ("messages", messages::ALL_COLUMNS, of_one.export()),
        ] {
            assert_eq!(columns(&format!("SELECT * FROM {table}")), names);
            assert_eq!(columns(statement.sqlite), names);
        }
    }
}
