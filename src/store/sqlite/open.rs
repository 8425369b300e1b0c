//! Opening the file, and what is no store of ours.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::error::{ErrorKind, StoreError};
use super::super::options::PATIENCE;
use super::main_file::{Main, folder_of, log_and_index};
use super::wal::{KEPT, limit_log};
use super::{dbpage, schema};

/// Commands may wait longer than the server: a person is watching.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(15);

/// Pause between two attempts to switch to write-ahead logging.
const RETRY: Duration = Duration::from_millis(5);

/// Private to the owner: the file holds people's messages.
pub(super) const MODE: u32 = 0o600;

/// Opens the file for writing. Creates it, or migrates it to this program's schema, first.
///
/// # Errors
/// When the path is a folder, or the file belongs to another program or a newer version, is damaged or not writable.
pub(in super::super) fn for_writing(
    path: &Path,
) -> Result<(Connection, &'static Main), StoreError> {
    refuse_emptied(path)?;
    let main = private_file(path)?;
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| StoreError::from_sqlite(&path.display().to_string(), &error))?;
    prepare(path, &mut connection)?;
    Ok((connection, main))
}

/// Opens the file of an existing store for reading.
///
/// # Errors
/// When there is none, or it belongs to another program or another version.
pub(in super::super) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::at(path, "there is no store yet")
            .of_kind(ErrorKind::Gone)
            .advising("`wechatd serve` makes it"));
    }
    refuse_irregular(path)?;
    refuse_emptied(path)?;
    let empty = || StoreError::at(path, "the file is empty; `wechatd serve` fills it");
    if fs::metadata(path).is_ok_and(|found| found.len() == 0) {
        return Err(empty());
    }
    let fail =
        |error: &rusqlite::Error| StoreError::from_sqlite(&path.display().to_string(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| fail(&error))?;
    connection
        .busy_timeout(READ_PATIENCE)
        .and_then(|()| connection.pragma_update(None, "temp_store", "MEMORY"))
        .map_err(|error| fail(&error))?;
    refuse_foreign(path, &connection)?;
    match schema::version(&connection).map_err(|error| fail(&error))? {
        schema::VERSION => Ok(connection),
        0 => Err(empty()),
        older => Err(StoreError::at(
            path,
            format!(
                "is of the older version {older}; start the server once, it upgrades the store to version {}",
                schema::VERSION
            ),
        )),
    }
}

/// Creates a missing file, private from its first byte, and fixes the mode of an existing one.
fn private_file(path: &Path) -> Result<&'static Main, StoreError> {
    refuse_irregular(path)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE);
    let opened = match options.create_new(true).open(path) {
        Ok(made) => give_to_owner_of_folder(&made, path).map(|()| made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).open(path)
        }
        Err(error) => Err(error),
    };
    let file = opened.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; create its folder first",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; it must be writable by this user"
            }
            _ => "",
        };
        StoreError::at(path, format!("{error}{advice}"))
    })?;
    let mode = file
        .metadata()
        .map_err(|error| StoreError::at(path, error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(MODE))
            .map_err(|error| StoreError::at(path, error))?;
    }
    Ok(Main::of(file))
}

/// A store that root's command makes before the server has made one must not lock the server out.
fn give_to_owner_of_folder(made: &File, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = fs::metadata(folder_of(path))?;
    fchown(made, Some(folder.uid()), Some(folder.gid()))
}

/// Refuses anything but a regular file before SQLite touches it: SQLite would block on a FIFO and write to a device.
pub(super) fn refuse_irregular(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(StoreError::at(path, "is a folder; store.path names a file"))
        }
        Ok(found) if !found.is_file() => Err(StoreError::at(
            path,
            "is no regular file; name another one in store.path",
        )),
        // Opening it will report what is wrong.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses a file that was emptied while it was in use. SQLite would delete the log, which a server may still write to,
/// and begin a new store, as if nobody had ever followed the account.
pub(super) fn refuse_emptied(path: &Path) -> Result<(), StoreError> {
    // Looked for first: SQLite makes neither before the file has a page.
    let beside = log_and_index(path).unwrap_or_default();
    let Some(left) = beside.iter().find(|file| file.exists()) else {
        return Ok(());
    };
    if fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    let what = format!(
        "was emptied while it was in use, {} is still there",
        left.display()
    );
    Err(StoreError::at(path, what)
        .of_kind(ErrorKind::Damaged)
        .advising("restore a copy with `wechatd restore FILE`, or remove the emptied file with its -wal and -shm to begin with an empty store"))
}

fn prepare(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let name = path.display().to_string();
    let fail = |error: rusqlite::Error| StoreError::from_sqlite(&name, &error);
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    refuse_foreign(path, connection)?;
    let journal = log_ahead(connection).map_err(fail)?;
    if journal != "wal" {
        return Err(StoreError::at(
            path,
            format!(
                "write-ahead logging is not possible here (journal_mode {journal}); the file must be on a local disk"
            ),
        ));
    }
    // FULL: a commit is on disk before the platform gets its 200. secure_delete: erased bytes are overwritten.
    // wal_autocheckpoint = 0: a thread moves the log to the main file, not a commit.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;")
        .and_then(|()| limit_log(connection, KEPT))
        .map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    let before = schema::version(connection).map_err(fail)?;
    schema::migrate(connection).map_err(fail)?;
    if (1..schema::VERSION).contains(&before) {
        log::info!(
            "store: upgraded from version {before} to {}; an older wechatd refuses it from now on",
            schema::VERSION
        );
    }
    dbpage::warn_without_pages(connection).map_err(fail)
}

/// Switches to write-ahead logging. SQLite does not wait when another process switches at the same moment: one of the
/// two gets an error and must retry.
fn log_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let begun = Instant::now();
    loop {
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        match switched {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < PATIENCE =>
            {
                thread::sleep(RETRY);
            }
            switched => return switched,
        }
    }
}

/// Refuses a file that belongs to another program or was written by a newer wechatd.
pub(super) fn refuse_foreign(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let fail =
        |error: rusqlite::Error| StoreError::from_sqlite(&path.display().to_string(), &error);
    // Count the tables first: another process may be creating the store, and sets application_id in the same commit.
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    let application: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(fail)?;
    let version = schema::version(connection).map_err(fail)?;
    if application != schema::APPLICATION_ID && tables > 0 {
        return Err(StoreError::at(
            path,
            "is a database of another program; name another file in store.path",
        ));
    }
    if version > schema::VERSION {
        return Err(StoreError::at(
            path,
            format!(
                "is of version {version}, this program knows up to {}; run the newer wechatd that wrote it",
                schema::VERSION
            ),
        ));
    }
    Ok(())
}
