//! The configuration keys: each one once, with its default, its meaning and its parser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::database;
use super::draft::Draft;
use super::mode::ModeName;
use super::secret_url::SecretUrl;
use super::value::{self, Parsed, Value};
use super::{AllowIps, Config, admin, web};
use crate::local_time::TimeOfDay;
use crate::secret::Secret;
use crate::store::Server;
use crate::wechat::AesKey;

/// One key of `wechat.conf`.
#[derive(Debug)]
pub struct Key {
    /// The name as `section.key`.
    pub name: &'static str,
    /// Whether its value is secret.
    pub secret: bool,
    /// The default as written in the file, if any.
    pub default: Option<&'static str>,
    /// The default, for people, if it cannot be written in the file.
    pub without: &'static str,
    /// When a change of it takes effect.
    pub change: Change,
    /// What it is for, in a sentence.
    pub meaning: &'static str,
    pub(super) set: fn(&mut Draft, &Value) -> Parsed<()>,
}

/// When a change of a key takes effect after `SIGHUP`.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// At once.
    Live,
    /// After a restart; whether two configurations have the same value.
    Restart(fn(&Config, &Config) -> bool),
}

/// The path of the health check, which the callback cannot have.
pub const HEALTH_PATH: &str = "/healthz";

const DAY: Duration = Duration::from_secs(86_400);

