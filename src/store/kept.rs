//! Small things in the store besides followers and messages: tokens of the platform's API, addresses, the last backup.

use rusqlite::{OptionalExtension, params};

use super::columns::number;
use super::error::StoreError;
use super::open::{Reader, Store};
use super::settings::{
    self, ADMIN_LISTENING, APP_ID, BACKUP, CALLBACK_IPS, CALLBACK_IPS_AT, CONFIRMED_AT, LISTENING,
    NO_QR_CODES, SERVICE_SECRET, STARTED_AT, TOKEN, WEB_KEY,
};
use crate::secret::Secret;

/// The addresses that the platform sends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAddresses {
    /// Addresses and networks in CIDR notation.
    pub addresses: Vec<String>,
    /// Unix seconds.
    pub fetched_at: i64,
}

/// The last backup of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBackup {
    /// Unix seconds.
    pub at: i64,
    /// Its path.
    pub file: String,
}

/// A stored token of the platform's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token itself.
    pub value: Secret,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Store {
    /// Notes that the account may not make QR codes, as far as known, until then, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn lacks_qr_codes(&self, until: i64) -> Result<(), StoreError> {
        let until = format!("none {until}");
        self.writer
            .write(move |sql| settings::put(sql, NO_QR_CODES, &until))
    }

    /// The Token generated on first start; stores `fresh` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_token(&self, fresh: &Secret) -> Result<Secret, StoreError> {
        let fresh = fresh.expose().to_owned();
        self.writer.write_sqlite(move |connection| {
            connection.execute(
                // An empty value, cleared by the owner or mistyped, counts as none: with an empty Token anybody could sign.
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

    /// The secret of a service that has none in the configuration; stores `fresh` if this is its first use.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_service_secret(&self, service: &str, fresh: &Secret) -> Result<Secret, StoreError> {
        let (name, fresh) = (
            format!("{SERVICE_SECRET}{service}"),
            fresh.expose().to_owned(),
        );
        self.writer.write_sqlite(move |connection| {
            connection.query_row(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = iif(value GLOB 'whsec_?*', value, excluded.value) RETURNING value",
                [&name, &fresh],
                |row| row.get(0).map(|secret: String| Secret::new(secret)),
            )
        })
    }

    /// The key of what is signed for browsers, as 64 hexadecimal digits; stores `fresh` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_web_key(&self, fresh: &Secret) -> Result<Secret, StoreError> {
        let fresh = fresh.expose().to_owned();
        self.writer.write_sqlite(move |connection| {
            connection.query_row(
                // An empty value, cleared by the owner or mistyped, counts as none: with an empty key anybody could sign.
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value =
                     iif(length(value) = 64 AND value NOT GLOB '*[^0-9a-f]*', value, excluded.value) RETURNING value",
                [WEB_KEY, &fresh],
                |row| row.get(0).map(|key: String| Secret::new(key)),
            )
        })
    }

    /// The AppID of the account that the store belongs to; a store without one takes this one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn claim(&self, app_id: &str) -> Result<String, StoreError> {
        let app_id = app_id.to_owned();
        self.writer.write_sqlite(move |connection| {
            if let Some(owner) = settings::owner(&mut &*connection)? {
                return Ok(owner);
            }
            settings::put(&mut &*connection, APP_ID, &app_id)?;
            Ok(app_id.clone())
        })
    }

    /// Stores a token of the platform's API.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_token(&self, name: &str, token: &KeptToken) -> Result<(), StoreError> {
        let (name, value, expires_at) = (
            name.to_owned(),
            token.value.expose().to_owned(),
            token.expires_at,
        );
        self.writer.write_sqlite(move |connection| {
            connection.execute(
                "INSERT INTO tokens (name, value, expires_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
                params![name, value, expires_at],
            )?;
            Ok(())
        })
    }

    /// A stored token of the platform's API.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_token(&self, name: &str) -> Result<Option<KeptToken>, StoreError> {
        let name = name.to_owned();
        self.writer.write_sqlite(move |connection| {
            connection
                .prepare_cached(
                    // An empty value, cleared by the owner or mistyped, counts as none.
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

    /// Stores the newest time that the platform confirmed, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_confirmed_time(&self, time: i64) -> Result<(), StoreError> {
        self.keep_setting(CONFIRMED_AT, &time.to_string())
    }

    /// The confirmed time that was stored last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn confirmed_time(&self) -> Result<Option<i64>, StoreError> {
        let kept = self.setting(CONFIRMED_AT)?;
        Ok(kept.and_then(|time| time.parse().ok()))
    }

    /// Stores the addresses that the platform sends from.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_callback_ips(&self, kept: &KeptAddresses) -> Result<(), StoreError> {
        let values = [
            (CALLBACK_IPS, kept.addresses.join(" ")),
            (CALLBACK_IPS_AT, kept.fetched_at.to_string()),
        ];
        self.writer.write(move |sql| {
            values
                .iter()
                .try_for_each(|(name, value)| settings::put(sql, name, value))
        })
    }

    /// The stored addresses, if there ever were any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn callback_ips(&self) -> Result<Option<KeptAddresses>, StoreError> {
        self.reader()?.callback_ips()
    }

    /// Stores where the server and its operator's page listen, since when in Unix seconds; `None`: it stops, or there is
    /// no such page.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_listening(
        &self,
        addresses: [Option<String>; 2],
        since: i64,
    ) -> Result<(), StoreError> {
        let [server, page] = addresses;
        let since = server.as_ref().map(|_| since.to_string());
        self.writer.write(move |sql| {
            let all = [
                (LISTENING, &server),
                (ADMIN_LISTENING, &page),
                (STARTED_AT, &since),
            ];
            all.iter().try_for_each(|(name, value)| match value {
                Some(value) => settings::put(sql, name, value),
                None => settings::remove(sql, name),
            })
        })
    }

    /// Stores when and where the last backup was made.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_backup(&self, backup: &KeptBackup) -> Result<(), StoreError> {
        self.keep_setting(BACKUP, &format!("{} {}", backup.at, backup.file))
    }

    /// Stores a small value that outlives the process.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn keep_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.writer
            .write(move |sql| settings::put(sql, &name, &value))
    }

    /// A stored value.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.writer.write(move |sql| settings::get(sql, &name))
    }

    /// Proves that the store can be written: writes at most once a second, otherwise only takes the write lock.
    /// `done` runs on the writer's thread.
    pub fn probe(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        self.writer.probe(done);
    }

    /// The same, and checks that there is room for a large push: half a MiB.
    pub fn probe_room(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let main = self.engine.file();
        self.probe(move |probed| done(probed.and_then(|()| main.has_room())));
    }
}

