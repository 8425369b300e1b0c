//! The guard's own answers and their reasons; the connection is closed after each.

use crate::server::http::response::Response;

/// Why a request gets no further than the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    BadRequest,
    RequestTimeout,
    LengthRequired,
    BodyTooLarge,
    ExpectationFailed,
    HeadTooLarge,
    Unavailable,
    VersionNotSupported,
}

impl Refusal {
    /// The status code, and the text that is sent with it.
    fn parts(self) -> (u16, &'static str) {
        match self {
            Refusal::BadRequest => (400, "bad request\n"),
            Refusal::RequestTimeout => (408, "the request did not arrive in time\n"),
            Refusal::LengthRequired => (411, "no Transfer-Encoding but chunked, please\n"),
            Refusal::BodyTooLarge => (413, "the body is too large\n"),
            Refusal::ExpectationFailed => (417, "no Expect but 100-continue, please\n"),
            Refusal::HeadTooLarge => (431, "the headers are too large\n"),
            Refusal::Unavailable => (503, "unavailable"),
            Refusal::VersionNotSupported => (505, "HTTP/1.0 or HTTP/1.1, please\n"),
        }
    }

    /// The status code.
    pub fn status(self) -> u16 {
        self.parts().0
    }

    /// The answer. Nobody knows yet whether a browser asks.
    pub fn response(self) -> Response {
        let (status, text) = self.parts();
        let response = Response::text(status, text).for_browser();
        match self {
            Refusal::Unavailable => response.with("Retry-After", "1"),
            Refusal::BadRequest
            | Refusal::RequestTimeout
            | Refusal::LengthRequired
            | Refusal::BodyTooLarge
            | Refusal::ExpectationFailed
            | Refusal::HeadTooLarge
            | Refusal::VersionNotSupported => response,
        }
    }

    /// Its name in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::BadRequest => "bad_request",
            Refusal::RequestTimeout => "request_timeout",
            Refusal::LengthRequired => "length_required",
            Refusal::BodyTooLarge => "body_too_large",
            Refusal::ExpectationFailed => "expectation_failed",
            Refusal::HeadTooLarge => "head_too_large",
            Refusal::Unavailable => "unavailable",
            Refusal::VersionNotSupported => "version_not_supported",
        }
    }

    /// What was wrong, for the log, and the key or the proxy's setting that changes it.
    pub fn why(self) -> &'static str {
        match self {
            Refusal::BadRequest => "it is not a well-formed HTTP request",
            Refusal::RequestTimeout => "it did not arrive whole in time (server.request_timeout)",
            Refusal::LengthRequired => {
                "its Transfer-Encoding is none that is understood; the proxy can send a Content-Length"
            }
            Refusal::BodyTooLarge => "its body is too large (server.max_body)",
            Refusal::ExpectationFailed => "it has an Expect header that cannot be met",
            Refusal::HeadTooLarge => {
                "its headers are too large or too many (server.max_head); does the proxy pass cookies on?"
            }
            Refusal::Unavailable => "nothing inside answers",
            Refusal::VersionNotSupported => "it is neither HTTP/1.0 nor HTTP/1.1",
        }
    }
}
