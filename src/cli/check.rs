//! `wechatd check`: what the configuration means, before and while the server runs.

mod files;
mod next;
pub(super) mod online;
mod public;
pub(super) mod starting;
mod warnings;
mod web;

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;

use serde::{Serialize, Serializer};

use super::hooks::ShownHook;
use super::service::ShownService;
use super::terminal::{Failure, Json, Output, complain};
use crate::app::{self, Networks};
use crate::clock;
use crate::config::{About, AllowIps, Config, Kinds, Listen, show_duration};
use crate::counted::counted;
use crate::dispatch::{Advice, Rules, advise};
use crate::local_time;
use crate::secret::Secret;
use crate::store::{Reader, ServerFacts};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Also ask WeChat (token, address, clock, callback, allowed calls, menu) and try your public address (routes, verify files)
    #[arg(long)]
    online: bool,
    /// Print only what keeps the server from starting
    #[arg(long, conflicts_with_all = ["online", "json"])]
    quiet: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Checked {
    configuration: String,
    listen: String,
    callback_path: String,
    mode: &'static str,
    allow_ips: ShownAddresses,
    /// The Token, which the owner enters in the console.
    token: Option<ShownToken>,
    token_from: &'static str,
    app_id: Option<String>,
    api: bool,
    /// Where the operator's page is; `None`: the server does not show it.
    operator_page: Option<String>,
    store: String,
    /// `None`: the store is in a file, or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerFacts>,
    followers: Option<i64>,
    last_backup: Option<ShownBackup>,
    /// `None` without `store.media`.
    media: Option<files::ShownMedia>,
    rules: Vec<ShownRule>,
    pictures: Vec<files::ShownPicture>,
    files: Vec<files::ShownFile>,
    services: Vec<ShownService>,
    hooks: Vec<ShownHook>,
    /// `None` without `web.url`.
    web: Option<web::ShownWeb>,
    advice: Vec<Advice>,
    warnings: Vec<String>,
    /// Everything that would keep `serve` from starting.
    obstacles: Vec<String>,
    /// What is left to do until the account is live, in order.
    to_do: Vec<String>,
    /// The platform's answers, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Vec<online::Line>>,
    /// What the web part's public address answers, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    public: Option<Vec<online::Line>>,
}

/// The Token, which is shown in full in JSON.
struct ShownToken {
    token: Secret,
    is_made: bool,
}

/// The last copy made by `wechatd backup`.
#[derive(Debug, Serialize)]
struct ShownBackup {
    /// Unix seconds.
    at: i64,
    /// `at` as local date and time.
    time: String,
    file: String,
}

/// The addresses that requests may come from.
#[derive(Debug, Serialize)]
struct ShownAddresses {
    from: Source,
    networks: Vec<String>,
    /// Unix seconds of the platform's list.
    told_at: Option<i64>,
}

/// Where the list of these addresses comes from.
#[derive(Debug, Clone, Copy, Serialize)]
enum Source {
    #[serde(rename = "any address")]
    Anywhere,
    #[serde(rename = "server.allow_ips")]
    Configuration,
    #[serde(rename = "WeChat's list")]
    Platform,
}

#[derive(Debug, Serialize)]
struct ShownRule {
    name: String,
    line: usize,
    about: String,
    answer: &'static str,
    /// Where the rule forwards to.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (obstacles, reader) = starting::obstacles(config)?;
    if let Some(reader) = &reader {
        // Refuses the store of another account, but does not claim one that has no owner yet.
        app::refuse_other(config, &config.store, reader.owner()?)?;
    }
    let mut failure = (!obstacles.is_empty()).then_some(Failure::Shown);
    if arguments.quiet {
        // A configuration with mistakes does not get here.
        obstacles.iter().for_each(|obstacle| complain(obstacle));
        return failure.map_or(Ok(()), Err);
    }
    let mut checked = look(config, obstacles, reader.as_ref())?;
    // The server starts all the same.
    let problem = checked.media.as_ref().and_then(files::ShownMedia::problem);
    failure = failure.or(problem.map(|_| Failure::Shown));
    if arguments.online {
        let lines = public::look(config);
        failure = failure.or(online::is_wrong(&lines).then_some(Failure::Shown));
        checked.public = (!lines.is_empty()).then_some(lines);
    }
    // Without an AppID there may still be a public address to try.
    if arguments.online && (config.api_rights().is_some() || checked.public.is_none()) {
        match online::look(config) {
            Ok(lines) => {
                failure = failure.or(online::is_wrong(&lines).then_some(Failure::Shown));
                checked.online = Some(lines);
                // WeChat may have given the first token just now.
                let reader = Reader::open_if_any(&config.store)?;
                checked.to_do = next::steps(config, reader.as_ref())?;
            }
            Err(error) => failure = Some(error),
        }
    }
    match show(config, arguments, &checked) {
        // The exit code says so even if nobody reads the output.
        Ok(()) | Err(Failure::OutputClosed) => failure.map_or(Ok(()), Err),
        Err(error) => Err(error),
    }
}

