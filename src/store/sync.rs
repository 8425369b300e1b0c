//! The working tables of a follower sync: the platform's list so far, and its progress.
//!
//! Every write is small, so that pushes do not wait, and leaves the tables in a state from which the sync can resume
//! after a kill. A person who followed or unfollowed by a push since the sync began stays as the push says: the list may
//! have been read before that.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::followers::{Action, FollowEvent, Source, log};
use super::hooks::{Announce, Change};
use super::open::{Reader, Store};
use super::outbox;
use super::profiles::{self, ProfileOutcome};
use super::scenes;
use super::sessions;
use super::settings::{self, SYNC_BELIEVED, SYNC_DOUBT, SYNC_MISSING, SYNCED_AT};

/// Most rows in one write of a sync.
pub const SYNC_ROWS: u32 = 200;

/// The next step of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncStep {
    /// Reads the platform's list into the working table.
    List,
    /// Removes people from `followers` who are not in the list.
    Leave,
    /// Fetches the profiles of the people in the list, including new ones.
    Profiles,
    /// Removes people whose profile says that they left.
    Unfollowed,
    /// Empties the working table.
    Clean,
}

/// The progress of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// Its next step.
    pub step: SyncStep,
    /// Unix seconds.
    pub started_at: i64,
    /// Where the next page of the list begins; empty: the first.
    pub next_openid: String,
    /// How many followers there are according to the platform: the largest total of all pages.
    pub total: Option<i64>,
    /// How many different followers its list had so far.
    pub listed: i64,
    /// Added to `followers`.
    pub came: i64,
    /// Removed from `followers`.
    pub gone: i64,
    /// Fetched profiles.
    pub fetched: i64,
    /// Profiles that the platform refused.
    pub refused: i64,
    /// Why nobody is removed, if so.
    pub nobody_leaves: Option<String>,
    /// The owner accepts the list despite all doubts.
    pub believed: bool,
    /// How many listed people have a profile that says that they left.
    pub unfollowed: i64,
}

impl SyncStep {
    const ALL: [SyncStep; 5] = [
        SyncStep::List,
        SyncStep::Leave,
        SyncStep::Profiles,
        SyncStep::Unfollowed,
        SyncStep::Clean,
    ];

    fn name(self) -> &'static str {
        match self {
            SyncStep::List => "list",
            SyncStep::Leave => "leave",
            SyncStep::Profiles => "profiles",
            SyncStep::Unfollowed => "unfollowed",
            SyncStep::Clean => "clean",
        }
    }
}

/// True for a person who followed or unfollowed by a push since the sync began; `?1` is the openid.
const PUSHED_SINCE: &str = "EXISTS (SELECT 1 FROM follow_log WHERE openid = ?1 AND source = 'push'
    AND id > (SELECT log_mark FROM sync_state))";

