//! A file that a command writes, which gets its name only once it is complete and on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// A file being written, next to its destination, with `.part` added to its name. Dropping it unfinished removes it; the
/// leftovers of a killed command are removed by the next one.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl WholeFile {
    /// Starts a file that will be at `path`, or where a symbolic link there points.
    ///
    /// # Errors
    /// When something other than a regular file is there, or the folder is not writable.
    pub fn create(path: &Path) -> Result<WholeFile, Failure> {
        let failed = |error: io::Error| at(path, &error.to_string());
        let target = match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                return Err(at(
                    path,
                    "is no regular file; name another one, or leave --out away and redirect the output",
                ));
            }
            Ok(_) => fs::canonicalize(path).map_err(failed)?,
            Err(_) => path.to_owned(),
        };
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // Whatever is there is removed, never written to.
        fs::remove_file(&part).ok();
        let file = OpenOptions::new().write(true).create_new(true).open(&part);
        Ok(WholeFile {
            file: file.map_err(failed)?,
            part,
            target,
        })
    }

    /// Where the file is until it is finished.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Writes `bytes` as the whole file and finishes it.
    ///
    /// # Errors
    /// As [`WholeFile::finish`].
    pub fn write_and_finish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_all(bytes)
            .map_err(|error| at(&self.target, &error.to_string()))?;
        self.finish()
    }

    /// Gives the file its name, replacing any file that had it.
    ///
    /// # Errors
    /// When it cannot be written to the disk.
    pub fn finish(self) -> Result<(), Failure> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.part, &self.target))
            .map_err(|error| at(&self.target, &error.to_string()))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // After `finish` it is no longer there.
        fs::remove_file(&self.part).ok();
    }
}

fn at(path: &Path, what: &str) -> Failure {
    Failure::Failed(format!("{}: {what}", path.display()))
}
