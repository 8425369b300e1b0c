//! `wechatd check`: what the configuration means, before and while the server runs.

use serde::Serialize;

use super::Failure;
use super::arguments::Json;
use super::online;
use super::output::Output;
use crate::app::Networks;
use crate::clock;
use crate::config::{About, AllowIps, Config, Kinds, Listen, show_duration};
use crate::dispatch::{Advice, Rules, advise};
use crate::store::Reader;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Also ask the platform: token, address, clock, callback, allowed calls, menu
    #[arg(long)]
    online: bool,
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
    /// In full only where the server made it: the owner has to enter it in the console.
    token: Option<String>,
    token_from: &'static str,
    app_id: Option<String>,
    api: bool,
    store: String,
    followers: Option<i64>,
    rules: Vec<ShownRule>,
    advice: Vec<Advice>,
    warnings: Vec<String>,
    /// What the platform said, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Vec<online::Line>>,
}

/// Where requests may come from.
#[derive(Debug, Serialize)]
struct ShownAddresses {
    from: &'static str,
    networks: Vec<String>,
    /// Unix seconds; of the platform's list.
    told_at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct ShownRule {
    name: String,
    line: usize,
    about: String,
    answer: &'static str,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let mut checked = look(config)?;
    if arguments.online {
        checked.online = Some(online::look(config)?);
    }
    show(config, arguments, &checked)?;
    match &checked.online {
        Some(lines) if online::is_wrong(lines) => Err(Failure::No),
        Some(_) | None => Ok(()),
    }
}

fn show(config: &Config, arguments: &Arguments, checked: &Checked) -> Result<(), Failure> {
    let mut out = Output::text();
    if arguments.json.wanted {
        return out.json(checked);
    }
    let token = match &checked.token {
        Some(token) => format!("{token} ({})", checked.token_from),
        None => checked.token_from.to_owned(),
    };
    let store = match checked.followers {
        Some(followers) => format!("{}, {followers} followers", checked.store),
        None => format!("{}, made on first start", checked.store),
    };
    let keep = match config.store.keep_messages {
        keep if keep.is_zero() => "for ever".to_owned(),
        keep => show_duration(keep),
    };
    out.pairs(&[
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
        ("store", store),
        ("messages kept", keep),
        ("rules", checked.rules.len().to_string()),
    ])?;
    for rule in &checked.rules {
        out.line(&format!(
            "  {} (line {}): {} → {}",
            rule.name, rule.line, rule.about, rule.answer
        ))?;
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
    out.line("")?;
    out.line("In the console of the account (Settings and Development, Basic configuration, server configuration):")?;
    out.line(&format!(
        "  URL    https://YOUR-DOMAIN{}",
        checked.callback_path
    ))?;
    out.line("  Token  as above")?;
    out.line(&format!("  mode   {}", checked.mode))?;
    if let Some(lines) = &checked.online {
        out.line("")?;
        out.line("The platform:")?;
        online::print(&mut out, lines)?;
    }
    out.done()
}

fn look(config: &Config) -> Result<Checked, Failure> {
    let account = &config.account;
    let reader = match config.store.path.exists() {
        true => Some(Reader::open(&config.store.path)?),
        false => None,
    };
    let made = match &reader {
        Some(reader) => reader.made_token()?,
        None => None,
    };
    let (token, token_from) = match (&account.token, made) {
        (Some(token), _) => (Some(token.masked()), "from the configuration"),
        (None, Some(made)) => (Some(made.expose().to_owned()), "made on first start"),
        (None, None) => (None, "made on first start"),
    };
    let followers = reader.as_ref().map(Reader::count_followers).transpose()?;
    let list = match &reader {
        Some(reader) => reader.callback_ips()?.as_ref().and_then(Networks::read),
        None => None,
    };
    let rules = Rules::new(config.rules.clone());
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
        store: config.store.path.display().to_string(),
        followers,
        advice: advise(&rules),
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
                answer: rule.answer.key(),
            })
            .collect(),
        warnings: warnings(config),
        online: None,
    })
}

impl ShownAddresses {
    fn of(allowed: &AllowIps, list: Option<Networks>) -> ShownAddresses {
        let (from, networks, told_at) = match allowed {
            AllowIps::Any => ("any address", Vec::new(), None),
            AllowIps::Listed(networks) => ("server.allow_ips", networks.clone(), None),
            AllowIps::Platform => {
                let told_at = list.as_ref().map(|list| list.told_at);
                let networks = list.map_or_else(Vec::new, |list| list.networks);
                ("the platform's list", networks, told_at)
            }
        };
        ShownAddresses {
            from,
            networks: networks.iter().map(ToString::to_string).collect(),
            told_at,
        }
    }

    fn told(&self) -> String {
        match (self.from, self.networks.len(), self.told_at) {
            ("any address", ..) => self.from.to_owned(),
            (_, 0, _) => format!("{}: not fetched yet, any address until it is", self.from),
            (_, count, Some(told_at)) => format!(
                "{}: {count} networks, fetched {} h ago",
                self.from,
                (clock::unix_seconds() - told_at).max(0) / 3_600
            ),
            (_, _, None) => format!("{} ({})", self.networks.join(", "), self.from),
        }
    }
}

/// What is allowed and still worth a thought.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.exposures();
    let account = &config.account;
    if account.app_id.as_ref().is_some_and(|id| id.len() != 18) {
        warnings.push(
            "account.app_id: an AppID has 18 characters; compare it with the console".to_owned(),
        );
    }
    if config.server.max_clock_skew.is_zero() {
        warnings.push(
            "server.max_clock_skew is off: an old request can be replayed at any time".to_owned(),
        );
    }
    if let Listen::Tcp(address) = &config.server.listen
        && !address.ip().is_loopback()
    {
        warnings.push("server.listen is reachable from outside without TLS; a reverse proxy on this machine is the usual way".to_owned());
    }
    warnings
}
