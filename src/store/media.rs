//! Files that were uploaded to the platform and still work, so that the same file is not uploaded again.

use rusqlite::{OptionalExtension, params};

use super::error::StoreError;
use super::open::Store;

impl Store {
    /// The media_id of a file with this digest that still works at `at`, in Unix seconds.
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
        self.writer.write(move |connection| {
            connection
                .query_row(
                    "SELECT media_id FROM media WHERE type = ?1 AND digest = ?2 AND expires_at > ?3",
                    params![media_type, digest, at],
                    |row| row.get(0),
                )
                .optional()
        })
    }

    /// Keeps a media_id until it ends; those that have expired go.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_media(
        &self,
        media_type: &str,
        digest: &str,
        media_id: &str,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let kept = (
            media_type.to_owned(),
            digest.to_owned(),
            media_id.to_owned(),
            expires_at,
        );
        self.writer.write(move |connection| {
            connection.execute("DELETE FROM media WHERE expires_at <= unixepoch()", [])?;
            let (media_type, digest, media_id, expires_at) = &kept;
            connection
                .execute(
                    "INSERT OR REPLACE INTO media (type, digest, media_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
                    params![media_type, digest, media_id, expires_at],
                )
                .map(drop)
        })
    }

    /// Forgets a media_id that the platform no longer takes; true if it was kept.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn forget_media(&self, media_id: &str) -> Result<bool, StoreError> {
        let media_id = media_id.to_owned();
        self.writer.write(move |connection| {
            let gone = connection.execute("DELETE FROM media WHERE media_id = ?1", [&media_id])?;
            Ok(gone > 0)
        })
    }
}
