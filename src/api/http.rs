//! One HTTP exchange with the platform: connections, trust, limits, and what can happen to them.
//! Knows nothing of tokens, error codes or repeating.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector};

use super::call::{Call, Called, Host};
use super::error::{ApiError, NetworkCause};
use super::json;
use crate::byte_order_mark;
use crate::clock;

/// How long connecting may take, and as long the look-up of the name before it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call that carries a file may take, if `api.timeout` is not longer.
const BULKY_TIMEOUT: Duration = Duration::from_secs(120);

/// The largest JSON answer that is read, in bytes. A page of 10 000 openids takes 0.3 MB.
const MAX_JSON: u64 = 8 * 1024 * 1024;

/// The largest file that is downloaded, in bytes. The platform's own limit for videos is 10 MB.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The end of the names of the platform's hosts, and its address for pages and pictures.
const PLATFORM: &str = ".weixin.qq.com";
const PAGES_URL: &str = "https://mp.weixin.qq.com";

/// Pooled connections to one base URL.
///
/// Proxies in the environment are not used: the platform answers only addresses that the console
/// lists, and the program must not depend on the shell it was started from.
pub(super) struct Http {
    agent: ureq::Agent,
    base_url: String,
    pages_url: String,
    timeout: Duration,
    clock: Mutex<Option<PlatformTime>>,
}

/// The platform's clock, as an answer showed it.
#[derive(Debug, Clone, Copy)]
struct PlatformTime {
    /// Unix seconds.
    told: i64,
    /// How many seconds this machine's clock was ahead.
    ahead: i64,
    at: Instant,
}

/// An answer whose body has not been read yet.
pub(super) struct Answer {
    call: Called,
    timeout: Duration,
    response: ureq::http::Response<ureq::Body>,
}

/// What came for a download.
pub(super) enum Download {
    /// A file, to be read to its end with [`Incoming::save`].
    File(Box<Incoming>),
    /// JSON instead: an error, or a description.
    Json(Value),
}

/// A file on its way.
pub(super) struct Incoming {
    call: Called,
    timeout: Duration,
    /// The media type the platform gave, without parameters.
    pub(super) content_type: Option<String>,
    /// The `Content-Disposition` header.
    pub(super) disposition: Option<String>,
    start: Vec<u8>,
    rest: ureq::BodyReader<'static>,
}

/// Whether the address of `api.base_url` and the trusted roots can be used; calls nobody.
///
/// # Errors
/// What a client with them would fail with.
pub fn look_at_roots(base_url: &str) -> Result<(), ApiError> {
    let cert_file = std::env::var_os("SSL_CERT_FILE");
    Http::new(base_url, CONNECT_TIMEOUT, cert_file.as_deref()).map(drop)
}

/// Connections of their own, trusted by the roots in `cert_file`, see [`Http::new`]. Redirects are answers.
pub(super) fn agent(timeout: Duration, cert_file: Option<&OsStr>) -> Result<ureq::Agent, ApiError> {
    let roots = match cert_file.filter(|file| !file.is_empty()) {
        Some(file) => read_roots(Path::new(file))?,
        None => RootCerts::WebPki,
    };
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .timeout_resolve(Some(CONNECT_TIMEOUT.min(timeout)))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections_per_host(8)
        .proxy(None)
        .user_agent(concat!("wechatd/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    let connector = Connecting(DefaultConnector::default());
    Ok(ureq::Agent::with_parts(
        config,
        connector,
        DefaultResolver::default(),
    ))
}

impl Http {
    /// Prepares connections. `cert_file` is the value of `SSL_CERT_FILE`: a PEM file with the roots
    /// to trust, and only those; unset or empty, the web's roots as this program was built with.
    pub(super) fn new(
        base_url: &str,
        timeout: Duration,
        cert_file: Option<&OsStr>,
    ) -> Result<Http, ApiError> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let usable = base_url.parse::<ureq::http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
        });
        if !usable {
            return Err(ApiError::Request {
                call: "api.base_url".into(),
                cause: "it is no http:// or https:// address".to_owned(),
            });
        }
        Ok(Http {
            agent: agent(timeout, cert_file)?,
            pages_url: pages_url(&base_url),
            base_url,
            timeout,
            clock: Mutex::new(None),
        })
    }

    /// What the platform's clock shows now, in Unix seconds, by the last answer that told the time.
    pub(super) fn platform_time(&self) -> Option<i64> {
        let time = self.last_time()?;
        Some(
            time.told
                .saturating_add_unsigned(time.at.elapsed().as_secs()),
        )
    }

    /// How many seconds this machine's clock was ahead of the platform's at the last answer that told the time.
    pub(super) fn clock_difference(&self) -> Option<i64> {
        self.last_time().map(|time| time.ahead)
    }

    fn last_time(&self) -> Option<PlatformTime> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the platform's clock, which the head of every answer shows.
    fn note_clock(&self, headers: &ureq::http::HeaderMap) {
        let date = headers.get("date").and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            return;
        };
        let told = date.duration_since(UNIX_EPOCH).map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let time = PlatformTime {
            told,
            ahead: clock::unix_seconds().saturating_sub(told),
            at: Instant::now(),
        };
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Sends a call and waits for the head of the answer, whatever its status.
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
        let query = token
            .map(|token| ("access_token", token))
            .into_iter()
            .chain(
                call.query
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            );
        let response = match &call.body {
            None => {
                let request = self.agent.get(url).query_pairs(query);
                request
                    .config()
                    .timeout_global(Some(timeout))
                    .build()
                    .call()
            }
            Some(body) => {
                let request = self.agent.post(url).query_pairs(query);
                let request = request.config().timeout_global(Some(timeout)).build();
                request.content_type(&body.content_type).send(&body.bytes)
            }
        };
        match response {
            Ok(response) => {
                self.note_clock(response.headers());
                Ok(Answer {
                    call: call.called,
                    timeout,
                    response,
                })
            }
            Err(error) => Err(failed(call.called, timeout, error)),
        }
    }

    /// Asks for a file at a URL that an answer named, without the access_token, and waits for the head of what comes.
    pub(super) fn fetch(&self, called: Called, url: &str) -> Result<Answer, ApiError> {
        let timeout = self.timeout.max(BULKY_TIMEOUT);
        let request = self.agent.get(url).config();
        let request = request.timeout_global(Some(timeout)).max_redirects(3);
        match request.build().call() {
            Ok(response) => Ok(Answer {
                call: called,
                timeout,
                response,
            }),
            Err(error) => Err(failed(called, timeout, error)),
        }
    }
}