fn show(config: &Config, arguments: &Arguments, checked: &Checked) -> Result<(), Failure> {
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(checked);
    }
    let token = match &checked.token {
        Some(token) => format!("{} ({})", token.shown(), checked.token_from),
        None => checked.token_from.to_owned(),
    };
    let store = match checked.followers {
        Some(followers) => format!("{}, {}", checked.store, counted(followers, "follower")),
        None if config.store.file().is_none_or(Path::exists) => checked.store.clone(),
        None => format!("{}, made on first start", checked.store),
    };
    let keep = match config.store.keep_messages {
        keep if keep.is_zero() => "for ever".to_owned(),
        keep => show_duration(keep),
    };
    let mut pairs = vec![
        (
            "configuration",
            format!("{}: no mistakes", checked.configuration),
        ),
        ("listen", checked.listen.clone()),
        ("callback", checked.callback_path.clone()),
        ("mode", checked.mode.to_owned()),
        ("accepted from", checked.allow_ips.told()),
        ("token", token),
        (
            "api",
            match (&checked.app_id, checked.api) {
                (Some(app_id), true) => format!("{app_id} at {}", config.api.base_url),
                (Some(_), false) => "off: account.app_secret is not set".to_owned(),
                (None, _) => "off: account.app_id and account.app_secret are not set".to_owned(),
            },
        ),
        (
            "operator page",
            checked
                .operator_page
                .clone()
                .unwrap_or_else(|| "off; `wechatd admin` shows it".to_owned()),
        ),
        ("store", store),
    ];
    if let Some(server) = &checked.server {
        let encrypted = server.cipher.as_deref().unwrap_or("not encrypted");
        pairs.push((
            "  server",
            format!("{}, {}, {encrypted}", server.host, server.version),
        ));
        pairs.push(("  sql_mode", server.sql_mode.clone()));
        pairs.push(("  commits", server.durability()));
    }
    pairs.extend([
        (
            "last backup",
            match &checked.last_backup {
                Some(backup) => format!("{}, {}", backup.time, backup.file),
                None => "none yet; see `wechatd backup --help`".to_owned(),
            },
        ),
        ("messages kept", keep),
        ("rules", checked.rules.len().to_string()),
    ]);
    out.pairs(&pairs)?;
    for rule in &checked.rules {
        let service = rule.service.as_ref();
        let service = service.map_or(String::new(), |service| format!(" to {service}"));
        out.line(&format!(
            "  {} (line {}): {} → {}{service}",
            rule.name, rule.line, rule.about, rule.answer
        ))?;
    }
    if let Some(media) = &checked.media {
        out.line(&format!("media          {}", media.line()))?;
    }
    files::print(&checked.pictures, &checked.files, &mut out)?;
    if !checked.services.is_empty() {
        out.line(&format!("services       {}", checked.services.len()))?;
    }
    for service in &checked.services {
        out.line(&format!("  {}", service.line()))?;
    }
    if !checked.hooks.is_empty() {
        out.line(&format!("hooks          {}", checked.hooks.len()))?;
    }
    for hook in &checked.hooks {
        out.line(&format!("  {}", hook.line()))?;
    }
    if let Some(web) = &checked.web {
        web.print(&mut out)?;
    }
    for advice in &checked.advice {
        out.line(&format!(
            "warning: {}:{}: {}: {}",
            checked.configuration, advice.line, advice.rule, advice.what
        ))?;
    }
    for warning in &checked.warnings {
        out.line(&format!("warning: {warning}"))?;
    }
    if let Some(problem) = checked.media.as_ref().and_then(files::ShownMedia::problem) {
        out.line(&format!("wrong: {problem}"))?;
    }
    for obstacle in &checked.obstacles {
        out.line(&format!("the server cannot start: {obstacle}"))?;
    }
    out.line("")?;
    out.line("In the console of the account (设置与开发 → 基本配置 → 服务器配置; Settings and Development, Basic configuration, server configuration):")?;
    let mode = &config.account.mode;
    let mut console = vec![
        ("  URL", config.callback_url()),
        ("  Token", "as above".to_owned()),
    ];
    if mode.keys().is_some() {
        let key = format!("account.aes_key in {}", checked.configuration);
        console.push(("  EncodingAESKey", key));
    }
    let name = mode.in_the_console();
    console.push(("  mode", format!("{name} ({})", checked.mode)));
    out.pairs(&console)?;
    if let Some(web) = &checked.web {
        web.print_console(&mut out)?;
    }
    for (whose, lines) in [
        ("WeChat:", &checked.online),
        ("The public address:", &checked.public),
    ] {
        if let Some(lines) = lines {
            out.line("")?;
            out.line(whose)?;
            online::print(&mut out, lines)?;
        }
    }
    if !checked.to_do.is_empty() {
        out.line("")?;
        out.line("Still to do:")?;
    }
    for (number, step) in (1..).zip(&checked.to_do) {
        out.line(&format!("{number}. {step}"))?;
    }
    out.done()
}

