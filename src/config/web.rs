//! Sections `[web]` and `[login]` of the configuration: where the web pages are, and how people log in there.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use super::fold::{Folding, plain};
use super::value::{self, Parsed, Value};

/// Section `[web]`.
#[derive(Debug, Clone)]
pub struct Web {
    /// How browsers reach this server; `None`: there are no web pages.
    pub url: Option<WebUrl>,
    /// The prefix of the routes, without a slash at its end.
    pub path: String,
    /// Files that the console asks for at the root of the domain.
    pub verify_files: Vec<VerifyFile>,
    /// Requests a second that one address may make.
    pub rate: u32,
}

/// Scheme, host and, where it must be, a port: the origin of all our web addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    /// `https`, or `http` for this machine only.
    pub is_https: bool,
    /// The host in lower case, without a port; an IPv6 address between `[` and `]`.
    pub host: String,
    /// As it stands in `Origin`: without a slash at its end, and without the usual port of the scheme.
    pub origin: String,
}

/// A file that the console asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFile {
    /// Its name, which is its path on the web, too.
    pub name: String,
    /// What is in it.
    pub content: String,
}

/// Section `[login]`.
#[derive(Debug, Clone)]
pub struct Login {
    /// How people may log in.
    pub methods: Methods,
    /// How long a session lives.
    pub session: Duration,
    /// What a person types before the code.
    pub word: String,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// By the platform's web page authorization, inside WeChat.
    OAuth,
    /// By a scanned QR code or a typed code.
    Scan,
}

impl Method {
    /// All of them, in the order of the documentation.
    pub const ALL: [Method; 2] = [Method::OAuth, Method::Scan];

    /// Its name in the configuration, in the store and in headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::OAuth => "oauth",
            Method::Scan => "scan",
        }
    }
}

/// A choice of ways to log in; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods {
    /// [`Method::OAuth`] is among them.
    pub oauth: bool,
    /// [`Method::Scan`] is among them.
    pub scan: bool,
}

impl Methods {
    /// Every way.
    pub const ALL: Methods = Methods {
        oauth: true,
        scan: true,
    };

    /// Whether this one is among them.
    #[must_use]
    pub const fn include(self, method: Method) -> bool {
        match method {
            Method::OAuth => self.oauth,
            Method::Scan => self.scan,
        }
    }
}

impl WebUrl {
    /// An address such as `https://example.com` or `http://localhost:8080`. A slash at its end, the usual port and capital
    /// letters are taken out.
    ///
    /// # Errors
    /// Says what is wrong, without a user part.
    pub fn parse(text: &str) -> Result<WebUrl, String> {
        const SUCH_AS: &str = "such as \"https://example.com\"";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("has no scheme; it begins with https://, {SUCH_AS}"));
        };
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => {
                return Err(format!(
                    "is no web address; it begins with https://, {SUCH_AS}"
                ));
            }
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(
                "has a user part; leave out what is before the host, with the @".to_owned(),
            );
        }
        if !matches!(path, "" | "/") {
            return Err(format!(
                "has {path:?} after the host; leave that out: the prefix of the routes is web.path"
            ));
        }
        let (host, port) = split_port(authority)?;
        let host = read_host(host)?;
        if !is_https && !is_loopback(&host) {
            return Err(format!(
                "is http://, which is for this machine only (localhost, 127.0.0.1, [::1]); anybody on the way could read the cookie of a session: write \"https://{authority}\""
            ));
        }
        let scheme = if is_https { "https" } else { "http" };
        let usual = usual_port(is_https);
        let port = port.filter(|port| *port != usual);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Ok(WebUrl {
            is_https,
            origin: format!("{scheme}://{host}{port}"),
            host,
        })
    }

    /// The port, if it is not the usual one of the scheme.
    #[must_use]
    pub fn unusual_port(&self) -> Option<u16> {
        let (_, port) = self.origin.rsplit_once(':')?;
        port.parse().ok()
    }

    /// The port, be it the usual one or not.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.unusual_port().unwrap_or(usual_port(self.is_https))
    }
}

/// The port that browsers leave out.
const fn usual_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// The host and the port of `example.com:8443` or `[::1]:8080`.
fn split_port(authority: &str) -> Parsed<(&str, Option<u16>)> {
    let host_ends = match authority.starts_with('[') {
        true => authority.find(']').map_or(authority.len(), |at| at + 1),
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_ends);
    if port.is_empty() {
        return Ok((host, None));
    }
    let number = port
        .strip_prefix(':')
        .filter(|digits| digits.len() <= 5 && digits.bytes().all(|digit| digit.is_ascii_digit()));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(port) if port > 0 => Ok((host, Some(port))),
        Some(_) | None => Err(format!(
            "{port:?} is no port; it is : and a number up to 65535, and an IPv6 address goes between [ and ]"
        )),
    }
}

