//! People who are logged in on the owner's web pages: one row for each browser, found by the hash of its cookie.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::StoreError;
use super::exchanged;
use super::log_ins;
use super::open::{Reader, Store};
use super::page::{newest_first, page_of};
use super::sql::{self, Row, Sql, limit, values};
use super::statement::statements;
use crate::local_time;

/// Most sessions of one person; another one ends the oldest. Deleting all of them stays a small part of a commit.
const MOST: u32 = 100;

/// Most characters that are kept of the name that a browser gives itself.
const AGENT: usize = 512;

/// Rows that one commit removes when all sessions end.
const STEP: u32 = 200;

/// A log-in.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The SHA-256 of the text of the cookie.
    pub token_hash: [u8; 32],
    /// The person.
    pub openid: String,
    /// The same person in the other accounts of the same Open Platform account.
    pub unionid: Option<String>,
    /// The name of the way to log in.
    pub method: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// The browser's address.
    pub address: Option<String>,
    /// What the browser calls itself; the first 512 characters are kept.
    pub agent: Option<String>,
}

/// Who a cookie belongs to: the session, and the person as the followers are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The id of the session.
    pub id: i64,
    /// The person.
    pub openid: String,
    /// The same person in the other accounts of the same Open Platform account.
    pub unionid: Option<String>,
    /// The name of the way in which the person logged in.
    pub method: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// Whether the person follows.
    pub subscribed: bool,
    /// The nickname of a follower, if the platform gave it.
    pub nickname: Option<String>,
    /// The URL of a follower's picture, if the platform gave it.
    pub headimgurl: Option<String>,
    /// The names of a follower's tags.
    pub tags: Vec<String>,
}

/// A row of `sessions`, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct SessionRow {
    pub id: i64,
    pub openid: String,
    pub unionid: Option<String>,
    pub method: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub seen_at: Option<i64>,
    pub address: Option<String>,
    pub agent: Option<String>,
    /// `created_at` as local date and time, for people.
    pub since: String,
    /// `expires_at` as local date and time, for people.
    pub expires: String,
    /// `seen_at` as local date and time, for people.
    pub seen: Option<String>,
}

/// Which sessions to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Of this person.
    pub openid: Option<String>,
    /// That have not expired at this time, Unix seconds.
    pub now: i64,
    /// The most to list.
    pub limit: Option<u32>,
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The one with this id.
    One(i64),
    /// All of this person.
    Of(String),
    /// All.
    All,
}

