//! Servers as processes: started in a temporary folder, observed through `/proc`, killed on drop.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::options::Database;
use crate::push::{AES_KEY, APP_ID, TOKEN};

/// The rules of the shipped configuration, in short.
pub const RULES: &str = r#"
[[rule]]
event = "subscribe"
text = "Welcome! Here is what this account can do."

[[rule]]
name = "suggestion"
message = "text"
prefix = "@"
text = "Your suggestion has been received and will be processed in time!"

[[rule]]
name = "help"
message = "text"
text = "Send @ followed by your suggestion, and we will receive it."
"#;

/// The program under test: the release build, or what the environment variable `WECHATD` names, to compare builds with
/// the same generator.
pub fn program() -> PathBuf {
    std::env::var_os("WECHATD").map_or_else(|| env!("CARGO_BIN_EXE_wechatd").into(), PathBuf::from)
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub secure: bool,
    /// The reference server in this program instead of `wechatd`.
    pub without_store: bool,
    pub rules: String,
    /// Where the store is, if not in a file of its own.
    pub database: Option<Database>,
    /// The platform's API, if the server has rights to it.
    pub api: Option<Api>,
    pub environment: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            secure: false,
            without_store: false,
            rules: RULES.to_owned(),
            database: None,
            api: None,
            environment: Vec::new(),
        }
    }
}

/// How the platform's API is used.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where the platform listens.
    pub platform: SocketAddr,
    /// Calls a second, `api.rate`.
    pub rate: u32,
    /// When the server starts its own sync, `api.sync`.
    pub sync: &'static str,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Setup {
    /// A folder with the configuration in it.
    pub fn folder(&self) -> TempDir {
        let folder = tempfile::Builder::new()
            .prefix("wechatd-bench-")
            .tempdir()
            .unwrap();
        fs::write(folder.path().join("wechat.conf"), self.configuration()).unwrap();
        folder
    }

    /// The content of the configuration file.
    pub fn configuration(&self) -> String {
        // All servers that share a database serve one account.
        let app_id = match self.secure || self.api.is_some() || self.database.is_some() {
            true => format!("app_id = \"{APP_ID}\"\n"),
            false => String::new(),
        };
        let secure = match self.secure {
            true => format!("mode = \"secure\"\naes_key = \"{AES_KEY}\"\n"),
            false => String::new(),
        };
        let (secret, api) = match &self.api {
            Some(Api {
                platform,
                rate,
                sync,
            }) => (
                "app_secret = \"benchSecret2026\"\n",
                format!(
                    "\n[api]\nbase_url = \"http://{platform}\"\nrate = {rate}\nsync = \"{sync}\"\n"
                ),
            ),
            None => ("", String::new()),
        };
        let store = self.database.as_ref().map_or_else(String::new, |database| {
            let Database {
                url,
                password_file,
                tls,
            } = database;
            let file = password_file.iter();
            let file: String = file
                .map(|file| format!("password_file = {file:?}\n"))
                .collect();
            format!("\n[store]\nurl = {url:?}\ntls = {tls:?}\n{file}")
        });
        format!(
            "[account]\ntoken = \"{TOKEN}\"\n{app_id}{secret}{secure}\n[server]\nlisten = \"127.0.0.1:0\"\n{store}{api}{}",
            self.rules
        )
    }

    /// Starts it and waits until it listens.
    pub fn start(&self) -> Server {
        self.start_in(self.folder())
    }

    /// The same in a folder made by [`Setup::folder`].
    pub fn start_in(&self, folder: TempDir) -> Server {
        let config = folder.path().join("wechat.conf");
        // Log to a file at the default level, as in production.
        let log = folder.path().join("log");
        let mut command = if self.without_store {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg("--serve-without-store").arg(&config);
            command
        } else {
            let mut command = Command::new(program());
            command.arg("--config").arg(&config);
            command
        };
        let child = command
            .envs(self.environment.iter().cloned())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
        };
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = listening_on(&said) {
                server.address = address;
                return server;
            }
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not start:\n{said}"
            );
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

fn listening_on(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening on http://")?;
    let (address, _) = rest.split_once('/')?;
    address.parse().ok()
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The store's file.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("wechat.db")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("wechat.conf")
    }

    /// Makes it reload its configuration.
    pub fn reload(&self) {
        let mut kill = Command::new("kill");
        kill.arg("-HUP").arg(self.pid().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Commits so far; 0 without a store.
    pub fn commits(&self) -> u32 {
        commits(&self.store())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Commits to a store so far: `iChange`, the third word in the header of SQLite's WAL index.
pub fn commits(store: &Path) -> u32 {
    let index = store.with_extension("db-shm");
    let header = fs::read(index).unwrap_or_default();
    header
        .get(8..12)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }
}

/// The time of these processes and all their children.
pub fn cpu(pids: &[u32]) -> Cpu {
    let mut sum = Cpu::default();
    for pid in family(pids) {
        let [user, system] = ticks(&pid.to_string(), [11, 12]);
        sum.user += user;
        sum.system += system;
    }
    sum
}

/// The time of this process, without its children.
pub fn cpu_of_this_process() -> Cpu {
    let [user, system] = ticks("self", [11, 12]);
    Cpu { user, system }
}

/// The time of all children that have ended and were waited for.
pub fn cpu_of_the_ended() -> Cpu {
    let [user, system] = ticks("self", [13, 14]);
    Cpu { user, system }
}

/// Fields of `/proc/PID/stat` in seconds; field 0 is the one after the name.
fn ticks(pid: &str, fields: [usize; 2]) -> [f64; 2] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may contain anything; it ends at the last parenthesis.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    fields.map(|field| {
        let text = rest.split(' ').nth(field).unwrap_or("0");
        text.parse::<f64>().unwrap_or(0.0) / 100.0
    })
}

fn family(pids: &[u32]) -> Vec<u32> {
    let mut all = pids.to_vec();
    let mut at = 0;
    while at < all.len() {
        let tasks = format!("/proc/{0}/task/{0}/children", all[at]);
        let children = fs::read_to_string(tasks).unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        at += 1;
    }
    all
}

/// A field of `/proc/PID/status` (kB or a plain number), summed over the processes and their children.
pub fn status(pids: &[u32], field: &str) -> u64 {
    let of = |pid: u32| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .and_then(|value| value.split_whitespace().next())
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    };
    family(pids).into_iter().map(of).sum()
}
