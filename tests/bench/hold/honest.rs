//! Honest traffic: pushes as the platform sends them, and how long their answers took.

use crate::support::http::Address;
use crate::support::{Account, TOKEN, Wire, another_fan, text};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clients at the same time.
const CLIENTS: usize = 4;
/// From one push of a client to its next: 200 pushes a second in all.
const PACE: Duration = Duration::from_millis(20);

/// What became of honest pushes.
#[derive(Default)]
pub struct Honest {
    /// Milliseconds from connecting to the whole answer, in ascending order.
    pub latencies: Vec<f64>,
    /// Pushes without an answer, or with another one than 200.
    pub failures: usize,
}

impl Honest {
    /// Pushes at [`PACE`], each over a connection of its own.
    pub fn for_a_while(account: &Account, time: Duration) -> Self {
        let address = account.address();
        let until = Instant::now() + time;
        let mut all = Self::default();
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut own = Self::default();
                        while Instant::now() < until {
                            let begun = Instant::now();
                            match push(address, None) {
                                Some(_) => own.latencies.push(begun.elapsed().as_secs_f64() * 1e3),
                                None => own.failures += 1,
                            }
                            std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
                        }
                        own
                    })
                })
                .collect();
            for client in clients {
                let own = client.join().unwrap();
                all.latencies.extend(own.latencies);
                all.failures += own.failures;
            }
        });
        all.latencies.sort_by(f64::total_cmp);
        all
    }

    /// Pushes as fast as they are answered, over kept connections; how many were, at most within `time`.
    pub fn so_many(account: &Account, count: usize, time: Duration) -> usize {
        let (begun, answered) = (Instant::now(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 * CLIENTS {
                scope.spawn(|| {
                    let mut kept = None;
                    while answered.load(Ordering::Relaxed) < count && begun.elapsed() < time {
                        let pushed = push(account.address(), Some(kept));
                        answered.fetch_add(usize::from(pushed.is_some()), Ordering::Relaxed);
                        kept = pushed.flatten();
                    }
                });
            }
        });
        answered.into_inner()
    }

    /// The latency that this share of the pushes did not exceed, in milliseconds; 0 without any.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or(0.0)
    }
}

/// One push, over a kept connection (or the first of one) or a connection of its own.
///
/// `None`: it was not answered, or not with 200; else the connection, if it stays.
fn push(address: &Address, kept: Option<Option<Wire>>) -> Option<Option<Wire>> {
    let mut request = text("hello").from(&another_fan()).request("/wechat", TOKEN);
    request.keep_alive = kept.is_some();
    let mut wire = match kept.flatten() {
        Some(wire) => wire,
        None => Wire::connect(address).ok()?,
    };
    wire.send(&request.bytes()).ok()?;
    let response = wire.response().ok()?;
    let closes = ("connection".to_owned(), "close".to_owned());
    let stays = !response.headers.contains(&closes);
    (response.status == 200).then_some(stays.then_some(wire))
}
