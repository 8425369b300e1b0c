//! A private MariaDB or MySQL for tests: its own folder and port, no TLS. It ends with the test that started it.
//!
//! `WECHATD_ENGINE` names a folder into which Debian's packages of either were unpacked, as `.ci/run` does it with those of
//! MariaDB. Without it such tests say that they were skipped, and pass.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Who may do everything in the databases of the tests.
pub const USER: &str = "wechatd";

/// Their password.
pub const PASSWORD: &str = "synthetic-password";

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the server and removes its folder when the test process ends, however it ends: then its standard input closes.
const KEEPER: &str =
    r#"folder=$1; shift; "$@" & read -r _; kill -9 $! 2> /dev/null; wait; rm -rf "$folder""#;

/// Stands in for a state transfer between nodes that have the same data.
const TRANSFER: &str = r#"#!/bin/sh
case $2 in
joiner) echo "ready 127.0.0.1" && echo "$POSITION" ;;
donor) echo "done $POSITION" ;;
esac
"#;

/// What happens to a COMMIT on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server gets it, and its answer is lost.
    Answer,
    /// The server does not get it.
    Request,
}

/// The names by which MariaDB and MySQL call the same.
#[derive(Debug)]
pub struct Product {
    /// Its own.
    pub name: &'static str,
    server: &'static str,
    client: &'static str,
    /// The servers of a pair, and the plugin that each needs to be one.
    source: &'static str,
    replica: &'static str,
    plugins: [&'static str; 2],
    /// Tells a replica its source.
    change: &'static str,
}

const MARIADB: Product = Product {
    name: "MariaDB",
    server: "usr/sbin/mariadbd",
    client: "usr/bin/mariadb",
    source: "master",
    replica: "slave",
    plugins: ["", ""],
    change: "CHANGE MASTER TO",
};

const MYSQL: Product = Product {
    name: "MySQL",
    server: "usr/sbin/mysqld",
    client: "usr/bin/mysql",
    source: "source",
    replica: "replica",
    plugins: ["semisync_source.so", "semisync_replica.so"],
    change: "CHANGE REPLICATION SOURCE TO source_ssl = 0, get_source_public_key = 1,",
};

impl Product {
    /// What is unpacked there.
    fn of(unpacked: &Path) -> &'static Product {
        // MariaDB's packages have a server by MySQL's name, too.
        match unpacked.join(MARIADB.server).exists() {
            true => &MARIADB,
            false => &MYSQL,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Engine {
    /// What it is.
    pub product: &'static Product,
    unpacked: PathBuf,
    folder: PathBuf,
    port: u16,
    keeper: Child,
}

impl Engine {
    /// Starts a server with these options besides its own; `None` where there is no server.
    pub fn start(options: &[&str]) -> Option<Engine> {
        let unpacked = unpacked()?;
        // Between the choice of a port and its use another process may take it.
        let engine = (0..5).find_map(|_| Engine::try_to_start(&unpacked, options));
        assert!(engine.is_some(), "the log above says why");
        engine
    }

    fn try_to_start(unpacked: &Path, options: &[&str]) -> Option<Engine> {
        let folder = tempfile::tempdir().unwrap().keep();
        fill(unpacked, &folder);
        let mut command = server(unpacked, &folder);
        Engine::run_in(unpacked, folder, command.args(options))
    }

    /// Runs a server in a folder that is its own from now on.
    fn run_in(unpacked: &Path, folder: PathBuf, server: &mut Command) -> Option<Engine> {
        let port = free_port();
        let engine = Engine {
            keeper: keeper(&folder, server.args(own(port, &folder))),
            product: Product::of(unpacked),
            unpacked: unpacked.to_owned(),
            folder,
            port,
        };
        let has_started = engine.has_started();
        if !has_started {
            eprintln!("{}", log(&engine.folder));
        }
        has_started.then_some(engine)
    }

    /// The server that all tests of this process share.
    pub fn shared() -> Option<&'static Engine> {
        static SHARED: OnceLock<Option<Engine>> = OnceLock::new();
        SHARED.get_or_init(|| Engine::start(&[])).as_ref()
    }

    /// A primary, which acknowledges nothing that its replica does not have; `None` where there is no server.
    pub fn pair() -> Option<(Engine, Engine)> {
        let product = Product::of(&unpacked()?);
        let (source, replicates) = (product.source, product.replica);
        let [of_source, of_replica] = product
            .plugins
            .map(|plugin| format!("--plugin-load-add={plugin}"));
        let primary = Engine::start(&[
            &of_source,
            "--server-id=1",
            "--log-bin=bin",
            &format!("--rpl-semi-sync-{source}-timeout=60000"),
            &format!("--rpl-semi-sync-{source}-wait-point=AFTER_SYNC"),
        ])?;
        let replica = Engine::start(&[
            &of_replica,
            "--server-id=2",
            &format!("--rpl-semi-sync-{replicates}-enabled=ON"),
            "--read-only",
        ])?;
        // Not sooner: it would wait for the replica when it makes its users.
        primary.run(&format!("SET GLOBAL rpl_semi_sync_{source}_enabled = ON"));
        replica.run(&format!(
            "{} {source}_host = '127.0.0.1', {source}_port = {}, {source}_user = '{USER}',
                 {source}_password = '{PASSWORD}', {source}_log_file = 'bin.000001', {source}_log_pos = 4;
             START {replicates}",
            product.change, primary.port
        ));
        let clients = format!("SHOW STATUS LIKE 'Rpl_semi_sync_{source}_clients'");
        primary.says(&clients, "\t1\n");
        Some((primary, replica))
    }

    /// Nodes of a Galera, each of which can be written to; `None` where there is none.
    #[allow(dead_code, reason = "not everybody who starts a server does")]
    pub fn galera() -> Option<[Engine; 3]> {
        let unpacked = unpacked()?;
        let folders = ["usr/lib/galera", "usr/lib"].map(|folder| unpacked.join(folder));
        let mut providers = folders
            .map(|folder| folder.join("libgalera_smm.so"))
            .into_iter();
        let Some(provider) = providers.find(|file| file.exists()) else {
            eprintln!("no Galera here, skipped");
            return None;
        };
        let nodes = (0..3).find_map(|_| Engine::try_to_start_galera(&unpacked, &provider));
        assert!(nodes.is_some(), "the log above says why");
        nodes
    }

    fn try_to_start_galera(unpacked: &Path, provider: &Path) -> Option<[Engine; 3]> {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap().keep());
        let [first, second, third] = &folders;
        fill(unpacked, first);
        // The data are made those of a node once, and copied: a state transfer to another node needs more programs, and
        // must not run as root. What was done since then the others get from the first.
        let ports = folders.each_ref().map(|_| free_port());
        let users = std::fs::read_to_string(first.join("users.sql")).unwrap();
        let script = first.join("once.sql");
        std::fs::write(&script, format!("{users}SHUTDOWN;\n")).unwrap();
        let once = server(unpacked, first)
            .args(of_galera(provider, ports[0], &[]))
            .args(["--wsrep-new-cluster", "--skip-networking"])
            .arg(format!("--socket={}", first.join("socket").display()))
            .arg(format!("--init-file={}", script.display()))
            .output()
            .unwrap();
        if !once.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&once.stderr));
            return None;
        }
        let position = position(&std::fs::read_to_string(first.join("data/grastate.dat")).unwrap());
        std::fs::remove_file(first.join("data/galera.cache")).ok();
        // Of an own user it would be a statement that is done by every node.
        std::fs::write(first.join("users.sql"), "").unwrap();
        let transfer = first.join("wsrep_sst_nothing");
        std::fs::write(&transfer, TRANSFER).unwrap();
        std::fs::set_permissions(&transfer, std::fs::Permissions::from_mode(0o700)).unwrap();
        for folder in [second, third] {
            let from = [
                first.join("data"),
                first.join("users.sql"),
                transfer.clone(),
            ];
            let copied = Command::new("cp").arg("-a").args(from).arg(folder).status();
            assert!(copied.unwrap().success());
        }
        let mut nodes = Vec::new();
        for (folder, port) in folders.iter().zip(ports) {
            let others = &ports[..nodes.len()];
            let path = std::env::var("PATH").unwrap_or_default();
            let mut command = server(unpacked, folder);
            command
                .env("PATH", format!("{path}:{}", folder.display()))
                .env("POSITION", &position)
                .args(of_galera(provider, port, others));
            if others.is_empty() {
                command.arg("--wsrep-new-cluster");
            }
            let node = Engine::run_in(unpacked, folder.clone(), &mut command)?;
            node.says("SHOW STATUS LIKE 'wsrep_local_state_comment'", "\tSynced\n");
            nodes.push(node);
        }
        nodes.try_into().ok()
    }

    /// Makes a replica whose primary has died the server that can be written to.
    #[track_caller]
    pub fn promote(&self) {
        let replica = self.product.replica;
        self.run(&format!("STOP {replica} IO_THREAD"));
        self.says(&format!("SHOW {replica} STATUS"), "has read all relay log");
        self.run(&format!("STOP {replica}; SET GLOBAL read_only = 0"));
    }

    /// Waits until a node of a Galera has done what the others had when this is called.
    #[track_caller]
    #[allow(dead_code, reason = "not everybody who starts a server does")]
    pub fn catches_up(&self) {
        self.run("SET SESSION wsrep_sync_wait = 1; SELECT count(*) FROM mysql.user");
    }

    /// Waits until these statements print this.
    #[track_caller]
    fn says(&self, sql: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.run(sql).contains(expected) {
            assert!(Instant::now() < deadline, "{sql}: {expected}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Listens before a server, and cuts each connection at its first COMMIT as often as there are cuts.
    pub fn cutting(&self, cuts: &Arc<Mutex<Vec<Cut>>>) -> SocketAddr {
        let server = self.address();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::clone(cuts);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, mut server) =
                    (client.unwrap(), TcpStream::connect(server).unwrap());
                let (mut answers, mut back) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut answers, &mut back));
                let cuts = Arc::clone(&cuts);
                thread::spawn(move || {
                    let mut bytes = [0; 65_536];
                    while let Ok(length @ 1..) = client.read(&mut bytes) {
                        let is_commit = bytes[..length].windows(8).any(|word| word == b" COMMIT;");
                        let cut = is_commit.then(|| cuts.lock().unwrap().pop()).flatten();
                        if cut.is_some() {
                            client.shutdown(Shutdown::Both).ok();
                        }
                        if cut != Some(Cut::Request) {
                            server.write_all(&bytes[..length]).ok();
                        }
                        if cut.is_some() {
                            // A server that misses its client too early would not commit: its answer must be there.
                            if cut == Some(Cut::Answer) {
                                thread::sleep(Duration::from_millis(300));
                            }
                            break;
                        }
                    }
                    server.shutdown(Shutdown::Both).ok();
                });
            }
        });
        address
    }

    /// A new, empty database.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("wechatd_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}"));
        name
    }

    /// The value of `store.url` for a database.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Runs statements as root, and returns what they print: a line for each row, columns separated by tabs.
    #[track_caller]
    pub fn run(&self, sql: &str) -> String {
        let output = Command::new(self.unpacked.join(self.product.client))
            .env("LD_LIBRARY_PATH", libraries(&self.unpacked))
            .args([
                "--no-defaults",
                "--user=root",
                "--batch",
                "--skip-column-names",
            ])
            .arg(format!("--socket={}", self.folder.join("socket").display()))
            .arg(format!("--execute={sql}"))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends the connections of [`USER`].
    #[allow(dead_code, reason = "not everybody who starts a server does")]
    pub fn hang_up(&self) {
        let connections = self.run("SHOW PROCESSLIST");
        let mut connections = connections.lines().map(|line| line.split('\t'));
        let kill = connections.try_fold(String::new(), |kill, mut columns| {
            let (number, user) = (columns.next()?, columns.next()?);
            Some(match user == USER {
                true => format!("{kill}KILL {number};"),
                false => kill,
            })
        });
        self.run(&kill.unwrap());
    }

    /// Sends the server a signal, such as `KILL` or `STOP`.
    #[allow(dead_code, reason = "not everybody who starts a server does")]
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), pid.trim()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Whether it accepts connections; false if it ended.
    fn has_started(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let log = log(&self.folder);
            if log.contains("Aborting") || log.contains("startup was aborted") {
                return false;
            }
            let mut greeting = [0];
            let connected = TcpStream::connect(self.address());
            if connected.is_ok_and(|mut stream| stream.read(&mut greeting).is_ok_and(|n| n == 1)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// An address that is moved from a server to another, as an owner moves that of a cluster.
#[derive(Debug)]
#[allow(dead_code, reason = "not everybody who starts a server does")]
pub struct Moving {
    /// Where it listens.
    pub address: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
}

#[allow(dead_code, reason = "not everybody who starts a server does")]
impl Moving {
    /// An address of this server.
    pub fn at(engine: &Engine) -> Moving {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let to = Arc::new(Mutex::new(engine.address()));
        let moved = Arc::clone(&to);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let to = *moved.lock().unwrap();
                if let Ok(server) = TcpStream::connect(to) {
                    let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    thread::spawn(move || relay(client, server));
                    thread::spawn(move || relay(back, forth));
                }
            }
        });
        Moving { address, to }
    }

    /// New connections go to this server.
    pub fn move_to(&self, engine: &Engine) {
        *self.to.lock().unwrap() = engine.address();
    }
}

