//! Who may use the operator's page: links to sign in, and who is signed in. Of links and cookies there are hashes only.

use serde::Serialize;

use super::error::StoreError;
use super::open::{Reader, Store};
use super::sql::{self, Row, Sql, values};
use super::statement::statements;
use crate::local_time;

/// The most who are signed in, and the most links; one more ends the one that was used least recently.
const MOST: u32 = 100;

/// A link that signs somebody in, once.
#[derive(Debug, Clone)]
pub struct NewAdminKey {
    /// The SHA-256 of the key's text.
    pub key_hash: [u8; 32],
    /// The name of who signs in with it.
    pub name: String,
    /// Unix seconds.
    pub expires_at: i64,
}

/// What a sign-in is made with.
#[derive(Debug, Clone)]
pub enum AdminProof {
    /// The key with this hash, which is used up by it.
    Key([u8; 32]),
    /// The log-in of web pages.
    Owner {
        /// Who it is.
        openid: String,
        /// What this person is called.
        name: String,
    },
}

/// A sign-in.
#[derive(Debug, Clone)]
pub struct NewAdminSession {
    /// The SHA-256 of the text of the cookie.
    pub token_hash: [u8; 32],
    /// What it is made with.
    pub proof: AdminProof,
    /// Unix seconds.
    pub now: i64,
    /// The browser's address.
    pub address: Option<String>,
    /// The session that the browser had before ends.
    pub replaces: Option<[u8; 32]>,
}

/// A row of `admin_sessions`, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct AdminSession {
    pub id: i64,
    pub name: String,
    pub openid: Option<String>,
    pub created_at: i64,
    pub seen_at: i64,
    pub address: Option<String>,
    /// `created_at` as local date and time, for people.
    pub since: String,
    /// `seen_at` as local date and time, for people.
    pub seen: String,
}

/// Which sign-ins to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminEnding {
    /// The one with this id.
    One(i64),
    /// The one whose cookie has this hash.
    Cookie([u8; 32]),
    /// All, and all links that were not used yet.
    All,
}

/// The columns, in the order in which [`session`] reads them.
macro_rules! columns {
    () => {
        "id, name, openid, created_at, seen_at, address"
    };
}

statements! {
    REMOVE_EXPIRED_KEYS = "DELETE FROM admin_keys WHERE expires_at <= ?1";
    // All but `?1` of them.
    REMOVE_OLDEST_KEYS = {
        sqlite: "DELETE FROM admin_keys WHERE key_hash IN
                     (SELECT key_hash FROM admin_keys ORDER BY expires_at DESC LIMIT -1 OFFSET ?1)",
        mysql: "DELETE FROM admin_keys WHERE key_hash IN (SELECT key_hash FROM
                    (SELECT key_hash FROM admin_keys ORDER BY expires_at DESC LIMIT 9223372036854775807 OFFSET ?1) AS oldest)",
    };
    ADD_KEY = "INSERT INTO admin_keys (key_hash, name, expires_at) VALUES (?1, ?2, ?3)";
    KEY = "SELECT name FROM admin_keys WHERE key_hash = ?1 AND expires_at > ?2";
    REMOVE_KEY = "DELETE FROM admin_keys WHERE key_hash = ?1";
    REMOVE_KEYS = "DELETE FROM admin_keys";
    REMOVE_OLD_KEYS = "DELETE FROM admin_keys WHERE expires_at < ?1";
    // All but `?1` of them.
    END_OLDEST = {
        sqlite: "DELETE FROM admin_sessions WHERE id IN
                     (SELECT id FROM admin_sessions ORDER BY seen_at DESC, id DESC LIMIT -1 OFFSET ?1)",
        mysql: "DELETE FROM admin_sessions WHERE id IN (SELECT id FROM
                    (SELECT id FROM admin_sessions ORDER BY seen_at DESC, id DESC LIMIT 9223372036854775807 OFFSET ?1) AS oldest)",
    };
    BEGIN = "INSERT INTO admin_sessions (id, token_hash, name, openid, created_at, seen_at, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
    SEEN = "UPDATE admin_sessions SET seen_at = ?2 WHERE id = ?1 AND seen_at < ?2";
    END_ONE = "DELETE FROM admin_sessions WHERE id = ?1";
    END_OF_COOKIE = "DELETE FROM admin_sessions WHERE token_hash = ?1";
    END_ALL = "DELETE FROM admin_sessions";
    END_UNUSED = "DELETE FROM admin_sessions WHERE seen_at < ?1";
    OF_COOKIE = (concat!("SELECT ", columns!(), " FROM admin_sessions WHERE token_hash = ?1 AND seen_at > ?2"));
    LIST = (concat!("SELECT ", columns!(), " FROM admin_sessions WHERE seen_at > ?1 ORDER BY seen_at DESC, id DESC"));
}

