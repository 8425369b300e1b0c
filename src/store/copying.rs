//! Copies of a store in another engine: row by row, so that a copy that was interrupted goes on, and one that is made again
//! takes what has changed.
//!
//! Both sides are read in the order of the key, and what differs is written to the target. At the end the source is marked
//! as moved: of all copies at most one is served.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::Path;

use super::copied::{Copied, CopiedTable};
use super::error::{ErrorKind, SqlError, StoreError};
use super::marks::Mark;
use super::mysql;
use super::options::{Options, Server};
use super::settings::{self, STORE_ID};
use super::sql::{self, Owned};
use super::sqlite;
use super::sqlite::side::File;
use super::tables::{ROWS, Side, TABLES, Table, Values, order};
use crate::clock;
use crate::random;

/// What a side is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Source,
    Target,
}

/// A side, and where it is.
struct Place {
    side: Box<dyn Side>,
    name: String,
}

impl Place {
    fn open(options: &Options, role: Role, alone: bool) -> Result<Place, StoreError> {
        match &options.server {
            None => Place::of_file(&options.path, role, alone),
            Some(server) => Place::of_server(server, role),
        }
    }

    fn of_file(path: &Path, role: Role, alone: bool) -> Result<Place, StoreError> {
        let side = match role {
            Role::Source => File::source(path, alone)?,
            Role::Target => File::target(path, alone)?,
        };
        // The same words, whatever the working directory is.
        let path = std::fs::canonicalize(path).map_err(|error| StoreError::at(path, error))?;
        Ok(Place {
            side: Box::new(side),
            name: path.display().to_string(),
        })
    }

    fn of_server(server: &Server, role: Role) -> Result<Place, StoreError> {
        let side = match role {
            Role::Source => mysql::side::Database::source(server)?,
            Role::Target => mysql::side::Database::target(server)?,
        };
        Ok(Place {
            side: Box::new(side),
            name: server.to_string(),
        })
    }

