//! Who gets a mass message, from the command line.

use std::collections::HashSet;
use std::io::{self, BufRead};

use serde_json::{Value, json};

use crate::api::Client;
use crate::api::mass::{MASS_OPENIDS, MassTarget};
use crate::cli::Failure;
use crate::store::Reader;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).multiple(false)))]
pub(in crate::cli) struct Whom {
    /// To every follower
    #[arg(long, group = "whom")]
    all: bool,
    /// To those with this tag: its id or name
    #[arg(long, value_name = "TAG", group = "whom")]
    tag: Option<String>,
    /// To these, 2 to 10000 of them; - reads them from standard input, one a line
    #[arg(long, value_name = "OPENID", group = "whom", num_args = 1..)]
    to: Vec<String>,
}

/// Whom the command line names.
#[derive(Debug)]
pub(super) enum Named {
    All,
    Tag(String),
    Openids(Vec<String>),
}

impl Whom {
    /// Reads standard input, calls nobody.
    pub(super) fn named(&self) -> Result<Named, Failure> {
        if self.all {
            return Ok(Named::All);
        }
        if let Some(tag) = &self.tag {
            return Ok(Named::Tag(tag.clone()));
        }
        let openids = openids(&self.to)?;
        match MASS_OPENIDS.contains(&openids.len()) {
            true => Ok(Named::Openids(openids)),
            false => Err(Failure::Wrong(format!(
                "--to: {} openids; the platform takes {} to {} in one mass message",
                openids.len(),
                MASS_OPENIDS.start(),
                MASS_OPENIDS.end()
            ))),
        }
    }
}

/// Each once, in their order.
fn openids(arguments: &[String]) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    for argument in arguments {
        if argument != "-" {
            texts.push(argument.clone());
            continue;
        }
        for line in io::stdin().lock().lines() {
            texts.push(line.map_err(|error| Failure::Failed(format!("standard input: {error}")))?);
        }
    }
    let mut known = HashSet::new();
    let mut openids = Vec::new();
    for text in texts {
        let openid = text.trim();
        if openid.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Failure::Wrong(format!(
                "{openid:?} is no openid; give one a line, without anything else"
            )));
        }
        if !openid.is_empty() && known.insert(openid.to_owned()) {
            openids.push(openid.to_owned());
        }
    }
    Ok(openids)
}

/// Who gets it, as the platform takes it and as people read it.
#[derive(Debug)]
pub(super) struct Recipients {
    pub(super) target: MassTarget,
    pub(super) shown: String,
}

impl Recipients {
    /// Finds a tag by its name or number, and counts.
    pub(super) fn find(named: Named, api: &Client, reader: &Reader) -> Result<Recipients, Failure> {
        let (target, shown) = match named {
            Named::All => {
                let followers = reader.count_followers()?;
                let shown = format!("all followers ({followers} in the store)");
                (MassTarget::All, shown)
            }
            Named::Openids(openids) => {
                let shown = format!("{} openids", openids.len());
                (MassTarget::Openids(openids), shown)
            }
            Named::Tag(text) => {
                let tags = api.tags_get()?;
                let by_name = tags.iter().find(|tag| tag.name == text);
                let number: Option<i64> = text.parse().ok();
                let tag = by_name.or_else(|| tags.iter().find(|tag| Some(tag.id) == number));
                let tag = tag.ok_or_else(|| {
                    Failure::Wrong(format!(
                        "--tag: the account has no tag {text:?}; `wechatd tags list` shows them"
                    ))
                })?;
                let count = tag.count.map(|n| format!(", {n} followers"));
                let shown = format!("tag {} ({}{})", tag.id, tag.name, count.unwrap_or_default());
                (MassTarget::Tag(tag.id), shown)
            }
        };
        Ok(Recipients { target, shown })
    }

    /// Equal for the same people, in whatever order they were named.
    pub(super) fn fingerprint(&self) -> Value {
        match &self.target {
            MassTarget::All => json!("all"),
            MassTarget::Tag(id) => json!(id),
            MassTarget::Openids(openids) => {
                let mut openids = openids.clone();
                openids.sort_unstable();
                json!(openids)
            }
        }
    }
}
