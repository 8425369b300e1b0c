//! Writes rows as CSV or JSON lines, one at a time.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::failure::Failure;
use super::output::Output;
use crate::store::Cell;
use crate::visible;

/// The column whose text is JSON.
const JSON: &str = "tagid_list";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A heading and a line for each, as RFC 4180 says
    Csv,
    /// One JSON object a line
    Jsonl,
}

// No doc comment, see `Json`.

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FormatArguments {
    /// csv or jsonl
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// CSV for Excel: shows Chinese correctly, and takes no text for a formula
    #[arg(long, conflicts_with = "format")]
    excel: bool,
}

/// Where exported rows go.
pub enum Export {
    Csv(Box<csv::Writer<Output>>),
    /// CSV in which a spreadsheet program finds no formulas.
    Excel(Box<csv::Writer<Output>>),
    Jsonl(Output),
}

/// Tells a spreadsheet program that the file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Export {
    pub fn to_stdout(arguments: FormatArguments) -> Result<Export, Failure> {
        let mut out = Output::for_reading();
        Ok(match (arguments.excel, arguments.format) {
            (true, _) => {
                out.write_all(BYTE_ORDER_MARK.as_bytes())?;
                let mut csv = csv::WriterBuilder::new();
                csv.terminator(csv::Terminator::CRLF);
                Export::Excel(Box::new(csv.from_writer(out)))
            }
            (false, Format::Csv) => Export::Csv(Box::new(csv::Writer::from_writer(out))),
            (false, Format::Jsonl) => Export::Jsonl(out),
        })
    }

    /// Writes a row, or the heading if there are no cells.
    pub fn row(&mut self, names: &[&str], cells: &[Cell]) -> Result<(), Failure> {
        match self {
            Export::Csv(csv) | Export::Excel(csv) if cells.is_empty() => {
                csv.write_record(names).map_err(failed)
            }
            Export::Csv(csv) => record(csv, cells, Cow::Borrowed),
            Export::Excel(csv) => record(csv, cells, harmless),
            Export::Jsonl(_) if cells.is_empty() => Ok(()),
            Export::Jsonl(out) => {
                serde_json::to_writer(&mut *out, &Row { names, cells }).map_err(io::Error::from)?;
                out.line("")
            }
        }
    }

    pub fn done(self) -> Result<(), Failure> {
        match self {
            Export::Csv(mut csv) | Export::Excel(mut csv) => Ok(csv.flush()?),
            Export::Jsonl(mut out) => Ok(out.flush()?),
        }
    }
}

fn record<'a>(
    csv: &mut csv::Writer<Output>,
    cells: &'a [Cell],
    shown: impl Fn(&'a str) -> Cow<'a, str>,
) -> Result<(), Failure> {
    for cell in cells {
        match cell {
            Cell::Null => csv.write_field(""),
            Cell::Integer(number) => csv.write_field(number.to_string()),
            Cell::Text(text) => csv.write_field(shown(text).as_bytes()),
            Cell::Bytes(bytes) => csv.write_field(hex(bytes)),
        }
        .map_err(failed)?;
    }
    csv.write_record(None::<&[u8]>).map_err(failed)
}

/// A text that no spreadsheet program takes for a formula: an apostrophe goes in front if it looks like one, and
/// control characters other than line breaks become spaces.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| visible::steers(c) && c != '\n';
    let plain = match text.contains(steers) {
        true => Cow::Owned(text.replace(steers, " ")),
        false => Cow::Borrowed(text),
    };
    let formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    match text.starts_with(|c: char| formula(c) || c.is_control())
        || plain.trim_start().starts_with(formula)
    {
        true => Cow::Owned(format!("'{plain}")),
        false => plain,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::from(error),
        kind => Failure::Failed(format!("export: {kind:?}")),
    }
}

/// A row as a JSON object, with the columns in order.
struct Row<'a> {
    names: &'a [&'a str],
    cells: &'a [Cell<'a>],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (name, cell) in self.names.iter().zip(self.cells) {
            match cell {
                Cell::Null => map.serialize_entry(name, &())?,
                Cell::Integer(number) => map.serialize_entry(name, number)?,
                Cell::Text(text) if *name == JSON => {
                    let list: Value = serde_json::from_str(text).unwrap_or(Value::Null);
                    map.serialize_entry(name, &list)?;
                }
                Cell::Text(text) => map.serialize_entry(name, text)?,
                Cell::Bytes(bytes) => map.serialize_entry(name, &hex(bytes))?,
            }
        }
        map.end()
    }
}
