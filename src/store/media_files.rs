//! The pictures, recordings and videos of messages: which are to be fetched, and which were.

use super::error::StoreError;
use super::finding::messages_by_quarter;
use super::open::{Reader, Store};
use super::settings::{self, MEDIA_FOLDER};
use super::sql::{Owned, ToValue, values};
use super::statement::{Statement, statements};

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

/// A change of a row, if its message is still there: the row may be gone, and its id that of another message.
macro_rules! change {
    ($change:literal) => {
        concat!(
            "UPDATE media_files SET ",
            $change,
            " WHERE message_id = ?1 AND EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND media_id = ?2)"
        )
    };
}

/// The insertion of a row, if its message is still there.
macro_rules! queue {
    () => {
        "INSERT INTO media_files (message_id, next_at) SELECT id, received_at FROM messages WHERE id = ?1 AND media_id = ?2"
    };
}

/// The file that is to be fetched next.
macro_rules! due {
    ($index:literal) => {
        concat!(
            "SELECT message_id, messages.media_id, messages.received_at, attempts
             FROM media_files ",
            $index,
            " JOIN messages ON messages.id = message_id
             WHERE next_at <= ?1 AND messages.media_id IS NOT NULL ORDER BY next_at LIMIT 1"
        )
    };
}

statements! {
    // A message that is being removed must not get one.
    QUEUE = { sqlite: concat!(queue!(), " ON CONFLICT DO NOTHING"), mysql: concat!(queue!(), " FOR UPDATE") };
    // Messages that are not queued, and were received in or after this quarter of an hour.
    NOT_QUEUED = {
        sqlite: concat!("SELECT message.id, message.media_id FROM ", messages_by_quarter!("first_id"),
                    " WHERE quarter >= ?1 / 900 AND message.media_id IS NOT NULL
                          AND NOT EXISTS (SELECT 1 FROM media_files WHERE message_id = message.id)"),
        mysql: "SELECT message.id, message.media_id FROM messages AS message
                WHERE received_at >= ?1 DIV 900 * 900 AND message.media_id IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM media_files WHERE message_id = message.id)",
    };
    NAME = (change!("file = ?3"));
    FETCHED = (change!("type = ?3, next_at = NULL, error = NULL, attempts = attempts + 1"));
    FAILED = (change!("error = ?3, next_at = ?4, attempts = attempts + 1"));
    FILE = "SELECT file, type FROM media_files
            WHERE message_id = ?1 AND next_at IS NULL AND file IS NOT NULL AND type IS NOT NULL";
    ERROR = "SELECT error FROM media_files WHERE message_id = ?1";
    IS_THERE = "SELECT 1 FROM media_files WHERE message_id = ?1 AND (?2 IS NULL OR file = ?2)";
    DUE = { sqlite: due!("INDEXED BY media_files_waiting"), mysql: due!("") };
    NEXT_AT = "SELECT min(next_at) FROM media_files WHERE next_at IS NOT NULL";
    COUNTS = "SELECT count(CASE WHEN next_at IS NULL AND type IS NOT NULL THEN 1 END),
                  count(next_at), count(CASE WHEN next_at IS NULL AND type IS NULL THEN 1 END) FROM media_files";
}

impl Store {
    /// The key by which the folder of media knows its store; stores `fresh` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_media_key(&self, fresh: &str) -> Result<String, StoreError> {
        let fresh = fresh.to_owned();
        self.writer
            .write(move |sql| settings::made(sql, MEDIA_FOLDER, &fresh, |key| !key.is_empty()))
    }

    /// Queues the files of messages received since `since`, Unix seconds, that are not queued yet: those that came while
    /// nothing was fetched. `reader` looks for them, so that pushes do not wait.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn queue_media(&self, reader: &Reader, since: i64) -> Result<(), StoreError> {
        let missing = reader.read(|sql| {
            sql.all(&NOT_QUEUED, values![since], |row| {
                Ok((row.get::<i64>(0)?, row.some_text(1)))
            })
        })?;
        for rows in missing.chunks(200) {
            let rows = rows.to_vec();
            self.writer.write(move |sql| {
                rows.iter()
                    .try_for_each(|(id, media_id)| sql.run(&QUEUE, values![id, media_id]).map(drop))
            })?;
        }
        Ok(())
    }

    /// Notes the name that the file of a message gets next. False: the message is gone.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn name_media(&self, due: &DueMedia, file: &str) -> Result<bool, StoreError> {
        self.change_media(due, &NAME, vec![file.value().to_owned()])
    }

    /// Notes that the file of a message has its name, and its media type. False: the message is gone, and the file must
    /// go too.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn media_fetched(&self, due: &DueMedia, media_type: &str) -> Result<bool, StoreError> {
        self.change_media(due, &FETCHED, vec![media_type.value().to_owned()])
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
        let values = vec![error.value().to_owned(), next_at.value().to_owned()];
        self.change_media(due, &FAILED, values)
    }

    /// The values begin at `?3`.
    fn change_media(
        &self,
        due: &DueMedia,
        change: &'static Statement,
        values: Vec<Owned>,
    ) -> Result<bool, StoreError> {
        let mut all = vec![
            due.message_id.value().to_owned(),
            due.media_id.value().to_owned(),
        ];
        all.extend(values);
        let changed = self.writer.write(move |sql| {
            let values: Vec<_> = all.iter().map(ToValue::value).collect();
            sql.run(change, &values)
        })?;
        Ok(changed > 0)
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
        self.read(|sql| {
            sql.optional(&FILE, values![message_id], |row| {
                Ok(FetchedMedia {
                    file: row.some_text(0),
                    media_type: row.some_text(1),
                })
            })
        })
    }

    /// Why the file of a message could not be fetched, if so.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_error(&self, message_id: i64) -> Result<Option<String>, StoreError> {
        let found =
            self.read(|sql| sql.optional(&ERROR, values![message_id], |row| Ok(row.text(0))))?;
        Ok(found.flatten())
    }

    /// Whether there is a message with media and this id, whose file has this name, if one is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_media(&self, message_id: i64, file: Option<&str>) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&IS_THERE, values![message_id, file]))
    }

    /// The file that is to be fetched next, if that is due at `now`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn due_media(&self, now: i64) -> Result<Option<DueMedia>, StoreError> {
        self.read(|sql| {
            sql.optional(&DUE, values![now], |row| {
                Ok(DueMedia {
                    message_id: row.get(0)?,
                    media_id: row.some_text(1),
                    received_at: row.get(2)?,
                    attempts: row.get(3)?,
                })
            })
        })
    }

    /// When the next file is due, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_media(&self) -> Result<Option<i64>, StoreError> {
        self.read(|sql| sql.one(&NEXT_AT, &[], |row| row.get(0)))
    }

    /// How many files there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn media_counts(&self) -> Result<MediaCounts, StoreError> {
        self.read(|sql| {
            sql.one(&COUNTS, &[], |row| {
                Ok(MediaCounts {
                    fetched: row.get(0)?,
                    waiting: row.get(1)?,
                    failed: row.get(2)?,
                })
            })
        })
    }
}
