//! The configuration file: found, parsed and checked completely before anything starts.

mod admin;
mod database;
mod digest;
mod draft;
mod edit;
mod entry;
mod exposure;
mod fold;
mod gate;
mod hook;
mod key;
mod listen;
mod local;
mod menu;
mod mode;
mod parser;
mod problem;
mod rule;
mod secret_file;
mod secret_url;
mod service;
mod syntax;
mod template;
mod trust;
mod value;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeTable;

pub use admin::{Admin, AdminUrl, Watch};
pub use database::{NO_PASSWORD, named_database};
pub use edit::with_key;
pub use exposure::{SERVICE_USER, ServiceUser, has_backup_timer, is_installed};
pub use fold::{Folding, fold, lower, plain, without_end_marks, written};
pub use gate::{GATE_KEYS, Gate, Who};
pub use hook::{EventType, HOOK_KEYS, Hook, HookFormat, Placeholder, last_part};
pub use key::{Change, HEALTH_PATH, KEYS, Key};
pub use listen::Listen;
pub use local::{LocalFile, Media, MediaFile, Picture, PictureKind};
pub use menu::{Conditional, MENU_KEYS, Menu};
pub use mode::{Keys, Mode};
pub use problem::{Problem, Problems, nearest};
pub use rule::{
    About, Action, Aim, Kinds, MESSAGE_TYPES, NewsItem, Pattern, RULE_KEYS, Rule, Test,
};
pub use secret_url::SecretUrl;
pub use service::{SERVICE_KEYS, Service, ServiceFormat, Slow};
pub use template::{Template, Values};
pub use value::{read_duration, read_network, show_duration};
pub use web::{Login, Method, Methods, VerifyFile, Web, WebUrl};

use parser::Parser;

use crate::byte_order_mark;
use crate::local_time::TimeOfDay;
use crate::secret::Secret;
use crate::store::Options;

/// Where the configuration is searched for without `--config`.
pub const PLACES: [&str; 2] = ["wechat.conf", "/etc/wechatd/wechat.conf"];

/// The configuration that comes with the program: every key with its default, and rules to begin with.
pub const SHIPPED: &str = include_str!("../../wechat.conf");

/// The environment variable for the AppSecret; it takes precedence over the file.
pub const SECRET_VARIABLE: &str = "WECHATD_APP_SECRET";

/// The name of systemd's credential with the AppSecret; it replaces the file that `account.app_secret_file` names, which
/// the service itself may not be able to read.
pub const SECRET_CREDENTIAL: &str = "app_secret";

/// The environment variable for the password of the database that `store.url` names; it takes precedence over the file.
pub const PASSWORD_VARIABLE: &str = "WECHATD_STORE_PASSWORD";

/// The name of systemd's credential with this password; it replaces the file that `store.password_file` names.
pub const PASSWORD_CREDENTIAL: &str = "store_password";

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// `[account]`
    pub account: Account,
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Options,
    /// `[api]`
    pub api: Api,
    /// `[[rule]]`, in order.
    pub rules: Vec<Rule>,
    /// The pictures that rules name by a file.
    pub pictures: Vec<Picture>,
    /// `[[hook]]`, in order.
    pub hooks: Vec<Hook>,
    /// `[[service]]`, in order.
    pub services: Vec<Service>,
    /// `[web]`
    pub web: Web,
    /// `[login]`
    pub login: Login,
    /// `[[gate]]`, in order; at least one.
    pub gates: Vec<Gate>,
    /// `[admin]`
    pub admin: Admin,
    /// `[watch]`
    pub watch: Watch,
    /// The SHA-256 of what the file says, without what belongs to one machine; zeros where no other machine has the store.
    pub digest: [u8; 32],
    /// The keys of secrets that are in the file itself.
    pub secrets: Vec<&'static str>,
    /// `[[menu.button]]` and `[[menu.conditional]]`.
    pub menu: Menu,
}

