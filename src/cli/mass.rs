//! `wechatd mass …`: sends one message to many people, once, after the owner agrees.

mod message;
mod recipients;

use serde::Serialize;
use serde_json::json;

use super::input::attachment::{Attachment, SendError, with_media};
use super::input::{NotBlank, Openid, Yes, confirm, limit, whole_number};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, cell, complain, text, time, whole};
use crate::api::mass::{MASS_SPEEDS, MassSent, PreviewTarget};
use crate::clock;
use crate::config::Config;
use crate::random;
use crate::store::{Begun, Job, NewJob, Reader, Store};
use crate::wechat::{self, JobKind};
use message::Message;
use recipients::Recipients;

/// How long repeating a command counts as the same message, in seconds: the platform compares the clientmsgid with those
/// of the last 24 hours.
const REPEAT_WINDOW: i64 = 24 * 3600;

/// The slowest level of [`MASS_SPEEDS`].
const SLOWEST: u32 = MASS_SPEEDS.len() as u32 - 1;

/// Written here because clap's own usage would list all kinds of messages in one long line.
const SEND_USAGE: &str = "\
wechatd mass send [OPTIONS] <TEXT> --all, --tag <TAG> or --to <OPENID>...
       wechatd mass send [OPTIONS] --image <F>, or another kind of message";

/// As [`SEND_USAGE`].
const PREVIEW_USAGE: &str = "\
wechatd mass preview [OPTIONS] <TEXT> --to <OPENID> or --wechat-id <ID>
       wechatd mass preview [OPTIONS] --image <F>, or another kind of message";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Send a message to all followers, to those with a tag, or to a list of openids
    #[command(override_usage = SEND_USAGE, after_help = "Examples:
  wechatd mass send 'We are closed on Monday' --all --dry-run
  wechatd mass send --image poster.jpg --tag VIP
  wechatd mass send --article MEDIA_ID --all --yes
  wechatd mass send --video tour.mp4 --title 'The house' --all
  wechatd mass send 'Hello' --to - --yes < openids.txt

F is a file or a media_id. A video file is added to the permanent material, where `wechatd material list` shows it.

A service account reaches each follower 4 times a month, a subscription account once a day.

The same message to the same followers within 24 hours keeps its clientmsgid, and WeChat sends it only once: repeating the command cannot send twice. `wechatd mass status` shows the result.")]
    Send(Box<Send>),
    /// Show a message to one follower first
    #[command(override_usage = PREVIEW_USAGE, after_help = "Examples:
  wechatd mass preview 'We are closed on Monday' \\
      --to oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd mass preview --article MEDIA_ID --wechat-id amy_w

