//! Pushes that a rule forwarded to a service: each step towards the follower is committed before it is taken.

use super::error::{SqlError, StoreError};
use super::open::{Reader, Store};
use super::process::NodeId;
use super::sent::{self, NewSent, Sent, SentMessage, Which};
use super::settings::{self, NO_CUSTOM_SEND, NO_QR_CODES};
use super::sql::{self, Sql, values};
use super::statement::{Statement, statements};
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
    /// The platform has delivered the push again meanwhile.
    Redelivered(Forwarded),
    /// Another step was faster, another server has taken over, or the push is gone.
    Moot,
}

/// Where a forwarded push is, with the columns in the order in which [`found`] reads them. `?2` is this server.
macro_rules! state {
    ($is_mine:literal, $is_taken:literal) => {
        concat!(
            "SELECT state, message_id, coalesce(pending, 0) = 1, deliveries, ",
            $is_mine,
            ", ",
            $is_taken,
            " FROM forwards JOIN messages ON messages.id = message_id WHERE forwards.id = ?1"
        )
    };
}

/// The oldest answer that is kept for a person.
macro_rules! kept {
    () => {
        "SELECT id, answer FROM forwards WHERE state = 'kept' AND openid = ?1 ORDER BY id LIMIT 1"
    };
}

statements! {
    // What decides about the next step stays as it is until the commit: others wait for the row.
    // In a file every row is this server's.
    STATE = { sqlite: state!("?2 IS NOT NULL", "0"), mysql: concat!(state!("node <=> ?2", "taken > 0"), " FOR UPDATE") };
    KEPT = { sqlite: kept!(), mysql: concat!(kept!(), " FOR UPDATE") };
    SET_REPLY = "UPDATE messages SET reply = ?2, pending = NULL WHERE id = ?1";
    ANSWER = "UPDATE forwards SET state = ?2, answer = ?3, answered_at = ?4, done_at = ?5 WHERE id = ?1";
    FAIL = "UPDATE forwards SET state = 'failed', error = ?2, done_at = ?3 WHERE id = ?1";
    MOVE_ON = "UPDATE forwards SET state = ?2, done_at = ?3 WHERE id = ?1";
    pub(super) END = "UPDATE forwards SET state = ?2, error = ?3, done_at = ?4 WHERE id = ?1";
    SHOW = "UPDATE forwards SET state = 'shown', done_at = ?2 WHERE id = ?1";
    EXPIRE = "UPDATE forwards SET state = 'expired', done_at = ?3 WHERE state = 'kept' AND service = ?1 AND answered_at < ?2";
    // Whose service a server asks, it also goes on with the answer.
    OWN = { sqlite: "", mysql: "UPDATE forwards SET node = ?2 WHERE id = ?1" };
    REPLY = "SELECT reply FROM messages WHERE id = ?1";
    // So many deliveries more, or fewer, were given the answer: it may have been shown. In a file the one server knows.
    TAKE = { sqlite: "", mysql: "UPDATE forwards SET taken = taken + 1 WHERE id = ?1 AND state = 'answered'" };
    PUT_BACK = { sqlite: "", mysql: "UPDATE forwards SET taken = taken - 1 WHERE id = ?1 AND taken > 0" };
    SERVICES_WITH_KEPT = "SELECT DISTINCT service FROM forwards WHERE state = 'kept'";
    PEOPLE_WITH_KEPT = "SELECT DISTINCT openid FROM forwards WHERE state = 'kept'";
    PERSON = "SELECT openid FROM forwards WHERE id = ?1";
    ADD = "INSERT INTO forwards (id, message_id, service, openid, state, error, asked_at, done_at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    COUNT_DELIVERY = {
        sqlite: "UPDATE forwards SET deliveries = deliveries + 1 WHERE message_id = ?1",
        mysql: "UPDATE forwards SET deliveries = deliveries + 1, taken = taken + (state = 'answered') WHERE message_id = ?1",
    };
    DELIVERIES = "SELECT id, deliveries FROM forwards WHERE message_id = ?1";
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
        let node = self.node;
        let work =
            move |sql: &mut dyn Sql| answer_forward(sql, id, node, answer.as_deref(), &rungs, now);
        self.writer.write_then(work, done);
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
        let node = self.node;
        let work = move |sql: &mut dyn Sql| {
            let found = found(sql, id, node)?;
            let Some(found) = found.filter(|found| found.is_mine && found.state == State::Asked)
            else {
                return Ok(Settled::Moot);
            };
            if found.is_pending {
                set_reply(sql, found.message_id, otherwise.as_deref())?;
            }
            sql.run(&FAIL, values![id, error, now])?;
            Ok(match found.is_pending {
                true => Settled::Answer(otherwise.clone()),
                false => Settled::Nothing,
            })
        };
        self.writer.write_then(work, done);
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
        let node = self.node;
        let work = move |sql: &mut dyn Sql| {
            let found = found(sql, id, node)?;
            let Some(found) = found.filter(|found| found.is_pending) else {
                return Ok(Settled::Moot);
            };
            let sends = may_send && !settings::lacks_right(sql, NO_CUSTOM_SEND, now)?;
            let reply = wait_text.clone().filter(|_| !sends);
            set_reply(sql, found.message_id, reply.as_deref())?;
            Ok(Settled::Answer(reply))
        };
        self.writer.write_then(work, done);
    }

    /// Closes a push that the platform no longer delivers: further deliveries get `success`. An answer that nobody got
    /// goes on to the next rung. Does nothing if the platform has delivered it more often than `forwarded` says.
    pub fn stop_waiting(
        &self,
        forwarded: Forwarded,
        rungs: Rungs,
        now: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let node = self.node;
        let work = move |sql: &mut dyn Sql| stop_waiting(sql, forwarded, node, &rungs, now);
        self.writer.write_then(work, done);
    }

    /// The answer to a push that another server has recorded, for a delivery that waits here: who gives it counts as one
    /// who shows it, until [`Store::put_back_answer`].
    pub fn take_answer(
        &self,
        id: i64,
        done: impl FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let node = self.node;
        let work = move |sql: &mut dyn Sql| {
            let Some(found) = found(sql, id, node)? else {
                // Its sender was erased.
                return Ok(Settled::Answer(None));
            };
            if found.is_pending {
                return Ok(Settled::Moot);
            }
            sql.run(&TAKE, values![id])?;
            let reply = sql.one(&REPLY, values![found.message_id], |row| Ok(row.text(0)))?;
            Ok(Settled::Answer(reply))
        };
        self.writer.write_then(work, done);
    }

    /// Nobody waited any more for the answer that was given from the store. In a file nothing need be noted of it.
    pub fn put_back_answer(&self, id: i64) {
        if self.is_shared() {
            let work = move |sql: &mut dyn Sql| sql.run(&PUT_BACK, values![id]);
            self.writer.write_then(work, |_, _| {});
        }
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
        let node = self.node;
        let work = move |sql: &mut dyn Sql| {
            let found = found(sql, id, node)?;
            if !found.is_some_and(|found| found.is_mine && found.state == State::Sending) {
                return Ok(Settled::Moot);
            }
            let (state, why, settled) = match &ended {
                Sent::Yes => ("sent", None, Settled::Nothing),
                Sent::Unknown(why) => ("unknown", Some(why), Settled::Nothing),
                Sent::No { why, .. } if rungs.next => ("kept", Some(why), Settled::Kept),
                Sent::No { why, .. } => ("expired", Some(why), Settled::Expired),
            };
            sent::end(sql, Which::Number(&once(id)), &ended)?;
            let done_at = Some(now).filter(|_| state != "kept");
            sql.run(&END, values![id, state, why, done_at])?;
            Ok(settled)
        };
        self.writer.write_then(work, done);
    }

    /// Gives up the answers of a service that were kept since before `before`, in Unix seconds. Returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn expire_kept(&self, service: &str, before: i64, now: i64) -> Result<usize, StoreError> {
        let service = service.to_owned();
        self.writer
            .write(move |sql| sql.run(&EXPIRE, values![service, before, now]))
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
        self.writer.write(|sql| {
            let mut forget = |right| {
                let was_known = settings::get(sql, right)?.is_some();
                settings::remove(sql, right).map(|()| was_known)
            };
            Ok([forget(NO_CUSTOM_SEND)?, forget(NO_QR_CODES)?])
        })
    }
}

