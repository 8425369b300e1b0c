//! The hooks of the configuration: who receives which events, and in which format.

use toml::de::DeTable;

use super::entry::{self, Entry};
use super::problem::{Report, nearest};
use super::secret_url::SecretUrl;
use super::value::{self, Parsed, Value};
use crate::secret::Secret;
use crate::webhook::SigningSecret;

/// The keys of a `[[hook]]` with what each is for, in the order of the documentation.
pub const HOOK_KEYS: &[(&str, &str)] = &[
    (
        "name",
        "what logs and commands call it: letters, digits, - and _",
    ),
    (
        "url",
        "where it listens; of a robot the URL that its app shows",
    ),
    (
        "events",
        "the events that it receives, a list of follow, leave, message, event (all other events), closed, job, trouble (something is wrong), recovered, todo (messages to do); without it all",
    ),
    (
        "format",
        "\"standard\" (Standard Webhooks), or the robot: \"wecom\", \"dingtalk\", \"feishu\", \"ntfy\", \"bark\"",
    ),
    (
        "secret",
        "standard: signs, without it one is made once; dingtalk, feishu: the robot's own signing secret",
    ),
    (
        "previous_secret",
        "standard: signs as well; use it only while you switch over",
    ),
    (
        "body",
        "standard: another JSON body, with {summary}, {type}, {openid}, {content} and {time}",
    ),
];

/// The most hooks: each has a thread of its own.
const MOST: usize = 16;

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Somebody follows.
    Follow,
    /// Somebody left.
    Leave,
    /// Somebody wrote.
    Message,
    /// Any other event of the platform.
    Event,
    /// Somebody is gone and must be forgotten.
    Closed,
    /// A mass message, template message or publication has finished.
    Job,
    /// Something has been wrong for a minute.
    Trouble,
    /// It is over.
    Recovered,
    /// A message was put into the to-do list.
    Todo,
}

impl EventType {
    /// All of them, in the order of the documentation.
    pub const ALL: [EventType; 9] = [
        EventType::Follow,
        EventType::Leave,
        EventType::Message,
        EventType::Event,
        EventType::Closed,
        EventType::Job,
        EventType::Trouble,
        EventType::Recovered,
        EventType::Todo,
    ];

    /// Its name in the configuration, in the store and in what is sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EventType::Follow => "follow",
            EventType::Leave => "leave",
            EventType::Message => "message",
            EventType::Event => "event",
            EventType::Closed => "closed",
            EventType::Job => "job",
            EventType::Trouble => "trouble",
            EventType::Recovered => "recovered",
            EventType::Todo => "todo",
        }
    }
}

/// One hook.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Line of its first key in the file, counted from 1.
    pub line: usize,
    /// Where it listens.
    pub url: SecretUrl,
    /// The events that it receives.
    pub events: Vec<EventType>,
    /// The format of the calls.
    pub format: HookFormat,
}

/// The format of the calls to a hook.
#[derive(Debug, Clone)]
pub enum HookFormat {
    /// Standard Webhooks.
    Standard {
        /// Signs; `None`: one is made once and kept in the store.
        secret: Option<SigningSecret>,
        /// Signs as well.
        previous: Option<SigningSecret>,
        /// Another body.
        body: Option<BodyTemplate>,
    },
    /// A group robot of WeCom (企业微信).
    WeCom,
    /// A group robot of DingTalk (钉钉).
    DingTalk {
        /// Its signing secret, if it has one (加签).
        secret: Option<Secret>,
    },
    /// A group robot of Feishu (飞书) or Lark.
    Feishu {
        /// Its signing secret, if it has one (签名校验).
        secret: Option<Secret>,
    },
    /// A topic of ntfy, the last part of the URL.
    Ntfy,
    /// A phone with Bark; its device key is the last part of the URL.
    Bark,
}

impl HookFormat {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            HookFormat::Standard { .. } => "standard",
            HookFormat::WeCom => "wecom",
            HookFormat::DingTalk { .. } => "dingtalk",
            HookFormat::Feishu { .. } => "feishu",
            HookFormat::Ntfy => "ntfy",
            HookFormat::Bark => "bark",
        }
    }
}

