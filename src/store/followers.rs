//! The current followers, and the log of follows and unfollows.

use std::ops::ControlFlow;

use serde::Serialize;

use super::error::StoreError;
use super::follow_counts::{change_follower, count_log};
use super::open::Reader;
use super::page::page_of;
use super::profiles::REVOKED;
use super::scenes;
use super::sql::{self, Owned, Row, Sql, limit, values};
use super::statement::statements;
use crate::local_time;

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

impl FollowerFilter {
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

/// All columns, for exports, in the order in which [`follower`] reads them.
pub(super) const COLUMNS: &[&str] = &[
    "openid",
    "unionid",
    "nickname",
    "sex",
    "language",
    "city",
    "province",
    "country",
    "headimgurl",
    "remark",
    "groupid",
    "tagid_list",
    "subscribe_time",
    "subscribe_scene",
    "qr_scene",
    "qr_scene_str",
    "profile_at",
    "profile_error",
];

/// The same as SQL.
macro_rules! columns {
    () => {
        "openid, unionid, nickname, sex, language, city, province, country, headimgurl, remark, groupid, tagid_list,
         subscribe_time, subscribe_scene, qr_scene, qr_scene_str, profile_at, profile_error"
    };
}

/// What a follower must be: `?1` to `?4` are the first four of [`FollowerFilter`]. ASCII letters match in upper and lower
/// case.
macro_rules! matching {
    (sqlite) => {
        "subscribe_time >= coalesce(?1, subscribe_time)
           AND (?2 IS NULL OR ?2 = coalesce(nullif(qr_scene_str, ''), CAST(qr_scene AS TEXT)))
           AND (?3 IS NULL OR (json_valid(tagid_list) AND EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = ?3)))
           AND (?4 IS NULL OR instr(lower(concat_ws(char(10), nickname, remark, openid, unionid)), lower(?4)))"
    };
    (mysql) => {
        "subscribe_time >= coalesce(?1, subscribe_time)
           AND (?2 IS NULL OR ?2 = coalesce(nullif(qr_scene_str, ''), CAST(qr_scene AS CHAR)))
           AND (?3 IS NULL OR (json_valid(tagid_list) AND json_contains(tagid_list, CAST(?3 AS CHAR))))
           AND (?4 IS NULL OR instr(lower(concat_ws(char(10 USING utf8mb4), nickname, remark, convert(openid USING utf8mb4), convert(unionid USING utf8mb4))),
                   lower(?4)))"
    };
}

/// The order of lists, a page at a time: `?5` rows at most, behind the one with this time and openid.
macro_rules! newest_first {
    () => {
        " AND (subscribe_time, openid) < (?6, ?7) ORDER BY subscribe_time DESC, openid DESC LIMIT ?5"
    };
}

/// Most events that are counted at once; and the ids of a day where they are microseconds.
const MOST_EVENTS: i64 = 100_000;
const DAY_OF_IDS: i64 = 86_400_000_000;

