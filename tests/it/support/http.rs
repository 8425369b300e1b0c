//! A small raw HTTP/1.1 client over TCP or a Unix socket. It can send any bytes, also in pieces, and reads whole
//! responses without repairing anything.

use super::Log;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// Headers in addition to `Connection`, `Content-Length` and, where it is not among them, `Host`.
    pub headers: Vec<(String, String)>,
    /// Sent with its `Content-Length` if it is not empty or the method is POST.
    pub body: Vec<u8>,
    /// `Connection: keep-alive` instead of `close`.
    pub keep_alive: bool,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            keep_alive: false,
        }
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// It has a header of this name, written like this.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }

    /// Keeps the connection open for another request.
    pub fn keep_alive(mut self) -> Self {
        self.keep_alive = true;
        self
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let connection = if self.keep_alive {
            "keep-alive"
        } else {
            "close"
        };
        let host = match self.has("Host") {
            true => "",
            false => "Host: wechat.example\r\n",
        };
        let mut head = format!(
            "{} {} HTTP/1.1\r\n{host}Connection: {connection}\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !self.body.is_empty() || self.method == "POST" {
            write!(head, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection to a server.
pub struct Wire {
    stream: Stream,
    buffered: Vec<u8>,
    until: Option<Instant>,
}

impl Wire {
    /// Connects; reads time out after 20 s so that a silent server fails the test instead of hanging it.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let patience = Some(Duration::from_secs(20));
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(patience)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(patience)?;
                Stream::Unix(stream)
            }
        };
        Ok(Self {
            stream,
            buffered: Vec::new(),
            until: None,
        })
    }

    /// Reads nothing that comes after this time.
    pub fn give_up_at(&mut self, time: Instant) {
        self.until = Some(time);
    }

    /// Sends these bytes at once.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Sends these bytes, `piece` at a time, each piece in a separate packet.
    pub fn send_in_pieces(&mut self, bytes: &[u8], piece: usize) -> io::Result<()> {
        for chunk in bytes.chunks(piece) {
            self.send(chunk)?;
            std::thread::yield_now();
        }
        Ok(())
    }

    /// True if the server has closed the connection; waits up to 20 s for data or the end.
    pub fn is_closed_by_server(&mut self) -> bool {
        match self.fill() {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 8192];
        let read = loop {
            if let Some(until) = self.until {
                self.wait_until(until)?;
            }
            let read = match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut chunk),
                Stream::Unix(stream) => stream.read(&mut chunk),
            };
            match read {
                // After the machine was suspended; only sockets with a timeout report it.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was less than the time until then.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.until.is_some() => {
                }
                read => break read?,
            }
        };
        self.buffered.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    /// Lets the next read end before this time. A socket may wait for an eighth more than it is told to, so it is told
    /// less, again and again.
    fn wait_until(&self, time: Instant) -> io::Result<()> {
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let some = (left * 7 / 8).max(Duration::from_millis(1));
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(some)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(some)),
        }
    }

    fn fill_to(&mut self, length: usize) -> Result<(), String> {
        while self.buffered.len() < length {
            match self.fill() {
                Ok(0) => return Err(format!("closed after {} bytes", self.buffered.len())),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Reads one whole response; what follows it stays for the next call.
    pub fn response(&mut self) -> Result<Response, String> {
        self.response_to("GET")
    }

    /// The same for a request with this method.
    pub fn response_to(&mut self, method: &str) -> Result<Response, String> {
        let head_end = loop {
            if let Some(at) = find(&self.buffered, b"\r\n\r\n") {
                break at;
            }
            let have = self.buffered.len();
            self.fill_to(have + 1)
                .map_err(|error| format!("no whole head: {error}"))?;
        };
        let head = String::from_utf8(self.buffered[..head_end].to_vec())
            .map_err(|_| "head is not UTF-8".to_owned())?;
        self.buffered.drain(..head_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| format!("no status in {head:?}"))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let is_empty = matches!(status, 100 | 204 | 304) || method == "HEAD";
        let body = if is_empty {
            Vec::new()
        } else if let Some(length) = header("content-length") {
            let length = length
                .parse()
                .map_err(|_| format!("Content-Length {length:?}"))?;
            self.fill_to(length)?;
            self.buffered.drain(..length).collect()
        } else if header("transfer-encoding").is_some() {
            self.chunked()?
        } else {
            while self.fill().map_err(|error| error.to_string())? > 0 {}
            std::mem::take(&mut self.buffered)
        };
        Ok(Response {
            status,
            headers,
            body,
        })
    }

    fn chunked(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = find(&self.buffered, b"\r\n") {
                    break at;
                }
                let have = self.buffered.len();
                self.fill_to(have + 1)?;
            };
            let size = String::from_utf8_lossy(&self.buffered[..line_end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16)
                .map_err(|_| format!("chunk size {size:?}"))?;
            self.buffered.drain(..line_end + 2);
            self.fill_to(size + 2)?;
            body.extend(self.buffered.drain(..size));
            self.buffered.drain(..2);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|part| part == needle)
}

/// A response as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// Without chunk framing.
    pub body: Vec<u8>,
}

/// A response together with its request and the log, so that a failing check can show everything.
#[derive(Clone)]
pub struct Answer {
    /// The response.
    pub response: Response,
    /// Time from the first byte sent to the last received.
    pub took: Duration,
    request: String,
    log: Log,
}

/// Sends `request` over a new connection and reads its answer.
#[track_caller]
pub fn exchange(address: &Address, request: &Request, log: &Log) -> Answer {
    let bytes = request.bytes();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let started = Instant::now();
    let mut wire = Wire::connect(address)
        .unwrap_or_else(|error| panic!("cannot connect to {address:?}: {error}\n{log}"));
    // A server may answer and close before it has read everything (413); only the answer matters.
    let sent = wire.send(&bytes);
    match wire.response_to(&request.method) {
        Ok(response) => Answer {
            response,
            took: started.elapsed(),
            request: shown,
            log: log.clone(),
        },
        Err(error) => panic!("no answer ({error}; sending: {sent:?}) to\n{shown}\n{log}"),
    }
}

impl Answer {
    /// Makes an answer of a response that did not come from [`exchange`].
    pub fn new(response: Response, request: &Request, log: &Log) -> Self {
        Self {
            response,
            took: Duration::ZERO,
            request: String::from_utf8_lossy(&request.bytes()).into_owned(),
            log: log.clone(),
        }
    }

    /// The body as text.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.response.body).into_owned()
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body()).unwrap_or_else(|_| panic!("{}", self.explained("JSON")))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.response.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Panics with everything known about the answer if `holds` is false.
    #[track_caller]
    pub fn expect(&self, holds: bool, expected: &str) -> &Self {
        assert!(holds, "{}", self.explained(expected));
        self
    }

    /// Everything known about an answer that is not as expected.
    pub fn explained(&self, expected: &str) -> String {
        format!(
            "--- request ---\n{}\n--- expected ---\n{expected}\n--- got ---\n{} {:?}\n{}\n{}",
            self.request,
            self.response.status,
            self.response.headers,
            self.body(),
            self.log
        )
    }

    /// The same answer with the decrypted reply as its body.
    pub fn opened(&self, reply: Vec<u8>) -> Self {
        let mut opened = self.clone();
        opened.response.body = reply;
        let headers = &mut opened.response.headers;
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".into(), "text/xml, decrypted".into()));
        opened
    }

    /// It has this status.
    #[track_caller]
    pub fn is_status(&self, status: u16) -> &Self {
        self.expect(self.response.status == status, &format!("status {status}"))
    }

    /// It has this status and exactly this body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) -> &Self {
        self.is_status(status);
        self.expect(
            self.response.body == body.as_bytes(),
            &format!("body {body:?}"),
        )
    }

    /// This header contains `part`.
    #[track_caller]
    pub fn has_header(&self, name: &str, part: &str) -> &Self {
        let holds = self.header(name).is_some_and(|value| value.contains(part));
        self.expect(holds, &format!("header {name} with {part:?}"))
    }

    /// It is `success`, without a reply.
    #[track_caller]
    pub fn is_success(&self) -> &Self {
        self.is(200, "success")
            .has_header("content-type", "text/plain")
    }

    /// It is the refusal of a request with a bad signature.
    #[track_caller]
    pub fn is_refused(&self) -> &Self {
        self.is(403, "Bad Token!")
    }

    /// It is a text reply with exactly this `Content`.
    #[track_caller]
    pub fn is_text(&self, content: &str) -> &Self {
        let reply = self.reply();
        self.expect(
            reply.msg_type == "text" && reply.content == content,
            &format!("a text reply {content:?}"),
        )
    }

    /// The passive reply in the body.
    #[track_caller]
    pub fn reply(&self) -> Reply {
        self.is_status(200).has_header("content-type", "xml");
        match Reply::parse(&self.response.body) {
            Ok(reply) => reply,
            Err(error) => {
                self.expect(false, &format!("a reply in XML: {error}"));
                unreachable!()
            }
        }
    }
}