/// Section `[account]`.
#[derive(Debug, Clone)]
pub struct Account {
    /// The Token, if the file has one.
    pub token: Option<Secret>,
    /// A former Token that is still accepted.
    pub previous_token: Option<Secret>,
    /// The AppID.
    pub app_id: Option<String>,
    /// The AppSecret, from the place that takes precedence.
    pub app_secret: Option<Secret>,
    /// The file that `app_secret` was read from.
    pub app_secret_file: Option<PathBuf>,
    /// The console's message mode, with its keys.
    pub mode: Mode,
}

/// Section `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where to listen.
    pub listen: Listen,
    /// The callback path.
    pub path: String,
    /// Threads that handle requests.
    pub workers: usize,
    /// The most open connections.
    pub max_connections: usize,
    /// The most connections that may wait long for their answer; `None`: half of all.
    pub max_waiting: Option<usize>,
    /// The time limit for a request to arrive.
    pub request_timeout: Duration,
    /// The largest head of a request, in bytes.
    pub max_head: usize,
    /// The largest body of a push, in bytes.
    pub max_body: usize,
    /// The largest difference between a push's `timestamp` and this clock; zero: any.
    pub max_clock_skew: Duration,
    /// Where requests may come from.
    pub allow_ips: AllowIps,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

/// How long a signature is remembered if `server.max_clock_skew` is off.
pub const WITHOUT_SKEW: Duration = Duration::from_secs(3_600);

impl Server {
    /// The most connections that may wait long for their answer.
    #[must_use]
    pub fn max_waiting(&self) -> usize {
        self.max_waiting.unwrap_or(self.max_connections / 2)
    }

    /// How long the signature of a request can be replayed: its timestamp may be ahead of this clock as far as behind it.
    #[must_use]
    pub fn life_of_signatures(&self) -> Duration {
        match self.max_clock_skew {
            Duration::ZERO => WITHOUT_SKEW,
            skew => skew.saturating_mul(2),
        }
    }
}

/// Where requests to the callback path may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowIps {
    /// From anywhere.
    Any,
    /// From these networks; never empty.
    Listed(Vec<IpNet>),
    /// From the platform's own networks (`getcallbackip`).
    Platform,
}

/// Section `[api]`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Without a trailing slash.
    pub base_url: String,
    /// The time limit of one call.
    pub timeout: Duration,
    /// When the followers are synced with the platform every day; `None`: never automatically.
    pub sync: Option<TimeOfDay>,
    /// The rate of bulk work, in calls per second.
    pub rate: u32,
    /// The file in which the server keeps the access_token for programs of other users, if any.
    pub token_file: Option<PathBuf>,
}

/// Finds the configuration file: `given`, else the first of [`PLACES`] that exists.
///
/// # Errors
/// When none exists; the text says where it was searched for.
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

/// The other of [`PLACES`] that is there as well, where `found` is in the folder that a command happens to run in: what it
/// says may not be about the service.
#[must_use]
pub fn passed_over(found: &Path) -> Option<&'static Path> {
    let [here, system] = PLACES.map(Path::new);
    (found == here && system.exists()).then_some(system)
}

