//! A file that the platform sends: to standard output, or to a file that takes its name only when it is whole.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::failure::{Failure, complain};
use super::interrupt;
use super::output::Output;
use super::whole_file::WholeFile;
use crate::api::ApiError;

/// That somebody takes the file: standard output is no terminal, or `out` names a file.
///
/// # Errors
/// [`Failure::Wrong`] where nobody does.
pub fn wanted(out: Option<&Path>) -> Result<(), Failure> {
    match out.is_none() && io::stdout().is_terminal() {
        true => Err(Failure::Wrong(
            "a terminal is no place for a file: name one with --out FILE".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Fetches to `out`, or else to standard output. Where `is_file` says that what came is no file, none is made.
///
/// # Errors
/// Those of `fetch`, and of writing.
pub fn fetch<T>(
    out: Option<&Path>,
    fetch: impl FnOnce(&mut dyn Write) -> Result<T, ApiError>,
    is_file: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let Some(path) = out else {
        let mut stdout = io::stdout().lock();
        if stdout.is_terminal() {
            let found = fetch(&mut io::sink())?;
            return match is_file(&found) {
                true => wanted(None).map(|()| found),
                false => Ok(found),
            };
        }
        let mut place = Place::new(&mut stdout);
        let found = fetch(&mut place);
        place.refused.map_or(Ok(()), Err)?;
        stdout.flush()?;
        return Ok(found?);
    };
    let failed = |error: io::Error| {
        let why = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                Failure::failed(why, "make room on the disk and repeat it")
            }
            _ => Failure::Failed(why),
        }
    };
    let mut file = WholeFile::begin(path)?;
    let (unfinished, name) = (file.part().to_owned(), path.to_owned());
    interrupt::before_the_end(move || {
        if fs::remove_file(&unfinished).is_ok() {
            complain(&format!("{}: not written: interrupted", name.display()));
        }
    })
    .map_err(failed)?;
    let mut place = Place::new(&mut file);
    let found = fetch(&mut place);
    place.refused.map_or(Ok(()), |error| Err(failed(error)))?;
    let found = found?;
    if is_file(&found) {
        file.finish()?;
    }
    Ok(found)
}

/// Where a file goes; keeps why it took no more, which is no fault of the platform's.
struct Place<'a> {
    to: &'a mut dyn Write,
    refused: Option<io::Error>,
}

impl<'a> Place<'a> {
    fn new(to: &'a mut dyn Write) -> Place<'a> {
        Place { to, refused: None }
    }

    fn noting<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.refused.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.noting(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.noting(flushed)
    }
}

/// Says where a video lies, of which the platform gives no file.
///
/// # Errors
/// [`Failure::Failed`] where a file was asked for.
pub fn video(url: &str, out: Option<&Path>) -> Result<(), Failure> {
    let mut output = Output::text();
    output.line(url)?;
    output.done()?;
    match out {
        None => Ok(()),
        Some(path) => Err(Failure::Failed(format!(
            "{}: not written: of a video the platform gives this URL, fetch it from there",
            path.display()
        ))),
    }
}
