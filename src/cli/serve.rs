//! `wechatd serve`: the server.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::terminal::{Failure, logging};
use crate::config::Config;
use crate::server;
use crate::visible::Visible;

pub(super) fn run(config: impl FnOnce() -> Result<Config, Failure>) -> Result<(), Failure> {
    let log = logging::start_queued("info")?;
    let config = config()?;
    leave_no_core();
    let served = server::serve(config).map_err(|error| {
        // The way of the log, and not straight to stderr: nobody may be reading that.
        log.push(format!("wechatd: {}\n", Visible(&error.to_string())).as_bytes());
        Failure::Shown
    });
    log::logger().flush();
    served
}

/// What is in memory, secrets among it, never goes to a file.
fn leave_no_core() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        log::warn!("core dumps cannot be switched off: {error}");
    }
}
