//! How long something takes, counted by upper bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds, in microseconds; beyond the last is one more place.
const BOUNDS: [u32; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Times of what was done so far.
#[derive(Debug, Default)]
pub struct Histogram {
    /// How many took up to each bound, and longer than the one before.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Nanoseconds.
    sum: AtomicU64,
}

/// A [`Histogram`] at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// Each upper bound in seconds, with how many took up to it, and longer than the one before.
    pub buckets: Vec<(f64, u64)>,
    /// Of all together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let fits = |bound: &u32| took <= Duration::from_micros((*bound).into());
        let place = BOUNDS.iter().position(fits).unwrap_or(BOUNDS.len());
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn times(&self) -> Times {
        let bounds = BOUNDS.map(|bound| f64::from(bound) / 1e6);
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Times {
            buckets: bounds
                .into_iter()
                .chain([f64::INFINITY])
                .zip(counts)
                .collect(),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl Times {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_counted_once_at_the_lowest_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let times = histogram.times();
        assert_eq!(times.count(), 5);
        assert!((times.sum - 60.001_002).abs() < 1e-9, "{times:?}");
        let some: Vec<_> = times
            .buckets
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(
            some,
            [(0.0005, 2), (0.001, 1), (30.0, 1), (f64::INFINITY, 1)]
        );
    }
}
