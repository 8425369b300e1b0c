//! The current followers, and the log of follows and unfollows.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::columns::{number, some_number, some_text, text};
use super::error::StoreError;
use super::open::Reader;
use super::page::page;
use super::profiles::REVOKED;
use super::scenes;

/// A row of `followers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns, and the columns WeChat's names"
)]
pub struct Follower {
    pub openid: String,
    pub unionid: Option<String>,
    pub nickname: Option<String>,
    pub sex: Option<i64>,
    pub language: Option<String>,
    pub city: Option<String>,
    pub province: Option<String>,
    pub country: Option<String>,
    pub headimgurl: Option<String>,
    pub remark: Option<String>,
    pub groupid: Option<i64>,
    pub tagid_list: Option<serde_json::Value>,
    pub subscribe_time: i64,
    pub subscribe_scene: Option<String>,
    pub qr_scene: Option<i64>,
    pub qr_scene_str: Option<String>,
    pub profile_at: Option<i64>,
    pub profile_error: Option<String>,
    /// `subscribe_time` as local date and time, for people.
    pub subscribed: String,
}

impl Follower {
    /// The scene of the QR code through which the person followed.
    #[must_use]
    pub fn scene(&self) -> Option<String> {
        scenes::of_profile(self.qr_scene, self.qr_scene_str.as_deref())
    }
}

/// How many rows of `follow_log` are of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowCount {
    /// `subscribe` or `unsubscribe`.
    pub action: String,
    /// `push` or `sync`.
    pub source: String,
    /// The rows.
    pub count: i64,
}

/// A row of `follow_log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct FollowLogEntry {
    pub action: String,
    pub at: i64,
    pub scene: Option<String>,
    pub source: String,
    /// `at` as local date and time, for people.
    pub time: String,
}

/// Which followers to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct FollowerFilter {
    /// Followed at or after this time, Unix seconds.
    pub since: Option<i64>,
    /// Followed through this QR scene.
    pub scene: Option<String>,
    /// Have this tag.
    pub tag: Option<i64>,
    /// Whose nickname, remark, openid or unionid holds this text.
    pub search: Option<String>,
    /// The most followers to list.
    pub limit: Option<u32>,
}

/// What a follower must be, with the first four parameters of [`FollowerFilter::WHERE`].
macro_rules! matching {
    () => {
        "subscribe_time >= coalesce(?1, subscribe_time)
           AND (?2 IS NULL OR ?2 = coalesce(nullif(qr_scene_str, ''), CAST(qr_scene AS TEXT)))
           AND (?3 IS NULL OR (json_valid(tagid_list) AND EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?3)))
           AND (?4 IS NULL OR instr(lower(concat_ws(char(10), nickname, remark, openid, unionid)), lower(?4)))"
    };
}

impl FollowerFilter {
    /// Whether a row matches.
    const MATCHES: &str = matching!();

    /// The filter as SQL. Its parameters are `since`, scene, tag, the search text and the limit, then time and openid of
    /// the last row of the previous page. ASCII letters match in upper and lower case.
    pub(super) const WHERE: &str = concat!(
        "WHERE ",
        matching!(),
        "
           AND (subscribe_time, openid) < (?6, ?7)
         ORDER BY subscribe_time DESC, openid DESC LIMIT coalesce(?5, -1)"
    );

    /// Time and openid before the first page.
    pub(super) const BEGINNING: (i64, &str) = (i64::MAX, "");
}

/// Followers that one page of a search looks at.
const MOST_LOOKED_AT: usize = 100_000;

/// Where a page of followers begins: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerMark {
    /// `subscribe_time`, Unix seconds.
    pub subscribe_time: i64,
    /// Tells apart those who came in one second.
    pub openid: String,
}

/// One page of followers, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerPage {
    /// Those that match.
    pub rows: Vec<Follower>,
    /// Where the next page begins; `None`: there are no more.
    pub next: Option<FollowerMark>,
    /// Whether the page is not full because 100,000 were looked at: the next one may have more.
    pub is_cut: bool,
}

const COLUMNS: &str = "openid, unionid, nickname, sex, language, city, province, country, headimgurl, remark, groupid, tagid_list,
    subscribe_time, subscribe_scene, qr_scene, qr_scene_str, profile_at, profile_error,
    datetime(subscribe_time, 'unixepoch', 'localtime')";

