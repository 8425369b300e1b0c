//! `wechatd send`: a customer-service message to one user.

use serde_json::Value;

use super::input::attachment::{Attachment, SendError, with_media};
use super::input::{NotBlank, Openid, json};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain};
use crate::api::custom::{
    Article, CustomMessage, MAX_TEXT, MiniprogramPage, Music, Sender, Typing, Video,
};
use crate::api::media::MediaType;
use crate::api::{Action, errcode};
use crate::clock;
use crate::config::Config;
use crate::inbox::sending::{NoMessage, SendFailure, Sending, parts};
use crate::inbox::window::{LONGEST, Window, left, window};
use crate::store::{Store, StoreError};

/// Written here because clap's own usage would list all kinds of messages in one long line.
pub(super) const USAGE: &str = "\
wechatd send [OPTIONS] <OPENID> <TEXT>
       wechatd send [OPTIONS] <OPENID> --image <F>, or another kind of message";

pub(super) const EXAMPLES: &str = "Examples:
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 'Your table is ready'
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --image menu.jpg
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 \\
      --video tour.mp4 --thumb tour.jpg --title Tour
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 \\
      --news '{\"title\": \"Hours\", \"url\": \"https://www.example.com/hours\"}'
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --menu \"$(cat menu.json)\"
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --as amy@shop 'Amy here'
  wechatd send oSyn1aAQe7rT0uXk3mPzLc9WvBh4 --typing

F is a file or a media_id. A file is uploaded first, and not again while it works (three days).

JSON has these fields; a thumb_media_id may be a JPEG file of at most 64 KiB:
  music        title, description, musicurl, hqmusicurl, thumb_media_id
  miniprogram  title, appid, pagepath, thumb_media_id
  news         title, description, url, picurl
  menu         head_content, list (of id and content), tail_content

A text of more than 2048 bytes goes out as several messages.

WeChat allows 5 messages in the 48 hours after a message of the follower, and 3 in the minute after a follow, a scan or a menu click. How many are left, as far as this server knows, is printed on standard error.

Nothing is ever sent again by itself: after a timeout, or when WeChat says that it is busy, the command says that the message may have arrived. The view sent_v has every message: sent, refused, or unknown, which may have arrived.";

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false)))]
pub(super) struct Arguments {
    /// The follower's openid
    openid: Openid,
    /// A text
    #[arg(group = "what")]
    text: Option<String>,
    /// A picture
    #[arg(long, value_name = "F", group = "what")]
    image: Option<String>,
    /// A recording
    #[arg(long, value_name = "F", group = "what")]
    voice: Option<String>,
    /// A video, which needs --thumb
    #[arg(long, value_name = "F", group = "what")]
    video: Option<String>,
    /// Music
    #[arg(long, value_name = "JSON", group = "what")]
    music: Option<String>,
    /// A link with a picture
    #[arg(long, value_name = "JSON", group = "what")]
    news: Option<String>,
    /// A question with answers to tap
    #[arg(long, value_name = "JSON", group = "what")]
    menu: Option<String>,
    /// A page of a mini program
    #[arg(long, value_name = "JSON", group = "what")]
    miniprogram: Option<String>,
    /// A published article, by its article_id
    #[arg(long, value_name = "ID", group = "what")]
    article: Option<NotBlank>,
    /// Send no message; the follower sees that someone is typing
    #[arg(long, group = "what", conflicts_with = "kf_account")]
    typing: bool,
    /// Send no message; the follower no longer sees that
    #[arg(long, group = "what", conflicts_with = "kf_account")]
    typing_stop: bool,
    /// The picture shown before a video plays: a JPEG file or a media_id
    #[arg(long, value_name = "F")]
    thumb: Option<String>,
    /// The title of a video
    #[arg(long)]
    title: Option<String>,
    /// The description of a video
    #[arg(long)]
    description: Option<String>,
    /// As this customer-service agent, by its account
    #[arg(long = "as", value_name = "KF_ACCOUNT")]
    kf_account: Option<NotBlank>,
    #[command(flatten)]
    json: Json,
}

/// A message that still needs the media_ids of its attachments.
struct Draft {
    attachments: Vec<Attachment>,
    build: Build,
}

/// Builds the message from the media_ids.
type Build = Box<dyn Fn(&[String]) -> CustomMessage>;

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.typing {
        return typing(config, arguments, Typing::Shown);
    }
    if arguments.typing_stop {
        return typing(config, arguments, Typing::Hidden);
    }
    let sender = Sender {
        kf_account: arguments.kf_account.clone().map(String::from),
        is_ai: false,
    };
    let all = Outgoing {
        openid: &arguments.openid,
        drafts: drafts(arguments)?,
        sender,
    };
    all.send(config, arguments.json, |_| Ok(()))
}

