//! `wechatd restore FILE`: replaces the store with a copy made by `wechatd backup`, or fills an empty database with it.

use std::path::{Path, PathBuf};

use super::backup::Percentage;
use super::input::{Yes, confirm};
use super::terminal::{Failure, Output};
use crate::app;
use crate::config::Config;
use crate::store::{self, Server};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The copy
    file: PathBuf,
    #[command(flatten)]
    yes: Yes,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let owner = store::owner_of_copy(&arguments.file);
    app::refuse_other(config, &arguments.file.display(), owner)?;
    match &config.store.server {
        None => to_file(&config.store.path, arguments),
        Some(server) => to_server(server, arguments),
    }
}

/// Fills an empty database: there is nothing to be replaced.
fn to_server(server: &Server, arguments: &Arguments) -> Result<(), Failure> {
    let mut percentage = Percentage::of("rows");
    let restored = store::restore_to_server(&arguments.file, server, &mut |copied, total| {
        percentage.show(copied, total);
    });
    percentage.end();
    restored?;
    let mut out = Output::for_reading();
    out.line(&format!(
        "Restored {server} from {}",
        arguments.file.display()
    ))?;
    out.done()
}

fn to_file(path: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let question = format!(
        "Put {} in the place of {}?",
        arguments.file.display(),
        path.display()
    );
    confirm::ask(&question, arguments.yes)?;
    let mut percentage = Percentage::of("pages");
    let restored = store::restore(&arguments.file, path, |copied, total| {
        percentage.show(copied, total);
    });
    percentage.end();
    let before = restored?;
    let mut out = Output::for_reading();
    out.line(&format!(
        "Restored {} from {}",
        path.display(),
        arguments.file.display()
    ))?;
    if let Some(before) = before {
        out.line(&format!(
            "The previous store is kept as {}",
            before.display()
        ))?;
    }
    out.done()
}
