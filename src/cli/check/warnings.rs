//! What `check` warns of: settings, rules and buttons that are allowed but questionable.

use std::net::IpAddr;
use std::path::Path;

use super::super::terminal::Failure;
use super::web;
use crate::clock;
use crate::config::{Config, Listen, Media, Menu, WebUrl};
use crate::dispatch::{Advice, Rules, may_answer};
use crate::local_time;
use crate::simulated::SimulatedPush;
use crate::store::{Host, NodeRow, Options, Reader, ServerFacts, StoreError, Tls};
use crate::wechat::Push;
use crate::wechat::menu::{Button, Tap};

/// All warnings that are about no rule of the file. `reader` is the store, if there is one yet, and `server` where it is.
pub(super) fn all(
    config: &Config,
    rules: &Rules,
    reader: Option<&Reader>,
    server: Option<&ServerFacts>,
) -> Result<Vec<String>, Failure> {
    let mut warnings = questionable(config);
    warnings.extend(server.map(ServerFacts::doubts).unwrap_or_default());
    if let Some(why) = reader.map(Reader::sync_doubt).transpose()?.flatten() {
        warnings.push(format!(
            "the last follower sync removed nobody, because {why}"
        ));
    }
    warnings.extend(web::in_vain(config, reader)?);
    warnings.extend(unanswered(&config.menu, rules));
    if let Some(reader) = reader {
        warnings.extend(differing_nodes(config, reader)?);
        warnings.extend(expiring_buttons(reader, &config.menu)?);
    }
    Ok(warnings)
}

/// Settings that are allowed but questionable.
fn questionable(config: &Config) -> Vec<String> {
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
    warnings.extend(config.store.file().and_then(folder_of_the_service));
    warnings.extend(unencrypted(&config.store));
    warnings.extend(equal_names(&config.menu));
    warnings.extend(services_in_vain(config));
    warnings.extend(owners_in_vain(config));
    warnings
}

/// Warns of owners who cannot sign in on the operator's page: the cookie of the log-in must reach it.
fn owners_in_vain(config: &Config) -> Option<String> {
    let admin = &config.admin;
    let origin = |url: &WebUrl| url.origin.clone();
    let page = admin.url.as_ref().map(|url| origin(&url.origin));
    let is_one = page.is_some() && page == config.web.url.as_ref().map(origin);
    if admin.owners.is_empty() || (is_one && admin.listen.is_some()) {
        return None;
    }
    let what = match &admin.listen {
        None => "admin.listen is off",
        Some(_) => {
            "set admin.url and web.url to addresses of one origin, such as https://example.com/admin and https://example.com"
        }
    };
    Some(format!(
        "admin.owners: nobody can sign in with WeChat: {what}"
    ))
}

/// Warns of services that are never asked, and of parts of their settings without effect.
fn services_in_vain(config: &Config) -> Vec<String> {
    let has_rule = |name: &str| {
        let mut rules = config.rules.iter();
        rules.any(|rule| rule.action.service() == Some(name))
    };
    let mut warnings = Vec::new();
    for service in &config.services {
        let mut warn = |what: &str| warnings.push(format!("service {}: {what}", service.name));
        if !has_rule(&service.name) {
            warn("no rule forwards to it");
        }
        if service.slow.message && config.api_rights().is_none() {
            warn(
                "\"message\" of `slow` is skipped: account.app_id and account.app_secret are not both set",
            );
        }
        if service.wait_text.is_some() && !service.slow.next {
            warn("wait_text is never shown: `slow` has no \"next\"");
        }
    }
    warnings
}

/// Warns of a missing folder for the store: the server does not create it, but the service does.
fn folder_of_the_service(store: &Path) -> Option<String> {
    let folder = store.parent()?;
    (is_made_by_the_service(store) && !folder.exists()).then(|| {
        let shown = folder.display();
        format!(
            "store.path: the folder {shown} does not exist; the service that `wechatd unit` prints makes it, without a service: `mkdir -p {shown}`"
        )
    })
}

/// Warns of messages and profiles that cross a network in the clear.
fn unencrypted(store: &Options) -> Option<String> {
    let server = store.server.as_ref()?;
    let is_here = |host: &Host| {
        let address = host.name.parse::<IpAddr>();
        address.map_or(host.name == "localhost", |address| address.is_loopback())
    };
    let host = server.hosts.iter().find(|host| !is_here(host))?;
    (server.tls == Tls::Off).then(|| {
        format!("store.tls is off: what followers write crosses the network to {host} in the clear")
    })
}

/// Warns of servers of the same store that run with another configuration than this one.
fn differing_nodes(config: &Config, reader: &Reader) -> Result<Option<String>, StoreError> {
    let nodes = reader.nodes()?;
    let differing: Vec<String> = nodes
        .iter()
        .filter(|node| node.differs_from(&config.digest))
        .map(NodeRow::to_string)
        .collect();
    Ok((!differing.is_empty()).then(|| {
        format!(
            "these servers of the store run with another configuration than {}: {}; make the files equal and reload each (SIGHUP)",
            config.file.display(),
            differing.join(", ")
        )
    }))
}

