//! Stops calling a service that fails: after a few failures in a row nothing is called for a while, then one call tries
//! it.

use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row open the circuit.
const MOST_FAILURES: u32 = 5;

/// How long nothing is called.
const PAUSE: Duration = Duration::from_secs(10);

/// A try that has not said how it ended after this long never will; no service may take longer than 5 minutes.
const LONGEST_TRY: Duration = Duration::from_secs(330);

/// The circuit of one service: closed while it works.
#[derive(Debug)]
pub struct Circuit(Mutex<State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many failures in a row.
    Closed(u32),
    /// Nothing is called before.
    Open(Instant),
    /// One call tries whether it works again; it is given up at this time.
    Trying(Instant),
}

/// A change of the circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing is called any more; why the last call failed.
    Opened(String),
    /// It works again.
    Closed,
}

impl Circuit {
    /// A closed circuit.
    #[must_use]
    pub fn new() -> Circuit {
        Circuit(Mutex::new(State::Closed(0)))
    }

    /// Whether a call that is asked for now has a chance.
    #[must_use]
    pub fn admits(&self, now: Instant) -> bool {
        match *self.lock() {
            State::Closed(_) => true,
            State::Open(until) | State::Trying(until) => now >= until,
        }
    }

    /// Whether a call may begin. If it is the one that tries, no other may until it has [`Circuit::succeeded`] or
    /// [`Circuit::failed`].
    #[must_use]
    pub fn begin(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match *state {
            State::Closed(_) => true,
            State::Open(until) | State::Trying(until) if now >= until => {
                *state = State::Trying(now + LONGEST_TRY);
                true
            }
            State::Open(_) | State::Trying(_) => false,
        }
    }

    /// A call succeeded.
    pub fn succeeded(&self) -> Option<Change> {
        match mem::replace(&mut *self.lock(), State::Closed(0)) {
            State::Closed(_) => None,
            State::Open(_) | State::Trying(_) => Some(Change::Closed),
        }
    }

    /// A call failed.
    pub fn failed(&self, now: Instant, why: &str) -> Option<Change> {
        let mut state = self.lock();
        match *state {
            State::Closed(failures) if failures + 1 < MOST_FAILURES => {
                *state = State::Closed(failures + 1);
                None
            }
            State::Closed(_) => {
                *state = State::Open(now + PAUSE);
                Some(Change::Opened(why.to_owned()))
            }
            State::Trying(_) => {
                *state = State::Open(now + PAUSE);
                None
            }
            // It began before the circuit opened.
            State::Open(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Circuit {
    fn default() -> Circuit {
        Circuit::new()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Opened(why) => write!(f, "circuit open: {why}"),
            Change::Closed => f.write_str("circuit closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// An open circuit, and the time at which it opened.
    fn open() -> (Circuit, Instant) {
        let (circuit, now) = (Circuit::new(), Instant::now());
        for _ in 1..MOST_FAILURES {
            assert_eq!(circuit.failed(now, "HTTP 500"), None);
            assert!(circuit.admits(now) && circuit.begin(now));
        }
        let change = circuit.failed(now, "HTTP 502");
        assert_eq!(change, Some(Change::Opened("HTTP 502".to_owned())));
        (circuit, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let (circuit, now) = (Circuit::new(), Instant::now());
        for _ in 0..10 {
            for _ in 1..MOST_FAILURES {
                assert_eq!(circuit.failed(now, "HTTP 500"), None);
            }
            assert_eq!(circuit.succeeded(), None);
            assert!(circuit.admits(now) && circuit.begin(now));
        }
    }

    #[test]
    fn nothing_is_called_while_it_is_open() {
        let (circuit, now) = open();
        let almost = now + PAUSE - Duration::from_millis(1);
        for at in [now, almost] {
            assert!(!circuit.admits(at) && !circuit.begin(at));
        }
        assert_eq!(circuit.failed(almost, "began before"), None);
        assert!(circuit.admits(now + PAUSE), "that did not make it longer");
    }

    #[test]
    fn one_call_tries_and_its_success_closes_it() {
        let (circuit, now) = open();
        let later = now + PAUSE;
        assert!(circuit.admits(later) && circuit.begin(later));
        assert!(!circuit.admits(later) && !circuit.begin(later));
        assert_eq!(circuit.succeeded(), Some(Change::Closed));
        assert_eq!(circuit.succeeded(), None);
        assert!(circuit.admits(later) && circuit.begin(later));
        assert_eq!(circuit.failed(later, "HTTP 500"), None);
    }

    #[test]
    fn a_failed_try_opens_it_again_without_saying_so_twice() {
        let (circuit, now) = open();
        let later = now + PAUSE;
        assert!(circuit.begin(later));
        assert_eq!(circuit.failed(later, "HTTP 503"), None);
        assert!(!circuit.admits(later) && !circuit.begin(later));
        assert!(circuit.begin(later + PAUSE));
    }

    #[test]
    fn a_try_that_never_ends_is_followed_by_another() {
        let (circuit, now) = open();
        let later = now + PAUSE;
        assert!(circuit.begin(later));
        let given_up = later + LONGEST_TRY;
        assert!(!circuit.begin(given_up - Duration::from_secs(1)));
        assert!(circuit.admits(given_up) && circuit.begin(given_up));
        assert!(!circuit.begin(given_up));
    }

    #[test]
    fn an_older_call_that_succeeds_closes_it() {
        let (circuit, now) = open();
        assert_eq!(circuit.succeeded(), Some(Change::Closed));
        assert!(circuit.admits(now));
    }

    #[test]
    fn of_several_threads_one_gets_the_try() {
        let (circuit, now) = open();
        let (later, together) = (now + PAUSE, Barrier::new(8));
        let begin = || {
            together.wait();
            circuit.begin(later)
        };
        let begun = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            let begun = threads.into_iter().map(|thread| thread.join());
            begun.filter(|begun| matches!(begun, Ok(true))).count()
        });
        assert_eq!(begun, 1);
    }
}
