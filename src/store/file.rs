//! Which file is open: whether the one at `store.path` is still it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

/// The file that was opened. One that is deleted or moved away can be written on and on, and everything in it is
/// gone with the process: SQLite does not notice.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFile {
    /// Remembers the file at `path`, which was opened just now.
    pub(super) fn at(path: &Path) -> io::Result<OpenFile> {
        let found = fs::metadata(path)?;
        Ok(OpenFile {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    /// Asked before every commit: one system call, about a microsecond beside the disk's sync.
    ///
    /// # Errors
    /// When the path leads to another file, or to none.
    pub(super) fn is_in_place(&self) -> rusqlite::Result<()> {
        let same = |found: &fs::Metadata| found.dev() == self.device && found.ino() == self.inode;
        match fs::metadata(&self.path) {
            Ok(found) if same(&found) => Ok(()),
            Ok(_) => Err(self.lost("another file was put in its place")),
            Err(error) => Err(self.lost(&format!("it was taken away ({error})"))),
        }
    }

    fn lost(&self, how: &str) -> rusqlite::Error {
        let text = format!(
            "{} is not the file that is open any more, {how}: put it back, or restart the server",
            self.path.display()
        );
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTFOUND), Some(text))
    }
}