const FORMATS: [&str; 6] = ["standard", "wecom", "dingtalk", "feishu", "ntfy", "bark"];

/// What stands in a [`BodyTemplate`] for something of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// One Chinese sentence.
    Summary,
    /// The name of the type.
    Type,
    /// Whom it is about.
    Openid,
    /// What the person wrote.
    Content,
    /// Local date and time.
    Time,
}

impl Placeholder {
    const ALL: [(&'static str, Placeholder); 5] = [
        ("summary", Placeholder::Summary),
        ("type", Placeholder::Type),
        ("openid", Placeholder::Openid),
        ("content", Placeholder::Content),
        ("time", Placeholder::Time),
    ];
}

/// A JSON body with placeholders inside its strings.
#[derive(Debug, Clone)]
pub struct BodyTemplate(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

impl BodyTemplate {
    fn parse(text: &str) -> Parsed<BodyTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut plain = String::new();
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            let word = rest[at + 1..].split_once('}').map(|(word, _)| word);
            let word = word.filter(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
            });
            let Some(word) = word else {
                plain.push('{');
                rest = &rest[at + 1..];
                continue;
            };
            let names = || Placeholder::ALL.iter().map(|(name, _)| *name);
            let Some((_, known)) = Placeholder::ALL.iter().find(|(name, _)| *name == word) else {
                let advice = match nearest(word, names()) {
                    Some(near) => format!("did you mean {{{near}}}?"),
                    None => format!("it can be {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(format!("{{{word}}} is not a placeholder; {advice}"));
            };
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Placeholder(*known));
            rest = &rest[at + word.len() + 2..];
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        let template = BodyTemplate(parts);
        let sample = template.fill(|_| "a \"quoted\"\n\\ sample 🐟".to_owned());
        match serde_json::from_str::<serde_json::Value>(&sample) {
            Ok(_) => Ok(template),
            Err(error) => Err(format!(
                "is no JSON when it is filled in ({error}); placeholders go inside strings, as in '{{\"text\":\"{{summary}}\"}}'"
            )),
        }
    }

    /// The body with these texts in the place of the placeholders.
    #[must_use]
    pub fn fill(&self, text: impl Fn(Placeholder) -> String) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder(placeholder) => {
                    let quoted = serde_json::Value::from(text(*placeholder)).to_string();
                    filled.push_str(&quoted[1..quoted.len() - 1]);
                }
            }
        }
        filled
    }
}

/// Parses every `[[hook]]`, each with the line it starts on. Mistakes go to `report`.
pub(super) fn parse(tables: &[(&DeTable, usize, usize)], report: Report) -> Vec<Hook> {
    entry::named("hook", MOST, tables, report, |entry, line| {
        let hook = HookParser(entry).hook(line)?;
        Some((hook.name.clone(), hook))
    })
}

struct HookParser<'e, 'a, 't>(&'e mut Entry<'a, 't>);

