//! `wechatd shorten …`: short keys that stand for longer texts on the platform.

use serde_json::json;

use super::input::NotBlank;
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell};
use crate::api::shorten::{MAX_EXPIRE_SECONDS, MAX_LONG_DATA};
use crate::clock;
use crate::config::{Config, read_duration};
use crate::local_time;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Create a key for a text
    #[command(after_help = "Examples:
  wechatd shorten create 'https://www.example.com/?from=poster-7'
  wechatd shorten create \"$TEXT\" --expires 7d --json | jq -r .short_key")]
    Create {
        /// At most 4096 bytes
        text: String,
        /// How long it works, at most 30d
        #[arg(long, value_name = "TIME", default_value = "30d")]
        expires: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show the text of a key
    #[command(
        after_help = "Example:\n  wechatd shorten show aB3dE5fG7hJ9kL1\n\nWith --json it is the text with its line breaks, when the key was made, and how long it still works."
    )]
    Show {
        /// The key
        key: NotBlank,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Create {
            text,
            expires,
            json,
        } => create(config, &text, &expires, json),
        Commands::Show { key, json } => show(config, &key, json),
    }
}

fn create(config: &Config, text: &str, expires: &str, json: Json) -> Result<(), Failure> {
    if text.is_empty() || text.len() > MAX_LONG_DATA {
        return Err(Failure::Wrong(format!(
            "the text has 1 to {MAX_LONG_DATA} bytes, this one {}",
            text.len()
        )));
    }
    let seconds = read_duration(expires)
        .map_err(|error| Failure::Wrong(format!("--expires: {error}")))?
        .as_secs();
    if !(1..=MAX_EXPIRE_SECONDS).contains(&seconds) {
        return Err(Failure::Wrong(format!(
            "--expires: {expires:?} is out of range; it can be 1s to {}d",
            MAX_EXPIRE_SECONDS / 86_400
        )));
    }
    let (_, api) = connect(config)?;
    let key = api.shorten_gen(text, seconds)?;
    let until = clock::unix_seconds().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(&json!({"short_key": key, "expires_at": until}));
    }
    out.pairs(&[
        ("key", cell(&key, 100)),
        ("works until", local_time::format(until)),
    ])?;
    out.done()
}

fn show(config: &Config, key: &str, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let found = api.shorten_fetch(key)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&found);
    }
    out.line(&cell(&found.long_data, MAX_LONG_DATA))?;
    out.done()
}
