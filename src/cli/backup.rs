//! `wechatd backup FILE`: a consistent copy while the server runs.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use super::Failure;
use super::output::Output;
use crate::config::Config;
use crate::store::Reader;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the copy goes; must not exist yet
    file: PathBuf,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let shows_progress = io::stderr().is_terminal();
    let mut stderr = io::stderr();
    Reader::open(&config.store.path)?.backup(&arguments.file, |copied, total| {
        if shows_progress && total > 0 {
            write!(stderr, "\r{} % of {total} pages", copied * 100 / total).ok();
        }
    })?;
    if shows_progress {
        writeln!(stderr).ok();
    }
    let mut out = Output::text();
    out.line(&format!(
        "{} is a copy of {}",
        arguments.file.display(),
        config.store.path.display()
    ))?;
    out.done()
}