statements! {
    END = "DELETE FROM sessions WHERE token_hash = ?1";
    // All but the newest `?2` of a person.
    END_OLDEST = {
        sqlite: "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE openid = ?1
                     ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2)",
        mysql: "DELETE FROM sessions WHERE id IN (SELECT id FROM (SELECT id FROM sessions WHERE openid = ?1
                    ORDER BY created_at DESC, id DESC LIMIT 9223372036854775807 OFFSET ?2) AS oldest)",
    };
    BEGIN = "INSERT INTO sessions (id, token_hash, openid, unionid, method, created_at, expires_at, address, agent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    END_ONE = "DELETE FROM sessions WHERE id = ?1";
    END_OF_PERSON = "DELETE FROM sessions WHERE openid = ?1";
    LAST = "SELECT max(id) FROM sessions";
    END_SOME = {
        sqlite: "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE id <= ?1 ORDER BY id LIMIT ?2)",
        mysql: "DELETE FROM sessions WHERE id <= ?1 ORDER BY id LIMIT ?2",
    };
    END_EXPIRED = {
        sqlite: "DELETE FROM sessions WHERE id IN
                     (SELECT id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        mysql: "DELETE FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    };
    // The id of a session that has ended may be another's now.
    SEEN = "UPDATE sessions SET seen_at = ?2 WHERE id = ?1 AND created_at <= ?2 AND coalesce(seen_at, 0) < ?2";
    OF_COOKIE = "SELECT id, openid, unionid, method, created_at, expires_at FROM sessions WHERE token_hash = ?1 AND expires_at > ?2";
    FOLLOWER = "SELECT unionid, nickname, headimgurl, tagid_list FROM followers WHERE openid = ?1";
    TAG = "SELECT name FROM tags WHERE id = ?1";
    LIST = "SELECT id, openid, unionid, method, created_at, expires_at, seen_at, address, agent
            FROM sessions WHERE (?1 IS NULL OR openid = ?1) AND expires_at > ?2 AND id < ?4
            ORDER BY id DESC LIMIT ?3";
}

impl Store {
    /// Begins a session. In the same commit the session that the browser had before, `replaces`, ends.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_session(
        &self,
        session: NewSession,
        replaces: Option<[u8; 32]>,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |sql| begin(sql, &session, replaces.as_ref()))
    }

    /// Completes a log-in by code that is the row `id` and that this person has approved, and begins its session in the
    /// same commit, as [`Store::begin_session`] does; false if it is not approved any more.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn complete_log_in(
        &self,
        id: &str,
        session: NewSession,
        replaces: Option<[u8; 32]>,
    ) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.writer.write(move |sql| {
            let is_approved = log_ins::complete(sql, &id, &session.openid)?;
            if is_approved {
                begin(sql, &session, replaces.as_ref())?;
            }
            Ok(is_approved)
        })
    }

    /// Ends the session of a cookie with this hash; true if there was one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_session(&self, token_hash: [u8; 32]) -> Result<bool, StoreError> {
        self.writer
            .write(move |sql| Ok(sql.run(&END, values![token_hash])? > 0))
    }

    /// Ends sessions and returns how many. All of them end a few at a time, so that pushes do not wait; those that
    /// begin meanwhile stay.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_sessions(&self, which: Ending) -> Result<usize, StoreError> {
        match which {
            Ending::One(id) => self.writer.write(move |sql| sql.run(&END_ONE, values![id])),
            Ending::Of(openid) => self.writer.write(move |sql| end_of(sql, &openid)),
            Ending::All => {
                let last: Option<i64> = self
                    .writer
                    .write(|sql| sql.one(&LAST, &[], |row| row.get(0)))?;
                let mut ended = 0;
                loop {
                    let step = self
                        .writer
                        .write(move |sql| sql.run(&END_SOME, values![last, STEP]))?;
                    if step == 0 {
                        return Ok(ended);
                    }
                    ended += step;
                }
            }
        }
    }

    /// Removes up to `limit` sessions that expired before `now`, Unix seconds, and returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_expired_sessions(&self, now: i64, limit: u32) -> Result<usize, StoreError> {
        self.writer.write(move |sql| {
            sql.run(&log_ins::REMOVE_OVER, &[])?;
            sql.run(&exchanged::REMOVE_OLD, &[])?;
            sql.run(&END_EXPIRED, values![now, limit])
        })
    }

    /// Notes when sessions were used last, by their ids, in Unix seconds; at most a few hundred.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sessions_seen(&self, seen: Vec<(i64, i64)>) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            seen.iter()
                .try_for_each(|(id, at)| sql.run(&SEEN, values![id, at]).map(drop))
        })
    }
}