/// Whether the service that `unit` prints creates the folder of this file when it starts.
pub(super) fn is_made_by_the_service(file: &Path) -> bool {
    ["/var/lib", "/run"].iter().any(|base| {
        file.parent()
            .is_some_and(|folder| folder.starts_with(base) && folder != Path::new(base))
    })
}

/// Warns of buttons whose event no rule answers although people expect an answer. Pictures and locations sent by a
/// button arrive as messages.
fn unanswered(menu: &Menu, rules: &Rules) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, button) in buttons(menu) {
        let Tap::Key { kind, key } = &button.tap else {
            continue;
        };
        let event = match *kind {
            "click" => "CLICK",
            "scancode_waitmsg" => kind,
            _ => continue,
        };
        let tap = SimulatedPush {
            kind: event,
            key: Some(key),
            ..SimulatedPush::default()
        };
        let answered = Push::parse(tap.xml().as_bytes()).is_ok_and(|push| may_answer(rules, &push));
        if !answered {
            let name = &button.name;
            warnings.push(format!(
                "{place}button {name}: no rule answers {event} {key}"
            ));
        }
    }
    warnings
}

/// All buttons that do something, each with the prefix of its name in a warning.
fn buttons(menu: &Menu) -> impl Iterator<Item = (String, &Button)> {
    button_lists(menu).flat_map(|(place, buttons)| {
        let below = buttons.iter().flat_map(|button| match &button.tap {
            Tap::SubButton(below) => below.as_slice(),
            Tap::Key { .. }
            | Tap::View { .. }
            | Tap::Miniprogram { .. }
            | Tap::Media { .. }
            | Tap::Article { .. }
            | Tap::Other { .. } => std::slice::from_ref(button),
        });
        below.map(move |button| (place.clone(), button))
    })
}

/// Warns of rules whose answer needs a file that the platform keeps for only three days.
pub(super) fn expiring_answers(reader: &Reader, rules: &Rules) -> Result<Vec<Advice>, Failure> {
    let mut found = Vec::new();
    for rule in rules.iter() {
        if let Some(Media::Id(media_id)) = rule.action.media()
            && let Some(what) = expiry(reader, media_id)?
        {
            found.push(Advice {
                rule: rule.name.clone(),
                line: rule.line,
                what,
            });
        }
    }
    Ok(found)
}

/// Warns of buttons that need such a file.
fn expiring_buttons(reader: &Reader, menu: &Menu) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (place, button) in buttons(menu) {
        if let Tap::Media { media_id, .. } = &button.tap
            && let Some(what) = expiry(reader, media_id)?
        {
            found.push(format!("{place}button {}: {what}", button.name));
        }
    }
    Ok(found)
}

/// When a media_id expires and what to do about it; `None` if it is permanent or unknown.
fn expiry(reader: &Reader, media_id: &str) -> Result<Option<String>, Failure> {
    let what = match reader.media_ends_at(media_id)? {
        Some(at) if at <= clock::unix_seconds() => format!("ended at {}", local_time::format(at)),
        Some(at) => format!("ends at {}", local_time::format(at)),
        None if reader.was_sent(media_id)? => {
            "is of a file that somebody sent, and ends three days after that".to_owned()
        }
        None => return Ok(None),
    };
    Ok(Some(format!(
        "the media_id {media_id} {what}: upload the file with `wechatd material upload`, whose media_id stays"
    )))
}

/// The buttons of the menu and of each conditional menu, with the prefix of their names in a warning.
fn button_lists(menu: &Menu) -> impl Iterator<Item = (String, &Vec<Button>)> {
    let conditional = menu.conditional.iter().zip(1..);
    let conditional =
        conditional.map(|(menu, n)| (format!("menu.conditional #{n}: "), &menu.button));
    std::iter::once((String::new(), &menu.button)).chain(conditional)
}

/// Warns of neighbouring buttons with the same name, usually a menu that was pulled into the file twice.
fn equal_names(menu: &Menu) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, buttons) in button_lists(menu) {
        let place = match place.is_empty() {
            true => "menu.button".to_owned(),
            false => format!("{place}button"),
        };
        warn_of_equals(&place, buttons, &mut warnings);
        for (button, n) in buttons.iter().zip(1..) {
            if let Tap::SubButton(below) = &button.tap {
                warn_of_equals(&format!("{place} #{n}: sub_button"), below, &mut warnings);
            }
        }
    }
    warnings
}

fn warn_of_equals(place: &str, buttons: &[Button], warnings: &mut Vec<String>) {
    for (n, button) in buttons.iter().enumerate() {
        let earlier = buttons[..n]
            .iter()
            .position(|other| other.name == button.name);
        if let Some(earlier) = earlier {
            warnings.push(format!(
                "{place}: #{} and #{} have the same name {:?}; if `wechatd menu pull` was added to the file twice, remove one",
                earlier + 1,
                n + 1,
                button.name
            ));
        }
    }
}
