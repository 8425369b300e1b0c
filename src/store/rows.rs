//! The row of a push in `messages`, or those of many at once.

use super::sql::{Result, Sql, Value, values};
use super::statement::statements;
use super::used::{UsedSignature, claim};

#[cfg(feature = "mysql")]
pub(super) mod ahead;

/// The row of a push that may be new.
pub(super) struct NewRow<'a> {
    /// What its signature is used for: a digest of its `dedup_key`, by which messages that were removed are known.
    pub(super) used: UsedSignature,
    /// The values of [`INSERT`] without the id: `dedup_key` first.
    pub(super) values: [Value<'a>; 16],
}

/// Where the row of a push is before its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not known: it is to be inserted, unless it is not new.
    Unknown,
    /// It was inserted with this id.
    #[cfg(feature = "mysql")]
    At(i64),
    /// It is there already, or must not be.
    #[cfg(feature = "mysql")]
    NotNew,
    /// Its signature brought this push before, or what is not a push.
    #[cfg(feature = "mysql")]
    Replayed(Option<i64>),
}

/// What became of the row of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It was inserted with this id.
    At(i64),
    /// It is there already, or must not be.
    NotNew,
    /// Its signature brought this push before, or what is not a push.
    Replayed(Option<i64>),
}

/// Whether the message of a push was removed.
macro_rules! is_removed {
    () => {
        "SELECT 1 FROM removed_pushes WHERE digest = ?1"
    };
}

statements! {
    IS_REMOVED = (is_removed!());
    // Again, after its row was inserted: who removes a message at the same time holds its row until that is committed.
    WAS_REMOVED = { sqlite: "", mysql: is_removed!() };
    INSERT = {
        sqlite: "INSERT INTO messages (id, dedup_key, openid, msg_type, event, event_key, msg_id, content, xml, created_at, received_at,
                     rule, reply, media_id, signature, pending, todo)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT (dedup_key) DO NOTHING",
        // The unique key is over a digest: no other key may be as long.
        mysql: "INSERT INTO messages (id, dedup, dedup_key, openid, msg_type, event, event_key, msg_id, content, xml, created_at,
                    received_at, rule, reply, media_id, signature, pending, todo)
                VALUES (?1, unhex(sha2(?2, 256)), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    };
    #[cfg(any(test, feature = "mysql"))]
    REMOVED = "SELECT digest FROM removed_pushes WHERE digest IN (?1)";
    #[cfg(any(test, feature = "mysql"))]
    THERE = {
        sqlite: "SELECT dedup_key FROM messages WHERE dedup_key IN (?1)",
        mysql: "SELECT dedup_key FROM messages WHERE dedup IN (unhex(sha2(?1, 256)))",
    };
    TAKE_BACK = { sqlite: "", mysql: "DELETE FROM messages WHERE id = ?1" };
}

/// Inserts the row of a push, unless it is there already or must not be.
pub(super) fn insert(sql: &mut dyn Sql, row: &NewRow<'_>, place: Place) -> Result<Inserted> {
    match place {
        Place::Unknown => {}
        #[cfg(feature = "mysql")]
        Place::At(id) => {
            sql.expect(id, true);
            return Ok(Inserted::At(id));
        }
        #[cfg(feature = "mysql")]
        Place::NotNew => return Ok(Inserted::NotNew),
        #[cfg(feature = "mysql")]
        Place::Replayed(push) => return Ok(Inserted::Replayed(push)),
    }
    if let Some(push) = claim(sql, &row.used)? {
        return Ok(Inserted::Replayed(push));
    }
    if sql.exists(&IS_REMOVED, values![row.used.push])? {
        return Ok(Inserted::NotNew);
    }
    let Some(id) = sql.insert(&INSERT, &row.values)? else {
        return Ok(Inserted::NotNew);
    };
    if sql.exists(&WAS_REMOVED, values![row.used.push])? {
        sql.run(&TAKE_BACK, values![id])?;
        return Ok(Inserted::NotNew);
    }
    sql.expect(id, true);
    Ok(Inserted::At(id))
}
