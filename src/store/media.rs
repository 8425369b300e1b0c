//! Files uploaded to the platform: valid ones, so that the same file is not uploaded again, and expired ones, so that a
//! rule that replies with one can be reported.

use super::error::StoreError;
use super::open::{Reader, Store};
use super::settings::{self, FAILED_UPLOAD};
use super::sql::{self, Sql, values};
use super::statement::statements;

/// The beginning of the types of permanent material, which does not expire.
pub const PERMANENT: &str = "permanent ";

/// The type of videos of the permanent material.
pub const PERMANENT_VIDEO: &str = "permanent video";

/// How long a media_id is kept after it expired, in seconds.
const REMEMBERED: i64 = 366 * 24 * 3600;

statements! {
    KEPT = "SELECT media_id FROM media WHERE type = ?1 AND digest = ?2 AND expires_at > ?3 ORDER BY expires_at DESC LIMIT 1";
    KEEP = {
        sqlite: "INSERT OR REPLACE INTO media (type, digest, media_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
        mysql: "INSERT INTO media (type, digest, media_id, expires_at) VALUES (?1, ?2, ?3, ?4)
                ON DUPLICATE KEY UPDATE type = ?1, digest = ?2, expires_at = ?4",
    };
    REMOVE_ENDED = "DELETE FROM media WHERE expires_at <= ?1";
    FORGET = "DELETE FROM media WHERE media_id = ?1";
    FORGET_FAILED = "DELETE FROM settings WHERE substr(name, 1, length(?1)) = ?1";
    // `?2` is the beginning of the types that do not end.
    ENDS_AT = "SELECT expires_at FROM media WHERE media_id = ?1 AND substr(type, 1, length(?2)) <> ?2";
}

impl Store {
    /// The media_id of a file with this digest that is valid at `at`, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_media(
        &self,
        media_type: &str,
        digest: &str,
        at: i64,
    ) -> Result<Option<String>, StoreError> {
        let (media_type, digest) = (media_type.to_owned(), digest.to_owned());
        self.writer
            .write(move |sql| kept(sql, &media_type, &digest, at))
    }

    /// Stores a media_id, and removes those that expired more than a year before `now`. `now` is the platform's time,
    /// because this machine's clock may be wrong.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_media(
        &self,
        media_type: &str,
        digest: &str,
        media_id: &str,
        expires_at: i64,
        now: Option<i64>,
    ) -> Result<(), StoreError> {
        let kept = (
            media_type.to_owned(),
            digest.to_owned(),
            media_id.to_owned(),
            expires_at,
        );
        self.writer.write(move |sql| {
            let ended = now.map(|now| now.saturating_sub(REMEMBERED));
            sql.run(&REMOVE_ENDED, values![ended])?;
            let (media_type, digest, media_id, expires_at) = &kept;
            sql.run(&KEEP, values![media_type, digest, media_id, expires_at])
                .map(drop)
        })
    }

    /// Removes a media_id that the platform no longer accepts; true if it was stored.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn forget_media(&self, media_id: &str) -> Result<bool, StoreError> {
        let media_id = media_id.to_owned();
        let gone = self
            .writer
            .write(move |sql| sql.run(&FORGET, values![media_id]))?;
        Ok(gone > 0)
    }
}

impl Store {
    /// Notes why the upload of a file with this digest failed, or that it no longer does.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn note_failed_upload(&self, digest: &str, why: Option<&str>) -> Result<(), StoreError> {
        let name = format!("{FAILED_UPLOAD}{digest}");
        let why = why.map(str::to_owned);
        self.writer.write(move |sql| match &why {
            Some(why) => settings::put(sql, &name, why),
            None => settings::remove(sql, &name),
        })
    }

    /// Forgets all failed uploads.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn forget_failed_uploads(&self) -> Result<(), StoreError> {
        self.writer
            .write(|sql| sql.run(&FORGET_FAILED, values![FAILED_UPLOAD]).map(drop))
    }
}

impl Reader {
    /// The same as [`Store::kept_media`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_media(
        &self,
        media_type: &str,
        digest: &str,
        at: i64,
    ) -> Result<Option<String>, StoreError> {
        self.read(|sql| kept(sql, media_type, digest, at))
    }

    /// Why the last upload of a file with this digest failed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn failed_upload(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let name = format!("{FAILED_UPLOAD}{digest}");
        self.read(|sql| settings::get(sql, &name))
    }

    /// When a media_id that was uploaded here expires or expired, in Unix seconds; `None` for one of the permanent
    /// material, and for an unknown one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_ends_at(&self, media_id: &str) -> Result<Option<i64>, StoreError> {
        self.read(|sql| sql.optional(&ENDS_AT, values![media_id, PERMANENT], |row| row.get(0)))
    }
}

fn kept(sql: &mut dyn Sql, media_type: &str, digest: &str, at: i64) -> sql::Result<Option<String>> {
    sql.optional(&KEPT, values![media_type, digest, at], |row| row.get(0))
}
