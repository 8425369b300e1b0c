//! Watches for trouble that no event tells of, keeps the rows of trouble, and tells the hooks; sends the heartbeat
//! (in [`heartbeat`]).

mod heartbeat;

use std::thread;
use std::time::{Duration, Instant};

use crate::api::Client;
use crate::app::{App, Duty};
use crate::clock;
use crate::counted::counted;
use crate::local_time;
use crate::notifier::Woken;
use crate::store::{NewHookEvent, Reader, StoreError, free_beside};
use crate::trouble::{GAPS_OF, Kind, LEAST_SILENCE, Notices, WrongSignatures, patience};
use crate::wechat::file::shown_size;
use heartbeat::Heartbeat;

/// Between two looks. Also until trouble that nobody could be told of is tried again.
const ROUND: Duration = Duration::from_secs(10);

/// Pause after a notification: what begins and ends at once is written together.
const GATHER: Duration = Duration::from_millis(50);

/// Calls that fail for so long are trouble.
const API_FAILS: Duration = Duration::from_secs(300);

/// A profile that waits for so long is trouble.
const PROFILE_WAITS: Duration = Duration::from_secs(3_600);

/// A good follower sync that is older is trouble, in seconds; and how long after the start one may be made up for.
const SYNC_AGE: i64 = 36 * 3_600;
const SYNC_GRACE: Duration = Duration::from_secs(600);

/// Between two tries to tell the hooks without the store.
const RETRY: Duration = Duration::from_secs(60);

/// Runs until the notifier is closed.
pub(super) fn run(app: &App) {
    let mut watch = Watch::new(app, Moment::now());
    let mut next_look = None;
    loop {
        let now = Moment::now();
        if next_look.is_none_or(|next| next <= now.instant) {
            watch.look(app, now);
            next_look = Some(now.instant + ROUND);
        }
        watch.keep_rows(app);
        watch.tell(app, now);
        let left = next_look.map_or(ROUND, |next| next.saturating_duration_since(Instant::now()));
        let notifier = &app.notifiers.watch;
        if notifier.wait(left) == Woken::Closing || notifier.pause(GATHER) == Woken::Closing {
            return;
        }
    }
}

/// A point in time on both clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    instant: Instant,
    /// Seconds.
    unix: i64,
}

impl Moment {
    fn now() -> Moment {
        Moment {
            instant: Instant::now(),
            unix: clock::unix_seconds(),
        }
    }
}

/// What is known from one round to the next.
struct Watch {
    started: Moment,
    /// What an earlier process left is still to be taken up.
    takes_up: bool,
    wrong: WrongSignatures,
    /// Somebody whose profile waits, since when as far as this process saw.
    waits: Option<(String, Instant)>,
    /// How long silence is usual after a push that came then.
    patience: Option<(i64, Option<i64>)>,
    notices: Notices,
    /// The newest message of the to-do list that hooks know of, or need not know of.
    todo: i64,
    /// When hooks may be told without the store.
    next_call: Option<Instant>,
    heartbeat: Heartbeat,
}

impl Watch {
    fn new(app: &App, now: Moment) -> Watch {
        Watch {
            started: now,
            takes_up: true,
            wrong: WrongSignatures::default(),
            waits: None,
            patience: None,
            notices: Notices::default(),
            todo: app.newest_todo,
            next_call: None,
            heartbeat: Heartbeat::default(),
        }
    }

    /// Looks at everything that may be trouble.
    fn look(&mut self, app: &App, now: Moment) {
        // Other servers may end at any time.
        if (self.takes_up || app.store.is_shared())
            && let Ok(left) = app.store.left_troubles(app.troubles.known())
        {
            self.takes_up = false;
            app.troubles.take_up(left);
        }
        let live = app.live();
        let hooks = |name: &String| live.config.hooks.iter().any(|hook| hook.name == *name);
        let services = |name: &String| live.services.get(name).is_some();
        let gone = "is no longer in the configuration";
        app.troubles.end_if(
            Kind::Hook,
            |one| !one.name.as_ref().is_some_and(hooks),
            gone,
        );
        app.troubles.end_if(
            Kind::Service,
            |one| !one.name.as_ref().is_some_and(services),
            gone,
        );
        look_at_disk(app);
        look_at_calls(app);
        self.look_at_signatures(app, now);
        if app.duties.store(Duty::Hooks).is_none() {
            let elsewhere = "another server delivers to it now";
            app.troubles.end_if(Kind::Hook, |_| true, elsewhere);
        }
        match app.duties.store(Duty::Watch) {
            Some(_) => self.look_at_the_store(app, now),
            None => {
                for kind in [Kind::Profiles, Kind::Sync, Kind::Silent] {
                    app.troubles.end(kind, "another server watches it now");
                }
            }
        }
        self.heartbeat.beat(app, now.instant);
    }

    /// Looks at what all servers of a store have in common.
    fn look_at_the_store(&mut self, app: &App, now: Moment) {
        // What cannot be read has trouble that the writer finds as well.
        let read = app.store.read(|reader| {
            self.look_at_profiles(app, reader, now)?;
            self.look_at_sync(app, reader, now)?;
            self.look_at_silence(app, reader, now)
        });
        if let Err(error) = read {
            log::debug!("watch: {error}");
        }
    }

