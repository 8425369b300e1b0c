//! One answer as a value, and its bytes for the client.

use std::borrow::Cow;

use tiny_http::StatusCode;

/// The status of an answer without a body.
const NOT_MODIFIED: u16 = 304;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
}

/// What an answer says about the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1's default: stays open, nothing is said.
    Stays,
    /// Kept open as an HTTP/1.0 client asked, and the answer says so.
    KeepAlive,
    /// Closed after the answer, and the answer says so.
    Close,
}

impl Response {
    /// A `text/plain` answer.
    pub fn text(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/plain; charset=utf-8", status, body)
    }

    /// An answer with this `Content-Type`.
    pub fn of_type(
        content_type: &'static str,
        status: u16,
        body: impl Into<Cow<'static, str>>,
    ) -> Response {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body: match body.into() {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }

    /// A 200 with these bytes.
    pub fn bytes(content_type: &'static str, body: Vec<u8>) -> Response {
        Response {
            status: 200,
            content_type,
            headers: Vec::new(),
            body: Cow::Owned(body),
        }
    }

    /// A 304: the client has it already.
    pub fn not_modified() -> Response {
        Response::text(NOT_MODIFIED, "")
    }

    /// Whether it has this header.
    pub fn says(&self, name: &str) -> bool {
        self.headers.iter().any(|(said, _)| *said == name)
    }

    /// Says what every answer to a browser says: it is for this person and this moment, and where it leads is told to
    /// nobody else. (With `no-referrer` browsers would send `Origin: null` from our own forms.) What says itself how long
    /// it may be kept, as a picture, stays so.
    pub fn for_browser(self) -> Response {
        let response = match self.says("Cache-Control") {
            true => self,
            false => self.with("Cache-Control", "no-store"),
        };
        response.with("Referrer-Policy", "same-origin")
    }

    /// The same with another header; not Content-Type, Content-Length, Date, Connection or Transfer-Encoding.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// Replaces the content of `output` by the answer. `date` is the value of `Date`; the answer to HEAD has no body.
    pub fn write(&self, output: &mut Vec<u8>, date: &str, persistence: Persistence, to_head: bool) {
        let reason = StatusCode(self.status).default_reason_phrase();
        let connection = match persistence {
            Persistence::Stays => "",
            Persistence::KeepAlive => "Connection: keep-alive\r\n",
            Persistence::Close => "Connection: close\r\n",
        };
        output.clear();
        output.reserve_exact(self.body.len() + 256);
        let length = self.body.len().to_string();
        let mut say = |parts: &[&str]| {
            for part in parts {
                output.extend_from_slice(part.as_bytes());
            }
        };
        // nosniff: a browser must not guess that an answer is a page.
        say(&[
            "HTTP/1.1 ",
            &self.status.to_string(),
            " ",
            reason,
            "\r\nDate: ",
            date,
        ]);
        say(&["\r\nX-Content-Type-Options: nosniff\r\n"]);
        // A 304 has no body, and would only say these of another answer.
        if self.status != NOT_MODIFIED {
            say(&["Content-Type: ", self.content_type]);
            say(&["\r\nContent-Length: ", &length, "\r\n"]);
        }
        say(&[connection]);
        for (name, value) in &self.headers {
            say(&[name, ": ", value, "\r\n"]);
        }
        say(&["\r\n"]);
        if !to_head {
            output.extend_from_slice(&self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_headers_and_what_it_says_of_the_connection() {
        let response = Response::text(405, "no").with("Allow", "GET, POST");
        for (persistence, said) in [
            (Persistence::Stays, ""),
            (Persistence::KeepAlive, "Connection: keep-alive\r\n"),
            (Persistence::Close, "Connection: close\r\n"),
        ] {
            let head = format!(
                "HTTP/1.1 405 Method Not Allowed\r\nDate: D\r\nX-Content-Type-Options: nosniff\r\n\
                 Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n{said}Allow: GET, POST\r\n\r\n"
            );
            let mut output = b"left over".to_vec();
            response.write(&mut output, "D", persistence, false);
            assert_eq!(String::from_utf8_lossy(&output), format!("{head}no"));
            response.write(&mut output, "D", persistence, true);
            assert_eq!(String::from_utf8_lossy(&output), head);
        }
    }
}
