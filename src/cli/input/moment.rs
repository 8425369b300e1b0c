//! Points in time on the command line: `--since` and `--until`.

use crate::cli::terminal::Failure;
use crate::clock;
use crate::config::read_duration;
use crate::local_time;

/// Parses the value of such an option to Unix seconds.
///
/// # Errors
/// [`Failure::Wrong`] with examples if `text` is not a date.
pub fn moment(option: &str, text: &str) -> Result<i64, Failure> {
    if let Ok(ago) = read_duration(text) {
        return Ok(clock::unix_seconds().saturating_sub_unsigned(ago.as_secs()));
    }
    local_time::parse(text).ok_or_else(|| {
        Failure::wrong(
            format!("{option}: {text:?} is not a date"),
            "write 2026-11-21, \"2026-11-21 08:30\", or how long ago, such as 7d, 12h or 30m",
        )
    })
}

/// Parses `--since`, if it is given.
///
/// # Errors
/// As [`moment`].
pub fn since(text: Option<&str>) -> Result<Option<i64>, Failure> {
    text.map(|text| moment("--since", text)).transpose()
}
