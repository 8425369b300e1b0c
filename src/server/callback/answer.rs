//! Every answer to a request that reached the callback, with its status, headers and body.

use super::refusals::Refused;
use crate::server::http::exchange::{Reply as HttpReply, Responder};
use crate::wechat::Format;

/// The body of every 403, without detail.
const BAD_TOKEN: &str = "Bad Token!";

/// The body of every 503 from inside.
pub const UNAVAILABLE: &str = "unavailable";

/// Every answer that there is.
#[derive(Debug)]
pub enum Answer {
    /// The handshake: exactly the `echostr`.
    Echo(String),
    /// A push is on disk; this is the reply, and what it is written in.
    Reply(String, Format),
    /// A push is on disk; nothing is said.
    Success,
    /// The store takes writes.
    Healthy,
    /// Signature, mode or time is wrong; nothing was recorded.
    BadToken,
    /// Signed rightly, but not a push.
    NotAPush,
    /// Not here.
    NotFound,
    /// Here, but not so; with the methods that there are.
    OtherMethod(&'static str),
    /// The store cannot write, or not in time; the platform delivers again.
    Unavailable,
}

impl Answer {
    /// What the client hears: no more than it has to.
    pub fn to_refused(why: &Refused) -> Answer {
        match why {
            Refused::NotAPush(_) => Answer::NotAPush,
            Refused::OtherPath { .. } => Answer::NotFound,
            Refused::Method(methods) => Answer::OtherMethod(methods),
            Refused::Address { .. }
            | Refused::Query
            | Refused::NoTimestamp
            | Refused::NoSignature
            | Refused::WrongSignature
            | Refused::Timestamp
            | Refused::TimestampOff(_)
            | Refused::NoEchostr
            | Refused::EncryptType
            | Refused::EncryptedInPlain
            | Refused::PlainInSecure
            | Refused::NoMsgSignature
            | Refused::WrongMsgSignature
            | Refused::NotEncrypted
            | Refused::BrokenEnvelope(_)
            | Refused::Undecryptable(_)
            | Refused::Body(_)
            | Refused::Replayed
            | Refused::TooOld
            // The guard has answered these itself.
            | Refused::Tls
            | Refused::Http(_) => Answer::BadToken,
        }
    }

    pub fn status(&self) -> u16 {
        match self {
            Answer::Echo(_) | Answer::Reply(..) | Answer::Success | Answer::Healthy => 200,
            Answer::BadToken => 403,
            Answer::NotAPush => 400,
            Answer::NotFound => 404,
            Answer::OtherMethod(_) => 405,
            Answer::Unavailable => 503,
        }
    }

    /// Sends it when all earlier requests of the lane are answered.
    pub fn send(self, responder: Responder) {
        self.with_reply(|reply| responder.answer(reply));
    }

    /// Sends it together with those of the same commit. `false`: it comes too late, and 503 was said.
    pub fn send_soon(self, responder: Responder) -> bool {
        self.with_reply(|reply| responder.answer_soon(reply))
    }

    fn with_reply<T>(&self, send: impl FnOnce(&HttpReply<'_>) -> T) -> T {
        let status = self.status();
        const XML: &str = "text/xml; charset=utf-8";
        const JSON: &str = "application/json; charset=utf-8";
        // A browser must not take the echoed text for a page.
        const NOSNIFF: &[(&str, &str)] = &[("X-Content-Type-Options", "nosniff")];
        let allow;
        let reply = match self {
            Answer::Echo(echostr) => HttpReply {
                headers: NOSNIFF,
                ..HttpReply::text(status, echostr)
            },
            Answer::Reply(body, format) => HttpReply {
                content_type: match format {
                    Format::Xml => XML,
                    Format::Json => JSON,
                },
                ..HttpReply::text(status, body)
            },
            Answer::Success => HttpReply::text(status, "success"),
            Answer::Healthy => HttpReply::text(status, "ok"),
            Answer::BadToken => HttpReply::text(status, BAD_TOKEN),
            Answer::NotAPush => HttpReply::text(status, "not a push"),
            Answer::NotFound => HttpReply::text(status, "not found"),
            Answer::OtherMethod(methods) => {
                allow = [("Allow", *methods)];
                HttpReply {
                    headers: &allow,
                    ..HttpReply::text(status, "method not allowed")
                }
            }
            Answer::Unavailable => HttpReply::text(status, UNAVAILABLE),
        };
        send(&reply)
    }
}
