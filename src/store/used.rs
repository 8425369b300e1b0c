//! What each signature was used for.
//!
//! A file has one server, whose memory decides what a signature brings. On a server of databases several nodes write:
//! there every signature has a row in `used_signatures`, whose key decides between them, until it is removed a day
//! later. By then no skew accepts it; where any timestamp is, it may bring another push.

use super::sql::{self, Sql, values};
use super::statement::statements;

/// The 20 bytes of a SHA-1 signature.
pub type Signature = [u8; 20];

/// A used signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedSignature {
    /// The signature.
    pub signature: Signature,
    /// When its request arrived, in Unix seconds.
    pub received_at: i64,
    /// The `short_digest` of the dedup key of its push; `None`: there was no push.
    pub push: Option<i64>,
}

statements! {
    USE_UP = {
        sqlite: "INSERT INTO used_signatures (signature, received_at, push) VALUES (?1, ?2, ?3)
                 ON CONFLICT (signature) DO UPDATE SET push = excluded.push WHERE push IS NULL",
        mysql: "INSERT INTO used_signatures (signature, received_at, push) VALUES (?1, ?2, ?3)
                ON DUPLICATE KEY UPDATE push = coalesce(push, ?3)",
    };
    // The first has the row; who comes at the same time waits until it is committed.
    pub(super) CLAIM = { sqlite: "", mysql: "INSERT INTO used_signatures (signature, received_at, push) VALUES (?1, ?2, ?3)" };
    #[cfg(any(test, feature = "mysql"))]
    pub(super) USED_FOR_EACH = "SELECT signature, push FROM used_signatures WHERE signature IN (?1)";
    USED_FOR = { sqlite: "", mysql: "SELECT push FROM used_signatures WHERE signature = ?1" };
}

/// Stores a signature that is not in a row of `messages`.
pub(super) fn use_up(sql: &mut dyn Sql, used: &UsedSignature) -> sql::Result<()> {
    let values = values![used.signature, used.received_at, used.push];
    sql.run(&USE_UP, values).map(drop)
}

/// Uses a signature up for its push where nodes share the store, and returns what it brought before, if that is something
/// else: a push, or none.
pub(super) fn claim(sql: &mut dyn Sql, used: &UsedSignature) -> sql::Result<Option<Option<i64>>> {
    let values = values![used.signature, used.received_at, used.push];
    if sql.run(&CLAIM, values)? > 0 {
        return Ok(None);
    }
    let before = used_for(sql, &used.signature)?;
    Ok(before.filter(|push| *push != used.push))
}

/// What a signature was used for: a push, or none. `None` where the store does not decide it.
pub(super) fn used_for(
    sql: &mut dyn Sql,
    signature: &Signature,
) -> sql::Result<Option<Option<i64>>> {
    sql.optional(&USED_FOR, values![signature], |row| row.get(0))
}