/// All keys outside `[[rule]]`, in the order of the documentation.
pub const KEYS: &[Key] = &[
    Key {
        name: "account.token",
        secret: true,
        default: None,
        without: "made on first start",
        change: Change::Live,
        meaning: "The Token of the console's callback settings, 3 to 32 letters or digits. Without it a random one is made once, kept in the store, and shown by `wechatd check`.",
        set: |draft, value| {
            put(
                &mut draft.config.account.token,
                value::token(value).map(Some),
            )
        },
    },
    Key {
        name: "account.previous_token",
        secret: true,
        default: None,
        without: "none",
        change: Change::Live,
        meaning: "A Token that is still accepted; use it only while you switch over.",
        set: |draft, value| {
            put(
                &mut draft.config.account.previous_token,
                value::token(value).map(Some),
            )
        },
    },
    Key {
        name: "account.app_id",
        secret: false,
        default: None,
        without: "none",
        change: Change::Restart(|old, new| old.account.app_id == new.account.app_id),
        meaning: "The AppID (`wx…`). Without it and the AppSecret the server answers and records, and everything that needs WeChat's API is off. A store belongs to the first AppID that is used with it.",
        set: |draft, value| put(&mut draft.config.account.app_id, app_id(value).map(Some)),
    },
    Key {
        name: "account.app_secret",
        secret: true,
        default: None,
        without: "none",
        change: Change::Restart(|old, new| old.account.app_secret == new.account.app_secret),
        meaning: "The AppSecret. The environment variable WECHATD_APP_SECRET wins over it, so it need not be in a file.",
        set: |draft, value| {
            put(
                &mut draft.config.account.app_secret,
                secret(value).map(Some),
            )
        },
    },
    Key {
        name: "account.app_secret_file",
        secret: false,
        default: None,
        without: "none",
        change: Change::Restart(|old, new| {
            old.account.app_secret_file == new.account.app_secret_file
        }),
        meaning: "A file that holds the AppSecret, instead of `app_secret`.",
        set: |draft, value| {
            put(
                &mut draft.config.account.app_secret_file,
                path(value).map(Some),
            )
        },
    },
    Key {
        name: "account.mode",
        secret: false,
        default: Some("\"plain\""),
        without: "",
        change: Change::Live,
        meaning: "The console's message mode: \"plain\", \"compatible\" or \"secure\". The configuration decides what is accepted, never the request.",
        set: |draft, value| put(&mut draft.mode, mode(value)),
    },
    Key {
        name: "account.aes_key",
        secret: true,
        default: None,
        without: "none",
        change: Change::Live,
        meaning: "The EncodingAESKey of the console, 43 letters or digits; required unless the mode is \"plain\".",
        set: |draft, value| put(&mut draft.aes_key, aes_key(value).map(Some)),
    },
    Key {
        name: "account.previous_aes_key",
        secret: true,
        default: None,
        without: "none",
        change: Change::Live,
        meaning: "An EncodingAESKey that is still accepted; use it only while you switch over.",
        set: |draft, value| put(&mut draft.previous_aes_key, aes_key(value).map(Some)),
    },
    Key {
        name: "server.listen",
        secret: false,
        default: Some("\"127.0.0.1:8080\""),
        without: "",
        change: Change::Restart(|old, new| old.server.listen == new.server.listen),
        meaning: "Where the server listens: an address with a port, or \"unix:/run/wechatd/wechatd.sock\".",
        set: |draft, value| {
            put(
                &mut draft.config.server.listen,
                value::string(value)?.parse(),
            )
        },
    },
    Key {
        name: "server.path",
        secret: false,
        default: Some("\"/wechat\""),
        without: "",
        change: Change::Live,
        meaning: "The path of the callback URL.",
        set: |draft, value| put(&mut draft.config.server.path, callback_path(value)),
    },
    Key {
        name: "server.workers",
        secret: false,
        default: None,
        without: "one per processor, at least 2",
        change: Change::Restart(|old, new| old.server.workers == new.server.workers),
        meaning: "Threads that answer.",
        set: |draft, value| {
            put(
                &mut draft.config.server.workers,
                value::integer(value, 1, 256),
            )
        },
    },
    Key {
        name: "server.max_connections",
        secret: false,
        default: Some("512"),
        without: "",
        change: Change::Live,
        meaning: "Connections at one time. When all are in use, the oldest one that is idle or whose request is incomplete makes room, then those that do not take their answers or send requests ahead.",
        set: |draft, value| {
            put(
                &mut draft.config.server.max_connections,
                value::integer(value, 4, 100_000),
            )
        },
    },
    Key {
        name: "server.max_waiting",
        secret: false,
        default: None,
        without: "half of `server.max_connections`",
        change: Change::Live,
        meaning: "Requests that may wait at one time for something other than the store. One push more that a rule forwards is answered as if its service had failed; any other request gets 503.",
        set: |draft, value| {
            let most = value::integer(value, 1, 100_000);
            put(&mut draft.config.server.max_waiting, most.map(Some))
        },
    },
    Key {
        name: "server.request_timeout",
        secret: false,
        default: Some("\"10s\""),
        without: "",
        change: Change::Live,
        meaning: "A request must have arrived whole within this time, counted from its first byte.",
        set: |draft, value| {
            let least = Duration::from_secs(1);
            put(
                &mut draft.config.server.request_timeout,
                value::duration(value, least, Duration::from_secs(300)),
            )
        },
    },
    Key {
        name: "server.max_head",
        secret: false,
        default: Some("\"32KiB\""),
        without: "",
        change: Change::Restart(|old, new| old.server.max_head == new.server.max_head),
        meaning: "A request whose line and headers are larger is refused with 431.",
        set: |draft, value| {
            put(
                &mut draft.config.server.max_head,
                value::size(value, 4 << 10, 256 << 10),
            )
        },
    },
    Key {
        name: "server.max_body",
        secret: false,
        default: Some("\"1MiB\""),
        without: "",
        change: Change::Live,
        meaning: "A larger push is refused with 413.",
        set: |draft, value| {
            put(
                &mut draft.config.server.max_body,
                value::size(value, 1 << 10, 64 << 20),
            )
        },
    },
    Key {
        name: "server.max_clock_skew",
        secret: false,
        default: Some("\"10m\""),
        without: "",
        change: Change::Live,
        meaning: "Pushes whose `timestamp` is further from this machine's clock are refused; at least \"10s\", or \"0s\": any is accepted.",
        set: |draft, value| {
            put(
                &mut draft.config.server.max_clock_skew,
                value::duration_or_zero(
                    value,
                    Duration::from_secs(10),
                    DAY * 365,
                    "WeChat delivers a push again for some 15 s, and clocks are seconds apart; \"0s\" accepts any time",
                ),
            )
        },
    },
    Key {
        name: "server.allow_ips",
        secret: false,
        default: Some("[]"),
        without: "",
        change: Change::Live,
        meaning: "Addresses or networks that requests may come from, the others get 403; or \"wechat\": WeChat's own list, fetched daily and kept in the store. Empty: any.",
        set: |draft, value| put(&mut draft.config.server.allow_ips, allow_ips(value)),
    },
    Key {
        name: "server.trusted_proxies",
        secret: false,
        default: Some("[\"127.0.0.1\", \"::1\"]"),
        without: "",
        change: Change::Live,
        meaning: "Addresses or networks of reverse proxies whose `X-Forwarded-For` is believed. A Unix socket's peer always is. An entry without an address, such as `unknown`, is in no list of `server.allow_ips`.",
        set: |draft, value| {
            put(
                &mut draft.config.server.trusted_proxies,
                value::networks(value),
            )
        },
    },
    Key {
        name: "store.path",
        secret: false,
        default: Some("\"wechat.db\""),
        without: "",
        change: Change::Restart(|old, new| old.store.path == new.store.path),
        meaning: "The SQLite file, made on first start; relative to the folder of the configuration file.",
        set: |draft, value| put(&mut draft.config.store.path, path(value)),
    },
    Key {
        name: "store.url",
        secret: false,
        default: None,
        without: "none: the SQLite file",
        change: Change::Restart(|old, new| {
            let database = |config: &Config| config.store.server.as_ref().map(Server::to_string);
            database(old) == database(new)
        }),
        meaning: "A database on a server instead of the file, for more than one machine: \"mysql://wechatd@db1,db2:3306/wechatd\". The hosts are tried in this order and a writable one is kept; each may have a port, and one at the end is for all that have none. Only in a program that is built with `--features mysql`.",
        set: |draft, value| put(&mut draft.database.url, database::url(value).map(Some)),
    },
    Key {
        name: "store.password_file",
        secret: false,
        default: None,
        without: "none",
        change: Change::Restart(|old, new| {
            let of = |config: &Config| {
                let server = config.store.server.as_ref();
                server.map(|server| (server.password_file.clone(), server.password.clone()))
            };
            of(old) == of(new)
        }),
        meaning: "A file that holds the password of the user in `store.url`. The environment variable WECHATD_STORE_PASSWORD wins over it.",
        set: |draft, value| put(&mut draft.database.password_file, path(value).map(Some)),
    },
    Key {
        name: "store.connections",
        secret: false,
        default: Some("4"),
        without: "",
        change: Change::Restart(|old, new| {
            let of = |config: &Config| {
                config
                    .store
                    .server
                    .as_ref()
                    .map(|server| server.connections)
            };
            of(old) == of(new)
        }),
        meaning: "Connections to that server that commit at a time.",
        set: |draft, value| {
            put(
                &mut draft.database.connections,
                database::connections(value),
            )
        },
    },
    Key {
        name: "store.tls",
        secret: false,
        default: Some("\"required\""),
        without: "",
        change: Change::Restart(|old, new| {
            let of = |config: &Config| {
                let server = config.store.server.as_ref();
                server.map(|server| server.tls.clone())
            };
            of(old) == of(new)
        }),
        meaning: "How connections to that server are encrypted: \"required\", with a certificate that a public authority has signed; a file with the certificate of another authority; or \"off\".",
        set: |draft, value| put(&mut draft.database.tls, database::tls(value)),
    },
    Key {
        name: "store.keep_messages",
        secret: false,
        default: Some("\"180d\""),
        without: "",
        change: Change::Live,
        meaning: "Messages older than this are removed, a few at a time; at least \"1h\", or \"0d\": they are kept for ever.",
        set: |draft, value| {
            put(
                &mut draft.config.store.keep_messages,
                value::duration_or_zero(
                    value,
                    Duration::from_secs(3_600),
                    DAY * 36_500,
                    "a push that is delivered again gets the answer that is kept with its message; \"0d\" keeps all",
                ),
            )
        },
    },
    Key {
        name: "store.media",
        secret: false,
        default: None,
        without: "none: nothing is fetched",
        change: Change::Live,
        meaning: "A folder for the pictures, recordings, videos and files that followers send, which WeChat keeps for three days; relative to the folder of the configuration file. They stay as long as their message.",
        set: |draft, value| put(&mut draft.config.store.media, path(value).map(Some)),
    },
    Key {
        name: "api.base_url",
        secret: false,
        default: Some("\"https://api.weixin.qq.com\""),
        without: "",
        change: Change::Restart(|old, new| old.api.base_url == new.api.base_url),
        meaning: "WeChat's API. Another region's host, or a pretend WeChat while trying things out.",
        set: |draft, value| put(&mut draft.config.api.base_url, base_url(value)),
    },
    Key {
        name: "api.timeout",
        secret: false,
        default: Some("\"10s\""),
        without: "",
        change: Change::Restart(|old, new| old.api.timeout == new.api.timeout),
        meaning: "How long one call to the API may take.",
        set: |draft, value| {
            let least = Duration::from_secs(1);
            put(
                &mut draft.config.api.timeout,
                value::duration(value, least, Duration::from_secs(300)),
            )
        },
    },
    Key {
        name: "api.sync",
        secret: false,
        default: Some("\"03:30\""),
        without: "",
        change: Change::Live,
        meaning: "When the followers are compared with WeChat's list every day, local time; \"off\" leaves it to `wechatd followers sync`.",
        set: |draft, value| put(&mut draft.config.api.sync, daily(value)),
    },
    Key {
        name: "api.rate",
        secret: false,
        default: Some("20"),
        without: "",
        change: Change::Live,
        meaning: "Calls a second that bulk work may make: the daily comparison, tags and blacklist for many.",
        set: |draft, value| put(&mut draft.config.api.rate, a_second(value)),
    },
    Key {
        name: "api.token_file",
        secret: false,
        default: None,
        without: "none",
        change: Change::Restart(|old, new| old.api.token_file == new.api.token_file),
        meaning: "A file in which the server keeps the access_token, mode 0640, so that programs of other users in its group can have it.",
        set: |draft, value| put(&mut draft.config.api.token_file, path(value).map(Some)),
    },
    Key {
        name: "web.url",
        secret: false,
        default: None,
        without: "none: no web pages",
        change: Change::Restart(|old, new| old.web.url == new.web.url),
        meaning: "How browsers reach this server, \"https://example.com\": scheme, host and, where it must be, a port; `http://` for this machine only. Switches the web part on, and every address that it makes begins with it.",
        set: |draft, value| put(&mut draft.config.web.url, web::url(value).map(Some)),
    },
    Key {
        name: "web.path",
        secret: false,
        default: Some("\"/wx\""),
        without: "",
        change: Change::Restart(|old, new| old.web.path == new.web.path),
        meaning: "The prefix of the web part's routes; neither `server.path` nor above it.",
        set: |draft, value| {
            put(
                &mut draft.config.web.path,
                web::path(value).and_then(not_taken),
            )
        },
    },
    Key {
        name: "web.verify_files",
        secret: false,
        default: Some("[]"),
        without: "",
        change: Change::Live,
        meaning: "Files next to the configuration that the console wants at the root of the domain, \"MP_verify_aBcD1234.txt\".",
        set: |draft, value| put(&mut draft.verify_files, names(value)),
    },
    Key {
        name: "web.rate",
        secret: false,
        default: Some("10"),
        without: "",
        change: Change::Live,
        meaning: "Requests a second that one address (IPv6: one /64) may make to the web part, with ten times that at once; one more gets 429. What a trusted proxy asks about its visitors is not counted.",
        set: |draft, value| put(&mut draft.config.web.rate, a_second(value)),
    },
    Key {
        name: "login.methods",
        secret: false,
        default: Some("[\"oauth\", \"scan\"]"),
        without: "",
        change: Change::Live,
        meaning: "How people log in: \"oauth\", silently inside WeChat, and \"scan\", by a QR code or a typed code.",
        set: |draft, value| put(&mut draft.config.login.methods, web::methods(value)),
    },
    Key {
        name: "login.session",
        secret: false,
        default: Some("\"7d\""),
        without: "",
        change: Change::Live,
        meaning: "How long a session lives, \"10m\" to \"90d\". It is not prolonged: inside WeChat the next log-in is silent.",
        set: |draft, value| {
            let least = Duration::from_secs(600);
            put(
                &mut draft.config.login.session,
                value::duration(value, least, DAY * 90),
            )
        },
    },
    Key {
        name: "login.word",
        secret: false,
        default: Some("\"登录\""),
        without: "",
        change: Change::Live,
        meaning: "What is typed before the code.",
        set: |draft, value| put(&mut draft.config.login.word, web::word(value)),
    },
    Key {
        name: "admin.listen",
        secret: false,
        default: Some("\"off\""),
        without: "",
        change: Change::Restart(|old, new| old.admin.listen == new.admin.listen),
        meaning: "Where the operator's page is served: an address of its own with a port, \"127.0.0.1:8081\", or a Unix socket. An address that other machines can reach needs `admin.url` with https.",
        set: |draft, value| put(&mut draft.config.admin.listen, admin::listen(value)),
    },
    Key {
        name: "admin.url",
        secret: false,
        default: None,
        without: "none: by a loopback name only",
        change: Change::Restart(|old, new| old.admin.url == new.admin.url),
        meaning: "How browsers reach the operator's page through a proxy, with a path or without one: \"https://example.com/admin\".",
        set: |draft, value| put(&mut draft.config.admin.url, admin::url(value).map(Some)),
    },
    Key {
        name: "admin.session",
        secret: false,
        default: Some("\"30d\""),
        without: "",
        change: Change::Live,
        meaning: "How long a sign-in lasts without use, \"1h\" to \"90d\".",
        set: |draft, value| {
            let least = Duration::from_secs(3_600);
            put(
                &mut draft.config.admin.session,
                value::duration(value, least, DAY * 90),
            )
        },
    },
    Key {
        name: "admin.owners",
        secret: false,
        default: Some("[]"),
        without: "",
        change: Change::Live,
        meaning: "The openids of those who may sign in with their own WeChat, where `web.url` is set.",
        set: |draft, value| put(&mut draft.config.admin.owners, admin::owners(value)),
    },
    Key {
        name: "admin.metrics",
        secret: false,
        default: Some("false"),
        without: "",
        change: Change::Live,
        meaning: "true: answer `GET /metrics` there, for Prometheus on this machine.",
        set: |draft, value| put(&mut draft.config.admin.metrics, value::boolean(value)),
    },
    Key {
        name: "watch.heartbeat",
        secret: true,
        default: None,
        without: "none",
        change: Change::Live,
        meaning: "A URL that is fetched at the start and every 5 minutes while the store takes writes, of healthchecks.io or Uptime Kuma: when it goes silent, they raise the alarm.",
        set: |draft, value| {
            put(
                &mut draft.config.watch.heartbeat,
                SecretUrl::read(value).map(Some),
            )
        },
    },
    Key {
        name: "watch.disk",
        secret: false,
        default: Some("\"500MiB\""),
        without: "",
        change: Change::Live,
        meaning: "Less free space than this on the store's disk is reported as trouble.",
        set: |draft, value| {
            put(
                &mut draft.config.watch.disk,
                value::size(value, 1 << 20, 1 << 50),
            )
        },
    },
];

