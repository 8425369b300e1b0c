//! The configuration file: found, read and checked whole before anything starts.

mod daily;
mod exposure;
mod key;
mod listen;
mod problem;
mod rule;
mod template;
mod value;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeTable;

pub use daily::TimeOfDay;
pub use key::{Change, KEYS, Key};
pub use listen::Listen;
pub use problem::{Problem, Problems, nearest};
pub use rule::{About, Answer, Kinds, MESSAGE_TYPES, NewsItem, RULE_KEYS, Rule, Test, fold};
pub use template::{Template, Values};
pub use value::show_duration;

use crate::secret::Secret;
use crate::wechat::AesKey;

/// Where the configuration is looked for when `--config` does not say.
pub const PLACES: [&str; 2] = ["wechat.conf", "/etc/wechatd/wechat.conf"];

/// The environment variable that holds the AppSecret and wins over the file.
pub const SECRET_VARIABLE: &str = "WECHATD_APP_SECRET";

/// The name of systemd's credential that holds the AppSecret; it stands in for the file that
/// `account.app_secret_file` names, which the service itself need not be able to read.
pub const SECRET_CREDENTIAL: &str = "app_secret";

/// A configuration without a mistake.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// `[account]`
    pub account: Account,
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[api]`
    pub api: Api,
    /// `[[rule]]`, in their order.
    pub rules: Vec<Rule>,
    /// The keys of secrets that stand in the file itself.
    pub secrets: Vec<&'static str>,
}

/// Section `[account]`.
#[derive(Debug, Clone)]
pub struct Account {
    /// The Token, where the file gives one.
    pub token: Option<Secret>,
    /// Still accepted beside it.
    pub previous_token: Option<Secret>,
    /// The AppID.
    pub app_id: Option<String>,
    /// The AppSecret, from whichever place won.
    pub app_secret: Option<Secret>,
    /// The file that `app_secret` was read from.
    pub app_secret_file: Option<PathBuf>,
    /// The console's message mode.
    pub mode: Mode,
    /// The EncodingAESKey.
    pub aes_key: Option<AesKey>,
    /// Still accepted beside it.
    pub previous_aes_key: Option<AesKey>,
}

/// The message modes of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 明文模式: pushes and answers are readable.
    Plain,
    /// 兼容模式: pushes carry both forms; the encrypted one is believed.
    Compatible,
    /// 安全模式: everything is encrypted.
    Secure,
}

impl Mode {
    /// All modes, for the reader of the file and for `check`.
    pub const ALL: [Mode; 3] = [Mode::Plain, Mode::Compatible, Mode::Secure];

    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Compatible => "compatible",
            Mode::Secure => "secure",
        }
    }
}

/// Section `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where to listen.
    pub listen: Listen,
    /// The callback path.
    pub path: String,
    /// Threads that answer.
    pub workers: usize,
    /// Connections at one time.
    pub max_connections: usize,
    /// For a whole request to arrive.
    pub request_timeout: Duration,
    /// Bytes of a push.
    pub max_body: usize,
    /// Between a push's `timestamp` and this clock; zero: any.
    pub max_clock_skew: Duration,
    /// Where requests may come from.
    pub allow_ips: AllowIps,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where requests to the callback path may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowIps {
    /// From anywhere.
    Any,
    /// From these networks; never empty.
    Listed(Vec<IpNet>),
    /// From the platform's own networks, which it tells (`getcallbackip`).
    Platform,
}

/// Section `[store]`.
#[derive(Debug, Clone)]
pub struct Store {
    /// The SQLite file.
    pub path: PathBuf,
    /// Age at which messages are removed; zero: never.
    pub keep_messages: Duration,
}

/// Section `[api]`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Without a slash at its end.
    pub base_url: String,
    /// Of one call.
    pub timeout: Duration,
    /// When the followers are compared with the platform's every day; `None`: never by itself.
    pub sync: Option<TimeOfDay>,
    /// Calls a second that bulk work may make.
    pub rate: u32,
}

