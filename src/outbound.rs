//! HTTP requests to other servers: connections, trusted roots, limits, errors.
//!
//! Proxies from the environment are not used: the platform answers only addresses listed in the console, and the program
//! must not depend on the shell it was started from.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout};

use crate::byte_order_mark;

/// The limit for connecting, and also for looking up the name before it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Unused connections that are kept, unless told otherwise.
const IDLE: usize = 8;

/// Pooled connections, with the same roots for all servers.
pub(crate) struct Outbound {
    agent: ureq::Agent,
}

/// A request: a GET, or a POST if it has a body.
pub(crate) struct Request<'a> {
    /// An `http://` or `https://` URL.
    pub url: &'a str,
    /// Further query parameters, not yet percent-encoded.
    pub query: Vec<(&'a str, &'a str)>,
    /// More headers, each of visible ASCII.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The content type and the bytes of a POST.
    pub body: Option<(&'a str, &'a [u8])>,
    /// For the whole exchange, from looking up the name to the last byte of the answer.
    pub timeout: Duration,
    /// How many redirects are followed; one more is an error. If 0, a redirect is an answer.
    pub redirects: u32,
}

/// An answer of any status; its body has not been read yet.
pub(crate) struct Response {
    timeout: Duration,
    response: ureq::http::Response<ureq::Body>,
}

/// The body of an answer, being received.
pub(crate) struct Body {
    timeout: Duration,
    reader: ureq::BodyReader<'static>,
}

/// The trusted roots cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustError(String);

/// Why there is no usable answer. Its text contains no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundError {
    /// The URL cannot be used; nothing was sent.
    Address,
    /// No answer came, or not all of it.
    Network(NetworkCause),
    /// What came is not an HTTP answer; the text says why.
    Answer(String),
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkCause {
    /// Nothing, or not all, came within this many milliseconds.
    Timeout(u64),
    /// The connection could not be made in time.
    ConnectTimeout,
    /// The host's name has no address.
    Dns(String),
    /// The certificate or the handshake was refused.
    Tls(String),
    /// Nobody listens there.
    Refused,
    /// No connection for another reason, or it was cut before the request was sent.
    Unreachable(String),
    /// The connection ended before the answer did.
    Closed,
    /// Anything else the system reports.
    Other(String),
}

impl Outbound {
    /// Trusts only the roots in the PEM file that the environment variable `SSL_CERT_FILE` names. If it is unset or
    /// empty, trusts the web's roots that were built in. Does not connect yet.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new() -> Result<Outbound, TrustError> {
        Outbound::with_idle(IDLE)
    }

    /// Like [`Outbound::new`]; keeps up to `idle` unused connections for the next requests.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn with_idle(idle: usize) -> Result<Outbound, TrustError> {
        Outbound::build(std::env::var_os("SSL_CERT_FILE").as_deref(), idle)
    }

    /// Like [`Outbound::new`], with the value of `SSL_CERT_FILE`.
    #[cfg(test)]
    pub(crate) fn trusting(cert_file: Option<&OsStr>) -> Result<Outbound, TrustError> {
        Outbound::build(cert_file, IDLE)
    }

    fn build(cert_file: Option<&OsStr>, idle: usize) -> Result<Outbound, TrustError> {
        let roots = match cert_file.filter(|file| !file.is_empty()) {
            Some(file) => read_roots(Path::new(file))?,
            None => RootCerts::WebPki,
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .proxy(None)
            .user_agent(concat!("wechatd/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let connector = Connecting(DefaultConnector::default());
        let resolver = Lookups::default();
        Ok(Outbound {
            agent: ureq::Agent::with_parts(config, connector, resolver),
        })
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// When none comes.
    pub fn send(&self, request: &Request) -> Result<Response, OutboundError> {
        let answer = match request.body {
            None => prepared(self.agent.get(request.url), request).call(),
            Some((content_type, bytes)) => prepared(self.agent.post(request.url), request)
                .content_type(content_type)
                .send(bytes),
        };
        let timeout = request.timeout;
        answer
            .map(|response| Response { timeout, response })
            .map_err(|error| failed(error, timeout))
    }
}

fn prepared<B>(builder: ureq::RequestBuilder<B>, request: &Request) -> ureq::RequestBuilder<B> {
    let connecting = Some(CONNECT_TIMEOUT.min(request.timeout));
    let headers = request.headers.iter();
    headers
        .fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        })
        .query_pairs(request.query.iter().copied())
        .config()
        .timeout_global(Some(request.timeout))
        .timeout_resolve(connecting)
        .timeout_connect(connecting)
        .max_redirects(request.redirects)
        .build()
}

impl OutboundError {
    /// Not the whole answer came within this time.
    pub(crate) fn timeout(timeout: Duration) -> OutboundError {
        OutboundError::Network(NetworkCause::Timeout(millis(timeout)))
    }
}

impl Response {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The standard reason phrase of the status.
    pub fn reason(&self) -> &'static str {
        let status = self.response.status();
        status.canonical_reason().unwrap_or_default()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The body, to be read.
    pub fn into_body(self) -> Body {
        Body {
            timeout: self.timeout,
            reader: self.response.into_body().into_reader(),
        }
    }
}

impl Body {
    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// When the rest does not come.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, OutboundError> {
        let read = self.reader.read(buffer);
        read.map_err(|error| failed(error.into(), self.timeout))
    }

    /// Appends the rest of the body, at most `most` bytes.
    ///
    /// # Errors
    /// When the rest does not come.
    pub fn read_rest(&mut self, most: u64, to: &mut Vec<u8>) -> Result<(), OutboundError> {
        match self.reader.by_ref().take(most).read_to_end(to) {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(error.into(), self.timeout)),
        }
    }
}

