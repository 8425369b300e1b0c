//! `wechatd serve`: the server.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::terminal::{Failure, logging};
use crate::config::Config;
use crate::server;
use crate::visible::Visible;

pub(super) fn run(config: impl FnOnce() -> Result<Config, Failure>) -> Result<(), Failure> {
    let log = logging::start_queued("info")?;
    let config = config()?;
    disable_core_dumps();
    let served = server::serve(config).map_err(|error| {
        // Through the log, not straight to stderr, which perhaps nobody reads.
        log.push(format!("wechatd: {}\n", Visible(&error.to_string())).as_bytes());
        match error.is_lasting() {
            // Starting it again would not help.
            true => Failure::ShownWrong,
            false => Failure::Shown,
        }
    });
    log::logger().flush();
    served
}

/// Switches core dumps off: memory, with its secrets, must never be written to a file.
fn disable_core_dumps() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        log::warn!("core dumps cannot be switched off: {error}");
    }
}
