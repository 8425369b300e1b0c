//! The working tables of a follower sync: the platform's list so far, and its progress.
//!
//! Every write is small, so that pushes do not wait, and leaves the tables in a state from which the sync can resume
//! after a kill. A person who followed or unfollowed by a push since the sync began stays as the push says: the list may
//! have been read before that.

use super::error::{SqlError, StoreError};
use super::follow_counts::{change_follower, count_follower, lock_follower};
use super::followers::{Action, FollowEvent, LAST_EVENT, Source, log};
use super::hooks::{Announce, Change};
use super::open::{Reader, Store};
use super::outbox;
use super::profiles::{self, ProfileOutcome};
use super::scenes;
use super::sessions;
use super::settings::{self, SYNC_BELIEVED, SYNC_DOUBT, SYNC_MISSING, SYNCED_AT};
use super::sql::{self, Row, Sql, values};
use super::statement::{Statement, statements};

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

/// What is read of `sync_state`, in the order in which [`state`] reads it.
macro_rules! state {
    () => {
        "SELECT step, started_at, next_openid, total, listed, came, gone, fetched, refused, nobody_leaves, believed, unfollowed
         FROM sync_state"
    };
}

/// A row of `follow_log` that a push wrote since the sync began.
macro_rules! pushed_since {
    () => {
        "source = 'push' AND id > (SELECT log_mark FROM sync_state)"
    };
}

/// The followers who are not in the list.
macro_rules! absent {
    () => {
        "NOT EXISTS (SELECT 1 FROM sync_people WHERE sync_people.openid = followers.openid)"
    };
}