/// The configuration of an empty file.
pub(super) fn defaults(file: &Path) -> Draft {
    let mut draft = Draft::without_keys(file);
    for key in KEYS {
        if let Some(default) = key.default {
            let value = toml::de::DeValue::parse(default).expect("a test reads every default");
            (key.set)(&mut draft, &value).expect("a test reads every default");
        }
    }
    draft
}

fn put<T>(place: &mut T, read: Parsed<T>) -> Parsed<()> {
    *place = read?;
    Ok(())
}

fn app_id(value: &Value) -> Parsed<String> {
    let text = value::string(value)?;
    let well_formed = text.len() <= 64
        && text.starts_with("wx")
        && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match well_formed {
        true => Ok(text),
        false => Err(format!(
            "{text:?} is not an AppID; it begins with wx (the gh_ name is the original ID, not the AppID)"
        )),
    }
}

fn secret(value: &Value) -> Parsed<Secret> {
    let text = value::string(value)?;
    match well_formed_secret(&text) {
        true => Ok(Secret::new(text)),
        false => Err("an AppSecret is made of letters and digits, without spaces".to_owned()),
    }
}

pub(super) fn well_formed_secret(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

fn aes_key(value: &Value) -> Parsed<AesKey> {
    AesKey::parse(&value::string(value)?)
        .map_err(|_| "an EncodingAESKey has exactly 43 letters or digits".to_owned())
}

fn daily(value: &Value) -> Parsed<Option<TimeOfDay>> {
    match value::string(value)?.as_str() {
        "off" => Ok(None),
        text => match text.parse() {
            Ok(time) => Ok(Some(time)),
            Err(error) => Err(format!("{error}, and not \"off\"")),
        },
    }
}

fn a_second(value: &Value) -> Parsed<u32> {
    let read = value::integer(value, 1, 1_000)?;
    u32::try_from(read).map_err(|error| error.to_string())
}

/// A list of texts, which may be empty, each with its byte.
fn names(value: &Value) -> Parsed<Vec<(usize, String)>> {
    let items = value.get_ref().as_array();
    let items = items.ok_or_else(|| value::expected("a list of names of files", value))?;
    let name = |item: &Value| Ok((item.span().start, value::string(item)?));
    items.iter().map(name).collect()
}

fn mode(value: &Value) -> Parsed<ModeName> {
    let text = value::string(value)?;
    ModeName::ALL
        .into_iter()
        .find(|mode| mode.text() == text)
        .ok_or_else(|| {
            format!("{text:?} is not a mode; it is \"plain\", \"compatible\" or \"secure\"")
        })
}

fn path(value: &Value) -> Parsed<PathBuf> {
    let text = value::string(value)?;
    value::no_control(&text, &[])?;
    match text.is_empty() {
        true => Err("a path cannot be empty".to_owned()),
        false => Ok(PathBuf::from(text)),
    }
}

fn callback_path(value: &Value) -> Parsed<String> {
    let text = value::string(value)?;
    let legal = |b: u8| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b);
    if !text.starts_with('/') || !text.bytes().all(legal) {
        return Err(format!(
            "{text:?} is not a path; it begins with / and has no spaces, ? or #"
        ));
    }
    not_taken(text)
}

/// Refuses the path of the health check.
fn not_taken(path: String) -> Parsed<String> {
    match path == HEALTH_PATH {
        true => Err(format!(
            "{HEALTH_PATH} is taken by the health check; choose another path"
        )),
        false => Ok(path),
    }
}

fn allow_ips(value: &Value) -> Parsed<AllowIps> {
    if let Some(text) = value.get_ref().as_str() {
        return match text {
            "wechat" => Ok(AllowIps::Platform),
            _ => Err(format!(
                "{text:?} is not a list of addresses such as [\"203.0.113.0/24\"], nor \"wechat\""
            )),
        };
    }
    let networks = value::networks(value)?;
    Ok(match networks.is_empty() {
        true => AllowIps::Any,
        false => AllowIps::Listed(networks),
    })
}

fn base_url(value: &Value) -> Parsed<String> {
    let text = value::string(value)?;
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host)
            if !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"?#@\"".contains(&b)) =>
        {
            Ok(text.trim_end_matches('/').to_owned())
        }
        Some(_) | None => Err(format!(
            "{text:?} is not a base URL such as \"https://api.weixin.qq.com\""
        )),
    }
}
