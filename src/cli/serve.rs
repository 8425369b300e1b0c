//! `wechatd serve`: the server.

use super::Failure;
use crate::config::Config;
use crate::server;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    Ok(server::serve(config)?)
}