statements! {
    pub(super) LIST = {
        sqlite: concat!("SELECT ", columns!(), " FROM followers WHERE ", matching!(sqlite), newest_first!()),
        mysql: concat!("SELECT ", columns!(), " FROM followers WHERE ", matching!(mysql), newest_first!()),
    };
    // Whether they match, of all behind the one with this time and openid.
    LOOK = {
        sqlite: concat!("SELECT ", matching!(sqlite), ", subscribe_time, openid FROM followers
                 WHERE (subscribe_time, openid) < (?5, ?6) ORDER BY subscribe_time DESC, openid DESC"),
        mysql: concat!("SELECT ", matching!(mysql), ", subscribe_time, openid FROM followers
                WHERE (subscribe_time, openid) < (?5, ?6) ORDER BY subscribe_time DESC, openid DESC"),
    };
    ONE = (concat!("SELECT ", columns!(), " FROM followers WHERE openid = ?1"));
    LOG_OF = "SELECT action, at, scene, source FROM follow_log WHERE openid = ?1 ORDER BY at DESC, id DESC";
    pub(super) LAST_EVENT = "SELECT coalesce(max(id), 0) FROM follow_log";
    // Nodes make ids of microseconds by their own clocks, and commit some time later.
    LAST_SETTLED_EVENT = {
        sqlite: "SELECT coalesce(max(id), 0) FROM follow_log",
        mysql: "SELECT CAST(unix_timestamp(now(6)) * 1000000 AS SIGNED) - 60000000",
    };
    EVENTS_AFTER = "SELECT action, source, count(*) FROM follow_log WHERE id > ?1 AND id <= ?2 GROUP BY 1, 2";
    COUNT = "SELECT count(*) FROM (SELECT 1 FROM followers LIMIT ?1) AS counted";
    HAS_LEFT_SINCE = "SELECT 1 FROM follow_log WHERE openid = ?1 AND at > ?2 AND action = 'unsubscribe' AND source = 'push' LIMIT 1";
    FOLLOW = {
        sqlite: "INSERT INTO followers (openid, subscribe_time, subscribe_scene, qr_scene, qr_scene_str) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (openid) DO UPDATE SET subscribe_time = max(subscribe_time, excluded.subscribe_time),
                     subscribe_scene = excluded.subscribe_scene, qr_scene = excluded.qr_scene, qr_scene_str = excluded.qr_scene_str,
                     profile_at = NULL, profile_error = NULL",
        mysql: "INSERT INTO followers (openid, subscribe_time, subscribe_scene, qr_scene, qr_scene_str) VALUES (?1, ?2, ?3, ?4, ?5)
                ON DUPLICATE KEY UPDATE subscribe_time = greatest(subscribe_time, ?2),
                    subscribe_scene = ?3, qr_scene = ?4, qr_scene_str = ?5, profile_at = NULL, profile_error = NULL",
    };
    LEAVE = "DELETE FROM followers WHERE openid = ?1 AND subscribe_time <= ?2";
    FOLLOWS = "SELECT 1 FROM followers WHERE openid = ?1";
    QUEUE_PROFILE = "UPDATE followers SET profile_at = NULL, profile_error = NULL WHERE openid = ?1";
    CLEAR_PROFILE = "UPDATE followers SET nickname = NULL, sex = NULL, language = NULL, city = NULL, province = NULL, country = NULL,
                         headimgurl = NULL, unionid = NULL, profile_at = ?2, profile_error = ?3 WHERE openid = ?1";
    LOG = "INSERT INTO follow_log (id, openid, action, at, scene, source, counts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
}

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
        let (time, openid) = FollowerFilter::BEGINNING;
        let mut left = filter.limit;
        // The raw values, of whatever type: converted values may sort differently.
        let mut last = (Owned::Integer(time), Owned::Text(openid.into()));
        loop {
            let FollowerFilter {
                since,
                scene,
                tag,
                search,
                limit: _,
            } = filter;
            let most = limit(left);
            let values = values![since, scene, tag, search, most, last.0, last.1];
            let page = self.read(|sql| {
                page_of(sql, &LIST, values, |row| {
                    Ok(((row.get(12)?, row.get(0)?), follower(row)))
                })
            })?;
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
        let (mut found, mut last) = (Vec::new(), None);
        let (mut looked, mut is_last) = (0, true);
        let mut pauses = self.turn.pauses();
        let values = values![since, scene, tag, search, time, openid];
        self.read(|sql| {
            sql.rows(&LOOK, values, &mut |row| {
                pauses.row();
                if looked == MOST_LOOKED_AT || found.len() == most {
                    is_last = false;
                    return Ok(ControlFlow::Break(()));
                }
                looked += 1;
                let mark = FollowerMark {
                    subscribe_time: row.some_number(1),
                    openid: row.some_text(2),
                };
                if row.number(0).is_some_and(|matches| matches != 0) {
                    found.push(mark.openid.clone());
                }
                last = Some(mark);
                Ok(ControlFlow::Continue(()))
            })
        })?;
        drop(pauses);
        let next = last.filter(|_| !is_last);
        let is_cut = next.is_some() && looked == MOST_LOOKED_AT;
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
        self.read(|sql| sql.optional(&ONE, values![openid], |row| Ok(follower(row))))
    }

    /// The entries of `follow_log` about a person, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follow_log(&self, openid: &str) -> Result<Vec<FollowLogEntry>, StoreError> {
        self.read(|sql| {
            sql.all(&LOG_OF, values![openid], |row| {
                let at = row.some_number(1);
                Ok(FollowLogEntry {
                    action: row.some_text(0),
                    at,
                    scene: row.text(2),
                    source: row.some_text(3),
                    time: local_time::format(at),
                })
            })
        })
    }

    /// The id up to which rows of `follow_log` are complete: that of the last one; 0 if there is none. Where several nodes
    /// write, that of a minute ago.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_follow_event(&self) -> Result<i64, StoreError> {
        self.read(|sql| sql.one(&LAST_SETTLED_EVENT, &[], |row| row.get(0)))
    }

    /// Counts the complete rows of `follow_log` after this id, and returns the id up to which they are counted: up to
    /// 100,000 of them, or those of a day where several nodes write. Rows that were erased are not counted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn follow_events_after(&self, id: i64) -> Result<(Vec<FollowCount>, i64), StoreError> {
        let last = self.last_follow_event()?;
        let last = match self.is_shared() {
            false => last.min(id.saturating_add(MOST_EVENTS)),
            // The server's clock may be set back.
            true => last.clamp(id, id.saturating_add(DAY_OF_IDS)),
        };
        let counts = self.read(|sql| {
            sql.all(&EVENTS_AFTER, values![id, last], |row| {
                Ok(FollowCount {
                    action: row.some_text(0),
                    source: row.some_text(1),
                    count: row.get(2)?,
                })
            })
        })?;
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
        self.read(|sql| sql.one(&COUNT, values![most], |row| row.get(0)))
    }
}