impl HookParser<'_, '_, '_> {
    fn hook(&mut self, line: usize) -> Option<Hook> {
        let known: Vec<&str> = HOOK_KEYS.iter().map(|(key, _)| *key).collect();
        let mut typos = self.0.refuse_unknown_keys(self.0.table, &known, "");
        let name = self.0.optional("name", |value| value::name(value, "hook"));
        let url = self.0.optional("url", SecretUrl::read);
        let needed = [
            ("name", "needs a name, by which logs and commands call it"),
            ("url", "needs a url: where are its events to be sent?"),
        ];
        self.0.require(&needed, &mut typos);
        let events = self.0.optional("events", events);
        let format = self.0.optional("format", |value| {
            let known = FORMATS.map(|name| (name, name));
            value::one_of(&value::string(value)?, &known, "a format")
        });
        let format = match (format, self.0.table.contains_key("format")) {
            (Some(format), _) => Some(format),
            (None, false) => Some("standard"),
            (None, true) => None,
        };
        let format = self.format(format?);
        if let (Some(HookFormat::Ntfy | HookFormat::Bark), Some(url)) = (&format, &url)
            && last_part(url.expose()).is_none()
        {
            self.0.fail(
                "url",
                "ends with the topic of ntfy, or the device key of Bark, as in https://ntfy.sh/my-topic or https://api.day.app/KEY",
            );
        }
        let valid = self.0.valid;
        let ((name, url), format) = name.zip(url).zip(format).filter(|_| valid)?;
        Some(Hook {
            name,
            line,
            url,
            events: events.unwrap_or_else(|| EventType::ALL.to_vec()),
            format,
        })
    }

    fn format(&mut self, name: &str) -> Option<HookFormat> {
        let is_standard = name == "standard";
        for key in ["previous_secret", "body"] {
            if !is_standard && self.0.table.contains_key(key) {
                self.0.fail(
                    key,
                    format!("is for format \"standard\" only, not for {name:?}"),
                );
            }
        }
        let robots_secret = |value: &Value| match value::string(value)?.trim() {
            "" => Err("cannot be empty; leave it out where the robot has none".to_owned()),
            text => Ok(Secret::new(text)),
        };
        match name {
            "standard" => Some(HookFormat::Standard {
                secret: self.0.optional("secret", value::signing_secret),
                previous: self.0.optional("previous_secret", value::signing_secret),
                body: self
                    .0
                    .optional("body", |value| BodyTemplate::parse(&value::string(value)?)),
            }),
            "dingtalk" => Some(HookFormat::DingTalk {
                secret: self.0.optional("secret", robots_secret),
            }),
            "feishu" => Some(HookFormat::Feishu {
                secret: self.0.optional("secret", robots_secret),
            }),
            other => {
                if self.0.table.contains_key("secret") {
                    self.0.fail(
                        "secret",
                        format!("{other:?} signs nothing: its URL is the secret; leave it out"),
                    );
                }
                match other {
                    "wecom" => Some(HookFormat::WeCom),
                    "ntfy" => Some(HookFormat::Ntfy),
                    "bark" => Some(HookFormat::Bark),
                    _ => None,
                }
            }
        }
    }
}

/// What stands before the last part of the path of a URL, and that part: the topic of ntfy, the device key of Bark.
#[must_use]
pub fn last_part(url: &str) -> Option<(&str, &str)> {
    let url = url.split(['?', '#']).next()?.trim_end_matches('/');
    let begin = url.find("://")? + 3;
    let slash = begin + url[begin..].rfind('/')?;
    let (base, part) = (&url[..slash], &url[slash + 1..]);
    (!part.is_empty()).then_some((base, part))
}

fn events(value: &Value) -> Parsed<Vec<EventType>> {
    let known = EventType::ALL.map(|event| (event.name(), event));
    let read = |text: String| value::one_of(&text, &known, "a type of event");
    value::one_or_more(value)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_json_whatever_is_filled_in() {
        let body = BodyTemplate::parse(r#"{"text":"{type}: {summary}","x":{"y":[1]}}"#);
        let filled = body.expect("a body").fill(|_| "\"}\n\u{1}🐟\\".to_owned());
        let value: serde_json::Value = serde_json::from_str(&filled).expect("JSON");
        assert_eq!(value["text"], "\"}\n\u{1}🐟\\: \"}\n\u{1}🐟\\");
        for wrong in [
            "{summary}",
            r#"{"text":{summary}}"#,
            r#"{"a":"{sumary}"}"#,
            "no",
        ] {
            assert!(BodyTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_topic_is_the_last_part_of_a_url() {
        assert_eq!(
            last_part("https://ntfy.sh/my-topic?x=1"),
            Some(("https://ntfy.sh", "my-topic"))
        );
        assert_eq!(
            last_part("https://a.example/sub/KEY/"),
            Some(("https://a.example/sub", "KEY"))
        );
        assert_eq!(last_part("https://ntfy.sh/"), None);
    }
}
