//! What `wechatd check` says of the web part: its routes, its gates, what the console must be told, and what is in vain.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::cli::terminal::{Failure, Output};
use crate::config::{
    Config, Gate, Listen, Method, Methods, VerifyFile, Web, WebUrl, Who, show_duration,
};
use crate::store::Reader;

/// The web part.
#[derive(Debug, Serialize)]
pub(super) struct ShownWeb {
    url: String,
    routes: Vec<Routes>,
    gates: Vec<ShownGate>,
    /// What the console must be told.
    console: Vec<Setting>,
    /// Where the files are that the console asks for.
    verify_files: Vec<String>,
    #[serde(skip)]
    log_in: String,
}

/// Routes that belong together.
#[derive(Debug, Serialize)]
struct Routes {
    paths: Vec<String>,
    what: &'static str,
}

#[derive(Debug, Serialize)]
struct ShownGate {
    name: String,
    /// `None`: it is there because the configuration has none.
    line: Option<usize>,
    who: String,
    methods: Vec<&'static str>,
    max_age: Option<String>,
    /// The address of its log-in.
    login: String,
}

/// A setting of the console.
#[derive(Debug, Serialize)]
struct Setting {
    name: &'static str,
    what: &'static str,
    /// `None`: the console takes no such host.
    host: Option<String>,
}

impl ShownWeb {
    /// `None` without `web.url`.
    pub(super) fn of(config: &Config) -> Option<ShownWeb> {
        let Web {
            url,
            path,
            verify_files,
            ..
        } = &config.web;
        let url = url.as_ref()?;
        let login = &config.login;
        let routes = |ends: &[&str], what| Routes {
            paths: ends.iter().map(|end| format!("{path}{end}")).collect(),
            what,
        };
        let mut settings = vec![setting("JS接口安全域名", "JS-SDK domain", url)];
        if login.methods.oauth {
            let what = "web authorization domain, for the log-in inside WeChat";
            settings.insert(0, setting("网页授权域名", what, url));
        }
        Some(ShownWeb {
            url: url.to_string(),
            routes: vec![
                routes(&["/login/GATE?to=…", "/back", "/scan"], "log-in"),
                routes(
                    &["/auth/GATE", "/gate/GATE"],
                    "who may pass, for a proxy; `wechatd proxy nginx` prints how",
                ),
                routes(&["/me", "/logout"], "for your pages"),
                routes(&["/jsapi?url=…"], "signatures for the JS-SDK"),
                routes(&["/p/…"], "pictures of answers"),
            ],
            gates: config
                .gates
                .iter()
                .map(|gate| ShownGate::of(gate, config, url))
                .collect(),
            console: settings,
            verify_files: verify_files.iter().map(VerifyFile::path).collect(),
            log_in: format!(
                "by {}, for {}",
                names(login.methods).join(" or "),
                show_duration(login.session)
            ),
        })
    }

    /// The lines below those of the rules.
    pub(super) fn print(&self, out: &mut Output) -> Result<(), Failure> {
        out.line(&format!(
            "web            {}, log-in {}",
            self.url, self.log_in
        ))?;
        for Routes { paths, what } in &self.routes {
            out.line(&format!("  {}: {what}", paths.join(", ")))?;
        }
        for path in &self.verify_files {
            out.line(&format!("  {path}: for the console"))?;
        }
        out.line(&format!("gates          {}", self.gates.len()))?;
        self.gates
            .iter()
            .try_for_each(|gate| out.line(&format!("  {}", gate.line())))
    }

    /// The lines for the console.
    pub(super) fn print_console(&self, out: &mut Output) -> Result<(), Failure> {
        out.line("For the web part (设置与开发 → 账号设置 → 功能设置; Settings and Development, account settings, function settings):")?;
        for Setting { name, what, host } in &self.console {
            let host = host.as_deref().unwrap_or(
                "none: it takes only a name, with the usual port; that of a test account takes any",
            );
            out.line(&format!("  {name}  {host}  ({what})"))?;
        }
        match self.verify_files.as_slice() {
            [] => out.line("  file  the console offers MP_verify_….txt: put it next to the configuration and name it in web.verify_files"),
            files => files
                .iter()
                .try_for_each(|path| out.line(&format!("  file  {}{path}", self.url))),
        }
    }
}

