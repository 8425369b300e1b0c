//! Pictures that the web part serves, by the hash of their bytes.

use rusqlite::{OptionalExtension, params};

use super::error::StoreError;
use super::open::{Reader, Store};

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

impl Store {
    /// Stores a picture.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_picture(&self, picture: NewPicture) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection
                .execute(
                    "INSERT INTO pictures (hash, type, bytes, name, used_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (hash) DO UPDATE SET used_at = max(used_at, excluded.used_at)",
                    params![
                        picture.hash,
                        picture.media_type,
                        picture.bytes,
                        picture.name,
                        picture.used_at
                    ],
                )
                .map(drop)
        })
    }

    /// Notes that answers use these pictures, to within ten minutes. `now`: Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn pictures_used(&self, hashes: Vec<String>, now: i64) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE pictures SET used_at = ?2 WHERE hash = ?1 AND used_at NOT BETWEEN ?2 - ?3 AND ?2",
            )?;
            hashes
                .iter()
                .try_for_each(|hash| update.execute(params![hash, now, NOTED]).map(drop))
        })
    }

    /// Removes one picture that was last used before this time, Unix seconds; false if there is none.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_unused_picture(&self, before: i64) -> Result<bool, StoreError> {
        self.writer.write_sqlite(move |connection| {
            let removed = connection.execute(
                "DELETE FROM pictures WHERE hash IN (SELECT hash FROM pictures WHERE used_at < ?1 LIMIT 1)",
                [before],
            )?;
            Ok(removed > 0)
        })
    }
}

impl Reader {
    /// Whether there is a picture with this hash, of this media type.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_picture(&self, hash: &str, media_type: &str) -> Result<bool, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached("SELECT 1 FROM pictures WHERE hash = ?1 AND type = ?2")?
                .exists([hash, media_type])
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The picture with this hash, if it is of this media type.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn picture(&self, hash: &str, media_type: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached("SELECT bytes FROM pictures WHERE hash = ?1 AND type = ?2")?
                .query_row([hash, media_type], |row| row.get(0))
                .optional()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}
