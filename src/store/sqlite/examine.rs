//! Checks whether a store can be opened, without touching it.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::super::error::StoreError;
use super::super::found::Found;
use super::open::{refuse_emptied, refuse_foreign, refuse_irregular};
use super::schema;

/// See [`examine`](super::super::examine).
pub(in super::super) fn examine(path: &Path) -> Result<Found, StoreError> {
    let fail =
        |error: rusqlite::Error| StoreError::from_sqlite(&path.display().to_string(), &error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Err(StoreError::at(
            path,
            "its folder must be writable by this user",
        ));
    }
    refuse_emptied(path)?;
    match fs::metadata(path) {
        // Whether the folder exists is up to the caller: a service creates its own.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::at(path, error)),
        Ok(found) if found.is_file() && found.len() == 0 => return Ok(Found::Older),
        Ok(_) => refuse_irregular(path)?,
    }
    if access(path, Access::READ_OK | Access::WRITE_OK).is_err() {
        return Err(StoreError::at(path, "must be writable by this user"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    refuse_foreign(path, &connection)?;
    match schema::version(&connection).map_err(fail)? {
        schema::VERSION => Ok(Found::Current),
        _ => Ok(Found::Older),
    }
}