impl Reader {
    /// The services of which an answer is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn services_with_kept_answers(&self) -> Result<Vec<String>, StoreError> {
        self.kept_answers(&SERVICES_WITH_KEPT)
    }

    /// For whom an answer is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn people_with_kept_answers(&self) -> Result<Vec<String>, StoreError> {
        self.kept_answers(&PEOPLE_WITH_KEPT)
    }

    fn kept_answers(&self, of_whom: &Statement) -> Result<Vec<String>, StoreError> {
        self.read(|sql| sql.all(of_whom, &[], |row| Ok(row.some_text(0))))
    }
}

/// What decides about the next step.
pub(super) struct Found {
    pub(super) state: State,
    message_id: i64,
    /// The push has no answer yet.
    is_pending: bool,
    /// How often the platform has delivered it.
    deliveries: i64,
    /// No other server has taken over.
    pub(super) is_mine: bool,
    /// Another server may have shown the answer.
    is_taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Asked,
    Answered,
    Sending,
    /// Any other.
    Done,
}

/// Where a forwarded push is; `None`: it is gone.
pub(super) fn found(sql: &mut dyn Sql, id: i64, node: NodeId) -> sql::Result<Option<Found>> {
    sql.optional(&STATE, values![id, node.0], |row| {
        Ok(Found {
            state: match &*row.some_text(0) {
                "asked" => State::Asked,
                "answered" => State::Answered,
                "sending" => State::Sending,
                _ => State::Done,
            },
            message_id: row.get(1)?,
            is_pending: row.get(2)?,
            deliveries: row.some_number(3),
            is_mine: row.get(4)?,
            is_taken: row.get(5)?,
        })
    })
}

fn set_reply(sql: &mut dyn Sql, message_id: i64, reply: Option<&str>) -> sql::Result<()> {
    sql.run(&SET_REPLY, values![message_id, reply]).map(drop)
}

