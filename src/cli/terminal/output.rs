//! Answers on stdout: aligned lines for people, one JSON value for programs.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::chart::terminal_width;
use super::failure::{Failure, complain};
use crate::local_time;
use crate::visible::Visible;

// No doc comment: clap would show it as the description of every command that flattens this.

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Json {
    /// Print JSON
    #[arg(id = "json", long = "json")]
    pub wanted: bool,
}

/// Where a command's answer goes.
#[derive(Debug)]
pub struct Output {
    to: To,
}

#[derive(Debug)]
enum To {
    /// Written as it comes. When standard output fails, the command has nothing left to do.
    Reader(BufWriter<StdoutLock<'static>>),
    /// Held back until the end by a command that changes something: the change matters more than its answer.
    AfterChange(Answer),
}

/// What a command that changes something prints: its answer, and what went wrong after the change was made.
#[derive(Debug, Default)]
struct Answer {
    unwritten: Vec<u8>,
    warnings: Vec<String>,
}

impl Output {
    /// For a command that reads: it ends when its output cannot be written.
    pub fn for_reading() -> Output {
        let out = BufWriter::new(io::stdout().lock());
        Output {
            to: To::Reader(out),
        }
    }

    /// For a command that changes something: writing never fails, so neither a closed pipe nor a full disk can stop the
    /// change. If standard output cannot be written, the answer goes to stderr; if its reader has gone, as with `head`,
    /// it is dropped.
    pub fn for_change() -> Output {
        Output {
            to: To::AfterChange(Answer::default()),
        }
    }

    /// Reports an error that happened after the change was made. It is printed after the answer and is not a failure.
    pub fn warn_on_error<E: std::fmt::Display>(&mut self, result: Result<(), E>, what: &str) {
        if let Err(error) = result {
            let warning = format!("{what}: {error}");
            match &mut self.to {
                To::AfterChange(answer) => answer.warnings.push(warning),
                To::Reader(_) => complain(&warning),
            }
        }
    }

    /// Prints `text`, which may have several lines. Control characters in it do not reach the terminal.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return self.raw_line("");
        }
        text.lines()
            .try_for_each(|line| self.raw_line(&Visible(line).to_string()))
    }

    /// Prints a line as it is, control characters included.
    pub fn raw_line(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self, "{line}")?)
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_all(bytes)?;
        self.done()
    }

    /// Prints the whole answer: one JSON value for programs, otherwise one line.
    pub fn answer(mut self, json: Json, value: &impl Serialize, line: &str) -> Result<(), Failure> {
        if json.wanted {
            return self.json(value);
        }
        self.line(line)?;
        self.done()
    }

    /// Prints the whole answer as one JSON value.
    pub fn json(mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self, value).map_err(io::Error::from)?;
        self.line("")?;
        self.done()
    }

    /// Prints one JSON value on a line of its own.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(io::Error::from)?;
        self.raw_line(&line)
    }

    /// Prints lines of `name  value`, with the values in one column.
    pub fn pairs(&mut self, pairs: &[(&str, String)]) -> Result<(), Failure> {
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

    /// Prints a table with a heading, each row on one line of the terminal. Empty columns are left out. If there are no
    /// rows, prints the sentence `nothing` instead.
    pub fn table<const N: usize>(
        &mut self,
        columns: [Column; N],
        rows: &[[String; N]],
        nothing: &str,
    ) -> Result<(), Failure> {
        if rows.is_empty() {
            return self.line(nothing);
        }
        self.rows(columns, rows, None, true)
    }

    /// Prints rows of a table that may go on later: its columns are at least as wide as those of the `usual` row.
    pub fn rows<const N: usize>(
        &mut self,
        columns: [Column; N],
        rows: &[[String; N]],
        usual: Option<[String; N]>,
        with_heading: bool,
    ) -> Result<(), Failure> {
        let this_year = format!("{}-", local_time::this_year());
        let shown = |row: &[String; N]| {
            std::array::from_fn(|n| match columns[n].kind {
                Kind::Text | Kind::Whole => Visible(&row[n]).to_string(),
                Kind::Time => short(&row[n], &this_year),
            })
        };
        let mut rows: Vec<[String; N]> = rows.iter().map(shown).collect();
        let count = rows.len();
        rows.extend(usual);
        let widths = layout(&columns, &rows, terminal_width());
        rows.truncate(count);
        if with_heading {
            let headings = columns.map(|column| column.heading.to_uppercase());
            self.row(&headings, &widths)?;
        }
        rows.iter().try_for_each(|row| self.row(row, &widths))
    }

    fn row<const N: usize>(
        &mut self,
        cells: &[String; N],
        widths: &[usize; N],
    ) -> Result<(), Failure> {
        let mut line = String::new();
        for (text, &width) in cells.iter().zip(widths).filter(|(_, width)| **width > 0) {
            let text = cell(text, width);
            line.push_str(&text);
            line.extend(std::iter::repeat_n(' ', width - text.width() + GAP));
        }
        self.raw_line(line.trim_end())
    }

    /// Shows what was written so far, before a question.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(Write::flush(self)?)
    }

    /// Ends the answer: everything written reaches stdout, then the warnings reach stderr.
    pub fn done(mut self) -> Result<(), Failure> {
        self.flush()?;
        if let To::AfterChange(answer) = self.to {
            answer.warnings.iter().for_each(|warning| complain(warning));
        }
        Ok(())
    }
}

