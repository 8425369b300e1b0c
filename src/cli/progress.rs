//! One line on the terminal that says how far a long command is; nothing where stderr is no terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two paintings.
const PACE: Duration = Duration::from_millis(100);

/// Columns of the bar itself.
const WIDTH: usize = 24;

/// The line. Its end, and that of the value, clears it.
#[derive(Debug)]
pub(super) struct ProgressLine {
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    label: &'static str,
    begun: Instant,
    /// What was done already when the label came: it took no time now.
    at_first: i64,
    painted: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn on_stderr() -> ProgressLine {
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

    /// Shows how many are done, of so many where that is known.
    pub(super) fn show(&self, label: &'static str, done: i64, of: Option<i64>) {
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
        let line = line(label, done, of, done - state.at_first, now - state.begun);
        let mut stderr = io::stderr().lock();
        write!(stderr, "\r\x1b[K{line}").ok();
        stderr.flush().ok();
    }

    /// Takes the line away, so that what follows stands alone.
    pub(super) fn clear(&self) {
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

/// `label  [#####·····]  12000 of 25000  1940/s  7 s left`; `new` of `done` took `time`.
fn line(label: &str, done: i64, of: Option<i64>, new: i64, time: Duration) -> String {
    let mut line = format!("{label}  ");
    if let Some(of) = of.filter(|of| *of > 0) {
        let filled =
            usize::try_from(done.clamp(0, of).saturating_mul(WIDTH as i64) / of).unwrap_or(0);
        line += &format!(
            "[{}{}]  {done} of {of}",
            "#".repeat(filled),
            "·".repeat(WIDTH - filled.min(WIDTH))
        );
    } else {
        line += &done.to_string();
    }
    let seconds = time.as_secs_f64();
    if new > 0 && seconds >= 1.0 {
        let rate = new as f64 / seconds;
        line += &format!("  {rate:.0}/s");
        if let Some(of) = of.filter(|of| *of > done) {
            line += &format!("  {} left", span((of - done) as f64 / rate));
        }
    }
    line
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
            line("profiles", 12_000, Some(24_000), 10_000, ten),
            "profiles  [############············]  12000 of 24000  1000/s  12 s left"
        );
        assert_eq!(line("list", 10_000, None, 0, ten), "list  10000");
        assert_eq!(
            line("tags", 50, Some(50), 50, Duration::ZERO),
            "tags  [########################]  50 of 50"
        );
        assert_eq!(line("list", 5, Some(0), 0, ten), "list  5");
        assert_eq!(span(61.0), "1 min 1 s");
        assert_eq!(span(7_260.0), "2 h 1 min");
    }
}
