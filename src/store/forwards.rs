//! Pushes that a rule forwarded to a service: each step towards the follower is committed before it is taken.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{some_number, some_text, text};
use super::error::StoreError;
use super::open::{Reader, Store};
use super::sent::{self, NewSent, Sent, SentMessage};
use super::settings::{self, NO_CUSTOM_SEND, NO_QR_CODES};
use super::writer::AfterCommit;
use crate::wechat::{MAX_TEXT_BYTES, Reply};

/// What is recorded of a forwarded push together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewForward {
    /// The name of the service.
    pub service: String,
    /// What happens to it.
    pub begins: Begins,
}

/// How a forwarded push begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begins {
    /// The service is asked, and the push is answered when it has answered.
    Pending,
    /// The service is asked, and the push is answered with `success`, because nothing can be shown.
    Unanswerable,
    /// The service is not asked, for this reason. The answer is the one of the record.
    Failed(String),
}

/// Whether an answer that was kept for the sender may be shown with a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowsKept {
    /// No.
    No,
    /// As its answer.
    Alone,
    /// Before this text, which is its answer.
    Before(String),
}

/// A forwarded push in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// The row of `forwards`; never that of another push, even when the row is gone.
    pub id: i64,
    /// How often the platform has delivered the push.
    pub deliveries: i64,
}

/// What may be tried with a late answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rungs {
    /// This customer-service message, unless the account is known not to have the right.
    pub message: Option<SentMessage>,
    /// The follower's next message.
    pub next: bool,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is the answer to the push; `None`: `success`.
    Answer(Option<String>),
    /// It may be sent as a customer-service message now.
    Sending,
    /// It is kept for the follower's next message.
    Kept,
    /// Nothing is left to try.
    Expired,
    /// There is nothing to show.
    Nothing,
    /// Another step was faster, or the push is gone.
    Moot,
}

/// A push whose service is still to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenForward {
    /// The row.
    pub forwarded: Forwarded,
    /// The name of the service.
    pub service: String,
    /// The sender.
    pub openid: String,
    /// Whether the push has no answer yet.
    pub is_pending: bool,
    /// When the service was asked first, in Unix seconds.
    pub asked_at: i64,
    /// See `Push::dedup_key`.
    pub dedup_key: String,
    /// The push as received, decrypted.
    pub received: Option<String>,
}

impl Store {
    /// Records the answer of a service; `None`: there is nothing to show. `done` runs after the commit, on the writer's
    /// thread.
    pub fn answer_forward(
        &self,
        id: i64,
        answer: Option<String>,
        rungs: Rungs,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let work = move |connection: &Connection| -> rusqlite::Result<Settled> {
            answer_forward(connection, id, answer.as_deref(), &rungs, now)
        };
        self.writer
            .write_then(move |sql| Ok(work(sql.sqlite())?), done);
    }

    /// Records that a service failed; `otherwise` answers the push if nothing has yet.
    pub fn fail_forward(
        &self,
        id: i64,
        error: String,
        otherwise: Option<String>,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let work = move |connection: &Connection| -> rusqlite::Result<Settled> {
            let Some((State::Asked, pending)) = state(connection, id)? else {
                return Ok(Settled::Moot);
            };
            if let Some(message_id) = pending {
                set_reply(connection, message_id, otherwise.as_deref())?;
            }
            connection
                .prepare_cached(
                    "UPDATE forwards SET state = 'failed', error = ?2, done_at = ?3 WHERE id = ?1",
                )?
                .execute(params![id, error, now])?;
            Ok(match pending {
                Some(_) => Settled::Answer(otherwise.clone()),
                None => Settled::Nothing,
            })
        };
        self.writer
            .write_then(move |sql| Ok(work(sql.sqlite())?), done);
    }

    /// Answers a push without its service, which may still answer: with `wait_text`, unless a customer-service message may
    /// bring the answer.
    pub fn give_up_waiting(
        &self,
        id: i64,
        wait_text: Option<String>,
        may_send: bool,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let work = move |connection: &Connection| -> rusqlite::Result<Settled> {
            let Some((_, Some(message_id))) = state(connection, id)? else {
                return Ok(Settled::Moot);
            };
            let sends = may_send && !settings::lacks_right(&mut &*connection, NO_CUSTOM_SEND, now)?;
            let reply = wait_text.clone().filter(|_| !sends);
            set_reply(connection, message_id, reply.as_deref())?;
            Ok(Settled::Answer(reply))
        };
        self.writer
            .write_then(move |sql| Ok(work(sql.sqlite())?), done);
    }