    fn look_at_signatures(&mut self, app: &App, now: Moment) {
        match self.wrong.too_many(&app.signing, now.instant) {
            Some(many) => {
                let text = format!(
                    "{} with a wrong signature in {} min, and none with a right one: is account.token the Token of the console?",
                    counted(many, "request"),
                    WrongSignatures::WITHIN.as_secs() / 60
                );
                app.troubles.begin(Kind::Refused, &text);
            }
            None => app.troubles.end(
                Kind::Refused,
                "no more wrong signatures, or right ones again",
            ),
        }
    }

    fn look_at_profiles(
        &mut self,
        app: &App,
        reader: &Reader,
        now: Moment,
    ) -> Result<(), StoreError> {
        let over = "the profiles that waited are fetched";
        if app.api.is_none() {
            app.troubles.end(Kind::Profiles, over);
            return Ok(());
        }
        let still = match &self.waits {
            Some((openid, _)) => reader.profile_waits(openid)?,
            None => false,
        };
        if !still {
            // What began before the start goes on as long as anybody waits.
            let since = match self.waits.is_none() && app.troubles.has(Kind::Profiles) {
                true => now.instant.checked_sub(PROFILE_WAITS),
                false => None,
            };
            let first = reader.profile_queue(1)?.pop();
            self.waits = first.map(|openid| (openid, since.unwrap_or(now.instant)));
        }
        let is_long = |(_, since): &(String, Instant)| {
            now.instant.saturating_duration_since(*since) >= PROFILE_WAITS
        };
        match self.waits.as_ref().is_some_and(is_long) {
            true => {
                let text = format!(
                    "{} to be fetched, and the first has waited for over an hour; the log says why",
                    counted(reader.profiles_waiting()?, "profile")
                );
                app.troubles.begin(Kind::Profiles, &text);
            }
            false => app.troubles.end(Kind::Profiles, over),
        }
        Ok(())
    }

    fn look_at_sync(&self, app: &App, reader: &Reader, now: Moment) -> Result<(), StoreError> {
        let is_wanted = app.api.is_some() && app.live().config.api.sync.is_some();
        let last = reader.synced_at()?;
        let age = now.unix.saturating_sub(last.unwrap_or(self.started.unix));
        let runs_for = now.instant.saturating_duration_since(self.started.instant);
        let over = "the followers are synced";
        match (is_wanted, reader.sync_doubt()?) {
            (false, _) => app.troubles.end(Kind::Sync, over),
            // The sync itself says so in the log, once.
            (true, Some(doubt)) => app
                .troubles
                .begin_logged(Kind::Sync, &format!("the last one removed nobody: {doubt}")),
            (true, None) if age <= SYNC_AGE => app.troubles.end(Kind::Sync, over),
            // One that was missed while the server was off is being made up for.
            (true, None) if runs_for < SYNC_GRACE && !app.troubles.has(Kind::Sync) => {}
            (true, None) => {
                let text = match last {
                    Some(last) => format!(
                        "the last good one was at {}; the log says why",
                        local_time::format(last)
                    ),
                    None => "none has succeeded yet; the log says why".to_owned(),
                };
                app.troubles.begin(Kind::Sync, &text);
            }
        }
        Ok(())
    }

    fn look_at_silence(
        &mut self,
        app: &App,
        reader: &Reader,
        now: Moment,
    ) -> Result<(), StoreError> {
        let Some(last) = reader.last_push()? else {
            app.troubles
                .end(Kind::Silent, "nothing is known of earlier pushes");
            return Ok(());
        };
        if app.troubles.has(Kind::Silent) {
            let began = app.troubles.now();
            let mut began = began.iter().filter(|one| one.subject.kind == Kind::Silent);
            if began.any(|one| last > one.since) {
                app.troubles.end(Kind::Silent, "a push came");
            }
            return Ok(());
        }
        // While the server was off, none could come.
        let silence = now.unix.saturating_sub(last.max(self.started.unix));
        if silence < LEAST_SILENCE {
            return Ok(());
        }
        let usual = match self.patience {
            Some((after, usual)) if after == last => usual,
            Some(_) | None => patience(&reader.pushes_by_quarter(last.saturating_sub(GAPS_OF))?),
        };
        self.patience = Some((last, usual));
        if usual.is_some_and(|usual| silence >= usual) {
            let text = format!(
                "no push since {}, far longer than usual: does the console still have the right URL, and does the proxy pass it on?",
                local_time::format(last)
            );
            app.troubles.begin(Kind::Silent, &text);
        }
        Ok(())
    }

    /// Writes rows. What cannot be written stays for the next round.
    fn keep_rows(&self, app: &App) {
        let changes = app.troubles.unwritten();
        if self.takes_up || changes.is_empty() {
            return;
        }
        if let Ok(rows) = app.store.keep_troubles(changes.clone()) {
            app.troubles.written(&changes, &rows);
        }
    }

