//! Counting messages that the writer did not insert.

use rusqlite::Connection;

/// Counts the messages above all that are counted: those that an owner inserted with `sqlite3`, and those of an earlier
/// program that still ran when the store was migrated.
pub(in crate::store) fn count_newest(connection: &Connection) -> rusqlite::Result<()> {
    let last: i64 = connection.query_row(
        "SELECT coalesce(max(last_id), 0) FROM daily_counts",
        [],
        |row| row.get(0),
    )?;
    if !connection
        .prepare("SELECT 1 FROM messages WHERE id > ?1")?
        .exists([last])?
    {
        return Ok(());
    }
    // Row by row: to group ten million rows would take hundreds of megabytes of memory.
    connection
        .execute(
            "INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
             SELECT CAST(received_at AS INTEGER) / 900, msg_type <> 'event', 1, id, id FROM messages WHERE id > ?1
             ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
                 first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
                 last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id)",
            [last],
        )
        .map(drop)
}

/// Runs statements that insert messages, and counts these as they come.
#[cfg(test)]
pub(super) fn insert_counted(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TEMP TRIGGER counts AFTER INSERT ON main.messages BEGIN
             INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
             VALUES (CAST(new.received_at AS INTEGER) / 900, new.msg_type <> 'event', 1, new.id, new.id)
             ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
                 first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
                 last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id);
         END;
         {sql};
         DROP TRIGGER temp.counts;"
    ))
}
