//! `wechatd hooks …`: lists and tests hooks, and delivers events again.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::input::{find_named, limit, none_configured};
use super::terminal::{Failure, Json, Output, text, time, whole};
use crate::clock;
use crate::config::{Config, EventType, Hook, HookFormat};
use crate::counted::counted;
use crate::hooks::{self, Hooks, PROBING};
use crate::local_time;
use crate::store::{HookEvent, Reader, Store};

pub(super) const HELP: &str = "Examples:
  wechatd hooks test crm
  wechatd hooks resend --failed crm

A hook is a [[hook]] of wechat.conf, which explains its keys: a URL to which events are sent.

A robot gets a Chinese sentence with the last six characters of the openid. Nothing that a follower writes can mention the group or make a link there. Events within a few seconds become one message, as robots allow only some 20 a minute.

A program gets each event by itself, signed as Standard Webhooks say, whose libraries check it:

  webhook-id: evt_00000004d2ca12d8bf53e60917
  webhook-timestamp: 1795864148
  webhook-signature: v1,YvkFVAYO+HHdXmx…

  {\"type\":\"follow\",\"timestamp\":\"2026-11-28T11:09:08Z\",\"data\":
   {\"openid\":\"oSyn1aAQe7rT0uXk3mPzLc9WvBh4\",\"scene\":null,\"source\":\"push\"}}

An event is committed together with the push, sync or command that it is about, and delivered at least once, also after a crash: ignore a webhook-id that you have seen. Delivered means 2xx within 15 s, and for a robot that its JSON says so. Otherwise it is retried after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, or later where Retry-After asks for it; then it is given up, and kept for 30 days. Later events do not wait for it.

After 10 failures in a row one event a minute is tried, and the others wait. 410 pauses the hook. At most 100000 events wait for one hook; the next delivery says in `dropped` how many more there were. No push waits for a hook, and no hook for another; there can be 16. Redirects and proxies are not used. URLs are logged without user, path and query, as these are the secret of most robots.

The first sync reports nobody, as it finds those who follow already; later ones report whoever was missed, with \"source\":\"sync\". The data of `trouble` and `recovered` is kind, name, text and since, see `wechatd status --help`.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the hooks and how each is doing
    #[command(after_help = "Examples:
  wechatd hooks list
  wechatd hooks list --json | jq '.[] | select(.dead > 0)'

A hook is a [[hook]] of the configuration: a URL to which events are sent. Delivered events are kept for 7 days, those that were given up for 30 days.")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// List the events that a hook never received, newest first
    #[command(after_help = "Examples:
  wechatd hooks failed crm
  wechatd hooks failed crm --json | jq -r '.[].body'

An event is given up after its tenth attempt, some three days after the first. `wechatd hooks resend` tries again.")]
    Failed {
        /// The hook
        name: String,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Deliver events again, now, with all retries
    #[command(after_help = "Examples:
  wechatd hooks resend evt_00000004d2ca12d8bf53e60917
  wechatd hooks resend --failed crm

The server does it, within seconds. An event that was delivered is delivered once more, with the same webhook-id.")]
    Resend {
        /// Ids of events, from `wechatd hooks failed` or the view `hooks_v`
        #[arg(required_unless_present = "failed", conflicts_with = "failed")]
        ids: Vec<String>,
        /// All events that this hook never received
        #[arg(long, value_name = "NAME")]
        failed: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Send a test event now and show the answer
    #[command(after_help = "Example:
  wechatd hooks test crm

It needs no running server. A program gets an event of the type \"test\".")]
    Test {
        /// The hook
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Resume a hook that was paused because it answered 410 Gone
    #[command(after_help = "Example:
  wechatd hooks resume crm

Events that have waited are delivered then.")]
    Resume {
        /// The hook
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Print the secret that signs a hook's calls
    #[command(after_help = "Examples:
  wechatd hooks secret crm

The receiver checks the signature with it, for example by a library of standardwebhooks.com. It is made once, unless the configuration has one. To change it put a new one into `secret` and the old one into `previous_secret` for as long as the receiver needs.")]
    Secret {
        /// The hook
        name: String,
        #[command(flatten)]
        json: Json,
    },
}

/// How a hook is doing, for `hooks list` and `check`.
#[derive(Debug, Serialize)]
pub(super) struct ShownHook {
    name: String,
    line: usize,
    format: &'static str,
    events: Vec<&'static str>,
    /// Without what may be secret.
    url: String,
    state: String,
    waiting: i64,
    delivered: i64,
    dead: i64,
    dropped: i64,
    failures: i64,
    paused: Option<String>,
}

impl ShownHook {
    /// `reader` is the store, if there is one yet.
    pub(super) fn of(hook: &Hook, reader: Option<&Reader>) -> Result<ShownHook, Failure> {
        let (state, counts) = match reader {
            Some(reader) => (
                reader.hook_state(&hook.name)?,
                reader.hook_counts(&hook.name)?,
            ),
            None => Default::default(),
        };
        let doing = match &state.paused {
            Some(why) => format!("paused: {why}; `wechatd hooks resume {}`", hook.name),
            None if state.failures >= PROBING => format!(
                "fails: {} in a row, one event a minute is tried; `wechatd hooks test {}` says why",
                state.failures, hook.name
            ),
            None if state.failures > 0 => {
                format!("failed {} in a row", counted(state.failures, "time"))
            }
            None => "works".to_owned(),
        };
        Ok(ShownHook {
            name: hook.name.clone(),
            line: hook.line,
            format: hook.format.name(),
            events: hook.events.iter().map(|event| event.name()).collect(),
            url: hook.url.to_string(),
            state: doing,
            waiting: state.waiting,
            delivered: counts.delivered,
            dead: counts.dead,
            dropped: state.dropped,
            failures: state.failures,
            paused: state.paused,
        })
    }

    /// One line, for `check`.
    pub(super) fn line(&self) -> String {
        let events = match self.events.len() == EventType::ALL.len() {
            true => "everything".to_owned(),
            false => self.events.join(", "),
        };
        let mut line = format!(
            "{} (line {}): {events} → {} ({}): {}",
            self.name, self.line, self.url, self.format, self.state
        );
        for (count, what) in [
            (self.waiting, "waiting".to_owned()),
            (
                self.dead,
                format!("given up (`wechatd hooks failed {}`)", self.name),
            ),
            (self.dropped, "dropped".to_owned()),
        ] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        line
    }
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { json } => list(config, json),
        Commands::Failed { name, limit, json } => failed(config, &name, limit, json),
        Commands::Resend {
            ids,
            failed: None,
            json,
        } => resend(config, &ids, json),
        Commands::Resend {
            ids: _,
            failed: Some(name),
            json,
        } => resend_failed(config, &name, json),
        Commands::Test { name, json } => test(config, &name, json),
        Commands::Resume { name, json } => resume(config, &name, json),
        Commands::Secret { name, json } => secret(config, &name, json),
    }
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let reader = Reader::open_if_any(&config.store)?;
    let shown = config
        .hooks
        .iter()
        .map(|hook| ShownHook::of(hook, reader.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&shown);
    }
    let line = |hook: &ShownHook| {
        [
            hook.name.clone(),
            hook.format.to_owned(),
            hook.url.clone(),
            hook.waiting.to_string(),
            hook.delivered.to_string(),
            hook.dead.to_string(),
            hook.state.clone(),
        ]
    };
    let lines: Vec<[String; 7]> = shown.iter().map(line).collect();
    out.table(
        [
            whole("hook"),
            whole("format"),
            text("to"),
            whole("waiting"),
            whole("delivered"),
            whole("given up"),
            text("state"),
        ],
        &lines,
        &none_configured::<Hook>(),
    )?;
    out.done()
}

fn failed(config: &Config, name: &str, limit: u32, json: Json) -> Result<(), Failure> {
    find_named(&config.hooks, name)?;
    let reader = Reader::open(&config.store)?;
    let events = reader.dead_hook_events(name, limit)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&events);
    }
    let line = |event: &HookEvent| {
        [
            local_time::format(event.created_at),
            event.id.clone(),
            event.kind.clone(),
            event.openid.clone().unwrap_or_default(),
            event.last_error.clone().unwrap_or_default(),
        ]
    };
    let lines: Vec<[String; 5]> = events.iter().map(line).collect();
    out.table(
        [
            time("happened"),
            whole("id"),
            text("type"),
            whole("openid"),
            text("last answer"),
        ],
        &lines,
        &format!("{name} has no events that were given up"),
    )?;
    if !lines.is_empty() {
        out.line(&format!(
            "`wechatd hooks resend --failed {name}` delivers all of them again"
        ))?;
    }
    out.done()
}