statements! {
    // What came by then has no id above it. Where ids tell the time at which a program made them, in microseconds, a push
    // that is committed later may have a lower one, and clocks differ: the mark is a minute back. Who was pushed in that
    // minute stays as the push says.
    MARK = {
        sqlite: "SELECT coalesce(max(id), 0) FROM follow_log",
        mysql: "SELECT CAST(least(coalesce(max(id), 0), unix_timestamp() * 1000000) AS SIGNED) - 60000000 FROM follow_log",
    };
    BEGIN = {
        sqlite: "INSERT INTO sync_state (id, step, started_at, log_mark) VALUES (1, ?1, ?2, ?3) ON CONFLICT DO NOTHING",
        mysql: "INSERT INTO sync_state (id, step, started_at, log_mark) VALUES (1, ?1, ?2, ?3)",
    };
    STATE = (state!());
    STARTED_AT = "SELECT started_at FROM sync_state";
    ADD_PERSON = {
        sqlite: "INSERT INTO sync_people (openid) VALUES (?1) ON CONFLICT DO NOTHING",
        mysql: "INSERT INTO sync_people (openid) VALUES (?1)",
    };
    PAGE_DONE = {
        sqlite: "UPDATE sync_state SET next_openid = ?1, total = max(coalesce(total, ?2), coalesce(?2, total))",
        mysql: "UPDATE sync_state SET next_openid = ?1, total = greatest(coalesce(total, ?2), coalesce(?2, total))",
    };
    GO_ON = "UPDATE sync_state SET step = ?1, next_openid = '', nobody_leaves = coalesce(?2, nobody_leaves)";
    BELIEVE = "UPDATE sync_state SET believed = 1";
    END = "DELETE FROM sync_state";
    LISTED = "UPDATE sync_state SET listed = listed + ?1";
    CAME = "UPDATE sync_state SET came = came + ?1";
    GONE = "UPDATE sync_state SET gone = gone + ?1";
    FETCHED = "UPDATE sync_state SET fetched = fetched + ?1";
    REFUSED = "UPDATE sync_state SET refused = refused + ?1";
    UNFOLLOWED = "UPDATE sync_state SET unfollowed = unfollowed + ?1";
    CLEAN = {
        sqlite: "DELETE FROM sync_people WHERE openid IN (SELECT openid FROM sync_people ORDER BY openid LIMIT ?1)",
        mysql: "DELETE FROM sync_people ORDER BY openid LIMIT ?1",
    };
    COUNT_ABSENT = {
        sqlite: concat!("SELECT count(*) FROM followers WHERE typeof(openid) = 'text' AND ", absent!(),
                 " AND NOT EXISTS (SELECT 1 FROM follow_log WHERE follow_log.openid = followers.openid AND ", pushed_since!(), ")"),
        mysql: concat!("SELECT count(*) FROM followers WHERE ", absent!(),
                " AND NOT EXISTS (SELECT 1 FROM follow_log WHERE follow_log.openid = followers.openid AND ", pushed_since!(), ")"),
    };
    COUNT_TAKEN_OUT = {
        sqlite: "SELECT count(*) FROM follow_log WHERE source = 'sync' AND action = 'unsubscribe' AND at > ?1
                 AND id > coalesce((SELECT CAST(value AS INTEGER) FROM settings WHERE name = ?2), 0)",
        mysql: "SELECT count(*) FROM follow_log WHERE source = 'sync' AND action = 'unsubscribe' AND at > ?1
                AND id > coalesce((SELECT CAST(value AS SIGNED) FROM settings WHERE name = ?2), 0)",
    };
    COUNT_PUSHES = (concat!("SELECT count(*) FROM follow_log WHERE ", pushed_since!()));
    LIST_UNFOLLOWED = "SELECT openid FROM sync_people WHERE openid > ?1 AND done = 2 ORDER BY openid LIMIT ?2";
    LIST_ABSENT = {
        sqlite: concat!("SELECT openid FROM followers WHERE openid > ?1 AND typeof(openid) = 'text' AND ", absent!(),
                 " ORDER BY openid LIMIT ?2"),
        mysql: concat!("SELECT openid FROM followers WHERE openid > ?1 AND ", absent!(), " ORDER BY openid LIMIT ?2"),
    };
    LIST_WAITING = "SELECT openid FROM sync_people WHERE openid > ?1 AND done = 0 ORDER BY openid LIMIT ?2";
    IS_PUSHED = (concat!("SELECT 1 FROM follow_log WHERE openid = ?1 AND ", pushed_since!(), " LIMIT 1"));
    TAKE_OUT = (concat!("DELETE FROM followers WHERE openid = ?1
                AND NOT EXISTS (SELECT 1 FROM follow_log WHERE openid = ?1 AND ", pushed_since!(), ")"));
    ASKED_FOR = "UPDATE sync_people SET done = 1 WHERE openid = ?1 AND done = 0";
    HAS_LEFT = "UPDATE sync_people SET done = 2 WHERE openid = ?1 AND EXISTS (SELECT 1 FROM followers WHERE followers.openid = ?1)";
    // If the list is in doubt, only the profile shows that a person follows.
    ADD_FOLLOWER = {
        sqlite: "INSERT INTO followers (openid, subscribe_time)
                 SELECT ?1, ?2 WHERE ?3 OR (SELECT nobody_leaves FROM sync_state) IS NULL ON CONFLICT DO NOTHING",
        mysql: "INSERT INTO followers (openid, subscribe_time)
                SELECT ?1, ?2 FROM DUAL WHERE ?3 OR (SELECT nobody_leaves FROM sync_state) IS NULL",
    };
}

impl Store {
    /// Begins a sync, or returns the unfinished one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_begin(&self, now: i64) -> Result<SyncState, StoreError> {
        self.writer.write(move |sql| {
            let mark: i64 = sql.one(&MARK, &[], |row| row.get(0))?;
            sql.run(&BEGIN, values![SyncStep::List.name(), now, mark])?;
            sql.one(&STATE, &[], state)
        })
    }

    /// Stores up to [`SYNC_ROWS`] people of the platform's list.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_list(&self, openids: Vec<String>) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            let new = openids
                .iter()
                .map(|openid| sql.run(&ADD_PERSON, values![openid]))
                .sum::<sql::Result<usize>>()?;
            count(sql, &LISTED, new)
        })
    }

    /// Stores that a page is complete, the platform's total, and where the next page begins.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_page_done(&self, next: &str, total: Option<i64>) -> Result<(), StoreError> {
        let next = next.to_owned();
        self.writer
            .write(move |sql| sql.run(&PAGE_DONE, values![next, total]).map(drop))
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
        self.writer.write(move |sql| {
            sql.run(&GO_ON, values![step.name(), nobody_leaves])
                .map(drop)
        })
    }

    /// Stores that the owner accepts the list.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_believe(&self) -> Result<(), StoreError> {
        self.writer.write(|sql| sql.run(&BELIEVE, &[]).map(drop))
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
        self.writer.write(move |sql| {
            let mut gone = 0;
            for openid in &openids {
                gone += leave(sql, openid, announce.as_ref())?;
            }
            count(sql, &GONE, gone)?;
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
        self.writer.write(move |sql| {
            outcomes.iter().try_for_each(|(openid, outcome)| {
                profile(sql, openid, outcome, now, announce.as_ref())
            })
        })
    }

    /// Removes up to [`SYNC_ROWS`] rows of the working table and returns how many.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_clean(&self) -> Result<usize, StoreError> {
        self.writer.write(|sql| sql.run(&CLEAN, values![SYNC_ROWS]))
    }

    /// Ends the sync. `ended_at` is when it finished, in Unix seconds; `None`: it is abandoned. Its doubts about the list,
    /// or what the owner accepted despite them, are kept for the next sync.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sync_end(&self, ended_at: Option<i64>) -> Result<(), StoreError> {
        self.writer.write(move |sql| {
            let ended = sql.optional(&STATE, &[], state)?;
            sql.run(&END, &[])?;
            if let Some(ended_at) = ended_at {
                settings::put(sql, SYNCED_AT, &ended_at.to_string())?;
                ended.map_or(Ok(()), |ended| keep_belief(sql, &ended))?;
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
        self.read(|sql| sql.optional(&STATE, &[], state))
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
        self.read(|sql| sql.one(&COUNT_ABSENT, &[], |row| row.get(0)))
    }

    /// How many people were removed by syncs since `since`, Unix seconds, without those that the owner accepted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_taken_out_since(&self, since: i64) -> Result<i64, StoreError> {
        let values = values![since, SYNC_BELIEVED];
        self.read(|sql| sql.one(&COUNT_TAKEN_OUT, values, |row| row.get(0)))
    }

    /// Up to [`SYNC_ROWS`] people of the list after `after` whose profile says that they left.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_unfollowed(&self, after: &str) -> Result<Vec<String>, StoreError> {
        self.openids(&LIST_UNFOLLOWED, after, SYNC_ROWS)
    }

    /// How many people followed or unfollowed by a push since the sync began.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_count_pushes(&self) -> Result<i64, StoreError> {
        self.read(|sql| sql.one(&COUNT_PUSHES, &[], |row| row.get(0)))
    }

    /// Up to [`SYNC_ROWS`] people after `after` who are in `followers` but not in the list.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_absent(&self, after: &str) -> Result<Vec<String>, StoreError> {
        self.openids(&LIST_ABSENT, after, SYNC_ROWS)
    }

    /// Up to `limit` people of the list after `after` whose profile was not requested yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sync_waiting(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.openids(&LIST_WAITING, after, limit)
    }

    fn openids(
        &self,
        which: &Statement,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|sql| sql.all(which, values![after, limit], |row| row.get(0)))
    }
}

