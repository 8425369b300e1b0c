//! One line on the terminal that shows how far a long command has got; nothing if stderr is not a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two updates.
const PACE: Duration = Duration::from_millis(100);

/// The width of the bar itself, in columns.
const BAR: std::ops::RangeInclusive<usize> = 6..=24;

/// The width assumed for a terminal that does not report one.
const COLUMNS: u16 = 80;

/// The progress line, which is cleared when this is dropped.
#[derive(Debug)]
pub struct ProgressLine {
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    label: &'static str,
    begun: Instant,
    /// How many were already done when this label was first shown; they do not count for the rate.
    at_first: i64,
    painted: Option<Instant>,
}

impl ProgressLine {
    pub fn on_stderr() -> ProgressLine {
        let state = State {
            label: "",
            begun: Instant::now(),
            at_first: 0,
            painted: None,
        };
        ProgressLine {
            state: io::stderr().is_terminal().then(|| Mutex::new(state)),
        }
    }

    /// Shows how many are done, and out of how many if that is known.
    pub fn show(&self, label: &'static str, done: i64, of: Option<i64>) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.label != label {
            *state = State {
                label,
                begun: now,
                at_first: done,
                painted: None,
            };
        }
        let is_last = of == Some(done);
        if !is_last && state.painted.is_some_and(|last| now - last < PACE) {
            return;
        }
        state.painted = Some(now);
        let columns = terminal_size::terminal_size_of(io::stderr())
            .map_or(COLUMNS, |(terminal_size::Width(columns), _)| columns);
        // Some terminals wrap a line that fills the last column.
        let width = usize::from(columns).saturating_sub(1);
        let new = done - state.at_first;
        let line = line(label, done, of, new, now - state.begun, width);
        let mut stderr = io::stderr().lock();
        write!(stderr, "\r\x1b[K{line}").ok();
        stderr.flush().ok();
    }

    /// Clears the line before other output.
    pub fn clear(&self) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.painted.take().is_some() {
            let mut stderr = io::stderr().lock();
            write!(stderr, "\r\x1b[K").ok();
            stderr.flush().ok();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `label  [#####·····]  12000 of 25000  1940/s  7 s left` in at most `width` columns; `new` of `done` took `time`. If
/// it is too long, the bar is left out first, then the rate, then the time left.
fn line(label: &str, done: i64, of: Option<i64>, new: i64, time: Duration, width: usize) -> String {
    let of = of.filter(|of| *of > 0);
    let mut line = match of {
        Some(of) => format!("{done} of {of}"),
        None => done.to_string(),
    };
    let used = |line: &str| label.len() + 2 + line.len();
    let seconds = time.as_secs_f64();
    if new > 0 && seconds >= 1.0 {
        let rate = new as f64 / seconds;
        let left = of
            .filter(|of| *of > done)
            .map(|of| format!("  {} left", span((of - done) as f64 / rate)))
            .unwrap_or_default();
        let rate = format!("  {rate:.0}/s");
        if used(&line) + rate.len() + left.len() <= width {
            line += &rate;
        }
        if used(&line) + left.len() <= width {
            line += &left;
        }
    }
    let room = width.saturating_sub(used(&line) + "[]  ".len());
    if let Some(of) = of
        && room >= *BAR.start()
    {
        let bar = room.min(*BAR.end());
        let share = done.clamp(0, of) as f64 / of as f64;
        let filled = (share * bar as f64) as usize;
        let (filled, empty) = ("#".repeat(filled), "·".repeat(bar - filled));
        return format!("{label}  [{filled}{empty}]  {line}");
    }
    format!("{label}  {line}").chars().take(width).collect()
}

fn span(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_how_fast_and_how_long() {
        let ten = Duration::from_secs(10);
        assert_eq!(
            line("profiles", 12_000, Some(24_000), 10_000, ten, 79),
            "profiles  [############············]  12000 of 24000  1000/s  12 s left"
        );
        assert_eq!(line("list", 10_000, None, 0, ten, 79), "list  10000");
        assert_eq!(
            line("tags", 50, Some(50), 50, Duration::ZERO, 79),
            "tags  [########################]  50 of 50"
        );
        assert_eq!(line("list", 5, Some(0), 0, ten, 79), "list  5");
        assert_eq!(span(61.0), "1 min 1 s");
        assert_eq!(span(7_260.0), "2 h 1 min");
    }

    #[test]
    fn ten_million_fit_any_terminal_and_the_bar_is_left_out_first() {
        let shown = |done, width| {
            let hour = Duration::from_secs(3_600);
            line(
                "fetching profiles",
                done,
                Some(10_000_000),
                1_000_000,
                hour,
                width,
            )
        };
        for width in 0..200 {
            for done in [0, 7, 1_234_567, 9_999_999, 10_000_000] {
                let line = shown(done, width);
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        assert_eq!(
            shown(5_000_000, 79),
            "fetching profiles  [#######·······]  5000000 of 10000000  278/s  5 h 0 min left"
        );
        assert_eq!(
            shown(5_000_000, 59),
            "fetching profiles  5000000 of 10000000  5 h 0 min left"
        );
        assert_eq!(
            shown(5_000_000, 39),
            "fetching profiles  5000000 of 10000000"
        );
        assert_eq!(shown(5_000_000, 20), "fetching profiles  5");
    }
}
