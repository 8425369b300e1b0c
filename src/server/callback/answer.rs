//! Every answer of the callback, with its status, headers and body.

use super::refusals::Refused;
use crate::server::http::response::Response;
use crate::wechat::Format;

/// The handshake: exactly the `echostr`.
pub fn echo(echostr: String) -> Response {
    Response::text(200, echostr)
}

/// A push is on disk; this is the reply, and what it is written in.
pub fn reply(body: String, format: Format) -> Response {
    let content_type = match format {
        Format::Xml => "text/xml; charset=utf-8",
        Format::Json => "application/json; charset=utf-8",
    };
    Response::of_type(content_type, 200, body)
}

/// A push is on disk, and there is no reply.
pub fn success() -> Response {
    Response::text(200, "success")
}

/// The store takes writes.
pub fn healthy() -> Response {
    Response::text(200, "ok")
}

/// The store cannot write, or not in time; the platform delivers again.
pub fn unavailable() -> Response {
    Response::text(503, "unavailable")
}

/// Not here.
pub fn not_found() -> Response {
    Response::text(404, "not found")
}

/// The answer to a refused request: it gives away as little as possible.
pub fn refusal(why: &Refused) -> Response {
    match why {
        Refused::NotAPush(_) => Response::text(400, "not a push"),
        Refused::TooLong(_) => Response::text(400, "too long"),
        Refused::OtherPath { .. } => not_found(),
        Refused::Method(methods) => {
            Response::text(405, "method not allowed").with("Allow", methods.clone())
        }
        Refused::ForeignForm | Refused::ForeignAdminForm => {
            Response::text(403, "this form was sent from another site")
        }
        Refused::ForeignScraper => Response::text(403, "only for programs on this machine"),
        Refused::OtherHost => Response::text(
            421,
            "this page has another name: localhost, or that of admin.url",
        ),
        // At least one request a second is admitted.
        Refused::TooMany => Response::text(429, "too many requests").with("Retry-After", "1"),
        Refused::Http(refusal) => refusal.response(),
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
        | Refused::Replayed
        | Refused::TooOld
        | Refused::Tls => Response::text(403, "Bad Token!"),
    }
}
