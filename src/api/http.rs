//! One HTTP exchange with the platform: its hosts, its clock, and the length limits of answers.
//! Knows nothing of tokens, error codes or retries.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::Value;

use super::call::{Call, Host};
use super::called::Called;
use super::error::ApiError;
use crate::clock;
use crate::outbound::{Body, Outbound, Request, Response, host_of};
use crate::wechat::lenient;

/// The time limit of a call that carries a file, unless `api.timeout` is longer.
const BULKY_TIMEOUT: Duration = Duration::from_secs(120);

/// The largest JSON answer that is read, in bytes. A page of 10 000 openids takes 0.3 MB.
const MAX_JSON: u64 = 8 * 1024 * 1024;

/// The largest file that is downloaded, in bytes. The platform's own limit for videos is 10 MB.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The suffix of the platform's host names, and its address for pages and pictures.
const PLATFORM: &str = ".weixin.qq.com";
const PAGES_URL: &str = "https://mp.weixin.qq.com";

/// The platform's hosts and the connections to them.
pub(super) struct Http {
    outbound: Outbound,
    base_url: String,
    pages_url: String,
    timeout: Duration,
    clock: Mutex<Option<PlatformTime>>,
}

/// The platform's time, as an answer gave it.
#[derive(Debug, Clone, Copy)]
struct PlatformTime {
    /// Unix seconds.
    time: i64,
    /// How many seconds this machine's clock was ahead.
    ahead: i64,
    at: Instant,
}

/// An answer whose body has not been read yet.
pub(super) struct Answer {
    call: Called,
    response: Response,
}

/// The answer to a download.
pub(super) enum Download {
    /// A file, to be saved with [`Incoming::save`].
    File(Box<Incoming>),
    /// JSON instead: an error, or a description.
    Json(Value),
}

/// A file being received.
pub(super) struct Incoming {
    call: Called,
    /// The media type that the platform gave, without parameters.
    pub(super) content_type: Option<String>,
    /// The `Content-Disposition` header.
    pub(super) disposition: Option<String>,
    start: Vec<u8>,
    rest: Body,
}

/// Whether `api.base_url` and the trusted roots can be used; makes no call.
///
/// # Errors
/// The error that a client with them would return.
pub fn look_at_roots(base_url: &str) -> Result<(), ApiError> {
    Http::new(base_url, Duration::ZERO, Outbound::new()?).map(drop)
}

impl Http {
    /// Prepares calls; makes none.
    pub(super) fn new(
        base_url: &str,
        timeout: Duration,
        outbound: Outbound,
    ) -> Result<Http, ApiError> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        if host_of(&base_url).is_none() {
            return Err(ApiError::Request {
                call: "api.base_url".into(),
                cause: "it is no http:// or https:// address".to_owned(),
            });
        }
        Ok(Http {
            outbound,
            pages_url: pages_url(&base_url),
            base_url,
            timeout,
            clock: Mutex::new(None),
        })
    }

    /// The platform's current time, in Unix seconds, by the last answer that had a `Date`.
    pub(super) fn platform_time(&self) -> Option<i64> {
        let time = self.last_time()?;
        Some(
            time.time
                .saturating_add_unsigned(time.at.elapsed().as_secs()),
        )
    }

    /// How many seconds this machine's clock was ahead of the platform's at the last answer that had a `Date`.
    pub(super) fn clock_difference(&self) -> Option<i64> {
        self.last_time().map(|time| time.ahead)
    }

    fn last_time(&self) -> Option<PlatformTime> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the platform's time from an answer's `Date`.
    fn note_clock(&self, response: &Response) {
        let date = response.header("date");
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            return;
        };
        let time = date.duration_since(UNIX_EPOCH).map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let time = PlatformTime {
            time,
            ahead: clock::unix_seconds().saturating_sub(time),
            at: Instant::now(),
        };
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Sends a call and waits for the head of the answer, of any status.
    pub(super) fn send(&self, call: &Call, token: Option<&str>) -> Result<Answer, ApiError> {
        let base = match call.host {
            Host::Api => &self.base_url,
            Host::Pages => &self.pages_url,
        };
        let url = format!("{base}{}", call.path);
        let timeout = if call.bulky {
            self.timeout.max(BULKY_TIMEOUT)
        } else {
            self.timeout
        };
        let own = call.query.iter();
        let own = own.map(|(name, value)| (&**name, value.as_str()));
        let token = token.map(|token| ("access_token", token));
        let body = call.body.as_ref();
        let answer = self.request(
            call.called.clone(),
            &Request {
                url: &url,
                query: token.into_iter().chain(own).collect(),
                headers: Vec::new(),
                body: body.map(|body| (body.content_type.as_str(), body.bytes.as_slice())),
                timeout,
                redirects: 0,
            },
        )?;
        self.note_clock(&answer.response);
        Ok(answer)
    }

    /// Requests a file from a URL that an answer named, without the access_token, and waits for the head of the answer.
    pub(super) fn fetch(&self, called: Called, url: &str) -> Result<Answer, ApiError> {
        self.request(
            called,
            &Request {
                url,
                query: Vec::new(),
                headers: Vec::new(),
                body: None,
                timeout: self.timeout.max(BULKY_TIMEOUT),
                redirects: 3,
            },
        )
    }

    fn request(&self, call: Called, request: &Request) -> Result<Answer, ApiError> {
        match self.outbound.send(request) {
            Ok(response) => Ok(Answer { call, response }),
            Err(error) => Err(ApiError::outbound(call, error)),
        }
    }
}