impl Reader {
    /// Calls `each` for every follower that matches the filter, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn followers<E: From<StoreError>>(
        &self,
        filter: &FollowerFilter,
        mut each: impl FnMut(Follower) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT {COLUMNS} FROM followers {}", FollowerFilter::WHERE);
        let failed = |error: rusqlite::Error| E::from(Reader::failed(&error));
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let (time, openid) = FollowerFilter::BEGINNING;
        let mut left = filter.limit;
        // The raw values, of whatever type: converted values may sort differently.
        let mut last = (Value::from(time), Value::from(openid.to_owned()));
        let keyed = |row: &Row| {
            let key = (row.get("subscribe_time")?, row.get("openid")?);
            Ok((key, follower(row)?))
        };
        loop {
            let FollowerFilter {
                since,
                scene,
                tag,
                search,
                limit: _,
            } = filter;
            let values = params![since, scene, tag, search, left, last.0, last.1];
            let page = page(&mut statement, values, keyed).map_err(failed)?;
            for (key, row) in page.rows {
                last = key;
                left = left.map(|left| left - 1);
                each(row)?;
            }
            if page.is_last {
                return Ok(());
            }
        }
    }

    /// The newest `most` followers that match the filter, whose `limit` means nothing here, behind `after`. Looks at
    /// 100,000 at most, which takes half a second with its pauses.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follower_page(
        &self,
        filter: &FollowerFilter,
        after: Option<&FollowerMark>,
        most: usize,
    ) -> Result<FollowerPage, StoreError> {
        let FollowerFilter {
            since,
            scene,
            tag,
            search,
            limit: _,
        } = filter;
        let (time, openid) = after.map_or(FollowerFilter::BEGINNING, |mark| {
            (mark.subscribe_time, mark.openid.as_str())
        });
        let sql = format!(
            "SELECT {}, subscribe_time, openid FROM followers WHERE (subscribe_time, openid) < (?5, ?6)
             ORDER BY subscribe_time DESC, openid DESC",
            FollowerFilter::MATCHES
        );
        let find = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![since, scene, tag, search, time, openid])?;
            let (mut found, mut last) = (Vec::new(), None);
            let mut pauses = self.turn.pauses();
            for looked in 0.. {
                let Some(row) = rows.next()? else {
                    return Ok((found, None, false));
                };
                pauses.row();
                if looked == MOST_LOOKED_AT || found.len() == most {
                    return Ok((found, last, looked == MOST_LOOKED_AT));
                }
                let mark = FollowerMark {
                    subscribe_time: some_number(row, 1)?,
                    openid: some_text(row, 2)?,
                };
                if row.get::<_, Option<bool>>(0)?.unwrap_or(false) {
                    found.push(mark.openid.clone());
                }
                last = Some(mark);
            }
            Ok((found, None, false))
        };
        let (found, next, is_cut) =
            find().map_err(|error: rusqlite::Error| Reader::failed(&error))?;
        let mut rows = Vec::with_capacity(found.len());
        for openid in found {
            rows.extend(self.follower(&openid)?);
        }
        Ok(FollowerPage { rows, next, is_cut })
    }

    /// One follower, if the person follows now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follower(&self, openid: &str) -> Result<Option<Follower>, StoreError> {
        self.connection
            .query_row(
                &format!("SELECT {COLUMNS} FROM followers WHERE openid = ?1"),
                [openid],
                follower,
            )
            .optional()
            .map_err(|error| Reader::failed(&error))
    }

    /// The entries of `follow_log` about a person, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follow_log(&self, openid: &str) -> Result<Vec<FollowLogEntry>, StoreError> {
        let read = || {
            self.connection
                .prepare("SELECT action, at, scene, source, datetime(at, 'unixepoch', 'localtime') FROM follow_log WHERE openid = ?1 ORDER BY at DESC, id DESC")?
                .query_map([openid], |row| {
                    Ok(FollowLogEntry {
                        action: some_text(row, 0)?,
                        at: some_number(row, 1)?,
                        scene: text(row, 2)?,
                        source: some_text(row, 3)?,
                        time: some_text(row, 4)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// The id of the last row of `follow_log`; 0 if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_follow_event(&self) -> Result<i64, StoreError> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM follow_log", [], |row| {
                row.get(0)
            })
            .map_err(|error| Reader::failed(&error))
    }

    /// Counts the rows of `follow_log` after this id, up to 100,000, and returns the last id of them. Rows that were erased
    /// are not counted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follow_events_after(&self, id: i64) -> Result<(Vec<FollowCount>, i64), StoreError> {
        let last = self.last_follow_event()?.min(id.saturating_add(100_000));
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT action, source, count(*) FROM follow_log WHERE id > ?1 AND id <= ?2 GROUP BY 1, 2",
                )?
                .query_map([id, last], |row| {
                    Ok(FollowCount {
                        action: some_text(row, 0)?,
                        source: some_text(row, 1)?,
                        count: row.get(2)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let counts = read().map_err(|error| Reader::failed(&error))?;
        Ok((counts, last))
    }

    /// How many people follow now. SQLite scans them: ten million take a second.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count_followers(&self) -> Result<i64, StoreError> {
        self.count_followers_up_to(i64::MAX)
    }

    /// How many people follow now, but at most `most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count_followers_up_to(&self, most: i64) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM followers LIMIT ?1)";
        self.connection
            .query_row(sql, [most], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))
    }
}