/// A host in the form in which browsers name it.
fn read_host(text: &str) -> Parsed<String> {
    let host = text.to_ascii_lowercase();
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|text| text.parse().ok());
        return match address {
            Some(address @ Ipv6Addr { .. }) => Ok(format!("[{address}]")),
            None => Err(format!("{text:?} is no IPv6 address")),
        };
    }
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    if !host.is_ascii() {
        return Err(format!(
            "{text:?} is not in the form that browsers send; write it in ASCII, as xn--…"
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label that begins with a digit makes browsers read all of it as an address.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    let is_host = match is_number {
        true => host.parse::<Ipv4Addr>().is_ok(),
        false => host.len() <= 253 && host.split('.').all(is_label),
    };
    match is_host {
        true => Ok(host),
        false => Err(format!("{text:?} is no host, such as \"example.com\"")),
    }
}

/// Whether a host can only be this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<Ipv4Addr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || address.is_ok_and(|address| address.is_loopback())
}

/// The value of `web.url`.
pub(super) fn url(value: &Value) -> Parsed<WebUrl> {
    WebUrl::parse(&value::string(value)?)
}

/// The value of `web.path`.
pub(super) fn path(value: &Value) -> Parsed<String> {
    prefix(&value::string(value)?)
}

/// A prefix for routes, without a slash at its end.
pub(super) fn prefix(text: &str) -> Parsed<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(plain) && part != "." && part != "..";
    let path = text.strip_suffix('/').unwrap_or(text);
    let parts = path.strip_prefix('/').filter(|_| path.len() <= 128);
    match parts {
        Some(parts) if parts.split('/').all(is_part) => Ok(path.to_owned()),
        Some(_) | None => Err(format!(
            "{text:?} is no prefix for routes; write / and a word such as \"/wx\": letters, digits and -_.~"
        )),
    }
}

/// A list of ways to log in.
pub(super) fn methods(value: &Value) -> Parsed<Methods> {
    let known = Method::ALL.map(|method| (method.name(), method));
    let mut methods = Methods {
        oauth: false,
        scan: false,
    };
    for text in value::one_or_more(value)? {
        match value::one_of(&text, &known, "a way to log in")? {
            Method::OAuth => methods.oauth = true,
            Method::Scan => methods.scan = true,
        }
    }
    Ok(methods)
}

/// The value of `login.word`.
pub(super) fn word(value: &Value) -> Parsed<String> {
    let text = value::string(value)?;
    value::no_control(&text, &[])?;
    let text = text.trim();
    match plain(text, Folding::Text).chars().count() {
        0 => Err("cannot be empty: a code alone could be any text".to_owned()),
        1..=20 => Ok(text.to_owned()),
        _ => Err("has more than 20 characters; people have to type it".to_owned()),
    }
}

impl VerifyFile {
    /// Its path on the web.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// The largest one, in bytes.
    const MOST: u64 = 64 << 10;

    /// Reads the file of this name in `folder`.
    pub(super) fn read(folder: &Path, name: &str) -> Parsed<VerifyFile> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let stem = name.strip_suffix(".txt").unwrap_or_default();
        if !(1..=64).contains(&stem.len()) || !stem.bytes().all(plain) {
            return Err(format!(
                "{name:?} is no name as the console gives it: letters, digits and _ with .txt, such as \"MP_verify_aBcD1234.txt\", and no folder"
            ));
        }
        let file = folder.join(name);
        let shown = file.display();
        let metadata = fs::metadata(&file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                format!("there is no {shown}; download it in the console and put it there")
            }
            _ => format!("{shown} cannot be read: {error}"),
        })?;
        if !metadata.is_file() {
            return Err(format!("{shown} is no file"));
        }
        let mut bytes = Vec::new();
        let read = File::open(&file)
            .and_then(|file| file.take(VerifyFile::MOST + 1).read_to_end(&mut bytes));
        let read = read.map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let content = String::from_utf8(bytes).ok().filter(|text| {
            read as u64 <= VerifyFile::MOST && value::no_control(text, &['\n', '\r', '\t']).is_ok()
        });
        match content {
            Some(content) => Ok(VerifyFile {
                name: name.to_owned(),
                content,
            }),
            None => Err(format!(
                "{shown} is not the console's: that is a line of text, and at most 64 KiB"
            )),
        }
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl Default for Web {
    fn default() -> Web {
        Web {
            url: None,
            path: "/wx".to_owned(),
            verify_files: Vec::new(),
            rate: 10,
        }
    }
}

impl Default for Login {
    fn default() -> Login {
        Login {
            methods: Methods::ALL,
            session: Duration::from_secs(7 * 24 * 3600),
            word: "登录".to_owned(),
        }
    }
}
