//! How many texts no rule answers, for pages that cannot wait for the count each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::Live;
use crate::inbox::unanswered::{PERIOD, unanswered};
use crate::store::{Reader, StoreError};

/// A count is kept this many times as long as it took: in a small store it is always fresh.
const KEPT: u32 = 100;

/// The last count.
#[derive(Debug, Default)]
pub struct UnansweredCount(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    /// By whose rules.
    live: Arc<Live>,
    texts: usize,
    ended: Instant,
    took: Duration,
}

impl UnansweredCount {
    /// The number of texts of the last 30 days; `now` in Unix seconds.
    pub fn get(&self, reader: &Reader, live: &Arc<Live>, now: i64) -> Result<usize, StoreError> {
        let last = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = last().as_ref()
            && Arc::ptr_eq(&counted.live, live)
            && counted.ended.elapsed() < counted.took * KEPT
        {
            return Ok(counted.texts);
        }
        let began = Instant::now();
        let texts = unanswered(reader, &live.rules, now.saturating_sub(PERIOD), 0)?.texts;
        *last() = Some(Counted {
            live: Arc::clone(live),
            texts,
            ended: Instant::now(),
            took: began.elapsed(),
        });
        Ok(texts)
    }
}