fn follower(row: &Row) -> rusqlite::Result<Follower> {
    let tags = text(row, 11)?;
    Ok(Follower {
        openid: some_text(row, 0)?,
        unionid: text(row, 1)?,
        nickname: text(row, 2)?,
        sex: number(row, 3)?,
        language: text(row, 4)?,
        city: text(row, 5)?,
        province: text(row, 6)?,
        country: text(row, 7)?,
        headimgurl: text(row, 8)?,
        remark: text(row, 9)?,
        groupid: number(row, 10)?,
        tagid_list: tags.and_then(|tags| serde_json::from_str(&tags).ok()),
        subscribe_time: some_number(row, 12)?,
        subscribe_scene: text(row, 13)?,
        qr_scene: number(row, 14)?,
        qr_scene_str: text(row, 15)?,
        profile_at: number(row, 16)?,
        profile_error: text(row, 17)?,
        subscribed: some_text(row, 18)?,
    })
}

/// A person follows at `at`. Pushes arrive in any order: one older than the last unfollow is only logged. Unfollows
/// found by a sync do not count: they have the time of this machine's clock, which may differ from the platform's.
pub(super) fn follow(
    connection: &Connection,
    openid: &str,
    at: i64,
    scene: Option<&str>,
) -> rusqlite::Result<()> {
    let has_left_since: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM follow_log WHERE openid = ?1 AND at > ?2 AND action = 'unsubscribe' AND source = 'push')")?
        .query_row(params![openid, at], |row| row.get(0))?;
    let event = FollowEvent {
        source: Source::Push,
        openid,
        action: Action::Subscribe,
        at,
        scene,
    };
    if has_left_since {
        return log(connection, &event, false);
    }
    let number = scene.and_then(|scene| scene.parse::<u32>().ok());
    let followed_before = follows(connection, openid)?;
    connection
        .prepare_cached(
            "INSERT INTO followers (openid, subscribe_time, subscribe_scene, qr_scene, qr_scene_str) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (openid) DO UPDATE SET subscribe_time = max(subscribe_time, excluded.subscribe_time),
                 subscribe_scene = excluded.subscribe_scene, qr_scene = excluded.qr_scene, qr_scene_str = excluded.qr_scene_str,
                 profile_at = NULL, profile_error = NULL",
        )?
        .execute(params![openid, at, scene.map(|_| "ADD_SCENE_QR_CODE"), number, scene])?;
    log(connection, &event, !followed_before)
}

/// A person unfollows at `at`. A person who has followed again since then stays.
pub(super) fn leave(connection: &Connection, openid: &str, at: i64) -> rusqlite::Result<()> {
    let left = connection
        .prepare_cached("DELETE FROM followers WHERE openid = ?1 AND subscribe_time <= ?2")?
        .execute(params![openid, at])?;
    let event = FollowEvent {
        source: Source::Push,
        openid,
        action: Action::Unsubscribe,
        at,
        scene: None,
    };
    log(connection, &event, left > 0)
}

fn follows(connection: &Connection, openid: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM followers WHERE openid = ?1)")?
        .query_row([openid], |row| row.get(0))
}

/// Queues the profile to be fetched again.
pub(super) fn queue_profile(connection: &Connection, openid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE followers SET profile_at = NULL, profile_error = NULL WHERE openid = ?1",
        )?
        .execute([openid])?;
    Ok(())
}

/// The person has revoked access to the profile: their data is cleared and not fetched again. Remark and tags are the
/// account's own and stay.
pub(super) fn clear_profile(
    connection: &Connection,
    openid: &str,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE followers SET nickname = NULL, sex = NULL, language = NULL, city = NULL, province = NULL, country = NULL,
                 headimgurl = NULL, unionid = NULL, profile_at = ?2, profile_error = ?3 WHERE openid = ?1",
        )?
        .execute(params![openid, now, REVOKED])?;
    Ok(())
}

/// How a follow or unfollow became known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// By a push.
    Push,
    /// By a follower sync.
    Sync,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Push => "push",
            Source::Sync => "sync",
        }
    }
}

/// What a person did.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Followed.
    Subscribe,
    /// Unfollowed.
    Unsubscribe,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Subscribe => "subscribe",
            Action::Unsubscribe => "unsubscribe",
        }
    }
}

/// A new row of `follow_log`.
pub(super) struct FollowEvent<'a> {
    pub(super) source: Source,
    pub(super) openid: &'a str,
    pub(super) action: Action,
    /// Unix seconds.
    pub(super) at: i64,
    pub(super) scene: Option<&'a str>,
}

/// Writes a row of `follow_log`. `counts` says whether the number of followers changed: `daily_v` adds up those rows.
pub(super) fn log(
    connection: &Connection,
    event: &FollowEvent,
    counts: bool,
) -> rusqlite::Result<()> {
    let FollowEvent {
        source,
        openid,
        action,
        at,
        scene,
    } = event;
    connection
        .prepare_cached("INSERT INTO follow_log (openid, action, at, scene, source, counts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![openid, action.name(), at, scene, source.name(), counts])?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
