//! Honest traffic: pushes as the platform sends them, and the latency of their answers.

use crate::support::http::Address;
use crate::support::{Account, TOKEN, Wire, another_fan, text};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Concurrent clients.
const CLIENTS: usize = 4;
/// Interval between the pushes of one client: 200 pushes a second in all.
const PACE: Duration = Duration::from_millis(20);

/// The outcome of honest pushes.
#[derive(Default)]
pub struct Honest {
    /// Milliseconds from connecting to the complete answer, in ascending order.
    pub latencies: Vec<f64>,
    /// Pushes with no answer or with an answer other than 200.
    pub failures: usize,
}

impl Honest {
    /// Pushes at [`PACE`], each over a new connection.
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

    /// Up to `count` pushes as fast as they are answered, over kept connections, for `time` at most; returns how many
    /// were answered.
    pub fn at_full_speed(account: &Account, count: usize, time: Duration) -> usize {
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

    /// The latency in milliseconds that this share of the pushes did not exceed; 0 if there are none.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or(0.0)
    }
}

/// One push: over a connection that is to be kept (`Some`, with the one there is), or over a new one that closes.
///
/// `None`: no answer, or not 200; otherwise the connection if it stays open.
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