/// Finds the configuration file: `given`, else the first of [`PLACES`] that exists.
///
/// # Errors
/// When none exists; the text says where it was looked for.
pub fn find(given: Option<&Path>) -> Result<PathBuf, Problems> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    PLACES
        .iter()
        .map(PathBuf::from)
        .find(|place| place.exists())
        .ok_or_else(|| {
            let what = format!(
                "no configuration found (looked for {}); name one with --config FILE",
                PLACES.join(" and ")
            );
            Problems::one(Path::new(""), what)
        })
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn load(file: &Path) -> Result<Config, Problems> {
        let bytes = fs::read(file).map_err(|error| {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "there is no such file; name another with --config FILE".to_owned()
                }
                _ => format!("can not be read: {error}"),
            };
            Problems::one(file, what)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            let mut problems =
                Problems::one(file, "this line is not UTF-8; save the file as UTF-8");
            problems.list[0].line = Some(line);
            problems
        })?;
        let environment = std::env::var(SECRET_VARIABLE).ok();
        Config::read(file, &text, environment.as_deref())
    }

    /// Checks the text of a file. `secret` is the AppSecret from the environment.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn read(file: &Path, text: &str, secret: Option<&str>) -> Result<Config, Problems> {
        let mut reader = Reader::new(text);
        let (root, syntax_errors) =
            DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(text));
        if !syntax_errors.is_empty() {
            for error in &syntax_errors {
                let at = error.span().map_or(0, |span| span.start);
                reader.wrong(at, "", error.message().replace('\n', ", "));
            }
            return Err(reader.problems(file));
        }
        let mut config = Config::with_defaults(file);
        reader.sections(root.get_ref(), &mut config);
        config.store.path = beside(file, &config.store.path);
        reader.secret(root.get_ref(), &mut config, secret);
        reader.cross_check(root.get_ref(), &config);
        match reader.list.is_empty() {
            true => Ok(config),
            false => Err(reader.problems(file)),
        }
    }

    /// What an empty file means.
    fn with_defaults(file: &Path) -> Config {
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get().max(2));
        let mut config = Config {
            file: file.to_owned(),
            account: Account {
                token: None,
                previous_token: None,
                app_id: None,
                app_secret: None,
                app_secret_file: None,
                mode: Mode::Plain,
                aes_key: None,
                previous_aes_key: None,
            },
            server: Server {
                listen: Listen::Unix(PathBuf::new()),
                path: String::new(),
                workers,
                max_connections: 0,
                request_timeout: Duration::ZERO,
                max_body: 0,
                max_clock_skew: Duration::ZERO,
                allow_ips: AllowIps::Any,
                trusted_proxies: Vec::new(),
            },
            store: Store {
                path: PathBuf::new(),
                keep_messages: Duration::ZERO,
            },
            api: Api {
                base_url: String::new(),
                timeout: Duration::ZERO,
                sync: None,
                rate: 0,
            },
            rules: Vec::new(),
            secrets: Vec::new(),
        };
        for key in KEYS {
            if let Some(default) = key.default {
                let value = toml::de::DeValue::parse(default).expect("a test reads every default");
                (key.set)(&mut config, &value).expect("a test reads every default");
            }
        }
        config
    }

    /// Whether the platform's API can be called: AppID and AppSecret are known.
    #[must_use]
    pub fn api_rights(&self) -> Option<(&str, &Secret)> {
        self.account
            .app_id
            .as_deref()
            .zip(self.account.app_secret.as_ref())
    }

    /// The keys that differ from `other` and take effect only after a restart.
    #[must_use]
    pub fn restart_keys(&self, other: &Config) -> Vec<&'static str> {
        let (a, b) = (self, other);
        let changed = [
            ("account.app_id", a.account.app_id != b.account.app_id),
            (
                "account.app_secret",
                a.account.app_secret != b.account.app_secret,
            ),
            (
                "account.app_secret_file",
                a.account.app_secret_file != b.account.app_secret_file,
            ),
            ("server.listen", a.server.listen != b.server.listen),
            ("server.workers", a.server.workers != b.server.workers),
            ("store.path", a.store.path != b.store.path),
            ("api.base_url", a.api.base_url != b.api.base_url),
            ("api.timeout", a.api.timeout != b.api.timeout),
        ];
        changed
            .into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(name, _)| name)
            .collect()
    }
}

