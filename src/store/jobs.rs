//! Mass messages, template messages and published articles: what was sent, and the result. The result may arrive before
//! the `msg_id` is stored, so either may come first.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;

use super::columns::{number, some_text, text};
use super::error::StoreError;
use super::open::{Reader, Store};
use crate::wechat::{JobKind, JobResult};

/// A job that is about to be sent.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its kind.
    pub kind: JobKind,
    /// The platform's word for the kind of message.
    pub msg_type: String,
    /// Who gets a template message.
    pub openid: Option<String>,
    /// Who gets a mass message, for people.
    pub target: Option<String>,
    /// Its content, for people.
    pub content: String,
    /// Unix seconds.
    pub sent_at: i64,
}

/// A mass message as stored before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its row.
    pub id: i64,
    /// The clientmsgid to send with: that of the earlier message if this is a repetition.
    pub client_id: String,
    /// When the same message was first begun, Unix seconds.
    pub before: Option<i64>,
}

/// A row of `jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct Job {
    pub msg_id: Option<String>,
    pub client_id: Option<String>,
    pub msg_type: Option<String>,
    pub openid: Option<String>,
    pub target: Option<String>,
    pub content: Option<String>,
    pub sent_at: Option<i64>,
    pub status: Option<String>,
    pub total: Option<i64>,
    pub filtered: Option<i64>,
    pub sent: Option<i64>,
    pub failed: Option<i64>,
    pub finished_at: Option<i64>,
    pub msg_data_id: Option<String>,
    pub article_id: Option<String>,
    pub article_urls: Option<String>,
    pub fail_idx: Option<String>,
    /// `sent_at`, or else `finished_at`, as local date and time, for people.
    pub time: String,
    /// `finished_at` likewise.
    pub finished: Option<String>,
}

impl Store {
    /// Stores a mass message before it is sent. One with the same `fingerprint` that was begun at or after `since` is the
    /// same message and keeps its row and clientmsgid; otherwise `fresh_client_id` is used.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_mass(
        &self,
        job: NewJob,
        fingerprint: &str,
        fresh_client_id: &str,
        since: i64,
    ) -> Result<Begun, StoreError> {
        let (fingerprint, fresh) = (fingerprint.to_owned(), fresh_client_id.to_owned());
        self.writer.write_sqlite(move |connection| {
            let earlier = connection
                .query_row(
                    "SELECT id, client_id, sent_at FROM jobs
                     WHERE kind = 'mass' AND fingerprint = ?1 AND sent_at >= ?2 AND client_id IS NOT NULL
                     ORDER BY id DESC LIMIT 1",
                    params![fingerprint, since],
                    |row| {
                        Ok(Begun {
                            id: row.get(0)?,
                            client_id: row.get(1)?,
                            before: row.get(2)?,
                        })
                    },
                )
                .optional()?;
            if let Some(earlier) = earlier {
                return Ok(earlier);
            }
            insert(connection, &job)?;
            let id = connection.last_insert_rowid();
            connection.execute(
                "UPDATE jobs SET client_id = ?2, fingerprint = ?3 WHERE id = ?1",
                params![id, fresh, fingerprint],
            )?;
            Ok(Begun {
                id,
                client_id: fresh.clone(),
                before: None,
            })
        })
    }

    /// Removes a message that the platform refused: it was not sent.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn job_refused(&self, id: i64) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection
                .execute("DELETE FROM jobs WHERE id = ?1 AND msg_id IS NULL", [id])
                .map(drop)
        })
    }

    /// Stores a template message or a publication before it is sent, and returns its row.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_job(&self, job: NewJob) -> Result<i64, StoreError> {
        self.writer.write_sqlite(move |connection| {
            insert(connection, &job)?;
            Ok(connection.last_insert_rowid())
        })
    }

    /// Stores the number under which the platform accepted the job in this row; articles also have a `msg_data_id`.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn job_taken(
        &self,
        kind: JobKind,
        id: i64,
        msg_id: &str,
        msg_data_id: Option<&str>,
    ) -> Result<(), StoreError> {
        let (msg_id, msg_data_id) = (msg_id.to_owned(), msg_data_id.map(str::to_owned));
        self.writer.write_sqlite(move |connection| {
            taken(connection, kind, id, &msg_id, msg_data_id.as_deref())
        })
    }
}

