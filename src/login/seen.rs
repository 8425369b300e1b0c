//! Which sessions were used, and when last, until the store is told: a request never writes.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most sessions that are remembered between two rounds of the chores; of more it is not noted that they were used.
const MOST: usize = 100_000;

/// Sessions that were used since the store was told.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<i64, i64>>);

impl Seen {
    /// Notes that the session with this id is used `now`, in Unix seconds.
    pub fn note(&self, id: i64, now: i64) {
        let mut seen = self.lock();
        let is_full = seen.len() >= MOST;
        match seen.get_mut(&id) {
            Some(at) => *at = now.max(*at),
            None if is_full => {}
            None => {
                seen.insert(id, now);
            }
        }
    }

    /// Ids and times of the sessions that were used since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<(i64, i64)> {
        mem::take(&mut *self.lock()).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_of_each_session_is_told_once() {
        let seen = Seen::default();
        seen.note(1, 10);
        seen.note(2, 11);
        seen.note(1, 12);
        seen.note(1, 9);
        let mut told = seen.take();
        told.sort_unstable();
        assert_eq!(told, [(1, 12), (2, 11)]);
        assert_eq!(seen.take(), []);
    }

    #[test]
    fn sessions_that_are_too_many_are_not_remembered_and_the_others_go_on() {
        let seen = Seen::default();
        let more = i64::try_from(MOST).expect("a small number") + 10;
        (0..more).for_each(|id| seen.note(id, 1));
        seen.note(0, 2);
        let told = seen.take();
        assert_eq!(told.len(), MOST);
        assert!(told.contains(&(0, 2)));
    }
}
