//! `wechatd tags …` and `wechatd remark …`: the account's notes about followers, on the platform and in the store.

use serde_json::json;

use super::input::bulk::{BulkOperation, NOT_NOTED};
use super::input::{NotBlank, Openid, Yes, bulk, confirm};
use super::openids;
use super::platform::{Patience, connect};
use super::terminal::{Failure, Json, Output, cell, text, whole};
use crate::api::Client;
use crate::api::tags::{MAX_BATCHTAGGING, Tag};
use crate::config::Config;
use crate::store::{Reader, Store};

/// How many followers' tags are changed in one commit.
const BATCH: u32 = 200;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Tags {
    /// List the account's tags
    #[command(after_help = "Example:\n  wechatd tags list")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// List who has a tag, one openid per line
    #[command(after_help = "Examples:
  wechatd tags members regulars
  wechatd tags members old | wechatd tags remove old -

This asks WeChat; `wechatd followers list --tag regulars` shows the followers in the store, with their names.")]
    Members {
        /// The tag's id or name
        tag: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// List the tags of one follower
    #[command(after_help = "Example:
  wechatd tags of oSyn1aAQe7rT0uXk3mPzLc9WvBh4")]
    Of {
        /// The follower's openid
        openid: Openid,
        #[command(flatten)]
        json: Json,
    },
    /// Create a tag
    #[command(after_help = "Example:\n  wechatd tags create regulars")]
    Create {
        /// At most 30 bytes
        name: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Rename a tag
    #[command(after_help = "Example:\n  wechatd tags rename regulars friends")]
    Rename {
        /// The tag's id or name
        tag: NotBlank,
        /// The new name
        name: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Delete a tag and remove it from all followers
    #[command(after_help = "Example:\n  wechatd tags delete friends")]
    Delete {
        /// The tag's id or name
        tag: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Add a tag to followers
    #[command(after_help = "Examples:
  wechatd tags add regulars oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd followers export --format jsonl --scene poster-7 \\
      | jq -r .openid | wechatd tags add poster -")]
    Add(Change),
    /// Remove a tag from followers
    #[command(after_help = "Examples:
  wechatd tags remove regulars oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd tags remove 128 - < openids.txt")]
    Remove(Change),
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// The tag's id or name
    tag: NotBlank,
    /// The followers' openids; - reads them from standard input, one per line
    #[arg(required = true, value_name = "OPENID")]
    openids: Vec<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remark {
    /// The follower's openid
    openid: Openid,
    /// Fewer than 30 characters; an empty text removes the remark
    text: String,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Tags) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    match command {
        Tags::List { json } => {
            let tags = all(&store, &api)?;
            list(&tags, "the account has no tag", json)
        }
        Tags::Members { tag, json } => {
            let Tag { id, name, .. } = find(&store, &api, &tag)?;
            let nothing = format!("nobody has the tag {name} ({id})");
            openids::list(json, |next| api.user_tag_get(id, next), &nothing)
        }
        Tags::Of { openid, json } => {
            let ids = api.tags_getidlist(&openid)?;
            let tags = named(&ids, all(&store, &api)?);
            list(&tags, &format!("{openid} has no tag"), json)
        }
        Tags::Create { name, json } => {
            let Tag { id, name, .. } = api.tags_create(&name)?;
            let value = json!({ "id": id, "name": name });
            let line = format!("created tag {name} with the id {id}");
            Output::for_change().answer(json, &value, &line)
        }
        Tags::Rename { tag, name, json } => {
            let Tag { id, .. } = find(&store, &api, &tag)?;
            api.tags_update(id, &name)?;
            let value = json!({ "id": id, "name": name });
            let line = format!("tag {id} is called {name} now");
            Output::for_change().answer(json, &value, &line)
        }
        Tags::Delete { tag, yes, json } => {
            let Tag { id, name, .. } = find(&store, &api, &tag)?;
            let question = format!("Delete the tag {name} ({id}) and remove it from everybody?");
            confirm::ask(&question, yes)?;
            api.tags_delete(id)?;
            let mut out = Output::for_change();
            out.warn_on_error(take_off_everybody(&store, id), NOT_NOTED);
            let value = json!({ "id": id, "name": name });
            out.answer(json, &value, &format!("tag {id} ({name}) is deleted"))
        }
        Tags::Add(arguments) => change(config, &store, &api, &arguments, true),
        Tags::Remove(arguments) => change(config, &store, &api, &arguments, false),
    }
}

fn list(tags: &[Tag], nothing: &str, json: Json) -> Result<(), Failure> {
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&tags);
    }
    let lines: Vec<[String; 3]> = tags
        .iter()
        .map(|tag| {
            let count = tag.count.map(|count| count.to_string());
            [
                tag.id.to_string(),
                cell(&tag.name, 40),
                count.unwrap_or_default(),
            ]
        })
        .collect();
    out.table(
        [whole("id"), text("name"), whole("followers")],
        &lines,
        nothing,
    )?;
    out.done()
}

/// The tags with these ids. One that was deleted a moment ago has no name.
fn named(ids: &[i64], tags: Vec<Tag>) -> Vec<Tag> {
    let unnamed = |id| Tag {
        id,
        name: String::new(),
        count: None,
    };
    let known = |id: &i64| tags.iter().find(|tag| tag.id == *id).cloned();
    ids.iter()
        .map(|id| known(id).unwrap_or_else(|| unnamed(*id)))
        .collect()
}

/// All tags of the account. Their names are stored for lists; if that fails, lists show numbers.
fn all(store: &Store, api: &Client) -> Result<Vec<Tag>, Failure> {
    let tags = api.tags_get()?;
    let names = tags.iter().map(|tag| (tag.id, tag.name.clone()));
    if let Err(error) = store.keep_tags(names.collect()) {
        log::debug!("tags: {error}");
    }
    Ok(tags)
}

/// The platform's tag with this id, or else with this name.
pub(super) fn find(store: &Store, api: &Client, wanted: &str) -> Result<Tag, Failure> {
    let tags = all(store, api)?;
    which(wanted, tags.iter().map(|tag| (tag.id, tag.name.as_str())))
        .and_then(|id| tags.into_iter().find(|tag| tag.id == id))
        .ok_or_else(|| unknown(wanted))
}

/// Finds a tag by its id, or else by its name.
fn which<'a>(wanted: &str, tags: impl Iterator<Item = (i64, &'a str)> + Clone) -> Option<i64> {
    let by_id = tags.clone().find(|(id, _)| wanted.parse() == Ok(*id));
    let mut tags = tags;
    by_id
        .or_else(|| tags.find(|(_, name)| *name == wanted))
        .map(|(id, _)| id)
}