/// A passive reply, parsed independently of the program under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `ToUserName`.
    pub to: String,
    /// `FromUserName`.
    pub from: String,
    /// `CreateTime`, as text.
    pub created: String,
    /// `MsgType`.
    pub msg_type: String,
    /// `Content`; empty if there is none.
    pub content: String,
}

impl Reply {
    /// Parses the XML of a reply.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let root = xmltree::Element::parse(body).map_err(|error| error.to_string())?;
        if root.name != "xml" {
            return Err(format!("the root is <{}>", root.name));
        }
        let text = |name: &str| {
            let child = root.get_child(name);
            child
                .and_then(xmltree::Element::get_text)
                .map(|text| text.into_owned())
        };
        let needed = |name: &str| text(name).ok_or_else(|| format!("<{name}> is missing"));
        Ok(Self {
            to: needed("ToUserName")?,
            from: needed("FromUserName")?,
            created: needed("CreateTime")?,
            msg_type: needed("MsgType")?,
            content: text("Content").unwrap_or_default(),
        })
    }
}

/// Accepts one connection, answers `success`, and returns what was received, to see what a command sends.
pub fn receive_one() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/wechat", listener.local_addr().unwrap());
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        let mut chunk = [0; 8192];
        loop {
            let read = stream.read(&mut chunk).unwrap();
            received.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&received).into_owned();
            let length = |head: &str| -> Option<usize> {
                let line = head
                    .lines()
                    .find(|line| line.to_lowercase().starts_with("content-length:"))?;
                line.split_once(':')?.1.trim().parse().ok()
            };
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                length(head).is_some_and(|length| body.len() >= length)
            });
            if whole || read == 0 {
                stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nsuccess",
                    )
                    .unwrap();
                return text;
            }
        }
    });
    (url, receiver)
}
