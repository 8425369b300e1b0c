//! Bars in the terminal: how wide it is, which characters it can show, and whether it has colours.

use std::env;
use std::io::{self, IsTerminal};

/// Columns where there is no terminal.
const WIDTH: usize = 80;

/// A drawn bar has at least this many columns to grow in.
const LEAST: usize = 4;

/// The columns of the terminal on standard output; `None` if that is none, or does not tell.
pub fn terminal_width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(io::stdout());
    let width = size.map(|(terminal_size::Width(columns), _)| usize::from(columns));
    width.filter(|columns| *columns > 0)
}

/// What a bar is drawn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// What came, and everything that is only counted.
    Full,
    /// What left.
    Light,
}

/// How bars are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    width: usize,
    has_blocks: bool,
    has_colours: bool,
}

impl Chart {
    /// For standard output: block characters where the locale is UTF-8, colours on a terminal unless `NO_COLOR` is set.
    pub fn for_stdout() -> Chart {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Chart {
            width: terminal_width().unwrap_or(WIDTH),
            has_blocks: locale.contains("utf-8") || locale.contains("utf8"),
            has_colours: io::stdout().is_terminal()
                && set("NO_COLOR").is_none()
                && set("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// A line of `label` and bars of these lengths one after another. `label` is plain ASCII; `longest` is the largest
    /// sum of lengths of all lines that are drawn alike.
    pub fn line(&self, label: &str, bars: &[(Stroke, i64)], longest: i64) -> String {
        let room = self.width.saturating_sub(label.len() + 1 + bars.len());
        let mut line = label.to_owned();
        if bars.iter().any(|(_, length)| *length > 0) {
            line.push(' ');
        }
        for (stroke, length) in bars {
            let columns = columns(*length, longest, room.max(LEAST));
            if columns == 0 {
                continue;
            }
            let (blocks, plain, colour) = match stroke {
                Stroke::Full => ("█", "#", "32"),
                Stroke::Light => ("░", "-", "31"),
            };
            let bar = if self.has_blocks { blocks } else { plain }.repeat(columns);
            match self.has_colours {
                true => line += &format!("\x1b[{colour}m{bar}\x1b[0m"),
                false => line += &bar,
            }
        }
        line
    }
}

/// The columns of a bar: none for nothing, at least one for anything.
fn columns(length: i64, longest: i64, room: usize) -> usize {
    let (length, longest) = (i128::from(length.max(0)), i128::from(longest.max(1)));
    let scaled = (length * room as i128 + longest - 1) / longest;
    usize::try_from(scaled).map_or(room, |columns| columns.min(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_longer_than_the_line() {
        let chart = |width| Chart {
            width,
            has_blocks: false,
            has_colours: false,
        };
        let both = |came, left| [(Stroke::Full, came), (Stroke::Light, left)];
        assert_eq!(chart(20).line("day", &both(7, 7), 14), "day #######-------");
        assert_eq!(chart(20).line("day", &both(1, 0), 1_000), "day #");
        assert_eq!(chart(20).line("day", &both(0, 0), 14), "day");
        for width in [10, 40, 80] {
            for (came, left) in [(1, i64::MAX), (i64::MAX, 1), (999, 1), (5, 5)] {
                let line = chart(width).line("day", &both(came, left), came.saturating_add(left));
                assert!(line.len() <= width, "{width}: {line}");
            }
        }
        assert_eq!(chart(20).line("day", &both(-3, 0), 0), "day");
    }
}
