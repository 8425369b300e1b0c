//! `wechatd proxy`: prints the configuration of a reverse proxy that lets only those pass whom a gate admits.

use ipnet::IpNet;

use super::input::find_named;
use super::simulate::Target;
use super::terminal::{Failure, Output};
use crate::config::{Config, Gate, VerifyFile, WebUrl};
use crate::login::gate::HEADERS;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd proxy nginx > /etc/nginx/conf.d/example.com.conf
  wechatd proxy caddy --gate members

Enter your app and, for nginx, your certificate. Print it again after you change server.listen, server.path, web.url, web.path, admin.listen, admin.url or the gate's name. The operator's page is in it where admin.listen is set and admin.url has the origin of web.url. The one for Traefik has not been tried with a real Traefik.

These routes are wechatd's, below web.path; without a name of a gate it is the first one:

  GET /wx/auth/GATE   whether this visitor may pass, for nginx: 200 with the
                      headers, 401 with the log-in in X-WeChat-Login, or 403
  GET /wx/gate/GATE   the same for Caddy and Traefik: who wants a page is sent
                      to the log-in, scripts get the 401
  GET /wx/login/GATE  logs in and leads to ?to=…, a path of web.url, else /
  GET /wx/me          the visitor as JSON, for scripts of the same site; 401
                      {\"error\":\"not_logged_in\",\"login\":\"https://…\"}
  GET /wx/logout      a page with a button; POST logs out
  GET /wx/jsapi       what wx.config of the JS-SDK wants for ?url=…, which is
                      encodeURIComponent(location.href). 503 with Retry-After
                      while there is no ticket, 403 for another host
  GET /wx/p/…         pictures of answers
  GET /MP_verify_….txt  a file of web.verify_files

/wx/back and /wx/scan belong to the log-in. The return address comes from X-Forwarded-Proto, -Host and -Uri of server.trusted_proxies only. `curl -i -H 'Sec-Fetch-Mode: navigate' https://example.com/` shows the redirect; with cors instead of navigate, the 401 that scripts get.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The reverse proxy in front of wechatd and your app
    program: Program,
    /// The [[gate]] that visitors have to pass [default: the first one]
    #[arg(long)]
    gate: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Program {
    Nginx,
    Caddy,
    Traefik,
}

/// What verify files are usually called, before letters and digits.
const VERIFY: &str = "/MP_verify_";

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let Some(url) = &config.web.url else {
        return Err(Failure::wrong(
            "there are no web pages: web.url is not set",
            "enter how browsers reach this server, such as web.url = \"https://example.com\"",
        ));
    };
    let gate = match &arguments.gate {
        Some(name) => Some(find_named(&config.gates, name)?),
        None => config.gates.first(),
    };
    let default = Gate::default_gate();
    let site = Site {
        url,
        config,
        gate: gate.unwrap_or(&default),
        target: Target::of(&config.server.listen),
        operator: operator(config, url),
    };
    let mut written = vec![
        ("server.path", config.server.path.clone()),
        ("server.listen", at(&site.target, "")),
    ];
    if let Some((path, target)) = &site.operator {
        written.push(("admin.url", (*path).to_owned()));
        written.push(("admin.listen", at(target, "")));
    }
    for (key, path) in written {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~:[]".contains(&b);
        if !path.bytes().all(plain) {
            return Err(Failure::failed(
                format!("{key}: {path:?} has characters that mean something else to some proxies"),
                "choose a path of letters, digits and -_.~",
            ));
        }
    }
    let text = match arguments.program {
        Program::Nginx => site.nginx(),
        Program::Caddy => site.caddy(),
        Program::Traefik => site.traefik()?,
    };
    Output::for_reading().bytes(text.as_bytes())
}

/// What the snippets are about.
struct Site<'a> {
    url: &'a WebUrl,
    config: &'a Config,
    gate: &'a Gate,
    /// How a proxy on this machine reaches the server.
    target: Target,
    /// The path of the operator's page, and how a proxy reaches it, where it is on this site.
    operator: Option<(&'a str, Target)>,
}