/// Passes on what the one sends, until one of them ends; then both have.
fn relay(mut from: TcpStream, mut to: TcpStream) {
    io::copy(&mut from, &mut to).ok();
    for end in [from, to] {
        end.shutdown(Shutdown::Both).ok();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.keeper.stdin.take();
        self.keeper.wait().ok();
    }
}

/// The folder in which the server's packages are; `None` where there is none.
fn unpacked() -> Option<PathBuf> {
    let unpacked = std::env::var_os("WECHATD_ENGINE").map(PathBuf::from);
    if unpacked.is_none() {
        eprintln!("no MariaDB or MySQL here (WECHATD_ENGINE names none), skipped");
    }
    unpacked
}

/// The options of a node whose cluster has nodes at these ports. It misses a node that has died soon.
fn of_galera(provider: &Path, port: u16, others: &[u16]) -> Vec<String> {
    let others: Vec<String> = others
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    vec![
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={}", provider.display()),
        format!("--wsrep-cluster-address=gcomm://{}", others.join(",")),
        "--wsrep-node-address=127.0.0.1".to_owned(),
        "--wsrep-sst-method=nothing".to_owned(),
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};base_port={port};\
             ist.recv_addr=127.0.0.1:{};evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT1.5S;\
             evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.25S;gcache.size=32M;pc.recovery=no",
            free_port()
        ),
    ]
}

