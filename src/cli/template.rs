//! `wechatd template …`: fills in a form that the platform approved, sends it to one user, and shows its status.

mod industry;
mod once;

use std::collections::BTreeMap;

use serde_json::Value;

use super::input::{NotBlank, Openid, Yes, confirm, json, limit};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::api::template::{Miniprogram, Template, TemplateMessage, TemplateValue};
use crate::clock;
use crate::config::Config;
use crate::store::{Job, NewJob, Reader};
use crate::wechat::JobKind;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the account's templates with the keys that each asks for
    #[command(after_help = "Examples:
  wechatd template list
  wechatd template list --json | jq -r '.[].example'")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Send a template message to one follower
    #[command(after_help = "Examples:
  wechatd template send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data '{\"thing1\": \"Blue mug\", \"amount2\": \"39.80\"}'
  wechatd template send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      --data \"$DATA\" --url https://www.example.com/o/1 --id order-1-paid

WeChat reports later whether it arrived: `wechatd template status`.")]
    Send(Box<Send>),
    /// Add a template from WeChat's library; an account can have 25
    #[command(after_help = "Examples:
  wechatd template add TM00015
  wechatd template add 43216 '商品名称' '金额'

The console shows SHORT_ID and the keywords in its template library.")]
    Add {
        /// Its number in the library
        short_id: NotBlank,
        /// Which of its keywords, in the order in which users shall see them
        keywords: Vec<NotBlank>,
        #[command(flatten)]
        json: Json,
    },
    /// Remove a template from the account
    #[command(after_help = "Example:\n  wechatd template delete TEMPLATE_ID")]
    Delete {
        /// Which; `wechatd template list` shows them
        template_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Show or set the account's industry, which decides the templates on offer
    #[command(after_help = "Examples:
  wechatd template industry
  wechatd template industry set 1 4")]
    Industry(industry::Arguments),
    /// Send a one-time subscription message that the user agreed to
    #[command(after_help = once::EXAMPLES)]
    Once(Box<once::Arguments>),
    /// The template messages that were sent and whether they arrived, newest first
    #[command(after_help = "Examples:
  wechatd template status
  wechatd template status --limit 100 --json")]
    Status {
        /// Only this one
        msg_id: Option<NotBlank>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Send {
    /// The follower's openid
    openid: Openid,
    /// The template's id, from `wechatd template list`
    template_id: NotBlank,
    /// The values by the template's keys, as texts, numbers or {"value": …}
    #[arg(long, value_name = "JSON")]
    data: String,
    /// Where a tap leads
    #[arg(long, value_name = "U")]
    url: Option<String>,
    /// Where a tap leads on phones that open mini programs: {"appid": …, "pagepath": …}
    #[arg(long, value_name = "JSON")]
    miniprogram: Option<String>,
    /// WeChat sends the same ID only once within 10 minutes
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { json } => list(config, json),
        Commands::Send(arguments) => send(config, *arguments),
        Commands::Add {
            short_id,
            keywords,
            json,
        } => add(config, &short_id, &keywords, json),
        Commands::Delete {
            template_id,
            yes,
            json,
        } => delete(config, &template_id, yes, json),
        Commands::Industry(arguments) => industry::run(config, &arguments),
        Commands::Once(arguments) => once::run(config, *arguments),
        Commands::Status {
            msg_id,
            limit,
            json,
        } => status(config, msg_id.as_deref(), limit, json),
    }
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let templates = api.get_all_private_template()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&templates);
    }
    let row = |template: &Template| {
        let keys: Vec<&str> = template.keys().collect();
        [
            template.template_id.clone(),
            cell(template.title.as_deref().unwrap_or_default(), 30),
            cell(&keys.join(", "), 80),
        ]
    };
    let rows: Vec<[String; 3]> = templates.iter().map(row).collect();
    out.table(
        [whole("template_id"), text("title"), text("keys")],
        &rows,
        "the account has no template; `wechatd template add` takes one",
    )?;
    out.done()
}

