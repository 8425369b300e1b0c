//! Trouble on the server's own machine: a disk that stalls, and a log that nobody reads.

use crate::support::account::send_signal;
use crate::support::http::Address;
use crate::support::{Disk, Push, Request, Setup, TOKEN, Wire, another_fan, signed_query, text};
use crate::support::{nonce, now};
use std::io::pipe;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Every request is answered within this time, whatever the disk does.
const ANSWERED: Duration = Duration::from_millis(4_500);
/// A stop ends within this time.
const STOPPED: Duration = Duration::from_secs(5);
/// How long the disk stalls.
const STALL: Duration = Duration::from_secs(12);
/// Interval between two rounds of requests that need no commit. (Each verification leaves its signature to the store,
/// whose queue is bounded.)
pub const PAUSE: Duration = Duration::from_millis(10);
/// Concurrent clients.
const CLIENTS: usize = 8;
/// Pushes while nobody reads the log: several times the capacity of a pipe and of the log's queue.
const UNREAD: usize = 40_000;

/// The outcome of one.
#[derive(serde::Serialize)]
pub struct Hitch {
    pub name: &'static str,
    /// Name and value of each figure.
    pub figures: Vec<(&'static str, f64)>,
    /// The limits that were exceeded, in sentences.
    #[serde(skip)]
    pub broken: Vec<String>,
}

/// The status of the answer and how long it took; status 0 if none came within 20 s.
pub fn ask(address: &Address, request: &Request) -> (u16, Duration) {
    let begun = Instant::now();
    let answer = Wire::connect(address).map_err(|error| error.to_string());
    let answer = answer.and_then(|mut wire| {
        wire.send(&request.bytes())
            .map_err(|error| error.to_string())?;
        wire.response()
    });
    (answer.map_or(0, |answer| answer.status), begun.elapsed())
}

/// The path and query that the console calls to verify the URL.
pub fn signed_get() -> String {
    let query = signed_query(TOKEN, &now().to_string(), &nonce());
    format!("/wechat?{query}&echostr=1")
}

/// Pushes and other requests while a sync hangs for twelve seconds; then the same pushes again.
pub fn stalled_disk() -> Hitch {
    let (setup, disk) = Disk::under(Setup::new());
    let mut account = setup.start();
    let (address, begun) = (account.address().clone(), Instant::now());
    disk.stall();
    let pushed: Mutex<Vec<(Push, u16, Duration)>> = Mutex::default();
    let others: Mutex<Vec<(u16, Duration)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while begun.elapsed() < STALL {
                    let push = text("while it stalls").from(&another_fan());
                    let (status, took) = ask(&address, &push.request("/wechat", TOKEN));
                    pushed.lock().unwrap().push((push, status, took));
                }
            });
        }
        scope.spawn(|| {
            while begun.elapsed() < STALL {
                for target in ["/nowhere", &signed_get()] {
                    let answer = ask(&address, &Request::new("GET", target));
                    others.lock().unwrap().push(answer);
                }
                std::thread::sleep(PAUSE);
            }
        });
        std::thread::sleep(STALL);
        disk.recover();
    });
    let (pushed, others) = (pushed.into_inner().unwrap(), others.into_inner().unwrap());
    let slowest = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    let of_pushes = slowest(&pushed.iter().map(|(_, _, took)| *took).collect::<Vec<_>>());
    let of_others = slowest(&others.iter().map(|(_, took)| *took).collect::<Vec<_>>());
    let again = pushed.iter().filter(|(push, _, _)| {
        let (status, _) = ask(&address, &push.request("/wechat", TOKEN));
        status == 200
    });
    let again = again.count();
    let rows = account.store().count("messages");

    // A stop during another stall.
    disk.stall();
    let request = text("at the end").request("/wechat", TOKEN);
    let mut wire = Wire::connect(&address).unwrap();
    wire.send(&request.bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let ended = account.stop();

    let mut broken = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            broken.push(format!("a stalled disk: {what}"));
        }
    };
    let seconds = |time: Duration| time.as_secs_f64();
    hold(
        of_pushes <= ANSWERED && of_others <= ANSWERED,
        format!("answers took {:.1} s", seconds(of_pushes.max(of_others))),
    );
    let unanswered = pushed.iter().filter(|(_, status, _)| *status == 0).count();
    hold(
        unanswered == 0,
        format!("{unanswered} pushes had no answer"),
    );
    let wrong = others
        .iter()
        .filter(|(status, _)| ![200, 404].contains(status));
    let wrong = wrong.count();
    hold(
        wrong == 0,
        format!("{wrong} requests that need no disk were refused"),
    );
    hold(
        again == pushed.len() && rows == pushed.len() as i64,
        format!(
            "of {} pushes {again} were answered again, {rows} recorded",
            pushed.len()
        ),
    );
    hold(
        ended.took <= STOPPED && ended.code == Some(0),
        format!("the stop: {ended:?}"),
    );
    Hitch {
        name: "a disk that stalls for 12 s",
        figures: vec![
            ("pushes", pushed.len() as f64),
            ("slowest answer to one, s", seconds(of_pushes)),
            ("slowest answer without a disk, s", seconds(of_others)),
            ("stop, s", seconds(ended.took)),
        ],
        broken,
    }
}

/// A server that logs into a pipe that nobody reads.
pub fn unread_log() -> Hitch {
    let setup = Setup::new();
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let account = setup.set("server.listen", &listen).stopped();
    let (reader, writer) = pipe().unwrap();
    let child = account.program(&["serve"]).stderr(writer).spawn();
    let mut child = Killed(child.unwrap());
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let address = Address::Unix(socket);
    let begun = Instant::now();
    let slowest = Mutex::new(Duration::ZERO);
    let failed = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..UNREAD / CLIENTS {
                    let push = text("unread").from(&another_fan());
                    let (status, took) = ask(&address, &push.request("/wechat", TOKEN));
                    *failed.lock().unwrap() += usize::from(status != 200);
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = took.max(*slowest);
                    if status == 0 {
                        return;
                    }
                }
            });
        }
    });
    let took = begun.elapsed();
    let (healthz, _) = ask(&address, &Request::new("GET", "/healthz"));
    let begun = Instant::now();
    send_signal(child.0.id(), "TERM");
    while child.0.try_wait().unwrap().is_none() && begun.elapsed() < STOPPED * 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let stop = begun.elapsed();
    drop(reader);
    let (slowest, failed) = (slowest.into_inner().unwrap(), failed.into_inner().unwrap());
    let mut broken = Vec::new();
    if failed > 0 || healthz != 200 {
        broken.push(format!(
            "an unread log: {failed} pushes failed, /healthz {healthz}"
        ));
    }
    if slowest > ANSWERED || stop > STOPPED {
        broken.push(format!(
            "an unread log: answers took {slowest:?}, the stop {stop:?}"
        ));
    }
    Hitch {
        name: "a log that nobody reads",
        figures: vec![
            ("pushes", UNREAD as f64),
            ("pushes/s", UNREAD as f64 / took.as_secs_f64()),
            ("slowest answer, s", slowest.as_secs_f64()),
            ("stop, s", stop.as_secs_f64()),
        ],
        broken,
    }
}

/// Killed when the bench ends, even if it panics.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
