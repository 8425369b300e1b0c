//! Saves a file that the platform sends to standard output, or to a file that gets its name only once it is complete.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::failure::{Failure, complain};
use super::interrupt;
use super::output::Output;
use super::whole_file::WholeFile;
use crate::api::ApiError;

/// Checks that the download has somewhere to go: `out` names a file, or standard output is not a terminal.
///
/// # Errors
/// [`Failure::Wrong`] if it has not.
pub fn check_destination(out: Option<&Path>) -> Result<(), Failure> {
    match out.is_none() && io::stdout().is_terminal() {
        true => Err(Failure::Wrong(
            "a terminal is no place for a file: name one with --out FILE".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Fetches to `out`, or to standard output. If `is_file` says that the answer was not a file, none is created.
///
/// # Errors
/// Those of `fetch`, and those of writing.
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
                true => check_destination(None).map(|()| found),
                false => Ok(found),
            };
        }
        let mut destination = Destination::new(&mut stdout);
        let found = fetch(&mut destination);
        destination.refused.map_or(Ok(()), Err)?;
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
    let unfinished = Arc::new(Mutex::new(None::<PathBuf>));
    // An interruption waits while the file is made, so that it finds it.
    let mut made = unfinished.lock().unwrap_or_else(PoisonError::into_inner);
    let (interrupted, name) = (Arc::clone(&unfinished), path.to_owned());
    interrupt::on_interrupt(move || {
        let mut part = interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        if part
            .take()
            .is_some_and(|part| fs::remove_file(part).is_ok())
        {
            complain(&format!("{}: not written: interrupted", name.display()));
        }
    })
    .map_err(failed)?;
    let mut file = WholeFile::create(path)?;
    *made = Some(file.part().to_owned());
    drop(made);
    let mut destination = Destination::new(&mut file);
    let found = fetch(&mut destination);
    destination
        .refused
        .map_or(Ok(()), |error| Err(failed(error)))?;
    let found = found?;
    if is_file(&found) {
        file.finish()?;
    }
    Ok(found)
}

/// The destination of a download. It keeps its write error, to tell it from an error of the platform.
struct Destination<'a> {
    to: &'a mut dyn Write,
    refused: Option<io::Error>,
}

impl<'a> Destination<'a> {
    fn new(to: &'a mut dyn Write) -> Destination<'a> {
        Destination { to, refused: None }
    }

    fn keep_error<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.refused.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl Write for Destination<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.keep_error(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.keep_error(flushed)
    }
}

/// Prints the URL of a video, as the platform does not send the file itself.
///
/// # Errors
/// [`Failure::Failed`] if a file was asked for.
pub fn video(url: &str, out: Option<&Path>) -> Result<(), Failure> {
    let mut output = Output::for_reading();
    output.line(url)?;
    output.done()?;
    match out {
        None => Ok(()),
        Some(path) => Err(Failure::Failed(format!(
            "{}: not written: of a video WeChat gives this URL, fetch it from there",
            path.display()
        ))),
    }
}
