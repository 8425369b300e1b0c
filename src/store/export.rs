//! Whole rows for exports: every column, one page at a time, so that memory does not grow with the store.

use rusqlite::types::Value;
use rusqlite::{ToSql, params};

use super::error::StoreError;
use super::followers::FollowerFilter;
use super::messages::MessageFilter;
use super::open::Reader;
use super::page::{all, page};

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
        let sql = "SELECT * FROM followers WHERE subscribe_time >= coalesce(?1, subscribe_time)
           AND (?2 IS NULL OR ?2 = coalesce(nullif(qr_scene_str, ''), CAST(qr_scene AS TEXT)))
           AND (?3 IS NULL OR (json_valid(tagid_list) AND EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?3)))
           AND (?4 IS NULL OR instr(lower(concat_ws(char(10), nickname, remark, openid, unionid)), lower(?4)))
           AND (subscribe_time, openid) < (?6, ?7)
         ORDER BY subscribe_time DESC, openid DESC LIMIT coalesce(?5, -1)";
        let FollowerFilter {
            since,
            scene,
            tag,
            search,
            limit: _,
        } = filter;
        let (time, openid) = FollowerFilter::BEGINNING;
        let last = [Value::from(time), Value::from(openid.to_owned())];
        self.export(
            sql,
            params![since, scene, tag, search],
            filter.limit,
            &["subscribe_time", "openid"],
            last.to_vec(),
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
        let sql = format!("SELECT * FROM messages {}", filter.conditions());
        let last = vec![Value::from(MessageFilter::BEGINNING)];
        self.export(
            &sql,
            params![filter.openid, first, filter.since],
            filter.limit,
            &["id"],
            last,
            each,
        )
    }

    /// Passes the column names with every row, and once without values before the first. The parameters of `sql` are
    /// `values`, the limit, and the values of the `key` columns in the previous row: at first `last`.
    fn export<E: From<StoreError>>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        mut limit: Option<u32>,
        key: &[&str],
        mut last: Vec<Value>,
        mut each: impl FnMut(&[&str], &[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(Reader::failed(&error));
        let mut statement = self.sqlite().prepare(sql).map_err(failed)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let keys = key.iter().map(|name| statement.column_index(name));
        let keys: Vec<usize> = keys.collect::<rusqlite::Result<_>>().map_err(failed)?;
        each(&names, &[])?;
        loop {
            let mut values = values.to_vec();
            values.push(&limit);
            values.extend(last.iter().map(|value| value as &dyn ToSql));
            let page = page(&mut statement, &values, all).map_err(failed)?;
            for row in &page.rows {
                let cells: Vec<Cell> = row.iter().map(Cell::of).collect();
                each(&names, &cells)?;
            }
            match page.rows.last() {
                Some(row) if !page.is_last => {
                    last = keys.iter().map(|key| row[*key].clone()).collect();
                    let rows = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
                    limit = limit.map(|limit| limit.saturating_sub(rows));
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}

impl Cell<'_> {
    fn of(value: &Value) -> Cell<'_> {
        match value {
            Value::Integer(number) => Cell::Integer(*number),
            Value::Text(text) => Cell::Text(text),
            Value::Blob(bytes) => Cell::Bytes(bytes),
            // No column of ours holds a real number.
            Value::Null | Value::Real(_) => Cell::Null,
        }
    }
}
