//! The queue of followers whose profile must be fetched, and the fetched profiles.

use super::error::StoreError;
use super::follow_counts::{change_follower, change_log, lock_follower};
use super::open::{Reader, Store};
use super::scenes::recorded_scene;
use super::sql::{self, Sql, values};
use super::statement::statements;

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

/// By which scene follower `?1` came.
macro_rules! way_of_follower {
    ($qr_scene:expr) => {
        concat!(
            "(SELECT coalesce(nullif(qr_scene_str, ''), ",
            $qr_scene,
            ", subscribe_scene) FROM followers WHERE openid = ?1)"
        )
    };
}

statements! {
    QUEUE = {
        sqlite: "SELECT openid FROM followers WHERE profile_at IS NULL AND typeof(openid) = 'text' ORDER BY subscribe_time LIMIT ?1",
        mysql: "SELECT openid FROM followers WHERE profile_at IS NULL ORDER BY subscribe_time LIMIT ?1",
    };
    WAITS = "SELECT 1 FROM followers WHERE openid = ?1 AND profile_at IS NULL";
    WAITING = "SELECT count(*) FROM followers WHERE profile_at IS NULL";
    IS_REVOKED = "SELECT 1 FROM followers WHERE openid = ?1 AND profile_error = ?2";
    KEEP_OWN_NOTES = "UPDATE followers SET remark = ?2, groupid = ?3, tagid_list = ?4, profile_at = ?5 WHERE openid = ?1";
    KEEP = "UPDATE followers SET unionid = coalesce(?2, unionid), nickname = ?3, sex = ?4, language = ?5, city = ?6, province = ?7,
                country = ?8, headimgurl = ?9, remark = ?10, groupid = ?11, tagid_list = ?12,
                subscribe_scene = coalesce(nullif(?13, ''), subscribe_scene),
                qr_scene = coalesce(nullif(?14, 0), qr_scene), qr_scene_str = coalesce(nullif(?15, ''), qr_scene_str),
                profile_at = ?16, profile_error = NULL
            WHERE openid = ?1";
    REFUSE = "UPDATE followers SET profile_at = ?2, profile_error = CASE WHEN profile_error = ?4 THEN ?4 ELSE ?3 END WHERE openid = ?1";
    DELAY = {
        sqlite: "UPDATE followers SET profile_error = ?2
                 WHERE openid = ?1 AND profile_error IS NOT ?2 AND profile_error IS NOT ?3",
        mysql: "UPDATE followers SET profile_error = ?2
                WHERE openid = ?1 AND NOT (profile_error <=> ?2) AND NOT (profile_error <=> ?3)",
    };
    FOLLOWED_OTHERWISE = "SELECT subscribe_time, profile_at IS NOT NULL AND profile_error IS NULL FROM followers
                          WHERE openid = ?1 AND subscribe_time <> ?2 AND NOT EXISTS
                              (SELECT 1 FROM follow_log WHERE openid = ?1 AND at > ?2 AND action = 'subscribe' AND source = 'push')";
    FOLLOWED_AT = "UPDATE followers SET subscribe_time = ?2 WHERE openid = ?1";
    FOUND_AT = "SELECT id FROM follow_log WHERE openid = ?1 AND at = ?2 AND action = 'subscribe' AND source = 'sync'";
    MOVE_LOG = "UPDATE follow_log SET at = ?2 WHERE id = ?1";
    LAST_FOLLOW = {
        sqlite: concat!("SELECT id, scene, way, ", way_of_follower!("nullif(qr_scene, 0)"), " FROM follow_log
                 WHERE openid = ?1 AND action = 'subscribe' ORDER BY at DESC, id DESC LIMIT 1"),
        mysql: concat!("SELECT id, scene, way, ", way_of_follower!("CAST(nullif(qr_scene, 0) AS CHAR)"), " FROM follow_log
                WHERE openid = ?1 AND action = 'subscribe' ORDER BY at DESC, id DESC LIMIT 1"),
    };
    NOTE_WAY = "UPDATE follow_log SET way = ?2 WHERE id = ?1";
}

impl Reader {
    /// Up to `limit` followers whose profile must be fetched, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profile_queue(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        self.read(|sql| sql.all(&QUEUE, values![limit], |row| row.get(0)))
    }

    /// Whether this person's profile must still be fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profile_waits(&self, openid: &str) -> Result<bool, StoreError> {
        self.read(|sql| sql.exists(&WAITS, values![openid]))
    }

    /// How many profiles must be fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profiles_waiting(&self) -> Result<i64, StoreError> {
        self.read(|sql| sql.one(&WAITING, &[], |row| row.get(0)))
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
        self.writer.write(move |sql| {
            outcomes
                .iter()
                .try_for_each(|(openid, outcome)| done(sql, openid, outcome, now))
        })
    }
}

