//! `wechatd status`: one screen of how the server is doing, also beside a broken configuration.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::simulate::Target;
use super::terminal::{Failure, Json, Output};
use crate::api::token_cache::ACCESS_TOKEN;
use crate::clock;
use crate::config::{Config, HEALTH_PATH, Listen};
use crate::counted::counted;
use crate::local_time;
use crate::store::{Reader, StoreError, free_beside, size_of};
use crate::trouble::Change;
use crate::wechat::file::shown_size;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd status
  wechatd status || mail -s 'wechatd has trouble' you@example.com
  wechatd status --json | jq -r '.troubles[].text'

The exit code is 1 if nothing runs, something is wrong or the configuration has mistakes. What can be wrong, from when until when:

  store     a commit failed or takes too long, until one works
  disk      less space than watch.disk, until there is 5 % more than that
  token     WeChat refuses the access_token, the AppSecret or this machine's
            address (40001, 40125, 40164), until a call works
  api       calls have failed for 5 minutes, until one is answered
  profiles  a profile has waited for over an hour, until it is fetched
  sync      no good follower sync for 36 hours, or one that would have removed
            suspiciously many, until a good one
  silent    no push for 5 times the longest gap of 14 days, at least 6 hours,
            and not before a day with ten pushes, until one comes
  refused   more than 20 requests with a wrong signature in 10 minutes, and
            no right one since 10 of them, until a right one comes
  config    a reload was refused, until one succeeds
  service   a service fails and is not called for now, until it works
  hook      a hook is paused, until `wechatd hooks resume`; the hook itself
            does not hear of this

Each is an error in the log, a row in the view troubles_v for 30 days and, once it has lasted a minute, an event `trouble` for the hooks; its end is an event `recovered`. There are at most 10 such events an hour. While the store takes no writes the hooks are called without it, once a minute until one has heard. A machine that is off tells nobody: set watch.heartbeat.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    json: Json,
}

/// How the server is doing. Times are in Unix seconds.
#[derive(Debug, Serialize)]
struct Status {
    running: bool,
    /// Whether it takes writes; `None`: it does not run.
    takes_writes: Option<bool>,
    listen: Option<String>,
    since: Option<i64>,
    configuration: String,
    /// The mistakes of the configuration, if there are any.
    mistakes: Vec<String>,
    troubles: Vec<ShownTrouble>,
    /// `None`: the store cannot be read, or there is none.
    #[serde(flatten)]
    store: Option<InStore>,
    store_file: String,
    /// `None`: it is on a server.
    store_bytes: Option<u64>,
    /// Why the store cannot be read.
    store_error: Option<String>,
    disk_free_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ShownTrouble {
    kind: &'static str,
    name: Option<String>,
    text: String,
    since: Option<i64>,
}

/// What the store says.
#[derive(Debug, Serialize)]
struct InStore {
    last_push: Option<i64>,
    last_sync: Option<i64>,
    token_expires: Option<i64>,
    followers: i64,
    todo: i64,
    queues: Queues,
}

/// What waits.
#[derive(Debug, Serialize)]
struct Queues {
    profiles: i64,
    forwards: i64,
    hooks: Vec<HookQueue>,
}

#[derive(Debug, Serialize)]
struct HookQueue {
    name: String,
    waiting: i64,
}

pub(super) fn run(file: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let (config, problems) = Config::load_in_part(file);
    let mut status = Status {
        running: false,
        takes_writes: None,
        listen: None,
        since: None,
        configuration: file.display().to_string(),
        mistakes: problems.map_or_else(Vec::new, |problems| {
            problems.to_string().lines().map(str::to_owned).collect()
        }),
        troubles: Vec::new(),
        store: None,
        store_file: config.store.to_string(),
        store_bytes: config.store.file().map(size_of),
        store_error: None,
        disk_free_bytes: config.store.file().and_then(|file| free_beside(file).ok()),
    };
    let read = Reader::open_if_any(&config.store);
    let read = read.and_then(|reader| {
        reader
            .map(|reader| status.read(&config, &reader))
            .transpose()
    });
    if let Err(error) = &read {
        status.store_error = Some(error.to_string());
        // Its store does not say where it listens; the configuration may.
        status.listen = Some(config.server.listen.to_string());
    }
    status.ask();
    status.add_disk(&config);
    let is_well = status.running
        && status.troubles.is_empty()
        && status.mistakes.is_empty()
        && status.store_error.is_none();
    let shown = match arguments.json.wanted {
        true => Output::for_reading().json(&status),
        false => status.print(Output::for_reading()),
    };
    match shown {
        // The exit code says so even if nobody reads the output.
        Ok(()) | Err(Failure::OutputClosed) if !is_well => Err(Failure::Shown),
        shown => shown,
    }
}

impl Status {
    fn read(&mut self, config: &Config, reader: &Reader) -> Result<(), StoreError> {
        self.listen = reader.listening()?;
        self.since = reader.started_at()?;
        let shown = |Change { trouble, .. }: Change| ShownTrouble {
            kind: trouble.subject.kind.name(),
            name: trouble.subject.name,
            text: trouble.text,
            since: Some(trouble.since),
        };
        let open = reader.troubles(i64::MAX)?;
        self.troubles = open.into_iter().map(shown).collect();
        let hook = |hook: &crate::config::Hook| {
            Ok(HookQueue {
                name: hook.name.clone(),
                waiting: reader.hook_state(&hook.name)?.waiting,
            })
        };
        self.store = Some(InStore {
            last_push: reader.last_push()?,
            last_sync: reader.synced_at()?,
            token_expires: reader.token_expires_at(ACCESS_TOKEN)?,
            followers: reader.count_followers()?,
            todo: reader.todo()?.map_or(0, |(waiting, _)| waiting),
            queues: Queues {
                profiles: reader.profiles_waiting()?,
                forwards: reader.forwards_waiting()?,
                hooks: config
                    .hooks
                    .iter()
                    .map(hook)
                    .collect::<Result<_, StoreError>>()?,
            },
        });
        Ok(())
    }

