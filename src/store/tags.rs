//! The account's own notes about followers, kept in step with the platform: tags and remarks.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::follow_counts::lock_follower;
use super::open::{Reader, Store};
use super::sql::{self, Sql, values};
use super::statement::statements;

statements! {
    REMOVE_ALL = "DELETE FROM tags";
    KEEP = {
        sqlite: "INSERT OR REPLACE INTO tags (id, name) VALUES (?1, ?2)",
        mysql: "INSERT INTO tags (id, name) VALUES (?1, ?2) ON DUPLICATE KEY UPDATE name = ?2",
    };
    NAMES = "SELECT id, name FROM tags";
    OF_PERSON = "SELECT tagid_list FROM followers WHERE openid = ?1";
    SET = "UPDATE followers SET tagid_list = ?2 WHERE openid = ?1";
    REMARK = "UPDATE followers SET remark = nullif(?2, '') WHERE openid = ?1";
    TAGGED = {
        sqlite: "SELECT openid FROM followers WHERE openid > ?2 AND typeof(openid) = 'text' AND json_valid(tagid_list)
                 AND EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?1) ORDER BY openid LIMIT ?3",
        mysql: "SELECT openid FROM followers WHERE openid > ?2 AND json_valid(tagid_list)
                AND json_contains(tagid_list, CAST(?1 AS CHAR)) ORDER BY openid LIMIT ?3",
    };
}

impl Store {
    /// Stores the names of all current tags of the account.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_tags(&self, tags: Vec<(i64, String)>) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            sql.run(&REMOVE_ALL, &[])?;
            tags.iter()
                .try_for_each(|(id, name)| sql.run(&KEEP, values![id, name]).map(drop))
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
        self.writer.write(move |sql| {
            openids
                .iter()
                .try_for_each(|openid| note_tag(sql, openid, tag, carried))
        })
    }

    /// Stores a remark; an empty one removes it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn note_remark(&self, openid: &str, remark: &str) -> Result<(), StoreError> {
        let (openid, remark) = (openid.to_owned(), remark.to_owned());
        self.writer
            .write(move |sql| sql.run(&REMARK, values![openid, remark]).map(drop))
    }
}

fn note_tag(sql: &mut dyn Sql, openid: &str, tag: i64, carried: bool) -> sql::Result<()> {
    lock_follower(sql, openid)?;
    let kept = sql.optional(&OF_PERSON, values![openid], |row| Ok(row.text(0)))?;
    let tags = kept.flatten().map(|kept| serde_json::from_str(&kept));
    let Some(Ok(serde_json::Value::Array(mut tags))) = tags else {
        return Ok(());
    };
    if tags.iter().any(|known| known.as_i64() == Some(tag)) == carried {
        return Ok(());
    }
    match carried {
        true => tags.push(tag.into()),
        false => tags.retain(|known| known.as_i64() != Some(tag)),
    }
    let tags = serde_json::Value::Array(tags).to_string();
    sql.run(&SET, values![openid, tags]).map(drop)
}

impl Reader {
    /// The names of the account's tags, as the platform last listed them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tags(&self) -> Result<BTreeMap<i64, String>, StoreError> {
        let names =
            self.read(|sql| sql.all(&NAMES, &[], |row| Ok((row.get(0)?, row.some_text(1)))))?;
        Ok(names.into_iter().collect())
    }

    /// Up to `limit` followers after `after`, by openid, who have a tag.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tagged(&self, tag: i64, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.read(|sql| sql.all(&TAGGED, values![tag, after, limit], |row| row.get(0)))
    }
}
