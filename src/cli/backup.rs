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
    let reader = Reader::open(&config.store.path)?;
    let mut percentage = Percentage::new();
    let copied = reader.backup(&arguments.file, |copied, total| {
        percentage.show(copied, total);
    });
    percentage.end();
    copied?;
    let mut out = Output::text();
    out.line(&format!(
        "{} is a copy of {}",
        arguments.file.display(),
        config.store.path.display()
    ))?;
    out.done()
}

/// How far a copy is, in one line that is written anew; only on a terminal.
pub(super) struct Percentage {
    shown: bool,
    terminal: bool,
}

impl Percentage {
    pub(super) fn new() -> Percentage {
        Percentage {
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    pub(super) fn show(&mut self, copied: u64, total: u64) {
        if self.terminal && total > 0 {
            self.shown = true;
            write!(
                io::stderr(),
                "\r{} % of {total} pages",
                copied * 100 / total
            )
            .ok();
        }
    }

    pub(super) fn end(&self) {
        if self.shown {
            writeln!(io::stderr()).ok();
        }
    }
}
