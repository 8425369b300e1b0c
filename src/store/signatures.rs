//! Used signatures, and pushes whose message was removed: neither is accepted again.
//!
//! The signature of a push is in the row of its message. Signatures without a message (a repeated delivery, the check
//! of the callback URL, a body that is not a push) are in `used_signatures`. A removed message leaves its signature and
//! a digest of its key; neither identifies the person.

use std::ops::ControlFlow;

use super::daily_counts::Uncounted;
use super::error::StoreError;
use super::finding::messages_by_quarter;
use super::open::{Reader, Store};
use super::sql::{self, Sql, Value, values};
use super::statement::{Statement, statements};
use super::used::{Signature, UsedSignature, use_up, used_for};
use super::writer::{AfterCommit, Work};
use crate::wechat::short_digest;

statements! {
    REMOVE_USED = {
        sqlite: "DELETE FROM used_signatures WHERE signature IN
                     (SELECT signature FROM used_signatures WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)",
        mysql: "DELETE FROM used_signatures WHERE received_at < ?1 ORDER BY received_at LIMIT ?2",
    };
    REMOVE_DIGESTS = {
        sqlite: "DELETE FROM removed_pushes WHERE digest IN
                     (SELECT digest FROM removed_pushes WHERE received_at < ?1 LIMIT ?2)",
        mysql: "DELETE FROM removed_pushes WHERE received_at < ?1 ORDER BY received_at LIMIT ?2",
    };
    USED = "SELECT signature, received_at, push FROM used_signatures WHERE received_at >= ?1 AND length(signature) = 20 LIMIT ?2";
    // Without this many of the newest.
    NEWEST_SINCE = {
        sqlite: concat!("SELECT message.received_at FROM ", messages_by_quarter!("first_id"), "
                 WHERE quarter >= ?1 / 900 AND message.received_at >= ?1
                 ORDER BY quarter DESC, message.received_at DESC LIMIT 1 OFFSET ?2"),
        mysql: "SELECT received_at FROM messages WHERE received_at >= ?1 ORDER BY received_at DESC LIMIT 1 OFFSET ?2",
    };
    NEWEST_BEFORE = {
        sqlite: concat!("SELECT message.received_at FROM ", messages_by_quarter!("first_id"), "
                 WHERE quarter <= ?1 / 900 AND message.received_at < ?1
                 ORDER BY quarter DESC, message.received_at DESC LIMIT 1"),
        mysql: "SELECT received_at FROM messages WHERE received_at < ?1 ORDER BY received_at DESC LIMIT 1",
    };
    OF_MESSAGES = {
        sqlite: concat!("SELECT signature, message.received_at, dedup_key FROM ", messages_by_quarter!("first_id"), "
                 WHERE quarter >= ?1 / 900 AND message.received_at >= ?1 AND length(signature) = 20
                 ORDER BY quarter, message.id"),
        mysql: "SELECT signature, received_at, dedup_key FROM messages
                WHERE received_at >= ?1 AND length(signature) = 20 ORDER BY received_at DIV 900, id",
    };
    REMOVE = "DELETE FROM messages WHERE id = ?1";
    // What else goes with a message; in SQLite by triggers.
    REMOVE_FORWARD = { sqlite: "", mysql: "DELETE FROM forwards WHERE message_id = ?1" };
    REMOVE_MEDIA = { sqlite: "", mysql: "DELETE FROM media_files WHERE message_id = ?1" };
    UNCOUNT = {
        sqlite: "",
        mysql: "INSERT INTO daily_counts (quarter, shard, messages, pushes) VALUES (?1 DIV 900, 0, -?2, -1)
                ON DUPLICATE KEY UPDATE messages = messages - ?2, pushes = pushes - 1",
    };
    REMEMBER = {
        sqlite: "INSERT INTO removed_pushes (digest, received_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        mysql: "INSERT INTO removed_pushes (digest, received_at) VALUES (?1, ?2)",
    };
}

impl Store {
    /// Stores a signature without a push, without waiting for the commit: if the store cannot write, the signature is
    /// forgotten at the next restart. `done` runs after the commit, on the writer's thread, with what the signature is
    /// used for: where nodes share the store, that may be a push.
    pub fn use_up(&self, used: UsedSignature, done: impl FnOnce(Option<i64>) + Send + 'static) {
        self.writer.submit(Box::new(UseUp { used, done }));
    }

    /// Removes up to `step` signatures without a message that were received before `signatures`, and up to `step`
    /// digests of removed messages that were received before `digests`. Returns the number of removed rows.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_used(
        &self,
        signatures: i64,
        digests: Option<i64>,
        step: u32,
    ) -> Result<usize, StoreError> {
        self.writer.write(move |sql| {
            let signatures = sql.run(&REMOVE_USED, values![signatures, step])?;
            let digests = sql.run(&REMOVE_DIGESTS, values![digests, step])?;
            Ok(signatures + digests)
        })
    }
}

struct UseUp<D> {
    used: UsedSignature,
    done: D,
}

impl<D: FnOnce(Option<i64>) + Send> Work for UseUp<D> {
    fn run(&mut self, sql: &mut dyn Sql, _: &mut Uncounted) -> sql::Result<()> {
        use_up(sql, &self.used)?;
        if let Some(push) = used_for(sql, &self.used.signature)? {
            self.used.push = push;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, _: &mut AfterCommit) {
        if outcome.is_ok() {
            (self.done)(self.used.push);
        }
    }

    fn is_awaited(&self) -> bool {
        false
    }
}

impl Reader {
    /// Calls `each` for the signatures used since `since`; of those of messages only for the `most` newest, oldest
    /// first, and within a quarter of an hour in the order of arrival. Returns when the newest message was received
    /// whose signature is not among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn used_signatures(
        &self,
        since: i64,
        most: u32,
        mut each: impl FnMut(UsedSignature),
    ) -> Result<Option<i64>, StoreError> {
        self.read(|sql| {
            sql.rows(&USED, values![since, most], &mut |row| {
                each(UsedSignature {
                    signature: row.get(0)?,
                    received_at: row.get(1)?,
                    push: row.get(2)?,
                });
                Ok(ControlFlow::Continue(()))
            })?;
            let left_out: Option<i64> =
                sql.optional(&NEWEST_SINCE, values![since, most], |row| row.get(0))?;
            let beyond = left_out.map_or(since, |received_at| received_at + 1);
            sql.rows(&OF_MESSAGES, values![beyond], &mut |row| {
                let dedup_key = row.value(2);
                each(UsedSignature {
                    signature: row.get(0)?,
                    received_at: row.get(1)?,
                    push: Some(short_digest(
                        dedup_key.as_str().unwrap_or_default().as_bytes(),
                    )),
                });
                Ok(ControlFlow::Continue(()))
            })?;
            sql.optional(&NEWEST_BEFORE, values![beyond], |row| row.get(0))
        })
    }
}

/// Removes the messages that `which` selects: a statement that returns id, dedup_key, received_at, signature and msg_type.
/// Messages received at or after `remembered_from` are never recorded again, and their signatures stay used up.
pub(super) fn remove_messages(
    sql: &mut dyn Sql,
    which: &Statement,
    values: &[Value<'_>],
    remembered_from: i64,
) -> sql::Result<usize> {
    let removed = sql.all(which, values, |row| {
        let id: i64 = row.get(0)?;
        let digest = short_digest(row.some_text(1).as_bytes());
        let received_at: i64 = row.get(2)?;
        let signature: Option<Signature> = row.get(3)?;
        Ok((id, digest, received_at, signature, row.some_text(4)))
    })?;
    let mut count = 0;
    for (id, digest, received_at, signature, msg_type) in &removed {
        // Another node may have removed it since.
        if sql.run(&REMOVE, values![id])? == 0 {
            continue;
        }
        sql.expect(*id, false);
        count += 1;
        sql.run(&REMOVE_FORWARD, values![id])?;
        sql.run(&REMOVE_MEDIA, values![id])?;
        sql.run(&UNCOUNT, values![received_at, msg_type != "event"])?;
        if *received_at < remembered_from {
            continue;
        }
        sql.run(&REMEMBER, values![digest, received_at])?;
        if let Some(signature) = *signature {
            let used = UsedSignature {
                signature,
                received_at: *received_at,
                push: Some(*digest),
            };
            use_up(sql, &used)?;
        }
    }
    Ok(count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::finding::tests::badly_timed;
    use crate::store::statement::statement;

    const ALL: Statement =
        statement!("SELECT received_at, signature FROM messages ORDER BY received_at");

    #[test]
    fn the_newest_signatures_are_read_back_whatever_the_clock_did() {
        on_both_engines(|store| {
            badly_timed(store);
            let reader = store.reader().unwrap();
            let rows: Vec<(i64, Option<Signature>)> = reader
                .read(|sql| sql.all(&ALL, &[], |row| Ok((row.get(0)?, row.get(1)?))))
                .unwrap();
            for (since, most) in [
                (0, 1_000),
                (0, 100),
                (0, 10),
                (1_790_000_400, 1_000),
                (1_790_005_000, 50),
                (i64::MAX, 10),
            ] {
                let mut read: Vec<Signature> = Vec::new();
                let newest_missing = reader.used_signatures(since, most, |used| {
                    read.push(used.signature);
                });
                // Of equally old ones all or none.
                let recent = rows.iter().filter(|(at, _)| *at >= since);
                let recent: Vec<_> = recent.rev().collect();
                let left_out = recent.get(most as usize).map_or(since - 1, |(at, _)| *at);
                let mut expected: Vec<Signature> = rows
                    .iter()
                    .filter_map(|(at, signature)| signature.filter(|_| *at > left_out))
                    .collect();
                let missing = rows.iter().rfind(|(at, _)| *at <= left_out);
                assert_eq!(newest_missing.unwrap(), missing.map(|(at, _)| *at));
                expected.sort_unstable();
                read.sort_unstable();
                if store.is_shared() {
                    // Those of all pushes are also kept by themselves, so that no two nodes take the same.
                    read.dedup();
                    read.retain(|signature| expected.contains(signature));
                }
                assert_eq!(read, expected, "since {since}, {most} at most");
            }
        });
    }
}
