//! How many QR codes of log-ins are asked of the platform: strangers must not use up what the account may make.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// QR codes that are asked of the platform in [`MINUTE`].
pub(super) const MOST_QR_CODES: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// How long none is asked for after one could not be made: people would wait for each.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// The QR codes that were asked for.
#[derive(Debug, Default)]
pub struct QrCodes(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// When.
    asked: Vec<Instant>,
    /// When the last one could not be made.
    failed: Option<Instant>,
}

impl QrCodes {
    /// Whether one more QR code may be asked of the platform now; notes that it is.
    pub fn may_ask(&self, now: Instant) -> bool {
        let is_within = |at: &Instant, time| now.saturating_duration_since(*at) < time;
        let mut state = self.lock();
        state.asked.retain(|at| is_within(at, MINUTE));
        let may = state.asked.len() < MOST_QR_CODES
            && !state.failed.is_some_and(|at| is_within(&at, AFTER_FAILURE));
        if may {
            state.asked.push(now);
        }
        may
    }

    /// Notes that a QR code could not be made now.
    pub fn pause(&self, now: Instant) {
        self.lock().failed = Some(now);
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
