//! Copies of the whole store: making one while the store is in use, and restoring one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::error::{ErrorKind, StoreError};
use super::super::settings;
use super::main_file::{beside, folder_of};
use super::open::{MODE, refuse_foreign, refuse_irregular};

/// Pages copied in one step: 8 MB, a few milliseconds.
const STEP: i32 = 2_000;

/// Pause while another program holds a lock.
const PAUSE: Duration = Duration::from_millis(20);

/// Makes a copy of the store at `path`, which may be of an earlier version and is not changed: what an upgrade needs
/// for the way back.
///
/// # Errors
/// Also when it is not an intact store.
pub fn copy_any_version(path: &Path, target: &Path) -> Result<(), StoreError> {
    copy_out(&sound(path)?, target, |_, _| {})
}

/// Makes a consistent copy of the store in a new file, see `Reader::backup`.
///
/// # Errors
/// When `target` exists already or cannot be written.
pub(in crate::store) fn copy_out(
    source: &Connection,
    target: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<(), StoreError> {
    // One read transaction around all steps: without it SQLite starts over after every commit. In WAL mode writers
    // are not blocked; the log keeps their pages until the copy is done.
    let moment = || {
        let moment = source.unchecked_transaction()?;
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(moment)
    };
    let moment = moment().map_err(|error| StoreError::from_sqlite("read", &error))?;
    make_whole(target, |part| copy(&moment, part, progress))
}

/// Makes a new file, which has the name of a partial one until `make` has made it and it is on disk.
///
/// # Errors
/// When `target` exists already or cannot be written.
pub(in crate::store) fn make_whole(
    target: &Path,
    make: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(StoreError::at(target, "exists already; name another file"));
    }
    let part = part_of(target);
    make(&part).inspect_err(|_| {
        remove_part_of(target);
    })?;
    let named = || {
        File::open(&part)?.sync_all()?;
        fs::rename(&part, target)?;
        File::open(folder_of(target))?.sync_all()
    };
    named().map_err(|error| StoreError::at(target, error))
}

/// Makes an empty file, private to its owner. Replaces the leftovers of a killed attempt.
pub(super) fn make_private(target: &Path) -> Result<(), StoreError> {
    for left in ["", "-journal", "-wal", "-shm"] {
        let left = beside(target, left);
        remove_if_there(&left).map_err(|error| StoreError::at(&left, error))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(target)
        .map(drop)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::at(target, "its folder does not exist"),
            _ => StoreError::at(target, error),
        })
}

/// Removes the partial file of an interrupted backup to `target`. True if there was one.
pub fn remove_part_of(target: &Path) -> bool {
    let part = part_of(target);
    fs::remove_file(beside(&part, "-journal")).ok();
    fs::remove_file(part).is_ok()
}

fn part_of(target: &Path) -> PathBuf {
    beside(target, ".part")
}

/// Replaces the store at `path` by a copy that `Reader::backup` made, and returns the new path of the old store. It
/// can be killed at any moment and repeated.
///
/// # Errors
/// When `from` is not an intact store of this program or an older version, when the server runs, or when the folder
/// cannot be written. In that case nothing has changed.
pub fn restore(
    from: &Path,
    path: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Option<PathBuf>, StoreError> {
    let source = sound(from)?;
    refuse_irregular(path)?;
    // A symbolic link stays, and points to the copy.
    let path = &linked(path);
    refuse_open(path)?;
    let made = beside(path, ".restoring");
    copy(&source, &made, progress)?;
    replace(path, &made).map_err(|error| {
        fs::remove_file(&made).ok();
        StoreError::at(path, error)
    })
}

/// The AppID of the account that a copy belongs to; `None` if it belongs to none, or is not an intact store.
#[must_use]
pub fn owner_of_copy(copy: &Path) -> Option<String> {
    if !copy.is_file() {
        return None;
    }
    let copy = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    settings::owner(&mut &copy).ok().flatten()
}

/// Copies everything in `source` to a new file, see [`make_private`].
fn copy(
    source: &Connection,
    target: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), StoreError> {
    make_private(target)?;
    let copied = (|| {
        let mut copy = Connection::open(target)?;
        let backup = Backup::new(source, &mut copy)?;
        loop {
            let step = backup.step(STEP)?;
            let state = backup.progress();
            let total = u64::try_from(state.pagecount).unwrap_or(0);
            let left = u64::try_from(state.remaining).unwrap_or(0);
            progress(total - left.min(total), total);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(PAUSE),
            }
        }
        drop(backup);
        // Owners want a single file that they can copy.
        copy.pragma_update(None, "journal_mode", "DELETE")
    })();
    let synced = || File::open(target)?.sync_all();
    copied
        .map_err(|error: rusqlite::Error| StoreError::from_sqlite("copy", &error))
        .and_then(|()| synced().map_err(|error| StoreError::at(target, error)))
        .inspect_err(|_| {
            fs::remove_file(target).ok();
            fs::remove_file(beside(target, "-journal")).ok();
        })
}

