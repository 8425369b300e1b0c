//! Mass messages: to all, to a tag, or to a list of users. Each is a person's decision, so nothing here is ever
//! repeated automatically.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::client::Client;
use super::errcode::CLIENTMSGID_EXIST;
use super::error::ApiError;
use crate::wechat::lenient;

/// The longest clientmsgid, in bytes. (The platform's older text says 64.)
pub const MAX_CLIENTMSGID: usize = 32;

/// The fewest and the most openids that `message/mass/send` takes.
pub const MASS_OPENIDS: std::ops::RangeInclusive<usize> = 2..=10_000;

/// A mass message, by its `msgtype`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MassMessage {
    /// Text.
    Text {
        /// The text.
        content: String,
    },
    /// Articles of the permanent material.
    Mpnews {
        /// Their media_id.
        media_id: String,
    },
    /// A voice recording.
    Voice {
        /// Its media_id.
        media_id: String,
    },
    /// Pictures. (Their `msgtype` is `image`.)
    Images {
        /// Their media_ids.
        media_ids: Vec<String>,
        /// A sentence with them.
        recommend: String,
        /// 1: users can comment.
        need_open_comment: u8,
        /// 1: only followers can.
        only_fans_can_comment: u8,
    },
    /// A video.
    Mpvideo {
        /// Its media_id.
        media_id: String,
    },
    /// A card or coupon.
    Wxcard {
        /// Its card_id.
        card_id: String,
    },
}

/// The recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MassTarget {
    /// Every follower.
    All,
    /// The users with a tag.
    Tag(i64),
    /// These users; [`MASS_OPENIDS`] limits their number. Service accounts only.
    Openids(Vec<String>),
}

/// Who sees a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewTarget {
    /// A follower by openid.
    Openid(String),
    /// A follower by WeChat id.
    WeChatId(String),
}

/// A mass message that the platform is sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MassSent {
    /// Its number, `MsgID` in the event `MASSSENDJOBFINISH`.
    pub msg_id: Option<String>,
    /// Its number in statistics, for articles.
    pub msg_data_id: Option<String>,
    /// The clientmsgid was used before: this is the earlier message, and nothing was sent now.
    pub repeated: bool,
}

/// How fast mass messages go out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MassSpeed {
    /// The level, an index into [`MASS_SPEEDS`].
    #[serde(default, deserialize_with = "lenient::int")]
    pub speed: Option<i64>,
    /// The actual speed, in units of 10 000 a minute.
    #[serde(default, deserialize_with = "lenient::int")]
    pub realspeed: Option<i64>,
}

/// Messages a minute by level.
pub const MASS_SPEEDS: [u32; 5] = [800_000, 600_000, 450_000, 300_000, 100_000];

#[derive(Deserialize)]
struct SentAnswer {
    #[serde(default, deserialize_with = "lenient::int")]
    errcode: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    msg_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    msg_data_id: Option<String>,
}

impl MassMessage {
    /// The platform's word for the kind of message.
    #[must_use]
    pub fn msgtype(&self) -> &'static str {
        match self {
            MassMessage::Text { .. } => "text",
            MassMessage::Mpnews { .. } => "mpnews",
            MassMessage::Voice { .. } => "voice",
            MassMessage::Images { .. } => "image",
            MassMessage::Mpvideo { .. } => "mpvideo",
            MassMessage::Wxcard { .. } => "wxcard",
        }
    }

    /// The message as the platform takes it, without its recipients.
    fn body(&self, call: &Call) -> Result<Value, ApiError> {
        let mut body = serde_json::to_value(self)
            .map_err(|_| call.refused("the message cannot be written as JSON"))?;
        body["msgtype"] = self.msgtype().into();
        Ok(body)
    }
}

/// What an owner does when a mass message got no answer: the clientmsgid makes repeating it safe.
const IF_UNKNOWN: &str = "the message may have arrived; repeat the same command after a minute: it cannot send twice, and tells the msg_id if this one arrived";

