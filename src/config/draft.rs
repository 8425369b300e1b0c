//! A configuration while its file is parsed, with keys that form a value only together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::database::DatabaseKeys;
use super::mode::ModeName;
use super::{
    Account, Admin, AllowIps, Api, Config, Gate, Listen, Login, Menu, Mode, Server, Watch, Web,
};
use crate::store::Options;
use crate::wechat::AesKey;

/// The values of the keys so far.
pub(super) struct Draft {
    /// All that a single key can set; its mode is plain until all keys are parsed.
    pub(super) config: Config,
    pub(super) mode: ModeName,
    pub(super) database: DatabaseKeys,
    pub(super) aes_key: Option<AesKey>,
    pub(super) previous_aes_key: Option<AesKey>,
    /// `web.verify_files`, before they are read, each with the byte at which its name stands.
    pub(super) verify_files: Vec<(usize, String)>,
    /// Where the first file stands that rules answer with, if there is any.
    pub(super) first_upload: Option<usize>,
}

impl Draft {
    /// Before any key is set, not even to its default.
    pub(super) fn without_keys(file: &Path) -> Draft {
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get().max(2));
        let config = Config {
            file: file.to_owned(),
            account: Account {
                token: None,
                previous_token: None,
                app_id: None,
                app_secret: None,
                app_secret_file: None,
                mode: Mode::Plain,
            },
            server: Server {
                listen: Listen::Unix(PathBuf::new()),
                path: String::new(),
                workers,
                max_connections: 0,
                max_waiting: None,
                request_timeout: Duration::ZERO,
                max_head: 0,
                max_body: 0,
                max_clock_skew: Duration::ZERO,
                allow_ips: AllowIps::Any,
                trusted_proxies: Vec::new(),
            },
            store: Options {
                path: PathBuf::new(),
                server: None,
                keep_messages: Duration::ZERO,
                media: None,
            },
            api: Api {
                base_url: String::new(),
                timeout: Duration::ZERO,
                sync: None,
                rate: 0,
                token_file: None,
            },
            rules: Vec::new(),
            pictures: Vec::new(),
            hooks: Vec::new(),
            services: Vec::new(),
            web: Web::default(),
            login: Login::default(),
            gates: vec![Gate::default_gate()],
            admin: Admin::default(),
            watch: Watch::default(),
            digest: [0; 32],
            secrets: Vec::new(),
            menu: Menu::default(),
        };
        Draft {
            config,
            mode: ModeName::Plain,
            database: DatabaseKeys::default(),
            aes_key: None,
            previous_aes_key: None,
            verify_files: Vec::new(),
            first_upload: None,
        }
    }
}
