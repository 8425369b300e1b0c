//! Answers on stdout: aligned lines for people, one JSON value for programs.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::Failure;
use super::arguments::Json;
use super::failure::complain;
use crate::visible::Visible;

/// Where a command's answer goes.
#[derive(Debug)]
pub(super) struct Output {
    to: To,
}

#[derive(Debug)]
enum To {
    /// Standard output. When it cannot be written there is nothing left to do.
    Reader(BufWriter<StdoutLock<'static>>),
    /// The same for a command that changes something: the change matters more than its answer.
    Owner(Told),
}

/// What a changing command says: its answer, and what went wrong after the change was made.
#[derive(Debug, Default)]
struct Told {
    unwritten: Vec<u8>,
    troubles: Vec<String>,
}

impl Output {
    /// For a command that reads: it ends when its output cannot be written.
    pub(super) fn text() -> Output {
        let out = BufWriter::new(io::stdout().lock());
        Output {
            to: To::Reader(out),
        }
    }

    /// For a command that changes something: writing never fails, so that nobody who stops reading, and no full disk,
    /// comes between what was asked for and the change. What standard output does not take goes to stderr; where its
    /// reader has gone, as `head` does, nowhere.
    pub(super) fn of_change() -> Output {
        Output {
            to: To::Owner(Told::default()),
        }
    }

    /// The change was made; this is what could not be done after it. It is said after the answer, and is no failure.
    pub(super) fn afterwards<E: std::fmt::Display>(&mut self, result: Result<(), E>, what: &str) {
        if let Err(error) = result {
            let trouble = format!("{what}: {error}");
            match &mut self.to {
                To::Owner(told) => told.troubles.push(trouble),
                To::Reader(_) => complain(&trouble),
            }
        }
    }

    /// A line; where it holds others, each on its own. Whatever it tells of does not steer the terminal.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return self.drawn("");
        }
        text.lines()
            .try_for_each(|line| self.drawn(&Visible(line).to_string()))
    }

    /// A line that may steer the terminal.
    pub(super) fn drawn(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self, "{line}")?)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_all(bytes)?;
        self.done()
    }

    /// One JSON value for programs, else one line, and the end.
    pub(super) fn answer(
        mut self,
        json: Json,
        value: &impl Serialize,
        line: &str,
    ) -> Result<(), Failure> {
        if json.wanted {
            return self.json(value);
        }
        self.line(line)?;
        self.done()
    }

    /// One JSON value, and the end.
    pub(super) fn json(mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self, value).map_err(io::Error::from)?;
        self.line("")?;
        self.done()
    }

    /// Lines of `name  value`, the values in one column.
    pub(super) fn pairs(&mut self, pairs: &[(&str, String)]) -> Result<(), Failure> {
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in pairs {
            let mut lines = value.lines();
            self.line(format!("{name:width$}  {}", lines.next().unwrap_or_default()).trim_end())?;
            for more in lines {
                self.line(&format!("{:width$}  {more}", ""))?;
            }
        }
        Ok(())
    }

    /// A table with a heading; columns as wide as their widest cell on the screen. Without rows it is the
    /// sentence `nothing` alone.
    pub(super) fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: &[[String; N]],
        nothing: &str,
    ) -> Result<(), Failure> {
        if rows.is_empty() {
            return self.line(nothing);
        }
        let visible_row = |row: &[String; N]| row.each_ref().map(|cell| Visible(cell).to_string());
        let rows: Vec<[String; N]> = rows.iter().map(visible_row).collect();
        let widths = widths(&heading, &rows);
        self.row(&heading.map(str::to_uppercase), &widths)?;
        rows.iter().try_for_each(|row| self.row(row, &widths))
    }

    /// How many columns of the screen the cells of one column of a table may have, so that its lines fit the
    /// terminal: at least `least`, and no more where there is no terminal.
    pub(super) fn room<const N: usize>(
        heading: [&str; N],
        rows: &[[String; N]],
        column: usize,
        least: usize,
    ) -> usize {
        let Some((terminal_size::Width(all), _)) = terminal_size::terminal_size_of(io::stdout())
        else {
            return least;
        };
        let others = widths(&heading, rows).into_iter().enumerate();
        let others = others.filter(|(other, _)| *other != column);
        let taken: usize = others.map(|(_, width)| width + GAP).sum();
        // One is for the sign that says that a text was cut.
        usize::from(all).saturating_sub(taken + 1).max(least)
    }

    fn row<const N: usize>(
        &mut self,
        cells: &[String; N],
        widths: &[usize; N],
    ) -> Result<(), Failure> {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + GAP));
        }
        self.drawn(line.trim_end())
    }

    /// Shows what was written so far: a question follows.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(Write::flush(self)?)
    }

    /// All that was written reaches stdout.
    pub(super) fn done(mut self) -> Result<(), Failure> {
        self.flush()?;
        if let To::Owner(told) = self.to {
            told.troubles.iter().for_each(|trouble| complain(trouble));
        }
        Ok(())
    }
}

impl Told {
    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.unwritten);
        let mut stdout = io::stdout().lock();
        match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let text = String::from_utf8_lossy(&bytes);
                complain(&format!("standard output: {error}; it was to say:\n{text}"));
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What others write in a form of their own, such as exports.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Reader(out) => out.write(bytes),
            To::Owner(told) => told.unwritten.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Reader(out) => out.flush(),
            To::Owner(told) => {
                told.flush();
                Ok(())
            }
        }
    }
}

/// Blanks between two columns of a table.
const GAP: usize = 2;

/// The widest of each column, on the screen.
fn widths<const N: usize>(heading: &[&str; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = heading.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    widths
}

/// A text on one line of a table, as [`Visible`] and cut to `width` columns.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut cell = String::new();
    let mut used = 0;
    for c in Visible(text).to_string().chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width {
            cell.push('…');
            break;
        }
        cell.push(c);
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_cut_by_columns_of_the_screen() {
        assert_eq!(cell("好好好", 6), "好好好");
        assert_eq!(cell("好好好", 5), "好好…");
        assert_eq!(cell("abc", 0), "…");
    }
}