pub(super) fn done(
    sql: &mut dyn Sql,
    openid: &str,
    outcome: &ProfileOutcome,
    now: i64,
) -> sql::Result<()> {
    // The person may revoke access to the profile, or leave, at the same time.
    lock_follower(sql, openid)?;
    if let ProfileOutcome::Fetched(profile) = outcome
        && let Some(time) = profile.subscribe_time
    {
        followed_at(sql, openid, time)?;
    }
    match outcome {
        ProfileOutcome::Fetched(profile) if is_revoked(sql, openid)? => {
            let FetchedProfile {
                remark,
                groupid,
                tagid_list,
                ..
            } = &**profile;
            let values = values![openid, remark, groupid, tagid_list, now];
            sql.run(&KEEP_OWN_NOTES, values).map(drop)
        }
        ProfileOutcome::Fetched(profile) => {
            // Who has left in the meantime keeps the way that is noted.
            match keep(sql, openid, profile, now)? {
                0 => Ok(()),
                _ => note_way(sql, openid),
            }
        }
        ProfileOutcome::Left => {
            let why = "WeChat says that this user no longer follows".to_owned();
            done(sql, openid, &ProfileOutcome::Refused(why), now)
        }
        ProfileOutcome::Refused(why) => sql
            .run(&REFUSE, values![openid, now, why, REVOKED])
            .map(drop),
        ProfileOutcome::Later(why) => sql.run(&DELAY, values![openid, why, REVOKED]).map(drop),
    }
}

/// Keeps the profile of a follower; returns 0 if the person does not follow.
fn keep(sql: &mut dyn Sql, openid: &str, profile: &FetchedProfile, now: i64) -> sql::Result<usize> {
    let scene = profile.qr_scene_str.clone().map(recorded_scene);
    let values = values![
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
        scene,
        now,
    ];
    change_follower(sql, openid, |sql| sql.run(&KEEP, values))
}

/// Replaces the stored time of a follow by the platform's. A sync without a profile stored its own time, also in
/// `follow_log`. The time of a newer push stays: the profile was read before it.
fn followed_at(sql: &mut dyn Sql, openid: &str, time: i64) -> sql::Result<()> {
    // Compare first, because SQLite rewrites the index entry of a column that is set, even to the same value: one page
    // per follower, every night.
    let known = sql.optional(&FOLLOWED_OTHERWISE, values![openid, time], |row| {
        Ok((row.get::<i64>(0)?, row.get::<bool>(1)?))
    })?;
    let Some((known, was_fetched)) = known else {
        return Ok(());
    };
    change_follower(sql, openid, |sql| {
        sql.run(&FOLLOWED_AT, values![openid, time])
    })?;
    // If the stored time was already the platform's, a later one belongs to another follow.
    if time < known || !was_fetched {
        let found: Vec<i64> = sql.all(&FOUND_AT, values![openid, known], |row| row.get(0))?;
        for id in found {
            change_log(sql, id, |sql| sql.run(&MOVE_LOG, values![id, time]))?;
        }
    }
    Ok(())
}

/// Notes at a person's last follow by which scene it was, for when the person has left, see [`scene_growth`]. The push of
/// it has the scene of a QR code only.
///
/// [`scene_growth`]: Reader::scene_growth
fn note_way(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    let last = sql.optional(&LAST_FOLLOW, values![openid], |row| {
        Ok((row.get::<i64>(0)?, row.text(1), row.text(2), row.text(3)))
    })?;
    match last {
        Some((id, None, noted, way)) if noted != way => {
            change_log(sql, id, |sql| sql.run(&NOTE_WAY, values![id, way])).map(drop)
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the person has revoked access to the profile: then only the account's own data is kept.
fn is_revoked(sql: &mut dyn Sql, openid: &str) -> sql::Result<bool> {
    sql.exists(&IS_REVOKED, values![openid, REVOKED])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::followers::tests::{push, record_all};
    use crate::wechat::Effect;

    #[test]
    fn a_profile_of_somebody_who_has_left_changes_nothing_of_how_they_came() {
        on_both_engines(|store| {
            record_all(
                store,
                [push(1, "oSynOne", 1, Effect::Follow { scene: None })],
            );
            let fetched = |scene: &str, at| {
                let profile = FetchedProfile {
                    subscribe_scene: Some(scene.to_owned()),
                    ..FetchedProfile::default()
                };
                let fetched = ProfileOutcome::Fetched(Box::new(profile));
                let done = vec![("oSynOne".to_owned(), fetched)];
                store.profiles_done(done, at).unwrap();
            };
            fetched("ADD_SCENE_SEARCH", 1);
            record_all(store, [push(2, "oSynOne", 2, Effect::Leave)]);
            fetched("ADD_SCENE_OTHERS", 3);
            let grown = store.reader().unwrap().scene_growth(None, 9).unwrap();
            let scenes: Vec<(&str, i64)> =
                grown.iter().map(|row| (&*row.scene, row.came)).collect();
            assert_eq!(scenes, [("ADD_SCENE_SEARCH", 1)]);
        });
    }
}
