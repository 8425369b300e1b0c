//! One account under test: a folder with `wechat.conf` and the store, and the real program running in it.

use super::http::{Address, Answer, Request, exchange};
pub use super::platform::{APP_ID, APP_SECRET};
use super::push::{Push, another_fan, nonce, signed_query, subscribe};
use super::{Log, PATIENCE, Platform, Ran, Service, Store, eventually, now};
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The default Token.
pub const TOKEN: &str = "integrationToken2026";

/// The default rules: a welcome, a thank-you, and a help text for everything else.
pub const RULES: &str = r#"
[[rule]]
name = "welcome"
event = "subscribe"
text = "Welcome!"

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
/// An answer of [`RULES`].
pub const WELCOME: &str = "Welcome!";
/// See [`WELCOME`].
pub const THANKS: &str = "Your suggestion has been received and will be processed in time!";
/// See [`WELCOME`].
pub const HELP: &str = "Send @ followed by your suggestion, and we will receive it.";

/// An account before it starts: its configuration and environment.
pub struct Setup {
    dir: TempDir,
    settings: Vec<(String, String)>,
    rules: String,
    services: String,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// The defaults: [`TOKEN`], [`RULES`], a free port, no API credentials.
    pub fn new() -> Self {
        Self {
            dir: tempfile::Builder::new()
                .prefix("wechatd-")
                .tempdir_in(super::disk::place())
                .unwrap(),
            settings: Vec::new(),
            rules: RULES.into(),
            services: String::new(),
            environment: Vec::new(),
        }
        .set("account.token", &format!("\"{TOKEN}\""))
        .set("server.listen", "\"127.0.0.1:0\"")
    }

    /// Sets a configuration key; `value` as written in the file, including quotes.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Removes a configuration key.
    pub fn unset(mut self, key: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self
    }

    /// Replaces [`RULES`].
    pub fn rules(mut self, rules: &str) -> Self {
        self.rules = rules.into();
        self
    }

    /// Adds this service as `bot`, with these further keys; rules forward to it (`service::FORWARD_ALL`).
    pub fn service(mut self, service: &Service, keys: &str) -> Self {
        self.services += &service.entry(keys);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets API credentials and this fake platform. Followers are synced only by command, and no call times out on a busy
    /// machine before the test has seen what it waits for, unless `api.timeout` is set.
    pub fn platform(mut self, platform: &Platform) -> Self {
        if !self.settings.iter().any(|(key, _)| key == "api.timeout") {
            self = self.set("api.timeout", "\"60s\"");
        }
        self.set("account.app_id", &format!("\"{APP_ID}\""))
            .set("account.app_secret", &format!("\"{APP_SECRET}\""))
            .set("api.base_url", &format!("\"{}\"", platform.url()))
            .set("api.sync", "\"off\"")
    }

    /// The folder of the configuration and the store.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the configuration without starting the server.
    pub fn stopped(self) -> Account {
        let mut config = String::new();
        for (key, value) in &self.settings {
            config += &format!("{key} = {value}\n");
        }
        config += &self.rules;
        config += &self.services;
        let path = self.dir.path().join("wechat.conf");
        std::fs::write(&path, config).unwrap();
        // It contains the Token; the server would warn.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let token = self.settings.iter().find(|(key, _)| key == "account.token");
        let token = token.map(|(_, value)| value.trim_matches('"').to_owned());
        Account {
            dir: self.dir,
            token: token.unwrap_or_default(),
            environment: self.environment,
            wrapper: None,
            log: Log::default(),
            running: None,
        }
    }

    /// Starts the server and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Account {
        let mut account = self.stopped();
        account.begin();
        account
    }
}

/// An account, running or stopped. Dropping it ends its server.
pub struct Account {
    dir: TempDir,
    /// The Token used by [`Account::post`].
    pub token: String,
    environment: Vec<(String, String)>,
    wrapper: Option<String>,
    log: Log,
    running: Option<Running>,
}

struct Running {
    child: Child,
    address: Address,
    reader: std::thread::JoinHandle<()>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal killed it.
    pub code: Option<i32>,
    /// From the signal to the end.
    pub took: Duration,
}