/// The host of an `http://` or `https://` URL; `None` if it is not one.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let url = url.parse::<Uri>().ok()?;
    let host = url.host().filter(|host| !host.is_empty())?;
    matches!(url.scheme_str(), Some("http" | "https")).then(|| host.to_owned())
}

fn read_roots(file: &Path) -> Result<RootCerts, TrustError> {
    let refused =
        |cause: &str| TrustError(format!("SSL_CERT_FILE names {}: {cause}", file.display()));
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

/// How long the addresses of a name are used again.
const LOOKED_UP: Duration = Duration::from_secs(10);

/// Looks up names as the default resolver does, which starts a thread for each: so not for an address, and for a name
/// not with every request. Names come from the configuration, so there are few.
#[derive(Debug, Default)]
struct Lookups {
    default: DefaultResolver,
    known: Mutex<HashMap<Authority, (Instant, Vec<SocketAddr>)>>,
}

impl Lookups {
    fn known(&self, authority: &Authority) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, addresses) = known.get(authority)?;
        (at.elapsed() < LOOKED_UP).then(|| addresses.clone())
    }
}

impl Resolver for Lookups {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(authority) = uri.authority() else {
            return self.default.resolve(uri, config, timeout);
        };
        let addresses = address_in(uri).map(|address| vec![address]);
        if let Some(addresses) = addresses.or_else(|| self.known(authority)) {
            let mut found = self.default.empty();
            addresses
                .into_iter()
                .for_each(|address| found.push(address));
            return Ok(found);
        }
        let found = self.default.resolve(uri, config, timeout)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(authority.clone(), (Instant::now(), found.to_vec()));
        Ok(found)
    }
}

/// The address in a URL that has one instead of a name.
fn address_in(uri: &Uri) -> Option<SocketAddr> {
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("https")) => 443,
        (None, _) => 80,
    };
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse().ok()?, port))
}

/// The default connector; marks errors that come before there is a connection, when no request was sent.
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

/// Why there was no connection, in our own words.
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
        // The others belong to features and settings that are not used here.
        _ => NetworkCause::Unreachable("connecting failed".to_owned()),
    }
}

/// The error in our own words: the HTTP crate's texts may contain URLs.
fn failed(error: ureq::Error, timeout: Duration) -> OutboundError {
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
            return OutboundError::Answer("it is no HTTP/1.1".to_owned());
        }
        ureq::Error::LargeResponseHeader(_, limit) => {
            let cause = format!("its head is longer than {} KiB", limit >> 10);
            return OutboundError::Answer(cause);
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            return OutboundError::Address;
        }
        // The others belong to features and settings that are not used here.
        _ => NetworkCause::Other("the exchange failed".to_owned()),
    };
    OutboundError::Network(cause)
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

impl fmt::Display for NetworkCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkCause::Timeout(millis) => {
                write!(f, "no whole answer within {}", Seconds(*millis))
            }
            NetworkCause::ConnectTimeout => f.write_str("no connection in time"),
            NetworkCause::Dns(cause) => {
                write!(f, "the name has no address ({cause})")
            }
            NetworkCause::Tls(cause) => write!(f, "no trusted connection ({cause})"),
            NetworkCause::Unreachable(cause) => write!(f, "no connection ({cause})"),
            NetworkCause::Refused => f.write_str("connection refused"),
            NetworkCause::Closed => f.write_str("the connection ended before the answer did"),
            NetworkCause::Other(cause) => f.write_str(cause),
        }
    }
}

/// Milliseconds, shown as seconds without needless digits.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (whole, 0) => write!(f, "{whole} s"),
            (_, _) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutboundError::Address => f.write_str("the address cannot be used"),
            OutboundError::Network(cause) => cause.fmt(f),
            OutboundError::Answer(cause) => write!(f, "the answer cannot be used: {cause}"),
        }
    }
}

impl std::error::Error for OutboundError {}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trusted roots: {}", self.0)
    }
}

impl std::error::Error for TrustError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_url_is_not_looked_up() {
        for (url, address) in [
            ("http://127.0.0.1:9000/x", Some("127.0.0.1:9000")),
            ("http://127.0.0.1", Some("127.0.0.1:80")),
            ("https://[::1]/x?y", Some("[::1]:443")),
            ("https://[::1]:8443", Some("[::1]:8443")),
            ("http://localhost:9000", None),
            ("https://1.example.com", None),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(address_in(&url.parse().unwrap()), address, "{url}");
        }
    }

    #[test]
    fn a_name_is_looked_up_once_for_a_while() {
        let lookups = Lookups::default();
        let uri: Uri = "http://localhost:9000/x".parse().unwrap();
        let authority = uri.authority().unwrap();
        assert_eq!(lookups.known(authority), None);
        let look = || {
            let config = ureq::Agent::config_builder().build();
            lookups
                .resolve(&uri, &config, NextTimeout::default())
                .unwrap()
                .to_vec()
        };
        let found = look();
        assert_eq!(lookups.known(authority), Some(found.clone()));
        let other: SocketAddr = "192.0.2.1:9000".parse().unwrap();
        let mut known = lookups.known.lock().unwrap();
        known.get_mut(authority).unwrap().1 = vec![other];
        drop(known);
        assert_eq!(look(), [other]);
        let begun = Instant::now().checked_sub(LOOKED_UP).unwrap();
        lookups.known.lock().unwrap().get_mut(authority).unwrap().0 = begun;
        assert_eq!(look(), found);
    }
}
