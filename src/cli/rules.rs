//! `wechatd rules …`: the console's automatic replies as rules, and rules held against what is expected of them.

mod console;
mod expectation;

use std::path::PathBuf;

use super::terminal::{Failure, Json};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Print the console's automatic replies as rules: the welcome, keywords, the default reply
    #[command(after_help = "Examples:
  wechatd rules pull >> wechat.conf
  wechatd rules pull --text-only

Do this before you enable the callback, which switches off the console's replies. Pictures, recordings and videos are uploaded as permanent material, because the console's own media_ids end after three days. What has no counterpart becomes a comment. The default reply takes every message: put it below your own rules.")]
    Pull {
        /// Upload nothing: pictures, recordings and videos become comments
        #[arg(long)]
        text_only: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Check the rules against a file of examples
    #[command(after_help = "Example:
  wechatd rules test rules-test.toml

The file has a [[test]] for each example: `text`, or `message` (a MsgType), or `event` with a `key`, a `scene` or a `scan`; and what is expected: `rule`, the name of the rule that answers (empty: none does), or `answer`, the text of its answer (empty: nothing is shown).

  [[test]]
  text = \"@more tea\"
  rule = \"suggestion\"

The exit code is 1 where an example fails.")]
    Test {
        /// The file of examples
        file: PathBuf,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Pull { text_only, json } => console::pull(&config, text_only, json),
        Commands::Test { file, json } => expectation::test(config, &file, json),
    }
}