    /// Tells the hooks what they are to be told.
    fn tell(&mut self, app: &App, now: Moment) {
        let live = app.live();
        for notice in self.notices.due(&app.troubles, now.instant) {
            let mut shown = notice.clone();
            if app.store.is_shared() {
                let node = app.node();
                shown.trouble.text =
                    format!("{} ({}): {}", node.name, node.listen, shown.trouble.text);
            }
            let events = live.hooks.subscribers.trouble(&shown, now.unix);
            if events.is_empty() {
                self.notices.settled(&app.troubles, &notice);
            } else if self.send(app, events, now) {
                self.notices.sent(&app.troubles, &notice, now.instant);
            }
        }
        self.keep_rows(app);
        self.tell_of_todo(app, now);
    }

    /// Hands events to the store, from which they are delivered; while it cannot be written, sends them right away.
    fn send(&mut self, app: &App, events: Vec<NewHookEvent>, now: Moment) -> bool {
        if app.store.add_hook_events(events.clone()).is_ok() {
            app.notifiers.hooks.notify();
            return true;
        }
        if self.next_call.is_some_and(|next| now.instant < next) {
            return false;
        }
        self.next_call = Some(now.instant + RETRY);
        call_now(app, &events)
    }

    fn tell_of_todo(&mut self, app: &App, now: Moment) {
        let live = app.live();
        let is_wanted = !live.hooks.subscribers.todo(0, now.unix).is_empty();
        if !is_wanted || !self.notices.may_tell_of_todo(now.instant) {
            return;
        }
        let Ok(found) = app.store.read(|reader| reader.todo()) else {
            return;
        };
        let newest = found.map_or(0, |(_, newest)| newest);
        if app.duties.store(Duty::Watch).is_none() {
            // Another server tells of it.
            self.todo = newest;
            return;
        }
        let Some((waiting, _)) = found.filter(|_| newest > self.todo) else {
            return;
        };
        let events = live.hooks.subscribers.todo(waiting, now.unix);
        if app.store.add_hook_events(events).is_ok() {
            app.notifiers.hooks.notify();
            self.notices.told_of_todo(now.instant);
            self.todo = newest;
        }
    }
}

/// Calls the hooks of these events at the same time. Whether any has heard of it.
fn call_now(app: &App, events: &[NewHookEvent]) -> bool {
    let live = app.live();
    let paused = app.troubles.now();
    let is_paused = |name: &str| {
        let mut paused = paused.iter().map(|one| &one.subject);
        paused.any(|one| one.kind == Kind::Hook && one.name.as_deref() == Some(name))
    };
    thread::scope(|scope| {
        let mut calls = Vec::new();
        for event in events.iter().filter(|event| !is_paused(&event.hook)) {
            let mut couriers = live.hooks.couriers.iter();
            let courier = couriers.find(|courier| *courier.hook.name == *event.hook);
            let Some(courier) = courier else { continue };
            let call = move || match courier.send_now(event) {
                Ok(_) => true,
                Err(failure) => {
                    log::debug!("hook {}: {}", event.hook, failure.error);
                    false
                }
            };
            calls.extend(thread::Builder::new().spawn_scoped(scope, call));
        }
        let heard = calls.into_iter().map(|call| call.join().unwrap_or(false));
        heard.fold(false, |any, heard| any | heard)
    })
}

fn look_at_disk(app: &App) {
    let least = u64::try_from(app.live().config.watch.disk).unwrap_or(u64::MAX);
    // A server looks after its own disk.
    let file = app.store.file();
    let Some(free) = file.and_then(|file| free_beside(file).ok()) else {
        return;
    };
    if free < least {
        let text = format!(
            "{} free on the store's disk, less than watch.disk ({})",
            size(free),
            size(least)
        );
        app.troubles.begin(Kind::Disk, &text);
    } else if free >= least.saturating_add(least / 20) {
        // A little more than that: the line is not crossed to and fro all the time.
        let text = format!("{} free on the store's disk", size(free));
        app.troubles.end(Kind::Disk, &text);
    }
}

fn look_at_calls(app: &App) {
    let Some(standing) = app.api.as_ref().map(Client::standing) else {
        for kind in [Kind::Token, Kind::Api] {
            app.troubles.end(kind, "no more calls are made");
        }
        return;
    };
    // Before the first call nothing is known, also of what an earlier process had.
    if !standing.is_known() {
        return;
    }
    match standing.refused() {
        Some(why) => drop(app.troubles.begin(Kind::Token, &why)),
        None => app
            .troubles
            .end(Kind::Token, "WeChat takes the token again"),
    }
    match standing.failing() {
        Some((lasts, why)) if lasts >= API_FAILS => {
            let text = format!("no good call for {} min: {why}", lasts.as_secs() / 60);
            app.troubles.begin(Kind::Api, &text);
        }
        Some(_) => {}
        None => app.troubles.end(Kind::Api, "WeChat answers again"),
    }
}

fn size(bytes: u64) -> String {
    shown_size(usize::try_from(bytes).unwrap_or(usize::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
