//! Syncs the followers in the store with the platform: adds people who came unnoticed, removes people who left
//! unnoticed, fetches profiles again. Used by `wechatd followers sync` and, every night, by the server.
//!
//! A sync reads the platform's list page by page into a working table, removes from `followers` people who are not in
//! it, fetches the profiles of the others, removes those who left by their profile, and empties the table. If the list
//! is incomplete, or suspiciously many people would be removed, nobody is, unless the owner believes the list. A sync
//! that is cut short is continued by the next one. What a push says meanwhile is newer than the list and wins.

mod belief;
mod lease;
pub(crate) mod profile;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::Serialize;

use crate::api::errcode::INVALID_OPENID;
use crate::api::rate::Rate;
use crate::api::user::{MAX_BATCHGET, OpenidPage};
use crate::api::{ApiError, Client};
use crate::clock;
use crate::counted::counted;
use crate::store::{
    Announce, ErrorKind, Reader, SYNC_ROWS, Store, StoreError, SyncState, SyncStep,
};
pub use belief::{Belief, Doubt};
use belief::{FEW, Listed, WEEK, doubt};
use lease::Lease;
use profile::Fetched;

/// Concurrent calls; `api.rate` sets the pace.
const IN_FLIGHT: usize = 8;

/// The age, in seconds, from which a sync is started over: its list is too old.
const TOO_OLD: i64 = 86_400;

/// A sync: its store, its platform and its pace.
#[derive(Debug, Clone, Copy)]
pub struct FollowerSync<'a> {
    /// Holds the followers.
    pub store: &'a Store,
    /// The platform.
    pub api: &'a Client,
    /// Calls per second.
    pub rate: u32,
    /// Makes events for the hooks about people whose coming or leaving was missed.
    pub announce: Option<&'a Announce>,
}

/// The progress of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: SyncStep,
    /// People handled in this step.
    pub done: i64,
    /// All people in this step, if known.
    pub of: Option<i64>,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The number of followers by the platform's count.
    pub total: Option<i64>,
    /// The length of its list.
    pub listed: i64,
    /// Added to `followers`.
    pub came: i64,
    /// Removed from `followers`.
    pub gone: i64,
    /// Profiles fetched.
    pub profiles: i64,
    /// Profiles that the platform did not give; the reason is in `followers.profile_error`.
    pub refused: i64,
    /// If nobody was removed on purpose: why.
    pub nobody_left_because: Option<String>,
    /// From start to end, pauses included.
    pub seconds: i64,
}

/// Why a sync did not finish. What it did is kept, and the next one continues from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncError {
    /// Another process is syncing.
    Busy,
    /// It was asked to stop.
    Stopped,
    /// The platform.
    Api(ApiError),
    /// The store.
    Store(StoreError),
    /// The platform's list does not end.
    Endless,
    /// The list was not believed; nobody was removed.
    NotBelieved(Doubt),
}

impl FollowerSync<'_> {
    /// Runs a sync, or the rest of one that was cut short.
    ///
    /// `progress` and `stop` are called often, from several threads; `believe` is called if there is a doubt about the
    /// list.
    ///
    /// # Errors
    /// If it did not finish.
    pub fn run(
        &self,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &(dyn Fn() -> bool + Sync),
        believe: &(dyn Fn(Doubt) -> Belief + Sync),
    ) -> Result<Summary, SyncError> {
        let lease = Lease::take(self.store)?;
        let store = &lease.store();
        thread::scope(|scope| {
            let held = lease.until_dropped();
            scope.spawn(|| lease.keep());
            // The first sync only finds out who follows already.
            let is_first = store.reader()?.synced_at()?.is_none();
            let run = Run {
                sync: FollowerSync {
                    store,
                    announce: self.announce.filter(|_| !is_first),
                    ..*self
                },
                rate: Rate::per_second(self.rate),
                progress,
                believe,
                stop: &|| stop() || lease.is_lost(),
            };
            let ended = run.finish();
            drop(held);
            match ended {
                Err(SyncError::Stopped) if lease.is_lost() => Err(SyncError::Busy),
                Err(SyncError::Store(error)) if error.kind() == ErrorKind::Superseded => {
                    Err(SyncError::Busy)
                }
                ended => ended,
            }
        })
    }
}

