//! The recipients of a mass message, from the command line.

use serde_json::{Value, json};

use crate::api::Client;
use crate::api::mass::{MASS_OPENIDS, MassTarget};
use crate::cli::input::NotBlank;
use crate::cli::input::bulk::openids;
use crate::cli::tags;
use crate::cli::terminal::Failure;
use crate::counted::counted;
use crate::store::{Reader, Store};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("recipients").required(true).multiple(false)))]
pub(in crate::cli) struct RecipientArguments {
    /// To every follower
    #[arg(long, group = "recipients")]
    all: bool,
    /// To those with this tag: its id or name
    #[arg(long, value_name = "TAG", group = "recipients")]
    tag: Option<NotBlank>,
    /// To these, 2 to 10000 of them; - reads them from standard input, one a line
    #[arg(long, value_name = "OPENID", group = "recipients", num_args = 1..)]
    to: Vec<String>,
}

/// The recipients as the command line names them.
#[derive(Debug)]
pub(super) enum Named {
    All,
    Tag(String),
    Openids(Vec<String>),
}

impl RecipientArguments {
    /// Reads standard input if necessary. Makes no call.
    pub(super) fn named(&self) -> Result<Named, Failure> {
        if self.all {
            return Ok(Named::All);
        }
        if let Some(tag) = &self.tag {
            return Ok(Named::Tag(tag.to_string()));
        }
        let openids = openids(&self.to)?;
        match MASS_OPENIDS.contains(&openids.len()) {
            true => Ok(Named::Openids(openids)),
            false => Err(Failure::Wrong(format!(
                "--to: {}; WeChat takes {} to {} in one mass message",
                counted(openids.len(), "openid"),
                MASS_OPENIDS.start(),
                MASS_OPENIDS.end()
            ))),
        }
    }
}

/// The recipients, in the platform's form and for people.
#[derive(Debug)]
pub(super) struct Recipients {
    pub(super) target: MassTarget,
    pub(super) shown: String,
}

impl Recipients {
    /// Finds the tag by its id or name, and counts the recipients.
    pub(super) fn find(
        named: Named,
        store: &Store,
        api: &Client,
        reader: &Reader,
    ) -> Result<Recipients, Failure> {
        let (target, shown) = match named {
            Named::All => {
                let followers = reader.count_followers()?;
                let shown = format!("all followers ({followers} in the store)");
                (MassTarget::All, shown)
            }
            Named::Openids(openids) => {
                let shown = counted(openids.len(), "openid");
                (MassTarget::Openids(openids), shown)
            }
            Named::Tag(text) => {
                let tag = tags::find(store, api, &text)?;
                let count = tag.count.map(|n| format!(", {}", counted(n, "follower")));
                let shown = format!("tag {} ({}{})", tag.id, tag.name, count.unwrap_or_default());
                (MassTarget::Tag(tag.id), shown)
            }
        };
        Ok(Recipients { target, shown })
    }

    /// Equal for the same people, whatever their order.
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
