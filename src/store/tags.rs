//! The account's own notes about followers, kept in step with the platform: tags and remarks.

use std::collections::BTreeMap;

use rusqlite::params;

use super::columns::some_text;
use super::error::StoreError;
use super::open::{Reader, Store};

impl Store {
    /// Stores the names of all current tags of the account.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_tags(&self, tags: Vec<(i64, String)>) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection.execute("DELETE FROM tags", [])?;
            let mut insert = connection
                .prepare_cached("INSERT OR REPLACE INTO tags (id, name) VALUES (?1, ?2)")?;
            tags.iter()
                .try_for_each(|(id, name)| insert.execute(params![id, name]).map(drop))
        })
    }

    /// Records that these people, at most a few hundred, have a tag or no longer have it. Followers whose tags are not
    /// known yet get them with their profile.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn note_tag(
        &self,
        openids: Vec<String>,
        tag: i64,
        carried: bool,
    ) -> Result<(), StoreError> {
        let sql = if carried {
            "UPDATE followers SET tagid_list = json_insert(tagid_list, '$[#]', ?2)
             WHERE openid = ?1 AND json_valid(tagid_list)
               AND NOT EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?2)"
        } else {
            "UPDATE followers SET tagid_list = (SELECT json_group_array(value) FROM json_each(tagid_list) WHERE value <> ?2)
             WHERE openid = ?1 AND json_valid(tagid_list)"
        };
        self.writer.write_sqlite(move |connection| {
            let mut update = connection.prepare_cached(sql)?;
            openids
                .iter()
                .try_for_each(|openid| update.execute(params![openid, tag]).map(drop))
        })
    }

    /// Stores a remark; an empty one removes it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn note_remark(&self, openid: &str, remark: &str) -> Result<(), StoreError> {
        let (openid, remark) = (openid.to_owned(), remark.to_owned());
        self.writer.write_sqlite(move |connection| {
            connection
                .execute(
                    "UPDATE followers SET remark = nullif(?2, '') WHERE openid = ?1",
                    [&openid, &remark],
                )
                .map(drop)
        })
    }
}

impl Reader {
    /// The names of the account's tags, as the platform last listed them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tags(&self) -> Result<BTreeMap<i64, String>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached("SELECT id, name FROM tags")?
                .query_map([], |row| Ok((row.get(0)?, some_text(row, 1)?)))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// Up to `limit` followers after `after`, by openid, who have a tag.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tagged(&self, tag: i64, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT openid FROM followers WHERE openid > ?2 AND typeof(openid) = 'text' AND json_valid(tagid_list)
                     AND EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?1) ORDER BY openid LIMIT ?3",
                )?
                .query_map(params![tag, after, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}