struct Run<'a> {
    sync: FollowerSync<'a>,
    rate: Rate,
    progress: &'a (dyn Fn(Progress) + Sync),
    stop: &'a (dyn Fn() -> bool + Sync),
    believe: &'a (dyn Fn(Doubt) -> Belief + Sync),
}

impl Run<'_> {
    fn announce(&self) -> Option<Announce> {
        self.sync.announce.cloned()
    }

    fn finish(&self) -> Result<Summary, SyncError> {
        let store = self.sync.store;
        let reader = store.reader()?;
        self.drop_old(&reader)?;
        let mut state = store.sync_begin(clock::unix_seconds())?;
        loop {
            match state.step {
                SyncStep::List => self.list(&reader, state)?,
                SyncStep::Leave => self.leave(&reader, &state)?,
                SyncStep::Profiles => self.profiles(state)?,
                SyncStep::Unfollowed => self.unfollowed(&reader, &state)?,
                SyncStep::Clean => {
                    self.clean()?;
                    let now = clock::unix_seconds();
                    store.sync_end(Some(now))?;
                    return Ok(Summary::of(state, now));
                }
            }
            state = self.state(&reader)?;
        }
    }

    fn state(&self, reader: &Reader) -> Result<SyncState, SyncError> {
        // It is missing only if another process has ended the sync.
        reader.sync_state()?.ok_or(SyncError::Busy)
    }

    fn check_stop(&self) -> Result<(), SyncError> {
        match (self.stop)() {
            true => Err(SyncError::Stopped),
            false => Ok(()),
        }
    }

    fn report(&self, step: SyncStep, done: i64, of: Option<i64>) {
        (self.progress)(Progress { step, done, of });
    }

    /// Drops a list that is too old to act on, and what an abandoned sync may have left.
    fn drop_old(&self, reader: &Reader) -> Result<(), SyncError> {
        let state = reader.sync_state()?;
        let now = clock::unix_seconds();
        if let Some(state) = state {
            let age = now.saturating_sub(state.started_at);
            if (0..=TOO_OLD).contains(&age) {
                log::info!("sync: going on with the one begun {age} s ago");
                return Ok(());
            }
            self.sync.store.sync_end(None)?;
        }
        self.clean()
    }

    /// Reads the list into the working table and decides whether to believe it.
    fn list(&self, reader: &Reader, mut state: SyncState) -> Result<(), SyncError> {
        let store = self.sync.store;
        let mut read: i64 = 0;
        loop {
            self.report(SyncStep::List, state.listed, state.total);
            self.check_stop()?;
            self.rate.wait();
            let mut page = match self.sync.api.user_get(&state.next_openid) {
                // The last person of the last page may have left; then the list is read from its start.
                Err(error)
                    if error.errcode() == Some(INVALID_OPENID) && !state.next_openid.is_empty() =>
                {
                    log::info!(
                        "sync: the list no longer has a page after the last one; reading it again"
                    );
                    OpenidPage {
                        total: state.total,
                        openids: Vec::new(),
                        next_openid: Some(String::new()),
                    }
                }
                page => page?,
            };
            read += i64::try_from(page.openids.len()).unwrap_or(0);
            // Sorted like the working table, so that a commit writes few of its pages.
            page.openids.sort_unstable();
            for some in page.openids.chunks(usize::try_from(SYNC_ROWS).unwrap_or(1)) {
                store.sync_list(some.to_vec())?;
                self.check_stop()?;
            }
            let Some(next) = page.next_openid else {
                store.sync_page_done("", page.total)?;
                break;
            };
            // A list that has been read twice and still goes on repeats itself.
            let repeats = next == state.next_openid && !next.is_empty();
            let enough = page.total.unwrap_or(0).max(state.listed).saturating_mul(2);
            if repeats || read > enough.saturating_add(20_000) {
                return Err(SyncError::Endless);
            }
            store.sync_page_done(&next, page.total)?;
            state = self.state(reader)?;
        }
        let state = self.state(reader)?;
        let allowed = reader
            .sync_count_pushes()?
            .saturating_add(reader.sync_missing()?);
        let doubt = match doubt(&state, allowed) {
            None => None,
            Some(Listed::Broken(why)) => Some(why),
            Some(Listed::Doubtful(doubt)) => self.ask(doubt)?,
        };
        store.sync_go_on(SyncStep::Leave, doubt)?;
        Ok(())
    }

    /// Asks whether the list is right nevertheless; if not, returns the reason why nobody is removed.
    fn ask(&self, doubt: Doubt) -> Result<Option<String>, SyncError> {
        let store = self.sync.store;
        match (self.believe)(doubt) {
            Belief::Yes => {
                store.sync_believe()?;
                Ok(None)
            }
            Belief::No => Ok(Some(format!(
                "{doubt}; if that is right, `wechatd followers sync --yes` believes the list"
            ))),
            Belief::Stop => {
                store.sync_end(None)?;
                self.clean()?;
                Err(SyncError::NotBelieved(doubt))
            }
        }
    }

    /// Removes people who are not in the list.
    fn leave(&self, reader: &Reader, state: &SyncState) -> Result<(), SyncError> {
        let doubt = match state.nobody_leaves {
            None => self.too_many(reader, state, reader.sync_count_absent()?)?,
            Some(_) => return Ok(self.sync.store.sync_go_on(SyncStep::Profiles, None)?),
        };
        if doubt.is_none() {
            self.remove(state, &|after| reader.sync_absent(after))?;
        }
        self.sync.store.sync_go_on(SyncStep::Profiles, doubt)?;
        Ok(())
    }

    /// Removes people who are in the list but left by their profile.
    fn unfollowed(&self, reader: &Reader, state: &SyncState) -> Result<(), SyncError> {
        let doubt = match state.nobody_leaves {
            None => self.too_many(reader, state, state.unfollowed)?,
            Some(_) => return Ok(self.sync.store.sync_go_on(SyncStep::Clean, None)?),
        };
        if doubt.is_none() && state.unfollowed > 0 {
            self.remove(state, &|after| reader.sync_unfollowed(after))?;
        }
        self.sync.store.sync_go_on(SyncStep::Clean, doubt)?;
        Ok(())
    }

    /// If too many people would be removed: why they stay. Removals by this sync and those of the last week count, too.
    fn too_many(
        &self,
        reader: &Reader,
        state: &SyncState,
        leaving: i64,
    ) -> Result<Option<String>, SyncError> {
        if state.believed || leaving == 0 {
            return Ok(None);
        }
        let removed = reader.sync_taken_out_since(clock::unix_seconds() - WEEK)?;
        let of = reader.count_followers()? + removed;
        let all = leaving + removed;
        if all <= FEW || all <= of / 10 {
            return Ok(None);
        }
        self.ask(Doubt::Many {
            leaving: leaving + state.gone,
            of,
            before: (removed - state.gone).max(0),
        })
    }

    fn remove(
        &self,
        state: &SyncState,
        next: &dyn Fn(&str) -> Result<Vec<String>, StoreError>,
    ) -> Result<(), SyncError> {
        let mut after = String::new();
        let mut gone = state.gone;
        loop {
            self.check_stop()?;
            let some = next(&after)?;
            let Some(last) = some.last() else {
                return Ok(());
            };
            after.clone_from(last);
            gone += i64::try_from(self.sync.store.sync_leave(some, self.announce())?).unwrap_or(0);
            self.report(SyncStep::Leave, gone, None);
        }
    }

    /// Fetches the profiles of everybody in the list, with several calls at a time.
    fn profiles(&self, state: SyncState) -> Result<(), SyncError> {
        let queue = Mutex::new(Queue {
            reader: self.sync.store.reader()?,
            after: String::new(),
            done: state.fetched + state.refused,
        });
        let over = AtomicBool::new(false);
        let work = || {
            let _end = End(&over);
            self.fetch_from(&queue, state.listed, &over)
        };
        let results: Vec<Result<(), SyncError>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..IN_FLIGHT).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                // A panic is a bug, which the caller reports as such.
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        results.into_iter().collect::<Result<(), SyncError>>()?;
        self.sync.store.sync_go_on(SyncStep::Unfollowed, None)?;
        Ok(())
    }

    /// The work of one thread, until nobody is left or another thread has ended.
    fn fetch_from(
        &self,
        queue: &Mutex<Queue>,
        listed: i64,
        over: &AtomicBool,
    ) -> Result<(), SyncError> {
        while !over.load(Ordering::Relaxed) {
            self.check_stop()?;
            let batch = lock(queue).next()?;
            if batch.is_empty() {
                return Ok(());
            }
            let Fetched { outcomes, ended_by } =
                profile::fetch(self.sync.api, &batch, &|| self.rate.wait());
            self.sync
                .store
                .sync_profiles(outcomes, clock::unix_seconds(), self.announce())?;
            if let Some(error) = ended_by {
                return Err(error.into());
            }
            let mut queue = lock(queue);
            queue.done += i64::try_from(batch.len()).unwrap_or(0);
            self.report(SyncStep::Profiles, queue.done, Some(listed));
        }
        Ok(())
    }

    fn clean(&self) -> Result<(), SyncError> {
        let mut removed = 0;
        loop {
            match self.sync.store.sync_clean()? {
                0 => return Ok(()),
                some => removed += i64::try_from(some).unwrap_or(0),
            }
            self.report(SyncStep::Clean, removed, None);
            self.check_stop()?;
        }
    }
}