    /// Lends the side.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut (dyn Side + '_)) -> sql::Result<T>,
    ) -> Result<T, StoreError> {
        work(&mut *self.side).map_err(|error| StoreError::of_sql(&self.name, &error))
    }

    fn failed(&self, error: &SqlError) -> StoreError {
        StoreError::of_sql(&self.name, error)
    }

    fn refused(&self, what: &str, what_to_do: &'static str) -> StoreError {
        StoreError::new(ErrorKind::Other, format!("store: {}: {what}", self.name))
            .advising(what_to_do)
    }

    fn mark(&mut self) -> Result<Mark, StoreError> {
        self.with(|side| side.with(Mark::of))
    }

    fn put(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.with(|side| side.write(|side| side.with(|sql| mark.put(sql))))
    }

    /// The AppID of its account.
    fn owner(&mut self) -> Result<Option<String>, StoreError> {
        self.with(|side| side.with(settings::owner))
    }

    fn id(&mut self) -> Result<Option<String>, StoreError> {
        self.with(|side| side.with(|sql| settings::get(sql, STORE_ID)))
    }

    fn is_empty(&mut self) -> Result<bool, StoreError> {
        for table in TABLES {
            if !self.with(|side| side.page(table, None))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Copies a store to another engine, while a server uses it. What the target has already is compared, and written where it
/// differs. With `finish` nobody may use the store, and then the target takes its place: the source is marked as moved.
/// `progress` gets the rows that are done, and how many there are.
///
/// # Errors
/// When both are of one engine, the target has something else in it, a value does not fit there, or one of them cannot be
/// read or written; the copy can be made again. With `finish` also when a server runs, or the two differ at the end.
pub fn copy_store(
    from: &Options,
    to: &Options,
    finish: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, StoreError> {
    if from.server.is_some() == to.server.is_some() {
        let what = match from.server {
            Some(_) => "both are databases on servers, whose own tools copy one to another",
            None => "both are files; `wechatd backup` and `wechatd restore` copy one to another",
        };
        let text =
            format!("store: {what}; here one is a file and the other mysql://USER@HOST/DATABASE");
        return Err(StoreError::new(ErrorKind::Other, text));
    }
    let mut source = Place::open(from, Role::Source, finish)?;
    let mut target = Place::open(to, Role::Target, finish)?;
    if finish {
        refuse_in_use(&mut source)?;
        refuse_in_use(&mut target)?;
    }
    let is_moved = agree(&mut source, &mut target)?;
    let copied = take_along(&mut source, &mut target, progress)?;
    if finish {
        refuse_in_use(&mut source)?;
        let (to, at) = (target.name.clone(), clock::unix_seconds());
        if !is_moved {
            source.put(&Mark::Moved { to, at })?;
        }
        if let Err(differs) = compare(&mut source, &mut target) {
            if !is_moved {
                source.put(&Mark::None)?;
            }
            return Err(differs);
        }
        target.put(&Mark::None)?;
    }
    Ok(copied)
}

/// Makes a new file with all that is in a store on a server, in the name of a partial one until it is complete.
///
/// # Errors
/// When `target` exists already, or one of them cannot be read or written.
pub(super) fn back_up(
    server: &Server,
    target: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let mut source = Place::of_server(server, Role::Source)?;
    refuse_unfinished(&mut source)?;
    sqlite::copy::make_whole(target, |part| {
        let mut file = Place {
            side: Box::new(File::new(part)?),
            name: target.display().to_string(),
        };
        take_along(&mut source, &mut file, progress)?;
        compare(&mut source, &mut file)
    })
}

/// Fills an empty database with a copy that `Reader::backup` made.
///
/// # Errors
/// When there is something in the database, or a server uses it; when the copy is no intact store or of another version; when
/// one of them cannot be read or written: then the database is left unfinished.
pub fn restore_to_server(
    from: &Path,
    server: &Server,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let mut source = Place {
        side: Box::new(File::sound(from)?),
        name: from.display().to_string(),
    };
    refuse_unfinished(&mut source)?;
    let mut target = Place::of_server(server, Role::Target)?;
    refuse_in_use(&mut target)?;
    if !target.is_empty()? {
        let what =
            "there is something in the database, and a copy is only restored into an empty one";
        return Err(target.refused(what, "name another in store.url, or drop it and make it again: DROP DATABASE, CREATE DATABASE"));
    }
    let of = source.name.clone();
    target.put(&Mark::Unfinished { of })?;
    take_along(&mut source, &mut target, progress)?;
    compare(&mut source, &mut target)?;
    target.put(&Mark::None)
}

/// Refuses a source that is not complete.
fn refuse_unfinished(source: &mut Place) -> Result<(), StoreError> {
    let mark = source.mark()?;
    let refusal = match mark {
        Mark::Unfinished { .. } => mark.refusal(&source.name),
        Mark::None | Mark::Moved { .. } => None,
    };
    refusal.map_or(Ok(()), Err)
}

/// Refuses what a server uses.
fn refuse_in_use(place: &mut Place) -> Result<(), StoreError> {
    let users = place.with(|side| side.users())?;
    match users.is_empty() {
        true => Ok(()),
        false => Err(place
            .refused(
                &format!("a server runs on {}", users.join(", ")),
                "stop it first, on every machine (systemctl stop wechatd); one that was killed counts as running for a minute",
            )
            .of_kind(ErrorKind::Busy)),
    }
}

/// Checks that the target is empty, or a copy of the source that nobody serves, and marks it as unfinished. Returns whether the
/// source was moved to it already: then only the end is missing.
fn agree(source: &mut Place, target: &mut Place) -> Result<bool, StoreError> {
    let is_empty = target.is_empty()?;
    let is_moved = match source.mark()? {
        Mark::None => false,
        Mark::Moved { to, .. } if to == target.name && !is_empty => true,
        mark @ (Mark::Moved { .. } | Mark::Unfinished { .. }) => {
            return mark.refusal(&source.name).map_or(Ok(false), Err);
        }
    };
    let id = match source.id()? {
        Some(id) => id,
        None => {
            let fresh = random::hex()
                .map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
            source.with(|side| {
                side.write(|side| {
                    side.with(|sql| settings::made(sql, STORE_ID, &fresh, |id| !id.is_empty()))
                })
            })?
        }
    };
    let mark = target.mark()?;
    if is_moved && mark == Mark::None {
        // It was finished, and what came later is there.
        return source.mark()?.refusal(&source.name).map_or(Ok(false), Err);
    }
    if !is_empty && target.id()?.as_ref() != Some(&id) {
        let what = match (source.owner()?, target.owner()?) {
            (Some(ours), Some(theirs)) if ours != theirs => format!(
                "belongs to the account {theirs}, and {} to {ours}",
                source.name
            ),
            (Some(_) | None, Some(_) | None) => "has the rows of another store".to_owned(),
        };
        return Err(target.refused(&what, "name an empty one, or a new file"));
    }
    if !is_empty && mark == Mark::None {
        let what = format!("is no copy of {}, but in use itself", source.name);
        return Err(target.refused(&what, "only what was moved before is copied back to"));
    }
    let of = source.name.clone();
    target.with(|side| {
        side.write(|side| {
            side.with(|sql| {
                settings::put(sql, STORE_ID, &id)?;
                match mark {
                    Mark::Moved { .. } => Ok(()),
                    Mark::None | Mark::Unfinished { .. } => Mark::Unfinished { of }.put(sql),
                }
            })
        })
    })?;
    Ok(is_moved)
}

/// Copies all tables as they are at this moment.
fn take_along(
    source: &mut Place,
    target: &mut Place,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, StoreError> {
    source.with(|side| side.begin_snapshot())?;
    let mut total = 0;
    for table in TABLES {
        total += u64::try_from(source.with(|side| side.count(table))?).unwrap_or(0);
    }
    let (mut tables, mut before) = (Vec::with_capacity(TABLES.len()), 0);
    for table in TABLES {
        let mut walk = Walk::new(table);
        while walk.step(source, target)? {
            progress(before + walk.copied.rows, total);
        }
        before += walk.copied.rows;
        tables.push(walk.copied);
    }
    source.with(|side| side.end())?;
    Ok(Copied { tables })
}

/// Refuses sides that do not have the same number of rows in every table.
fn compare(source: &mut Place, target: &mut Place) -> Result<(), StoreError> {
    for table in TABLES {
        let ours = source.with(|side| side.count(table))?;
        let theirs = target.with(|side| side.count(table))?;
        if ours != theirs {
            let what = format!(
                "table {} has {theirs} rows here, and {ours} in {}",
                table.name, source.name
            );
            return Err(target.refused(&what, "nothing may write to them meanwhile; copy again"));
        }
    }
    Ok(())
}

/// The way through one table on both sides.
struct Walk {
    table: &'static Table,
    ours: Cursor,
    theirs: Cursor,
    copied: CopiedTable,
}

impl Walk {
    fn new(table: &'static Table) -> Walk {
        let copied = CopiedTable {
            name: table.name,
            rows: 0,
            added: 0,
            changed: 0,
            removed: 0,
        };
        let (ours, theirs) = (Cursor::default(), Cursor::default());
        Walk {
            table,
            ours,
            theirs,
            copied,
        }
    }

    /// Goes on by about a page; false: there are no more rows.
    fn step(&mut self, source: &mut Place, target: &mut Place) -> Result<bool, StoreError> {
        let table = self.table;
        let (mut put, mut removed): (Vec<Values>, Vec<Values>) = (Vec::new(), Vec::new());
        source.with(|side| self.ours.fill(side, table))?;
        let goes_on = loop {
            target.with(|side| self.theirs.fill(side, table))?;
            let next = match (self.ours.rows.front(), self.theirs.rows.front()) {
                (None, None) => break !self.ours.has_ended,
                // They are removed to the last.
                (None, Some(_)) if self.ours.has_ended => Ordering::Greater,
                (None, Some(_)) => break true,
                (Some(_), None) => Ordering::Less,
                (Some(ours), Some(theirs)) => order(table.key_of(ours), table.key_of(theirs)),
            };
            let ours = match next {
                Ordering::Greater => None,
                Ordering::Less | Ordering::Equal => self.ours.rows.pop_front(),
            };
            let theirs = match next {
                Ordering::Less => None,
                Ordering::Greater | Ordering::Equal => self.theirs.rows.pop_front(),
            };
            match (ours, theirs) {
                (Some(ours), theirs) => {
                    if let Some(fault) = table.fault(&ours) {
                        let error = table.of_row(&ours, SqlError::of_one(fault));
                        return Err(source.failed(&error));
                    }
                    self.copied.rows += 1;
                    match theirs {
                        None => self.copied.added += 1,
                        Some(theirs) if theirs != ours => self.copied.changed += 1,
                        Some(_) => continue,
                    }
                    put.push(ours);
                }
                (None, Some(theirs)) => {
                    self.copied.removed += 1;
                    removed.push(table.key_of(&theirs).to_vec());
                    if removed.len() >= ROWS {
                        break true;
                    }
                }
                (None, None) => break false,
            }
        };
        if !(put.is_empty() && removed.is_empty()) {
            target.with(|side| {
                side.write(|side| {
                    side.remove(table, &removed)?;
                    side.put(table, &put)
                })
            })?;
        }
        Ok(goes_on)
    }
}

/// A place in the rows of a table.
#[derive(Default)]
struct Cursor {
    rows: VecDeque<Values>,
    last: Option<Vec<Owned>>,
    has_ended: bool,
}

impl Cursor {
    /// Reads on if nothing is left.
    fn fill(&mut self, side: &mut (dyn Side + '_), table: &Table) -> sql::Result<()> {
        if !self.rows.is_empty() || self.has_ended {
            return Ok(());
        }
        let page = side.page(table, self.last.as_deref())?;
        match page.last() {
            Some(row) => self.last = Some(table.key_of(row).to_vec()),
            None => self.has_ended = true,
        }
        self.rows = page.into();
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