fn follower(row: &dyn Row) -> Follower {
    let subscribe_time = row.some_number(12);
    Follower {
        openid: row.some_text(0),
        unionid: row.text(1),
        nickname: row.text(2),
        sex: row.number(3),
        language: row.text(4),
        city: row.text(5),
        province: row.text(6),
        country: row.text(7),
        headimgurl: row.text(8),
        remark: row.text(9),
        groupid: row.number(10),
        tagid_list: row
            .text(11)
            .and_then(|tags| serde_json::from_str(&tags).ok()),
        subscribe_time,
        subscribe_scene: row.text(13),
        qr_scene: row.number(14),
        qr_scene_str: row.text(15),
        profile_at: row.number(16),
        profile_error: row.text(17),
        subscribed: local_time::format(subscribe_time),
    }
}

/// A person follows at `at`. Pushes arrive in any order: one older than the last unfollow is only logged. Unfollows
/// found by a sync do not count: they have the time of this machine's clock, which may differ from the platform's.
pub(super) fn follow(
    sql: &mut dyn Sql,
    openid: &str,
    at: i64,
    scene: Option<&str>,
) -> sql::Result<()> {
    let event = FollowEvent {
        source: Source::Push,
        openid,
        action: Action::Subscribe,
        at,
        scene,
    };
    let number = scene.and_then(|scene| scene.parse::<u32>().ok());
    let way = scene.map(|_| "ADD_SCENE_QR_CODE");
    let is_first = change_follower(sql, openid, |sql| {
        if sql.exists(&HAS_LEFT_SINCE, values![openid, at])? {
            return Ok(false);
        }
        let follows = sql.exists(&FOLLOWS, values![openid])?;
        sql.run_soon(&FOLLOW, values![openid, at, way, number, scene])?;
        Ok(!follows)
    })?;
    log(sql, &event, is_first)
}

/// A person unfollows at `at`. A person who has followed again since then stays.
pub(super) fn leave(sql: &mut dyn Sql, openid: &str, at: i64) -> sql::Result<()> {
    let left = change_follower(sql, openid, |sql| sql.run(&LEAVE, values![openid, at]))?;
    let event = FollowEvent {
        source: Source::Push,
        openid,
        action: Action::Unsubscribe,
        at,
        scene: None,
    };
    log(sql, &event, left > 0)
}

/// Queues the profile to be fetched again.
pub(super) fn queue_profile(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    sql.run(&QUEUE_PROFILE, values![openid]).map(drop)
}

/// The person has revoked access to the profile: their data is cleared and not fetched again. Remark and tags are the
/// account's own and stay.
pub(super) fn clear_profile(sql: &mut dyn Sql, openid: &str, now: i64) -> sql::Result<()> {
    sql.run(&CLEAR_PROFILE, values![openid, now, REVOKED])
        .map(drop)
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
pub(super) fn log(sql: &mut dyn Sql, event: &FollowEvent, counts: bool) -> sql::Result<()> {
    let FollowEvent {
        source,
        openid,
        action,
        at,
        scene,
    } = event;
    let (action, source) = (action.name(), source.name());
    let id = sql.insert(&LOG, values![openid, action, at, scene, source, counts])?;
    id.map_or(Ok(()), |id| count_log(sql, id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(in crate::store) mod tests;