    /// Asks the server whether it runs and takes writes.
    fn ask(&mut self) {
        let listen: Option<Listen> = self.listen.as_ref().and_then(|text| text.parse().ok());
        let answer = listen.and_then(|listen| {
            Target::of(&listen)
                .send("GET", HEALTH_PATH, None, b"", Duration::from_secs(15))
                .ok()
        });
        self.takes_writes = match answer.map(|answer| answer.status) {
            Some(200) => Some(true),
            Some(503) => Some(false),
            Some(_) | None => None,
        };
        self.running = self.takes_writes.is_some();
        if !self.running {
            self.since = None;
            self.listen = None;
            // Nobody watches; what the server that ended had may be over.
            self.troubles.clear();
        }
        // A store that takes no writes takes no row about it either.
        if self.takes_writes == Some(false) {
            let text = "it takes no writes: the log says why; pushes are answered 503";
            self.add("store", text.to_owned());
        }
    }

    fn add_disk(&mut self, config: &Config) {
        let least = u64::try_from(config.watch.disk).unwrap_or(u64::MAX);
        if let Some(free) = self.disk_free_bytes.filter(|free| *free < least) {
            let text = format!(
                "{} free on the store's disk, less than watch.disk ({})",
                size(free),
                size(least)
            );
            self.add("disk", text);
        }
    }

    /// Adds trouble that has no row.
    fn add(&mut self, kind: &'static str, text: String) {
        if self.troubles.iter().all(|one| one.kind != kind) {
            self.troubles.push(ShownTrouble {
                kind,
                name: None,
                text,
                since: None,
            });
        }
    }

