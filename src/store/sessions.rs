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
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::sql::{Sql, Value};
    use crate::store::statement::{Statement, statement};

    const NOW: i64 = 1_790_000_000;

    const ADD_TAGS: Statement =
        statement!("INSERT INTO tags (id, name) VALUES (2, 'two'), (100, 'VIP'), (101, 'no')");
    const ADD_FOLLOWER: Statement = statement!(
        "INSERT INTO followers (openid, subscribe_time, unionid, nickname, headimgurl, tagid_list)
         VALUES ('oSynOne', 7, 'u', 'n', 'h', '[100,2,55]')"
    );
    const FORGET_UNIONID: Statement = statement!("UPDATE sessions SET unionid = NULL");
    const SET_TAGS: Statement = statement!("UPDATE followers SET tagid_list = ?1");

    fn hash(n: u8) -> [u8; 32] {
        [n; 32]
    }

    fn of(openid: &str, n: u8) -> NewSession {
        NewSession {
            token_hash: hash(n),
            openid: openid.to_owned(),
            unionid: None,
            method: "oauth".to_owned(),
            created_at: NOW + i64::from(n),
            expires_at: NOW + 1_000 + i64::from(n),
            address: Some("192.0.2.7".to_owned()),
            agent: None,
        }
    }

    fn change(store: &Store, statement: &'static Statement) {
        let done = store.writer.write(move |sql| sql.run(statement, &[]));
        done.unwrap();
    }

    fn visitor_of(store: &Store, n: u8) -> Option<Visitor> {
        store.reader().unwrap().visitor(&hash(n), NOW).unwrap()
    }

    fn id_of(store: &Store, n: u8) -> i64 {
        visitor_of(store, n).unwrap().id
    }

    /// Id, person, and when last seen, of all that are listed.
    fn listed(store: &Store, openid: Option<&str>, now: i64) -> Vec<(i64, String, Option<i64>)> {
        let filter = SessionFilter {
            openid: openid.map(str::to_owned),
            now,
            limit: None,
        };
        let mut rows = Vec::new();
        let each = |row: SessionRow| {
            rows.push((row.id, row.openid, row.seen_at));
            Ok::<(), StoreError>(())
        };
        store.reader().unwrap().sessions(&filter, each).unwrap();
        rows
    }

    #[test]
    fn a_session_takes_the_place_of_the_one_that_the_browser_had() {
        on_both_engines(|store| {
            store.begin_session(of("oSynOne", 1), None).unwrap();
            store.begin_session(of("oSynTwo", 2), None).unwrap();
            store
                .begin_session(of("oSynThree", 3), Some(hash(1)))
                .unwrap();
            assert_eq!(visitor_of(store, 1), None);
            assert_eq!(visitor_of(store, 2).unwrap().openid, "oSynTwo");
            assert_eq!(visitor_of(store, 3).unwrap().openid, "oSynThree");
            assert!(store.end_session(hash(3)).unwrap());
            assert!(!store.end_session(hash(3)).unwrap());
            assert_eq!(visitor_of(store, 3), None);
        });
    }

    #[test]
    fn a_visitor_is_what_the_followers_say_now() {
        on_both_engines(|store| {
            let session = NewSession {
                unionid: Some("own".to_owned()),
                ..of("oSynOne", 1)
            };
            store.begin_session(session, None).unwrap();
            let stranger = Visitor {
                id: id_of(store, 1),
                openid: "oSynOne".to_owned(),
                unionid: Some("own".to_owned()),
                method: "oauth".to_owned(),
                created_at: NOW + 1,
                expires_at: NOW + 1_001,
                subscribed: false,
                nickname: None,
                headimgurl: None,
                tags: Vec::new(),
            };
            assert_eq!(visitor_of(store, 1), Some(stranger.clone()));
            change(store, &ADD_TAGS);
            change(store, &ADD_FOLLOWER);
            let follower = Visitor {
                subscribed: true,
                nickname: Some("n".to_owned()),
                headimgurl: Some("h".to_owned()),
                tags: vec!["two".to_owned(), "VIP".to_owned()],
                ..stranger
            };
            assert_eq!(visitor_of(store, 1), Some(follower.clone()));
            change(store, &FORGET_UNIONID);
            assert_eq!(visitor_of(store, 1).unwrap().unionid, Some("u".to_owned()));
            let texts = ["no json", "{}", "[]"].map(|text| Value::Text(text.as_bytes()));
            let others = [Value::Integer(7), Value::Null, Value::Bytes(&[0])];
            for nonsense in texts.into_iter().chain(others) {
                let set = move |sql: &mut dyn Sql| sql.run(&SET_TAGS, &[nonsense]);
                store.writer.write(set).unwrap();
                let tags = visitor_of(store, 1).unwrap().tags;
                assert_eq!(tags, Vec::<String>::new(), "{nonsense:?}");
            }
        });
    }

    #[test]
    fn a_session_that_has_expired_is_none_and_its_row_goes() {
        on_both_engines(|store| {
            for n in 1..=3 {
                store.begin_session(of("oSynOne", n), None).unwrap();
            }
            let at = |n, now| store.reader().unwrap().visitor(&hash(n), now).unwrap();
            assert!(at(2, NOW + 1_001).is_some());
            assert_eq!(at(2, NOW + 1_002), None);
            assert_eq!(listed(store, None, NOW + 1_002).len(), 1);
            assert_eq!(store.remove_expired_sessions(NOW + 1_002, 1).unwrap(), 1);
            assert_eq!(store.remove_expired_sessions(NOW + 1_002, 9).unwrap(), 1);
            assert_eq!(store.remove_expired_sessions(NOW + 1_002, 9).unwrap(), 0);
            assert!(at(3, NOW + 1_002).is_some());
        });
    }

    #[test]
    fn one_session_those_of_a_person_and_all_can_be_ended() {
        on_both_engines(|store| {
            let people = ["oSynOne", "oSynTwo", "oSynOne", "oSynTwo", "oSynThree"];
            for (person, n) in people.iter().zip(1..) {
                store.begin_session(of(person, n), None).unwrap();
            }
            assert_eq!(listed(store, Some("oSynOne"), NOW).len(), 2);
            let [one, third, fifth] = [1, 3, 5].map(|n| id_of(store, n));
            assert_eq!(store.end_sessions(Ending::One(one)).unwrap(), 1);
            assert_eq!(store.end_sessions(Ending::One(one)).unwrap(), 0);
            let two = Ending::Of("oSynTwo".to_owned());
            assert_eq!(store.end_sessions(two.clone()).unwrap(), 2);
            assert_eq!(store.end_sessions(two).unwrap(), 0);
            let left = listed(store, None, NOW);
            assert_eq!(
                left,
                [
                    (fifth, "oSynThree".to_owned(), None),
                    (third, "oSynOne".to_owned(), None)
                ]
            );
            assert_eq!(store.end_sessions(Ending::All).unwrap(), 2);
            assert_eq!(store.end_sessions(Ending::All).unwrap(), 0);
            assert_eq!(listed(store, None, NOW), []);
        });
    }

    #[test]
    fn more_than_one_step_of_sessions_ends_with_all() {
        on_both_engines(|store| {
            let many = |sql: &mut dyn Sql| {
                (0..450_u32).try_for_each(|n| {
                    let mut hash = [0; 32];
                    hash[..4].copy_from_slice(&n.to_be_bytes());
                    let (openid, none) = (format!("oSyn{n}"), None::<&str>);
                    let values = values![hash, openid, none, "scan", 1, 2_000_000_000, none, none];
                    sql.insert(&BEGIN, values).map(drop)
                })
            };
            store.writer.write(many).unwrap();
            assert_eq!(store.end_sessions(Ending::All).unwrap(), 450);
            assert_eq!(listed(store, None, NOW), []);
        });
    }

    #[test]
    fn a_person_has_no_more_than_a_hundred_sessions_and_the_oldest_ends() {
        on_both_engines(|store| {
            store.begin_session(of("oSynTwo", 200), None).unwrap();
            for n in 1..=105 {
                store.begin_session(of("oSynOne", n), None).unwrap();
            }
            assert_eq!(listed(store, Some("oSynOne"), NOW).len(), 100);
            assert_eq!(visitor_of(store, 5), None);
            assert!(visitor_of(store, 6).is_some());
            assert!(visitor_of(store, 105).is_some());
            assert!(visitor_of(store, 200).is_some());
        });
    }

    #[test]
    fn when_a_session_was_used_never_goes_back_or_to_another() {
        on_both_engines(|store| {
            store.begin_session(of("oSynOne", 1), None).unwrap();
            let id = id_of(store, 1);
            let seen = |at| {
                store.sessions_seen(vec![(id, at), (77, at)]).unwrap();
                listed(store, None, NOW)[0].2
            };
            assert_eq!(seen(NOW), None, "before it began: this was another");
            assert_eq!(seen(NOW + 5), Some(NOW + 5));
            assert_eq!(seen(NOW + 4), Some(NOW + 5));
            assert_eq!(seen(NOW + 6), Some(NOW + 6));
        });
    }

    #[test]
    fn what_a_browser_calls_itself_is_kept_in_part() {
        on_both_engines(|store| {
            let session = NewSession {
                agent: Some("é".repeat(5_000)),
                ..of("oSynOne", 1)
            };
            store.begin_session(session, None).unwrap();
            let mut agents = Vec::new();
            let each = |row: SessionRow| {
                agents.push(row.agent.unwrap());
                Ok::<(), StoreError>(())
            };
            let filter = SessionFilter::default();
            store.reader().unwrap().sessions(&filter, each).unwrap();
            assert_eq!(agents, ["é".repeat(512)]);
        });
    }
}