fn look(
    config: &Config,
    obstacles: Vec<String>,
    reader: Option<&Reader>,
) -> Result<Checked, Failure> {
    let account = &config.account;
    let made = match reader {
        Some(reader) => reader.made_token()?,
        None => None,
    };
    let (token, token_from) = match (&account.token, made) {
        (Some(token), _) => (Some((token.clone(), false)), "from the configuration"),
        (None, Some(made)) => (Some((made, true)), "made on first start"),
        (None, None) => (None, "made on first start"),
    };
    let token = token.map(|(token, is_made)| ShownToken { token, is_made });
    let followers = reader.map(Reader::count_followers).transpose()?;
    let server = reader.map(Reader::server).transpose()?.flatten();
    let last_backup = match reader {
        Some(reader) => reader.last_backup()?.map(|backup| {
            Ok::<_, Failure>(ShownBackup {
                at: backup.at,
                time: local_time::format(backup.at),
                file: backup.file,
            })
        }),
        None => None,
    };
    let list = match reader {
        Some(reader) => reader.callback_ips()?.as_ref().and_then(Networks::read),
        None => None,
    };
    let rules = Rules::new(config.rules.clone());
    let mut advice = advise(&rules);
    if let Some(reader) = reader {
        advice.extend(warnings::expiring_answers(reader, &rules)?);
    }
    Ok(Checked {
        allow_ips: ShownAddresses::of(&config.server.allow_ips, list),
        configuration: config.file.display().to_string(),
        listen: match &config.server.listen {
            listen @ Listen::Tcp(_) => format!("http://{listen}"),
            listen @ Listen::Unix(_) => listen.to_string(),
        },
        callback_path: config.server.path.clone(),
        mode: account.mode.name(),
        token,
        token_from,
        app_id: account.app_id.clone(),
        api: config.api_rights().is_some(),
        operator_page: config.admin.listen.as_ref().map(|listen| {
            let url = config.admin.url.as_ref();
            url.map_or_else(|| listen.to_string(), |url| format!("{url}, on {listen}"))
        }),
        store: config.store.to_string(),
        followers,
        last_backup: last_backup.transpose()?,
        advice,
        rules: rules
            .iter()
            .map(|rule| ShownRule {
                name: rule.name.clone(),
                line: rule.line,
                about: match &rule.about {
                    About::Messages(Kinds::Any) => "any message".to_owned(),
                    About::Messages(Kinds::Listed(types)) => types.join(", "),
                    About::Events(Kinds::Any) => "any event".to_owned(),
                    About::Events(Kinds::Listed(names)) => format!("event {}", names.join(", ")),
                },
                answer: rule.action.key(),
                service: rule.action.service().map(str::to_owned),
            })
            .collect(),
        pictures: files::ShownPicture::all(config, reader)?,
        files: files::ShownFile::all(config, reader)?,
        media: files::ShownMedia::of(config, reader)?,
        services: config
            .services
            .iter()
            .map(|service| ShownService::of(service, reader))
            .collect::<Result<_, _>>()?,
        hooks: config
            .hooks
            .iter()
            .map(|hook| ShownHook::of(hook, reader))
            .collect::<Result<_, _>>()?,
        web: web::ShownWeb::of(config),
        warnings: warnings::all(config, &rules, reader, server.as_ref())?,
        server,
        obstacles,
        to_do: next::steps(config, reader)?,
        online: None,
        public: None,
    })
}

impl ShownToken {
    /// How it is shown to people. A Token from the configuration is shown in full only on a terminal: the output of a
    /// job may end up in a log.
    fn shown(&self) -> String {
        match self.is_made || io::stdout().is_terminal() {
            true => self.token.expose().to_owned(),
            false => self.token.masked(),
        }
    }
}

impl fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token.fmt(f)
    }
}

impl Serialize for ShownToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.token.expose())
    }
}

impl ShownAddresses {
    fn of(allowed: &AllowIps, list: Option<Networks>) -> ShownAddresses {
        let (from, networks, told_at) = match allowed {
            AllowIps::Any => (Source::Anywhere, Vec::new(), None),
            AllowIps::Listed(networks) => (Source::Configuration, networks.clone(), None),
            AllowIps::Platform => {
                let told_at = list.as_ref().map(|list| list.fetched_at);
                let networks = list.map_or_else(Vec::new, |list| list.networks);
                (Source::Platform, networks, told_at)
            }
        };
        ShownAddresses {
            from,
            networks: networks.iter().map(ToString::to_string).collect(),
            told_at,
        }
    }

    fn told(&self) -> String {
        match (self.from, self.told_at) {
            (Source::Anywhere, _) => "any address".to_owned(),
            (Source::Configuration, _) => {
                format!("{} (server.allow_ips)", self.networks.join(", "))
            }
            (Source::Platform, Some(told_at)) if !self.networks.is_empty() => format!(
                "WeChat's list: {}, fetched {} h ago",
                counted(self.networks.len(), "network"),
                clock::unix_seconds().saturating_sub(told_at).max(0) / 3_600
            ),
            (Source::Platform, _) => {
                "WeChat's list: not fetched yet, any address until it is".to_owned()
            }
        }
    }
}
