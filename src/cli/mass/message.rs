//! The content of a mass message, from the command line.

use std::path::Path;

use serde_json::{Value, json};

use crate::api::mass::MassMessage;
use crate::api::media::MediaType;
use crate::cli::input::attachment::Attachment;
use crate::cli::terminal::Failure;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false)))]
pub(in crate::cli) struct MessageArguments {
    /// A text
    #[arg(group = "what")]
    text: Option<String>,
    /// A picture, or several
    #[arg(long, value_name = "F", group = "what", num_args = 1..)]
    image: Vec<String>,
    /// A recording
    #[arg(long, value_name = "F", group = "what")]
    voice: Option<String>,
    /// A video: a media_id of the permanent material, or a file, which is added to it
    #[arg(long, value_name = "F", group = "what")]
    video: Option<String>,
    /// Articles of the permanent material or a draft
    #[arg(long, value_name = "MEDIA_ID", group = "what")]
    article: Option<String>,
    /// A sentence with the pictures
    #[arg(long, value_name = "TEXT")]
    recommend: Option<String>,
    /// The title of a video file [default: its name]
    #[arg(long)]
    title: Option<String>,
    /// A few words about a video file
    #[arg(long, value_name = "TEXT")]
    introduction: Option<String>,
}

/// A message whose files are not uploaded yet.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) attachments: Vec<Attachment>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    Images { recommend: String },
    Voice,
    Video,
    Article(String),
}

impl Message {
    /// Reads the files. Makes no call.
    pub(super) fn read(arguments: &MessageArguments) -> Result<Message, Failure> {
        if arguments.recommend.is_some() && arguments.image.is_empty() {
            return Err(Failure::Wrong(
                "--recommend goes with --image only".to_owned(),
            ));
        }
        let (title, introduction) = (&arguments.title, &arguments.introduction);
        if arguments.video.is_none() && (title.is_some() || introduction.is_some()) {
            return Err(Failure::Wrong(
                "--title and --introduction go with --video only".to_owned(),
            ));
        }
        if let Some(text) = &arguments.text {
            if text.trim().is_empty() {
                return Err(Failure::Wrong("an empty text cannot be sent".to_owned()));
            }
            return Ok(Message::without_attachments(Kind::Text(text.clone())));
        }
        if let Some(video) = &arguments.video {
            let (title, introduction) = (title.as_deref(), introduction.as_deref());
            return Ok(Message {
                attachments: vec![Attachment::find_permanent_video(
                    video,
                    title,
                    introduction,
                )?],
                kind: Kind::Video,
            });
        }
        if let Some(article) = &arguments.article {
            return Ok(Message::without_attachments(Kind::Article(draft(article)?)));
        }
        let find = |texts: &[String], media_type| -> Result<Vec<Attachment>, Failure> {
            let found = texts.iter().map(|text| Attachment::find(text, media_type));
            found.collect()
        };
        Ok(match &arguments.voice {
            Some(voice) => Message {
                attachments: find(std::slice::from_ref(voice), MediaType::Voice)?,
                kind: Kind::Voice,
            },
            None => Message {
                attachments: find(&arguments.image, MediaType::Image)?,
                kind: Kind::Images {
                    recommend: arguments.recommend.clone().unwrap_or_default(),
                },
            },
        })
    }

    fn without_attachments(kind: Kind) -> Message {
        Message {
            attachments: Vec::new(),
            kind,
        }
    }

    /// The message with the media_ids of its attachments.
    pub(super) fn with(&self, ids: Vec<String>) -> MassMessage {
        match &self.kind {
            Kind::Text(content) => MassMessage::Text {
                content: content.clone(),
            },
            Kind::Images { recommend } => MassMessage::Images {
                media_ids: ids,
                recommend: recommend.clone(),
                need_open_comment: 0,
                only_fans_can_comment: 0,
            },
            Kind::Voice => MassMessage::Voice {
                media_id: ids.into_iter().next().unwrap_or_default(),
            },
            Kind::Video => MassMessage::Mpvideo {
                media_id: ids.into_iter().next().unwrap_or_default(),
            },
            Kind::Article(media_id) => MassMessage::Mpnews {
                media_id: media_id.clone(),
            },
        }
    }

    /// The platform's name for the kind of message.
    pub(super) fn msgtype(&self) -> &'static str {
        self.with(Vec::new()).msgtype()
    }

    /// How it is shown to people.
    pub(super) fn shown(&self) -> String {
        let files = || {
            let shown: Vec<String> = self.attachments.iter().map(Attachment::shown).collect();
            shown.join(", ")
        };
        match &self.kind {
            Kind::Text(content) => content.clone(),
            Kind::Images { recommend } if recommend.is_empty() => files(),
            Kind::Images { recommend } => format!("{} ({recommend})", files()),
            Kind::Voice | Kind::Video => files(),
            Kind::Article(media_id) => media_id.clone(),
        }
    }

    /// Equal for equal messages, even if their files were uploaded again.
    pub(super) fn fingerprint(&self) -> Value {
        let files: Vec<String> = self
            .attachments
            .iter()
            .map(Attachment::fingerprint)
            .collect();
        let own = match &self.kind {
            Kind::Text(text) | Kind::Article(text) => text.as_str(),
            Kind::Images { recommend } => recommend,
            Kind::Voice | Kind::Video => "",
        };
        json!([self.msgtype(), own, files])
    }
}

/// The media_id of a draft. A file is refused, as it must become a draft first.
fn draft(text: &str) -> Result<String, Failure> {
    if Path::new(text).exists() {
        return Err(Failure::Wrong(format!(
            "--article: {text} is a file: make a draft of it with `wechatd article draft {text}`, and give the media_id that it prints"
        )));
    }
    match Attachment::find(text, MediaType::Image)? {
        Attachment::MediaId(media_id) => Ok(media_id),
        Attachment::File(..) | Attachment::Permanent(..) => {
            Err(Failure::Wrong(format!("--article: {text} is no media_id")))
        }
    }
}
