//! The callback under load: how fast it is, what a push costs, and how both change as the data grows.
//!
//! ```text
//! cargo bench --bench callback                 # all modes, medians of interleaved runs
//! cargo bench --bench callback -- --quick      # the same in a few seconds, for a first impression
//! cargo bench --bench callback -- --growth     # thousands of rules, millions of followers and messages
//! cargo bench --bench callback -- --sync       # a sync of a million followers, and pushes during it
//! cargo bench --bench callback -- --slow-disk  # 0, 2 and 10 ms added to every sync
//! cargo bench --bench callback -- --stages     # time and allocations of each stage of a push
//! cargo bench --bench callback -- --start      # from exec to the first answer; idle memory, size of the binary
//! cargo bench --bench callback -- --target URL --token T --pid PID   # any other server
//! ```
//!
//! Server and load generator share this machine, so compare only figures of the same run.

// A bench reports on stdout and may panic.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench is a separate program"
)]

mod growth;
mod load;
mod options;
mod platform;
mod process;
mod push;
mod report;
mod slow_disk;
mod stages;
mod start;
mod store_alone;
mod sync;
mod throughput;

// The server's files below import these as `crate::…`.
use wechatd::{config, metrics, percent, random};

/// The server's own guard and its path to `tiny_http`, compiled into the reference server next to them.
#[allow(unused, reason = "the reference uses part of it")]
#[path = "../../../src/server"]
mod server {
    mod guard;
    mod http;
    mod callback {
        pub mod query;
    }
    #[path = "../../tests/bench/callback/without_store.rs"]
    pub mod without_store;
}

use options::{HELP, Options, What};

#[global_allocator]
static ALLOCATOR: stages::Counting = stages::Counting;

fn main() {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}");
            std::process::exit(2);
        }
    };
    match &options.what {
        What::Help => println!("{HELP}"),
        What::Throughput => throughput::run(&options),
        What::Growth => growth::run(&options),
        What::Sync => sync::run(&options),
        What::SlowDisk => slow_disk::run(&options),
        What::Stages => stages::run(&options),
        What::Start => start::run(&options),
        What::Target(target) => throughput::run_target(&options, target),
        What::ServeWithoutStore(config) => server::without_store::serve(config),
    }
}
