//! `wechatd serve`: the server.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::Failure;
use crate::config::Config;
use crate::server;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    leave_no_core();
    Ok(server::serve(config)?)
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
