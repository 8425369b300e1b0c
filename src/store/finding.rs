//! How messages are found without an index of their own for it: by the time they were received, and by the person.

/// The messages as `message`, each once, by the `quarter` of an hour in which they were received, in SQLite. Queries
/// restrict `quarter`, and may skip ids before `first`.
macro_rules! messages_by_quarter {
    ($first:expr) => {
        concat!(
            "daily_counts CROSS JOIN messages AS message ON pushes > 0 AND message.id BETWEEN ",
            $first,
            " AND last_id AND CAST(message.received_at AS INTEGER) / 900 = quarter"
        )
    };
}
pub(super) use messages_by_quarter;

/// The blocks of 512 ids from the last one down to that of the id `$first`, in SQLite. Ids of a store that was on a server
/// are above 2^50 and far apart: blocks without any are left out there.
macro_rules! blocks_from {
    ($first:expr) => {
        concat!(
            "WITH RECURSIVE block (number) AS (
                 SELECT max(id) / 512 FROM messages
                 UNION ALL SELECT iif(number < 1 << 41, number - 1, (SELECT max(id) / 512 FROM messages WHERE id < number * 512))
                 FROM block WHERE number > ",
            $first,
            " / 512
             )"
        )
    };
}
pub(super) use blocks_from;

/// The ids of the messages of person `?1`, in SQLite: one lookup per block, 20,000 in ten million messages.
macro_rules! messages_of_person {
    () => {
        concat!(
            $crate::store::finding::blocks_from!("(SELECT min(id) FROM messages)"),
            " SELECT theirs.id FROM block CROSS JOIN messages AS theirs INDEXED BY messages_block
             WHERE theirs.id / 512 = block.number AND theirs.openid = ?1"
        )
    };
}
pub(super) use messages_of_person;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(super) mod tests;