/// The operator's page, where it is on the site with this URL.
fn operator<'a>(config: &'a Config, url: &WebUrl) -> Option<(&'a str, Target)> {
    let listen = config.admin.listen.as_ref()?;
    let own = config.admin.url.as_ref()?;
    let is_here = own.origin == *url && !own.path.is_empty();
    is_here.then(|| (own.path.as_str(), Target::of(listen)))
}

/// Where a proxy finds it; `unix` stands before the path of a socket.
fn at(target: &Target, unix: &str) -> String {
    match target {
        Target::Tcp { host } | Target::Tls { host } => host.clone(),
        Target::Unix(path) => format!("{unix}{}", path.display()),
    }
}

impl Site<'_> {
    fn nginx(&self) -> String {
        let port = self.url.port();
        let listen = match self.url.is_https {
            true => format!(
                "    # listen {port} ssl;    # remove the # once these two files are there\n    \
                 # ssl_certificate /etc/ssl/{host}.pem;\n    \
                 # ssl_certificate_key /etc/ssl/{host}.key;\n",
                host = self.url.host
            ),
            false => format!("    listen {port};\n"),
        };
        // nginx leaves the port out of $host.
        let port = self.url.unusual_port();
        let authority = port.map_or_else(|| "$host".to_owned(), |port| format!("$host:{port}"));
        let file = |at: String| format!("    location {at} {{ proxy_pass http://wechatd; }}\n");
        let files = std::iter::once(format!("~ ^{VERIFY}\\w+\\.txt$"));
        let others = self.other_files().map(|name| format!("= {name}"));
        let header = |name: &&str| {
            let variable = name.to_lowercase().replace('-', "_");
            format!(
                "        auth_request_set $wx_{variable} $upstream_http_{variable};\n        \
                 proxy_set_header {name} $wx_{variable};\n"
            )
        };
        self.fill(
            include_str!("proxy/nginx.conf"),
            &[
                (
                    "operator",
                    self.if_operator(include_str!("proxy/nginx-operator.conf")),
                ),
                (
                    "operator-upstream",
                    self.if_operator(include_str!("proxy/nginx-operator-upstream.conf")),
                ),
                ("page", &self.page("unix:")),
                ("wechatd", &at(&self.target, "unix:")),
                ("authority", &authority),
                ("listen", &listen),
                ("files", &files.chain(others).map(file).collect::<String>()),
                (
                    "headers",
                    HEADERS.iter().map(header).collect::<String>().trim_end(),
                ),
            ],
        )
    }

    fn caddy(&self) -> String {
        let origin = &self.url.origin;
        let site = origin.strip_prefix("https://").unwrap_or(origin);
        let files = std::iter::once(format!("{VERIFY}*.txt"));
        let files: Vec<String> = files.chain(self.other_files()).collect();
        self.fill(
            include_str!("proxy/Caddyfile"),
            &[
                (
                    "operator",
                    self.if_operator(include_str!("proxy/Caddyfile-operator")),
                ),
                ("page", &self.page("unix/")),
                ("site", site),
                ("wechatd", &at(&self.target, "unix/")),
                ("files", &files.join(" ")),
                ("headers", &HEADERS.join(" ")),
            ],
        )
    }

    fn traefik(&self) -> Result<String, Failure> {
        let page = self.operator.as_ref().map(|(_, target)| target);
        for (key, target) in [("server", Some(&self.target)), ("admin", page)] {
            if matches!(target, Some(Target::Unix(_))) {
                return Err(Failure::wrong(
                    "Traefik reaches no Unix socket",
                    format!(
                        "let {key}.listen be an address with a port, such as \"127.0.0.1:8080\""
                    ),
                ));
            }
        }
        let files = std::iter::once(format!("PathPrefix(`{VERIFY}`)"));
        let others = self.other_files().map(|name| format!("Path(`{name}`)"));
        let files: Vec<String> = files.chain(others).collect();
        let headers = HEADERS.map(|name| format!("          - {name}"));
        let spellings = HEADERS.into_iter().flat_map(spellings);
        let spellings: Vec<String> = spellings
            .map(|name| format!("          {name}: \"\""))
            .collect();
        Ok(self.fill(
            include_str!("proxy/traefik.yml"),
            &[
                (
                    "operator",
                    self.if_operator(include_str!("proxy/traefik-operator.yml")),
                ),
                (
                    "operator-service",
                    self.if_operator(include_str!("proxy/traefik-operator-service.yml")),
                ),
                ("page", &self.page("")),
                ("wechatd", &at(&self.target, "")),
                (
                    "entry",
                    if self.url.is_https {
                        "websecure"
                    } else {
                        "web"
                    },
                ),
                (
                    "tls",
                    if self.url.is_https {
                        "\n      tls: {}"
                    } else {
                        ""
                    },
                ),
                ("files", &files.join(" || ")),
                ("spellings", &spellings.join("\n")),
                ("headers", &headers.join("\n")),
            ],
        ))
    }

    /// A part of a snippet that is there only where the operator's page is on this site.
    const fn if_operator(&self, part: &'static str) -> &'static str {
        match self.operator {
            Some(_) => part,
            None => "",
        }
    }

    /// Where a proxy finds the operator's page.
    fn page(&self, unix: &str) -> String {
        let page = self.operator.as_ref();
        page.map_or_else(String::new, |(_, target)| at(target, unix))
    }

    /// The paths of verify files that have an unusual name.
    fn other_files(&self) -> impl Iterator<Item = String> {
        let paths = self.config.web.verify_files.iter().map(VerifyFile::path);
        paths.filter(|path| !path.starts_with(VERIFY))
    }

    /// Puts values into the places of a snippet that are called `<like this>`.
    fn fill(&self, snippet: &str, own: &[(&str, &str)]) -> String {
        let gate = self.gate;
        // The gate that is there without any [[gate]] has no name that lasts.
        let name = match gate.line {
            0 => String::new(),
            _ => format!("/{}", gate.name),
        };
        let common = [
            ("host", self.url.host.as_str()),
            ("callback", &self.config.server.path),
            ("prefix", &self.config.web.path),
            (
                "page-path",
                self.operator.as_ref().map_or("", |(path, _)| path),
            ),
            ("name", &name),
            ("gate", &format!("{:?} ({})", gate.name, gate.who)),
            ("trust", &self.trust()),
        ];
        let values = own.iter().chain(&common);
        values.fold(snippet.to_owned(), |text, (place, value)| {
            text.replace(&format!("<{place}>"), value)
        })
    }

    /// Whose headers about the visitor are believed, as a comment.
    fn trust(&self) -> String {
        let proxies = &self.config.server.trusted_proxies;
        let proxies: Vec<String> = proxies.iter().map(shown).collect();
        let believed = match (&self.target, proxies.as_slice()) {
            (Target::Unix(_), _) => "from whoever connects to its socket.".to_owned(),
            (Target::Tcp { .. } | Target::Tls { .. }, []) => {
                "from nobody: enter this proxy's address as server.trusted_proxies.".to_owned()
            }
            (Target::Tcp { .. } | Target::Tls { .. }, proxies) => format!(
                "from {} (server.trusted_proxies):\n# the address of this proxy has to be among them.",
                proxies.join(", ")
            ),
        };
        format!("# wechatd believes X-Forwarded-For, -Proto, -Host and -Uri {believed}")
    }
}

/// A network as an owner writes it.
fn shown(network: &IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}

/// The spellings of a header with `_` for some of its `-`: many apps see no difference.
fn spellings(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let joints = parts.len() - 1;
    let spell = |choice: usize| {
        let mut spelling = parts[0].to_owned();
        for (n, part) in parts[1..].iter().enumerate() {
            spelling += if choice >> n & 1 == 1 { "_" } else { "-" };
            spelling += part;
        }
        spelling
    };
    (1..1 << joints).map(spell).collect()
}