fn resend(config: &Config, ids: &[String], json: Json) -> Result<(), Failure> {
    let store = Store::open(&config.store)?;
    let now = clock::unix_seconds();
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for id in ids {
        match store.resend_hook_event(id, now)? {
            Some(_) => found.push(id),
            None => unknown.push(id.as_str()),
        }
    }
    if !unknown.is_empty() {
        let failure = Failure::failed(
            format!("there is no event {}", unknown.join(", ")),
            "`wechatd hooks failed NAME` and the view hooks_v show their ids",
        );
        return Err(match found.len() {
            0 => failure,
            some => failure.after(&format!("{} queued again", counted(some, "event"))),
        });
    }
    said(found.len(), json)
}

fn resend_failed(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    find_named(&config.hooks, name)?;
    let store = Store::open(&config.store)?;
    said(
        store.resend_failed_hook_events(name, clock::unix_seconds())?,
        json,
    )
}

fn said(count: usize, json: Json) -> Result<(), Failure> {
    let line = format!(
        "{} queued again; the server delivers within seconds",
        counted(count, "event")
    );
    Output::for_change().answer(json, &json!({ "events": count }), &line)
}

fn test(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    let hook = find_named(&config.hooks, name)?;
    let store = Store::open(&config.store)?;
    let hooks = Hooks::new(std::slice::from_ref(hook), &store)?;
    let courier = hooks.couriers.first().map(Arc::clone);
    let delivered = courier.map(|courier| courier.test());
    let out = Output::for_change();
    match delivered {
        Some(Ok(status)) => out.answer(
            json,
            &json!({ "hook": name, "delivered": true, "status": status }),
            &format!("{name} received it: HTTP {status}"),
        ),
        Some(Err(failure)) => Err(Failure::failed(
            format!("{name} did not receive it: {}: {}", hook.url, failure.error),
            what_to_do(hook),
        )),
        None => Err(Failure::Failed("there is nothing to test".to_owned())),
    }
}

