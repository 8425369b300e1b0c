//! Answers on stdout: aligned lines for people, one JSON value for programs.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::Failure;
use crate::visible;

/// Where a command's answer goes.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(super) fn text() -> Output {
        Output {
            out: BufWriter::new(io::stdout().lock()),
        }
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        self.done()
    }

    /// One JSON value, and the end.
    pub(super) fn json(mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self.out, value).map_err(io::Error::from)?;
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

    /// A table with a heading; columns as wide as their widest cell on the screen.
    pub(super) fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), Failure> {
        let mut widths = heading.map(UnicodeWidthStr::width);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        self.row(&heading.map(str::to_uppercase), &widths)?;
        rows.iter().try_for_each(|row| self.row(row, &widths))
    }

    fn row<const N: usize>(
        &mut self,
        cells: &[String; N],
        widths: &[usize; N],
    ) -> Result<(), Failure> {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        self.line(line.trim_end())
    }

    /// Shows what was written so far: a question follows.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// All that was written reaches stdout.
    pub(super) fn done(mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }
}

/// What others write in a form of their own, such as exports.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A text on one line of a table, cut to `width` columns. What people wrote must not steer the terminal:
/// control characters and changes of direction become blanks.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut cell = String::new();
    let mut used = 0;
    for c in text
        .chars()
        .map(|c| if visible::steers(c) { ' ' } else { c })
    {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width {
            cell.push('…');
            break;
        }
        cell.push(c);
    }
    cell
}
