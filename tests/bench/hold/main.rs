//! How the server holds up: the latency of honest pushes and the memory of the process under attack, in a flood of
//! log-ins, while another process locks the store, while the disk stalls, while nobody reads the log, and in the long
//! run.
//!
//! `cargo bench --bench hold` takes about fourteen minutes; `cargo bench --bench hold -- --pushes 20000 --seconds 30 --each 3`
//! about two. All traffic is on the loopback, and the store in memory where there is enough, as in the tests: what is
//! compared is not the disk. Exit code 1: a limit was exceeded.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may panic on an impossible value"
)]

mod attacks;
mod hitches;
mod honest;
mod log_ins;
mod waiting;

#[path = "../../it/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests")]
mod support;

use attacks::Attack;
use hitches::Hitch;
use honest::Honest;
use serde_json::json;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Account, Setup, Vitals};

/// `server.max_connections`, the default.
const MOST: usize = 512;
/// The server may have this many threads in addition to one per connection.
const SPARE_THREADS: usize = 32;
/// Limit of resident memory under any attack, in KiB.
const MOST_RSS: usize = 64 * 1024;
/// Under attack p99 is at most this many times the quiet one, or [`MILLISECONDS`], whichever is larger.
const TIMES: f64 = 5.0;
/// See [`TIMES`].
const MILLISECONDS: f64 = 50.0;
/// Interval between two samples of the process.
const INTERVAL: Duration = Duration::from_millis(100);

const HELP: &str = "\
usage: cargo bench --bench hold -- [OPTION]...
  --each SECONDS  duration of honest pushes under each attack [10]
  --pushes N      then pushes at full speed [200000] …
  --seconds N     … and at an ordinary rate, for this time in all [600]
  --log-ins       only the flood of log-ins
  --json          print one JSON value instead of tables
Exit code 1: a limit was exceeded.";

/// The command line.
struct Arguments {
    help: bool,
    pushes: usize,
    seconds: u64,
    each: u64,
    log_ins: bool,
    json: bool,
}

/// The figures of one attack.
struct Figures {
    attack: &'static str,
    honest: Honest,
    /// The maximum of each.
    most: Vitals,
}

/// Memory in the long run.
struct Endurance {
    begin: Vitals,
    pushes: usize,
    after_pushes: Vitals,
    seconds: u64,
    end: Vitals,
}

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("hold: {what}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if arguments.help {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let each = Duration::from_secs(arguments.each);
    if arguments.log_ins {
        let hitch = log_ins::flood(each);
        match arguments.json {
            true => println!("{}", json!(hitch)),
            false => print_hitch(&hitch),
        }
        return verdict(&hitch.broken, arguments.json);
    }
    let figures: Vec<Figures> = Attack::ALL
        .into_iter()
        .map(|attack| under(attack, each))
        .collect();
    let hitches = [
        log_ins::flood(each),
        waiting::two_hundred(),
        hitches::stalled_disk(),
        hitches::unread_log(),
    ];
    let endurance = endure(arguments.pushes, Duration::from_secs(arguments.seconds));
    let mut broken = broken(&figures, &endurance);
    broken.extend(hitches.iter().flat_map(|hitch| hitch.broken.clone()));
    match arguments.json {
        true => println!("{}", as_json(&figures, &hitches, &endurance, &broken)),
        false => print(&figures, &hitches, &endurance),
    }
    verdict(&broken, arguments.json)
}