fn what_to_do(hook: &Hook) -> &'static str {
    match hook.format {
        HookFormat::Standard { .. } => {
            "the receiver has to answer 2xx within 15 s; compare `url`, and its log"
        }
        HookFormat::WeCom => "compare `url` with the one that the group's robot shows",
        HookFormat::DingTalk { .. } => {
            "compare `url` and `secret` with the robot's settings (加签); a keyword there must be 公众号 or another word of every notice"
        }
        HookFormat::Feishu { .. } => {
            "compare `url` and `secret` with the robot's settings (签名校验)"
        }
        HookFormat::Ntfy => {
            "`url` ends with the topic; a user or token is part of it, as https://:TOKEN@HOST/TOPIC"
        }
        HookFormat::Bark => "`url` ends with the device key that the app shows",
    }
}

fn resume(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    find_named(&config.hooks, name)?;
    let resumed = Store::open(&config.store)?.resume_hook(name)?;
    let line = match resumed {
        true => format!("{name} goes on"),
        false => format!("{name} was not paused"),
    };
    Output::for_change().answer(json, &json!({ "hook": name, "resumed": resumed }), &line)
}

fn secret(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    let hook = find_named(&config.hooks, name)?;
    let secret = match &hook.format {
        HookFormat::Standard { .. } => {
            let store = Store::open(&config.store)?;
            let secrets = hooks::secrets(hook, &store)?;
            secrets.first().map(|secret| secret.written().clone())
        }
        HookFormat::DingTalk { secret } | HookFormat::Feishu { secret } => secret.clone(),
        HookFormat::WeCom | HookFormat::Ntfy | HookFormat::Bark => None,
    };
    let Some(secret) = secret else {
        return Err(Failure::failed(
            format!("{name} has no secret"),
            format!(
                "a robot of the format {:?} signs with none, unless its settings show one",
                hook.format.name()
            ),
        ));
    };
    let out = Output::for_reading();
    out.answer(
        json,
        &json!({ "hook": name, "secret": secret.expose() }),
        secret.expose(),
    )
}