impl Answer {
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

/// For callers that bring their own format, such as exports.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Reader(out) => out.write(bytes),
            To::AfterChange(answer) => answer.unwritten.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Reader(out) => out.flush(),
            To::AfterChange(answer) => {
                answer.flush();
                Ok(())
            }
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    kind: Kind,
}

/// How the cells of a column may be shortened to make a line fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Cut first; at [`LONGEST`] when there is no terminal.
    Text,
    /// Ids and numbers: cut last, and only for a terminal.
    Whole,
    /// Local times, shown without seconds and, in this year, without the year.
    Time,
}

/// A column of words, which may be cut.
pub const fn text(heading: &'static str) -> Column {
    Column {
        heading,
        kind: Kind::Text,
    }
}

/// A column of ids or numbers, which are useless in part.
pub const fn whole(heading: &'static str) -> Column {
    Column {
        heading,
        kind: Kind::Whole,
    }
}

/// A column of times, given as `2026-11-21 08:30:00`.
pub const fn time(heading: &'static str) -> Column {
    Column {
        heading,
        kind: Kind::Time,
    }
}

/// Spaces between two columns of a table.
const GAP: usize = 2;

/// The widest text when there is no terminal, in screen columns.
const LONGEST: usize = 41;

/// Text is not cut below this width while there are ids that are longer than most of their column and can be cut.
const LEGIBLE: usize = 12;

/// The narrowest that columns of each kind can get.
const LEAST_TEXT: usize = 4;
const LEAST_WHOLE: usize = 6;

/// The width of each column on the screen so that all of them fit into `room`; 0 for a column that is left out.
fn layout<const N: usize>(
    columns: &[Column; N],
    rows: &[[String; N]],
    room: Option<usize>,
) -> [usize; N] {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    for (width, column) in widths.iter_mut().zip(columns) {
        if *width > 0 {
            *width = (*width).max(column.heading.width());
        }
        if room.is_none() && column.kind == Kind::Text {
            *width = (*width).min(LONGEST);
        }
    }
    let Some(room) = room else { return widths };
    // One long id is not a reason to cut everything else.
    let usual = std::array::from_fn(|n| {
        let mut widths: Vec<usize> = rows.iter().map(|row| row[n].width()).collect();
        widths.sort_unstable();
        let median = widths.get(rows.len().saturating_sub(1) / 2);
        median.copied().unwrap_or(0).max(LEAST_WHOLE)
    });
    for (kind, least) in [
        (Kind::Text, [LEGIBLE; N]),
        (Kind::Whole, usual),
        (Kind::Text, [LEAST_TEXT; N]),
        (Kind::Whole, [LEAST_WHOLE; N]),
        (Kind::Time, [LEAST_WHOLE; N]),
    ] {
        loop {
            let shown = widths.iter().filter(|width| **width > 0);
            let taken = shown.map(|width| width + GAP).sum::<usize>();
            // The last column is followed by nothing.
            let Some(excess) = taken.saturating_sub(GAP).checked_sub(room + 1) else {
                return widths;
            };
            let of_kind = (0..N).filter(|n| columns[*n].kind == kind && widths[*n] > least[*n]);
            match of_kind.max_by_key(|n| widths[*n]) {
                // The widest column shrinks first, and no more than needed.
                Some(n) => widths[n] -= (excess + 1).min((widths[n] - least[n]).div_ceil(8)),
                None => break,
            }
        }
    }
    widths
}