impl Reader {
    /// The latest jobs of a kind, newest first; with `msg_id` only that one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn jobs(
        &self,
        kind: JobKind,
        msg_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare(
                    "SELECT msg_id, client_id, msg_type, openid, target, content, sent_at, status, total, filtered,
                            sent, failed, finished_at, datetime(coalesce(sent_at, finished_at), 'unixepoch', 'localtime'),
                            msg_data_id, article_id, article_urls, fail_idx, datetime(finished_at, 'unixepoch', 'localtime')
                     FROM jobs WHERE kind = ?1 AND (?2 IS NULL OR msg_id = ?2)
                     ORDER BY coalesce(sent_at, finished_at) DESC, id DESC LIMIT ?3",
                )?
                .query_map(params![kind.name(), msg_id, limit], job)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

/// Stores the result of a job, in the commit of its push.
pub(super) fn finish(
    connection: &Connection,
    result: &JobResult,
    sender: &str,
    at: i64,
) -> rusqlite::Result<()> {
    let openid = match result.kind {
        JobKind::Template => Some(sender),
        // It comes from one of the platform's own accounts.
        JobKind::Mass | JobKind::Publish => None,
    };
    let JobResult {
        counts, articles, ..
    } = result;
    let joined = |list: &[String], by: &str| (!list.is_empty()).then(|| list.join(by));
    connection
        .prepare_cached(
            "INSERT INTO jobs (kind, msg_id, openid, status, total, filtered, sent, failed, finished_at,
                               article_id, article_urls, fail_idx)
             VALUES (:kind, :msg_id, :openid, :status, :total, :filtered, :sent, :failed, :at, :article_id, :urls, :fail_idx)
             ON CONFLICT (kind, msg_id) WHERE msg_id IS NOT NULL DO UPDATE SET status = excluded.status, total = excluded.total,
                 filtered = excluded.filtered, sent = excluded.sent, failed = excluded.failed, finished_at = excluded.finished_at,
                 article_id = coalesce(excluded.article_id, article_id), article_urls = coalesce(excluded.article_urls, article_urls),
                 fail_idx = excluded.fail_idx",
        )?
        .execute(named_params! {
            ":kind": result.kind.name(),
            ":msg_id": result.msg_id,
            ":openid": openid,
            ":status": result.status,
            ":total": counts.total,
            ":filtered": counts.filtered,
            ":sent": counts.sent,
            ":failed": counts.failed,
            ":at": at,
            ":article_id": articles.article_id,
            ":urls": joined(&articles.urls, "\n"),
            ":fail_idx": joined(&articles.failed, ","),
        })?;
    Ok(())
}

/// Stores the number of an accepted message. Its result may have arrived first, and then has a separate row.
fn taken(
    connection: &Connection,
    kind: JobKind,
    id: i64,
    msg_id: &str,
    msg_data_id: Option<&str>,
) -> rusqlite::Result<()> {
    let (kind, early) = (kind.name(), "kind = ?2 AND msg_id = ?3 AND id <> ?1");
    connection.execute(
        &format!(
            "UPDATE jobs SET ({RESULT}) = (SELECT {RESULT} FROM jobs WHERE {early})
             WHERE id = ?1 AND EXISTS (SELECT 1 FROM jobs WHERE {early})"
        ),
        params![id, kind, msg_id],
    )?;
    connection.execute(
        &format!("DELETE FROM jobs WHERE {early}"),
        params![id, kind, msg_id],
    )?;
    connection.execute(
        "UPDATE jobs SET msg_id = ?2, msg_data_id = coalesce(?3, msg_data_id) WHERE id = ?1",
        params![id, msg_id, msg_data_id],
    )?;
    Ok(())
}

/// The columns set by a result.
const RESULT: &str =
    "status, total, filtered, sent, failed, finished_at, article_id, article_urls, fail_idx";

fn insert(connection: &Connection, job: &NewJob) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO jobs (kind, msg_type, openid, target, content, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            job.kind.name(),
            job.msg_type,
            job.openid,
            job.target,
            job.content,
            job.sent_at,
        ],
    )?;
    Ok(())
}

fn job(row: &Row) -> rusqlite::Result<Job> {
    Ok(Job {
        msg_id: text(row, 0)?,
        client_id: text(row, 1)?,
        msg_type: text(row, 2)?,
        openid: text(row, 3)?,
        target: text(row, 4)?,
        content: text(row, 5)?,
        sent_at: number(row, 6)?,
        status: text(row, 7)?,
        total: number(row, 8)?,
        filtered: number(row, 9)?,
        sent: number(row, 10)?,
        failed: number(row, 11)?,
        finished_at: number(row, 12)?,
        time: some_text(row, 13)?,
        msg_data_id: text(row, 14)?,
        article_id: text(row, 15)?,
        article_urls: text(row, 16)?,
        fail_idx: text(row, 17)?,
        finished: text(row, 18)?,
    })
}
