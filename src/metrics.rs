//! The server's counters since it started, each declared once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters: one list for the struct and its log line.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The server's counters since it started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
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
}