/// The id of a tag, for commands that read the store. If the store does not know it, the platform is asked, provided
/// that the account can call it.
pub(super) fn id_of(config: &Config, reader: &Reader, wanted: &str) -> Result<i64, Failure> {
    let kept = reader.tags()?;
    if let Some(id) = which(wanted, kept.iter().map(|(id, name)| (*id, name.as_str()))) {
        return Ok(id);
    }
    if config.api_rights().is_some() {
        let (store, api) = connect(config)?;
        return Ok(find(&store, &api, wanted)?.id);
    }
    match wanted.parse() {
        // A follower in the store has it.
        Ok(id) if !reader.tagged(id, "", 1)?.is_empty() => Ok(id),
        Ok(_) | Err(_) => Err(unknown(wanted)),
    }
}

fn unknown(wanted: &str) -> Failure {
    Failure::failed(
        format!("there is no tag {wanted:?}"),
        "`wechatd tags list` shows those there are, `wechatd tags create` makes one",
    )
}

fn change(
    config: &Config,
    store: &Store,
    api: &Client,
    arguments: &Change,
    adds: bool,
) -> Result<(), Failure> {
    let openids = bulk::openids(&arguments.openids)?;
    let tag = find(store, api, &arguments.tag)?;
    let operation = BulkOperation {
        label: if adds { "tagging" } else { "untagging" },
        batch_size: MAX_BATCHTAGGING,
        rate: config.api.rate,
        patience: Patience::new(),
    };
    let outcome = operation.run(
        &openids,
        |batch| match adds {
            true => api.batchtagging(tag.id, batch),
            false => api.batchuntagging(tag.id, batch),
        },
        |done| store.note_tag(done, tag.id, adds),
    );
    let tag = format!("{} ({})", tag.name, tag.id);
    outcome.report(
        |people| match adds {
            true => format!("tagged {people} with {tag}"),
            false => format!("removed the tag {tag} from {people}"),
        },
        arguments.json,
    )
}

/// Removes a deleted tag from all followers in the store.
fn take_off_everybody(store: &Store, tag: i64) -> Result<(), Failure> {
    let reader = store.reader()?;
    let mut after = String::new();
    loop {
        let some = reader.tagged(tag, &after, BATCH)?;
        let Some(last) = some.last() else {
            return Ok(());
        };
        after.clone_from(last);
        store.note_tag(some, tag, false)?;
    }
}

pub(super) fn remark(config: &Config, arguments: &Remark) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let Remark { openid, text, .. } = arguments;
    api.updateremark(openid, text)?;
    let mut out = Output::for_change();
    out.warn_on_error(store.note_remark(openid, text), NOT_NOTED);
    let value = json!({ "openid": openid, "remark": text });
    let line = match text.as_str() {
        "" => format!("{openid} no longer has a remark"),
        text => format!("remark on {openid}: {text}"),
    };
    out.answer(arguments.json, &value, &line)
}
