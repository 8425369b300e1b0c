//! The possible replies to a push (the platform's page "Passive user reply message"), and their XML.

mod parse;

use std::borrow::Cow;

pub use parse::ReplyError;

use super::text::{self, MAX_TEXT_BYTES, cut_text};

/// The most articles of a news reply. The platform shows only the first one if the user has just written something.
pub const MAX_ARTICLES: usize = 8;

/// A passive reply: at most one per push. No reply is `success`, not a value of this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text, cut to [`MAX_TEXT_BYTES`] when it is written. May contain links and line breaks.
    Text(String),
    /// A picture.
    Image {
        /// Of a temporary or permanent media file.
        media_id: String,
    },
    /// A voice recording.
    Voice {
        /// Of a temporary or permanent media file.
        media_id: String,
    },
    /// A video.
    Video {
        /// Of a temporary or permanent media file.
        media_id: String,
        /// Shown above the video.
        title: Option<String>,
        /// Shown below the title.
        description: Option<String>,
    },
    /// A piece of music, played by the client from its URL.
    Music {
        /// Shown in the chat.
        title: Option<String>,
        /// Shown below the title.
        description: Option<String>,
        /// `MusicUrl`: what is played.
        url: Option<String>,
        /// `HQMusicUrl`: preferred on Wi-Fi.
        hq_url: Option<String>,
        /// The picture; the only required element.
        thumb_media_id: String,
    },
    /// Cards that link to pages; the first [`MAX_ARTICLES`] are sent.
    News(Vec<Article>),
    /// Transfers this message to customer service. For messages only, never for events.
    Transfer {
        /// The agent, as `prefix@account`; `None`: any agent who is free.
        kf_account: Option<String>,
    },
    /// Transfers this message to the platform's own AI reply (`transfer_biz_ai_ivr`).
    TransferAi,
}

/// One card of a news reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Article {
    /// The headline.
    pub title: String,
    /// The summary.
    pub description: String,
    /// The cover, JPG or PNG, best 360×200.
    pub pic_url: String,
    /// The page that a tap opens.
    pub url: String,
}

impl Reply {
    /// The platform's name for this kind of reply.
    pub fn msg_type(&self) -> &'static str {
        match self {
            Reply::Text(_) => "text",
            Reply::Image { .. } => "image",
            Reply::Voice { .. } => "voice",
            Reply::Video { .. } => "video",
            Reply::Music { .. } => "music",
            Reply::News(_) => "news",
            Reply::Transfer { .. } => "transfer_customer_service",
            Reply::TransferAi => "transfer_biz_ai_ivr",
        }
    }

    /// The reply as XML. `to_user` is the push's `FromUserName`, `from_user` its `ToUserName`,
    /// `create_time` the current time in Unix seconds.
    ///
    /// `None` if there is nothing to show (an empty text, no media_id, no article): the platform treats that as a
    /// failure and tells the user so; the caller answers `success` instead.
    pub fn to_xml(&self, to_user: &str, from_user: &str, create_time: i64) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut xml = String::with_capacity(320 + to_user.len() + from_user.len() + self.length());
        xml.push_str("<xml>\n");
        text::push_element(&mut xml, "ToUserName", to_user);
        text::push_element(&mut xml, "FromUserName", from_user);
        text::push_number(&mut xml, "CreateTime", create_time);
        text::push_element(&mut xml, "MsgType", self.msg_type());
        self.push_content(&mut xml);
        xml.push_str("</xml>");
        Some(xml)
    }

    fn push_content(&self, xml: &mut String) {
        let media = |xml: &mut String, name, media_id: &str| {
            wrap(xml, name, |xml| {
                text::push_element(xml, "MediaId", media_id)
            });
        };
        match self {
            Reply::Text(content) => text::push_element(xml, "Content", &shown(content)),
            Reply::Image { media_id } => media(xml, "Image", media_id),
            Reply::Voice { media_id } => media(xml, "Voice", media_id),
            Reply::Video {
                media_id,
                title,
                description,
            } => wrap(xml, "Video", |xml| {
                text::push_element(xml, "MediaId", media_id);
                push_optional(xml, "Title", title);
                push_optional(xml, "Description", description);
            }),
            Reply::Music {
                title,
                description,
                url,
                hq_url,
                thumb_media_id,
            } => wrap(xml, "Music", |xml| {
                push_optional(xml, "Title", title);
                push_optional(xml, "Description", description);
                push_optional(xml, "MusicUrl", url);
                push_optional(xml, "HQMusicUrl", hq_url);
                text::push_element(xml, "ThumbMediaId", thumb_media_id);
            }),
            Reply::News(articles) => {
                let shown = &articles[..articles.len().min(MAX_ARTICLES)];
                text::push_number(xml, "ArticleCount", shown.len());
                wrap(xml, "Articles", |xml| {
                    for article in shown {
                        wrap(xml, "item", |xml| {
                            text::push_element(xml, "Title", &article.title);
                            text::push_element(xml, "Description", &article.description);
                            text::push_element(xml, "PicUrl", &article.pic_url);
                            text::push_element(xml, "Url", &article.url);
                        });
                    }
                });
            }
            Reply::Transfer {
                kf_account: Some(account),
            } => {
                wrap(xml, "TransInfo", |xml| {
                    text::push_element(xml, "KfAccount", account)
                });
            }
            Reply::Transfer { kf_account: None } | Reply::TransferAi => {}
        }
    }

    /// Whether there is nothing to show, see [`Reply::to_xml`].
    pub fn is_empty(&self) -> bool {
        let nothing = |text: &str| text::without_illegal_characters(text).trim().is_empty();
        match self {
            Reply::Text(content) => shown(content).trim().is_empty(),
            Reply::Image { media_id }
            | Reply::Voice { media_id }
            | Reply::Video { media_id, .. } => nothing(media_id),
            Reply::Music { thumb_media_id, .. } => nothing(thumb_media_id),
            Reply::News(articles) => articles.is_empty(),
            Reply::Transfer { .. } | Reply::TransferAi => false,
        }
    }

    /// The length of a text in bytes, or an estimate, to reserve the buffer.
    fn length(&self) -> usize {
        match self {
            Reply::Text(content) => content.len().min(MAX_TEXT_BYTES),
            Reply::News(articles) => 600 * articles.len(),
            Reply::Image { .. }
            | Reply::Voice { .. }
            | Reply::Video { .. }
            | Reply::Music { .. }
            | Reply::Transfer { .. }
            | Reply::TransferAi => 600,
        }
    }
}

/// The part of a text that is sent; characters that XML does not allow do not count towards the limit.
fn shown(content: &str) -> Cow<'_, str> {
    match text::without_illegal_characters(content) {
        Cow::Borrowed(content) => cut_text(content, MAX_TEXT_BYTES).into(),
        Cow::Owned(content) => cut_text(&content, MAX_TEXT_BYTES).to_owned().into(),
    }
}

fn wrap(xml: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    for part in ["<", name, ">\n"] {
        xml.push_str(part);
    }
    content(xml);
    for part in ["</", name, ">\n"] {
        xml.push_str(part);
    }
}

fn push_optional(xml: &mut String, name: &str, text: &Option<String>) {
    if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
        text::push_element(xml, name, text);
    }
}
