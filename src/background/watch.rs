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
    todo: Option<i64>,
    /// When hooks may be told without the store.
    next_call: Option<Instant>,
    heartbeat: Heartbeat,
}

impl Watch {
    fn new(app: &App, now: Moment) -> Watch {
        let newest = app.store.read(|reader| reader.todo()).ok();
        Watch {
            started: now,
            takes_up: true,
            wrong: WrongSignatures::default(),
            waits: None,
            patience: None,
            notices: Notices::default(),
            todo: newest.map(|newest| newest.map_or(0, |(_, id)| id)),
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
            self.todo = Some(newest);
            return;
        }
        let known = *self.todo.get_or_insert(newest);
        let Some((waiting, _)) = found.filter(|_| newest > known) else {
            return;
        };
        let events = live.hooks.subscribers.todo(waiting, now.unix);
        if app.store.add_hook_events(events).is_ok() {
            app.notifiers.hooks.notify();
            self.notices.told_of_todo(now.instant);
            self.todo = Some(newest);
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
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::config::Config;

    /// A hook's receiver. What it hears comes out of the channel, until `count` calls were made.
    fn receiver(count: usize) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hear", listener.local_addr().unwrap());
        let (hears, heard) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().take(count) {
                let mut stream = stream.unwrap();
                let (mut call, mut part) = (String::new(), [0; 4_096]);
                while !call.ends_with("}}") {
                    let read = stream.read(&mut part).unwrap();
                    call += &String::from_utf8_lossy(&part[..read]);
                }
                let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).unwrap();
                let (_, body) = call.split_once("\r\n\r\n").unwrap();
                hears.send(body.to_owned()).unwrap();
            }
        });
        (url, heard)
    }

    #[test]
    fn a_store_that_takes_no_writes_for_a_minute_is_told_once_without_it_and_so_is_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (url, heard) = receiver(2);
        let text = format!(
            "account.token = \"aTokenOfThisTest\"\n[[hook]]\nname = \"crm\"\nurl = \"{url}\"\nevents = [\"trouble\", \"recovered\"]\n"
        );
        let config = Config::read(&folder.path().join("wechat.conf"), &text, None).unwrap();
        let app = App::new(config).unwrap();
        let start = Moment::now();
        let at = |seconds: u64| Moment {
            instant: start.instant + Duration::from_secs(seconds),
            unix: start.unix + i64::try_from(seconds).unwrap(),
        };
        let mut watch = Watch::new(&app, start);
        watch.look(&app, start);
        let lock = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        app.store.keep_setting("any", "thing").unwrap_err();
        assert!(app.troubles.has(Kind::Store));
        watch.tell(&app, at(50));
        heard.try_recv().unwrap_err();
        for seconds in [70, 80, 200] {
            watch.tell(&app, at(seconds));
        }
        let told: serde_json::Value = serde_json::from_str(&heard.recv().unwrap()).unwrap();
        assert_eq!(told["type"], "trouble");
        assert_eq!(told["data"]["kind"], "store");
        heard.try_recv().unwrap_err();
        let rows = |sql: &str| -> i64 { lock.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(rows("SELECT count(*) FROM troubles"), 0);
        lock.execute_batch("ROLLBACK").unwrap();
        app.store.keep_setting("any", "thing").unwrap();
        assert!(!app.troubles.has(Kind::Store));
        for seconds in [210, 220] {
            watch.keep_rows(&app);
            watch.tell(&app, at(seconds));
        }
        assert_eq!(
            rows("SELECT count(*) FROM troubles WHERE until IS NOT NULL AND told = 0"),
            1
        );
        assert_eq!(
            rows("SELECT count(*) FROM hook_events WHERE type = 'recovered'"),
            1
        );
        assert_eq!(rows("SELECT count(*) FROM hook_events"), 1);
    }

    #[test]
    fn silence_is_trouble_after_far_longer_than_usual_and_until_a_push() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wechat.conf");
        let config = Config::read(&file, "account.token = \"aTokenOfThisTest\"\n", None).unwrap();
        let app = App::new(config).unwrap();
        let start = Moment::now();
        let at = |hours: u64| Moment {
            instant: start.instant + Duration::from_secs(hours * 3_600),
            unix: start.unix + i64::try_from(hours * 3_600).unwrap(),
        };
        let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
        let push = |at: i64| {
            let sql = "INSERT INTO messages (dedup_key, openid, msg_type, received_at) VALUES (?1, 'o', 'text', ?1)";
            store.execute(sql, [at]).unwrap();
            let sql = "INSERT INTO daily_counts (quarter, pushes, first_id, last_id)
                VALUES (?1 / 900, 1, last_insert_rowid(), last_insert_rowid())
                ON CONFLICT DO UPDATE SET pushes = pushes + 1, last_id = excluded.last_id";
            store.execute(sql, [at]).unwrap();
        };
        // One an hour, and once two hours apart: ten hours are usual.
        for hour in [12, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1] {
            push(start.unix - hour * 3_600);
        }
        let mut watch = Watch::new(&app, start);
        let mut is_trouble = |hours| {
            let reader = app.store.reader().unwrap();
            watch.look_at_silence(&app, &reader, at(hours)).unwrap();
            app.troubles.has(Kind::Silent)
        };
        assert!(!is_trouble(9));
        assert!(is_trouble(11));
        assert!(is_trouble(12));
        push(at(12).unix);
        assert!(!is_trouble(12));
    }

    #[test]
    fn a_profile_that_waits_for_over_an_hour_is_trouble_until_it_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wechat.conf");
        let text = "[account]\ntoken = \"aTokenOfThisTest\"\napp_id = \"wx0000000000000001\"\napp_secret = \"00000000000000000000000000000001\"\n";
        let app = App::new(Config::read(&file, text, None).unwrap()).unwrap();
        let start = Moment::now();
        let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
        let run = |sql: &str| store.execute_batch(sql).unwrap();
        let mut watch = Watch::new(&app, start);
        let mut is_trouble = |minutes: u64| {
            let reader = app.store.reader().unwrap();
            let now = Moment {
                instant: start.instant + Duration::from_secs(minutes * 60),
                unix: start.unix,
            };
            watch.look_at_profiles(&app, &reader, now).unwrap();
            app.troubles.has(Kind::Profiles)
        };
        assert!(!is_trouble(0));
        run("INSERT INTO followers (openid, subscribe_time) VALUES ('one', 1), ('two', 2)");
        assert!(!is_trouble(1));
        assert!(!is_trouble(60));
        assert!(is_trouble(61));
        let told = app.troubles.now().remove(0).text;
        assert!(told.starts_with("2 profiles to be fetched"), "{told}");
        // Another one has not waited for long, as far as anybody saw.
        let first = app.store.reader().unwrap().profile_queue(1).unwrap();
        let fetched = "UPDATE followers SET profile_at = 5 WHERE openid";
        run(&format!("{fetched} = '{}'", first[0]));
        assert!(!is_trouble(62));
        assert!(!is_trouble(121));
        assert!(is_trouble(122));
        run(&format!("{fetched} IS NOT NULL"));
        assert!(!is_trouble(123));
    }
}
