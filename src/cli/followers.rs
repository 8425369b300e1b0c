//! `wechatd followers …`: lists, shows, exports, syncs and forgets followers.

mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::input::{NotBlank, Openid, Yes, confirm, limit, since};
use super::list::List;
use super::platform::connect;
use super::terminal::{Export, Failure, FormatArguments, Json, Output, cell, text, time, whole};
use super::{messages, tags};
use crate::api::user::Profile;
use crate::app::{ForgetError, forget as forget_person};
use crate::clock;
use crate::config::{Config, EventType};
use crate::counted::counted;
use crate::hooks::Subscribers;
use crate::local_time;
use crate::store::{
    Erased, FollowLogEntry, Follower, FollowerFilter, MessageFilter, MessageRow, Reader, Store,
};
use crate::sync::profile;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Followers {
    /// List followers, newest first
    #[command(after_help = "Examples:
  wechatd followers list
  wechatd followers list --scene poster-7 --since 2026-11-01
  wechatd followers list --search 小明
  wechatd followers list --tag regulars --limit 1000 --json

`wechatd followers export` writes all of them, with every column.")]
    List(ListArguments),
    /// Show one follower: profile, follow history, last messages
    #[command(after_help = "Examples:
  wechatd followers show oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd followers show oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --online

With --online WeChat's answer is shown, and the profile of a follower is kept; the list of followers changes with the next sync only.")]
    Show(ShowArguments),
    /// Write all columns of all followers to standard output, newest first
    #[command(after_help = "Examples:
  wechatd followers export > followers.csv
  wechatd followers export --excel > followers.csv
  wechatd followers export --format jsonl --tag regulars | jq -r .openid")]
    Export(ExportArguments),
    /// Bring the local list in line with WeChat's: add and remove whoever was missed
    #[command(after_help = "Examples:
  wechatd followers sync
  wechatd followers sync --json | jq .gone

Reads WeChat's whole list and fetches all profiles again, at `api.rate` calls a second: about nine minutes and 20 MiB of memory for a million followers. You can interrupt it at any time; the next run resumes where it stopped, and pushes that arrive meanwhile take precedence. When WeChat takes no more calls this minute, it waits. The server does the same every day at `api.sync`.

A list that looks wrong removes nobody. If it holds fewer followers than WeChat counts, nobody is removed and the summary says so. If more than 20 followers and more than a tenth would be removed, counting those removed by syncs in the last 7 days, the command shows the numbers and asks; the server logs an error once, and `check` shows it until a sync gets a list that can be believed. --yes accepts such a list, and from then on a count that is too high by the same number; a list that lacks more than a tenth of WeChat's count is never accepted.")]
    Sync {
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Remove every trace of a follower from the store
    #[command(after_help = "Example:
  wechatd followers forget oSyn1aAQe7rT0uXk3mPzLc9WvBh4

WeChat's event user_authorization_cancellation does the same, and user_authorization_revoke clears the profile. The bytes are overwritten in the file and its write-ahead log, also where the messages of others name the openid. Copies made by `wechatd backup` are not touched, and the journal has its own limit (MaxRetentionSec=). For as long as the messages would have been kept, a number per message remains that identifies nobody: it keeps a push that is delivered again from being recorded. Someone who still follows the account is recorded again with the next message or sync.")]
    Forget {
        /// The follower's openid
        openid: Openid,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Only with this tag (id or name)
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only those whose nickname, remark, openid or unionid contains this text
    #[arg(long, value_name = "TEXT")]
    search: Option<NotBlank>,
    /// Only those who followed by this QR scene
    #[arg(long, value_name = "SCENE")]
    scene: Option<String>,
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    filters: Filters,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    format: FormatArguments,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArguments {
    /// The follower's openid
    openid: Openid,
    /// Also ask WeChat, and keep the profile it returns
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Followers) -> Result<(), Failure> {
    match command {
        Followers::List(arguments) => list(config, arguments),
        Followers::Export(arguments) => export(config, arguments),
        Followers::Show(arguments) => show(config, &arguments),
        Followers::Sync { yes, json } => sync::run(config, yes, json),
        Followers::Forget { openid, yes, json } => forget(config, &openid, yes, json),
    }
}

impl Filters {
    fn read(&self, config: &Config, reader: &Reader) -> Result<FollowerFilter, Failure> {
        let tag = self.tag.as_deref();
        Ok(FollowerFilter {
            since: since(self.since.as_deref())?,
            scene: self.scene.clone(),
            tag: tag
                .map(|tag| tags::id_of(config, reader, tag))
                .transpose()?,
            search: self.search.as_ref().map(NotBlank::to_string),
            limit: None,
        })
    }

    /// The filters as the end of a sentence; empty if there are none.
    fn as_phrase(&self) -> String {
        let filters = [
            ("with the tag", self.tag.as_deref()),
            ("with", self.search.as_deref()),
            ("by the scene", self.scene.as_deref()),
            ("since", self.since.as_deref()),
        ];
        let phrases = filters
            .into_iter()
            .filter_map(|(word, value)| Some(format!(" {word} {}", value?)));
        phrases.collect()
    }
}

/// From this many followers on, a list does not count them, as that would take longer than the list itself.
const TOO_MANY_TO_COUNT: i64 = 1_000_001;

fn list(config: &Config, arguments: ListArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let filters = arguments.filters.as_phrase();
    let filter = arguments.filters.read(config, &reader)?;
    let list = List {
        limit: arguments.limit,
        json: arguments.json,
        all: "`wechatd followers export` gives all",
    };
    list.show(
        |limit, each| reader.followers(&FollowerFilter { limit, ..filter }, each),
        |out, rows| table(out, &reader, rows, &filters),
    )
}

fn table(
    out: &mut Output,
    reader: &Reader,
    followers: &[Follower],
    filters: &str,
) -> Result<(), Failure> {
    let names = reader.tags()?;
    let lines: Vec<[String; 6]> = followers
        .iter()
        .map(|follower| {
            [
                follower.subscribed.clone(),
                follower.openid.clone(),
                follower.nickname.clone().unwrap_or_default(),
                follower.remark.clone().unwrap_or_default(),
                scene(follower),
                tags_of(follower, &names).unwrap_or_default(),
            ]
        })
        .collect();
    let nothing = match filters {
        "" => "nobody follows".to_owned(),
        filters => format!("no follower{filters}"),
    };
    out.table(
        [
            time("subscribed"),
            whole("openid"),
            text("nickname"),
            text("remark"),
            text("scene"),
            text("tags"),
        ],
        &lines,
        &nothing,
    )?;
    if !lines.is_empty() {
        let all = match reader.count_followers_up_to(TOO_MANY_TO_COUNT)? {
            TOO_MANY_TO_COUNT => {
                format!("more than {}", counted(TOO_MANY_TO_COUNT - 1, "follower"))
            }
            all => counted(all, "follower"),
        };
        out.line(&format!("{} of {all}", lines.len()))?;
    }
    Ok(())
}

/// A follower's tags, by name where the name is known.
fn tags_of(follower: &Follower, names: &BTreeMap<i64, String>) -> Option<String> {
    let ids = follower.tagid_list.as_ref()?.as_array()?;
    let named: Vec<String> = ids
        .iter()
        .map(|id| match id.as_i64().and_then(|id| names.get(&id)) {
            Some(name) => name.clone(),
            None => id.to_string(),
        })
        .collect();
    Some(named.join(", "))
}

fn export(config: &Config, arguments: ExportArguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let filter = arguments.filters.read(config, &reader)?;
    let mut export = Export::to_stdout(arguments.format)?;
    reader.export_followers(&filter, |names, cells| export.row(names, cells))?;
    export.done()
}

#[derive(Debug, Serialize)]
struct Shown {
    /// WeChat's answer, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    wechat: Option<Profile>,
    follower: Option<Follower>,
    follow_log: Vec<FollowLogEntry>,
    messages: Vec<MessageRow>,
}

/// Asks the platform about one person, and stores the profile if they follow.
fn ask(config: &Config, openid: &str) -> Result<Profile, Failure> {
    let (store, api) = connect(config)?;
    let profile = api.user_info(openid)?;
    let outcomes = profile::pair(&[openid.to_owned()], vec![profile.clone()]);
    store.profiles_done(outcomes, clock::unix_seconds())?;
    Ok(profile)
}

/// The platform's answer, without empty fields, and with the names of tags as far as the store has them.
fn answer(profile: &Profile, names: &BTreeMap<i64, String>) -> Vec<(&'static str, String)> {
    let follows = match profile.subscribe {
        Some(0) => "no",
        Some(_) | None => "yes",
    };
    let subscribed = profile.subscribe_time.filter(|time| *time > 0);
    let subscribed = subscribed.map(local_time::format);
    let tags = profile.tagid_list.as_ref().map(|tags| {
        let name = |id: &i64| names.get(id).cloned().unwrap_or_else(|| id.to_string());
        tags.iter().map(name).collect::<Vec<_>>().join(", ")
    });
    let scene = profile
        .qr_scene_str
        .clone()
        .filter(|scene| !scene.is_empty())
        .or_else(|| Some(profile.qr_scene.filter(|scene| *scene != 0)?.to_string()))
        .or_else(|| profile.subscribe_scene.clone());
    known([
        ("follows", Some(follows.to_owned())),
        ("unionid", profile.unionid.clone()),
        ("nickname", profile.nickname.clone()),
        ("remark", profile.remark.clone()),
        ("subscribed", subscribed),
        ("scene", scene),
        ("tags", tags),
        ("language", profile.language.clone()),
    ])
}

/// The facts that are known, each on one line.
fn known<const N: usize>(
    facts: [(&'static str, Option<String>); N],
) -> Vec<(&'static str, String)> {
    facts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, cell(&value, 200))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn show(config: &Config, arguments: &ShowArguments) -> Result<(), Failure> {
    let openid = &arguments.openid;
    let wechat = arguments.online.then(|| ask(config, openid)).transpose()?;
    let reader = Reader::open(&config.store)?;
    let filter = MessageFilter {
        openid: Some(openid.to_string()),
        limit: Some(10),
        ..MessageFilter::default()
    };
    let mut shown = Shown {
        wechat,
        follower: reader.follower(openid)?,
        follow_log: reader.follow_log(openid)?,
        messages: Vec::new(),
    };
    reader.messages(&filter, |row| {
        shown.messages.push(row);
        Ok::<(), Failure>(())
    })?;
    let is_known =
        shown.follower.is_some() || !shown.follow_log.is_empty() || !shown.messages.is_empty();
    if !is_known && shown.wechat.is_none() {
        return Err(unknown(openid));
    }
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&shown);
    }
    if let Some(profile) = &shown.wechat {
        out.line("WeChat:")?;
        out.pairs(&answer(profile, &reader.tags()?))?;
        out.line("")?;
        out.line("The store:")?;
    }
    match &shown.follower {
        Some(follower) => out.pairs(&facts(follower, &reader.tags()?))?,
        None => out.line(&match &shown.wechat {
            None => format!("{openid} does not follow now"),
            Some(_) => format!("{openid} is not among its followers"),
        })?,
    }
    for entry in &shown.follow_log {
        let scene = entry
            .scene
            .as_deref()
            .map(|scene| format!(", scene {scene}"))
            .unwrap_or_default();
        out.line(&format!(
            "{}  {} ({}{scene})",
            entry.time, entry.action, entry.source
        ))?;
    }
    if !shown.messages.is_empty() {
        out.line("")?;
        messages::table(&mut out, &shown.messages, "")?;
    }
    out.done()
}

/// Everything that is known about a follower.
fn facts(follower: &Follower, names: &BTreeMap<i64, String>) -> Vec<(&'static str, String)> {
    let facts = [
        ("openid", Some(follower.openid.clone())),
        ("unionid", follower.unionid.clone()),
        ("nickname", follower.nickname.clone()),
        ("remark", follower.remark.clone()),
        ("subscribed", Some(follower.subscribed.clone())),
        ("scene", Some(scene(follower))),
        ("tags", tags_of(follower, names)),
        ("language", follower.language.clone()),
        (
            "profile",
            Some(match (&follower.profile_at, &follower.profile_error) {
                (None, None) => "still to be fetched".to_owned(),
                (None, Some(why)) => format!("still to be fetched: {why}"),
                (Some(_), Some(why)) => why.clone(),
                (Some(_), None) => "fetched".to_owned(),
            }),
        ),
    ];
    known(facts)
}

fn unknown(openid: &str) -> Failure {
    Failure::failed(
        format!("the store knows nobody with the openid {openid}"),
        "`wechatd followers list` shows who follows",
    )
}

fn scene(follower: &Follower) -> String {
    follower
        .scene()
        .or_else(|| follower.subscribe_scene.clone())
        .unwrap_or_default()
}

fn forget(config: &Config, openid: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let store = Arc::new(Store::open(&config.store)?);
    confirm::ask(&format!("Remove every trace of {openid}?"), yes)?;
    let subscribers = Subscribers::of(&config.hooks);
    let notified: Vec<&str> = subscribers
        .names_for(EventType::Closed)
        .map(|hook| &**hook)
        .collect();
    let erased = forget_person(config, &store, &reader, openid)?;
    if erased == Erased::default() {
        return Err(unknown(openid));
    }
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(&Forgotten {
            erased,
            hooks: notified,
        });
    }
    out.line(&format!(
        "forgotten: {}, {} of the follow log, {}, {} sent",
        counted(erased.followers, "follower"),
        counted(erased.follow_log, "entry"),
        counted(erased.messages, "message"),
        counted(erased.jobs, "template message"),
    ))?;
    if erased.sent > 0 {
        let messages = counted(erased.sent, "customer-service message");
        out.line(&format!("also {messages} sent"))?;
    }
    if erased.sessions > 0 {
        let sessions = counted(erased.sessions, "session");
        out.line(&format!("also {sessions} on web pages"))?;
    }
    if erased.hook_events > 0 {
        let events = counted(erased.hook_events, "event");
        out.line(&format!("also {events} of hooks"))?;
    }
    if !notified.is_empty() {
        out.line(&format!(
            "the server reports this to the hooks: {} (for up to 24 h, then that event is erased, too)",
            notified.join(", ")
        ))?;
    }
    out.done()
}

impl From<ForgetError> for Failure {
    fn from(error: ForgetError) -> Failure {
        match error {
            ForgetError::Store(error) => error.into(),
            ForgetError::Files(why) => Failure::failed(
                format!("the rows are gone, but files of this follower may still be there: {why}"),
                "the server tries to remove them every hour and at its start",
            ),
        }
    }
}

/// What `forget` did.
#[derive(Debug, Serialize)]
struct Forgotten<'a> {
    #[serde(flatten)]
    erased: Erased,
    /// The hooks that are notified.
    hooks: Vec<&'a str>,
}