impl Answer {
    /// Reads the body as JSON, whatever the content type says.
    pub(super) fn json(mut self) -> Result<Value, ApiError> {
        let status = self.response.status().as_u16();
        let mut body = Vec::new();
        let mut reader = self.response.body_mut().as_reader().take(MAX_JSON + 1);
        reader
            .read_to_end(&mut body)
            .map_err(|error| failed(self.call, self.timeout, error.into()))?;
        if body.len() as u64 > MAX_JSON {
            return Err(too_long(self.call, MAX_JSON));
        }
        let cause = match json::parse(&body) {
            Ok(value @ Value::Object(_)) => match status {
                200..300 => return Ok(value),
                // A refusal that says nothing about itself is not the platform's.
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

    /// Tells a file from JSON, by the status, the content type and the first byte.
    pub(super) fn download(self) -> Result<Download, ApiError> {
        let header = |name| {
            let value = self.response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let content_type = header("content-type")
            .and_then(|kind| Some(kind.split(';').next()?.trim().to_ascii_lowercase()));
        let disposition = header("content-disposition");
        let textual = content_type.as_deref().is_none_or(|kind| {
            kind.starts_with("text/") || kind == "application/json" || kind.is_empty()
        });
        if !self.response.status().is_success() {
            return self.json().map(Download::Json);
        }
        let (call, timeout) = (self.call, self.timeout);
        let status = self.response.status().as_u16();
        let mut rest = self.response.into_body().into_reader();
        let mut start = vec![0; 1];
        let read = rest
            .read(&mut start)
            .map_err(|error| failed(call, timeout, error.into()))?;
        start.truncate(read);
        if textual && disposition.is_none() || start == b"{" {
            // A file may begin with a brace, too. Only text that is JSON as a whole is none.
            rest.by_ref()
                .take(MAX_JSON)
                .read_to_end(&mut start)
                .map_err(|error| failed(call, timeout, error.into()))?;
            match json::parse(&start) {
                Ok(value @ Value::Object(_)) => return Ok(Download::Json(value)),
                Ok(_) | Err(_) if disposition.is_some() || !textual => {}
                Ok(_) => {
                    let cause = "JSON that is no object".to_owned();
                    return Err(ApiError::NotJson {
                        call,
                        status,
                        cause,
                    });
                }
                Err(cause) => {
                    return Err(ApiError::NotJson {
                        call,
                        status,
                        cause,
                    });
                }
            }
        }
        Ok(Download::File(Box::new(Incoming {
            call,
            timeout,
            content_type,
            disposition,
            start,
            rest,
        })))
    }
}

impl Incoming {
    /// Writes the file to its end and returns its length in bytes.
    pub(super) fn save(mut self, to: &mut dyn Write) -> Result<u64, ApiError> {
        let mut length = self.start.len() as u64;
        let mut buffer = std::mem::take(&mut self.start);
        loop {
            to.write_all(&buffer).map_err(|error| ApiError::Request {
                call: self.call,
                cause: format!("the file cannot be written: {error}"),
            })?;
            buffer.resize(64 * 1024, 0);
            let read = self
                .rest
                .read(&mut buffer)
                .map_err(|error| failed(self.call, self.timeout, error.into()))?;
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

/// Where pages and pictures are, for this `api.base_url`. Only the platform itself has two hosts; whatever stands in
/// for it, a proxy or a test, stands in for both.
fn pages_url(base_url: &str) -> String {
    let uri = base_url.parse::<ureq::http::Uri>();
    let host = uri.as_ref().ok().and_then(|uri| uri.host());
    match host {
        // For calls it has several: api, api2, sh.api and so on.
        Some(host) if host.ends_with(PLATFORM) => PAGES_URL.to_owned(),
        Some(_) | None => base_url.to_owned(),
    }
}

fn read_roots(file: &Path) -> Result<RootCerts, ApiError> {
    let refused =
        |cause: &str| ApiError::Trust(format!("SSL_CERT_FILE names {}: {cause}", file.display()));
    let pem = std::fs::read(file).map_err(|error| refused(&error.to_string()))?;
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(byte_order_mark::skip_bytes(&pem)) {
        match item {
            Ok(PemItem::Certificate(root)) => roots.push(root),
            Ok(_) => {}
            Err(_) => return Err(refused("it is no PEM file")),
        }
    }
    if roots.is_empty() {
        return Err(refused("it holds no certificate"));
    }
    Ok(RootCerts::new_with_certs(&roots))
}

/// Connects as ever, and marks what fails before there is a connection: no request was written then.
#[derive(Debug)]
struct Connecting(DefaultConnector);

impl Connector for Connecting {
    type Out = <DefaultConnector as Connector>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let connected = self.0.connect(details, chained);
        connected.map_err(|error| ureq::Error::Other(Box::new(NotConnected(error))))
    }
}

/// Why there was no connection.
#[derive(Debug)]
struct NotConnected(ureq::Error);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NotConnected {}

/// The same in our own words.
fn not_connected(error: ureq::Error) -> NetworkCause {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => NetworkCause::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => NetworkCause::ConnectTimeout,
            io::ErrorKind::InvalidData => NetworkCause::Tls(error.to_string()),
            _ => NetworkCause::Unreachable(error.to_string()),
        },
        ureq::Error::Timeout(_) => NetworkCause::ConnectTimeout,
        ureq::Error::Rustls(error) => NetworkCause::Tls(error.to_string()),
        ureq::Error::Tls(error) => NetworkCause::Tls(error.to_owned()),
        ureq::Error::ConnectionFailed => NetworkCause::Refused,
        // The rest belongs to features and settings that are not used here.
        _ => NetworkCause::Unreachable("connecting failed".to_owned()),
    }
}

/// Says what happened in our own words: the texts of the HTTP crate may hold URLs.
pub(super) fn failed(call: Called, timeout: Duration, error: ureq::Error) -> ApiError {
    let cause = match error {
        ureq::Error::Io(error) => io_cause(&error, timeout),
        ureq::Error::Other(error) => match error.downcast::<NotConnected>() {
            Ok(error) => not_connected(error.0),
            Err(_) => NetworkCause::Other("the exchange failed".to_owned()),
        },
        ureq::Error::Timeout(ureq::Timeout::Resolve) => NetworkCause::Dns("no answer".to_owned()),
        ureq::Error::Timeout(_) => NetworkCause::Timeout(millis(timeout)),
        ureq::Error::HostNotFound => NetworkCause::Dns("unknown name".to_owned()),
        ureq::Error::Protocol(_) => {
            return ApiError::Unexpected {
                call,
                cause: "it is no HTTP/1.1".to_owned(),
            };
        }
        ureq::Error::LargeResponseHeader(_, limit) => {
            let cause = format!("its head is longer than {} KiB", limit >> 10);
            return ApiError::Unexpected { call, cause };
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            return ApiError::Request {
                call,
                cause: "the address cannot be used".to_owned(),
            };
        }
        // The rest belongs to features and settings that are not used here.
        _ => NetworkCause::Other("the exchange failed".to_owned()),
    };
    ApiError::Network { call, cause }
}

fn io_cause(error: &io::Error, timeout: Duration) -> NetworkCause {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => NetworkCause::Closed,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            NetworkCause::Timeout(millis(timeout))
        }
        _ => {
            let text = error.to_string();
            match text.strip_prefix("failed to lookup address information: ") {
                Some(cause) => NetworkCause::Dns(cause.to_owned()),
                None => NetworkCause::Other(text),
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