/// Opens a copy after checking that it can be restored.
pub(super) fn sound(from: &Path) -> Result<Connection, StoreError> {
    let fail =
        |error: rusqlite::Error| StoreError::from_sqlite(&from.display().to_string(), &error);
    match fs::metadata(from) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(StoreError::at(from, "is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::at(from, "there is no such file"));
        }
        Err(error) => return Err(StoreError::at(from, error)),
    }
    let source =
        Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
    refuse_foreign(from, &source)?;
    let tables: i64 = source
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    let verdict: String = source
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(fail)?;
    match (tables, verdict.as_str()) {
        (0, _) => Err(StoreError::at(from, "is empty, not a copy of a store")),
        (_, "ok") => Ok(source),
        (_, verdict) => {
            Err(StoreError::at(from, format!("is damaged: {verdict}")).of_kind(ErrorKind::Damaged))
        }
    }
}

/// Refuses a store that another process has open. A damaged one counts as not open.
fn refuse_open(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    match open_alone(path) {
        Err(error) if error.kind() != ErrorKind::Damaged => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Opens a file that no other process has open, and none can open as long as this one does.
pub(super) fn open_alone(path: &Path) -> Result<Connection, StoreError> {
    let alone = || {
        let present = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        present.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        present.execute_batch("BEGIN EXCLUSIVE; ROLLBACK")?;
        Ok(present)
    };
    alone().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::at(path, "is damaged").of_kind(ErrorKind::Damaged)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::at(
            path,
            "another process has it open; stop the server first (systemctl stop wechatd)",
        )
        .of_kind(ErrorKind::Busy),
        code => StoreError::at(path, format!("cannot be opened: {code:?}")),
    })
}

/// Moves the new file to the path and gives it the owner of the old one, which stays next to it with its write-ahead
/// log. That log is moved first: replayed over another file, it would damage that file.
fn replace(path: &Path, made: &Path) -> io::Result<Option<PathBuf>> {
    let folder = folder_of(path);
    let present = match fs::metadata(path) {
        Ok(present) => Some(present),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let owner = match &present {
        Some(present) => (present.uid(), present.gid()),
        None => fs::metadata(folder).map(|folder| (folder.uid(), folder.gid()))?,
    };
    let mine = fs::metadata(made)?;
    if owner != (mine.uid(), mine.gid()) {
        chown(made, Some(owner.0), Some(owner.1))?;
    }
    let before = free_name(path);
    if present.is_some() {
        fs::hard_link(path, &before)?;
    }
    move_if_there(&beside(path, "-wal"), &beside(&before, "-wal"))?;
    remove_if_there(&beside(path, "-shm"))?;
    fs::rename(made, path)?;
    File::open(folder)?.sync_all()?;
    Ok(present.map(|_| before))
}

/// The first of `.before`, `.before-2`, `.before-3` and so on that is not taken by an earlier store or its log.
fn free_name(path: &Path) -> PathBuf {
    let names = (2..).map(|n| beside(path, &format!(".before-{n}")));
    let is_free = |name: &PathBuf| {
        let there = |name: &Path| fs::symlink_metadata(name).is_ok();
        !there(name) && !there(&beside(name, "-wal"))
    };
    let first = beside(path, ".before");
    let mut names = std::iter::once(first.clone()).chain(names);
    names.find(is_free).unwrap_or(first)
}

/// The target of the symbolic links at `path`; it need not exist.
fn linked(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as the system follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(to) => path = folder_of(&path).join(to),
            Err(_) => break,
        }
    }
    path
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn move_if_there(path: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(path, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