impl Account {
    /// Starts an account with the defaults.
    #[track_caller]
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// The same with these rules.
    #[track_caller]
    pub fn with_rules(rules: &str) -> Self {
        Setup::new().rules(rules).start()
    }

    /// Starts the server in this folder; panics with its log if it ends instead of listening.
    #[track_caller]
    pub fn begin(&mut self) {
        let seen = self.log.lines().len();
        let mut program = self.program(&["serve"]);
        if let Some(script) = &self.wrapper {
            program = wrapped(script, &program);
        }
        let mut child = program
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = self.log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.split(b'\n') {
                let Ok(line) = line else { break };
                log.push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            let lines = self.log.lines();
            if let Some(address) = lines[seen..].iter().find_map(|line| listening_on(line)) {
                break address;
            }
            if let Some(status) = child.try_wait().unwrap() {
                reader.join().unwrap();
                panic!(
                    "the server ended ({status}) instead of listening\n{}",
                    self.log
                );
            }
            assert!(Instant::now() < deadline, "does not listen\n{}", self.log);
            std::thread::sleep(Duration::from_millis(2));
        };
        self.running = Some(Running {
            child,
            address,
            reader,
        });
    }

    /// From the next start on this shell script starts the server, which is `"$@"`; use `exec`, so that it keeps the
    /// process id.
    pub fn wrapped_in(mut self, script: &str) -> Self {
        self.wrapper = Some(script.into());
        self
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").child.id()
    }

    /// How often the server's thread of this name has gone to sleep.
    #[track_caller]
    pub fn sleeps_of(&self, thread: &str) -> u64 {
        self.state_of(thread).1
    }

