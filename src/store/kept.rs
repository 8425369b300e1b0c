//! Small things in the store besides followers and messages: tokens of the platform's API, addresses, the last backup.

use super::error::StoreError;
use super::open::{Reader, Store};
use super::process::machine;
use super::settings::{
    self, ADMIN_LISTENING, APP_ID, BACKUP, CALLBACK_IPS, CALLBACK_IPS_AT, CONFIRMED_AT, LISTENING,
    NO_QR_CODES, SERVICE_SECRET, STARTED_AT, TOKEN, WEB_KEY,
};
use super::sql::values;
use super::statement::statements;
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

/// What a token must be: an empty value, cleared by the owner or mistyped, counts as none.
macro_rules! usable_token {
    (sqlite) => {
        "name = ?1 AND typeof(value) = 'text' AND value <> '' AND typeof(expires_at) = 'integer'"
    };
    (mysql) => {
        "name = ?1 AND value <> '' AND expires_at IS NOT NULL"
    };
}

statements! {
    KEEP_TOKEN = {
        sqlite: "INSERT INTO tokens (name, value, expires_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        mysql: "INSERT INTO tokens (name, value, expires_at) VALUES (?1, ?2, ?3)
                ON DUPLICATE KEY UPDATE value = ?2, expires_at = ?3",
    };
    KEPT_TOKEN = {
        sqlite: concat!("SELECT value, expires_at FROM tokens WHERE ", usable_token!(sqlite)),
        mysql: concat!("SELECT value, expires_at FROM tokens WHERE ", usable_token!(mysql)),
    };
    VALID_TOKEN = {
        sqlite: concat!("SELECT value FROM tokens WHERE ", usable_token!(sqlite), " AND expires_at > ?2"),
        mysql: concat!("SELECT value FROM tokens WHERE ", usable_token!(mysql), " AND expires_at > ?2"),
    };
    TOKEN_EXPIRES = "SELECT expires_at FROM tokens WHERE name = ?1";
}

/// The length of a key of what is signed for browsers, in hexadecimal digits.
const WEB_KEY_LENGTH: usize = 64;

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
        // An empty value, cleared by the owner or mistyped, counts as none: with an empty Token anybody could sign.
        self.made(TOKEN.to_owned(), fresh, |token| {
            (3..=32).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    }

    /// The secret of a service that has none in the configuration; stores `fresh` if this is its first use.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_service_secret(&self, service: &str, fresh: &Secret) -> Result<Secret, StoreError> {
        self.made(format!("{SERVICE_SECRET}{service}"), fresh, |secret| {
            let key = secret.strip_prefix("whsec_");
            key.is_some_and(|key| !key.is_empty())
        })
    }

    /// The key of what is signed for browsers, as 64 hexadecimal digits; stores `fresh` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn made_web_key(&self, fresh: &Secret) -> Result<Secret, StoreError> {
        // An empty value, cleared by the owner or mistyped, counts as none: with an empty key anybody could sign.
        self.made(WEB_KEY.to_owned(), fresh, |key| {
            key.len() == WEB_KEY_LENGTH
                && key
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }

    fn made(
        &self,
        name: String,
        fresh: &Secret,
        is_good: fn(&str) -> bool,
    ) -> Result<Secret, StoreError> {
        let fresh = fresh.expose().to_owned();
        let made = self
            .writer
            .write(move |sql| settings::made(sql, &name, &fresh, is_good));
        made.map(Secret::new)
    }

    /// The AppID of the account that the store belongs to; a store without one takes this one.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn claim(&self, app_id: &str) -> Result<String, StoreError> {
        let app_id = app_id.to_owned();
        self.writer
            .write(move |sql| settings::made(sql, APP_ID, &app_id, |owner| !owner.is_empty()))
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
        self.writer.write(move |sql| {
            sql.run(&KEEP_TOKEN, values![name, value, expires_at])
                .map(drop)
        })
    }

    /// A stored token of the platform's API.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_token(&self, name: &str) -> Result<Option<KeptToken>, StoreError> {
        let name = name.to_owned();
        self.writer.write(move |sql| {
            sql.optional(&KEPT_TOKEN, values![name], |row| {
                Ok(KeptToken {
                    value: Secret::new(row.get::<String>(0)?),
                    expires_at: row.get(1)?,
                })
            })
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
        let is_shared = self.is_shared();
        self.writer.write(move |sql| {
            let all = [
                (LISTENING, &server),
                (ADMIN_LISTENING, &page),
                (STARTED_AT, &since),
            ];
            all.iter().try_for_each(|(name, value)| {
                let name = of_machine(is_shared, name);
                match value {
                    Some(value) => settings::put(sql, &name, value),
                    None => settings::remove(sql, &name),
                }
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
        let has_room = self.engine.has_room();
        self.probe(move |probed| done(probed.and_then(|()| has_room())));
    }
}

impl Reader {
    /// A stored token of the platform's API that is valid at `now`, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn valid_token(&self, name: &str, now: i64) -> Result<Option<Secret>, StoreError> {
        self.read(|sql| {
            sql.optional(&VALID_TOKEN, values![name, now], |row| {
                Ok(Secret::new(row.get::<String>(0)?))
            })
        })
    }

    /// When a stored token of the platform's API expires or expired, Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn token_expires_at(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let expires =
            self.read(|sql| sql.optional(&TOKEN_EXPIRES, values![name], |row| Ok(row.number(0))))?;
        Ok(expires.flatten())
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

    fn of_machine(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = of_machine(self.is_shared(), name);
        self.read(|sql| settings::get(sql, &name))
    }

    /// Where the server of this store, on this machine, listened when it last started, unless it has stopped since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn listening(&self) -> Result<Option<String>, StoreError> {
        self.of_machine(LISTENING)
    }

    /// The same of its operator's page; `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn admin_listening(&self) -> Result<Option<String>, StoreError> {
        self.of_machine(ADMIN_LISTENING)
    }

    /// When the server of this store last started, in Unix seconds, unless it has stopped since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn started_at(&self) -> Result<Option<i64>, StoreError> {
        let value = self.of_machine(STARTED_AT)?;
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
/// The name of a row that is about the server on this machine.
fn of_machine(is_shared: bool, name: &str) -> String {
    match is_shared {
        true => format!("{name} {}", machine()),
        false => name.to_owned(),
    }
}