impl Reader {
    /// A stored token of the platform's API that is valid at `now`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn valid_token(&self, name: &str, now: i64) -> Result<Option<Secret>, StoreError> {
        let read = || {
            self.sqlite()
                .prepare_cached(
                    "SELECT value FROM tokens
                     WHERE name = ?1 AND typeof(value) = 'text' AND value <> '' AND typeof(expires_at) = 'integer'
                         AND expires_at > ?2",
                )?
                .query_row(params![name, now], |row| {
                    Ok(Secret::new(row.get::<_, String>(0)?))
                })
                .optional()
        };
        read().map_err(|error| Reader::failed(&error))
    }

    /// When a stored token of the platform's API expires or expired, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token_expires_at(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let expires = "SELECT expires_at FROM tokens WHERE name = ?1";
        let read = self
            .sqlite()
            .query_row(expires, [name], |row| number(row, 0));
        let read = read.optional().map(Option::flatten);
        read.map_err(|error| Reader::failed(&error))
    }

    /// Whether the account may make QR codes at this time, in Unix seconds, as far as known.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn may_make_qr_codes(&self, now: i64) -> Result<bool, StoreError> {
        self.read(|sql| Ok(!settings::lacks_right(sql, NO_QR_CODES, now)?))
    }

    /// The Token generated on first start, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn made_token(&self) -> Result<Option<Secret>, StoreError> {
        self.read(|sql| Ok(settings::get(sql, TOKEN)?.map(Secret::new)))
    }

    /// The AppID of the account that the store belongs to; `None` as long as it belongs to none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn owner(&self) -> Result<Option<String>, StoreError> {
        self.read(|sql| settings::owner(sql))
    }

    /// Where the server of this store listened when it last started, unless it has stopped since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn listening(&self) -> Result<Option<String>, StoreError> {
        self.read(|sql| settings::get(sql, LISTENING))
    }

    /// The same of its operator's page; `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn admin_listening(&self) -> Result<Option<String>, StoreError> {
        self.read(|sql| settings::get(sql, ADMIN_LISTENING))
    }

    /// When the server of this store last started, in Unix seconds, unless it has stopped since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn started_at(&self) -> Result<Option<i64>, StoreError> {
        let value = self.read(|sql| settings::get(sql, STARTED_AT))?;
        Ok(value.and_then(|value| value.parse().ok()))
    }

    /// The last backup, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_backup(&self) -> Result<Option<KeptBackup>, StoreError> {
        let kept = self.read(|sql| settings::get(sql, BACKUP))?;
        Ok(kept.and_then(|kept| {
            let (at, file) = kept.split_once(' ')?;
            Some(KeptBackup {
                at: at.parse().ok()?,
                file: file.to_owned(),
            })
        }))
    }

    /// The stored addresses that the platform sends from, if there ever were any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn callback_ips(&self) -> Result<Option<KeptAddresses>, StoreError> {
        let read = |name| self.read(|sql| settings::get(sql, name));
        let (Some(addresses), Some(fetched_at)) = (read(CALLBACK_IPS)?, read(CALLBACK_IPS_AT)?)
        else {
            return Ok(None);
        };
        Ok(Some(KeptAddresses {
            addresses: addresses.split_whitespace().map(str::to_owned).collect(),
            fetched_at: fetched_at.parse().unwrap_or(0),
        }))
    }
}
