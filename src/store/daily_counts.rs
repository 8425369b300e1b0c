//! Counting messages by the quarter of an hour, once for each commit, so that `daily_v` and searches by time need not
//! look at all of them.

use super::sql::{self, Sql, values};
use super::statement::statements;

/// The messages of a transaction that `daily_counts` does not have yet.
///
/// A trigger would cost each push more than the rest of this, because SQLite keeps a journal for a statement with one; on a
/// server, each statement is a round trip.
#[derive(Debug, Default)]
pub(super) struct Uncounted(Vec<Quarter>);

#[derive(Debug)]
struct Quarter {
    quarter: i64,
    /// Without events.
    messages: i64,
    pushes: i64,
    first_id: i64,
    last_id: i64,
}

statements! {
    // On a server each connection counts in rows of its own, so that none waits for another's commit.
    COUNT = {
        sqlite: "INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + excluded.pushes,
                     first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
                     last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id)",
        mysql: "INSERT INTO daily_counts (quarter, shard, messages, pushes, first_id, last_id)
                VALUES (?1, connection_id() % 16, ?2, ?3, ?4, ?5)
                ON DUPLICATE KEY UPDATE messages = messages + ?2, pushes = pushes + ?3,
                    first_id = least(coalesce(first_id, ?4), ?4), last_id = greatest(coalesce(last_id, ?5), ?5)",
    };
}

impl Uncounted {
    /// A push was inserted as the row `id`.
    pub(super) fn add(&mut self, id: i64, msg_type: &str, received_at: i64) {
        let quarter = received_at / 900;
        let messages = i64::from(msg_type != "event");
        match self.0.iter_mut().find(|known| known.quarter == quarter) {
            Some(known) => {
                known.messages += messages;
                known.pushes += 1;
                known.first_id = known.first_id.min(id);
                known.last_id = known.last_id.max(id);
            }
            None => self.0.push(Quarter {
                quarter,
                messages,
                pushes: 1,
                first_id: id,
                last_id: id,
            }),
        }
    }

    /// Counts them. Before messages may be looked for or removed, and before the commit.
    pub(super) fn count(&mut self, sql: &mut dyn Sql) -> sql::Result<()> {
        for of in self.0.drain(..) {
            let values = values![of.quarter, of.messages, of.pushes, of.first_id, of.last_id];
            sql.run_soon(&COUNT, values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(super) mod tests;
