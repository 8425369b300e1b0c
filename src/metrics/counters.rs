//! The counters of the guard since it started, each declared once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters: one list for the struct and its log line.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of a guard since it started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
            /// Answers, by their status code.
            pub answers: Answers,
        }

        impl fmt::Display for Counters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let figures = [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+];
                for (index, (name, figure)) in figures.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{figure} {name}")?;
                }
                Ok(())
            }
        }
    };
}

counters! {
    /// Connections open now.
    open,
    /// Connections that have waited long for their answer, now.
    waiting,
    /// Connections accepted.
    accepted,
    /// Complete, well-formed requests, answered or not yet.
    requests,
    /// Connections closed at once to make room for others, or because all buffers together were too large.
    evicted,
    /// Requests that did not arrive in time, idle connections included, and answers that were not taken in time.
    timed_out,
    /// Requests answered 4xx or 505 by the guard itself, other than those that timed out.
    refused,
    /// Requests answered 503 because no handler answered.
    unanswered,
    /// Clients that hung up before their answer came.
    hung_up,
    /// Accepts that failed.
    accept_errors,
    /// Bytes that connections hold in buffers now.
    buffered,
}

/// Answers, by their status code.
#[derive(Debug)]
pub struct Answers([AtomicU64; 500]);

impl Answers {
    /// Counts an answer.
    pub fn add(&self, status: u16) {
        if let Some(count) = self.0.get(usize::from(status).wrapping_sub(100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The codes that were given, each with how often.
    pub fn given(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        (100..).zip(counts).filter(|(_, count)| *count > 0)
    }
}

impl Default for Answers {
    fn default() -> Answers {
        Answers([const { AtomicU64::new(0) }; 500])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_written_as_one_line() {
        let counters = Counters::default();
        counters.accepted.store(7, Ordering::Relaxed);
        let line = counters.to_string();
        assert!(
            line.starts_with("0 open, 0 waiting, 7 accepted, "),
            "{line}"
        );
    }

    #[test]
    fn answers_are_counted_by_their_code_and_nonsense_is_not() {
        let answers = Answers::default();
        for status in [200, 599, 200, 0, 99, 600, u16::MAX] {
            answers.add(status);
        }
        assert_eq!(answers.given().collect::<Vec<_>>(), [(200, 2), (599, 1)]);
    }
}
