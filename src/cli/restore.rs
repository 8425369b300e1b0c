//! `wechatd restore FILE`: replaces the store with a copy made by `wechatd backup`.

use std::path::PathBuf;

use super::backup::Percentage;
use super::input::{Yes, confirm};
use super::terminal::{Failure, Output};
use crate::app;
use crate::config::Config;
use crate::store;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The copy
    file: PathBuf,
    #[command(flatten)]
    yes: Yes,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let Some(path) = config.store.file() else {
        return Err(Failure::Failed(format!(
            "restore: {} is on a server",
            config.store
        )));
    };
    let owner = store::owner_of_copy(&arguments.file);
    app::refuse_other(config, &arguments.file.display(), owner)?;
    let question = format!(
        "Put {} in the place of {}?",
        arguments.file.display(),
        path.display()
    );
    confirm::ask(&question, arguments.yes)?;
    let mut percentage = Percentage::new();
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
