//! Tokens of the platform's API and small values that outlive the process.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::open::{Reader, Store};
use crate::secret::Secret;

// The names of all rows of `settings`. Times are in Unix seconds.

/// The Token that was made on first start.
const TOKEN: &str = "token";

/// The AppID of the account that the store belongs to.
const APP_ID: &str = "app_id";

/// The addresses that the platform sends from, separated by spaces, and when it told them.
const CALLBACK_IPS: &str = "callback_ips";
const CALLBACK_IPS_AT: &str = "callback_ips_at";

/// Where the server of this store listens, while it runs.
const LISTENING: &str = "listening";

/// When the last follower sync ended.
pub(super) const SYNCED_AT: &str = "synced_at";

/// Why the last follower sync took nobody out, while that is so.
pub(super) const SYNC_DOUBT: &str = "sync_doubt";

/// How many people the platform's list may lack of those that it counts, because the owner believed such a list.
pub(super) const SYNC_MISSING: &str = "sync_missing";

/// The last id of `follow_log` when the owner believed a list.
pub(super) const SYNC_BELIEVED: &str = "sync_believed";

/// When the last copy was made, and after a space where it is.
const BACKUP: &str = "backup";

/// When the store was last tried after a failure.
pub(super) const PROBE: &str = "probe";

/// The menu before the last change.
pub const MENU_BEFORE: &str = "menu before";

/// The newest time that the platform confirmed.
const CONFIRMED_AT: &str = "confirmed_at";

/// Before what may be done alone: until when, and who holds the right.
pub(super) const LEASE: &str = "lease ";

/// Before an openid: traces of this person are still to go.
pub(super) const FORGET: &str = "forget ";

/// The addresses that the platform sends from, as it told them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAddresses {
    /// Addresses and networks in CIDR notation.
    pub addresses: Vec<String>,
    /// Unix seconds.
    pub told_at: i64,
}

/// The last copy that was made of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBackup {
    /// Unix seconds.
    pub at: i64,
    /// Where it was put.
    pub file: String,
}

/// A token of the platform's API as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token itself.
    pub value: Secret,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Store {
    /// The Token made on first start, made now if this is it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_token(&self, fresh: &Secret) -> Result<Secret, StoreError> {
        let fresh = fresh.expose().to_owned();
        self.writer.write(move |connection| {
            connection.execute(
                // What an owner emptied to get a new one, or mistyped, is none: with an empty Token anybody could sign.
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value
                 WHERE value IS NULL OR length(value) NOT BETWEEN 3 AND 32 OR value GLOB '*[^0-9A-Za-z]*'",
                [TOKEN, &fresh],
            )?;
            connection.query_row(
                "SELECT value FROM settings WHERE name = ?1",
                [TOKEN],
                |row| row.get(0).map(|value: String| Secret::new(value)),
            )
        })
    }

    /// The AppID of the account that the store belongs to. A store that has none yet takes this one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn claim(&self, app_id: &str) -> Result<String, StoreError> {
        let app_id = app_id.to_owned();
        self.writer.write(move |connection| {
            if let Some(owner) = owner(connection)? {
                return Ok(owner);
            }
            put_setting(connection, APP_ID, &app_id)?;
            Ok(app_id.clone())
        })
    }

    /// Keeps a token of the platform's API.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_token(&self, name: &str, token: &KeptToken) -> Result<(), StoreError> {
        let (name, value, expires_at) = (
            name.to_owned(),
            token.value.expose().to_owned(),
            token.expires_at,
        );
        self.writer.write(move |connection| {
            connection.execute(
                "INSERT INTO tokens (name, value, expires_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
                params![name, value, expires_at],
            )?;
            Ok(())
        })
    }

    /// A kept token of the platform's API.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_token(&self, name: &str) -> Result<Option<KeptToken>, StoreError> {
        let name = name.to_owned();
        self.writer.write(move |connection| {
            connection
                .prepare_cached(
                    // What an owner emptied to get a new one, or mistyped, is none.
                    "SELECT value, expires_at FROM tokens
                     WHERE name = ?1 AND typeof(value) = 'text' AND value <> '' AND typeof(expires_at) = 'integer'",
                )?
                .query_row([&name], |row| {
                    Ok(KeptToken {
                        value: Secret::new(row.get::<_, String>(0)?),
                        expires_at: row.get(1)?,
                    })
                })
                .optional()
        })
    }

    /// Keeps the newest time that the platform confirmed, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_confirmed_time(&self, time: i64) -> Result<(), StoreError> {
        self.keep_setting(CONFIRMED_AT, &time.to_string())
    }

    /// The time that was kept last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn confirmed_time(&self) -> Result<Option<i64>, StoreError> {
        let kept = self.setting(CONFIRMED_AT)?;
        Ok(kept.and_then(|time| time.parse().ok()))
    }

    /// Keeps the addresses that the platform sends from.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_callback_ips(&self, kept: &KeptAddresses) -> Result<(), StoreError> {
        let values = [
            (CALLBACK_IPS, kept.addresses.join(" ")),
            (CALLBACK_IPS_AT, kept.told_at.to_string()),
        ];
        self.writer.write(move |connection| {
            values
                .iter()
                .try_for_each(|(name, value)| put_setting(connection, name, value))
        })
    }

    /// The kept addresses, if there ever were any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn callback_ips(&self) -> Result<Option<KeptAddresses>, StoreError> {
        self.reader()?.callback_ips()
    }

    /// Notes where the server listens; `None`: it stops.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_listening(&self, address: Option<String>) -> Result<(), StoreError> {
        self.writer.write(move |connection| match &address {
            Some(address) => put_setting(connection, LISTENING, address),
            None => remove_setting(connection, LISTENING),
        })
    }

    /// Keeps when a copy was made and where it is, in the place of the one before.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_backup(&self, backup: &KeptBackup) -> Result<(), StoreError> {
        self.keep_setting(BACKUP, &format!("{} {}", backup.at, backup.file))
    }

    /// Keeps a small value that outlives the process.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.writer
            .write(move |connection| put_setting(connection, &name, &value))
    }

    /// A value that was kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.writer
            .write(move |connection| setting(connection, &name))
    }

    /// Shows that the store takes writes: writes, at most once a second, and in between takes the write lock.
    /// `done` runs on the writer's thread.
    pub fn probe(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        self.writer.probe(done);
    }

    /// The same, and shows that there is room for a large push: half a MiB.
    pub fn probe_room(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let main = self.main;
        self.probe(move |probed| done(probed.and_then(|()| main.has_room())));
    }
}

