//! Customer-service messages: each has a row before it is sent, so that none is sent twice, and then how it ended.

use serde::Serialize;

use super::error::StoreError;
use super::open::{Reader, Store};
use super::settings::{self, NO_CUSTOM_SEND};
use super::sql::{self, Row, Sql, values};
use super::statement::statements;
use crate::local_time;

/// A message that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSent {
    /// To whom.
    pub openid: String,
    /// Unix seconds.
    pub at: i64,
    /// What is sent.
    pub message: SentMessage,
    /// Who sends it: `cli`, `service`, or the name of who is signed in.
    pub by: String,
    /// The number of a form, which works once.
    pub once: Option<String>,
}

/// What is kept of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The platform's word for the kind of message.
    pub msg_type: &'static str,
    /// A text, the media_id of a picture or recording, else JSON.
    pub content: String,
}

/// What beginning to send has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendBegun {
    /// The message has this row, and is to be sent.
    New(i64),
    /// Its number was used before, for this message: nothing is to be sent.
    Again(SentRow),
}

/// How a customer-service message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The platform took it.
    Yes,
    /// Nobody knows; it is not sent again.
    Unknown(String),
    /// It was not sent, for this reason.
    No {
        /// For people.
        why: String,
        /// The platform's, if it was asked.
        errcode: Option<i64>,
        /// The account has no right to such messages until then, in Unix seconds.
        no_right_until: Option<i64>,
    },
}

/// The state of a message in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SentState {
    /// The platform is being asked.
    Sending,
    /// The platform took it.
    Sent,
    /// It was not sent.
    Refused,
    /// It may have arrived.
    Unknown,
}

impl SentState {
    pub(super) fn read(text: &str) -> SentState {
        match text {
            "sending" => SentState::Sending,
            "sent" => SentState::Sent,
            "refused" => SentState::Refused,
            _ => SentState::Unknown,
        }
    }
}

/// A row of `sent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct SentRow {
    pub id: i64,
    pub openid: String,
    pub at: i64,
    pub msg_type: String,
    pub content: Option<String>,
    pub by: String,
    pub state: SentState,
    pub errcode: Option<i64>,
    /// `at` as local date and time, for people.
    pub sent: String,
}

/// The columns, in the order in which [`sent_row`] reads them.
macro_rules! columns {
    () => {
        "id, openid, at, msg_type, content, `by`, state, errcode"
    };
}

/// Where several machines send, a message counts as one that may have arrived this long after it was begun, in seconds by
/// the server's clock. A call to the platform takes no minute.
const LONGEST_SENDING: u32 = 600;

statements! {
    OF_NUMBER = (concat!("SELECT ", columns!(), " FROM sent WHERE once = ?1"));
    TO_PERSON = (concat!("SELECT ", columns!(), " FROM sent WHERE openid = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"));
    WAS_BEGUN = "SELECT 1 FROM sent WHERE once = ?1";
    BEGIN = "INSERT INTO sent (id, openid, at, msg_type, content, `by`, once, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'sending')";
    END = "UPDATE sent SET state = ?2, errcode = ?3 WHERE id = ?1";
    END_OF_NUMBER = "UPDATE sent SET state = ?2, errcode = ?3 WHERE once = ?1";
    IS_ANY_SENDING = "SELECT 1 FROM sent WHERE state = 'sending' LIMIT 1";
    INTERRUPT = "UPDATE sent SET state = 'unknown' WHERE state = 'sending'";
    IS_ANY_STUCK = { sqlite: "", mysql: "SELECT 1 FROM sent WHERE state = 'sending' AND at < unix_timestamp() - ?1 LIMIT 1" };
    INTERRUPT_STUCK = {
        sqlite: "",
        mysql: "UPDATE sent SET state = 'unknown' WHERE state = 'sending' AND at < unix_timestamp() - ?1",
    };
    REMOVE_OLD = {
        sqlite: "DELETE FROM sent WHERE id IN (SELECT id FROM sent WHERE at < ?1 ORDER BY at LIMIT ?2)",
        mysql: "DELETE FROM sent WHERE at < ?1 ORDER BY at LIMIT ?2",
    };
}

