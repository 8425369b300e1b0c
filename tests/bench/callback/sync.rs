//! The follower sync: what `followers sync` costs per follower, and how it affects pushes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::options::Options;
use crate::platform::Platform;
use crate::process::{Api, Server, Setup, cpu_of_the_ended, program, status};
use crate::push::{Kind, Recipe};
use crate::report::{Figures, Row, json_rows, measure, print_table, shown};
use crate::throughput::of;

/// The largest `api.rate`, so that the time is the work's and not the rate limit's.
const FASTEST: u32 = 1_000;

/// The default of `api.rate`.
const DEFAULT: u32 = 20;

/// Connections for pushes during a sync.
const CONNECTIONS: usize = 8;

/// Configurations for commands, next to the server's.
const AT_FASTEST: &str = "fastest.conf";
const AT_DEFAULT: &str = "default.conf";

/// Interval between two samples of a process.
const INTERVAL: Duration = Duration::from_millis(10);

/// An account with a store and its platform.
#[derive(Debug)]
pub struct Synced {
    platform: Platform,
    followers: u64,
    folder: TempDir,
}

/// A sync and its figures.
pub type SyncRow = (String, Vec<(&'static str, f64)>);

/// Three syncs with more and less to do, then pushes during further syncs.
pub fn run(options: &Options) {
    let account = Synced::new(options.rows);
    let mut syncs = first_and_again(&account);
    let leave = account.platform.some_leave();
    syncs.push(account.sync("1 % departed", 0, leave));
    let pushes = account.pushes(options);
    if options.json {
        let value = json!({ "syncs": json_syncs(&syncs), "pushes": json_rows(&pushes) });
        println!("{value}");
        return;
    }
    print_syncs(&syncs);
    print_table("Pushes during a sync", &pushes);
}

/// The sync of an empty store, and a second one that finds no change.
pub fn first_and_again(account: &Synced) -> Vec<SyncRow> {
    vec![
        account.sync("first", account.followers, 0),
        account.sync("nothing changed", 0, 0),
    ]
}

/// Prints syncs as one Markdown table.
pub fn print_syncs(syncs: &[SyncRow]) {
    let names: Vec<&str> = syncs
        .first()
        .map(|(_, figures)| figures.iter().map(|(name, _)| *name).collect())
        .unwrap_or_default();
    println!("\n`followers sync`, {FASTEST} calls a second allowed\n");
    println!("| sync | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    for (name, figures) in syncs {
        let cells: Vec<String> = figures.iter().map(|(_, value)| shown(*value)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Cost per follower relative to a sync of a tenth as many, for the syncs of [`first_and_again`].
pub fn growth(few: &[SyncRow], many: &[SyncRow]) -> Vec<(String, f64)> {
    let mut ratios = Vec::new();
    for ((_, few), (name, many)) in few.iter().zip(many) {
        let of = |figures: &[(&str, f64)], name: &str| {
            let figure = figures.iter().find(|(known, _)| *known == name);
            figure.map_or(f64::NAN, |(_, value)| *value)
        };
        let time = of(few, "followers/s") / of(many, "followers/s");
        let cpu = of(many, "CPU µs/follower") / of(few, "CPU µs/follower");
        ratios.push((format!("time per follower, {name} / a tenth"), time));
        ratios.push((format!("CPU per follower, {name} / a tenth"), cpu));
    }
    ratios
}

/// Syncs as JSON.
pub fn json_syncs(syncs: &[SyncRow]) -> Value {
    let row = |(name, figures): &SyncRow| {
        let fields = figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        json!({ "run": name, "figures": Value::Object(fields.collect()) })
    };
    Value::Array(syncs.iter().map(row).collect())
}

impl Synced {
    /// An empty store, and a platform with this number of followers.
    pub fn new(followers: u64) -> Synced {
        let platform = Platform::start(followers);
        let folder = setup(&platform, DEFAULT, "off").folder();
        for (name, rate) in [(AT_FASTEST, FASTEST), (AT_DEFAULT, DEFAULT)] {
            let text = setup(&platform, rate, "off").configuration();
            fs::write(folder.path().join(name), text).unwrap();
        }
        Synced {
            platform,
            followers,
            folder,
        }
    }

    /// One complete sync, observed from outside.
    fn sync(&self, name: &str, came: u64, gone: u64) -> SyncRow {
        self.platform.take_calls();
        let before = cpu_of_the_ended();
        let begun = Instant::now();
        let child = command(&self.folder.path().join(AT_FASTEST));
        let pid = child.id();
        let over = AtomicBool::new(false);
        let (output, ended, observed) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(pid, &over));
            let output = child.wait_with_output().unwrap();
            let ended = Instant::now();
            over.store(true, Ordering::Relaxed);
            (output, ended, watching.join().unwrap())
        });
        let after = cpu_of_the_ended();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        for (name, expected) in [("came", came), ("gone", gone), ("refused", 0)] {
            assert_eq!(summary[name], expected, "{name} in {summary}");
        }

        let calls = self.platform.take_calls();
        let listing = calls.listing.unwrap_or(begun);
        let (first, last) = calls.profiles.unwrap_or((listing, listing));
        let followers = summary["listed"].as_f64().unwrap_or_default();
        let seconds = (ended - begun).as_secs_f64();
        let (user, system) = (after.user - before.user, after.system - before.system);
        let figures = vec![
            ("followers", followers),
            ("seconds", seconds),
            ("followers/s", followers / seconds),
            ("list s", (first - listing).as_secs_f64()),
            ("profiles s", (last - first).as_secs_f64()),
            ("tidying s", (ended - last).as_secs_f64()),
            ("user s", user),
            ("system s", system),
            ("CPU µs/follower", (user + system) * 1e6 / followers),
            ("peak RSS MiB", observed.peak_kib as f64 / 1024.0),
            ("written MiB", observed.written as f64 / 1024.0 / 1024.0),
            ("API calls", calls.count as f64),
        ];
        (format!("{name}, {}", self.followers), figures)
    }

    /// Pushes to a server on this store: without a sync, during `followers sync`, and during the server's own sync.
    fn pushes(self, options: &Options) -> Vec<Row> {
        let Synced {
            platform, folder, ..
        } = self;
        let server = setup(&platform, DEFAULT, "off").start_in(folder);
        let fastest = server.config().with_file_name(AT_FASTEST);
        let patient = server.config().with_file_name(AT_DEFAULT);
        let begun = || platform.calls().listing.is_some();
        let listing = || platform.calls().profiles.is_none();
        let fetching = || platform.calls().profiles.is_some();
        let mut rows = Vec::new();
        let mut note = |name: &str, runs: Vec<Figures>| {
            if !runs.is_empty() {
                rows.push((name.to_owned(), Figures::median(&runs)));
            }
        };

        note("no sync", windows(options, &server, &|| true));

        platform.take_calls();
        let mut child = command(&fastest);
        wait_until(&begun);
        note(
            "`followers sync`, 1000 calls/s allowed, the list",
            windows(options, &server, &listing),
        );
        wait_until(&fetching);
        let goes_on = || fetching() && is_running(child.id());
        note(
            "`followers sync`, 1000 calls/s allowed, profiles",
            windows(options, &server, &goes_on),
        );
        child.kill().unwrap();
        child.wait().unwrap();

        // It resumes with the profiles, or starts over if the last one was complete.
        let mut child = loop {
            platform.take_calls();
            let mut child = command(&patient);
            wait_until(&|| fetching() || !is_running(child.id()));
            if fetching() {
                break child;
            }
            // Only the tidying was left, and is done now.
            assert!(child.wait().unwrap().success());
        };
        let goes_on = || is_running(child.id());
        note(
            "`followers sync`, 20 calls/s, profiles",
            windows(options, &server, &goes_on),
        );
        child.kill().unwrap();
        child.wait().unwrap();

        // Without a last sync the next one is due immediately.
        let store = rusqlite::Connection::open(server.store()).unwrap();
        store.busy_timeout(Duration::from_secs(10)).unwrap();
        let forget = "DELETE FROM settings WHERE name = 'synced_at'";
        store.execute(forget, []).unwrap();
        platform.take_calls();
        let nightly = setup(&platform, DEFAULT, "03:30").configuration();
        fs::write(server.config(), nightly).unwrap();
        server.reload();
        wait_until(&fetching);
        let goes_on = || {
            let profiles = platform.calls().profiles;
            profiles.is_some_and(|(_, last)| last.elapsed() < Duration::from_millis(500))
        };
        note(
            "the server's own sync, 20 calls/s, profiles",
            windows(options, &server, &goes_on),
        );
        rows
    }
}

fn setup(platform: &Platform, rate: u32, sync: &'static str) -> Setup {
    Setup {
        api: Some(Api {
            platform: platform.address,
            rate,
            sync,
        }),
        ..Setup::default()
    }
}

fn command(config: &Path) -> Child {
    Command::new(program())
        .arg("--config")
        .arg(config)
        .args(["followers", "sync", "--json"])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs of pushes; only those that began and ended while `during` was true count.
fn windows(options: &Options, server: &Server, during: &dyn Fn() -> bool) -> Vec<Figures> {
    let recipe = Recipe::new(Kind::Text, false, false);
    let mut runs = Vec::new();
    while runs.len() < options.repeat && during() {
        let figures = measure(options, of(server).as_place(), &recipe, CONNECTIONS);
        if during() {
            runs.push(figures);
        }
    }
    runs
}

fn wait_until(what: &dyn Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !what() {
        assert!(Instant::now() < deadline, "the sync makes no progress");
        std::thread::sleep(INTERVAL);
    }
}

/// Whether it still runs: a zombie has no memory.
fn is_running(pid: u32) -> bool {
    status(&[pid], "VmRSS") > 0
}

/// Figures of a process that can be read only while it runs.
#[derive(Debug, Default, Clone, Copy)]
struct Observed {
    peak_kib: u64,
    /// Bytes written to the disk.
    written: u64,
}

fn watch(pid: u32, over: &AtomicBool) -> Observed {
    let mut observed = Observed::default();
    while !over.load(Ordering::Relaxed) {
        observed.peak_kib = observed.peak_kib.max(status(&[pid], "VmHWM"));
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let written = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "));
        if let Some(written) = written.and_then(|bytes| bytes.parse().ok()) {
            observed.written = written;
        }
        std::thread::sleep(INTERVAL);
    }
    observed
}