    fn print(&self, mut out: Output) -> Result<(), Failure> {
        let now = clock::unix_seconds();
        let mut pairs = vec![("server", self.running(now))];
        if self.troubles.is_empty() {
            let none = match self.running {
                true => "none",
                false => "nobody watches",
            };
            pairs.push(("trouble", none.to_owned()));
        }
        for trouble in &self.troubles {
            let since = trouble.since.map_or_else(String::new, |since| {
                format!(" since {}", local_time::format(since))
            });
            let name = trouble.name.as_ref();
            let name = name.map_or_else(String::new, |name| format!(" {name}"));
            pairs.push((
                "trouble",
                format!("{}{name}{since}: {}", trouble.kind, trouble.text),
            ));
        }
        let at = |at: Option<i64>, none: &str| match at {
            Some(at) => format!(
                "{} ({} ago)",
                local_time::format(at),
                span(now.saturating_sub(at))
            ),
            None => none.to_owned(),
        };
        if let Some(store) = &self.store {
            pairs.push(("last push", at(store.last_push, "none yet")));
            pairs.push(("waiting", store.waiting()));
            pairs.push(("last sync", at(store.last_sync, "none yet")));
            let token = match store.token_expires {
                None => "none yet".to_owned(),
                Some(until) if until <= now => {
                    format!("expired {} ago", span(now.saturating_sub(until)))
                }
                Some(until) => format!("good for {}", span(until.saturating_sub(now))),
            };
            pairs.push(("token", token));
            pairs.push(("followers", store.followers.to_string()));
        }
        let file = match (&self.store, &self.store_error) {
            (Some(_), _) => match self.store_bytes {
                Some(bytes) => format!("{}, {}", self.store_file, size(bytes)),
                None => self.store_file.clone(),
            },
            (None, Some(error)) => error.clone(),
            (None, None) => format!("{}: there is none yet", self.store_file),
        };
        pairs.push(("store", file));
        if let Some(free) = self.disk_free_bytes {
            pairs.push(("disk", format!("{} free", size(free))));
        }
        let configuration = match self.mistakes.len() {
            0 => format!("{}: no mistakes", self.configuration),
            many => format!(
                "{}; the server would not start with it, and no reload succeeds:\n{}",
                counted(many, "mistake"),
                self.mistakes.join("\n")
            ),
        };
        pairs.push(("configuration", configuration));
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let terminal = terminal_size::terminal_size_of(io::stdout());
        if let Some((terminal_size::Width(columns), _)) = terminal {
            let room = usize::from(columns).saturating_sub(width + GAP);
            for (_, value) in &mut pairs {
                *value = wrapped(value, room);
            }
        }
        out.pairs(&pairs)?;
        out.done()
    }

    fn running(&self, now: i64) -> String {
        let listen = self.listen.as_deref().unwrap_or_default();
        match (self.running, self.since) {
            (false, _) => "not running".to_owned(),
            (true, None) => format!("running at {listen}"),
            (true, Some(since)) => format!(
                "running at {listen} since {} ({})",
                local_time::format(since),
                span(now.saturating_sub(since))
            ),
        }
    }
}

impl InStore {
    fn waiting(&self) -> String {
        let mut waiting = Vec::new();
        if self.todo > 0 {
            waiting.push(format!("{} to do", counted(self.todo, "message")));
        }
        for (count, noun) in [
            (self.queues.profiles, "profile"),
            (self.queues.forwards, "forward"),
        ] {
            if count > 0 {
                waiting.push(counted(count, noun));
            }
        }
        for HookQueue {
            name,
            waiting: count,
        } in &self.queues.hooks
        {
            if *count > 0 {
                waiting.push(format!("{} of hook {name}", counted(count, "event")));
            }
        }
        match waiting.is_empty() {
            true => "nothing".to_owned(),
            false => waiting.join(", "),
        }
    }
}

/// Spaces between a name and its value.
const GAP: usize = 2;

/// Breaks lines between words so that none is wider than `room`, unless a word is.
fn wrapped(text: &str, room: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in line.split(' ') {
            if !current.is_empty() && current.width() + 1 + word.width() > room {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// A time span in its two largest units.
fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{} {} h", counted(days, "day"), hours % 24),
    }
}

fn size(bytes: u64) -> String {
    shown_size(usize::try_from(bytes).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        for (seconds, shown) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (7_500, "2 h 5 min"),
            (86_400, "1 day 0 h"),
            (2 * 86_400 + 7_200, "2 days 2 h"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("incomprehensible", 7), "incomprehensible");
        assert_eq!(wrapped("a b\nc d", 3), "a b\nc d");
    }
}