fn send(config: &Config, arguments: Send) -> Result<(), Failure> {
    let data = data(&arguments.data)?;
    let miniprogram: Option<Miniprogram> = arguments
        .miniprogram
        .as_deref()
        .map(json::miniprogram)
        .transpose()?;
    let message = TemplateMessage {
        touser: arguments.openid.into(),
        template_id: arguments.template_id.into(),
        url: arguments.url,
        miniprogram,
        client_msg_id: arguments.id,
        data,
    };
    let (store, api) = connect(config)?;
    let job = store.begin_job(NewJob {
        kind: JobKind::Template,
        msg_type: "template".to_owned(),
        openid: Some(message.touser.clone()),
        target: None,
        content: message.template_id.clone(),
        sent_at: clock::unix_seconds(),
    })?;
    let msg_id = match api.template_send(&message) {
        Ok(msg_id) => msg_id,
        Err(error) => {
            // If it may have been done, the row stays.
            if !error.may_be_done()
                && let Err(unrecorded) = store.job_refused(job)
            {
                complain(&format!(
                    "`template status` shows it all the same: {unrecorded}"
                ));
            }
            return Err(error.into());
        }
    };
    let mut out = Output::for_change();
    out.warn_on_error(
        store.job_taken(JobKind::Template, job, &msg_id, None),
        "the store could not note the msg_id, so that what became of it cannot be shown",
    );
    let value = serde_json::json!({ "msg_id": msg_id });
    let line =
        format!("sent as {msg_id}; `wechatd template status {msg_id}` shows what became of it");
    out.answer(arguments.json, &value, &line)
}

fn add(config: &Config, short_id: &str, keywords: &[NotBlank], json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let keywords: Vec<String> = keywords.iter().map(NotBlank::to_string).collect();
    let template_id = api.api_add_template(short_id, &keywords)?;
    let value = serde_json::json!({ "template_id": template_id });
    let line = format!("added as {}", cell(&template_id, 100));
    Output::for_change().answer(json, &value, &line)
}

fn delete(config: &Config, template_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    confirm::ask(&format!("Delete template {template_id}?"), yes)?;
    api.del_private_template(template_id)?;
    let value = serde_json::json!({ "template_id": template_id });
    let line = format!("template {template_id} is deleted");
    Output::for_change().answer(json, &value, &line)
}

/// An example for `--data`.
const DATA: &str = r#"{"thing1": "Blue mug"}"#;

/// Parses the values of a template, in the short form or in the platform's.
pub(super) fn data(text: &str) -> Result<BTreeMap<String, TemplateValue>, Failure> {
    let values: BTreeMap<String, Value> = json::read("--data", text, DATA)?;
    let value = |(key, value): (String, Value)| {
        let inner = match &value {
            Value::Object(fields) => fields.get("value").unwrap_or(&Value::Null),
            other => other,
        };
        let text = match inner {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(Failure::wrong(
                    format!("--data: {key}: it is a text, a number or {{\"value\": …}}"),
                    format!("write it as '{DATA}'"),
                ));
            }
        };
        Ok((key, TemplateValue { value: text }))
    };
    values.into_iter().map(value).collect()
}

fn status(config: &Config, msg_id: Option<&str>, limit: u32, json: Json) -> Result<(), Failure> {
    let jobs = Reader::open(&config.store)?.jobs(JobKind::Template, msg_id, limit)?;
    if let Some(msg_id) = msg_id
        && jobs.is_empty()
    {
        return Err(Failure::failed(
            format!("the store knows no template message {msg_id}"),
            "`wechatd template status` shows those it knows",
        ));
    }
    let mut out = Output::for_reading();
    if json.wanted {
        return match msg_id {
            None => out.json(&jobs),
            Some(_) => out.json(&serde_json::json!({ "job": jobs.first() })),
        };
    }
    let row = |job: &Job| {
        [
            job.time.clone(),
            job.msg_id.clone().unwrap_or_default(),
            job.openid.clone().unwrap_or_default(),
            cell(job.content.as_deref().unwrap_or_default(), 44),
            cell(status_text(job), 60),
        ]
    };
    let rows: Vec<[String; 5]> = jobs.iter().map(row).collect();
    out.table(
        [
            time("sent"),
            whole("msg_id"),
            whole("openid"),
            text("template"),
            text("status"),
        ],
        &rows,
        "no template message was sent",
    )?;
    out.done()
}

/// The status of a template message, in words.
fn status_text(job: &Job) -> &str {
    match (&job.status, &job.msg_id) {
        (Some(status), _) => status,
        (None, Some(_)) => "no result yet",
        (None, None) => "unknown: WeChat did not say",
    }
}