/// Says what does not hold, unless in JSON, and ends with that.
fn verdict(broken: &[String], json: bool) -> ExitCode {
    match (broken, json) {
        ([], false) => println!("all of it holds"),
        (_, false) => println!("does not hold: {}", broken.join("; ")),
        (_, true) => {}
    }
    match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Honest traffic during one attack, on a new server.
fn under(attack: Attack, time: Duration) -> Figures {
    let account = server();
    let over = AtomicBool::new(false);
    let mut most = Vitals::of(account.pid());
    let honest = std::thread::scope(|scope| {
        let (account, over) = (&account, &over);
        scope.spawn(move || attack.run(account.address(), over));
        // Let the attack build up before measuring.
        std::thread::sleep(Duration::from_millis(500));
        let honest = scope.spawn(move || Honest::for_a_while(account, time));
        while !honest.is_finished() {
            most = most.max(Vitals::of(account.pid()));
            std::thread::sleep(INTERVAL);
        }
        over.store(true, Ordering::Relaxed);
        honest.join().unwrap()
    });
    Figures {
        attack: attack.name(),
        honest,
        most,
    }
}

/// Pushes at full speed, then at an ordinary rate until the time is up.
fn endure(pushes: usize, time: Duration) -> Endurance {
    let account = server();
    Honest::at_full_speed(&account, 100, time);
    let (begin, started) = (Vitals::of(account.pid()), Instant::now());
    let pushes = Honest::at_full_speed(&account, pushes, time);
    let after_pushes = Vitals::of(account.pid());
    Honest::for_a_while(&account, time.saturating_sub(started.elapsed()));
    Endurance {
        begin,
        pushes,
        after_pushes,
        seconds: started.elapsed().as_secs(),
        end: Vitals::of(account.pid()),
    }
}

fn server() -> Account {
    Setup::new()
        .set("server.max_connections", &MOST.to_string())
        .start()
}

/// The limits that were exceeded, in sentences.
fn broken(figures: &[Figures], endurance: &Endurance) -> Vec<String> {
    let mut broken = Vec::new();
    let quiet = figures[0].honest.percentile(0.99);
    let limit = (quiet * TIMES).max(MILLISECONDS);
    for Figures {
        attack,
        honest,
        most,
    } in figures
    {
        let p99 = honest.percentile(0.99);
        if p99 > limit {
            broken.push(format!("{attack}: p99 {p99:.1} ms is over {limit:.1} ms"));
        }
        if honest.failures > 0 {
            let failures = honest.failures;
            broken.push(format!(
                "{attack}: {failures} honest pushes were not answered"
            ));
        }
        if most.threads >= MOST + SPARE_THREADS {
            broken.push(format!("{attack}: {} threads", most.threads));
        }
        if most.rss >= MOST_RSS {
            broken.push(format!("{attack}: {} KiB resident", most.rss));
        }
    }
    if endurance.end.rss >= MOST_RSS {
        broken.push(format!(
            "in the long run: {} KiB resident",
            endurance.end.rss
        ));
    }
    broken
}

fn print(figures: &[Figures], hitches: &[Hitch], endurance: &Endurance) {
    println!(
        "attack               answered  failed   p50 ms   p99 ms   max ms  threads   fds  RSS MiB"
    );
    for Figures {
        attack,
        honest,
        most,
    } in figures
    {
        println!(
            "{attack:<20} {:>8} {:>7} {:>8.2} {:>8.2} {:>8.2} {:>8} {:>5} {:>8.1}",
            honest.latencies.len(),
            honest.failures,
            honest.percentile(0.5),
            honest.percentile(0.99),
            honest.percentile(1.0),
            most.threads,
            most.fds,
            mebibytes(most),
        );
    }
    hitches.iter().for_each(print_hitch);
    println!(
        "memory: {:.1} MiB at the beginning, {:.1} after {} pushes, {:.1} after {} s",
        mebibytes(&endurance.begin),
        mebibytes(&endurance.after_pushes),
        endurance.pushes,
        mebibytes(&endurance.end),
        endurance.seconds
    );
}

fn print_hitch(hitch: &Hitch) {
    let figures: Vec<String> = hitch
        .figures
        .iter()
        .map(|(what, figure)| format!("{what} {figure:.1}"))
        .collect();
    println!("{}: {}", hitch.name, figures.join(", "));
}

fn as_json(
    figures: &[Figures],
    hitches: &[Hitch],
    endurance: &Endurance,
    broken: &[String],
) -> serde_json::Value {
    let rows = figures.iter().map(
        |Figures {
             attack,
             honest,
             most,
         }| {
            json!({
                "attack": attack, "answered": honest.latencies.len(), "failed": honest.failures,
                "p50_ms": honest.percentile(0.5), "p99_ms": honest.percentile(0.99),
                "max_ms": honest.percentile(1.0), "threads": most.threads, "fds": most.fds,
                "rss_kib": most.rss,
            })
        },
    );
    json!({
        "attacks": rows.collect::<Vec<_>>(),
        "hitches": hitches,
        "memory": {
            "begin_kib": endurance.begin.rss, "pushes": endurance.pushes,
            "after_pushes_kib": endurance.after_pushes.rss, "seconds": endurance.seconds,
            "end_kib": endurance.end.rss,
        },
        "does_not_hold": broken,
    })
}

fn mebibytes(vitals: &Vitals) -> f64 {
    vitals.rss as f64 / 1024.0
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut arguments = Self {
            help: false,
            pushes: 200_000,
            seconds: 600,
            each: 10,
            log_ins: false,
            json: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64, String> {
                let given = words.next().unwrap_or_default();
                given
                    .parse()
                    .map_err(|_| format!("{word}: {given:?} is not a number"))
            };
            match word.as_str() {
                "--pushes" => arguments.pushes = number()? as usize,
                "--seconds" => arguments.seconds = number()?,
                "--each" => arguments.each = number()?.max(1),
                "--log-ins" => arguments.log_ins = true,
                "--json" => arguments.json = true,
                "--help" | "-h" => arguments.help = true,
                // `cargo bench` passes this.
                "--bench" => {}
                other => return Err(format!("{other}: unknown")),
            }
        }
        Ok(arguments)
    }
}