impl ShownGate {
    fn of(gate: &Gate, config: &Config, url: &WebUrl) -> ShownGate {
        let Gate {
            name,
            line,
            who,
            methods,
            max_age,
        } = gate;
        let path = &config.web.path;
        ShownGate {
            name: name.clone(),
            line: (*line > 0).then_some(*line),
            who: who.to_string(),
            methods: names(methods.unwrap_or(config.login.methods)),
            max_age: max_age.map(show_duration),
            login: format!("{url}{path}/login/{name}"),
        }
    }

    fn line(&self) -> String {
        let place = match self.line {
            Some(line) => format!("line {line}"),
            None => "without any [[gate]]".to_owned(),
        };
        let age = match &self.max_age {
            Some(age) => format!(", at most {age} ago"),
            None => String::new(),
        };
        format!(
            "{} ({place}): {}, logged in by {}{age}: {}",
            self.name,
            self.who,
            self.methods.join(" or "),
            self.login
        )
    }
}

fn setting(name: &'static str, what: &'static str, url: &WebUrl) -> Setting {
    Setting {
        name,
        what,
        host: is_for_the_console(url).then(|| url.host.clone()),
    }
}

/// Whether the console takes this host: it wants a name, and opens the usual ports only.
fn is_for_the_console(url: &WebUrl) -> bool {
    let is_address = url.host.starts_with('[') || url.host.parse::<Ipv4Addr>().is_ok();
    url.is_https && !is_address && url.unusual_port().is_none()
}

fn names(methods: Methods) -> Vec<&'static str> {
    let methods = Method::ALL
        .into_iter()
        .filter(|method| methods.include(*method));
    methods.map(Method::name).collect()
}

/// Warns of what has no effect, or lets nobody pass. `reader` is the store, if there is one yet.
pub(super) fn in_vain(config: &Config, reader: Option<&Reader>) -> Result<Vec<String>, Failure> {
    let (login, gates) = (&config.login, &config.gates);
    let mut warnings = Vec::new();
    if config.web.url.is_none() {
        let keys = [
            ("[[gate]]", gates.iter().any(|gate| gate.line > 0)),
            ("web.verify_files", !config.web.verify_files.is_empty()),
        ];
        let keys = keys.into_iter().filter(|(_, is_there)| *is_there);
        warnings.extend(keys.map(|(key, _)| {
            format!("{key} has no effect: without web.url there are no web pages")
        }));
        return Ok(warnings);
    }
    if login.methods.oauth && config.api_rights().is_none() {
        let so = match login.methods.scan {
            true => "",
            false => ", so that nobody can log in",
        };
        warnings.push(format!(
            "login.methods: \"oauth\" does not work without account.app_id and account.app_secret{so}; enter both, or leave \"oauth\" out"
        ));
    }
    if config.server.trusted_proxies.is_empty() && matches!(config.server.listen, Listen::Tcp(_)) {
        warnings.push("server.trusted_proxies is empty: the proxy that asks a gate is not believed about the page that a visitor wanted, and whoever logs in arrives at / instead".to_owned());
    }
    let tags = reader.map(Reader::tags).transpose()?;
    for gate in gates {
        let mut warn = |what: String| warnings.push(format!("gate {}: {what}", gate.name));
        if gate.max_age.is_some_and(|age| age >= login.session) {
            warn(format!(
                "max_age has no effect: a session ends after login.session, {}",
                show_duration(login.session)
            ));
        }
        if let (Who::Tag(tag), Some(tags)) = (&gate.who, &tags)
            && !tags.values().any(|known| known == tag)
        {
            warn(format!(
                "nobody passes: no tag {tag} is known; `wechatd tags list` asks WeChat for all"
            ));
        }
    }
    Ok(warnings)
}