impl Config {
    /// Loads and checks the file.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn load(file: &Path) -> Result<Config, Problems> {
        let environment = std::env::var(SECRET_VARIABLE).ok();
        Config::read(file, &text_of(file)?, environment.as_deref())
    }

    /// What is in force where there is no file: everything is as in an empty `./wechat.conf`.
    ///
    /// # Errors
    /// When the AppSecret from the environment cannot be one.
    pub fn without_file() -> Result<Config, Problems> {
        let environment = std::env::var(SECRET_VARIABLE).ok();
        Config::read(Path::new(PLACES[0]), "", environment.as_deref())
    }

    /// [`Config::load`] without the AppSecret and the store's password, for users who may not read them.
    ///
    /// # Errors
    /// All other mistakes of the file at once.
    pub fn load_without_secrets(file: &Path) -> Result<Config, Problems> {
        Config::read_without_secrets(file, &text_of(file)?)
    }

    /// Checks the text of a file, as [`Config::load_without_secrets`] does.
    ///
    /// # Errors
    /// All other mistakes of the text at once.
    pub fn read_without_secrets(file: &Path, text: &str) -> Result<Config, Problems> {
        let read = Config::read_in_part(file, text, Some("NotNeededHere"), false);
        let mut config = without_mistakes(read)?;
        let account = &mut config.account;
        account.app_secret = None;
        account.app_secret_file = account
            .app_secret_file
            .take()
            .map(|secret| parser::relative_to(file, &secret));
        Ok(config)
    }

    /// The configuration as far as it can be read, and its mistakes. A key with a mistake has its default.
    #[must_use]
    pub fn load_in_part(file: &Path) -> (Config, Option<Problems>) {
        let environment = std::env::var(SECRET_VARIABLE).ok();
        match text_of(file) {
            Ok(text) => Config::read_in_part(file, &text, environment.as_deref(), true),
            Err(problems) => {
                let (config, _) = Config::read_in_part(file, "", None, false);
                (config, Some(problems))
            }
        }
    }

    /// Checks the text of a file. `secret` is the AppSecret from the environment.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn read(file: &Path, text: &str, secret: Option<&str>) -> Result<Config, Problems> {
        without_mistakes(Config::read_in_part(file, text, secret, true))
    }

    /// `connects`: the files that a connection to the store's server needs are read.
    fn read_in_part(
        file: &Path,
        text: &str,
        secret: Option<&str>,
        connects: bool,
    ) -> (Config, Option<Problems>) {
        let text = byte_order_mark::skip(text);
        let repaired = syntax::repair(text);
        let text = repaired
            .as_ref()
            .map_or(Some(text), |repaired| repaired.text.as_deref());
        let mut parser = Parser::new(text.unwrap_or_default());
        for error in repaired.iter().flat_map(|repaired| &repaired.errors) {
            parser.syntax_error(error);
        }
        let (root, _) = DeTable::parse_recoverable(text.unwrap_or_default());
        let mut draft = key::defaults(file);
        parser.sections(root.get_ref(), &mut draft);
        let config = &mut draft.config;
        config.store.path = parser::relative_to(file, &config.store.path);
        for path in [&mut config.api.token_file, &mut config.store.media] {
            *path = path.take().map(|path| parser::relative_to(file, &path));
        }
        if text.is_none() {
            return (draft.config, Some(parser.problems(file)));
        }
        parser.secret(root.get_ref(), config, secret);
        parser.database(root.get_ref(), &mut draft, connects);
        if draft.config.store.server.is_some() {
            draft.config.digest = digest::of(text.unwrap_or_default());
        }
        parser.verify_files(&mut draft);
        parser.cross_check(root.get_ref(), &mut draft);
        let problems = (!parser.list.is_empty()).then(|| parser.problems(file));
        (draft.config, problems)
    }

    /// AppID and AppSecret, if both are known: then the platform's API can be called.
    #[must_use]
    pub fn api_rights(&self) -> Option<(&str, &Secret)> {
        self.account
            .app_id
            .as_deref()
            .zip(self.account.app_secret.as_ref())
    }

    /// The URL to enter in the console, as far as it is known.
    #[must_use]
    pub fn callback_url(&self) -> String {
        let url = self.web.url.as_ref().filter(|url| url.is_https);
        let origin = url.map_or("https://YOUR-DOMAIN", |url| &url.origin);
        format!("{origin}{}", self.server.path)
    }

    /// The keys that differ in `new` and take effect only after a restart.
    #[must_use]
    pub fn restart_keys(&self, new: &Config) -> Vec<&'static str> {
        let waits = |key: &&Key| match key.change {
            Change::Live => false,
            Change::Restart(same) => !same(self, new),
        };
        KEYS.iter().filter(waits).map(|key| key.name).collect()
    }
}

fn without_mistakes(read: (Config, Option<Problems>)) -> Result<Config, Problems> {
    match read {
        (config, None) => Ok(config),
        (_, Some(problems)) => Err(problems),
    }
}

/// Reads the text of a configuration file.
fn text_of(file: &Path) -> Result<String, Problems> {
    let bytes = fs::read(file).map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "there is no such file; name another with --config FILE".to_owned()
            }
            _ => format!("cannot be read: {error}"),
        };
        Problems::one(file, what)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let mut problems = Problems::one(file, "this line is not UTF-8; save the file as UTF-8");
        problems.list[0].line = Some(line);
        problems
    })
}