/// Collects the mistakes of one text.
struct Reader {
    line_starts: Vec<usize>,
    list: Vec<Problem>,
}

impl Reader {
    fn new(text: &str) -> Reader {
        let line_starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at)
            .collect();
        Reader {
            line_starts,
            list: Vec::new(),
        }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.line_starts.partition_point(|newline| *newline < at)
    }

    fn wrong(&mut self, at: usize, key: impl Into<String>, what: impl Into<String>) {
        self.list.push(Problem {
            line: Some(self.line(at)),
            key: key.into(),
            what: what.into(),
        });
    }

    fn problems(mut self, file: &Path) -> Problems {
        self.list.sort_by_key(|problem| problem.line);
        Problems {
            file: file.to_owned(),
            list: self.list,
        }
    }

    fn sections(&mut self, root: &DeTable, config: &mut Config) {
        for (name, value) in root {
            let section = name.get_ref().as_ref();
            if section == "rule" {
                self.rules(value, config);
                continue;
            }
            if KEYS.iter().all(|key| section_of(key.name) != section) {
                self.unknown(name.span().start, section);
                continue;
            }
            match value.get_ref().as_table() {
                Some(table) => self.section(section, table, config),
                None => self.wrong(
                    name.span().start,
                    section,
                    format!("is a section; write [{section}] on a line of its own"),
                ),
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable, config: &mut Config) {
        for (name, value) in table {
            let full = format!("{section}.{}", name.get_ref());
            match KEYS.iter().find(|key| key.name == full) {
                None => self.unknown(name.span().start, &full),
                Some(key) => {
                    if key::SECRET_KEYS.contains(&key.name) {
                        config.secrets.push(key.name);
                    }
                    if let Err(what) = (key.set)(config, value) {
                        self.wrong(value.span().start, full, what);
                    }
                }
            }
        }
    }

    fn unknown(&mut self, at: usize, name: &str) {
        let own = name.rsplit('.').next().unwrap_or(name);
        let elsewhere = KEYS
            .iter()
            .map(|key| key.name)
            .find(|known| known.rsplit('.').next() == Some(own));
        let sections = ["rule", "account", "server", "store", "api"];
        let near = match name.contains('.') {
            true => elsewhere.or_else(|| nearest(name, KEYS.iter().map(|key| key.name))),
            false => nearest(name, sections).or(elsewhere),
        };
        let advice = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let what = if name.contains('.') {
            "unknown key"
        } else {
            "unknown section or key"
        };
        self.wrong(at, name, format!("{what}{advice}"));
    }

    fn rules(&mut self, value: &value::Value, config: &mut Config) {
        let tables: Option<Vec<_>> = value.get_ref().as_array().and_then(|items| {
            items
                .iter()
                .map(|item| {
                    item.get_ref()
                        .as_table()
                        .map(|table| (table, item.span().start))
                })
                .collect()
        });
        let Some(tables) = tables else {
            self.wrong(
                value.span().start,
                "rule",
                "is a list; begin each rule with [[rule]] on a line of its own",
            );
            return;
        };
        for (n, (table, start)) in tables.into_iter().enumerate() {
            let line = self.line(start);
            let mut wrong = |at: usize, key: String, what: String| self.wrong(at, key, what);
            if let Some(rule) = rule::read(n + 1, table, start, line, &mut wrong) {
                config.rules.push(rule);
            }
        }
        for (n, rule) in config.rules.iter().enumerate() {
            if config.rules[..n]
                .iter()
                .any(|earlier| earlier.name == rule.name)
            {
                self.list.push(Problem {
                    line: Some(rule.line),
                    key: format!("rule #{}: name", n + 1),
                    what: format!(
                        "{:?} is the name of an earlier rule; logs could not tell them apart",
                        rule.name
                    ),
                });
            }
        }
    }

    /// Finds the AppSecret: the environment wins, then the file's own text, then the named file.
    fn secret(&mut self, root: &DeTable, config: &mut Config, environment: Option<&str>) {
        let at = |name| position(root, "account", name);
        if let (Some(_), Some(_)) = (at("app_secret"), at("app_secret_file")) {
            self.wrong(
                at("app_secret_file").unwrap_or(0),
                "account.app_secret_file",
                "there is an app_secret as well; keep one of them",
            );
            return;
        }
        if let Some(text) = environment.map(str::trim).filter(|text| !text.is_empty()) {
            match well_formed_secret(text) {
                true => config.account.app_secret = Some(Secret::new(text)),
                false => self.list.push(Problem {
                    line: None,
                    key: SECRET_VARIABLE.to_owned(),
                    what: "this environment variable does not hold an AppSecret: letters and digits, without spaces".to_owned(),
                }),
            }
            return;
        }
        let Some(file) = &config.account.app_secret_file else {
            return;
        };
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(SECRET_CREDENTIAL))
            .filter(|credential| credential.exists());
        let named = beside(&config.file, file);
        let file = credential.unwrap_or_else(|| named.clone());
        match fs::read_to_string(&file) {
            Ok(text) if well_formed_secret(text.trim()) => {
                config.account.app_secret = Some(Secret::new(text.trim()));
                config.account.app_secret_file = Some(named);
            }
            Ok(_) => self.wrong(
                at("app_secret_file").unwrap_or(0),
                "account.app_secret_file",
                format!(
                    "{} does not hold an AppSecret: one line of letters and digits",
                    file.display()
                ),
            ),
            Err(error) => self.wrong(
                at("app_secret_file").unwrap_or(0),
                "account.app_secret_file",
                format!("{} can not be read: {error}", file.display()),
            ),
        }
    }

    /// What no key alone can see.
    fn cross_check(&mut self, root: &DeTable, config: &Config) {
        let account = &config.account;
        let at = |name| position(root, "account", name);
        if let Some(at) = at("app_secret")
            .or_else(|| at("app_secret_file"))
            .filter(|_| account.app_id.is_none() && at("app_id").is_none())
        {
            self.wrong(
                at,
                "account.app_secret",
                "an AppSecret without account.app_id is of no use; enter the AppID too",
            );
        }
        if let Some(at) = at("app_id").filter(|_| {
            account.app_id.is_some()
                && account.app_secret.is_none()
                && account.mode == Mode::Plain
                && self.list.is_empty()
        }) {
            self.wrong(
                at,
                "account.app_id",
                format!("there is no AppSecret to it; give account.app_secret, account.app_secret_file or the environment variable {SECRET_VARIABLE}"),
            );
        }
        if config.server.allow_ips == AllowIps::Platform
            && config.api_rights().is_none()
            && self.list.is_empty()
        {
            self.wrong(
                position(root, "server", "allow_ips").unwrap_or(0),
                "server.allow_ips",
                "\"wechat\" asks the platform for its list, and needs account.app_id and account.app_secret for that; enter them, or list the networks here",
            );
        }
        if account.mode != Mode::Plain {
            let mode_at = at("mode").unwrap_or(0);
            let why = format!("mode {:?} needs", account.mode.name());
            if account.aes_key.is_none() && at("aes_key").is_none() {
                self.wrong(
                    mode_at,
                    "account.mode",
                    format!("{why} account.aes_key, the EncodingAESKey of the console"),
                );
            }
            if account.app_id.is_none() && at("app_id").is_none() {
                self.wrong(
                    mode_at,
                    "account.mode",
                    format!("{why} account.app_id, which every encrypted push carries"),
                );
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn well_formed_secret(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

fn section_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn position(root: &DeTable, section: &str, name: &str) -> Option<usize> {
    root.get(section)?
        .get_ref()
        .as_table()?
        .get(name)
        .map(|value| value.span().start)
}

fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}
