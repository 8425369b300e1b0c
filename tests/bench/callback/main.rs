//! The callback under load, by its own generator: how fast, at what cost, and how little it grows.
//!
//! ```text
//! cargo bench --bench callback                 # every mode side by side, medians of interleaved runs
//! cargo bench --bench callback -- --quick      # the same in a few seconds, for a first look
//! cargo bench --bench callback -- --growth     # rules, followers and messages by the thousand and million
//! cargo bench --bench callback -- --sync       # a million followers synced, and pushes meanwhile
//! cargo bench --bench callback -- --slow-disk  # 0, 2 and 10 ms added to every sync
//! cargo bench --bench callback -- --stages     # time and allocations of each stage of a push
//! cargo bench --bench callback -- --start      # from exec to the first answer, idle memory, sizes
//! cargo bench --bench callback -- --target URL --token T --pid PID   # any other server, for comparison
//! ```
//!
//! Everything runs on this machine, so the generator takes its share of the processors: compare figures
//! of one run with each other, not with those of another day.

// A bench says what it found on stdout, and a fault in it may end it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench is a program of its own"
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

// The files of the product's server below find these under the names that they have there.
use wechatd::{config, random, visible};

/// The product's guard and its way to `tiny_http`, compiled into the reference server, which stands beside them.
#[allow(unused, reason = "the reference uses a part of it")]
#[path = "../../../src/server"]
mod server {
    mod guard;
    mod http {
        pub(super) mod client;
        pub(super) mod exchange;
        pub(super) mod lanes;
    }
    mod callback {
        pub mod query;
        pub mod refusals;
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
