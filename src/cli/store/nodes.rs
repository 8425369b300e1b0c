//! `wechatd store nodes`: the servers that share the store.

use serde::Serialize;

use crate::cli::terminal::{Failure, Json, Output, text, time};
use crate::config::Config;
use crate::local_time;
use crate::store::{NodeRow, Reader};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct NodesArguments {
    #[command(flatten)]
    json: Json,
}

/// A server of the store.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    machine: String,
    listen: String,
    version: String,
    /// `running`, or `silent`: it has not been heard of for a minute.
    state: &'static str,
    /// `same` as the configuration here, or `other`.
    configuration: &'static str,
    started_at: i64,
    seen_at: i64,
    /// What it alone does for all.
    leases: Vec<String>,
}

pub(in crate::cli) fn run(config: &Config, arguments: &NodesArguments) -> Result<(), Failure> {
    if config.store.server.is_none() {
        return Err(Failure::wrong(
            "the store is a file, which one server has",
            "store.url lets several machines share a database; `wechatd status` says whether the server runs",
        ));
    }
    let nodes = Reader::open(&config.store)?.nodes()?;
    let shown: Vec<Shown> = nodes
        .into_iter()
        .map(|row| Shown::of(row, &config.digest))
        .collect();
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&shown);
    }
    let lines: Vec<[String; 8]> = shown.iter().map(Shown::cells).collect();
    out.table(
        [
            text("machine"),
            text("listen"),
            text("version"),
            text("state"),
            text("configuration"),
            time("started"),
            time("seen"),
            text("does alone"),
        ],
        &lines,
        "no server of this store runs",
    )?;
    out.done()
}

impl Shown {
    fn of(row: NodeRow, config: &[u8; 32]) -> Shown {
        Shown {
            id: row.id.to_string(),
            machine: row.node.name,
            listen: row.node.listen,
            version: row.node.version,
            state: match row.is_alive {
                true => "running",
                false => "silent",
            },
            configuration: match row.node.config == *config {
                true => "same",
                false => "other",
            },
            started_at: row.started_at,
            seen_at: row.seen_at,
            leases: row.leases,
        }
    }

    fn cells(&self) -> [String; 8] {
        [
            self.machine.clone(),
            self.listen.clone(),
            self.version.clone(),
            self.state.to_owned(),
            self.configuration.to_owned(),
            local_time::format(self.started_at),
            local_time::format(self.seen_at),
            self.leases.join(" "),
        ]
    }
}