impl Answer {
    /// Reads the body as JSON, whatever the content type says.
    pub(super) fn json(self) -> Result<Value, ApiError> {
        let status = self.response.status();
        let mut body = Vec::new();
        let mut rest = self.response.into_body();
        rest.read_rest(MAX_JSON + 1, &mut body)
            .map_err(|error| ApiError::outbound(self.call.clone(), error))?;
        if body.len() as u64 > MAX_JSON {
            return Err(too_long(self.call, MAX_JSON));
        }
        let cause = match lenient::parse(&body) {
            Ok(value @ Value::Object(_)) => match status {
                200..300 => return Ok(value),
                // A refusal without an errcode is not the platform's.
                _ if value.get("errcode").is_some() => return Ok(value),
                _ => "JSON without an errcode".to_owned(),
            },
            Ok(_) => "JSON that is no object".to_owned(),
            Err(cause) => cause,
        };
        let cause = match status {
            300..400 => format!("{cause}, a redirect that is not followed"),
            _ => cause,
        };
        Err(ApiError::NotJson {
            call: self.call,
            status,
            cause,
        })
    }

    /// Decides between a file and JSON, by the status, the content type and the first byte.
    pub(super) fn download(self) -> Result<Download, ApiError> {
        let header = |name| self.response.header(name).map(str::to_owned);
        let content_type = header("content-type")
            .and_then(|kind| Some(kind.split(';').next()?.trim().to_ascii_lowercase()));
        let disposition = header("content-disposition");
        let textual = content_type.as_deref().is_none_or(|kind| {
            kind.starts_with("text/") || kind == "application/json" || kind.is_empty()
        });
        let status = self.response.status();
        if !(200..300).contains(&status) {
            return self.json().map(Download::Json);
        }
        let call = self.call;
        let mut rest = self.response.into_body();
        let mut start = vec![0; 1];
        let read = rest
            .read(&mut start)
            .map_err(|error| ApiError::outbound(call.clone(), error))?;
        start.truncate(read);
        if textual && disposition.is_none() || start == b"{" {
            // A file may start with a brace, too. It is JSON only if all of it parses.
            rest.read_rest(MAX_JSON, &mut start)
                .map_err(|error| ApiError::outbound(call.clone(), error))?;
            let cause = match lenient::parse(&start) {
                Ok(value @ Value::Object(_)) => return Ok(Download::Json(value)),
                Ok(_) => "JSON that is no object".to_owned(),
                Err(cause) => cause,
            };
            if textual && disposition.is_none() {
                return Err(ApiError::NotJson {
                    call,
                    status,
                    cause,
                });
            }
        }
        Ok(Download::File(Box::new(Incoming {
            call,
            content_type,
            disposition,
            start,
            rest,
        })))
    }
}

impl Incoming {
    /// Writes the whole file and returns its length in bytes.
    pub(super) fn save(mut self, to: &mut dyn Write) -> Result<u64, ApiError> {
        let mut length = self.start.len() as u64;
        let mut buffer = std::mem::take(&mut self.start);
        loop {
            to.write_all(&buffer).map_err(|error| ApiError::Request {
                call: self.call.clone(),
                cause: format!("the file cannot be written: {error}"),
            })?;
            buffer.resize(64 * 1024, 0);
            let read = self
                .rest
                .read(&mut buffer)
                .map_err(|error| ApiError::outbound(self.call.clone(), error))?;
            if read == 0 {
                return Ok(length);
            }
            buffer.truncate(read);
            length += read as u64;
            if length > MAX_FILE {
                return Err(too_long(self.call, MAX_FILE));
            }
        }
    }
}

fn too_long(call: Called, limit: u64) -> ApiError {
    ApiError::Unexpected {
        call,
        cause: format!("it is longer than {} MiB", limit >> 20),
    }
}

/// The address of pages and pictures for this `api.base_url`. Only the platform itself has two hosts; a proxy or a test
/// stands in for both.
fn pages_url(base_url: &str) -> String {
    match host_of(base_url) {
        // The platform has several hosts for calls: api, api2, sh.api and so on.
        Some(host) if host.ends_with(PLATFORM) => PAGES_URL.to_owned(),
        Some(_) | None => base_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platform_itself_has_a_host_of_its_own_for_pages() {
        for (base_url, pages) in [
            ("https://api.weixin.qq.com", PAGES_URL),
            ("https://api2.weixin.qq.com", PAGES_URL),
            ("https://sh.api.weixin.qq.com", PAGES_URL),
            (
                "https://weixin.qq.com.example",
                "https://weixin.qq.com.example",
            ),
            ("http://127.0.0.1:8080/wx", "http://127.0.0.1:8080/wx"),
        ] {
            assert_eq!(pages_url(base_url), pages);
        }
    }
}