/// The position that a node was at when it ended.
fn position(state: &str) -> String {
    let value = |name: &str| {
        let mut lines = state.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    };
    format!("{}:{}", value("uuid:"), value("seqno:"))
}

/// The options of every server that are not those of the place where it is unpacked.
fn own(port: u16, folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        format!("--socket={}", file("socket")),
        format!("--pid-file={}", file("pid")),
        format!("--log-error={}", file("log.err")),
        format!("--init-file={}", file("users.sql")),
        // Tests see what a server in use would: nobody else's modes.
        "--sql-mode=".to_owned(),
        "--character-set-server=latin1".to_owned(),
        "--max-connections=500".to_owned(),
    ]
}

/// The server's program with the options that it needs anywhere.
fn server(unpacked: &Path, folder: &Path) -> Command {
    let mut command = Command::new(unpacked.join(Product::of(unpacked).server));
    let share = unpacked.join("usr/share/mysql");
    command
        .env("LD_LIBRARY_PATH", libraries(unpacked))
        .arg("--no-defaults")
        .arg("--user=root")
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--tmpdir={}", folder.display()))
        .arg(format!("--secure-file-priv={}", folder.display()))
        .arg(format!("--lc-messages-dir={}", share.display()))
        .arg(format!(
            "--character-sets-dir={}",
            share.join("charsets").display()
        ))
        .arg(format!(
            "--plugin-dir={}",
            unpacked.join("usr/lib/mysql/plugin").display()
        ))
        // What only one of the two knows. MySQL would log what nobody replicates, and make certificates.
        .args([
            "--skip-log-bin",
            "--loose-auto-generate-certs=OFF",
            "--loose-mysqlx=OFF",
        ])
        .args([
            "--loose-innodb-log-file-size=16M",
            "--loose-innodb-redo-log-capacity=32M",
        ])
        .arg("--innodb-buffer-pool-size=64M");
    command
}