fn answer_forward(
    sql: &mut dyn Sql,
    id: i64,
    node: NodeId,
    answer: Option<&str>,
    rungs: &Rungs,
    now: i64,
) -> sql::Result<Settled> {
    let found = found(sql, id, node)?;
    let Some(found) = found.filter(|found| found.is_mine && found.state == State::Asked) else {
        return Ok(Settled::Moot);
    };
    let (state, settled) = match (found.is_pending, answer) {
        (true, answer) => {
            set_reply(sql, found.message_id, answer)?;
            ("answered", Settled::Answer(answer.map(str::to_owned)))
        }
        (false, None) => ("answered", Settled::Nothing),
        (false, Some(_)) => next_rung(sql, id, rungs, now)?,
    };
    let done_at = done_at(&settled, now);
    sql.run(&ANSWER, values![id, state, answer, now, done_at])?;
    Ok(settled)
}

fn stop_waiting(
    sql: &mut dyn Sql,
    known: Forwarded,
    node: NodeId,
    rungs: &Rungs,
    now: i64,
) -> sql::Result<Settled> {
    let id = known.id;
    let found = found(sql, id, node)?;
    let Some(found) = found.filter(|found| found.is_mine) else {
        return Ok(Settled::Moot);
    };
    let deliveries = found.deliveries;
    if deliveries != known.deliveries {
        return Ok(Settled::Redelivered(Forwarded { id, deliveries }));
    }
    match found.state {
        State::Asked => {
            if found.is_pending {
                set_reply(sql, found.message_id, None)?;
            }
            Ok(Settled::Nothing)
        }
        State::Answered if !found.is_taken => {
            let (state, settled) = next_rung(sql, id, rungs, now)?;
            set_reply(sql, found.message_id, None)?;
            sql.run(&MOVE_ON, values![id, state, done_at(&settled, now)])?;
            Ok(settled)
        }
        State::Answered | State::Sending | State::Done => Ok(Settled::Moot),
    }
}

fn done_at(settled: &Settled, now: i64) -> Option<i64> {
    match settled {
        Settled::Answer(_) | Settled::Nothing | Settled::Expired => Some(now),
        Settled::Sending | Settled::Kept | Settled::Redelivered(_) | Settled::Moot => None,
    }
}

/// Where an answer goes that the push can no longer carry.
fn next_rung(
    sql: &mut dyn Sql,
    id: i64,
    rungs: &Rungs,
    now: i64,
) -> sql::Result<(&'static str, Settled)> {
    if let Some(message) = &rungs.message
        && !settings::lacks_right(sql, NO_CUSTOM_SEND, now)?
    {
        let openid = sql.one(&PERSON, values![id], |row| Ok(row.some_text(0)))?;
        let new = NewSent {
            openid,
            at: now,
            message: message.clone(),
            by: BY_SERVICE.to_owned(),
            once: Some(once(id)),
        };
        if sent::begin(sql, &new)?.is_none() {
            return Err(SqlError::of_one("its answer was sent before"));
        }
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
pub(super) fn once(id: i64) -> String {
    format!("forward {id}")
}

/// Records a forwarded push together with its message. `node` is this server, which asks the service.
pub(super) fn add(
    sql: &mut dyn Sql,
    forward: &NewForward,
    node: NodeId,
    message_id: i64,
    openid: &str,
    now: i64,
) -> sql::Result<Forwarded> {
    let (state, error, done_at) = match &forward.begins {
        Begins::Pending | Begins::Unanswerable => ("asked", None, None),
        Begins::Failed(why) => ("failed", Some(why), Some(now)),
    };
    let id = sql.insert(
        &ADD,
        values![
            message_id,
            forward.service,
            openid,
            state,
            error,
            now,
            done_at
        ],
    )?;
    let id = id.ok_or_else(|| SqlError::of_one("the push was forwarded before"))?;
    sql.run_soon(&OWN, values![id, node.0])?;
    Ok(Forwarded { id, deliveries: 1 })
}

/// Counts another delivery of a push, if it was forwarded.
pub(super) fn delivered_again(
    sql: &mut dyn Sql,
    message_id: i64,
) -> sql::Result<Option<Forwarded>> {
    if sql.run(&COUNT_DELIVERY, values![message_id])? == 0 {
        return Ok(None);
    }
    sql.optional(&DELIVERIES, values![message_id], |row| {
        Ok(Forwarded {
            id: row.get(0)?,
            deliveries: row.get(1)?,
        })
    })
}

/// Shows the oldest answer that was kept for a person with a new push, if that is possible. Returns the reply. `account`
/// is the account's original ID.
pub(super) fn show_kept(
    sql: &mut dyn Sql,
    message_id: i64,
    shows: &ShowsKept,
    openid: &str,
    account: &str,
    now: i64,
) -> sql::Result<Option<String>> {
    let kept = sql.optional(&KEPT, values![openid], |row| {
        Ok((row.get::<i64>(0)?, row.some_text(1)))
    })?;
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
    set_reply(sql, message_id, Some(&xml))?;
    sql.run(&SHOW, values![id, now])?;
    Ok(Some(xml))
}
