//! Forwarded pushes whose service has not answered: which of them a server goes on with after another, or itself, has ended.

use std::collections::HashSet;

use super::error::StoreError;
use super::forwards::{END, Forwarded, State, found, once};
use super::node::NODE_LIFE;
use super::open::{Reader, Store};
use super::process::NodeId;
use super::sent::{self, Sent, Which};
use super::sql::{self, Row, Sql, values};
use super::statement::statements;

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

/// What is known of a message whose server ended before its end was recorded.
const INTERRUPTED: &str = "the server ended while it was being sent";

/// Pushes whose service is still to be asked, with the columns in the order in which [`open_forward`] reads them.
macro_rules! open {
    ($which:literal) => {
        concat!(
            "SELECT forwards.id, deliveries, service, forwards.openid, coalesce(pending, 0) = 1, asked_at, dedup_key, xml
             FROM forwards JOIN messages ON messages.id = message_id WHERE ",
            $which
        )
    };
}

statements! {
    HAS_OPEN = "SELECT 1 FROM forwards WHERE state IN ('asked', 'sending') LIMIT 1";
    INTERRUPT = "UPDATE forwards SET state = 'unknown', error = ?1, done_at = ?2
                 WHERE state IN ('asked', 'sending') AND state = 'sending'";
    // None is `sending` any more; the words are those of the index, here and above.
    OPEN = (open!("state IN ('asked', 'sending') ORDER BY forwards.id"));
    OPEN_ONE = (open!("forwards.id = ?1"));
    // Those that no running server goes on with.
    ORPHANS = {
        sqlite: "",
        mysql: "SELECT id, node FROM forwards WHERE state IN ('asked', 'sending')
                AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = forwards.node AND seen_at >= unix_timestamp() - ?1) ORDER BY id",
    };
    CLAIM = { sqlite: "", mysql: "UPDATE forwards SET node = ?3 WHERE id = ?1 AND node <=> ?2" };
    OWNED = { sqlite: "", mysql: "SELECT id FROM forwards WHERE state IN ('asked', 'sending') AND node = ?1" };
    IS_GOING_ON = {
        sqlite: "SELECT 1 FROM forwards WHERE id = ?1 AND ?2 IS NOT NULL",
        mysql: "SELECT 1 FROM forwards WHERE id = ?1 AND node = ?2 AND state IN ('asked', 'sending')",
    };
    PENDING = "SELECT forwards.id FROM forwards JOIN messages ON messages.id = message_id
               WHERE state IN ('asked', 'sending') AND state = 'asked' AND pending";
}

impl Store {
    /// What a server that was killed left behind in a file: messages that were being sent count as sent from now on, and
    /// the pushes are returned whose service did not answer.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn open_forwards(&self, now: i64) -> Result<Vec<OpenForward>, StoreError> {
        if !self.reader()?.read(|sql| sql.exists(&HAS_OPEN, &[]))? {
            return Ok(Vec::new());
        }
        self.writer.write(move |sql| {
            sql.run(&INTERRUPT, values![INTERRUPTED, now])?;
            sql.all(&OPEN, &[], open_forward)
        })
    }

    /// The same of servers of a shared store that gave no sign of life for [`NODE_LIFE`]: from now on this one goes on with
    /// what they left behind.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn take_over_forwards(&self, now: i64) -> Result<Vec<OpenForward>, StoreError> {
        if !self.read(|reader| reader.read(|sql| sql.exists(&ORPHANS, values![NODE_LIFE])))? {
            return Ok(Vec::new());
        }
        let node = self.node;
        self.writer.write(move |sql| {
            let orphans = sql.all(&ORPHANS, values![NODE_LIFE], |row| {
                Ok((row.get::<i64>(0)?, row.get::<Option<[u8; 16]>>(1)?))
            })?;
            let mut open = Vec::new();
            for (id, whose) in orphans {
                sql.run(&CLAIM, values![id, whose, node.0])?;
                open.extend(go_on(sql, id, node, now)?);
            }
            Ok(open)
        })
    }

    /// The same of these forwarded pushes of this server: of a commit whose outcome was not known.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn go_on_with_forwards(
        &self,
        ids: Vec<i64>,
        now: i64,
    ) -> Result<Vec<OpenForward>, StoreError> {
        let node = self.node;
        self.writer.write(move |sql| {
            let open = ids.iter().map(|id| go_on(sql, *id, node, now));
            open.filter_map(sql::Result::transpose).collect()
        })
    }
}

impl Reader {
    /// Whether this server still goes on with this forwarded push: it is gone when its sender is erased, and another
    /// server takes over when this one gives no sign of life.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn goes_on_with(&self, id: i64, node: NodeId) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&IS_GOING_ON, values![id, node.0]))
    }

    /// What this server goes on with in a shared store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forwards_of(&self, node: NodeId) -> Result<HashSet<i64>, StoreError> {
        let owned = self.read(|sql| sql.all(&OWNED, values![node.0], |row| row.get(0)))?;
        Ok(owned.into_iter().collect())
    }

    /// All forwarded pushes that have no answer yet, whichever server asks about them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn pending_forwards(&self) -> Result<HashSet<i64>, StoreError> {
        let pending = self.read(|sql| sql.all(&PENDING, &[], |row| row.get(0)))?;
        Ok(pending.into_iter().collect())
    }
}

fn open_forward(row: &dyn Row) -> sql::Result<OpenForward> {
    Ok(OpenForward {
        forwarded: Forwarded {
            id: row.get(0)?,
            deliveries: row.some_number(1),
        },
        service: row.some_text(2),
        openid: row.some_text(3),
        is_pending: row.get(4)?,
        asked_at: row.some_number(5),
        dedup_key: row.some_text(6),
        received: row.text(7),
    })
}

/// Goes on with what was left behind, if it is this server's: a message that was being sent may have arrived.
fn go_on(sql: &mut dyn Sql, id: i64, node: NodeId, now: i64) -> sql::Result<Option<OpenForward>> {
    let found = found(sql, id, node)?.filter(|found| found.is_mine);
    match found.map(|found| found.state) {
        Some(State::Asked) => sql.optional(&OPEN_ONE, values![id], open_forward),
        Some(State::Sending) => {
            let ended = Sent::Unknown(INTERRUPTED.to_owned());
            sent::end(sql, Which::Number(&once(id)), &ended)?;
            sql.run(&END, values![id, "unknown", INTERRUPTED, now])?;
            Ok(None)
        }
        Some(State::Answered | State::Done) | None => Ok(None),
    }
}
