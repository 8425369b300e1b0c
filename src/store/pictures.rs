//! Pictures that the web part serves, by the hash of their bytes.

use super::error::StoreError;
use super::open::{Reader, Store};
use super::sql::values;
use super::statement::statements;

/// The time of use is noted only if the one before is this many seconds older.
const NOTED: i64 = 600;

/// A picture to be stored.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// The SHA-256 of the bytes, in lower-case hexadecimal digits.
    pub hash: String,
    /// Its media type, such as `image/png`.
    pub media_type: &'static str,
    /// The picture.
    pub bytes: Vec<u8>,
    /// What the configuration called it.
    pub name: String,
    /// Unix seconds.
    pub used_at: i64,
}

statements! {
    KEEP = {
        sqlite: "INSERT INTO pictures (hash, type, bytes, name, used_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (hash) DO UPDATE SET used_at = max(used_at, excluded.used_at)",
        mysql: "INSERT INTO pictures (hash, type, bytes, name, used_at) VALUES (?1, ?2, ?3, ?4, ?5)
                ON DUPLICATE KEY UPDATE used_at = greatest(used_at, ?5)",
    };
    USED = "UPDATE pictures SET used_at = ?2 WHERE hash = ?1 AND used_at NOT BETWEEN ?2 - ?3 AND ?2";
    REMOVE_UNUSED = {
        sqlite: "DELETE FROM pictures WHERE hash IN (SELECT hash FROM pictures WHERE used_at < ?1 LIMIT 1)",
        mysql: "DELETE FROM pictures WHERE used_at < ?1 ORDER BY used_at LIMIT 1",
    };
    IS_THERE = "SELECT 1 FROM pictures WHERE hash = ?1 AND type = ?2";
    BYTES = "SELECT bytes FROM pictures WHERE hash = ?1 AND type = ?2";
}

impl Store {
    /// Stores a picture.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_picture(&self, picture: NewPicture) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            let NewPicture {
                hash,
                media_type,
                bytes,
                name,
                used_at,
            } = &picture;
            sql.run(&KEEP, values![hash, media_type, bytes, name, used_at])
                .map(drop)
        })
    }

    /// Notes that answers use these pictures, to within ten minutes. `now`: Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn pictures_used(&self, hashes: Vec<String>, now: i64) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            hashes
                .iter()
                .try_for_each(|hash| sql.run(&USED, values![hash, now, NOTED]).map(drop))
        })
    }

    /// Removes one picture that was last used before this time, Unix seconds; false if there is none.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_unused_picture(&self, before: i64) -> Result<bool, StoreError> {
        let removed = self
            .writer
            .write(move |sql| sql.run(&REMOVE_UNUSED, values![before]))?;
        Ok(removed > 0)
    }
}

impl Reader {
    /// Whether there is a picture with this hash, of this media type.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_picture(&self, hash: &str, media_type: &str) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&IS_THERE, values![hash, media_type]))
    }

    /// The picture with this hash, if it is of this media type.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn picture(&self, hash: &str, media_type: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|sql| sql.optional(&BYTES, values![hash, media_type], |row| row.get(0)))
    }
}
