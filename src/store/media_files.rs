//! The pictures, recordings and videos of messages: which are to be fetched, and which were.

use rusqlite::{OptionalExtension, params};

use super::columns::{some_text, text};
use super::error::StoreError;
use super::finding::messages_by_quarter;
use super::open::{Reader, Store};
use super::settings::{self, MEDIA_FOLDER};

/// A file that is to be fetched now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMedia {
    /// The message that it came with.
    pub message_id: i64,
    /// By what the platform knows it.
    pub media_id: String,
    /// When the message was received, in Unix seconds.
    pub received_at: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedMedia {
    /// Its name in the folder `store.media`.
    pub file: String,
    /// Its media type by its content, such as `image/jpeg`; `application/octet-stream` if that is not known.
    pub media_type: String,
}

/// How many files there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct MediaCounts {
    /// Fetched.
    pub fetched: i64,
    /// To be fetched.
    pub waiting: i64,
    /// Given up.
    pub failed: i64,
}

impl Store {
    /// The key by which the folder of media knows its store; stores `fresh` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_media_key(&self, fresh: &str) -> Result<String, StoreError> {
        let fresh = fresh.to_owned();
        self.writer.write_sqlite(move |connection| {
            if let Some(key) =
                settings::get(&mut &*connection, MEDIA_FOLDER)?.filter(|key| !key.is_empty())
            {
                return Ok(key);
            }
            settings::put(&mut &*connection, MEDIA_FOLDER, &fresh)?;
            Ok(fresh.clone())
        })
    }

    /// Queues the files of messages received since `since`, Unix seconds, that are not queued yet: those that came while
    /// nothing was fetched. `reader` looks for them, so that pushes do not wait.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn queue_media(&self, reader: &Reader, since: i64) -> Result<(), StoreError> {
        let missing = reader.media_not_queued(since)?;
        for rows in missing.chunks(200) {
            let rows = rows.to_vec();
            self.writer.write_sqlite(move |connection| {
                let mut insert = connection.prepare_cached(
                    // A row may be gone, and its id that of another message.
                    "INSERT INTO media_files (message_id, next_at)
                     SELECT id, received_at FROM messages WHERE id = ?1 AND media_id = ?2 ON CONFLICT DO NOTHING",
                )?;
                rows.iter()
                    .try_for_each(|(id, media_id)| insert.execute(params![id, media_id]).map(drop))
            })?;
        }
        Ok(())
    }

    /// Notes the name that the file of a message gets next. False: the message is gone.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn name_media(&self, due: &DueMedia, file: &str) -> Result<bool, StoreError> {
        self.change_media(due, "file = ?3", Some(file.to_owned()))
    }

    /// Notes that the file of a message has its name, and its media type. False: the message is gone, and the file must
    /// go too.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn media_fetched(&self, due: &DueMedia, media_type: &str) -> Result<bool, StoreError> {
        let change = "type = ?3, next_at = NULL, error = NULL, attempts = attempts + 1";
        self.change_media(due, change, Some(media_type.to_owned()))
    }

    /// Notes that a file could not be fetched, and when it is tried again, in Unix seconds; `None`: no more.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn media_failed(
        &self,
        due: &DueMedia,
        error: &str,
        next_at: Option<i64>,
    ) -> Result<bool, StoreError> {
        let next_at = next_at.map_or("NULL".to_owned(), |at| at.to_string());
        let change = format!("error = ?3, next_at = {next_at}, attempts = attempts + 1");
        self.change_media(due, &change, Some(error.to_owned()))
    }

    fn change_media(
        &self,
        due: &DueMedia,
        change: &str,
        value: Option<String>,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "UPDATE media_files SET {change} WHERE message_id = ?1
                 AND EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND media_id = ?2)"
        );
        let (id, media_id) = (due.message_id, due.media_id.clone());
        self.writer.write_sqlite(move |connection| {
            let changed = connection.execute(&sql, params![id, media_id, value])?;
            Ok(changed > 0)
        })
    }
}

impl Reader {
    /// The key by which the folder of media knows its store, if one was ever used.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_key(&self) -> Result<Option<String>, StoreError> {
        self.read(|sql| settings::get(sql, MEDIA_FOLDER))
    }

    /// The picture, recording or video of a message, if it was fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_file(&self, message_id: i64) -> Result<Option<FetchedMedia>, StoreError> {
        let sql = "SELECT file, type FROM media_files
             WHERE message_id = ?1 AND next_at IS NULL AND file IS NOT NULL AND type IS NOT NULL";
        let found = self.sqlite().query_row(sql, [message_id], |row| {
            Ok(FetchedMedia {
                file: some_text(row, 0)?,
                media_type: some_text(row, 1)?,
            })
        });
        found.optional().map_err(|error| Reader::failed(&error))
    }

    /// Why the file of a message could not be fetched, if so.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_error(&self, message_id: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT error FROM media_files WHERE message_id = ?1";
        let found = self
            .sqlite()
            .query_row(sql, [message_id], |row| text(row, 0));
        let found = found.optional().map_err(|error| Reader::failed(&error))?;
        Ok(found.flatten())
    }

    /// Whether there is a message with media and this id, whose file has this name, if one is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_media(&self, message_id: i64, file: Option<&str>) -> Result<bool, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT 1 FROM media_files WHERE message_id = ?1 AND (?2 IS NULL OR file = ?2)",
                )?
                .exists(params![message_id, file])
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The file that is to be fetched next, if that is due at `now`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn due_media(&self, now: i64) -> Result<Option<DueMedia>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT message_id, messages.media_id, messages.received_at, attempts
                     FROM media_files INDEXED BY media_files_waiting JOIN messages ON messages.id = message_id
                     WHERE next_at <= ?1 AND messages.media_id IS NOT NULL ORDER BY next_at LIMIT 1",
                )?
                .query_row([now], |row| {
                    Ok(DueMedia {
                        message_id: row.get(0)?,
                        media_id: some_text(row, 1)?,
                        received_at: row.get(2)?,
                        attempts: row.get(3)?,
                    })
                })
                .optional()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// When the next file is due, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_media(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(next_at) FROM media_files WHERE next_at IS NOT NULL";
        let next = self.sqlite().query_row(sql, [], |row| row.get(0));
        next.map_err(|error| Reader::failed(&error))
    }

    /// How many files there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_counts(&self) -> Result<MediaCounts, StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE next_at IS NULL AND type IS NOT NULL),
                count(*) FILTER (WHERE next_at IS NOT NULL),
                count(*) FILTER (WHERE next_at IS NULL AND type IS NULL) FROM media_files";
        let counts = self.sqlite().query_row(sql, [], |row| {
            Ok(MediaCounts {
                fetched: row.get(0)?,
                waiting: row.get(1)?,
                failed: row.get(2)?,
            })
        });
        counts.map_err(|error| Reader::failed(&error))
    }

    /// Messages received since `since` with media that are not queued: their ids and media_ids.
    fn media_not_queued(&self, since: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = concat!(
            "SELECT message.id, message.media_id FROM ", messages_by_quarter!("first_id"), " WHERE quarter >= ?1 / 900
                 AND message.media_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM media_files WHERE message_id = message.id)"
        );
        let read = || {
            self.sqlite()
                .prepare(sql)?
                .query_map([since], |row| Ok((row.get(0)?, some_text(row, 1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}
