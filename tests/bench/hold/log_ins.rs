//! A flood of log-ins on the pages while the platform hangs, and the pushes meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::hitches::Hitch;
use crate::honest::Honest;
use crate::support::browser::{SITE, code, sent_back};
use crate::support::http::{Answer, Response};
use crate::support::{Account, Fault, Platform, Request, Setup, Vitals, Wire};

/// How often the pushes are measured in quiet and then during the flood.
const PAIRS: usize = 5;
/// Limit of p99 during the flood as a multiple of that in quiet: the median of the pairs.
const TIMES: f64 = 2.0;
/// Limit of the memory that the flood takes, in KiB.
const MOST: usize = 32 * 1024;
/// Strangers at a time. Each opens the log-in inside WeChat, comes back with a code, asks for a code to scan and is
/// checked for a reverse proxy, again and again.
const STRANGERS: u8 = 4;
/// Interval between two rounds of such four requests by one stranger: 200 requests a second in all.
const ROUND: Duration = Duration::from_millis(80);
/// How long a stranger leaves a connection open that is not answered.
const PATIENCE: Duration = Duration::from_secs(5);
/// The calls to the platform that the pages make.
const CALLS: [&str; 2] = ["/sns/oauth2/access_token", "/cgi-bin/qrcode/create"];

/// The outcome for a new server.
struct Round {
    honest: Honest,
    requests: Requests,
    /// Resident memory in addition to that at the beginning, in KiB.
    taken: usize,
}

/// What became of the requests of the flood.
#[derive(Default)]
struct Requests {
    sent: usize,
    answered: usize,
    refused: usize,
}

/// Honest traffic for this time in quiet and for this time during the flood, [`PAIRS`] times.
pub fn flood(time: Duration) -> Hitch {
    let (mut quiet, mut flooded, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut failures, mut taken, mut all) = (0, 0, Requests::default());
    for _ in 0..PAIRS {
        let [before, during] = [0, STRANGERS].map(|strangers| round(time, strangers));
        let [without, with] = [&before, &during].map(|round| round.honest.percentile(0.99));
        quiet.push(without);
        flooded.push(with);
        times.push(with / without);
        failures += before.honest.failures + during.honest.failures;
        taken = taken.max(during.taken);
        all.add(during.requests);
    }
    let times = median(times);
    let expected = time.as_millis() as usize * PAIRS / 5;
    let broken = [
        (
            times > TIMES,
            format!("p99 is {times:.1} times that in quiet"),
        ),
        (
            failures > 0,
            format!("{failures} honest pushes were not answered"),
        ),
        (
            all.sent < expected * 9 / 10,
            format!("{} requests instead of {expected}", all.sent),
        ),
        (taken > MOST, format!("{taken} KiB more memory")),
    ];
    let broken = broken.into_iter().filter(|(breaks, _)| *breaks);
    Hitch {
        name: "200 requests/s for log-ins, the platform hangs",
        figures: vec![
            ("p99 in quiet, ms", median(quiet)),
            ("p99, ms", median(flooded)),
            ("times", times),
            ("requests", all.sent as f64),
            ("answered", all.answered as f64),
            ("refused", all.refused as f64),
            ("more memory, MiB", taken as f64 / 1024.0),
        ],
        broken: broken.map(|(_, what)| format!("log-ins: {what}")).collect(),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Honest traffic while that many strangers are about.
fn round(time: Duration, strangers: u8) -> Round {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("server.max_connections", &crate::MOST.to_string())
        .set("web.url", &format!("\"{SITE}\""))
        .start();
    for call in CALLS {
        platform.always(call, Fault::Hang);
    }
    // What is made with the first pushes is no concern here.
    Honest::for_a_while(&account, Duration::from_secs(1));
    let before = Vitals::of(account.pid());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (account, over) = (&account, &over);
        let strangers: Vec<_> = (0..strangers)
            .map(|number| scope.spawn(move || stranger(account, number, over)))
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let honest = Honest::for_a_while(account, time);
        let after = Vitals::of(account.pid());
        over.store(true, Ordering::Relaxed);
        let mut requests = Requests::default();
        for stranger in strangers {
            requests.add(stranger.join().unwrap());
        }
        Round {
            honest,
            requests,
            taken: after.rss.saturating_sub(before.rss),
        }
    })
}

/// Requests from ever new addresses, so that the limit for one address spares none of them.
fn stranger(account: &Account, number: u8, over: &AtomicBool) -> Requests {
    let begun = Instant::now();
    let mut requests = Requests::default();
    let mut open: VecDeque<(Instant, Wire)> = VecDeque::new();
    for round in 0u32.. {
        std::thread::sleep((ROUND * round).saturating_sub(begun.elapsed()));
        if over.load(Ordering::Relaxed) {
            break;
        }
        let [_, _, high, low] = round.to_be_bytes();
        let from = format!("10.{number}.{high}.{low}");
        let login = Request::new("GET", "/wx/login");
        let mut others = vec![
            Request::new("POST", "/wx/scan"),
            Request::new("GET", "/wx/auth"),
        ];
        if let Some(mut wire) = requests.send(account, &from, login.clone())
            && let Some(response) = requests.answer(&mut wire)
            && response.status == 302
        {
            let answer = Answer::new(response, &login, account.log());
            let code = code(&format!("oStranger{number}x{round}"));
            others.push(Request::new("GET", &sent_back(&answer, &code)));
        }
        for request in others {
            let wire = requests.send(account, &from, request);
            open.extend(wire.map(|wire| (Instant::now() + PATIENCE, wire)));
        }
        let is_over = |(until, _): &(Instant, Wire)| *until < Instant::now();
        while open.front().is_some_and(is_over)
            && let Some((_, mut wire)) = open.pop_front()
        {
            wire.give_up_at(Instant::now() + Duration::from_millis(1));
            requests.answer(&mut wire);
        }
    }
    requests
}

impl Requests {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.refused += other.refused;
    }

    fn send(&mut self, account: &Account, from: &str, request: Request) -> Option<Wire> {
        let request = request
            .header("X-Forwarded-For", from)
            .header("Origin", SITE)
            .header("User-Agent", "MicroMessenger");
        self.sent += 1;
        let mut wire = Wire::connect(account.address()).ok()?;
        wire.send(&request.bytes()).ok()?;
        Some(wire)
    }

    /// Reads the answer and counts it.
    fn answer(&mut self, wire: &mut Wire) -> Option<Response> {
        let response = wire.response().ok()?;
        match response.status {
            429 | 503 => self.refused += 1,
            _ => self.answered += 1,
        }
        Some(response)
    }
}
