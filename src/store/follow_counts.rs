//! What followers and `follow_log` add to `scene_counts` and `daily_counts`: SQLite counts by triggers, every other engine
//! by the statements here, in the commit of what they count.

use super::sql::{Result, Sql, values};
use super::statement::statements;

/// By which scene a follower came, as `scene_counts` has it.
#[cfg(any(test, feature = "mysql"))]
macro_rules! scene_of_follower {
    () => {
        "coalesce(nullif(qr_scene_str, ''), CAST(nullif(qr_scene, 0) AS CHAR), subscribe_scene, '')"
    };
}

statements! {
    // SQLite has one writer. Elsewhere what is read after this is what others have committed, and stays so.
    // A row that is not there cannot be locked. One that came and goes in this transaction is: who inserts it waits.
    LOCK_FOLLOWER = {
        sqlite: "",
        mysql: "INSERT INTO followers (openid, subscribe_time) VALUES (?1, -1) ON DUPLICATE KEY UPDATE openid = ?1",
    };
    UNLESS_THERE = { sqlite: "", mysql: "DELETE FROM followers WHERE openid = ?1 AND subscribe_time = -1" };
    LOCK_LOG = { sqlite: "", mysql: "UPDATE follow_log SET openid = openid WHERE id = ?1" };
    // `?2` is 1, or -1.
    FOLLOWER_BY_SCENE = {
        sqlite: "",
        mysql: concat!("INSERT INTO scene_counts (scene, quarter, here)
                SELECT ", scene_of_follower!(), ", subscribe_time DIV 900, ?2 FROM followers WHERE openid = ?1
                ON DUPLICATE KEY UPDATE here = scene_counts.here + ?2"),
    };
    // A scene may name a follower, and nothing of one who was forgotten stays.
    FORGET_SCENE_OF_FOLLOWER = {
        sqlite: "",
        mysql: concat!("DELETE scene_counts FROM scene_counts JOIN followers
                ON scene_counts.quarter = subscribe_time DIV 900 AND scene_counts.scene = ", scene_of_follower!(), "
                WHERE followers.openid = ?1 AND came <= 0 AND here <= 0"),
    };
    LOG_BY_DAY = {
        sqlite: "",
        mysql: "INSERT INTO daily_counts (quarter, shard, subscribed, unsubscribed)
                SELECT at DIV 900, connection_id() % 16, ?2 * (action = 'subscribe'), ?2 * (action = 'unsubscribe')
                FROM follow_log WHERE id = ?1 AND counts
                ON DUPLICATE KEY UPDATE subscribed = daily_counts.subscribed + ?2 * (follow_log.action = 'subscribe'),
                    unsubscribed = daily_counts.unsubscribed + ?2 * (follow_log.action = 'unsubscribe')",
    };
    LOG_BY_SCENE = {
        sqlite: "",
        mysql: "INSERT INTO scene_counts (scene, quarter, came)
                SELECT coalesce(scene, way, ''), at DIV 900, ?2 FROM follow_log WHERE id = ?1 AND action = 'subscribe'
                ON DUPLICATE KEY UPDATE came = scene_counts.came + ?2",
    };
    FORGET_SCENE_OF_LOG = {
        sqlite: "",
        mysql: "DELETE scene_counts FROM scene_counts JOIN follow_log
                ON scene_counts.quarter = at DIV 900 AND scene_counts.scene = coalesce(follow_log.scene, way, '')
                WHERE follow_log.id = ?1 AND came <= 0 AND here <= 0",
    };
}

/// What is counted of a row that goes or changes, or of one that came or has changed.
const NO_LONGER: i64 = -1;
const FROM_NOW_ON: i64 = 1;

/// Keeps others from inserting, changing and deleting this row of `followers` until the commit. What is read from now on is
/// what they have committed by then.
pub(super) fn lock_follower(sql: &mut dyn Sql, openid: &str) -> Result<()> {
    sql.run_soon(&LOCK_FOLLOWER, values![openid])?;
    sql.run_soon(&UNLESS_THERE, values![openid])
}

/// Inserts, updates or deletes this person's row of `followers`, by `change`. It sees what was committed before.
pub(super) fn change_follower<T>(
    sql: &mut dyn Sql,
    openid: &str,
    change: impl FnOnce(&mut dyn Sql) -> Result<T>,
) -> Result<T> {
    lock_follower(sql, openid)?;
    sql.run_soon(&FOLLOWER_BY_SCENE, values![openid, NO_LONGER])?;
    sql.run_soon(&FORGET_SCENE_OF_FOLLOWER, values![openid])?;
    let changed = change(sql)?;
    count_follower(sql, openid)?;
    Ok(changed)
}

/// Counts the new row of this person.
pub(super) fn count_follower(sql: &mut dyn Sql, openid: &str) -> Result<()> {
    sql.run_soon(&FOLLOWER_BY_SCENE, values![openid, FROM_NOW_ON])
}

/// Updates or deletes the row of `follow_log` with this id, by `change`. It sees what was committed before.
pub(super) fn change_log<T>(
    sql: &mut dyn Sql,
    id: i64,
    change: impl FnOnce(&mut dyn Sql) -> Result<T>,
) -> Result<T> {
    sql.run_soon(&LOCK_LOG, values![id])?;
    sql.run_soon(&LOG_BY_DAY, values![id, NO_LONGER])?;
    sql.run_soon(&LOG_BY_SCENE, values![id, NO_LONGER])?;
    sql.run_soon(&FORGET_SCENE_OF_LOG, values![id])?;
    let changed = change(sql)?;
    count_log(sql, id)?;
    Ok(changed)
}

/// Counts the new row of `follow_log` with this id.
pub(super) fn count_log(sql: &mut dyn Sql, id: i64) -> Result<()> {
    sql.run_soon(&LOG_BY_DAY, values![id, FROM_NOW_ON])?;
    sql.run_soon(&LOG_BY_SCENE, values![id, FROM_NOW_ON])
}
