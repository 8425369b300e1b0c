//! When figures are trouble: how long silence may last, and how many wrong signatures are too many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Seconds in a quarter of an hour, by which pushes are counted.
const QUARTER: i64 = 900;

/// Quarters in a day.
const DAY: i64 = 96;

/// Pushes within a day before which an account is too quiet to say what is usual.
const ENOUGH: i64 = 10;

/// Silence is trouble if it lasts so many times the longest gap.
const TIMES: i64 = 5;
/// Shorter silence is never trouble, in seconds.
pub const LEAST_SILENCE: i64 = 6 * 3_600;

/// How far back gaps count, in seconds.
pub const GAPS_OF: i64 = 14 * 86_400;

/// How many seconds without a push are usual; `None`: too few came to say. `quarters`: quarters of an hour since 1970
/// in which pushes came, with how many, in order.
#[must_use]
pub fn patience(quarters: &[(i64, i64)]) -> Option<i64> {
    let is_busy = |(at, &(first, _)): (usize, &(i64, i64))| {
        let day = quarters[at..]
            .iter()
            .take_while(|(quarter, _)| quarter - first < DAY);
        day.map(|(_, pushes)| pushes).sum::<i64>() >= ENOUGH
    };
    quarters.iter().enumerate().any(is_busy).then(|| {
        let gaps = quarters.windows(2).map(|pair| pair[1].0 - pair[0].0);
        let longest = gaps.max().unwrap_or(0).saturating_mul(QUARTER);
        longest.saturating_mul(TIMES).max(LEAST_SILENCE)
    })
}

/// Counts how requests to the callback are signed. It costs a rightly signed one a look at an atomic.
#[derive(Debug, Default)]
pub struct Signing {
    wrong: AtomicU64,
    /// Wrong ones since the last right one.
    in_a_row: AtomicU64,
}

impl Signing {
    /// A request was signed rightly.
    pub fn right(&self) {
        if self.in_a_row.load(Ordering::Relaxed) > 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// A request was signed wrongly.
    pub fn wrong(&self) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wrong signatures of the last while, as the one who watches saw their number grow.
#[derive(Debug, Default)]
pub struct WrongSignatures {
    seen: VecDeque<(Instant, u64)>,
}

impl WrongSignatures {
    /// Wrong ones within this time are too many if there are more than [`WrongSignatures::MANY`] ...
    pub const WITHIN: Duration = Duration::from_secs(600);
    const MANY: u64 = 20;

    /// ... and all of the last requests were among them.
    const LAST: u64 = 10;

    /// Whether they are too many now, and how many there are.
    pub fn too_many(&mut self, signing: &Signing, now: Instant) -> Option<u64> {
        let total = signing.wrong.load(Ordering::Relaxed);
        let is_old = |seen: &(Instant, u64)| now.saturating_duration_since(seen.0) > Self::WITHIN;
        // The newest of the old ones is the number at the beginning of the time.
        while self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        // Who watches has not seen the first ones come.
        let before = match self.seen.front() {
            Some(seen) if is_old(seen) => seen.1,
            Some(_) | None => 0,
        };
        if self.seen.back().is_none_or(|(_, last)| *last != total) {
            self.seen.push_back((now, total));
        }
        let many = total - before;
        let row = signing.in_a_row.load(Ordering::Relaxed);
        (many > Self::MANY && row >= Self::LAST).then_some(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_measured_by_the_longest_gap_and_not_before_a_day_with_ten_pushes() {
        assert_eq!(patience(&[]), None);
        assert_eq!(patience(&[(0, 9)]), None);
        // Ten, but not within a day.
        assert_eq!(patience(&[(0, 5), (96, 5)]), None);
        assert_eq!(patience(&[(0, 5), (95, 5)]), Some(TIMES * 95 * QUARTER));
        assert_eq!(patience(&[(0, 10)]), Some(LEAST_SILENCE));
        // Every quarter of an hour, and once three hours without.
        assert_eq!(
            patience(&[(0, 4), (1, 9), (13, 2)]),
            Some(TIMES * 3 * 3_600)
        );
    }

    #[test]
    fn many_wrong_signatures_in_ten_minutes_are_too_many_unless_one_was_right() {
        let (signing, mut seen) = (Signing::default(), WrongSignatures::default());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(seen.too_many(&signing, at(0)), None);
        (0..20).for_each(|_| signing.wrong());
        assert_eq!(seen.too_many(&signing, at(10)), None, "not more than 20");
        signing.wrong();
        assert_eq!(seen.too_many(&signing, at(20)), Some(21));
        signing.right();
        assert_eq!(seen.too_many(&signing, at(30)), None);
        (0..9).for_each(|_| signing.wrong());
        assert_eq!(seen.too_many(&signing, at(40)), None);
        signing.wrong();
        assert_eq!(seen.too_many(&signing, at(50)), Some(31));
        // Those of a while ago do not count.
        assert_eq!(seen.too_many(&signing, at(1_000)), None);
    }

    #[test]
    fn wrong_signatures_that_came_before_the_first_look_count_as_well() {
        let (signing, mut seen) = (Signing::default(), WrongSignatures::default());
        let begin = Instant::now();
        (0..8).for_each(|_| signing.wrong());
        assert_eq!(seen.too_many(&signing, begin), None);
        (0..13).for_each(|_| signing.wrong());
        for seconds in [10, 20, 600] {
            let now = begin + Duration::from_secs(seconds);
            assert_eq!(seen.too_many(&signing, now), Some(21), "{seconds} s");
        }
    }
}