fn state(row: &dyn Row) -> sql::Result<SyncState> {
    let step: String = row.get(0)?;
    let unknown = || SqlError::of_one(format!("a sync has the unknown step {step}"));
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
fn keep_belief(sql: &mut dyn Sql, ended: &SyncState) -> sql::Result<()> {
    match &ended.nobody_leaves {
        Some(why) => settings::put(sql, SYNC_DOUBT, why)?,
        None => settings::remove(sql, SYNC_DOUBT)?,
    }
    let missing = ended.total.unwrap_or(0).saturating_sub(ended.listed);
    if missing <= 0 {
        settings::remove(sql, SYNC_MISSING)?;
    } else if ended.believed {
        settings::put(sql, SYNC_MISSING, &missing.to_string())?;
    }
    if ended.believed {
        // Only a sync looks for its own rows by it, and the next one comes much later.
        let last: i64 = sql.one(&LAST_EVENT, &[], |row| row.get(0))?;
        settings::put(sql, SYNC_BELIEVED, &last.to_string())?;
    }
    Ok(())
}

/// Adds to one of the counters of `sync_state`.
fn count(sql: &mut dyn Sql, counter: &Statement, more: usize) -> sql::Result<()> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    sql.run(counter, values![more]).map(drop)
}

fn leave(sql: &mut dyn Sql, openid: &str, announce: Option<&Announce>) -> sql::Result<usize> {
    let gone = change_follower(sql, openid, |sql| sql.run(&TAKE_OUT, values![openid]))?;
    if gone > 0 {
        let began: i64 = sql.one(&STARTED_AT, &[], |row| row.get(0))?;
        let event = FollowEvent {
            source: Source::Sync,
            openid,
            action: Action::Unsubscribe,
            at: began,
            scene: None,
        };
        log_and_announce(sql, &event, announce)?;
        sessions::end_of(sql, openid)?;
    }
    Ok(gone)
}

/// Notes that somebody came or went, also for the hooks.
fn log_and_announce(
    sql: &mut dyn Sql,
    event: &FollowEvent,
    announce: Option<&Announce>,
) -> sql::Result<()> {
    log(sql, event, true)?;
    let Some(Announce(announce)) = announce else {
        return Ok(());
    };
    let change = Change {
        follows: matches!(event.action, Action::Subscribe),
        openid: event.openid,
        at: event.at,
        scene: event.scene,
    };
    outbox::add(sql, announce(&change).iter())
}

fn profile(
    sql: &mut dyn Sql,
    openid: &str,
    outcome: &ProfileOutcome,
    now: i64,
    announce: Option<&Announce>,
) -> sql::Result<()> {
    let waited = sql.run(&ASKED_FOR, values![openid])?;
    lock_follower(sql, openid)?;
    let pushed = sql.exists(&IS_PUSHED, values![openid])?;
    // The person was forgotten in the meantime.
    if waited == 0 || pushed {
        return Ok(());
    }
    let fetched = match outcome {
        // Removed later, if all of them together may be.
        ProfileOutcome::Left => {
            let marked = sql.run(&HAS_LEFT, values![openid])?;
            return count(sql, &UNFOLLOWED, marked);
        }
        ProfileOutcome::Fetched(profile) => Some(profile),
        ProfileOutcome::Refused(_) | ProfileOutcome::Later(_) => None,
    };
    let followed_at = fetched
        .and_then(|profile| profile.subscribe_time)
        .unwrap_or(now);
    let came = sql.run(
        &ADD_FOLLOWER,
        values![openid, followed_at, fetched.is_some()],
    )?;
    if came > 0 {
        count_follower(sql, openid)?;
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
        log_and_announce(sql, &event, announce)?;
        count(sql, &CAME, came)?;
    }
    let counter = match fetched {
        Some(_) => &FETCHED,
        None => &REFUSED,
    };
    count(sql, counter, 1)?;
    profiles::done(sql, openid, outcome, now)
}
