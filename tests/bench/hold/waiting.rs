//! Many pushes that wait for the store, and requests that do not need it.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::hitches::{Hitch, PAUSE, ask, signed_get};
use crate::honest::Honest;
use crate::support::http::Address;
use crate::support::{Request, TOKEN, Vitals, Wire, another_fan, text};

/// Connections whose push waits.
const WAITING: usize = 200;
/// How often another process locks the store, and for how long: shorter than the wait after which a push gets 503.
const LOCKS: usize = 3;
const LOCKED: Duration = Duration::from_secs(2);
/// Limit for the answer to a request that needs no commit.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Limit of resident memory per waiting connection, in KiB.
const MOST_EACH: f64 = 64.0;

/// 200 pushes wait while another process locks the store, several times; an unknown path, a bad signature and the
/// verification of the URL are answered meanwhile, each over a new connection.
pub fn two_hundred() -> Hitch {
    let account = crate::server();
    let address = account.address();
    // Warm up over few connections: memory kept from many would hide what those that wait take.
    Honest::at_full_speed(&account, 500, LOCKED);
    let before = Vitals::of(account.pid());
    let mut most = before;
    let (mut refused, mut wrong, mut slowest) = (0, 0, Duration::ZERO);
    let mut wires = Vec::new();
    for _ in 0..LOCKS {
        let lock = Connection::open(account.store_path()).unwrap();
        lock.busy_timeout(LOCKED).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let until = Instant::now() + LOCKED;
        refused += push_to_all(address, &mut wires, || {
            std::thread::scope(|scope| {
                let others = scope.spawn(|| without_a_commit(address, until));
                while Instant::now() < until {
                    most = most.max(Vitals::of(account.pid()));
                    std::thread::sleep(PAUSE);
                }
                lock.execute_batch("ROLLBACK").unwrap();
                let (others_wrong, took) = others.join().unwrap();
                wrong += others_wrong;
                slowest = slowest.max(took);
            });
        });
    }
    let each = most.rss.saturating_sub(before.rss) as f64 / WAITING as f64;
    let broken = [
        (
            refused > 0,
            format!("{refused} pushes were not answered 200"),
        ),
        (
            wrong > 0,
            format!("{wrong} requests that need no commit got a wrong answer"),
        ),
        (
            slowest > AT_ONCE,
            format!("a request that needs no commit took {slowest:.1?}"),
        ),
        (
            each > MOST_EACH,
            format!("{each:.0} KiB per waiting connection"),
        ),
    ];
    let broken = broken.into_iter().filter(|(breaks, _)| *breaks);
    Hitch {
        name: "200 waiting for a locked store",
        figures: vec![
            ("pushes", (LOCKS * WAITING) as f64),
            (
                "slowest answer without a commit, ms",
                slowest.as_secs_f64() * 1e3,
            ),
            ("KiB per waiting connection", each),
        ],
        broken: broken
            .map(|(_, what)| format!("200 waiting: {what}"))
            .collect(),
    }
}

/// Requests an unknown path, with a bad signature, and the verification of the URL, again and again. Returns how many
/// answers were wrong and how long the slowest took.
fn without_a_commit(address: &Address, until: Instant) -> (usize, Duration) {
    let (mut wrong, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < until {
        for (target, expected) in [
            ("/nowhere".to_owned(), 404),
            ("/wechat?signature=0&timestamp=0&nonce=0".to_owned(), 403),
            (signed_get(), 200),
        ] {
            let (status, took) = ask(address, &Request::new("GET", &target));
            wrong += usize::from(status != expected);
            slowest = slowest.max(took);
        }
        std::thread::sleep(PAUSE);
    }
    (wrong, slowest)
}

/// Sends a push over each connection, calls `meanwhile`, and reads the answers; returns how many were not 200. Opens
/// connections up to [`WAITING`] first, and drops those that the server closes.
fn push_to_all(address: &Address, kept: &mut Vec<Wire>, meanwhile: impl FnOnce()) -> usize {
    while kept.len() < WAITING {
        kept.push(Wire::connect(address).unwrap());
    }
    for wire in &mut *kept {
        let push = text("hello").from(&another_fan()).request("/wechat", TOKEN);
        wire.send(&push.keep_alive().bytes()).unwrap();
    }
    meanwhile();
    let mut refused = 0;
    kept.retain_mut(|wire| {
        let answer = wire.response();
        refused += usize::from(!answer.as_ref().is_ok_and(|answer| answer.status == 200));
        answer.is_ok_and(|answer| {
            !answer
                .headers
                .contains(&("connection".into(), "close".into()))
        })
    });
    refused
}