    /// Closes a push that the platform no longer delivers: further deliveries get `success`. An answer that nobody got
    /// goes on to the next rung. Does nothing if the platform has delivered it again meanwhile.
    pub fn stop_waiting(
        &self,
        forwarded: Forwarded,
        rungs: Rungs,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let work = move |connection: &Connection| stop_waiting(connection, forwarded, &rungs, now);
        self.writer
            .write_then(move |sql| Ok(work(sql.sqlite())?), done);
    }

    /// Records how a customer-service message ended.
    pub fn end_sending(
        &self,
        id: i64,
        ended: Sent,
        rungs: Rungs,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let work = move |connection: &Connection| -> rusqlite::Result<Settled> {
            if !matches!(state(connection, id)?, Some((State::Sending, _))) {
                return Ok(Settled::Moot);
            }
            let (state, why, settled) = match &ended {
                Sent::Yes => ("sent", None, Settled::Nothing),
                Sent::Unknown(why) => ("unknown", Some(why), Settled::Nothing),
                Sent::No { why, .. } if rungs.next => ("kept", Some(why), Settled::Kept),
                Sent::No { why, .. } => ("expired", Some(why), Settled::Expired),
            };
            sent::end(connection, "once = ?1", once(id), &ended)?;
            let done_at = Some(now).filter(|_| state != "kept");
            connection
                .prepare_cached(
                    "UPDATE forwards SET state = ?2, error = ?3, done_at = ?4 WHERE id = ?1",
                )?
                .execute(params![id, state, why, done_at])?;
            Ok(settled)
        };
        self.writer
            .write_then(move |sql| Ok(work(sql.sqlite())?), done);
    }

    /// Gives up the answers of a service that were kept since before `before`, in Unix seconds. Returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn expire_kept(&self, service: &str, before: i64, now: i64) -> Result<usize, StoreError> {
        let service = service.to_owned();
        self.writer.write_sqlite(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE forwards SET state = 'expired', done_at = ?3
                     WHERE state = 'kept' AND service = ?1 AND answered_at < ?2",
                )?
                .execute(params![service, before, now])
        })
    }

    /// What a server that was killed left behind: messages that were being sent count as sent from now on, and the
    /// pushes are returned whose service did not answer.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn open_forwards(&self, now: i64) -> Result<Vec<OpenForward>, StoreError> {
        let has_open = "SELECT 1 FROM forwards WHERE state IN ('asked', 'sending') LIMIT 1";
        let reader = self.reader()?;
        let fail = |error| Reader::failed(&error);
        if !reader
            .sqlite()
            .prepare(has_open)
            .map_err(fail)?
            .exists([])
            .map_err(fail)?
        {
            return Ok(Vec::new());
        }
        self.writer.write_sqlite(move |connection| {
            connection.execute(
                "UPDATE forwards SET state = 'unknown', error = 'the server ended while it was being sent', done_at = ?1
                 WHERE state = 'sending'",
                [now],
            )?;
            connection
                .prepare(
                    // None is `sending` any more; the words are those of the index.
                    "SELECT forwards.id, deliveries, service, forwards.openid, pending IS 1, asked_at, dedup_key, xml
                     FROM forwards JOIN messages ON messages.id = message_id
                     WHERE state IN ('asked', 'sending') ORDER BY forwards.id",
                )?
                .query_map([], |row| {
                    Ok(OpenForward {
                        forwarded: Forwarded {
                            id: row.get(0)?,
                            deliveries: some_number(row, 1)?,
                        },
                        service: some_text(row, 2)?,
                        openid: some_text(row, 3)?,
                        is_pending: row.get(4)?,
                        asked_at: some_number(row, 5)?,
                        dedup_key: some_text(row, 6)?,
                        received: text(row, 7)?,
                    })
                })?
                .collect()
        })
    }

    /// Lets every change of a forwarded push fail, or none.
    #[cfg(test)]
    pub(crate) fn break_forwards(&self, breaks: bool) -> Result<(), StoreError> {
        let sql = match breaks {
            true => {
                "CREATE TRIGGER IF NOT EXISTS breaks BEFORE UPDATE ON forwards BEGIN SELECT raise(ABORT, 'a test'); END"
            }
            false => "DROP TRIGGER IF EXISTS breaks",
        };
        self.writer
            .write_sqlite(move |connection| connection.execute_batch(sql))
    }

    /// Forgets that the account has no right to customer-service messages, and none to make QR codes. For each: whether
    /// that was known.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn forget_missing_rights(&self) -> Result<[bool; 2], StoreError> {
        self.writer.write_sqlite(|connection| {
            let forget = |right| {
                let was_known = settings::get(&mut &*connection, right)?.is_some();
                settings::remove(&mut &*connection, right).map(|()| was_known)
            };
            Ok([forget(NO_CUSTOM_SEND)?, forget(NO_QR_CODES)?])
        })
    }
}