impl Store {
    /// Begins a sync, or returns the unfinished one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_begin(&self, now: i64) -> Result<SyncState, StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection.execute(
                "INSERT INTO sync_state (id, step, started_at, log_mark)
                 VALUES (1, ?1, ?2, (SELECT coalesce(max(id), 0) FROM follow_log)) ON CONFLICT DO NOTHING",
                params![SyncStep::List.name(), now],
            )?;
            connection.query_row(&format!("{STATE} WHERE id = 1"), [], state)
        })
    }

    /// Stores up to [`SYNC_ROWS`] people of the platform's list.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_list(&self, openids: Vec<String>) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO sync_people (openid) VALUES (?1) ON CONFLICT DO NOTHING",
            )?;
            let new = openids
                .iter()
                .map(|openid| insert.execute([openid]))
                .sum::<rusqlite::Result<usize>>()?;
            count(connection, "listed", new)
        })
    }

    /// Stores that a page is complete, the platform's total, and where the next page begins.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_page_done(&self, next: &str, total: Option<i64>) -> Result<(), StoreError> {
        let next = next.to_owned();
        self.writer.write_sqlite(move |connection| {
            connection
                .execute(
                    "UPDATE sync_state SET next_openid = ?1, total = max(coalesce(total, ?2), coalesce(?2, total))",
                    params![next, total],
                )
                .map(drop)
        })
    }

    /// Moves on to a step.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_go_on(
        &self,
        step: SyncStep,
        nobody_leaves: Option<String>,
    ) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection
                .execute(
                    "UPDATE sync_state SET step = ?1, next_openid = '', nobody_leaves = coalesce(?2, nobody_leaves)",
                    params![step.name(), nobody_leaves],
                )
                .map(drop)
        })
    }

    /// Stores that the owner accepts the list.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_believe(&self) -> Result<(), StoreError> {
        self.writer.write_sqlite(|connection| {
            connection
                .execute("UPDATE sync_state SET believed = 1", [])
                .map(drop)
        })
    }

    /// Removes up to [`SYNC_ROWS`] people from `followers` who are not in the list, or left according to their profile.
    /// They are logged with the time when the sync began, because a push of a person who has followed again since then
    /// must not look older. `announce` makes the events for the hooks.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_leave(
        &self,
        openids: Vec<String>,
        announce: Option<Announce>,
    ) -> Result<usize, StoreError> {
        self.writer.write_sqlite(move |connection| {
            let mut gone = 0;
            for openid in &openids {
                gone += leave(connection, openid, announce.as_ref())?;
            }
            count(connection, "gone", gone)?;
            Ok(gone)
        })
    }

    /// Stores the results of a batch of profiles, at most [`SYNC_ROWS`], and adds new people to `followers`.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_profiles(
        &self,
        outcomes: Vec<(String, ProfileOutcome)>,
        now: i64,
        announce: Option<Announce>,
    ) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            outcomes.iter().try_for_each(|(openid, outcome)| {
                profile(connection, openid, outcome, now, announce.as_ref())
            })
        })
    }

    /// Removes up to [`SYNC_ROWS`] rows of the working table and returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_clean(&self) -> Result<usize, StoreError> {
        self.writer.write_sqlite(move |connection| {
            connection
                .prepare_cached("DELETE FROM sync_people WHERE openid IN (SELECT openid FROM sync_people ORDER BY openid LIMIT ?1)")?
                .execute([SYNC_ROWS])
        })
    }

    /// Ends the sync. `ended_at` is when it finished, in Unix seconds; `None`: it is abandoned. Its doubts about the list,
    /// or what the owner accepted despite them, are kept for the next sync.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_end(&self, ended_at: Option<i64>) -> Result<(), StoreError> {
        self.writer.write_sqlite(move |connection| {
            let ended = connection.query_row(STATE, [], state).optional()?;
            connection.execute("DELETE FROM sync_state", [])?;
            if let Some(ended_at) = ended_at {
                settings::put(&mut &*connection, SYNCED_AT, &ended_at.to_string())?;
                ended.map_or(Ok(()), |ended| keep_belief(connection, &ended))?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// The unfinished sync.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_state(&self) -> Result<Option<SyncState>, StoreError> {
        self.sqlite()
            .query_row(STATE, [], state)
            .optional()
            .map_err(|error| Reader::failed(&error))
    }

    /// When the last sync ended, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn synced_at(&self) -> Result<Option<i64>, StoreError> {
        let value = self.read(|sql| settings::get(sql, SYNCED_AT))?;
        Ok(value.and_then(|value| value.parse().ok()))
    }

    /// Why the last sync removed nobody, if so.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_doubt(&self) -> Result<Option<String>, StoreError> {
        self.read(|sql| settings::get(sql, SYNC_DOUBT))
    }

    /// How many of the people that the platform counts may be missing from the list, because the owner accepted such a
    /// list.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_missing(&self) -> Result<i64, StoreError> {
        let value = self.read(|sql| settings::get(sql, SYNC_MISSING))?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// How many people are in `followers` but not in the list.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_count_absent(&self) -> Result<i64, StoreError> {
        self.sqlite()
            .query_row(
                "SELECT count(*) FROM followers
                 WHERE typeof(openid) = 'text'
                 AND NOT EXISTS (SELECT 1 FROM sync_people WHERE sync_people.openid = followers.openid)
                 AND NOT EXISTS (SELECT 1 FROM follow_log WHERE follow_log.openid = followers.openid AND source = 'push'
                     AND id > (SELECT log_mark FROM sync_state))",
                [],
                |row| row.get(0),
            )
            .map_err(|error| Reader::failed(&error))
    }

    /// How many people were removed by syncs since `since`, Unix seconds, without those that the owner accepted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_taken_out_since(&self, since: i64) -> Result<i64, StoreError> {
        self.sqlite()
            .query_row(
                "SELECT count(*) FROM follow_log WHERE source = 'sync' AND action = 'unsubscribe' AND at > ?1
                 AND id > coalesce((SELECT CAST(value AS INTEGER) FROM settings WHERE name = ?2), 0)",
                params![since, SYNC_BELIEVED],
                |row| row.get(0),
            )
            .map_err(|error| Reader::failed(&error))
    }

    /// Up to [`SYNC_ROWS`] people of the list after `after` whose profile says that they left.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_unfollowed(&self, after: &str) -> Result<Vec<String>, StoreError> {
        self.openids(
            "SELECT openid FROM sync_people WHERE openid > ?1 AND done = 2 ORDER BY openid LIMIT ?2",
            after,
            SYNC_ROWS,
        )
    }

    /// How many people followed or unfollowed by a push since the sync began.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_count_pushes(&self) -> Result<i64, StoreError> {
        self.sqlite()
            .query_row(
                "SELECT count(*) FROM follow_log WHERE id > (SELECT log_mark FROM sync_state) AND source = 'push'",
                [],
                |row| row.get(0),
            )
            .map_err(|error| Reader::failed(&error))
    }

    /// Up to [`SYNC_ROWS`] people after `after` who are in `followers` but not in the list.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_absent(&self, after: &str) -> Result<Vec<String>, StoreError> {
        self.openids(
            "SELECT openid FROM followers WHERE openid > ?1 AND typeof(openid) = 'text'
             AND NOT EXISTS (SELECT 1 FROM sync_people WHERE sync_people.openid = followers.openid)
             ORDER BY openid LIMIT ?2",
            after,
            SYNC_ROWS,
        )
    }

    /// Up to `limit` people of the list after `after` whose profile was not requested yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_waiting(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.openids(
            "SELECT openid FROM sync_people WHERE openid > ?1 AND done = 0 ORDER BY openid LIMIT ?2",
            after,
            limit,
        )
    }

    fn openids(&self, sql: &str, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(sql)?
                .query_map(params![after, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

const STATE: &str = "SELECT step, started_at, next_openid, total, listed, came, gone, fetched, refused, nobody_leaves, believed, unfollowed FROM sync_state";

fn state(row: &Row) -> rusqlite::Result<SyncState> {
    let step: String = row.get(0)?;
    let unknown = || rusqlite::Error::InvalidColumnType(0, format!("step {step}"), Type::Text);
    Ok(SyncState {
        step: SyncStep::ALL
            .into_iter()
            .find(|known| known.name() == step)
            .ok_or_else(unknown)?,
        started_at: row.get(1)?,
        next_openid: row.get(2)?,
        total: row.get(3)?,
        listed: row.get(4)?,
        came: row.get(5)?,
        gone: row.get(6)?,
        fetched: row.get(7)?,
        refused: row.get(8)?,
        nobody_leaves: row.get(9)?,
        believed: row.get(10)?,
        unfollowed: row.get(11)?,
    })
}

/// Stores the doubts of a finished sync about the list, and what the owner accepted.
fn keep_belief(connection: &Connection, ended: &SyncState) -> rusqlite::Result<()> {
    match &ended.nobody_leaves {
        Some(why) => settings::put(&mut &*connection, SYNC_DOUBT, why)?,
        None => settings::remove(&mut &*connection, SYNC_DOUBT)?,
    }
    let missing = ended.total.unwrap_or(0).saturating_sub(ended.listed);
    if missing <= 0 {
        settings::remove(&mut &*connection, SYNC_MISSING)?;
    } else if ended.believed {
        settings::put(&mut &*connection, SYNC_MISSING, &missing.to_string())?;
    }
    if ended.believed {
        connection.execute(
            "INSERT INTO settings (name, value) SELECT ?1, coalesce(max(id), 0) FROM follow_log WHERE true
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [SYNC_BELIEVED],
        )?;
    }
    Ok(())
}

/// Adds to one of the counters of `sync_state`.
fn count(connection: &Connection, counter: &str, more: usize) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!("UPDATE sync_state SET {counter} = {counter} + ?1"))?
        .execute([i64::try_from(more).unwrap_or(i64::MAX)])
        .map(drop)
}

fn leave(
    connection: &Connection,
    openid: &str,
    announce: Option<&Announce>,
) -> rusqlite::Result<usize> {
    let gone = connection
        .prepare_cached(&format!(
            "DELETE FROM followers WHERE openid = ?1 AND NOT {PUSHED_SINCE}"
        ))?
        .execute([openid])?;
    if gone > 0 {
        let began: i64 =
            connection.query_row("SELECT started_at FROM sync_state", [], |row| row.get(0))?;
        let event = FollowEvent {
            source: Source::Sync,
            openid,
            action: Action::Unsubscribe,
            at: began,
            scene: None,
        };
        log_and_announce(connection, &event, announce)?;
        sessions::end_of(connection, openid)?;
    }
    Ok(gone)
}

/// Notes that somebody came or went, also for the hooks.
fn log_and_announce(
    connection: &Connection,
    event: &FollowEvent,
    announce: Option<&Announce>,
) -> rusqlite::Result<()> {
    log(&mut &*connection, event, true)?;
    let Some(Announce(announce)) = announce else {
        return Ok(());
    };
    let change = Change {
        follows: matches!(event.action, Action::Subscribe),
        openid: event.openid,
        at: event.at,
        scene: event.scene,
    };
    Ok(outbox::add(&mut &*connection, announce(&change).iter())?)
}

fn profile(
    connection: &Connection,
    openid: &str,
    outcome: &ProfileOutcome,
    now: i64,
    announce: Option<&Announce>,
) -> rusqlite::Result<()> {
    let waited = connection
        .prepare_cached("UPDATE sync_people SET done = 1 WHERE openid = ?1 AND done = 0")?
        .execute([openid])?;
    let pushed: bool = connection
        .prepare_cached(&format!("SELECT {PUSHED_SINCE}"))?
        .query_row([openid], |row| row.get(0))?;
    // The person was forgotten in the meantime.
    if waited == 0 || pushed {
        return Ok(());
    }
    let fetched = match outcome {
        // Removed later, if all of them together may be.
        ProfileOutcome::Left => {
            let marked = connection
                .prepare_cached("UPDATE sync_people SET done = 2 WHERE openid = ?1 AND openid IN (SELECT openid FROM followers)")?
                .execute([openid])?;
            return count(connection, "unfollowed", marked);
        }
        ProfileOutcome::Fetched(profile) => Some(profile),
        ProfileOutcome::Refused(_) | ProfileOutcome::Later(_) => None,
    };
    let followed_at = fetched
        .and_then(|profile| profile.subscribe_time)
        .unwrap_or(now);
    let came = connection
        .prepare_cached(
            // If the list is in doubt, only the profile shows that a person follows.
            "INSERT INTO followers (openid, subscribe_time)
             SELECT ?1, ?2 WHERE ?3 OR (SELECT nobody_leaves FROM sync_state) IS NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![openid, followed_at, fetched.is_some()])?;
    if came > 0 {
        let scene = fetched.and_then(|profile| {
            scenes::of_profile(profile.qr_scene, profile.qr_scene_str.as_deref())
        });
        let event = FollowEvent {
            source: Source::Sync,
            openid,
            action: Action::Subscribe,
            at: followed_at,
            scene: scene.as_deref(),
        };
        log_and_announce(connection, &event, announce)?;
        count(connection, "came", came)?;
    }
    let counter = match fetched {
        Some(_) => "fetched",
        None => "refused",
    };
    count(connection, counter, 1)?;
    profiles::done(connection, openid, outcome, now)
}
