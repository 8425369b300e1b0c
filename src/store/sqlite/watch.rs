//! Notices that the store may have changed without opening it: a store that is open cannot be restored.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::main_file::log_and_index;

/// A file that was written to less than this long ago may be written to again with the same time: the system's clock
/// for files advances in steps of some milliseconds.
const STEP: Duration = Duration::from_millis(50);

/// Looks at the files of a store now and then.
#[derive(Debug)]
pub struct Watch(Option<Files>);

#[derive(Debug)]
struct Files {
    path: PathBuf,
    seen: Option<Seen>,
}

/// What can be said about a store since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Nothing has changed.
    Same,
    /// Something may have changed.
    Changed,
    /// Another file is in its place.
    Replaced,
    /// There is none.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Device and number of the file.
    file: (u64, u64),
    main: Stamp,
    log: Option<Stamp>,
    /// It may be written to without another time.
    is_young: bool,
}

/// When a file was written to, and its length.
type Stamp = (Option<SystemTime>, u64);

impl Watch {
    /// The first look finds it changed, and each one a store that is in no file.
    #[must_use]
    pub fn new(file: Option<&Path>) -> Watch {
        Watch(file.map(|path| Files {
            path: path.to_owned(),
            seen: None,
        }))
    }

    /// Looks at the files.
    pub fn look(&mut self) -> Looked {
        self.0.as_mut().map_or(Looked::Changed, Files::look)
    }
}

impl Files {
    fn look(&mut self) -> Looked {
        let (Ok(main), Ok([log, _])) = (fs::metadata(&self.path), log_and_index(&self.path)) else {
            return Looked::Gone;
        };
        let stamp = |found: &fs::Metadata| (found.modified().ok(), found.len());
        let (file, main) = ((main.dev(), main.ino()), stamp(&main));
        let log = fs::metadata(log).ok().map(|log| stamp(&log));
        let young = |(written, _): Stamp| {
            written.is_none_or(|written| written.elapsed().is_ok_and(|age| age < STEP))
        };
        let now = Seen {
            file,
            main,
            log,
            is_young: young(main) || log.is_some_and(young),
        };
        match self.seen.replace(now) {
            None => Looked::Changed,
            Some(before) if before.file != file => Looked::Replaced,
            Some(before) if before.is_young || (before.main, before.log) != (main, log) => {
                Looked::Changed
            }
            Some(_) => Looked::Same,
        }
    }
}