/// Ends the other threads after their batch when one has ended: nobody is left, it failed, or it panicked.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// People whose profiles are still to be fetched, handed out in batches.
struct Queue {
    reader: Reader,
    after: String,
    done: i64,
}

impl Queue {
    fn next(&mut self) -> Result<Vec<String>, StoreError> {
        let batch = self.reader.sync_waiting(&self.after, MAX_BATCHGET)?;
        if let Some(last) = batch.last() {
            self.after.clone_from(last);
        }
        Ok(batch)
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    // It is consistent after every statement.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Summary {
    fn of(state: SyncState, now: i64) -> Summary {
        Summary {
            total: state.total,
            listed: state.listed,
            came: state.came,
            gone: state.gone,
            profiles: state.fetched,
            refused: state.refused,
            nobody_left_because: state.nobody_leaves,
            seconds: now.saturating_sub(state.started_at).max(0),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} came, {} left, {} fetched",
            counted(self.listed, "follower"),
            self.came,
            self.gone,
            counted(self.profiles, "profile")
        )?;
        if self.refused > 0 {
            write!(f, " ({} not given)", self.refused)?;
        }
        write!(f, ", in {} s", self.seconds)?;
        match &self.nobody_left_because {
            Some(why) => write!(f, "; nobody was removed, because {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncError::Busy => f.write_str(
                "sync: another one is under way, by the server or a command: it does the same work, wait for it",
            ),
            SyncError::Stopped => f.write_str("sync: stopped; the next one goes on from here"),
            SyncError::Api(error) => {
                write!(f, "{error}; what was done is kept, the next sync goes on from here")
            }
            SyncError::Store(error) => error.fmt(f),
            SyncError::NotBelieved(doubt) => write!(f, "sync: {doubt}: nobody was removed"),
            SyncError::Endless => f.write_str(
                "sync: WeChat's list repeats itself and does not end: nobody was removed, try again in a while",
            ),
        }
    }
}

impl std::error::Error for SyncError {}

impl From<ApiError> for SyncError {
    fn from(error: ApiError) -> SyncError {
        SyncError::Api(error)
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> SyncError {
        SyncError::Store(error)
    }
}

#[cfg(test)]
mod tests;
