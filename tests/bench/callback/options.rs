//! The command line of the bench.

use std::path::PathBuf;

use crate::push::Kind;

/// One invocation.
#[derive(Debug, Clone)]
pub struct Options {
    pub what: What,
    /// One run for each number of connections.
    pub connections: Vec<usize>,
    /// Length of one run.
    pub seconds: f64,
    /// How often each run is repeated, all of them in turn; the median is reported.
    pub repeat: usize,
    /// Threads of the load generator.
    pub load_threads: usize,
    /// The database on a server that has the store instead of a file; only of the main table.
    pub database: Option<Database>,
    /// Rows of the large tables, or followers of the sync.
    pub rows: u64,
    /// Print one JSON value instead of tables.
    pub json: bool,
}

/// What to measure.
#[derive(Debug, Clone)]
pub enum What {
    Help,
    Throughput,
    Growth,
    Sync,
    SlowDisk,
    Stages,
    Start,
    Target(Target),
    /// Internal: the bench starts itself with this as the reference server.
    ServeWithoutStore(PathBuf),
}

/// A database for the servers that the bench starts, as in their configuration. It must be empty.
#[derive(Debug, Clone)]
pub struct Database {
    pub url: String,
    pub password_file: Option<PathBuf>,
    pub tls: String,
}

/// A server that the bench did not start.
#[derive(Debug, Clone)]
pub struct Target {
    /// `127.0.0.1:PORT`.
    pub address: String,
    pub path: String,
    pub token: String,
    /// Its processes; their children count too.
    pub pids: Vec<u32>,
    pub kind: Kind,
    /// Send `Connection: close` with every request.
    pub close: bool,
    /// Encrypted pushes, with the key and AppID of the bench.
    pub secure: bool,
}

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo bench --bench callback -- [WHAT] [OPTION]...
WHAT:
                      pushes a second: plain and secure; without the store; and the store alone (rows of the same
                      pushes handed to Store::record in this process, one connection = one row in flight)
    --store URL       the same in an empty database on a server, such as mysql://wechatd@127.0.0.1/bench (cargo bench
                      --features mysql); with --password-file F or the variable WECHATD_STORE_PASSWORD, and --tls off
                      or a CA's file, as store.tls has it
  --growth            with 10,000 rules, with ten million followers and messages, and the follower sync
  --sync              the follower sync of a million, and pushes during it
  --slow-disk         with 2 and 10 ms added to every disk sync
  --stages            time and allocations of each step of a push
  --start             time from the start to the first answer; idle memory
  --target URL        another server; with --token T, --pid PID[,PID], --close, --follow, --secure
OPTION:
  --quick             short runs, few rows
  --json              print one JSON value instead of tables
  --connections LIST  such as 1,8,64
  --seconds S         length of one run
  --repeat N          runs of each kind; the median is reported
  --load-threads N    threads of the load generator
  --rows N            rows of the large tables (--growth; a tenth of them are synced), followers (--sync)";

impl Options {
    /// Reads the arguments; an error includes the usage.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            what: What::Throughput,
            connections: vec![1, 8, 64],
            seconds: 2.0,
            repeat: 3,
            load_threads: 1,
            database: None,
            rows: 0,
            json: false,
        };
        let (mut rows, mut quick) = (None, false);
        let mut database = Database {
            url: String::new(),
            password_file: None,
            tls: "required".to_owned(),
        };
        let mut target = Target {
            address: String::new(),
            path: String::new(),
            token: "benchToken2026".to_owned(),
            pids: Vec::new(),
            kind: Kind::Text,
            close: false,
            secure: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} needs a value\n{HELP}"))
            };
            let number = |text: String| {
                text.parse::<u64>()
                    .map_err(|error| format!("{text}: {error}"))
            };
            match argument.as_str() {
                // `cargo bench` passes this to every bench.
                "--bench" => {}
                "--help" | "-h" => options.what = What::Help,
                "--growth" => options.what = What::Growth,
                "--sync" => options.what = What::Sync,
                "--slow-disk" => options.what = What::SlowDisk,
                "--stages" => options.what = What::Stages,
                "--start" => options.what = What::Start,
                "--serve-without-store" => {
                    options.what = What::ServeWithoutStore(value()?.into());
                }
                "--quick" => {
                    options.seconds = 0.5;
                    options.repeat = 1;
                    quick = true;
                }
                "--json" => options.json = true,
                "--connections" => {
                    options.connections = value()?
                        .split(',')
                        .map(|text| text.parse().map_err(|error| format!("{text}: {error}")))
                        .collect::<Result<_, String>>()?;
                }
                "--seconds" => {
                    let text = value()?;
                    options.seconds = text.parse().map_err(|error| format!("{text}: {error}"))?;
                }
                "--repeat" => options.repeat = number(value()?)?.max(1) as usize,
                "--load-threads" => options.load_threads = number(value()?)?.max(1) as usize,
                "--rows" => rows = Some(number(value()?)?),
                "--store" => database.url = value()?,
                "--password-file" => {
                    let file = std::path::absolute(value()?);
                    database.password_file = Some(file.map_err(|error| error.to_string())?);
                }
                "--tls" => database.tls = value()?,
                "--target" => {
                    let url = value()?;
                    let place = url.strip_prefix("http://").unwrap_or(&url);
                    let (address, path) = place.split_once('/').unwrap_or((place, ""));
                    target.address = address.to_owned();
                    target.path = format!("/{path}");
                }
                "--token" => target.token = value()?,
                "--pid" => {
                    for pid in value()?.split(',') {
                        target.pids.push(number(pid.to_owned())? as u32);
                    }
                }
                "--close" => target.close = true,
                "--secure" => target.secure = true,
                "--follow" => target.kind = Kind::Follow,
                _ => return Err(format!("{argument}: unknown\n{HELP}")),
            }
        }
        if !target.address.is_empty() {
            options.what = What::Target(target);
        }
        if !database.url.is_empty() {
            match &options.what {
                What::Throughput => options.database = Some(database),
                _ => return Err(format!("--store: is for the main table\n{HELP}")),
            }
        }
        options.rows = rows.unwrap_or(match (&options.what, quick) {
            (What::Sync, false) => 1_000_000,
            (What::Sync, true) => 20_000,
            (_, false) => 10_000_000,
            (_, true) => 100_000,
        });
        Ok(options)
    }
}
