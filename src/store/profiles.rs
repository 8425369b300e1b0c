//! The queue of followers whose profile must be fetched, and the fetched profiles.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::open::{Reader, Store};
use super::scenes::recorded_scene;

/// `profile_error` of a person who has revoked access to the profile.
pub(super) const REVOKED: &str = "authorisation revoked";

/// What the platform knows of a follower; the names are the columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the columns, and the columns WeChat's names"
)]
pub struct FetchedProfile {
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
    pub tagid_list: Option<String>,
    pub subscribe_time: Option<i64>,
    pub subscribe_scene: Option<String>,
    pub qr_scene: Option<i64>,
    pub qr_scene_str: Option<String>,
}

/// The result of fetching one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileOutcome {
    /// The profile.
    Fetched(Box<FetchedProfile>),
    /// The platform says that the person no longer follows.
    Left,
    /// The platform refuses for good; there is no point in retrying.
    Refused(String),
    /// A temporary failure; the follower stays in the queue.
    Later(String),
}

impl Reader {
    /// Up to `limit` followers whose profile must be fetched, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profile_queue(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached("SELECT openid FROM followers WHERE profile_at IS NULL AND typeof(openid) = 'text' ORDER BY subscribe_time LIMIT ?1")?
                .query_map([limit], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

impl Reader {
    /// Whether this person's profile must still be fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profile_waits(&self, openid: &str) -> Result<bool, StoreError> {
        let waits =
            "SELECT EXISTS (SELECT 1 FROM followers WHERE openid = ?1 AND profile_at IS NULL)";
        self.sqlite()
            .query_row(waits, [openid], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))
    }

    /// How many profiles must be fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profiles_waiting(&self) -> Result<i64, StoreError> {
        let count = "SELECT count(*) FROM followers WHERE profile_at IS NULL";
        self.sqlite()
            .query_row(count, [], |row| row.get(0))
            .map_err(|error| Reader::failed(&error))
    }
}

impl Store {
    /// Stores the results of a batch of profiles. Followers who have left in the meantime stay removed.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn profiles_done(
        &self,
        outcomes: Vec<(String, ProfileOutcome)>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            outcomes
                .iter()
                .try_for_each(|(openid, outcome)| done(connection, openid, outcome, now))
        })
    }
}

pub(super) fn done(
    connection: &Connection,
    openid: &str,
    outcome: &ProfileOutcome,
    now: i64,
) -> rusqlite::Result<()> {
    if let ProfileOutcome::Fetched(profile) = outcome
        && let Some(time) = profile.subscribe_time
    {
        followed_at(connection, openid, time)?;
    }
    match outcome {
        ProfileOutcome::Fetched(profile) if is_revoked(connection, openid)? => connection
            .prepare_cached("UPDATE followers SET remark = ?2, groupid = ?3, tagid_list = ?4, profile_at = ?5 WHERE openid = ?1")?
            .execute(params![openid, profile.remark, profile.groupid, profile.tagid_list, now])?,
        ProfileOutcome::Fetched(profile) => {
            connection
                .prepare_cached(
                    "UPDATE followers SET unionid = coalesce(?2, unionid), nickname = ?3, sex = ?4, language = ?5, city = ?6, province = ?7,
                         country = ?8, headimgurl = ?9, remark = ?10, groupid = ?11, tagid_list = ?12,
                         subscribe_scene = coalesce(nullif(?13, ''), subscribe_scene),
                         qr_scene = coalesce(nullif(?14, 0), qr_scene), qr_scene_str = coalesce(nullif(?15, ''), qr_scene_str), profile_at = ?16, profile_error = NULL
                     WHERE openid = ?1",
                )?
                .execute(params![
                    openid,
                    profile.unionid,
                    profile.nickname,
                    profile.sex,
                    profile.language,
                    profile.city,
                    profile.province,
                    profile.country,
                    profile.headimgurl,
                    profile.remark,
                    profile.groupid,
                    profile.tagid_list,
                    profile.subscribe_scene,
                    profile.qr_scene,
                    profile.qr_scene_str.clone().map(recorded_scene),
                    now,
                ])?;
            note_way(connection, openid)?
        }
        ProfileOutcome::Left => {
            let why = "WeChat says that this user no longer follows".to_owned();
            return done(connection, openid, &ProfileOutcome::Refused(why), now);
        }
        ProfileOutcome::Refused(why) => connection
            .prepare_cached("UPDATE followers SET profile_at = ?2, profile_error = iif(profile_error IS ?4, ?4, ?3) WHERE openid = ?1")?
            .execute(params![openid, now, why, REVOKED])?,
        ProfileOutcome::Later(why) => connection
            .prepare_cached("UPDATE followers SET profile_error = ?2 WHERE openid = ?1 AND profile_error IS NOT ?2 AND profile_error IS NOT ?3")?
            .execute(params![openid, why, REVOKED])?,
    };
    Ok(())
}

/// Replaces the stored time of a follow by the platform's. A sync without a profile stored its own time, also in
/// `follow_log`. The time of a newer push stays: the profile was read before it.
fn followed_at(connection: &Connection, openid: &str, time: i64) -> rusqlite::Result<()> {
    // Compare first, because SQLite rewrites the index entry of a column that is set, even to the same value: one page
    // per follower, every night.
    let known = connection
        .prepare_cached(
            "SELECT subscribe_time, profile_at IS NOT NULL AND profile_error IS NULL FROM followers
             WHERE openid = ?1 AND subscribe_time <> ?2 AND NOT EXISTS
                 (SELECT 1 FROM follow_log WHERE openid = ?1 AND at > ?2 AND action = 'subscribe' AND source = 'push')",
        )?
        .query_row(params![openid, time], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    let Some((known, was_fetched)) = known else {
        return Ok(());
    };
    connection
        .prepare_cached("UPDATE followers SET subscribe_time = ?2 WHERE openid = ?1")?
        .execute(params![openid, time])?;
    // If the stored time was already the platform's, a later one belongs to another follow.
    if time < known || !was_fetched {
        connection
            .prepare_cached(
                "UPDATE follow_log SET at = ?2 WHERE openid = ?1 AND at = ?3 AND action = 'subscribe' AND source = 'sync'",
            )?
            .execute(params![openid, time, known])?;
    }
    Ok(())
}

/// Notes at a person's last follow by which scene it was, for when the person has left, see [`scene_growth`]. The push of
/// it has the scene of a QR code only.
///
/// [`scene_growth`]: Reader::scene_growth
fn note_way(connection: &Connection, openid: &str) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE follow_log SET way = profile.scene
             FROM (SELECT coalesce(nullif(qr_scene_str, ''), nullif(qr_scene, 0), subscribe_scene) AS scene
                   FROM followers WHERE openid = ?1) AS profile
             WHERE id = (SELECT id FROM follow_log WHERE openid = ?1 AND action = 'subscribe' ORDER BY at DESC, id DESC LIMIT 1)
                 AND follow_log.scene IS NULL AND way IS NOT profile.scene",
        )?
        .execute([openid])
}

/// Whether the person has revoked access to the profile: then only the account's own data is kept.
fn is_revoked(connection: &Connection, openid: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM followers WHERE openid = ?1 AND profile_error = ?2)",
        )?
        .query_row([openid, REVOKED], |row| row.get(0))
}
