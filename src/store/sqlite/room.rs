//! How large the store is, and how much room is beside it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The bytes that this user may still write beside a store with this path.
///
/// # Errors
/// When the system does not say.
pub fn free_beside(store: &Path) -> io::Result<u64> {
    let folder = store.parent().unwrap_or(Path::new(""));
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let room = rustix::fs::statvfs(folder)?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

/// The bytes of a store with this path, its write-ahead log included; 0 if there is none.
#[must_use]
pub fn size_of(store: &Path) -> u64 {
    let mut log = OsString::from(store);
    log.push("-wal");
    let length = |path: PathBuf| fs::metadata(path).map_or(0, |found| found.len());
    length(store.to_owned()).saturating_add(length(log.into()))
}