impl Reader {
    /// The Token made on first start, if there was one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn made_token(&self) -> Result<Option<Secret>, StoreError> {
        setting(&self.connection, TOKEN)
            .map(|value| value.map(Secret::new))
            .map_err(|error| Reader::failed(&error))
    }

    /// The AppID of the account that the store belongs to; `None` while it belongs to none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn owner(&self) -> Result<Option<String>, StoreError> {
        owner(&self.connection).map_err(|error| Reader::failed(&error))
    }

    /// Where the server of this store listened when it last started, unless it has stopped since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn listening(&self) -> Result<Option<String>, StoreError> {
        setting(&self.connection, LISTENING).map_err(|error| Reader::failed(&error))
    }

    /// The last copy that was made, if one was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_backup(&self) -> Result<Option<KeptBackup>, StoreError> {
        let kept = setting(&self.connection, BACKUP).map_err(|error| Reader::failed(&error))?;
        Ok(kept.and_then(|kept| {
            let (at, file) = kept.split_once(' ')?;
            Some(KeptBackup {
                at: at.parse().ok()?,
                file: file.to_owned(),
            })
        }))
    }

    /// The kept addresses that the platform sends from, if there ever were any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn callback_ips(&self) -> Result<Option<KeptAddresses>, StoreError> {
        let read = |name| setting(&self.connection, name).map_err(|error| Reader::failed(&error));
        let (Some(addresses), Some(told_at)) = (read(CALLBACK_IPS)?, read(CALLBACK_IPS_AT)?) else {
            return Ok(None);
        };
        Ok(Some(KeptAddresses {
            addresses: addresses.split_whitespace().map(str::to_owned).collect(),
            told_at: told_at.parse().unwrap_or(0),
        }))
    }
}

/// The AppID that the store belongs to. One that was emptied by hand is none.
pub(super) fn owner(connection: &Connection) -> rusqlite::Result<Option<String>> {
    Ok(setting(connection, APP_ID)?.filter(|owner| !owner.is_empty()))
}

/// Puts a value in the place of the one that has this name.
pub(super) fn put_setting(
    connection: &Connection,
    name: &str,
    value: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute([name, value])
        .map(drop)
}

/// Removes a value.
pub(super) fn remove_setting(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM settings WHERE name = ?1")?
        .execute([name])
        .map(drop)
}

/// The value that has this name.
pub(super) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT value FROM settings WHERE name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()
        .map(Option::flatten)
}