/// Debian's libraries that the server needs, which need not be installed.
fn libraries(unpacked: &Path) -> PathBuf {
    let usr = std::fs::read_dir(unpacked.join("usr/lib")).unwrap();
    let mut folders = usr.map(|entry| entry.unwrap().path());
    let folder = folders.find(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    folder.expect("the libraries were unpacked, too")
}

/// Fills the folder of a server that was never started.
fn fill(unpacked: &Path, folder: &Path) {
    std::fs::create_dir(folder.join("data")).unwrap();
    let users = format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON `wechatd%`.* TO '{USER}'@'%';\n\
         GRANT REPLICATION SLAVE ON *.* TO '{USER}'@'%';\n"
    );
    std::fs::write(folder.join("users.sql"), users).unwrap();
    let mut fills = server(unpacked, folder);
    fills.arg("--innodb-flush-log-at-trx-commit=0");
    if Product::of(unpacked).name == MYSQL.name {
        fills.arg("--initialize-insecure");
    } else {
        // Each statement on lines of its own, as the server reads them here.
        let mut tables = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
        for name in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
            let file = unpacked.join("usr/share/mysql").join(name);
            tables += &std::fs::read_to_string(file).unwrap();
        }
        let script = folder.join("tables.sql");
        std::fs::write(&script, tables).unwrap();
        fills.arg("--bootstrap");
        fills.stdin(std::fs::File::open(script).unwrap());
    }
    let output = fills.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

fn keeper(folder: &Path, server: &Command) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "keeper"]).arg(folder);
    command.arg(server.get_program()).args(server.get_args());
    let environment = server.get_envs();
    command.envs(environment.filter_map(|(name, value)| Some((name, value?))));
    let quiet = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.spawn().unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log.err")).unwrap_or_default()
}
