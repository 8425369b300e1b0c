//! The configuration that is installed: the owner's own, with the paths of a service, and the files that it names.

use std::fs;
use std::path::{Path, PathBuf};

use super::step::{Act, Step};
use super::{CONFIG, FOLDER};
use crate::cli::terminal::Failure;
use crate::config::{self, Config, SHIPPED, with_key};

const SECRET: &str = "/etc/wechatd/app_secret";
const PASSWORD: &str = "/etc/wechatd/store_password";
const CERTIFICATES: &str = "/etc/wechatd/store_ca.pem";
const STORE: &str = "/var/lib/wechatd/wechat.db";
const MEDIA: &str = "/var/lib/wechatd/media";
const TOKEN: &str = "/run/wechatd/access_token";

/// A configuration for `/etc/wechatd`.
pub(super) struct NewConfig {
    text: String,
    /// With paths as the service sees them.
    pub(super) config: Config,
    /// Where a file goes, what is in it, and whether only root reads it.
    others: Vec<(PathBuf, Vec<u8>, bool)>,
    /// What to say at the end.
    pub(super) note: Option<String>,
}

impl NewConfig {
    /// Made of the file that `named` or the usual search finds, else of the shipped one.
    pub(super) fn of(named: Option<&Path>) -> Result<NewConfig, Failure> {
        let file = match named {
            Some(named) => Some(named.to_owned()),
            None => config::find(None).ok(),
        };
        let Some(file) = file else {
            let file = PathBuf::from("wechat.conf");
            let config = Config::read(&file, SHIPPED, None)?;
            return NewConfig::moved(&file, SHIPPED.to_owned(), config, None);
        };
        let config = Config::load(&file)?;
        let text = fs::read_to_string(&file).map_err(|error| failed(&file, &error))?;
        let tried = config.store.file().filter(|store| is_of_a_try(store));
        let tried = tried.filter(|store| store.exists()).map(|store| {
            format!(
                "{} stays where it is; the service has a store of its own, {STORE}",
                store.display()
            )
        });
        NewConfig::moved(&file, text, config, tried)
    }

    fn moved(
        file: &Path,
        mut text: String,
        config: Config,
        note: Option<String>,
    ) -> Result<NewConfig, Failure> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut others = Vec::new();
        let mut set = |key: &str, value: &str| {
            text = with_key(
                &text,
                key,
                &toml::Value::String(value.to_owned()).to_string(),
            );
        };
        if config.store.file().is_some_and(is_of_a_try) {
            set("store.path", STORE);
        }
        // What is relative lies beside the configuration, where the service cannot write.
        let is_beside = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.is_some_and(|path| path.is_relative() || path.starts_with(FOLDER))
        };
        if is_beside(&config.store.media) {
            set("store.media", MEDIA);
        }
        if is_beside(&config.api.token_file) {
            set("api.token_file", TOKEN);
        }
        if let Some(secret) = &config.account.app_secret_file {
            set("account.app_secret_file", SECRET);
            others.push((PathBuf::from(SECRET), read(secret)?, true));
        }
        if let Some(server) = &config.store.server {
            if let Some(password) = &server.password_file {
                set("store.password_file", PASSWORD);
                others.push((PathBuf::from(PASSWORD), read(password)?, true));
            }
            if let Some(certificates) = server.tls.certificates() {
                set("store.tls", CERTIFICATES);
                others.push((PathBuf::from(CERTIFICATES), read(certificates)?, false));
            }
        }
        for name in self::others(&config) {
            let to = Path::new(FOLDER).join(name);
            if others.iter().all(|(other, ..)| *other != to) {
                others.push((to, read(&folder.join(name))?, false));
            }
        }
        let mut moved = Config::read_without_secrets(file, &text)?;
        if moved.store.file().is_some_and(is_of_a_try) {
            return Err(Failure::failed(
                format!("{}: store.path cannot be changed by itself", file.display()),
                format!("set store.path = \"{STORE}\" there, and repeat the command"),
            ));
        }
        moved.file = PathBuf::from(CONFIG);
        moved.account.app_secret_file = config.account.app_secret_file.map(|_| SECRET.into());
        Ok(NewConfig {
            text,
            config: moved,
            others,
            note,
        })
    }

    /// The steps that write it.
    pub(super) fn files(&self, at: impl Fn(&Path) -> PathBuf) -> Vec<Step> {
        let mut steps = Vec::new();
        for (path, bytes, is_secret) in &self.others {
            let folder = path.parent().unwrap_or(path);
            if folder != Path::new(FOLDER) {
                steps.push(Step::new(Act::MakeFolder(at(folder))));
            }
            steps.push(Step::new(Act::Write {
                path: at(path),
                bytes: bytes.clone(),
                mode: if *is_secret { 0o600 } else { 0o640 },
                for_service: !is_secret,
            }));
        }
        // Last: where it is, the others are.
        steps.push(Step::new(Act::Write {
            path: at(Path::new(CONFIG)),
            bytes: self.text.clone().into_bytes(),
            mode: 0o640,
            for_service: true,
        }));
        steps
    }
}

/// Whether a service has another store than the one in this file.
fn is_of_a_try(store: &Path) -> bool {
    !store.starts_with("/var/lib")
}

/// The names of the files beside the configuration that it names.
pub(super) fn others(config: &Config) -> impl Iterator<Item = &String> {
    let pictures = config.pictures.iter().map(|picture| &picture.file.name);
    let media = config
        .rules
        .iter()
        .filter_map(|rule| rule.action.media_file());
    let media = media.map(|media| &media.file.name);
    let verify = config.web.verify_files.iter().map(|file| &file.name);
    pictures.chain(media).chain(verify)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| failed(file, &error))
}

fn failed(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", file.display()))
}
