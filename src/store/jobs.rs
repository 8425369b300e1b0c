//! Mass messages, template messages and published articles: what was sent, and the result. The result may arrive before
//! the `msg_id` is stored, so either may come first.

use serde::Serialize;

use super::error::{SqlError, StoreError};
use super::open::{Reader, Store};
use super::sql::{self, Owned, Row, Sql, ToValue, values};
use super::statement::statements;
use crate::local_time;
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

/// The columns set by a result.
macro_rules! result {
    () => {
        "status, total, filtered, sent, failed, finished_at, article_id, article_urls, fail_idx"
    };
}

/// A result, perhaps of a job that another program sent.
macro_rules! put_result {
    () => {
        concat!(
            "INSERT INTO jobs (id, kind, msg_id, openid, ",
            result!(),
            ")
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
        )
    };
}

statements! {
    // One after the other: of two equal messages that begin at the same time, the second finds the first.
    IN_TURN = {
        sqlite: "",
        mysql: "INSERT INTO settings (name, value) VALUES ('mass', NULL) ON DUPLICATE KEY UPDATE value = NULL",
    };
    SAME_MASS = "SELECT id, client_id, sent_at FROM jobs
                 WHERE kind = 'mass' AND fingerprint = ?1 AND sent_at >= ?2 AND client_id IS NOT NULL
                 ORDER BY id DESC LIMIT 1";
    BEGIN = "INSERT INTO jobs (id, kind, msg_type, openid, target, content, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    IDENTIFY = "UPDATE jobs SET client_id = ?2, fingerprint = ?3 WHERE id = ?1";
    REMOVE_REFUSED = "DELETE FROM jobs WHERE id = ?1 AND msg_id IS NULL";
    LIST = "SELECT msg_id, client_id, msg_type, openid, target, content, sent_at, status, total, filtered,
                   sent, failed, finished_at, msg_data_id, article_id, article_urls, fail_idx
            FROM jobs WHERE kind = ?1 AND (?2 IS NULL OR msg_id = ?2)
            ORDER BY coalesce(sent_at, finished_at) DESC, id DESC LIMIT ?3";
    FINISH = {
        sqlite: concat!(put_result!(), "ON CONFLICT (kind, msg_id) WHERE msg_id IS NOT NULL DO UPDATE SET
                    status = excluded.status, total = excluded.total, filtered = excluded.filtered, sent = excluded.sent,
                    failed = excluded.failed, finished_at = excluded.finished_at,
                    article_id = coalesce(excluded.article_id, article_id),
                    article_urls = coalesce(excluded.article_urls, article_urls), fail_idx = excluded.fail_idx"),
        mysql: concat!(put_result!(), "ON DUPLICATE KEY UPDATE
                   status = ?5, total = ?6, filtered = ?7, sent = ?8, failed = ?9, finished_at = ?10,
                   article_id = coalesce(?11, article_id), article_urls = coalesce(?12, article_urls), fail_idx = ?13"),
    };
    EARLY = {
        sqlite: concat!("SELECT ", result!(), " FROM jobs WHERE kind = ?2 AND msg_id = ?3 AND id <> ?1"),
        mysql: concat!("SELECT ", result!(), " FROM jobs WHERE kind = ?2 AND msg_id = ?3 AND id <> ?1 FOR UPDATE"),
    };
    TAKE_RESULT = "UPDATE jobs SET status = ?2, total = ?3, filtered = ?4, sent = ?5, failed = ?6, finished_at = ?7,
                       article_id = ?8, article_urls = ?9, fail_idx = ?10 WHERE id = ?1";
    REMOVE_EARLY = "DELETE FROM jobs WHERE kind = ?2 AND msg_id = ?3 AND id <> ?1";
    TAKEN = "UPDATE jobs SET msg_id = ?2, msg_data_id = coalesce(?3, msg_data_id) WHERE id = ?1";
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
        self.writer.write(move |sql| {
            sql.run(&IN_TURN, &[])?;
            let earlier = sql.optional(&SAME_MASS, values![fingerprint, since], |row| {
                Ok(Begun {
                    id: row.get(0)?,
                    client_id: row.get(1)?,
                    before: row.get(2)?,
                })
            })?;
            if let Some(earlier) = earlier {
                return Ok(earlier);
            }
            let id = begin(sql, &job)?;
            sql.run(&IDENTIFY, values![id, fresh, fingerprint])?;
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
        self.writer
            .write(move |sql| sql.run(&REMOVE_REFUSED, values![id]).map(drop))
    }

    /// Stores a template message or a publication before it is sent, and returns its row.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_job(&self, job: NewJob) -> Result<i64, StoreError> {
        self.writer.write(move |sql| begin(sql, &job))
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
        self.writer
            .write(move |sql| taken(sql, kind, id, &msg_id, msg_data_id.as_deref()))
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
        self.read(|sql| sql.all(&LIST, values![kind.name(), msg_id, limit], job))
    }
}

/// Stores the result of a job, in the commit of its push.
pub(super) fn finish(
    sql: &mut dyn Sql,
    result: &JobResult,
    sender: &str,
    at: i64,
) -> sql::Result<()> {
    let openid = match result.kind {
        JobKind::Template => Some(sender),
        // It comes from one of the platform's own accounts.
        JobKind::Mass | JobKind::Publish => None,
    };
    let JobResult {
        counts, articles, ..
    } = result;
    let joined = |list: &[String], by: &str| (!list.is_empty()).then(|| list.join(by));
    sql.insert(
        &FINISH,
        values![
            result.kind.name(),
            result.msg_id,
            openid,
            result.status,
            counts.total,
            counts.filtered,
            counts.sent,
            counts.failed,
            at,
            articles.article_id,
            joined(&articles.urls, "\n"),
            joined(&articles.failed, ","),
        ],
    )
    .map(drop)
}

/// Stores the number of an accepted message. Its result may have arrived first, and then has a separate row.
fn taken(
    sql: &mut dyn Sql,
    kind: JobKind,
    id: i64,
    msg_id: &str,
    msg_data_id: Option<&str>,
) -> sql::Result<()> {
    let kind = kind.name();
    let early = values![id, kind, msg_id];
    let result = |row: &dyn Row| (0..row.columns()).map(|column| row.get(column)).collect();
    // Twice: its result may arrive in between.
    for _ in 0..2 {
        let found: Option<Vec<Owned>> = sql.optional(&EARLY, early, result)?;
        if let Some(found) = found {
            let mut values = vec![id.value()];
            values.extend(found.iter().map(ToValue::value));
            sql.run(&TAKE_RESULT, &values)?;
            sql.run(&REMOVE_EARLY, early)?;
        }
        if sql.run(&TAKEN, values![id, msg_id, msg_data_id])? > 0 {
            break;
        }
    }
    Ok(())
}

fn begin(sql: &mut dyn Sql, job: &NewJob) -> sql::Result<i64> {
    let id = sql.insert(
        &BEGIN,
        values![
            job.kind.name(),
            job.msg_type,
            job.openid,
            job.target,
            job.content,
            job.sent_at,
        ],
    )?;
    id.ok_or_else(|| SqlError::of_one("the job is there already"))
}

fn job(row: &dyn Row) -> sql::Result<Job> {
    let (sent_at, finished_at) = (row.number(6), row.number(12));
    let time = sent_at.or(finished_at).map(local_time::format);
    Ok(Job {
        msg_id: row.text(0),
        client_id: row.text(1),
        msg_type: row.text(2),
        openid: row.text(3),
        target: row.text(4),
        content: row.text(5),
        sent_at,
        status: row.text(7),
        total: row.number(8),
        filtered: row.number(9),
        sent: row.number(10),
        failed: row.number(11),
        finished_at,
        time: time.unwrap_or_default(),
        msg_data_id: row.text(13),
        article_id: row.text(14),
        article_urls: row.text(15),
        fail_idx: row.text(16),
        finished: finished_at.map(local_time::format),
    })
}