impl Reader {
    /// Whether this forwarded push is still in the store: it goes when its sender is erased.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_forward(&self, id: i64) -> Result<bool, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached("SELECT 1 FROM forwards WHERE id = ?1")?
                .exists([id])
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The services of which an answer is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn services_with_kept_answers(&self) -> Result<Vec<String>, StoreError> {
        self.kept_answers("service")
    }

    /// For whom an answer is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn people_with_kept_answers(&self) -> Result<Vec<String>, StoreError> {
        self.kept_answers("openid")
    }

    fn kept_answers(&self, column: &str) -> Result<Vec<String>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(&format!(
                    "SELECT DISTINCT {column} FROM forwards WHERE state = 'kept'"
                ))?
                .query_map([], |row| some_text(row, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

/// The states that decide about the next step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Answered,
    Sending,
    /// Any other.
    Done,
}

/// The state of a forwarded push; and its row of `messages`, if the push has no answer yet. `None`: it is gone.
fn state(connection: &Connection, id: i64) -> rusqlite::Result<Option<(State, Option<i64>)>> {
    connection
        .prepare_cached(
            "SELECT state, iif(pending, message_id, NULL)
             FROM forwards JOIN messages ON messages.id = message_id WHERE forwards.id = ?1",
        )?
        .query_row([id], |row| {
            let state = match &*some_text(row, 0)? {
                "asked" => State::Asked,
                "answered" => State::Answered,
                "sending" => State::Sending,
                _ => State::Done,
            };
            Ok((state, row.get(1)?))
        })
        .optional()
}

fn set_reply(
    connection: &Connection,
    message_id: i64,
    reply: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET reply = ?2, pending = NULL WHERE id = ?1")?
        .execute(params![message_id, reply])
        .map(drop)
}

fn answer_forward(
    connection: &Connection,
    id: i64,
    answer: Option<&str>,
    rungs: &Rungs,
    now: i64,
) -> rusqlite::Result<Settled> {
    let Some((State::Asked, pending)) = state(connection, id)? else {
        return Ok(Settled::Moot);
    };
    let (state, settled) = match (pending, answer) {
        (Some(message_id), answer) => {
            set_reply(connection, message_id, answer)?;
            ("answered", Settled::Answer(answer.map(str::to_owned)))
        }
        (None, None) => ("answered", Settled::Nothing),
        (None, Some(_)) => next_rung(connection, id, rungs, now)?,
    };
    connection
        .prepare_cached(
            "UPDATE forwards SET state = ?2, answer = ?3, answered_at = ?4, done_at = ?5 WHERE id = ?1",
        )?
        .execute(params![id, state, answer, now, done_at(&settled, now)])?;
    Ok(settled)
}

fn stop_waiting(
    connection: &Connection,
    forwarded: Forwarded,
    rungs: &Rungs,
    now: i64,
) -> rusqlite::Result<Settled> {
    let Forwarded { id, deliveries } = forwarded;
    let message_id = connection
        .prepare_cached("SELECT message_id FROM forwards WHERE id = ?1 AND deliveries = ?2")?
        .query_row([id, deliveries], |row| row.get(0))
        .optional()?;
    let (Some(message_id), Some((state, pending))) = (message_id, state(connection, id)?) else {
        return Ok(Settled::Moot);
    };
    match (state, pending) {
        (State::Asked, Some(_)) => {
            set_reply(connection, message_id, None)?;
            Ok(Settled::Nothing)
        }
        (State::Answered, _) => {
            let (state, settled) = next_rung(connection, id, rungs, now)?;
            set_reply(connection, message_id, None)?;
            connection
                .prepare_cached("UPDATE forwards SET state = ?2, done_at = ?3 WHERE id = ?1")?
                .execute(params![id, state, done_at(&settled, now)])?;
            Ok(settled)
        }
        (State::Asked | State::Sending | State::Done, _) => Ok(Settled::Moot),
    }
}

fn done_at(settled: &Settled, now: i64) -> Option<i64> {
    match settled {
        Settled::Answer(_) | Settled::Nothing | Settled::Expired => Some(now),
        Settled::Sending | Settled::Kept | Settled::Moot => None,
    }
}

/// Where an answer goes that the push can no longer carry.
fn next_rung(
    connection: &Connection,
    id: i64,
    rungs: &Rungs,
    now: i64,
) -> rusqlite::Result<(&'static str, Settled)> {
    if let Some(message) = &rungs.message
        && !settings::lacks_right(&mut &*connection, NO_CUSTOM_SEND, now)?
    {
        let openid = connection
            .prepare_cached("SELECT openid FROM forwards WHERE id = ?1")?
            .query_row([id], |row| some_text(row, 0))?;
        let new = NewSent {
            openid,
            at: now,
            message: message.clone(),
            by: BY_SERVICE.to_owned(),
            once: Some(once(id)),
        };
        sent::begin(connection, &new)?;
        return Ok(("sending", Settled::Sending));
    }
    Ok(match rungs.next {
        true => ("kept", Settled::Kept),
        false => ("expired", Settled::Expired),
    })
}

/// Who sends the answers of services, for `sent`.
const BY_SERVICE: &str = "service";

/// The number that the message with the answer to this forwarded push has in `sent`.
fn once(id: i64) -> String {
    format!("forward {id}")
}

/// Records a forwarded push together with its message.
pub(super) fn add(
    connection: &Connection,
    forward: &NewForward,
    message_id: i64,
    openid: &str,
    now: i64,
) -> rusqlite::Result<Forwarded> {
    let (state, error, done_at) = match &forward.begins {
        Begins::Pending | Begins::Unanswerable => ("asked", None, None),
        Begins::Failed(why) => ("failed", Some(why), Some(now)),
    };
    connection
        .prepare_cached(
            "INSERT INTO forwards (message_id, service, openid, state, error, asked_at, done_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            message_id,
            forward.service,
            openid,
            state,
            error,
            now,
            done_at
        ])?;
    Ok(Forwarded {
        id: connection.last_insert_rowid(),
        deliveries: 1,
    })
}