impl Reader {
    /// Who a cookie with this hash belongs to; `None` if its session has ended, or has expired at `now`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn visitor(&self, token_hash: &[u8; 32], now: i64) -> Result<Option<Visitor>, StoreError> {
        self.read(|sql| {
            let visitor = sql.optional(&OF_COOKIE, values![token_hash, now], |row| {
                Ok(Visitor {
                    id: row.get(0)?,
                    unionid: row.text(2),
                    ..stranger(
                        row.some_text(1),
                        row.some_text(3),
                        row.some_number(4),
                        row.some_number(5),
                    )
                })
            })?;
            visitor.map(|visitor| as_follower(sql, visitor)).transpose()
        })
    }

    /// Who a cookie would belong to if this person had logged in in this way. The times are in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn supposed_visitor(
        &self,
        openid: &str,
        method: &str,
        [created_at, expires_at, now]: [i64; 3],
    ) -> Result<Option<Visitor>, StoreError> {
        if expires_at <= now {
            return Ok(None);
        }
        let visitor = stranger(openid.to_owned(), method.to_owned(), created_at, expires_at);
        self.read(|sql| as_follower(sql, visitor)).map(Some)
    }

    /// Calls `each` for every session that matches the filter, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn sessions<E: From<StoreError>>(
        &self,
        filter: &SessionFilter,
        each: impl FnMut(SessionRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let next = |left, last| {
            let most = limit(left);
            let values = values![filter.openid, filter.now, most, last];
            self.read(|sql| page_of(sql, &LIST, values, session))
        };
        newest_first(filter.limit, next, |row| row.id, each)
    }
}

/// Begins a session. The one with the hash `replaces` ends.
pub(super) fn begin(
    sql: &mut dyn Sql,
    session: &NewSession,
    replaces: Option<&[u8; 32]>,
) -> sql::Result<()> {
    if let Some(replaces) = replaces {
        sql.run(&END, values![replaces])?;
    }
    sql.run(&END_OLDEST, values![session.openid, MOST - 1])?;
    let agent = session.agent.as_deref();
    let agent: Option<String> = agent.map(|agent| agent.chars().take(AGENT).collect());
    let values = values![
        session.token_hash,
        session.openid,
        session.unionid,
        session.method,
        session.created_at,
        session.expires_at,
        session.address,
        agent,
    ];
    sql.insert(&BEGIN, values).map(drop)
}

/// Ends all sessions of a person, also those that are about to begin, and returns how many.
pub(super) fn end_of(sql: &mut dyn Sql, openid: &str) -> sql::Result<usize> {
    log_ins::deny_of(sql, openid)?;
    sql.run(&END_OF_PERSON, values![openid])
}

/// A visitor who does not follow, of no known session.
fn stranger(openid: String, method: String, created_at: i64, expires_at: i64) -> Visitor {
    Visitor {
        id: 0,
        openid,
        unionid: None,
        method,
        created_at,
        expires_at,
        subscribed: false,
        nickname: None,
        headimgurl: None,
        tags: Vec::new(),
    }
}

/// The visitor, with what is known of the follower.
fn as_follower(sql: &mut dyn Sql, visitor: Visitor) -> sql::Result<Visitor> {
    let follower = sql.optional(&FOLLOWER, values![visitor.openid], |row| {
        Ok((row.text(0), row.text(1), row.text(2), row.text(3)))
    })?;
    let Some((unionid, nickname, headimgurl, tags)) = follower else {
        return Ok(visitor);
    };
    let tags = tags.and_then(|tags| serde_json::from_str::<Vec<serde_json::Value>>(&tags).ok());
    let tags: BTreeSet<i64> = tags
        .iter()
        .flatten()
        .filter_map(|tag| tag.as_i64())
        .collect();
    let names = tags
        .iter()
        .map(|tag| sql.optional(&TAG, values![tag], |row| Ok(row.some_text(0))));
    Ok(Visitor {
        unionid: visitor.unionid.or(unionid),
        subscribed: true,
        nickname,
        headimgurl,
        tags: names
            .filter_map(Result::transpose)
            .collect::<sql::Result<_>>()?,
        ..visitor
    })
}

fn session(row: &dyn Row) -> sql::Result<SessionRow> {
    let (created_at, expires_at) = (row.some_number(4), row.some_number(5));
    let seen_at = row.number(6);
    Ok(SessionRow {
        id: row.get(0)?,
        openid: row.some_text(1),
        unionid: row.text(2),
        method: row.some_text(3),
        created_at,
        expires_at,
        seen_at,
        address: row.text(7),
        agent: row.text(8),
        since: local_time::format(created_at),
        expires: local_time::format(expires_at),
        seen: seen_at.map(local_time::format),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
