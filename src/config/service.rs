//! The services of the configuration: the owner's own programs, to which rules forward pushes.

use std::fmt;
use std::time::Duration;

use toml::de::DeTable;

use super::entry::{self, Entry};
use super::problem::Report;
use super::secret_url::SecretUrl;
use super::value::{self, Parsed, Value};
use crate::secret::Secret;
use crate::webhook::SigningSecret;

/// The keys of a `[[service]]` with what each is for, in the order of the documentation.
pub const SERVICE_KEYS: &[(&str, &str)] = &[
    (
        "name",
        "what rules, logs and commands call it: letters, digits, - and _",
    ),
    ("url", "where it listens"),
    (
        "format",
        "\"wechat\" (WeChat's XML, freshly signed) or \"json\" (Standard Webhooks)",
    ),
    (
        "token",
        "wechat: the Token that the program expects; without it account.token",
    ),
    ("secret", "json: signs, without it one is made once"),
    ("timeout", "the time limit for one answer"),
    ("concurrency", "the most calls at a time"),
    (
        "slow",
        "what becomes of answers that come late, any part of [\"wait\", \"message\", \"next\"] in this order",
    ),
    (
        "wait_text",
        "shown at the end of the wait when the answer comes with the next message",
    ),
    ("keep", "how long an answer waits for the next message"),
];

/// The most services: each has threads of its own.
const MOST: usize = 16;

/// The ranges of the durations.
const TIMEOUT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
const KEEP: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(30 * 86_400)];

/// One service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Line of its first key in the file, counted from 1.
    pub line: usize,
    /// Where it listens.
    pub url: SecretUrl,
    /// The format of the calls.
    pub format: ServiceFormat,
    /// The time limit for one answer.
    pub timeout: Duration,
    /// The most calls at a time.
    pub concurrency: usize,
    /// What becomes of answers that come late.
    pub slow: Slow,
    /// Shown when the answer comes with the next message.
    pub wait_text: Option<String>,
    /// How long an answer waits for the next message.
    pub keep: Duration,
}

/// The format of the calls to a service.
#[derive(Debug, Clone)]
pub enum ServiceFormat {
    /// The platform's XML, with a fresh signature.
    WeChat {
        /// Signs; `None`: the account's Token does.
        token: Option<Secret>,
    },
    /// JSON, signed by Standard Webhooks.
    Json {
        /// Signs; `None`: one is made once and kept in the store.
        secret: Option<SigningSecret>,
    },
}

impl ServiceFormat {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            ServiceFormat::WeChat { .. } => "wechat",
            ServiceFormat::Json { .. } => "json",
        }
    }
}

/// The names of the ways to show a late answer.
const RUNGS: [&str; 3] = ["wait", "message", "next"];

/// What becomes of an answer that comes late, always tried in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slow {
    /// The platform delivers the push again, and that delivery is answered.
    pub wait: bool,
    /// It is sent as a customer-service message.
    pub message: bool,
    /// It is kept and shown with the follower's next message.
    pub next: bool,
}

impl Slow {
    /// All of it.
    const ALL: Slow = Slow {
        wait: true,
        message: true,
        next: true,
    };

    /// The names of what is tried, in this order.
    #[must_use]
    pub fn rungs(self) -> Vec<&'static str> {
        let tried = [self.wait, self.message, self.next];
        let rungs = RUNGS.into_iter().zip(tried);
        rungs
            .filter_map(|(rung, tried)| tried.then_some(rung))
            .collect()
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rungs().as_slice() {
            [] => f.write_str("nothing"),
            rungs => f.write_str(&rungs.join(" → ")),
        }
    }
}

/// Parses every `[[service]]`, each with the byte and the line it starts on. Mistakes go to `report`.
pub(super) fn parse(tables: &[(&DeTable, usize, usize)], report: Report) -> Vec<Service> {
    entry::named("service", MOST, tables, report, |entry, line| {
        let service = ServiceParser(entry).service(line)?;
        Some((service.name.clone(), service))
    })
}