/// Who sends, for the table `sent` and marks on messages.
pub(super) const BY: &str = "cli";

/// Messages to one user.
pub(super) struct Outgoing<'a> {
    openid: &'a str,
    drafts: Vec<Draft>,
    sender: Sender,
}

impl<'a> Outgoing<'a> {
    /// A text, as several messages if it is long.
    pub(super) fn text(openid: &'a str, text: &str) -> Result<Outgoing<'a>, Failure> {
        Ok(Outgoing {
            openid,
            drafts: text_drafts(text)?,
            sender: Sender::default(),
        })
    }

    /// Sends them all, and says what is left of the window. `then` follows if all are sent.
    pub(super) fn send(
        &self,
        config: &Config,
        json: Json,
        then: impl FnOnce(&Store) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (store, api) = connect(config)?;
        if let Window::Shut(shut) = self.window(&store)?
            && !json.wanted
        {
            complain(&format!(
                "{}, as far as known here; WeChat decides; {}",
                shut.why(),
                shut.reopens()
            ));
        }
        let sending = Sending {
            store: &store,
            api: &api,
            openid: self.openid,
            by: BY,
        };
        let all = self.drafts.len();
        let mut out = Output::for_change();
        for (done, draft) in self.drafts.iter().enumerate() {
            let attachments: Vec<&Attachment> = draft.attachments.iter().collect();
            let sent = with_media(&attachments, &api, &store, &mut out, |ids| {
                sending.send(&(draft.build)(&ids), &self.sender, None)
            });
            sent.map_err(|error| match all {
                1 => Failure::from(error),
                all => Failure::from(error).after(&format!("{done} of {all} messages were sent")),
            })?;
        }
        then(&store)?;
        let window = self.window(&store)?;
        let value = serde_json::json!({
            "openid": self.openid,
            "messages": all,
            "window": window.as_json(),
        });
        let line = match all {
            1 => "sent".to_owned(),
            all => format!("sent as {all} messages"),
        };
        out.answer(json, &value, &line)?;
        if !json.wanted {
            complain(&match window {
                Window::Open {
                    until,
                    left: messages,
                    of,
                } => left(until, messages, of, clock::unix_seconds()),
                Window::Shut(shut) => format!("{}; {}", shut.why(), shut.reopens()),
            });
        }
        Ok(())
    }

    fn window(&self, store: &Store) -> Result<Window, StoreError> {
        let now = clock::unix_seconds();
        let contact =
            store.read(|reader| reader.contact(self.openid, now.saturating_sub(LONGEST)))?;
        Ok(window(&contact, now))
    }
}

impl From<SendFailure> for SendError {
    fn from(failure: SendFailure) -> SendError {
        match failure {
            SendFailure::Store(error) => SendError::Before(error.into()),
            SendFailure::Call(error) => SendError::Call(error),
            SendFailure::Again(row) => SendError::Before(Failure::Failed(format!(
                "message {} was begun before",
                row.id
            ))),
        }
    }
}

fn typing(config: &Config, arguments: &Arguments, typing: Typing) -> Result<(), Failure> {
    only_with_video(arguments)?;
    let (_store, api) = connect(config)?;
    // Only a courtesy: it is not a failure if the platform does not show it, or shows it already.
    let shown = match api.custom_typing(&arguments.openid, typing) {
        Err(error) if error.action() == Action::Ignore => {
            error.errcode() != Some(errcode::TYPING_NOT_SHOWN)
        }
        result => result.map(|()| true)?,
    };
    let value = serde_json::json!({
        "openid": arguments.openid,
        "typing": typing == Typing::Shown && shown,
    });
    let line = match (typing, shown) {
        (Typing::Shown, true) => "the user sees that somebody writes",
        (Typing::Shown, false) => {
            "the user does not see it: no message went to or fro in the last 30 seconds"
        }
        (Typing::Hidden, true | false) => "the user no longer sees that somebody writes",
    };
    Output::for_change().answer(arguments.json, &value, line)
}

/// Refuses options that only videos have.
fn only_with_video(arguments: &Arguments) -> Result<(), Failure> {
    let of_video = [
        ("--thumb", &arguments.thumb),
        ("--title", &arguments.title),
        ("--description", &arguments.description),
    ];
    match of_video.iter().find(|(_, value)| value.is_some()) {
        Some((option, _)) if arguments.video.is_none() => {
            Err(Failure::Wrong(format!("{option} goes with --video only")))
        }
        Some(_) | None => Ok(()),
    }
}

fn drafts(arguments: &Arguments) -> Result<Vec<Draft>, Failure> {
    only_with_video(arguments)?;
    if let Some(text) = &arguments.text {
        return text_drafts(text);
    }
    let draft = |attachments, build: Build| Ok(vec![Draft { attachments, build }]);
    if let Some(image) = &arguments.image {
        let image = Attachment::find(image, MediaType::Image)?;
        return draft(
            vec![image],
            Box::new(|ids| CustomMessage::Image {
                media_id: first(ids),
            }),
        );
    }
    if let Some(voice) = &arguments.voice {
        let voice = Attachment::find(voice, MediaType::Voice)?;
        return draft(
            vec![voice],
            Box::new(|ids| CustomMessage::Voice {
                media_id: first(ids),
            }),
        );
    }
    if let Some(video) = &arguments.video {
        let Some(thumb) = &arguments.thumb else {
            return Err(Failure::Wrong(
                "--video needs --thumb F, the picture shown before it plays: a JPEG file of at most 64 KiB, or a media_id"
                    .to_owned(),
            ));
        };
        let attachments = vec![
            Attachment::find(video, MediaType::Video)?,
            Attachment::find(thumb, MediaType::Thumb)?,
        ];
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (title, description) = (text(&arguments.title), text(&arguments.description));
        let build = move |ids: &[String]| {
            CustomMessage::Video(Video {
                media_id: first(ids),
                thumb_media_id: ids.get(1).cloned().unwrap_or_default(),
                title: title.clone(),
                description: description.clone(),
            })
        };
        return draft(attachments, Box::new(build));
    }
    if let Some(music) = &arguments.music {
        let music: Music = json::read(
            "--music",
            music,
            r#"{"title": "Song", "musicurl": "https://www.example.com/a.mp3", "thumb_media_id": "cover.jpg"}"#,
        )?;
        let thumb = Attachment::find(&music.thumb_media_id, MediaType::Thumb)?;
        let build = move |ids: &[String]| {
            let mut music = music.clone();
            music.thumb_media_id = first(ids);
            CustomMessage::Music(music)
        };
        return draft(vec![thumb], Box::new(build));
    }
    if let Some(page) = &arguments.miniprogram {
        let page: MiniprogramPage = json::read(
            "--miniprogram",
            page,
            r#"{"title": "Shop", "appid": "wx0123456789abcdef", "pagepath": "pages/index", "thumb_media_id": "cover.jpg"}"#,
        )?;
        let thumb = Attachment::find(&page.thumb_media_id, MediaType::Thumb)?;
        let build = move |ids: &[String]| {
            let mut page = page.clone();
            page.thumb_media_id = first(ids);
            CustomMessage::Miniprogrampage(page)
        };
        return draft(vec![thumb], Box::new(build));
    }
    let message = if let Some(news) = &arguments.news {
        CustomMessage::News {
            articles: [article(news)?],
        }
    } else if let Some(menu) = &arguments.menu {
        CustomMessage::Msgmenu(json::read(
            "--menu",
            menu,
            r#"{"head_content": "How was it?", "list": [{"id": "1", "content": "Good"}]}"#,
        )?)
    } else {
        CustomMessage::Mpnewsarticle {
            article_id: arguments
                .article
                .clone()
                .map(String::from)
                .unwrap_or_default(),
        }
    };
    draft(Vec::new(), Box::new(move |_| message.clone()))
}

fn first(ids: &[String]) -> String {
    ids.first().cloned().unwrap_or_default()
}

fn text_drafts(text: &str) -> Result<Vec<Draft>, Failure> {
    let part = |content: &str| {
        let content = content.to_owned();
        Draft {
            attachments: Vec::new(),
            build: Box::new(move |_| CustomMessage::Text {
                content: content.clone(),
            }),
        }
    };
    let parts = parts(text).map_err(|why| {
        Failure::Wrong(match why {
            NoMessage::Empty => "an empty text cannot be sent".to_owned(),
            NoMessage::LongLink => format!(
                "the text has a link of more than {MAX_TEXT} bytes, which no message can hold"
            ),
        })
    })?;
    Ok(parts.into_iter().map(part).collect())
}

/// An example for `--news`.
const NEWS: &str = r#"{"title": "Hours", "url": "https://www.example.com/hours"}"#;

/// One article, given alone or as a list of one.
fn article(text: &str) -> Result<Article, Failure> {
    let mut value: Value = json::read("--news", text, NEWS)?;
    if let Some(list) = value.get_mut("articles") {
        value = list.take();
    }
    if let Value::Array(list) = &mut value {
        if list.len() != 1 {
            return Err(Failure::Wrong(format!(
                "--news: it has {} articles; a customer-service message takes exactly 1",
                list.len()
            )));
        }
        value = list.remove(0);
    }
    json::read("--news", &value.to_string(), NEWS)
}
