//! Rows as CSV or as JSON lines, one at a time.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::Failure;
use super::output::Output;
use crate::store::Cell;

/// The column that holds JSON.
const JSON: &str = "tagid_list";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A heading and a line for each, as RFC 4180 says
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Where exported rows go.
pub(super) enum Export {
    Csv(Box<csv::Writer<Output>>),
    Jsonl(Output),
}

impl Export {
    pub(super) fn to_stdout(format: Format) -> Export {
        match format {
            Format::Csv => Export::Csv(Box::new(csv::Writer::from_writer(Output::text()))),
            Format::Jsonl => Export::Jsonl(Output::text()),
        }
    }

    /// Writes a row; without values, the heading.
    pub(super) fn row(&mut self, names: &[&str], cells: &[Cell]) -> Result<(), Failure> {
        match self {
            Export::Csv(csv) if cells.is_empty() => csv.write_record(names).map_err(failed),
            Export::Csv(csv) => {
                for cell in cells {
                    match cell {
                        Cell::Null => csv.write_field(""),
                        Cell::Integer(number) => csv.write_field(number.to_string()),
                        Cell::Text(text) => csv.write_field(text),
                    }
                    .map_err(failed)?;
                }
                csv.write_record(None::<&[u8]>).map_err(failed)
            }
            Export::Jsonl(_) if cells.is_empty() => Ok(()),
            Export::Jsonl(out) => {
                serde_json::to_writer(&mut *out, &Row { names, cells }).map_err(io::Error::from)?;
                out.line("")
            }
        }
    }

    pub(super) fn done(self) -> Result<(), Failure> {
        match self {
            Export::Csv(mut csv) => Ok(csv.flush()?),
            Export::Jsonl(mut out) => Ok(out.flush()?),
        }
    }
}

fn failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::from(error),
        kind => Failure::Failed(format!("export: {kind:?}")),
    }
}

/// A row as a JSON object, its columns in their order.
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
            }
        }
        map.end()
    }
}