impl Store {
    /// Records a message before it is sent. With a number in `once` that was used before, nothing is recorded.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_sending(&self, new: NewSent) -> Result<SendBegun, StoreError> {
        self.writer.write(move |sql| {
            if let Some(earlier) = sql.optional(&OF_NUMBER, values![new.once], sent_row)? {
                return Ok(SendBegun::Again(earlier));
            }
            match begin(sql, &new)? {
                Some(id) => Ok(SendBegun::New(id)),
                // Another process was faster.
                None => sql
                    .one(&OF_NUMBER, values![new.once], sent_row)
                    .map(SendBegun::Again),
            }
        })
    }

    /// Records how a message ended.
    ///
    /// # Errors
    /// When the store cannot write. The message then counts as one that may have arrived, from the next start of the
    /// server on.
    pub fn end_of_sending(&self, id: i64, ended: Sent) -> Result<(), StoreError> {
        self.writer
            .write(move |sql| end(sql, Which::Row(id), &ended))
    }

    /// Messages that nobody can be sending any more may have arrived: in a file all of which no end was recorded, as there
    /// is one server, which has just started.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn end_interrupted_sending(&self) -> Result<(), StoreError> {
        if self.is_shared() {
            let stuck = values![LONGEST_SENDING];
            return match self.read(|reader| reader.read(|sql| sql.exists(&IS_ANY_STUCK, stuck)))? {
                false => Ok(()),
                true => self.writer.write(|sql| {
                    sql.run(&INTERRUPT_STUCK, values![LONGEST_SENDING])
                        .map(drop)
                }),
            };
        }
        // Not one that is kept: a server that nobody asks anything needs none.
        let reader = self.reader()?;
        match reader.read(|sql| sql.exists(&IS_ANY_SENDING, &[]))? {
            false => Ok(()),
            true => self.writer.write(|sql| sql.run(&INTERRUPT, &[]).map(drop)),
        }
    }

    /// Removes up to `step` messages that were sent before `before`, in Unix seconds. Returns how many went.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_old_sent(&self, before: i64, step: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |sql| sql.run(&REMOVE_OLD, values![before, step]))
    }
}

impl Reader {
    /// Whether a message was begun with this number of a form.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_begun(&self, once: &str) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&WAS_BEGUN, values![once]))
    }

    /// The last messages to a person before the row with this id, newest first.
    pub(super) fn sent_to(
        &self,
        openid: &str,
        before: i64,
        most: u32,
    ) -> Result<Vec<SentRow>, StoreError> {
        self.read(|sql| sql.all(&TO_PERSON, values![openid, before, most], sent_row))
    }
}

fn sent_row(row: &dyn Row) -> sql::Result<SentRow> {
    let at = row.some_number(2);
    Ok(SentRow {
        id: row.get(0)?,
        openid: row.some_text(1),
        at,
        msg_type: row.some_text(3),
        content: row.text(4),
        by: row.some_text(5),
        state: SentState::read(&row.some_text(6)),
        errcode: row.number(7),
        sent: local_time::format(at),
    })
}

/// Records a message that is sent after the commit, and returns its row; `None`: its number was used before.
pub(super) fn begin(sql: &mut dyn Sql, new: &NewSent) -> sql::Result<Option<i64>> {
    let SentMessage { msg_type, content } = &new.message;
    sql.insert(
        &BEGIN,
        values![new.openid, new.at, msg_type, content, new.by, new.once],
    )
}

/// One message that was sent.
pub(super) enum Which<'a> {
    /// That of this row.
    Row(i64),
    /// That with this number of a form.
    Number(&'a str),
}

/// Records how a message ended.
pub(super) fn end(sql: &mut dyn Sql, which: Which, ended: &Sent) -> sql::Result<()> {
    let (state, errcode) = match ended {
        Sent::Yes => ("sent", None),
        Sent::Unknown(_) => ("unknown", None),
        Sent::No { errcode, .. } => ("refused", *errcode),
    };
    match which {
        Which::Row(id) => sql.run(&END, values![id, state, errcode])?,
        Which::Number(once) => sql.run(&END_OF_NUMBER, values![once, state, errcode])?,
    };
    match ended {
        Sent::No {
            no_right_until: Some(until),
            ..
        } => settings::put(sql, NO_CUSTOM_SEND, &format!("none {until}")),
        Sent::Yes | Sent::Unknown(_) | Sent::No { .. } => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;

    fn message(once: Option<&str>) -> NewSent {
        NewSent {
            openid: "oA".to_owned(),
            at: 1_790_000_000,
            message: SentMessage {
                msg_type: "text",
                content: "hello".to_owned(),
            },
            by: "Amy".to_owned(),
            once: once.map(str::to_owned),
        }
    }

    #[test]
    fn a_number_works_once_whatever_became_of_the_message() {
        on_both_engines(|store| {
            let begin = |once| store.begin_sending(message(once)).unwrap();
            let new = |once| match begin(once) {
                SendBegun::New(id) => id,
                SendBegun::Again(row) => panic!("{row:?} is held back"),
            };
            let without_number = [new(None), new(None)];
            let id = new(Some("7f"));
            let state = || match begin(Some("7f")) {
                SendBegun::Again(row) => (row.id, row.state, row.errcode),
                SendBegun::New(id) => panic!("{id} would be sent again"),
            };
            assert_eq!(state(), (id, SentState::Sending, None));
            store.end_interrupted_sending().unwrap();
            assert_eq!(state(), (id, SentState::Unknown, None));
            let refused = Sent::No {
                why: "used up".to_owned(),
                errcode: Some(45_047),
                no_right_until: None,
            };
            store.end_of_sending(id, refused).unwrap();
            assert_eq!(state(), (id, SentState::Refused, Some(45_047)));
            store.end_of_sending(id, Sent::Yes).unwrap();
            assert_eq!(state(), (id, SentState::Sent, None));
            // The id of a row that is gone is never that of another.
            store.remove_old_sent(i64::MAX, 10).unwrap();
            let next = new(None);
            assert!(next > id && id > without_number[1] && without_number[1] > without_number[0]);
        });
    }
}
