//! `wechatd notify …`: subscription notifications, for users who agreed to get one.

use serde::Serialize;

use super::input::{NotBlank, Openid, Yes, confirm, json, limit};
use super::platform::connect;
use super::template;
use super::terminal::{Failure, Json, Output, cell, text, whole};
use crate::api::subscription::{Notification, PrivateTemplate};
use crate::api::template::Miniprogram;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the account's notification templates with the keys that each asks for
    #[command(after_help = "Examples:
  wechatd notify list
  wechatd notify list --json | jq -r '.[].example'")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Take a template of the platform's library
    #[command(after_help = "Example:
  wechatd notify add 401 1 2 --scene 'an order was paid'

TID and the numbers of its keywords stand in the console, under subscription notifications.")]
    Add {
        /// Its number in the library
        tid: NotBlank,
        /// Which of its keywords, by their numbers, in the order in which users shall see them
        #[arg(required = true, value_parser = limit, allow_negative_numbers = true)]
        keywords: Vec<u32>,
        /// What it is for, in a few words for the platform
        #[arg(long, value_name = "TEXT")]
        scene: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Give a template up; notifications can no longer be sent with it
    #[command(after_help = "Example:\n  wechatd notify delete TEMPLATE_ID")]
    Delete {
        /// Which; `wechatd notify list` shows them
        template_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Fill in a template and send it to one user who agreed to get it
    #[command(after_help = "Examples:
  wechatd notify send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data '{\"thing1\": \"Blue mug\", \"time3\": \"2026-01-01 12:00\"}'
  wechatd notify send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data \"$DATA\" --page https://www.example.com/o/1

The user agrees in an article or on a page of yours; each agreement is good for one notification, unless the template is one to be kept. The platform pushes what became of it: `wechatd messages list`.")]
    Send(Box<Send>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Send {
    /// To whom
    openid: Openid,
    /// Which template; `wechatd notify list` shows them
    template_id: NotBlank,
    /// The values by the template's keys, as texts, numbers or {"value": …}
    #[arg(long, value_name = "JSON")]
    data: String,
    /// Where a tap leads
    #[arg(long, value_name = "U")]
    page: Option<String>,
    /// Where a tap leads on phones that open mini programs: {"appid": …, "pagepath": …}
    #[arg(long, value_name = "JSON")]
    miniprogram: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { json } => list(config, json),
        Commands::Add {
            tid,
            keywords,
            scene,
            json,
        } => add(config, &tid, &keywords, &scene, json),
        Commands::Delete {
            template_id,
            yes,
            json,
        } => delete(config, &template_id, yes, json),
        Commands::Send(arguments) => send(config, *arguments),
    }
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let templates = connect(config)?.1.newtmpl_gettemplate()?;
    let mut out = Output::for_reading();
    if json.wanted {
        let with_id: Vec<WithId> = templates.iter().map(WithId::from).collect();
        return out.json(&with_id);
    }
    let row = |template: &PrivateTemplate| {
        let keys: Vec<&str> = template.keys().collect();
        let agreed = match template.kind {
            Some(2) => "once".to_owned(),
            Some(3) => "for good".to_owned(),
            Some(other) => format!("type {other}"),
            None => String::new(),
        };
        [
            cell(&template.pri_tmpl_id, 60),
            cell(template.title.as_deref().unwrap_or_default(), 30),
            agreed,
            cell(&keys.join(", "), 80),
        ]
    };
    let rows: Vec<[String; 4]> = templates.iter().map(row).collect();
    out.table(
        [
            whole("template_id"),
            text("title"),
            text("agreed"),
            text("keys"),
        ],
        &rows,
        "the account has no template of notifications; `wechatd notify add` takes one",
    )?;
    out.done()
}

/// A template whose id is also given under the name that `template list` uses.
#[derive(Debug, Serialize)]
struct WithId<'a> {
    template_id: &'a str,
    #[serde(flatten)]
    template: &'a PrivateTemplate,
}

impl<'a> From<&'a PrivateTemplate> for WithId<'a> {
    fn from(template: &'a PrivateTemplate) -> WithId<'a> {
        WithId {
            template_id: &template.pri_tmpl_id,
            template,
        }
    }
}

fn add(
    config: &Config,
    tid: &str,
    keywords: &[u32],
    scene: &str,
    json: Json,
) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let template_id = api.newtmpl_addtemplate(tid, keywords, scene)?;
    // Under the name that `template add` uses, and under the platform's.
    let value = serde_json::json!({ "template_id": template_id, "priTmplId": template_id });
    let line = format!("added as {}", cell(&template_id, 100));
    Output::for_change().answer(json, &value, &line)
}

fn delete(config: &Config, template_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    confirm::ask(&format!("Give up template {template_id}?"), yes)?;
    api.newtmpl_deltemplate(template_id)?;
    let value = serde_json::json!({ "template_id": template_id });
    let line = format!("template {template_id} is deleted");
    Output::for_change().answer(json, &value, &line)
}

fn send(config: &Config, arguments: Send) -> Result<(), Failure> {
    let data = template::data(&arguments.data)?;
    let miniprogram: Option<Miniprogram> = arguments
        .miniprogram
        .as_deref()
        .map(json::miniprogram)
        .transpose()?;
    let notification = Notification {
        touser: arguments.openid.into(),
        template_id: arguments.template_id.into(),
        page: arguments.page,
        miniprogram,
        data,
    };
    let (_store, api) = connect(config)?;
    api.subscribe_bizsend(&notification)?;
    let value = serde_json::json!({
        "openid": notification.touser,
        "template_id": notification.template_id,
    });
    Output::for_change().answer(arguments.json, &value, "sent")
}
