//! Chat records: what agents and users wrote to each other in their sessions.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The longest span of time that one call takes, in seconds.
pub const MAX_SPAN: i64 = 24 * 3600;

/// The most records that one call returns.
pub const MAX_RECORDS: usize = 10_000;

/// The msgid to start a span with.
pub const FIRST_MSGID: i64 = 1;

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The user.
    pub openid: String,
    /// What happened: [`AGENT_SENT`], [`AGENT_RECEIVED`] or another number.
    #[serde(default, deserialize_with = "lenient::int")]
    pub opercode: Option<i64>,
    /// What was written.
    #[serde(default, deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// When, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub time: Option<i64>,
    /// The agent, by account name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub worker: Option<String>,
}

/// The agent wrote to the user.
pub const AGENT_SENT: i64 = 2002;

/// The user wrote to the agent.
pub const AGENT_RECEIVED: i64 = 2003;

/// Some records, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page starts; `None` after the last.
    pub next_msgid: Option<i64>,
}

impl Client {
    /// At most `number` records of a span of Unix seconds (`msgrecord/getmsglist`). The first `msgid` is
    /// [`FIRST_MSGID`].
    ///
    /// # Errors
    /// [`ApiError::Request`] for a span that is empty or longer than [`MAX_SPAN`] and for a number
    /// over [`MAX_RECORDS`]; any [`ApiError`].
    pub fn msgrecord_getmsglist(
        &self,
        span: &Range<i64>,
        msgid: i64,
        number: usize,
    ) -> Result<RecordPage, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            recordlist: Vec<Record>,
            #[serde(default, deserialize_with = "lenient::int")]
            msgid: Option<i64>,
        }
        let call = Call::read("/customservice/msgrecord/getmsglist");
        if span.is_empty() || span.end.saturating_sub(span.start) > MAX_SPAN {
            return Err(call.refused("it takes a span of at most 24 hours"));
        }
        if !(1..=MAX_RECORDS).contains(&number) {
            return Err(call.refused(format!("it gives 1 to {MAX_RECORDS} lines")));
        }
        let call = call.json(&json!({
            "starttime": span.start,
            "endtime": span.end,
            "msgid": msgid,
            "number": number,
        }))?;
        let answer: Answer = self.call(&call)?;
        let full = answer.recordlist.len() >= number;
        let next_msgid = match answer.msgid {
            Some(next) if full && next > msgid => Some(next),
            // The rest cannot be fetched, and must not be dropped silently.
            Some(_) | None if full => {
                return Err(ApiError::Unexpected {
                    call: call.called.clone(),
                    cause: "a full page does not say where the next one starts".to_owned(),
                });
            }
            Some(_) | None => None,
        };
        Ok(RecordPage {
            records: answer.recordlist,
            next_msgid,
        })
    }
}
