//! What keeps a store from being served: it was moved to another place, or it is not complete yet.

use super::error::{ErrorKind, StoreError};
use super::settings::{self, MOVED, UNFINISHED};
use super::sql::{Result, Sql};
use crate::local_time;

/// Whether a store may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// It may.
    None,
    /// It was moved: its data is that of then, in Unix seconds.
    Moved { to: String, at: i64 },
    /// It is an unfinished copy of another one, or of a backup.
    Unfinished { of: String },
}

impl Mark {
    /// That of a store. One that was moved and is copied back is still marked as moved.
    pub(super) fn of(sql: &mut dyn Sql) -> Result<Mark> {
        if let Some(moved) = settings::get(sql, MOVED)? {
            let (at, to) = moved.split_once(' ').unwrap_or(("", &moved));
            return Ok(Mark::Moved {
                to: to.to_owned(),
                at: at.parse().unwrap_or(0),
            });
        }
        Ok(match settings::get(sql, UNFINISHED)? {
            Some(of) => Mark::Unfinished { of },
            None => Mark::None,
        })
    }

    /// Marks a store.
    #[cfg(feature = "mysql")]
    pub(super) fn put(&self, sql: &mut dyn Sql) -> Result<()> {
        match self {
            Mark::None => {
                settings::remove(sql, MOVED)?;
                settings::remove(sql, UNFINISHED)
            }
            Mark::Moved { to, at } => settings::put(sql, MOVED, &format!("{at} {to}")),
            Mark::Unfinished { of } => settings::put(sql, UNFINISHED, of),
        }
    }

    /// Why the store at `place` is not to be written to.
    pub(super) fn refusal(&self, place: &str) -> Option<StoreError> {
        match self {
            Mark::None => None,
            Mark::Moved { to, at } => Some(
                StoreError::new(
                    ErrorKind::Moved,
                    format!(
                        "store: {place}: was moved to {to} on {}",
                        local_time::format(*at)
                    ),
                )
                .advising("name that in the configuration (store.url, or store.path); `wechatd store copy` brings it back"),
            ),
            Mark::Unfinished { of } => Some(
                StoreError::new(
                    ErrorKind::Moved,
                    format!("store: {place}: is an unfinished copy of {of}"),
                )
                .advising("`wechatd store copy … --finish` completes it"),
            ),
        }
    }
}
