//! What was learned for codes of WeChat's own log-in, where several nodes share the store: a code works once, and the
//! browser that brings it may come to two nodes. In SQLite, which one server has, there is no such table.

use super::error::StoreError;
use super::open::{Reader, Store};
use super::sql::{self, Sql, values};
use super::statement::statements;

/// Whose a code is, and which browser brought it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// The SHA-256 of the code.
    pub code: [u8; 32],
    /// The flow that its state names.
    pub flow: [u8; 16],
    /// Whether the browser brought the cookie of that flow.
    pub has_cookie: bool,
    /// Tells browsers without the cookie apart.
    pub looks: [u8; 32],
    /// Whose it is.
    pub openid: String,
    /// The same person in the other accounts of the same Open Platform account.
    pub unionid: Option<String>,
    /// The page was opened as a snapshot.
    pub is_snapshot: bool,
}

statements! {
    // By the clock of the server: those of the nodes may differ.
    pub(super) REMOVE_OLD = {
        sqlite: "",
        mysql: "DELETE FROM exchanged WHERE at < unix_timestamp() - 60",
    };
    KEEP = {
        sqlite: "",
        mysql: "INSERT INTO exchanged (code, flow, has_cookie, looks, openid, unionid, is_snapshot, at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, unix_timestamp())",
    };
    FIND = {
        sqlite: "",
        mysql: "SELECT code, flow, has_cookie, looks, openid, unionid, is_snapshot FROM exchanged
                WHERE code = ?1 AND at >= unix_timestamp() - 60",
    };
    FORGET_PERSON = { sqlite: "", mysql: "DELETE FROM exchanged WHERE openid = ?1" };
}

impl Store {
    /// Keeps what was learned for a code, for a minute.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_exchanged(&self, exchanged: Exchanged) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            sql.run(&REMOVE_OLD, &[])?;
            let values = values![
                exchanged.code,
                exchanged.flow,
                exchanged.has_cookie,
                exchanged.looks,
                exchanged.openid,
                exchanged.unionid,
                exchanged.is_snapshot,
            ];
            sql.run(&KEEP, values).map(drop)
        })
    }
}

impl Reader {
    /// What was learned for the code with this SHA-256 in the last minute.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn exchanged(&self, code: &[u8; 32]) -> Result<Option<Exchanged>, StoreError> {
        self.read(|sql| {
            sql.optional(&FIND, values![code], |row| {
                Ok(Exchanged {
                    code: row.get(0)?,
                    flow: row.get(1)?,
                    has_cookie: row.get(2)?,
                    looks: row.get(3)?,
                    openid: row.get(4)?,
                    unionid: row.text(5),
                    is_snapshot: row.get(6)?,
                })
            })
        })
    }
}

/// Removes what was learned of a person.
pub(super) fn forget(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    sql.run(&FORGET_PERSON, values![openid]).map(drop)
}
