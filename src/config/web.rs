//! Sections `[web]` and `[login]` and the `[[gate]]`s of the configuration: who may pass on the owner's web pages, and how
//! people log in there.

use std::fmt;
use std::time::Duration;

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
    /// The host in lower case, without a port.
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

/// One gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its name, which stands in paths.
    pub name: String,
    /// Line of its first key in the file, counted from 1; 0 for the gate that is there without any `[[gate]]`.
    pub line: usize,
    /// Who may pass.
    pub who: Who,
    /// How the person must have logged in; `None`: in any way.
    pub methods: Option<Methods>,
    /// How long ago the log-in may be at most.
    pub max_age: Option<Duration>,
}

/// Who may pass a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Any user of WeChat.
    Anyone,
    /// Followers.
    Followers,
    /// Followers with the tag of this name.
    Tag(String),
    /// These openids.
    Listed(Vec<String>),
}

impl Gate {
    /// The gate that is there where the configuration has none.
    #[must_use]
    pub fn default_gate() -> Gate {
        Gate {
            name: "default".to_owned(),
            line: 0,
            who: Who::Followers,
            methods: None,
            max_age: None,
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
