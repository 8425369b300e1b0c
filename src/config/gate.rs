//! The gates of the configuration: who may pass on the owner's web pages.

use std::fmt;
use std::time::Duration;

use toml::de::DeTable;

use super::entry::{self, Entry};
use super::problem::{Report, nearest};
use super::value::{self, Parsed, Value};
use super::web::{self, Method, Methods};
use crate::counted::counted;

/// The keys of a `[[gate]]` with what each is for, in the order of the documentation.
pub const GATE_KEYS: &[(&str, &str)] = &[
    (
        "name",
        "its name in paths and commands: letters, digits, - and _",
    ),
    (
        "who",
        "who may pass: \"anyone\", \"followers\", \"tag:VIP\", or a list of openids",
    ),
    (
        "methods",
        "how the visitor must have logged in, a list of oauth, scan; without it in any way",
    ),
    ("max_age", "how long ago that may be at most"),
];

/// The most gates.
const MOST: usize = 64;

/// The range of `max_age`.
const MAX_AGE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(90 * 86_400)];

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

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anyone => f.write_str("any user of WeChat"),
            Who::Followers => f.write_str("followers"),
            Who::Tag(tag) => write!(f, "followers with the tag {tag}"),
            Who::Listed(openids) => write!(f, "{}", counted(openids.len(), "listed openid")),
        }
    }
}

/// Parses every `[[gate]]`, each with the byte and the line it starts on. `allowed` is `login.methods`. Mistakes go to
/// `report`.
pub(super) fn parse(
    tables: &[(&DeTable, usize, usize)],
    allowed: Methods,
    report: Report,
) -> Vec<Gate> {
    entry::named("gate", MOST, tables, report, |entry, line| {
        let gate = gate(entry, line, allowed)?;
        Some((gate.name.clone(), gate))
    })
}

fn gate(entry: &mut Entry, line: usize, allowed: Methods) -> Option<Gate> {
    let known: Vec<&str> = GATE_KEYS.iter().map(|(key, _)| *key).collect();
    let mut typos = entry.refuse_unknown_keys(entry.table, &known, "");
    let name = entry.optional("name", |value| value::name(value, "gate"));
    let who = entry.optional("who", who);
    let needed = [
        (
            "name",
            "needs a name, which is part of the paths of its routes",
        ),
        (
            "who",
            "needs who: \"anyone\", \"followers\", \"tag:VIP\", or a list of openids",
        ),
    ];
    entry.require(&needed, &mut typos);
    let methods = entry.optional("methods", |value| {
        let methods = web::methods(value)?;
        let off = |method: &Method| methods.include(*method) && !allowed.include(*method);
        match Method::ALL.into_iter().find(off) {
            Some(method) => Err(format!(
                "login.methods does not have {:?}; add it there, or remove it here",
                method.name()
            )),
            None => Ok(methods),
        }
    });
    let [least, most] = MAX_AGE;
    let max_age = entry.optional("max_age", |value| value::duration(value, least, most));
    let valid = entry.valid;
    let (name, who) = name.zip(who).filter(|_| valid)?;
    Some(Gate {
        name,
        line,
        who,
        methods,
        max_age,
    })
}

fn who(value: &Value) -> Parsed<Who> {
    if value.get_ref().as_array().is_some() {
        let openids = value::one_or_more(value)
            .map_err(|_| "is a list of openids, at least one".to_owned())?;
        return match openids.iter().find(|openid| !is_openid(openid)) {
            Some(other) => Err(format!(
                "{other:?} is no openid; a list has openids only, \"followers\" or \"tag:VIP\" are not part of one"
            )),
            None => Ok(Who::Listed(openids)),
        };
    }
    let text =
        value::string(value).map_err(|_| value::expected("a text or a list of openids", value))?;
    if let Some(tag) = text.strip_prefix("tag:") {
        value::no_control(tag, &[])?;
        return match tag.trim() {
            "" => Err(
                "\"tag:\" names no tag; write it after the colon, such as \"tag:VIP\"".to_owned(),
            ),
            tag => Ok(Who::Tag(tag.to_owned())),
        };
    }
    match text.as_str() {
        "anyone" => Ok(Who::Anyone),
        "followers" => Ok(Who::Followers),
        _ => Err(format!("{text:?} is nobody; {}", who_is_meant(&text))),
    }
}

fn who_is_meant(text: &str) -> String {
    let is_tag = |word: &str| nearest(word.trim(), ["tag"]).is_some();
    match (nearest(text, ["anyone", "followers"]), text.split_once(':')) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, Some((word, tag))) if is_tag(word) => {
            format!("did you mean {:?}?", format!("tag:{}", tag.trim()))
        }
        (None, _) if is_openid(text) && text.len() >= 20 => {
            format!("for one user write a list: [{text:?}]")
        }
        (None, _) => {
            "it can be \"anyone\", \"followers\", a tag such as \"tag:VIP\", or a list of openids"
                .to_owned()
        }
    }
}

/// Whether a text can be an openid; real ones have 28 characters.
fn is_openid(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=64).contains(&text.len())
        && text.bytes().all(plain)
        && !["anyone", "followers"].contains(&text)
}