/// A time without its seconds, and without its year if it begins with `this_year`.
fn short(time: &str, this_year: &str) -> String {
    let time = time.strip_prefix(this_year).unwrap_or(time);
    match time.rmatch_indices(':').nth(1) {
        Some(_) => time.rsplit_once(':').map_or(time, |(time, _)| time),
        None => time,
    }
    .to_owned()
}

/// A text on one line, made safe by [`Visible`] and cut to `width` screen columns.
pub fn cell(text: &str, width: usize) -> String {
    let text = Visible(text).to_string();
    if text.width() <= width {
        return text;
    }
    let mut cell = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used >= width {
            break;
        }
        cell.push(c);
    }
    cell.push('…');
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_cut_by_screen_columns() {
        assert_eq!(cell("好好好", 6), "好好好");
        assert_eq!(cell("好好好", 5), "好好…");
        assert_eq!(cell("好好好", 4), "好…");
        assert_eq!(cell("abc", 1), "…");
    }

    #[test]
    fn a_time_is_shown_without_seconds_and_without_this_year() {
        assert_eq!(short("2026-11-21 08:30:59", "2026-"), "11-21 08:30");
        assert_eq!(short("2025-11-21 08:30:59", "2026-"), "2025-11-21 08:30");
        assert_eq!(short("2025-11-21", "2026-"), "2025-11-21");
        assert_eq!(short("", "2026-"), "");
    }

    const COLUMNS: [Column; 3] = [whole("openid"), text("nickname"), text("remark")];

    fn rows(cells: &[[&str; 3]]) -> Vec<[String; 3]> {
        cells.iter().map(|row| row.map(str::to_owned)).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_cells_if_there_is_room() {
        let rows = rows(&[["o1", "Amy", ""], ["oSyn1a", "Ben", ""]]);
        assert_eq!(layout(&COLUMNS, &rows, Some(80)), [6, 8, 0]);
        assert_eq!(layout(&COLUMNS, &rows, None), [6, 8, 0]);
    }

    #[test]
    fn an_unusually_long_id_is_cut_before_text_becomes_unreadable() {
        let (usual, long) = ("o".repeat(28), "o".repeat(64));
        let words = "x".repeat(60);
        let row = |id: &str| [id.to_owned(), words.clone(), "a short remark".to_owned()];
        let rows = [row(&usual), row(&long), row(&usual)];
        let widths = layout(&COLUMNS, &rows, Some(80));
        assert!(widths[1] >= LEGIBLE && widths[2] >= LEGIBLE, "{widths:?}");
        assert_eq!(widths.iter().sum::<usize>() + 2 * GAP, 80);
        // If all ids are that long, none is cut.
        let rows = [row(&long), row(&long)];
        assert_eq!(layout(&COLUMNS, &rows, Some(80))[0], 64);
    }

    #[test]
    fn the_widest_text_shrinks_first_and_ids_last() {
        let long = "x".repeat(60);
        let rows = rows(&[["oSyn1aAQe7rT0uXk3mPzLc9WvBh4", &long, "a short remark"]]);
        for room in [200, 80, 60, 46, 30, 18, 1] {
            let widths = layout(&COLUMNS, &rows, Some(room));
            let taken: usize = widths.iter().sum::<usize>() + 2 * GAP;
            assert!(taken <= room.max(18), "{room}: {widths:?}");
            assert!(room < 44 || widths[0] == 28, "{room}: {widths:?}");
        }
        assert_eq!(layout(&COLUMNS, &rows, Some(80)), [28, 34, 14]);
        assert_eq!(layout(&COLUMNS, &rows, None), [28, LONGEST, 14]);
    }
}