impl Store {
    /// Stores a link. Those that have expired at `now`, Unix seconds, go.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn add_admin_key(&self, key: NewAdminKey, now: i64) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            sql.run(&REMOVE_EXPIRED_KEYS, values![now])?;
            sql.run(&REMOVE_OLDEST_KEYS, values![MOST - 1])?;
            let values = values![key.key_hash, key.name, key.expires_at];
            sql.run(&ADD_KEY, values).map(drop)
        })
    }

    /// Signs somebody in and returns the name; `None`: there is no such key, it was used, or it has expired.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_admin_session(
        &self,
        session: NewAdminSession,
    ) -> Result<Option<String>, StoreError> {
        self.writer.write(move |sql| {
            let (openid, name) = match &session.proof {
                AdminProof::Owner { openid, name } => (Some(openid), name.clone()),
                AdminProof::Key(hash) => match use_up(sql, hash, session.now)? {
                    Some(name) => (None, name),
                    None => return Ok(None),
                },
            };
            if let Some(replaces) = &session.replaces {
                sql.run(&END_OF_COOKIE, values![replaces])?;
            }
            sql.run(&END_OLDEST, values![MOST - 1])?;
            let values = values![
                session.token_hash,
                name,
                openid,
                session.now,
                session.address,
            ];
            sql.insert(&BEGIN, values)?;
            Ok(Some(name))
        })
    }

    /// Notes that a session is used at this time, Unix seconds, without waiting for it: a page is shown even while
    /// nothing can be written.
    pub fn admin_session_seen(&self, id: i64, at: i64) {
        self.writer.write_then(
            move |sql| sql.run(&SEEN, values![id, at]),
            |noted, _| {
                if let Err(error) = noted {
                    log::debug!("when a session was used could not be noted: {error}");
                }
            },
        );
    }

    /// Ends sessions and returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_admin_sessions(&self, which: AdminEnding) -> Result<usize, StoreError> {
        self.writer.write(move |sql| match which {
            AdminEnding::One(id) => sql.run(&END_ONE, values![id]),
            AdminEnding::Cookie(hash) => sql.run(&END_OF_COOKIE, values![hash]),
            AdminEnding::All => {
                sql.run(&REMOVE_KEYS, &[])?;
                sql.run(&END_ALL, &[])
            }
        })
    }

    /// Removes sessions that were last used before this time, and keys that expired before it; Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_old_admin_sessions(&self, before: i64) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            sql.run(&REMOVE_OLD_KEYS, values![before])?;
            sql.run(&END_UNUSED, values![before]).map(drop)
        })
    }
}

impl Reader {
    /// Whose cookie has this hash, if it was used after `since`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn admin_session(
        &self,
        token_hash: &[u8; 32],
        since: i64,
    ) -> Result<Option<AdminSession>, StoreError> {
        self.read(|sql| sql.optional(&OF_COOKIE, values![token_hash, since], session))
    }

    /// All sessions that were used after `since`, Unix seconds; the one that was used last comes first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn admin_sessions(&self, since: i64) -> Result<Vec<AdminSession>, StoreError> {
        self.read(|sql| sql.all(&LIST, values![since], session))
    }
}