impl Client {
    /// Sends a mass message (`message/mass/sendall`, or `message/mass/send` to openids), once. The
    /// platform sends a `clientmsgid` once, however often it is used.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a list or a clientmsgid of a wrong size; 45028 when no mass
    /// message is left, 45066 for a repetition within a minute; any [`ApiError`]. If
    /// that [may be done](ApiError::may_be_done), the message may have been sent.
    pub fn mass_send(
        &self,
        target: &MassTarget,
        message: &MassMessage,
        clientmsgid: Option<&str>,
    ) -> Result<MassSent, ApiError> {
        let call = match target {
            MassTarget::All | MassTarget::Tag(_) => {
                Call::change("/cgi-bin/message/mass/sendall", IF_UNKNOWN)
            }
            MassTarget::Openids(_) => Call::change("/cgi-bin/message/mass/send", IF_UNKNOWN),
        };
        let call = call.accepting(&[CLIENTMSGID_EXIST]);
        let mut body = message.body(&call)?;
        match target {
            MassTarget::All => body["filter"] = json!({"is_to_all": true}),
            MassTarget::Tag(id) => body["filter"] = json!({"is_to_all": false, "tag_id": id}),
            MassTarget::Openids(openids) if MASS_OPENIDS.contains(&openids.len()) => {
                body["touser"] = json!(openids);
            }
            MassTarget::Openids(_) => {
                let (least, most) = (MASS_OPENIDS.start(), MASS_OPENIDS.end());
                return Err(call.refused(format!("it takes {least} to {most} openids")));
            }
        }
        if matches!(message, MassMessage::Mpnews { .. }) {
            // An article that another account wrote first stops the message instead of going out
            // under that account's name.
            body["send_ignore_reprint"] = 0.into();
        }
        if let Some(id) = clientmsgid {
            if id.is_empty() || id.len() > MAX_CLIENTMSGID {
                let cause = format!("a clientmsgid has 1 to {MAX_CLIENTMSGID} bytes");
                return Err(call.refused(cause));
            }
            body["clientmsgid"] = id.into();
        }
        self.sent(call, &body)
    }

    /// Shows a mass message to one follower (`message/mass/preview`), 100 times a day.
    ///
    /// # Errors
    /// 40132 for an unknown WeChat id; any [`ApiError`].
    pub fn mass_preview(
        &self,
        target: &PreviewTarget,
        message: &MassMessage,
    ) -> Result<MassSent, ApiError> {
        let call = Call::change(
            "/cgi-bin/message/mass/preview",
            "the phone of the one who gets it shows it",
        );
        let mut body = message.body(&call)?;
        match target {
            PreviewTarget::Openid(openid) => body["touser"] = openid.as_str().into(),
            PreviewTarget::WeChatId(id) => body["towxname"] = id.as_str().into(),
        }
        self.sent(call, &body)
    }

    fn sent(&self, call: Call, body: &Value) -> Result<MassSent, ApiError> {
        let answer: SentAnswer = self.call(&call.json(body)?)?;
        Ok(MassSent {
            msg_id: answer.msg_id,
            msg_data_id: answer.msg_data_id,
            repeated: answer.errcode == Some(CLIENTMSGID_EXIST),
        })
    }

    /// The state of a mass message (`message/mass/get`): `SENDING`, `SEND_SUCCESS`, `SEND_FAIL` or
    /// `DELETE`.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn mass_get(&self, msg_id: &str) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            msg_status: String,
        }
        let call = Call::read("/cgi-bin/message/mass/get").json(&json!({"msg_id": msg_id}))?;
        Ok(self.call::<Answer>(&call)?.msg_status)
    }

    /// Withdraws a mass message (`message/mass/delete`): the article with this number, from 1 on,
    /// or all for 0. Only articles and videos, and it stays on phones that already show it.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a msg_id that is no number; any [`ApiError`].
    pub fn mass_delete(&self, msg_id: &str, article_idx: u32) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/message/mass/delete",
            "`wechatd mass status MSG_ID` shows it",
        );
        // Here, unlike in `message/mass/get`, the platform documents a number.
        let msg_id: u64 = msg_id
            .parse()
            .map_err(|_| call.refused("a msg_id is a number"))?;
        self.done(&call.json(&json!({"msg_id": msg_id, "article_idx": article_idx}))?)
    }

    /// How fast mass messages go out (`message/mass/speed/get`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn mass_speed_get(&self) -> Result<MassSpeed, ApiError> {
        self.call(&Call::read("/cgi-bin/message/mass/speed/get").json(&json!({}))?)
    }

    /// Sets the level of [`MASS_SPEEDS`] at which mass messages go out (`message/mass/speed/set`).
    ///
    /// # Errors
    /// 45083 for a level that does not exist; any [`ApiError`].
    pub fn mass_speed_set(&self, level: u8) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/message/mass/speed/set",
            "`wechatd mass speed` shows it",
        );
        self.done(&call.json(&json!({"speed": level}))?)
    }
}
