//! Counting pushes by the quarter of an hour: SQLite counts by a trigger, other engines once for all pushes of a commit.

use std::collections::BTreeMap;

use super::sql::{Result, Sql, values};
use super::statement::statements;

/// A push that was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// Unix seconds.
    pub(super) received_at: i64,
    /// False for an event.
    pub(super) is_message: bool,
}

statements! {
    // Each connection counts in rows of its own, so that none waits for another's commit.
    COUNT = {
        sqlite: "",
        mysql: "INSERT INTO daily_counts (quarter, shard, messages, pushes) VALUES (?1, connection_id() % 16, ?2, ?3)
                ON DUPLICATE KEY UPDATE messages = messages + ?2, pushes = pushes + ?3",
    };
}

/// Counts the pushes of a commit.
pub(super) fn add(sql: &mut dyn Sql, pushes: impl Iterator<Item = Counted>) -> Result<()> {
    let mut quarters = BTreeMap::<i64, (i64, i64)>::new();
    for push in pushes {
        let (messages, pushes) = quarters
            .entry(push.received_at.div_euclid(900))
            .or_default();
        *messages += i64::from(push.is_message);
        *pushes += 1;
    }
    for (quarter, (messages, pushes)) in quarters {
        sql.run(&COUNT, values![quarter, messages, pushes])?;
    }
    Ok(())
}
