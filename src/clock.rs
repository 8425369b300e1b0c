//! The time of day in the two units that the program uses.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now in Unix seconds. A clock before 1970 reads as 0.
#[must_use]
pub fn unix_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}

/// Now in microseconds since 1970, for identifiers that must not repeat.
#[must_use]
pub fn unix_micros() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros())
}