WeChat allows 100 a day.")]
    Preview(Box<Preview>),
    /// The mass messages that were sent and how many arrived, newest first
    #[command(after_help = "Examples:
  wechatd mass status
  wechatd mass status 1000002301      # asks WeChat, too")]
    Status {
        /// Only this one, and ask WeChat for its progress
        msg_id: Option<NotBlank>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Delete a mass message of articles or a video
    #[command(after_help = "Examples:
  wechatd mass delete 1000002301
  wechatd mass delete 1000002301 --article 2 --yes

Phones that already show it keep it.")]
    Delete {
        /// Which; `wechatd mass status` shows them
        msg_id: NotBlank,
        /// Only the article with this number, from 1 on
        #[arg(long, value_name = "N", value_parser = limit, allow_negative_numbers = true)]
        article: Option<u32>,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
    /// Show how fast mass messages go out, or set it
    #[command(after_help = "Examples:
  wechatd mass speed
  wechatd mass speed 4

Messages a minute: 0 is 800000, 1 is 600000, 2 is 450000, 3 is 300000, 4 is 100000. Choose a slower speed if all readers then open your web site at once.")]
    Speed {
        /// From 0, the fastest, to 4
        #[arg(value_parser = whole_number::<u8>(0..=SLOWEST), allow_negative_numbers = true)]
        level: Option<u8>,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Send {
    #[command(flatten)]
    message: message::MessageArguments,
    #[command(flatten)]
    recipients: recipients::RecipientArguments,
    /// Show who would get what, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("recipients").required(true).multiple(false)))]
pub(super) struct Preview {
    #[command(flatten)]
    message: message::MessageArguments,
    /// To this openid
    #[arg(long, value_name = "OPENID", group = "recipients")]
    to: Option<Openid>,
    /// To this WeChat id
    #[arg(long, value_name = "ID", group = "recipients")]
    wechat_id: Option<NotBlank>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Send(arguments) => send(config, &arguments),
        Commands::Preview(arguments) => preview(config, *arguments),
        Commands::Status {
            msg_id,
            limit,
            json,
        } => status(config, msg_id.as_deref(), limit, json),
        Commands::Delete {
            msg_id,
            article,
            yes,
            json,
        } => delete(config, &msg_id, article, yes, json),
        Commands::Speed { level, json } => speed(config, level, json),
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    to: String,
    msgtype: &'static str,
    content: String,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_data_id: Option<String>,
    /// The same message was sent before and was not sent again.
    repeated: bool,
}

fn send(config: &Config, arguments: &Send) -> Result<(), Failure> {
    let message = Message::read(&arguments.message)?;
    let named = arguments.recipients.named()?;
    let (store, api) = connect(config)?;
    let recipients = Recipients::find(named, &store, &api, &store.reader()?)?;
    let mut shown = Shown {
        to: recipients.shown.clone(),
        msgtype: message.msgtype(),
        content: message.shown(),
        dry_run: arguments.dry_run,
        msg_id: None,
        msg_data_id: None,
        repeated: false,
    };
    let mut out = match arguments.dry_run {
        true => Output::for_reading(),
        false => Output::for_change(),
    };
    if !arguments.json.wanted {
        out.pairs(&[
            ("to", shown.to.clone()),
            (
                "what",
                format!("{}: {}", shown.msgtype, cell(&shown.content, 2_000)),
            ),
        ])?;
        out.flush()?;
    }
    if arguments.dry_run {
        if arguments.json.wanted {
            return out.json(&shown);
        }
        out.line("Nothing was sent: this was a dry run.")?;
        return out.done();
    }
    confirm::ask(&format!("Send this to {}?", shown.to), arguments.yes)?;
    let job = NewJob {
        kind: JobKind::Mass,
        msg_type: message.msgtype().to_owned(),
        openid: None,
        target: Some(shown.to.clone()),
        content: cell(&shown.content, 200),
        sent_at: clock::unix_seconds(),
    };
    let fingerprint = wechat::digest(
        json!([
            api.app_id(),
            recipients.fingerprint(),
            message.fingerprint()
        ])
        .to_string()
        .as_bytes(),
    );
    let since = job.sent_at - REPEAT_WINDOW;
    let begun = store.begin_mass(job, &fingerprint, &fresh_client_id()?, since)?;
    let attachments: Vec<&Attachment> = message.attachments.iter().collect();
    let sent = with_media(&attachments, &api, &store, &mut out, |ids| {
        api.mass_send(
            &recipients.target,
            &message.with(ids),
            Some(&begun.client_id),
        )
    });
    let sent: MassSent = match sent {
        Ok(sent) => sent,
        Err(error) => return Err(not_sent(&store, &begun, error)),
    };
    if let Some(msg_id) = &sent.msg_id {
        out.warn_on_error(
            store.job_taken(JobKind::Mass, begun.id, msg_id, sent.msg_data_id.as_deref()),
            "the store could not note the msg_id: repeat the same command after a minute, it sends nothing and notes it",
        );
    }
    let msg_id = sent.msg_id.clone().unwrap_or_default();
    shown.msg_id = sent.msg_id;
    shown.msg_data_id = sent.msg_data_id;
    shown.repeated = sent.repeated;
    if arguments.json.wanted {
        return out.json(&shown);
    }
    out.line(&match sent.repeated {
        true => format!("This message was sent before, as {msg_id}; nothing was sent now."),
        false => {
            format!("WeChat sends it as {msg_id}; `wechatd mass status` shows what became of it.")
        }
    })?;
    if let Some(msg_data_id) = &shown.msg_data_id {
        out.line(&format!(
            "Comments and statistics know it by its msg_data_id {msg_data_id}."
        ))?;
    }
    out.done()
}

/// The failure for a message that was not sent, or may have been.
fn not_sent(store: &Store, begun: &Begun, error: SendError) -> Failure {
    let unknown = matches!(&error, SendError::Call(error) if error.may_be_done());
    // A refused repetition says nothing about the first attempt, which may have arrived under the same clientmsgid.
    if !unknown
        && begun.before.is_none()
        && let Err(unrecorded) = store.job_refused(begun.id)
    {
        complain(&format!(
            "`mass status` shows it all the same: {unrecorded}"
        ));
    }
    error.into()
}

/// 32 characters, the most that the platform accepts.
fn fresh_client_id() -> Result<String, Failure> {
    random::hex().map_err(|error| Failure::Failed(format!("mass: {error}")))
}

fn preview(config: &Config, arguments: Preview) -> Result<(), Failure> {
    let message = Message::read(&arguments.message)?;
    let target = match (arguments.to, arguments.wechat_id) {
        (Some(openid), _) => PreviewTarget::Openid(openid.into()),
        (None, id) => PreviewTarget::WeChatId(id.map(String::from).unwrap_or_default()),
    };
    let (store, api) = connect(config)?;
    let attachments: Vec<&Attachment> = message.attachments.iter().collect();
    let mut out = Output::for_change();
    let sent = with_media(&attachments, &api, &store, &mut out, |ids| {
        api.mass_preview(&target, &message.with(ids))
    })?;
    out.answer(arguments.json, &json!({ "msg_id": sent.msg_id }), "shown")
}

fn status(config: &Config, msg_id: Option<&str>, limit: u32, json: Json) -> Result<(), Failure> {
    let jobs = Reader::open(&config.store)?.jobs(JobKind::Mass, msg_id, limit)?;
    let now = match msg_id {
        Some(msg_id) => Some(connect(config)?.1.mass_get(msg_id)?),
        None => None,
    };
    // If another program sent it, the platform may know a message that the store does not.
    let known = match msg_id {
        Some(msg_id) if jobs.is_empty() => Err(Failure::failed(
            format!("the store knows no mass message {msg_id}"),
            "`wechatd mass status` shows those it knows",
        )),
        Some(_) | None => Ok(()),
    };
    let mut out = Output::for_reading();
    if json.wanted {
        match now {
            None => out.json(&jobs)?,
            Some(now) => out.json(&json!({"msg_status": now, "job": jobs.first()}))?,
        }
        return known;
    }
    let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    let row = |job: &Job| {
        [
            job.time.clone(),
            job.msg_id.clone().unwrap_or_default(),
            cell(job.target.as_deref().unwrap_or_default(), 30),
            cell(job.content.as_deref().unwrap_or_default(), 30),
            status_text(job),
            number(job.total),
            number(job.sent),
            number(job.failed),
        ]
    };
    let rows: Vec<[String; 8]> = jobs.iter().map(row).collect();
    if known.is_ok() {
        out.table(
            [
                time("sent"),
                whole("msg_id"),
                text("to"),
                text("what"),
                text("status"),
                whole("total"),
                whole("delivered"),
                whole("failed"),
            ],
            &rows,
            "no mass message was sent",
        )?;
    }
    if let (Some(_), Some(job)) = (msg_id, jobs.first()) {
        let facts = [
            ("msg_data_id", &job.msg_data_id),
            ("read at", &job.article_urls),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, fact)| Some((name, fact.clone()?)));
        out.pairs(&known.collect::<Vec<_>>())?;
    }
    if let Some(now) = now {
        out.line(&format!("WeChat says now: {now}"))?;
    }
    out.done()?;
    known
}

/// The status of a mass message, in words.
fn status_text(job: &Job) -> String {
    match (&job.status, &job.msg_id) {
        (Some(status), _) => match wechat::mass_error_meaning(status) {
            Some(meaning) => format!("{}: {meaning}", cell(status, 40)),
            None => cell(status, 40),
        },
        (None, Some(_)) => "no result yet".to_owned(),
        (None, None) => "unknown: WeChat did not say; repeat the command".to_owned(),
    }
}

fn delete(
    config: &Config,
    msg_id: &str,
    article: Option<u32>,
    yes: Yes,
    json: Json,
) -> Result<(), Failure> {
    if msg_id.parse::<u64>().is_err() {
        return Err(Failure::wrong(
            format!("{msg_id:?} is no msg_id, which is a number"),
            "`wechatd mass status` shows them",
        ));
    }
    let (_store, api) = connect(config)?;
    let what = match article {
        Some(article) => format!("article {article} of mass message {msg_id}"),
        None => format!("mass message {msg_id}"),
    };
    confirm::ask(&format!("Take back {what}?"), yes)?;
    api.mass_delete(msg_id, article.unwrap_or(0))?;
    let value = json!({ "msg_id": msg_id, "article": article });
    let line = format!("{what} is taken back; it stays on phones that already show it");
    Output::for_change().answer(json, &value, &line)
}

/// The unit of `realspeed`, in messages.
const REALSPEED_UNIT: i64 = 10_000;

fn speed(config: &Config, level: Option<u8>, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    if let Some(level) = level {
        api.mass_speed_set(level)?;
        let allowed = MASS_SPEEDS[usize::from(level)];
        let line = format!("mass messages go out at {allowed} a minute at most");
        return Output::for_change().answer(json, &json!({ "speed": level }), &line);
    }
    let now = api.mass_speed_get()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&json!({"speed": now.speed, "realspeed": now.realspeed}));
    }
    let allowed = now
        .speed
        .and_then(|level| MASS_SPEEDS.get(usize::try_from(level).ok()?));
    let shown = |number: Option<i64>| number.map_or("unknown".to_owned(), |n| n.to_string());
    let a_minute = |number: Option<i64>| format!("{} a minute", shown(number));
    out.pairs(&[
        ("level", shown(now.speed)),
        ("allowed", a_minute(allowed.map(|n| i64::from(*n)))),
        (
            "really",
            a_minute(now.realspeed.map(|n| n.saturating_mul(REALSPEED_UNIT))),
        ),
    ])?;
    out.done()
}
