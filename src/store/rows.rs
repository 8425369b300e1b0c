//! The row of a push in `messages`, or those of many at once.

use super::sql::{Result, Sql, Value, values};
use super::statement::statements;

#[cfg(feature = "mysql")]
pub(super) mod ahead;

/// The row of a push that may be new.
pub(super) struct NewRow<'a> {
    /// Of its `dedup_key`: `messages` that were removed are known by that.
    pub(super) digest: i64,
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
}

statements! {
    IS_REMOVED = "SELECT 1 FROM removed_pushes WHERE digest = ?1";
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
    #[cfg(any(test, feature = "mysql"))]
    TAKE_BACK = "DELETE FROM messages WHERE id = ?1";
}

/// Inserts the row of a push, unless it is there already or must not be. Returns its id.
pub(super) fn insert(sql: &mut dyn Sql, row: &NewRow<'_>, place: Place) -> Result<Option<i64>> {
    match place {
        Place::Unknown => {}
        #[cfg(feature = "mysql")]
        Place::At(id) => return Ok(Some(id)),
        #[cfg(feature = "mysql")]
        Place::NotNew => return Ok(None),
    }
    if sql.exists(&IS_REMOVED, values![row.digest])? {
        return Ok(None);
    }
    sql.insert(&INSERT, &row.values)
}