    /// Whether the server's thread of this name sleeps now, and how often it has gone to sleep.
    #[track_caller]
    fn state_of(&self, thread: &str) -> (bool, u64) {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let task = tasks
            .map(|task| task.unwrap().path())
            .find(|task| {
                std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == thread)
            })
            .unwrap_or_else(|| panic!("no thread {thread}"));
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let value = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().trim()
        };
        let sleeps = value("voluntary_ctxt_switches:").parse().unwrap();
        (value("State:").starts_with('S'), sleeps)
    }

    /// Waits until a background thread has nothing left to do: it has gone to sleep, and sleeps on.
    #[track_caller]
    pub fn await_rest_of(&self, thread: &str) {
        eventually(&format!("{thread} at rest"), self.log(), || {
            let before = self.state_of(thread);
            std::thread::sleep(Duration::from_millis(100));
            let (sleeps, times) = before;
            sleeps && times > 0 && self.state_of(thread) == before
        });
    }

    /// Sends SIGHUP and waits until the log reports the result of the reload.
    #[track_caller]
    pub fn reload(&self) {
        let ends = ["configuration reloaded", "the old one stays"];
        let said = || ends.iter().map(|end| self.log.count(end)).sum::<usize>();
        let before = said();
        self.hang_up();
        eventually("the end of the reload", &self.log, || said() > before);
    }

    /// Sends SIGHUP without waiting.
    pub fn hang_up(&self) {
        send_signal(self.pid(), "HUP");
    }

    /// The files of the store that contain these bytes.
    pub fn files_with(&self, needle: &str) -> Vec<&'static str> {
        // The log first: what leaves it meanwhile is in the main file.
        let mut names = vec!["wechat.db-wal", "wechat.db", "wechat.db-shm"];
        names.retain(|name| {
            let bytes = std::fs::read(self.folder().join(name)).unwrap_or_default();
            let mut parts = bytes.windows(needle.len());
            parts.any(|part| part == needle.as_bytes())
        });
        names
    }

    /// The program with this account's configuration and environment.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = super::command::program();
        command
            .arg("--config")
            .arg(self.config_path())
            .args(arguments)
            .env("TMPDIR", super::disk::place())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder());
        command
    }

    /// Runs a command of the program on this account until it ends.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program(arguments), "")
    }

    /// Runs a command in a terminal (`script` of util-linux): stdout has both outputs as the terminal shows them.
    #[track_caller]
    pub fn on_a_terminal(&self, arguments: &[&str]) -> Ran {
        self.in_a_script("", arguments)
    }

    /// The same in a terminal of so many columns.
    #[track_caller]
    pub fn on_a_terminal_of(&self, columns: u16, arguments: &[&str]) -> Ran {
        self.in_a_script(&format!("stty rows 24 cols {columns}; "), arguments)
    }

    #[track_caller]
    fn in_a_script(&self, before: &str, arguments: &[&str]) -> Ran {
        let program = self.program(arguments);
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy());
        let words = std::iter::once(program.get_program()).chain(program.get_args());
        let line: Vec<String> = words.map(quoted).collect();
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{before}{}", line.join(" ")), "/dev/null"]);
        script.current_dir(self.folder()).env("TERM", "xterm");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        Ran::of(script, "")
    }

    /// `wechatd simulate …` against the running server.
    #[track_caller]
    pub fn simulate(&self, arguments: &[&str]) -> Ran {
        let url = self.url();
        let mut all = vec!["simulate"];
        all.extend(arguments);
        all.extend(["--url", &url]);
        self.command(&all)
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) -> Ended {
        self.signal("TERM")
    }

    /// Kills the server, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().ok();
            running.child.wait().ok();
            running.reader.join().ok();
        }
    }

    /// Stops and starts again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.begin();
    }

    /// Sends a signal by name (`TERM`, `INT`) and waits for the end.
    #[track_caller]
    pub fn signal(&mut self, name: &str) -> Ended {
        let mut running = self.running.take().expect("the server runs");
        send_signal(running.child.id(), name);
        let started = Instant::now();
        let status = loop {
            if let Some(status) = running.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                running.child.kill().ok();
                panic!("does not end on SIG{name}\n{}", self.log);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        running.reader.join().unwrap();
        Ended {
            code: status.code(),
            took,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.running.as_ref().expect("the server runs").address
    }

    /// `http://127.0.0.1:PORT/wechat`.
    pub fn url(&self) -> String {
        match self.address() {
            Address::Tcp(address) => format!("http://{address}/wechat"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Posts a push, signed as the platform would.
    #[track_caller]
    pub fn post(&self, push: &Push) -> Answer {
        self.send(&push.request("/wechat", &self.token))
    }

    /// Somebody who follows from now on, by a push.
    #[track_caller]
    pub fn follower(&self) -> String {
        let fan = another_fan();
        self.post(&subscribe().from(&fan)).is_status(200);
        fan
    }

    /// GETs path and query.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.send(&Request::new("GET", target))
    }

    /// Sends one request over a new connection.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Answer {
        exchange(self.address(), request, &self.log)
    }

    /// A valid signature with the current time: `signature=…&timestamp=…&nonce=…`.
    pub fn signed(&self) -> String {
        signed_query(&self.token, &now().to_string(), &nonce())
    }

    /// The log so far, across restarts.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The folder of the configuration and the store.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("wechat.conf")
    }

    /// The store's file.
    pub fn store_path(&self) -> PathBuf {
        self.dir.path().join("wechat.db")
    }

    /// The store, for reading.
    #[track_caller]
    pub fn store(&self) -> Store {
        Store::open(&self.store_path(), &self.log)
    }

    /// Changes the configuration file; the next start reads it.
    pub fn rewrite_config(&self, change: impl FnOnce(String) -> String) {
        let config = std::fs::read_to_string(self.config_path()).unwrap();
        std::fs::write(self.config_path(), change(config)).unwrap();
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `program` as the arguments of a shell script.
fn wrapped(script: &str, program: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]);
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// Sends a signal with the shell's built-in `kill`, which exists everywhere.
pub fn send_signal(pid: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {pid}");
}

/// Reads `listening on http://127.0.0.1:PORT/wechat` or `listening on unix:/path`.
fn listening_on(line: &str) -> Option<Address> {
    let (_, place) = line.split_once("listening on ")?;
    let place = place
        .split_whitespace()
        .next()?
        .trim_end_matches([',', ';']);
    if let Some(path) = place.strip_prefix("unix:") {
        return Some(Address::Unix(path.into()));
    }
    let authority = place.strip_prefix("http://")?.split('/').next()?;
    Some(Address::Tcp(authority.parse().ok()?))
}