/// The name that a valid key gives; the key is gone with it.
fn use_up(sql: &mut dyn Sql, key_hash: &[u8; 32], now: i64) -> sql::Result<Option<String>> {
    let Some(name) = sql.optional(&KEY, values![key_hash, now], |row| Ok(row.some_text(0)))? else {
        return Ok(None);
    };
    // On another machine it may have been used since.
    let is_ours = sql.run(&REMOVE_KEY, values![key_hash])? > 0;
    Ok(is_ours.then_some(name))
}

fn session(row: &dyn Row) -> sql::Result<AdminSession> {
    let (created_at, seen_at) = (row.some_number(3), row.some_number(4));
    Ok(AdminSession {
        id: row.some_number(0),
        name: row.some_text(1),
        openid: row.text(2),
        created_at,
        seen_at,
        address: row.text(5),
        since: local_time::format(created_at),
        seen: local_time::format(seen_at),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;

    fn hash(n: u8) -> [u8; 32] {
        [n; 32]
    }

    fn key(store: &Store, n: u8, expires_at: i64) {
        let key = NewAdminKey {
            key_hash: hash(n),
            name: format!("name {n}"),
            expires_at,
        };
        store.add_admin_key(key, 100).unwrap();
    }

    fn sign_in(store: &Store, n: u8, now: i64) -> Option<String> {
        let session = NewAdminSession {
            token_hash: hash(n),
            proof: AdminProof::Key(hash(n)),
            now,
            address: Some("192.0.2.7".to_owned()),
            replaces: None,
        };
        store.begin_admin_session(session).unwrap()
    }

    #[test]
    fn a_key_works_once_and_until_it_expires() {
        on_both_engines(|store| {
            key(store, 1, 700);
            key(store, 2, 700);
            assert_eq!(sign_in(store, 1, 699).as_deref(), Some("name 1"));
            assert_eq!(sign_in(store, 1, 699), None);
            assert_eq!(sign_in(store, 2, 700), None);
            assert_eq!(sign_in(store, 3, 100), None);
            let found = store.reader().unwrap().admin_sessions(0).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(
                (found[0].name.as_str(), found[0].seen_at, &found[0].openid),
                ("name 1", 699, &None)
            );
        });
    }

    #[test]
    fn a_session_is_found_while_it_is_used_and_ends_alone_or_with_all() {
        on_both_engines(|store| {
            for n in 1..=3 {
                key(store, n, 700);
                sign_in(store, n, 200);
            }
            key(store, 4, 700);
            let first = store.reader().unwrap().admin_session(&hash(1), 0);
            let first = first.unwrap().unwrap().id;
            store.admin_session_seen(first, 300);
            store.admin_session_seen(first, 250);
            let of = |n, since| {
                let reader = store.reader().unwrap();
                let found = reader.admin_session(&hash(n), since).unwrap();
                found.map(|session| session.seen_at)
            };
            // The writer takes one after another.
            assert_eq!(
                store
                    .end_admin_sessions(AdminEnding::Cookie(hash(3)))
                    .unwrap(),
                1
            );
            assert_eq!(
                [of(1, 299), of(1, 300), of(2, 199)],
                [Some(300), None, Some(200)]
            );
            assert_eq!(of(3, 0), None);
            store.remove_old_admin_sessions(300).unwrap();
            assert_eq!([of(1, 0), of(2, 0)], [Some(300), None]);
            assert_eq!(
                store.end_admin_sessions(AdminEnding::One(first)).unwrap(),
                1
            );
            assert_eq!(store.end_admin_sessions(AdminEnding::All).unwrap(), 0);
            assert_eq!(sign_in(store, 4, 400), None, "its link went with all");
        });
    }

    #[test]
    fn there_are_never_more_than_a_hundred_of_either() {
        on_both_engines(|store| {
            for n in 1..=105 {
                key(store, n, 700 + i64::from(n));
            }
            assert_eq!(sign_in(store, 5, 200), None);
            for n in 6..=105 {
                assert!(sign_in(store, n, 200 + i64::from(n)).is_some(), "{n}");
            }
            key(store, 200, 900);
            sign_in(store, 200, 800);
            let reader = store.reader().unwrap();
            assert_eq!(reader.admin_sessions(0).unwrap().len(), 100);
            assert_eq!(reader.admin_session(&hash(6), 0).unwrap(), None);
        });
    }
}
