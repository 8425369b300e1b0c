//! `wechatd notify …`: subscription notifications, for users who agreed to get one.

use serde::Serialize;

use super::input::{NotBlank, Openid, Yes, confirm, json, limit};
use super::platform::{connect, in_pages};
use super::template;
use super::terminal::{Failure, Json, Output, cell, complain, text, whole};
use crate::api::ApiError;
use crate::api::subscription::{
    LIBRARY_PAGE, LibraryKeyword, LibraryTemplate, Notification, PrivateTemplate,
};
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
    /// List the templates of WeChat's library in the account's categories, or the keywords of one of them
    #[command(after_help = "Examples:
  wechatd notify library
  wechatd notify library --category 616
  wechatd notify library 401          # its keywords, with their numbers

The categories are chosen in the console. `wechatd notify add` takes the numbers.")]
    Library {
        /// Show the keywords of this template
        tid: Option<u64>,
        /// Only templates of this category, by its number
        #[arg(long, value_name = "N", conflicts_with = "tid")]
        category: Option<u32>,
        /// At most this many templates
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Add a template from WeChat's library
    #[command(after_help = "Example:
  wechatd notify add 401 1 2 --scene 'an order was paid'

`wechatd notify library` shows the templates with their TID, `wechatd notify library TID` the keywords with their numbers.")]
    Add {
        /// Its number in the library
        tid: NotBlank,
        /// Which of its keywords, by their numbers, in the order in which users shall see them
        #[arg(required = true, value_parser = limit, allow_negative_numbers = true)]
        keywords: Vec<u32>,
        /// What it is for, in a few words for WeChat
        #[arg(long, value_name = "TEXT")]
        scene: NotBlank,
        #[command(flatten)]
        json: Json,
    },
    /// Remove a template from the account
    #[command(after_help = "Example:\n  wechatd notify delete TEMPLATE_ID")]
    Delete {
        /// Which; `wechatd notify list` shows them
        template_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Send a notification to one user who agreed to get it
    #[command(after_help = "Examples:
  wechatd notify send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data '{\"thing1\": \"Blue mug\", \"time3\": \"2026-01-01 12:00\"}'
  wechatd notify send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data \"$DATA\" --page https://www.example.com/o/1

The user agrees in an article or on a page of yours; each agreement is good for one notification, unless the template is one to be kept. WeChat pushes the result: `wechatd messages list`.")]
    Send(Box<Send>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Send {
    /// The follower's openid
    openid: Openid,
    /// The template's id, from `wechatd notify list`
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
        Commands::Library {
            tid: Some(tid),
            json,
            ..
        } => keywords(config, tid, json),
        Commands::Library {
            tid: None,
            category,
            limit,
            json,
        } => library(config, category, limit, json),
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
        [
            cell(&template.pri_tmpl_id, 60),
            cell(template.title.as_deref().unwrap_or_default(), 30),
            agreed(template.kind),
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

/// How often a user who agreed can be notified.
fn agreed(kind: Option<i64>) -> String {
    match kind {
        Some(2) => "once".to_owned(),
        Some(3) => "for good".to_owned(),
        Some(other) => format!("type {other}"),
        None => String::new(),
    }
}

fn library(config: &Config, category: Option<u32>, limit: u32, json: Json) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let categories = api.newtmpl_getcategory()?;
    let asked: Vec<i64> = match category {
        Some(one) => vec![one.into()],
        None => categories.iter().map(|category| category.id).collect(),
    };
    if asked.is_empty() {
        return Err(Failure::failed(
            "the account has no category, and templates are found by categories",
            "choose some in the console, under subscription notifications (订阅通知)",
        ));
    }
    let listed = in_pages(limit, LIBRARY_PAGE, |start, count| {
        let page = api.newtmpl_getpubtemplatetitles(&asked, start, count)?;
        Ok::<_, ApiError>((page.templates, page.count))
    })?;
    if let Some(part) = listed.left_out() {
        complain(&format!("{part} are shown; --limit N shows more"));
    }
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&listed.items);
    }
    let row = |template: &LibraryTemplate| {
        let number = template.category_id;
        let known = categories
            .iter()
            .find(|category| number == Some(category.id));
        let name = known.and_then(|category| category.name.as_deref());
        let number = number.map(|number| number.to_string());
        [
            template.tid.to_string(),
            cell(template.title.as_deref().unwrap_or_default(), 60),
            agreed(template.kind),
            number.unwrap_or_default(),
            cell(name.unwrap_or_default(), 60),
        ]
    };
    let rows: Vec<[String; 5]> = listed.items.iter().map(row).collect();
    out.table(
        [
            whole("tid"),
            text("title"),
            text("agreed"),
            whole("category"),
            text("name"),
        ],
        &rows,
        "the library has no template in these categories",
    )?;
    out.done()
}

fn keywords(config: &Config, tid: u64, json: Json) -> Result<(), Failure> {
    let keywords = connect(config)?.1.newtmpl_getpubtemplatekeywords(tid)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&keywords);
    }
    let row = |keyword: &LibraryKeyword| {
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default(), 60);
        [
            keyword.kid.to_string(),
            text(&keyword.name),
            text(&keyword.rule),
            text(&keyword.example),
        ]
    };
    let rows: Vec<[String; 4]> = keywords.iter().map(row).collect();
    out.table(
        [
            whole("keyword"),
            text("name"),
            text("kind"),
            text("example"),
        ],
        &rows,
        &format!("template {tid} has no keywords"),
    )?;
    out.done()
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
    confirm::ask(&format!("Delete template {template_id}?"), yes)?;
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
