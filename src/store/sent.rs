//! Customer-service messages: each has a row before it is sent, so that none is sent twice, and then how it ended.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::Serialize;

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::open::{Reader, Store};
use super::settings::{self, NO_CUSTOM_SEND};

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

impl Store {
    /// Records a message before it is sent. With a number in `once` that was used before, nothing is recorded.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_sending(&self, new: NewSent) -> Result<SendBegun, StoreError> {
        self.writer.write_sqlite(move |connection| {
            let earlier = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM sent WHERE once = ?1"))?
                .query_row([&new.once], sent_row)
                .optional()?;
            match earlier {
                Some(earlier) => Ok(SendBegun::Again(earlier)),
                None => begin(connection, &new).map(SendBegun::New),
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
            .write_sqlite(move |connection| end(connection, "id = ?1", id, &ended))
    }

    /// Messages that were being sent when the server ended may have arrived.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn end_interrupted_sending(&self) -> Result<(), StoreError> {
        let is_any = "SELECT EXISTS (SELECT 1 FROM sent WHERE state = 'sending')";
        // Not one that is kept: a server that nobody asks anything needs none.
        let reader = self.reader()?;
        let any = reader.sqlite().query_row(is_any, [], |row| row.get(0));
        match any.map_err(|error| Reader::failed(&error))? {
            false => Ok(()),
            true => self.writer.write_sqlite(|connection| {
                let sql = "UPDATE sent SET state = 'unknown' WHERE state = 'sending'";
                connection.execute(sql, []).map(drop)
            }),
        }
    }

    /// Removes up to `step` messages that were sent before `before`, in Unix seconds. Returns how many went.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_old_sent(&self, before: i64, step: u32) -> Result<usize, StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection.execute(
                "DELETE FROM sent WHERE id IN (SELECT id FROM sent WHERE at < ?1 ORDER BY at LIMIT ?2)",
                params![before, step],
            )
        })
    }
}

impl Reader {
    /// Whether a message was begun with this number of a form.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_begun(&self, once: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sent WHERE once = ?1)";
        let begun = self.sqlite().query_row(sql, [once], |row| row.get(0));
        begun.map_err(|error| Reader::failed(&error))
    }

    /// The last messages to a person before the row with this id, newest first.
    pub(super) fn sent_to(
        &self,
        openid: &str,
        before: i64,
        most: u32,
    ) -> Result<Vec<SentRow>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM sent WHERE openid = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
                ))?
                .query_map(params![openid, before, most], sent_row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

const COLUMNS: &str =
    "id, openid, at, msg_type, content, by, state, errcode, datetime(at, 'unixepoch', 'localtime')";

fn sent_row(row: &Row) -> rusqlite::Result<SentRow> {
    Ok(SentRow {
        id: row.get(0)?,
        openid: some_text(row, 1)?,
        at: some_number(row, 2)?,
        msg_type: some_text(row, 3)?,
        content: text(row, 4)?,
        by: some_text(row, 5)?,
        state: SentState::read(&some_text(row, 6)?),
        errcode: number(row, 7)?,
        sent: some_text(row, 8)?,
    })
}

/// Records a message that is sent after the commit, and returns its row.
pub(super) fn begin(connection: &Connection, new: &NewSent) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO sent (openid, at, msg_type, content, by, once, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'sending')",
        )?
        .execute(params![
            new.openid,
            new.at,
            new.message.msg_type,
            new.message.content,
            new.by,
            new.once
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Records how the message ended that `which` selects by this value.
pub(super) fn end(
    connection: &Connection,
    which: &str,
    value: impl ToSql,
    ended: &Sent,
) -> rusqlite::Result<()> {
    let (state, errcode) = match ended {
        Sent::Yes => ("sent", None),
        Sent::Unknown(_) => ("unknown", None),
        Sent::No { errcode, .. } => ("refused", *errcode),
    };
    connection
        .prepare_cached(&format!(
            "UPDATE sent SET state = ?2, errcode = ?3 WHERE {which}"
        ))?
        .execute(params![value, state, errcode])?;
    match ended {
        Sent::No {
            no_right_until: Some(until),
            ..
        } => Ok(settings::put(
            &mut &*connection,
            NO_CUSTOM_SEND,
            &format!("none {until}"),
        )?),
        Sent::Yes | Sent::Unknown(_) | Sent::No { .. } => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn new(once: Option<&str>) -> NewSent {
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let begin = |once| store.begin_sending(new(once)).unwrap();
        assert_eq!(begin(None), SendBegun::New(1));
        assert_eq!(
            begin(None),
            SendBegun::New(2),
            "without a number nothing is held back"
        );
        assert_eq!(begin(Some("7f")), SendBegun::New(3));
        let state = || match begin(Some("7f")) {
            SendBegun::Again(row) => (row.id, row.state, row.errcode),
            SendBegun::New(id) => panic!("{id} would be sent again"),
        };
        assert_eq!(state(), (3, SentState::Sending, None));
        store.end_interrupted_sending().unwrap();
        assert_eq!(state(), (3, SentState::Unknown, None));
        let refused = Sent::No {
            why: "used up".to_owned(),
            errcode: Some(45_047),
            no_right_until: None,
        };
        store.end_of_sending(3, refused).unwrap();
        assert_eq!(state(), (3, SentState::Refused, Some(45_047)));
        store.end_of_sending(3, Sent::Yes).unwrap();
        assert_eq!(state(), (3, SentState::Sent, None));
        // The id of a row that is gone is never that of another.
        store.remove_old_sent(i64::MAX, 10).unwrap();
        assert_eq!(begin(None), SendBegun::New(4));
    }
}