/// The names of all services, also of those with other mistakes; `None` if the name of any is not clear.
pub(super) fn names(tables: &[(&DeTable, usize, usize)]) -> Option<Vec<String>> {
    let names = tables
        .iter()
        .map(|(table, ..)| name(table.get("name")?).ok());
    names.collect()
}

struct ServiceParser<'e, 'a, 't>(&'e mut Entry<'a, 't>);

impl ServiceParser<'_, '_, '_> {
    fn service(&mut self, line: usize) -> Option<Service> {
        let known: Vec<&str> = SERVICE_KEYS.iter().map(|(key, _)| *key).collect();
        let mut typos = self.0.refuse_unknown_keys(self.0.table, &known, "");
        let name = self.0.optional("name", name);
        let url = self.0.optional("url", SecretUrl::read);
        let needed = [
            (
                "name",
                "needs a name, by which rules, logs and commands call it",
            ),
            ("url", "needs a url: where does it listen?"),
        ];
        self.0.require(&needed, &mut typos);
        let format = self.format();
        let duration =
            |[least, most]: [Duration; 2]| move |value: &Value| value::duration(value, least, most);
        let timeout = self.0.optional("timeout", duration(TIMEOUT));
        let concurrency = self
            .0
            .optional("concurrency", |value| value::integer(value, 1, 64));
        let slow = self.0.optional("slow", slow);
        let wait_text = self.0.optional("wait_text", |value| {
            let text = value::string(value)?;
            match text.trim().is_empty() {
                true => Err("an empty text cannot be sent; leave it out".to_owned()),
                false => Ok(text),
            }
        });
        let keep = self.0.optional("keep", duration(KEEP));
        let valid = self.0.valid;
        let ((name, url), format) = name.zip(url).zip(format).filter(|_| valid)?;
        Some(Service {
            name,
            line,
            url,
            format,
            timeout: timeout.unwrap_or(Duration::from_secs(60)),
            concurrency: concurrency.unwrap_or(8),
            slow: slow.unwrap_or(Slow::ALL),
            wait_text,
            keep: keep.unwrap_or(Duration::from_secs(48 * 3_600)),
        })
    }

    fn format(&mut self) -> Option<ServiceFormat> {
        let known = [("wechat", false), ("json", true)];
        let is_json = match self.0.table.contains_key("format") {
            false => false,
            true => self.0.optional("format", |value| {
                value::one_of(&value::string(value)?, &known, "a format")
            })?,
        };
        let foreign = match is_json {
            true => (
                "token",
                "is for format \"wechat\" only; \"json\" signs with `secret`",
            ),
            false => (
                "secret",
                "is for format \"json\" only; \"wechat\" signs with `token`",
            ),
        };
        if self.0.table.contains_key(foreign.0) {
            self.0.fail(foreign.0, foreign.1);
        }
        Some(match is_json {
            true => ServiceFormat::Json {
                secret: self.0.optional("secret", value::signing_secret),
            },
            false => ServiceFormat::WeChat {
                token: self.0.optional("token", value::token),
            },
        })
    }
}

fn name(value: &Value) -> Parsed<String> {
    value::name(value, "service")
}

/// A part of the rungs, in their order; an empty list: late answers are not shown.
fn slow(value: &Value) -> Parsed<Slow> {
    if value
        .get_ref()
        .as_array()
        .is_some_and(|list| list.is_empty())
    {
        return Ok(Slow::default());
    }
    let known = RUNGS.map(|rung| (rung, rung));
    let texts = value::one_or_more(value)?;
    let rungs = texts
        .iter()
        .map(|text| value::one_of(text, &known, "a way to show a late answer"))
        .collect::<Parsed<Vec<_>>>()?;
    let [wait, message, next] = RUNGS.map(|rung| rungs.contains(&rung));
    let slow = Slow {
        wait,
        message,
        next,
    };
    match rungs == slow.rungs() {
        true => Ok(slow),
        false => Err(format!(
            "they are tried in one order only, each once: {:?}",
            slow.rungs()
        )),
    }
}