/// Counts another delivery of a push, if it was forwarded.
pub(super) fn delivered_again(
    connection: &Connection,
    message_id: i64,
) -> rusqlite::Result<Option<Forwarded>> {
    connection
        .prepare_cached(
            "UPDATE forwards SET deliveries = deliveries + 1 WHERE message_id = ?1 RETURNING id, deliveries",
        )?
        .query_row([message_id], |row| {
            Ok(Forwarded {
                id: row.get(0)?,
                deliveries: row.get(1)?,
            })
        })
        .optional()
}

/// Shows the oldest answer that was kept for a person with a new push, if that is possible. Returns the reply. `account`
/// is the account's original ID.
pub(super) fn show_kept(
    connection: &Connection,
    message_id: i64,
    shows: &ShowsKept,
    openid: &str,
    account: &str,
    now: i64,
) -> rusqlite::Result<Option<String>> {
    let kept = connection
        .prepare_cached(
            "SELECT id, answer FROM forwards WHERE state = 'kept' AND openid = ?1 ORDER BY id LIMIT 1",
        )?
        .query_row([openid], |row| {
            Ok((row.get::<_, i64>(0)?, some_text(row, 1)?))
        })
        .optional()?;
    let Some((id, answer)) = kept else {
        return Ok(None);
    };
    let reply = match (Reply::parse(&answer), shows) {
        (Ok(reply), ShowsKept::Alone) => Some(reply),
        (Ok(Reply::Text(kept)), ShowsKept::Before(text)) => {
            let joined = format!("{kept}\n\n{text}");
            (joined.len() <= MAX_TEXT_BYTES).then_some(Reply::Text(joined))
        }
        (Ok(_), ShowsKept::Before(_)) | (_, ShowsKept::No) | (Err(_), _) => None,
    };
    let Some(xml) = reply.and_then(|reply| reply.to_xml(openid, account, now)) else {
        return Ok(None);
    };
    set_reply(connection, message_id, Some(&xml))?;
    connection
        .prepare_cached("UPDATE forwards SET state = 'shown', done_at = ?2 WHERE id = ?1")?
        .execute([id, now])?;
    Ok(Some(xml))
}
