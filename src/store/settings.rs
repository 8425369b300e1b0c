//! The table `settings`: small values that outlive the process, under the names listed here.

use super::sql::{Result, Sql, values};
use super::statement::statements;

// The names of all rows of `settings`. Times are in Unix seconds.

/// The Token generated on first start.
pub(super) const TOKEN: &str = "token";

/// The AppID of the account that the store belongs to.
pub(super) const APP_ID: &str = "app_id";

/// The addresses that the platform sends from, separated by spaces, and when they were fetched.
pub(super) const CALLBACK_IPS: &str = "callback_ips";
pub(super) const CALLBACK_IPS_AT: &str = "callback_ips_at";

/// Where the server of this store listens, while it runs. Of a store that several machines share, here and in the next
/// two rows with a space and the name of the machine.
pub(super) const LISTENING: &str = "listening";

/// Where its operator's page is, while it runs.
pub(super) const ADMIN_LISTENING: &str = "admin_listening";
/// When the server of this store started, while it runs.
pub(super) const STARTED_AT: &str = "started_at";

/// When the last follower sync ended.
pub(super) const SYNCED_AT: &str = "synced_at";

/// Why the last follower sync removed nobody, as long as that is true.
pub(super) const SYNC_DOUBT: &str = "sync_doubt";

/// How many of the people that the platform counts may be missing from its list, because the owner accepted such a
/// list.
pub(super) const SYNC_MISSING: &str = "sync_missing";

/// The last id of `follow_log` when the owner accepted a list.
pub(super) const SYNC_BELIEVED: &str = "sync_believed";

/// When the last backup was made, a space, and its path.
pub(super) const BACKUP: &str = "backup";

/// When a probe last wrote.
pub(super) const PROBE: &str = "probe";

/// The menu before the last change.
pub const MENU_BEFORE: &str = "menu before";

/// `none` and until when: the account has no right to customer-service messages, as far as known.
pub(super) const NO_CUSTOM_SEND: &str = "right.custom_send";

/// The same for making QR codes.
pub(super) const NO_QR_CODES: &str = "right.qrcode";

/// The newest time that the platform confirmed.
pub(super) const CONFIRMED_AT: &str = "confirmed_at";

/// Prefix of a lease: until when it runs, and who holds it.
pub(super) const LEASE: &str = "lease ";

/// Prefix of the name of a service: the secret that was made for it.
pub(super) const SERVICE_SECRET: &str = "service secret ";

/// Prefix of the digest of a file: why it could not be uploaded.
pub(super) const FAILED_UPLOAD: &str = "failed upload ";

/// 32 random bytes in hexadecimal digits: the key of what is signed for browsers.
pub(super) const WEB_KEY: &str = "web_key";

/// The key by which the folder of media knows its store.
pub(super) const MEDIA_FOLDER: &str = "media_folder";

/// Prefix of an openid: traces of this person must still be erased.
pub(super) const FORGET: &str = "forget ";

/// 16 random bytes in hexadecimal digits, the same in all copies of a store. Made when it is copied for the first time.
#[cfg(feature = "mysql")]
pub(super) const STORE_ID: &str = "store_id";

/// When the store was moved, a space, and where to.
pub(super) const MOVED: &str = "moved";

/// What this store is an unfinished copy of.
pub(super) const UNFINISHED: &str = "unfinished copy";

statements! {
    PUT = {
        sqlite: "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        mysql: "INSERT INTO settings (name, value) VALUES (?1, ?2) ON DUPLICATE KEY UPDATE value = ?2",
    };
    ADD = {
        sqlite: "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        mysql: "INSERT INTO settings (name, value) VALUES (?1, ?2)",
    };
    REMOVE = "DELETE FROM settings WHERE name = ?1";
    GET = "SELECT value FROM settings WHERE name = ?1";
}

/// The AppID that the store belongs to. An empty one, cleared by hand, counts as none.
pub(super) fn owner(sql: &mut dyn Sql) -> Result<Option<String>> {
    Ok(get(sql, APP_ID)?.filter(|owner| !owner.is_empty()))
}

/// Whether the platform has said that the account has not the right with this name, and that still counts at this time.
pub(super) fn lacks_right(sql: &mut dyn Sql, name: &str, now: i64) -> Result<bool> {
    let kept = get(sql, name)?;
    let until = kept.and_then(|kept| kept.strip_prefix("none ")?.trim().parse::<i64>().ok());
    Ok(until.is_some_and(|until| now < until))
}

/// Sets the value with this name.
pub(super) fn put(sql: &mut dyn Sql, name: &str, value: &str) -> Result<()> {
    sql.run(&PUT, values![name, value]).map(drop)
}

/// Sets the value with this name, unless there is one.
pub(super) fn add(sql: &mut dyn Sql, name: &str, value: Option<&str>) -> Result<()> {
    sql.run(&ADD, values![name, value]).map(drop)
}

/// The value with this name, if it is good; else `fresh`, which then is the value.
pub(super) fn made(
    sql: &mut dyn Sql,
    name: &str,
    fresh: &str,
    is_good: impl Fn(&str) -> bool,
) -> Result<String> {
    // Of two that make one at the same time, the second waits here for the first.
    add(sql, name, Some(fresh))?;
    match get(sql, name)?.filter(|kept| is_good(kept)) {
        Some(kept) => Ok(kept),
        None => {
            put(sql, name, fresh)?;
            Ok(fresh.to_owned())
        }
    }
}

/// Removes a value.
pub(super) fn remove(sql: &mut dyn Sql, name: &str) -> Result<()> {
    sql.run(&REMOVE, values![name]).map(drop)
}

/// The value with this name.
pub(super) fn get(sql: &mut dyn Sql, name: &str) -> Result<Option<String>> {
    let value = sql.optional(&GET, values![name], |row| row.get(0))?;
    Ok(value.flatten())
}
