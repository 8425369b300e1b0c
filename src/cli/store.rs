//! `wechatd store …`: copies the store to a database on a server, or back to a file, and lists the servers that share it.

mod nodes;

use std::path::{Path, PathBuf, absolute};
use std::time::Instant;

use serde_json::json;

use super::terminal::{Failure, Json, Output, ProgressLine};
use crate::config::{Config, named_database};
use crate::counted::counted;
use crate::store::{self, Copied, Options};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Copy the store from its file to a database on a server, or back, while the server runs
    #[command(after_help = "Examples:
  export WECHATD_STORE_PASSWORD=...
  wechatd store copy wechat.db mysql://wechatd@db1,db2/wechatd
  systemctl stop wechatd
  wechatd store copy wechat.db mysql://wechatd@db1,db2/wechatd --finish

The first run copies everything as it is at one moment; the server goes on meanwhile. Run it again as often as you like, also after it was interrupted: it compares all rows, which is much faster than copying them, and writes what has changed. Then stop the server on every machine and run it with --finish: it copies the rest, compares how many rows each table has, and marks FROM as moved. `wechatd serve` and commands that write refuse FROM from then on, so that no old service goes on with it; it can still be read, exported and backed up. Enter the new place in the configuration (store.url, or store.path) and start the server. The way back is the same with FROM and TO exchanged.

TO must be empty, an unfinished copy, or what was moved before. Nothing in FROM changes but the mark. A value that does not fit into its column in TO is named with its table and key; change it in FROM. The files of store.media are not copied. Should FROM's successor be lost for ever, `sqlite3 wechat.db \"DELETE FROM settings WHERE name = 'moved'\"` lets the file be served again, with the data of then.")]
    Copy(CopyArguments),
    /// List the servers that share the store
    #[command(after_help = "Examples:
  wechatd store nodes
  wechatd store nodes --json | jq '.[] | select(.state == \"silent\")'

One line for each server of the last week, but for those that stopped in good order. `state` is running, or silent: it was not heard of for a minute, and the others have taken over what it did alone, such as the nightly sync. `configuration` is compared with the one that this command reads: same, or other. Times are those of the database's clock.")]
    Nodes(nodes::NodesArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct CopyArguments {
    /// The store: a file, or mysql://USER@HOST/DATABASE
    #[arg(value_name = "FROM")]
    from: String,
    /// Where it goes: the other of the two
    #[arg(value_name = "TO")]
    to: String,
    /// The server is stopped: copy the rest, and mark FROM as moved
    #[arg(long)]
    finish: bool,
    /// A file with the password for the database; the variable WECHATD_STORE_PASSWORD wins over it
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    /// How the connection is encrypted: required, off, or a file of certificates of another authority
    #[arg(long, value_name = "T", default_value = "required")]
    tls: String,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(
    config: impl FnOnce() -> Result<Config, Failure>,
    command: Commands,
) -> Result<(), Failure> {
    match command {
        Commands::Copy(arguments) => copy(&arguments),
        Commands::Nodes(arguments) => nodes::run(&config()?, &arguments),
    }
}

impl CopyArguments {
    /// One of the sides.
    fn place(&self, text: &str) -> Result<Options, Failure> {
        let options = Options::from(Path::new(text));
        if !text.contains("://") {
            return Ok(options);
        }
        let server = named_database(text, self.password_file.as_deref(), &self.tls);
        Ok(Options {
            server: Some(server.map_err(Failure::Wrong)?),
            ..options
        })
    }
}

fn copy(arguments: &CopyArguments) -> Result<(), Failure> {
    let (from, to) = (
        arguments.place(&arguments.from)?,
        arguments.place(&arguments.to)?,
    );
    if from.server.is_some() == to.server.is_some() {
        let (what, instead) = match from.server {
            Some(_) => (
                "databases on servers",
                "their own tools copy one to another",
            ),
            None => (
                "files",
                "`wechatd backup` and `wechatd restore` copy a file",
            ),
        };
        return Err(Failure::wrong(
            format!(
                "FROM and TO are both {what}, and one must be mysql://USER@HOST/DATABASE and the other a file"
            ),
            instead,
        ));
    }
    let begun = Instant::now();
    let line = ProgressLine::on_stderr();
    let copied = store::copy_store(&from, &to, arguments.finish, &mut |done, of| {
        let number = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        line.show("rows", number(done), Some(number(of)));
    });
    drop(line);
    let copied = copied?;
    let seconds = begun.elapsed().as_secs_f64();
    let text = match arguments.finish {
        true => format!(
            "{}, and {from} is marked as moved\nNext: {}, and start wechatd",
            told(&copied, &to, seconds),
            match &to.server {
                Some(server) => format!(
                    "store.url = \"{server}\", its store.password_file and store.tls = \"{}\" instead of store.path in the configuration of each machine",
                    arguments.tls
                ),
                None => format!(
                    "store.path = \"{}\" instead of store.url in the configuration",
                    // What is relative there is so to the configuration's folder.
                    absolute(&arguments.to)
                        .map_or_else(|_| to.to_string(), |to| to.display().to_string())
                ),
            }
        ),
        false => format!(
            "{}\nNext: the same again now and then; stop the server, and the same with --finish",
            told(&copied, &to, seconds)
        ),
    };
    let printed = json!({
        "from": from.to_string(),
        "to": to.to_string(),
        "finished": arguments.finish,
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "tables": copied.tables,
    });
    Output::for_change().answer(arguments.json, &printed, &text)
}

fn told(copied: &Copied, to: &Options, seconds: f64) -> String {
    let sum = |of: fn(&store::CopiedTable) -> u64| copied.tables.iter().map(of).sum::<u64>();
    format!(
        "{to} has all {} ({} new, {} changed, {} removed), after {seconds:.1} s",
        counted(sum(|table| table.rows), "row"),
        sum(|table| table.added),
        sum(|table| table.changed),
        sum(|table| table.removed),
    )
}
