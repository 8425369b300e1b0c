//! One HTTP/1.1 request of `simulate` to the owner's server, over TCP or its Unix socket, or by HTTPS to its public address.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::config::Listen;
use crate::outbound::{NetworkCause, Outbound, OutboundError, Request};
use crate::server::FORWARDED_HEADER;

/// The largest answer that is read, in bytes: more than any answer of the server.
const MAX_ANSWER: usize = 4 << 20;

/// How to reach the server.
#[derive(Debug, Clone)]
pub enum Target {
    Tcp {
        host: String,
    },
    Unix(PathBuf),
    /// A host, with or without a port.
    Tls {
        host: String,
    },
}

/// The server's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub body: Vec<u8>,
}

impl Target {
    /// How to reach a server with this configuration from this machine.
    pub fn of(listen: &Listen) -> Target {
        match listen {
            Listen::Unix(path) => Target::Unix(path.clone()),
            Listen::Tcp(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
                    ip => ip,
                };
                Target::Tcp {
                    host: SocketAddr::new(ip, address.port()).to_string(),
                }
            }
        }
    }

    /// The name of the target's host, unless it is this machine.
    pub fn elsewhere(&self) -> Option<&str> {
        let host = match self {
            Target::Tcp { host } => host,
            Target::Tls { host } => return Some(host),
            Target::Unix(_) => return None,
        };
        let name = host.rsplit_once(':').map_or(&**host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse();
        let here = name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address: IpAddr| address.is_loopback());
        (!here).then_some(name)
    }

    /// Splits `http://host[:port]/path` or `https://host[:port]/path` into the target and the path.
    pub fn of_url(url: &str) -> Option<(Target, String)> {
        let (tls, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if host.is_empty() || url.contains(['#', '@']) {
            return None;
        }
        if tls {
            let host = host.to_owned();
            return Some((Target::Tls { host }, path.to_owned()));
        }
        let host = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        Some((Target::Tcp { host }, path.to_owned()))
    }

    /// Sends one request and reads the whole answer, all of it within `wait`. `client` is named in `X-Forwarded-For`, as
    /// by a proxy.
    ///
    /// # Errors
    /// `TimedOut` if the whole answer did not come in time, `UnexpectedEof` or `ConnectionReset` if the connection was
    /// closed without any, others if there is no connection or what came is no answer.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        client: Option<IpAddr>,
        body: &[u8],
        wait: Duration,
    ) -> io::Result<Answer> {
        let until = Instant::now() + wait;
        let (mut stream, host): (Box<dyn Stream>, &str) = match self {
            Target::Tcp { host } => (Box::new(connect(host, wait)?), host),
            Target::Unix(path) => (Box::new(UnixStream::connect(path)?), "localhost"),
            Target::Tls { host } => {
                return send_by_tls(&format!("https://{host}{target}"), body, wait);
            }
        };
        let forwarded = client.map(|address| format!("{FORWARDED_HEADER}: {address}\r\n"));
        let forwarded = forwarded.unwrap_or_default();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{forwarded}User-Agent: Mozilla/4.0\r\nAccept: */*\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let bytes = exchange(&mut *stream, &[head.as_bytes(), body].concat(), until);
        let bytes = bytes.map_err(|error| match error.kind() {
            // `WouldBlock` is of a write.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => nothing_within(wait),
            _ => error,
        })?;
        if bytes.is_empty() {
            let kind = ErrorKind::UnexpectedEof;
            return Err(io::Error::new(
                kind,
                "the connection was closed without an answer",
            ));
        }
        parse(&bytes).ok_or_else(|| {
            io::Error::new(
                ErrorKind::InvalidData,
                "what answers there does not speak HTTP",
            )
        })
    }
}

/// Sends `request` and reads what comes until the other side closes.
fn exchange(stream: &mut dyn Stream, request: &[u8], until: Instant) -> io::Result<Vec<u8>> {
    stream.wait_until(until)?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    while bytes.len() < MAX_ANSWER {
        stream.wait_until(until)?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            // A time limit of the socket ends before `until`, which is looked at again.
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn nothing_within(wait: Duration) -> io::Error {
    let text = format!("nothing came within {} s", wait.as_secs());
    io::Error::new(ErrorKind::TimedOut, text)
}

/// Sends a GET if there is no body, else a POST. The client is not named, as a proxy sees that itself.
fn send_by_tls(url: &str, body: &[u8], wait: Duration) -> io::Result<Answer> {
    let no_answer = |error| no_answer(error, wait);
    let body = (!body.is_empty()).then_some(("text/xml", body));
    let response = Outbound::new()
        .map_err(io::Error::other)?
        .send(&Request {
            url,
            query: Vec::new(),
            headers: Vec::new(),
            body,
            timeout: wait,
            redirects: 0,
        })
        .map_err(no_answer)?;
    let redirect = response.header("location").map(|place| {
        format!("it redirects to {place}; WeChat does not follow, enter that address")
    });
    let mut answer = Answer {
        status: response.status(),
        reason: response.reason().to_owned(),
        body: Vec::new(),
    };
    match redirect {
        Some(redirect) => answer.body = redirect.into_bytes(),
        None => response
            .into_body()
            .read_rest(MAX_ANSWER as u64, &mut answer.body)
            .map_err(no_answer)?,
    }
    Ok(answer)
}

fn no_answer(error: OutboundError, wait: Duration) -> io::Error {
    let cause = match error {
        OutboundError::Network(cause) => cause,
        OutboundError::Address | OutboundError::Answer(_) => return io::Error::other(error),
    };
    match cause {
        NetworkCause::Timeout(_) => nothing_within(wait),
        NetworkCause::ConnectTimeout => {
            io::Error::other("no connection in time: is the port open in the firewall?")
        }
        NetworkCause::Dns(_) => {
            io::Error::other("the name has no address: enter it at your DNS provider")
        }
        NetworkCause::Tls(why) => io::Error::other(match why.contains("certificate") {
            true => {
                format!("its certificate is not good ({why}); WeChat does not take it either")
            }
            false => format!("no TLS there ({why}): is this the port for http://?"),
        }),
        NetworkCause::Refused => ErrorKind::ConnectionRefused.into(),
        NetworkCause::Closed => ErrorKind::ConnectionReset.into(),
        NetworkCause::Unreachable(why) | NetworkCause::Other(why) => io::Error::other(why),
    }
}

trait Stream: Read + Write {
    /// Lets reads and writes end at this time.
    fn wait_until(&self, time: Instant) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn wait_until(&self, time: Instant) -> io::Result<()> {
        let left = Some(left(time)?);
        self.set_read_timeout(left)?;
        self.set_write_timeout(left)
    }
}

impl Stream for UnixStream {
    fn wait_until(&self, time: Instant) -> io::Result<()> {
        let left = Some(left(time)?);
        self.set_read_timeout(left)?;
        self.set_write_timeout(left)
    }
}

/// How long a socket may wait: most of the time until then, as it may wait for an eighth more than it is told to.
fn left(time: Instant) -> io::Result<Duration> {
    match time.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok((left * 7 / 8).max(Duration::from_millis(1))),
    }
}

fn connect(host: &str, wait: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, wait) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).ok()? else {
        return None;
    };
    Some(Answer {
        status: response.code?,
        reason: response.reason.unwrap_or_default().to_owned(),
        body: bytes.get(head..)?.to_vec(),
    })
}
