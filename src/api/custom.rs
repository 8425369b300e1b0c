//! Customer-service messages: messages to one user, within the window that the user's own action opens.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;

/// The longest text of one message, in bytes.
pub const MAX_TEXT: usize = 2048;

/// A message, by its `msgtype`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CustomMessage {
    /// Text.
    Text {
        /// At most [`MAX_TEXT`] bytes; links as in a reply.
        content: String,
    },
    /// A picture.
    Image {
        /// Its media_id.
        media_id: String,
    },
    /// A voice recording.
    Voice {
        /// Its media_id.
        media_id: String,
    },
    /// A video.
    Video(Video),
    /// Music, played from its URL.
    Music(Music),
    /// A link with a picture.
    News {
        /// Exactly one.
        articles: [Article; 1],
    },
    /// Articles of the permanent material.
    Mpnews {
        /// Their media_id.
        media_id: String,
    },
    /// A published article.
    Mpnewsarticle {
        /// Its article_id.
        article_id: String,
    },
    /// A question with answers to tap.
    Msgmenu(MsgMenu),
    /// A card or coupon.
    Wxcard {
        /// Its card_id.
        card_id: String,
    },
    /// A page of a mini program.
    Miniprogrampage(MiniprogramPage),
}

/// A video message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// The video.
    pub media_id: String,
    /// The picture shown before it plays.
    pub thumb_media_id: String,
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Description.
    #[serde(default)]
    pub description: String,
}

/// A music message. (The names differ from those of a reply.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Music {
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// Where it is played from.
    pub musicurl: String,
    /// The same for Wi-Fi.
    pub hqmusicurl: String,
    /// The picture.
    pub thumb_media_id: String,
}

/// A link with a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Article {
    /// Title.
    pub title: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// Where it leads.
    pub url: String,
    /// The URL of the picture.
    #[serde(default)]
    pub picurl: String,
}

/// A question with answers to tap. The answer comes back as text with `bizmsgmenuid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsgMenu {
    /// The question.
    pub head_content: String,
    /// The answers.
    pub list: Vec<MsgMenuItem>,
    /// The end of the message.
    #[serde(default)]
    pub tail_content: String,
}

/// An answer to tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsgMenuItem {
    /// What comes back as `bizmsgmenuid`.
    pub id: String,
    /// What the user sees.
    pub content: String,
}

/// A page of a mini program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiniprogramPage {
    /// Title.
    pub title: String,
    /// The mini program's AppID.
    pub appid: String,
    /// The page, with its query.
    pub pagepath: String,
    /// The picture, 520×416.
    pub thumb_media_id: String,
}

/// What the user sees while an answer is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// "Typing…" is shown.
    Shown,
    /// It is no longer shown.
    Hidden,
}

/// The sender that the user sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// The agent with whose name and picture it is sent.
    pub kf_account: Option<String>,
    /// Whether the message is marked as made by AI.
    pub is_ai: bool,
}

impl CustomMessage {
    /// The platform's word for the kind of message.
    #[must_use]
    pub fn msgtype(&self) -> &'static str {
        match self {
            CustomMessage::Text { .. } => "text",
            CustomMessage::Image { .. } => "image",
            CustomMessage::Voice { .. } => "voice",
            CustomMessage::Video(_) => "video",
            CustomMessage::Music(_) => "music",
            CustomMessage::News { .. } => "news",
            CustomMessage::Mpnews { .. } => "mpnews",
            CustomMessage::Mpnewsarticle { .. } => "mpnewsarticle",
            CustomMessage::Msgmenu(_) => "msgmenu",
            CustomMessage::Wxcard { .. } => "wxcard",
            CustomMessage::Miniprogrampage(_) => "miniprogrampage",
        }
    }

    /// What it shows, in short: a text itself, the id of what the platform has, else the fields as JSON.
    #[must_use]
    pub fn content(&self) -> String {
        let json = |fields: serde_json::Result<String>| fields.unwrap_or_default();
        match self {
            CustomMessage::Text { content } => content.clone(),
            CustomMessage::Image { media_id }
            | CustomMessage::Voice { media_id }
            | CustomMessage::Mpnews { media_id } => media_id.clone(),
            CustomMessage::Mpnewsarticle { article_id } => article_id.clone(),
            CustomMessage::Wxcard { card_id } => card_id.clone(),
            CustomMessage::Video(video) => json(serde_json::to_string(video)),
            CustomMessage::Music(music) => json(serde_json::to_string(music)),
            CustomMessage::News { articles } => json(serde_json::to_string(articles)),
            CustomMessage::Msgmenu(menu) => json(serde_json::to_string(menu)),
            CustomMessage::Miniprogrampage(page) => json(serde_json::to_string(page)),
        }
    }
}

impl Client {
    /// Sends a message (`message/custom/send`), once.
    ///
    /// # Errors
    /// 45015 when no window is open, 45047 when its messages are used up, 40007 for a media_id that
    /// has expired, 45002 for a text over [`MAX_TEXT`]; any [`ApiError`]. After a
    /// [timeout](crate::outbound::NetworkCause::Timeout) the message may have been sent.
    pub fn custom_send(
        &self,
        openid: &str,
        message: &CustomMessage,
        sender: &Sender,
    ) -> Result<(), ApiError> {
        #[derive(Serialize)]
        struct Request<'a> {
            touser: &'a str,
            msgtype: &'a str,
            #[serde(flatten)]
            message: &'a CustomMessage,
            #[serde(skip_serializing_if = "Option::is_none")]
            customservice: Option<CustomService<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            aimsgcontext: Option<AiMsgContext>,
        }
        #[derive(Serialize)]
        struct CustomService<'a> {
            kf_account: &'a str,
        }
        #[derive(Serialize)]
        struct AiMsgContext {
            is_ai_msg: u8,
        }
        self.done(
            &Call::change("/cgi-bin/message/custom/send", "the message may have arrived, which no command shows; it is not sent again by itself").json(&Request {
                touser: openid,
                msgtype: message.msgtype(),
                message,
                customservice: sender
                    .kf_account
                    .as_deref()
                    .map(|kf_account| CustomService { kf_account }),
                aimsgcontext: sender.is_ai.then_some(AiMsgContext { is_ai_msg: 1 }),
            })?,
        )
    }

    /// Shows or hides "typing…" (`message/custom/typing`). It needs a message from or to
    /// the user in the last 30 seconds.
    ///
    /// # Errors
    /// 45080 when there was none, 45081 when it is shown already; any [`ApiError`].
    pub fn custom_typing(&self, openid: &str, typing: Typing) -> Result<(), ApiError> {
        let command = match typing {
            Typing::Shown => "Typing",
            Typing::Hidden => "CancelTyping",
        };
        let call = Call::change(
            "/cgi-bin/message/custom/typing",
            "it ends by itself; repeating it does no harm",
        );
        self.done(&call.json(&json!({"touser": openid, "command": command}))?)
    }
}
