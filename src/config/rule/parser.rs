//! Parses a `[[rule]]` into a [`Rule`], or reports everything that is wrong with it.

use toml::de::DeTable;

use super::{
    About, Action, ActionKey, Aim, Kinds, MESSAGE_TYPES, NewsItem, OTHERWISE, Pattern, RULE_KEYS,
    Rule, Test,
};
use crate::config::entry::Entry;
use crate::config::fold::{Folding, fold};
use crate::config::local::LocalFiles;
use crate::config::problem::{Report, Typos, nearest, suggestion};
use crate::config::template::Template;
use crate::config::value::{self, Parsed, Value};
use crate::counted::counted;
use crate::wechat::MAX_ARTICLES;
use crate::wechat::file::MediaType;

/// Parses one `[[rule]]`. Mistakes go to `report`; `None` if there was any. `services`: the names that it can forward to,
/// unless they are not clear. The files that it names are read into `files`.
pub(in crate::config) fn parse(
    number: usize,
    table: &DeTable,
    start: usize,
    line: usize,
    services: Option<&[String]>,
    files: &LocalFiles,
    report: Report,
) -> Option<Rule> {
    let mut entry = Entry {
        list: "rule",
        number,
        table,
        start,
        report,
        valid: true,
    };
    let known: Vec<&str> = RULE_KEYS.iter().map(|(key, _)| *key).collect();
    let typos = entry.refuse_unknown_keys(table, &known, "");
    let mut parser = RuleParser {
        entry,
        typos,
        files,
    };
    let name = parser.entry.optional("name", value::string);
    let about = parser.about();
    let case = parser
        .entry
        .optional("case", value::boolean)
        .unwrap_or(false);
    let aim = parser.aim(about.as_ref());
    let tests = parser.tests(case, about.as_ref().map(|about| aim.folding(about)));
    let action = parser.action();
    let todo = parser.entry.optional("todo", value::boolean);
    if let Some(action) = &action {
        parser.check_groups(action, &tests);
        if let (Action::Forward { service, .. }, Some(services)) = (action, services) {
            parser.check_service(service, services);
        }
    }
    if let (Some(About::Events(_)), Some(Action::Transfer(_))) = (&about, &action) {
        parser.entry.fail(
            "transfer",
            "only messages can be handed to customer service, never events",
        );
    }
    let valid = parser.entry.valid;
    let (about, action) = about.zip(action).filter(|_| valid)?;
    Some(Rule {
        name: name.unwrap_or_else(|| format!("rule #{number}")),
        line,
        about,
        aim,
        tests,
        case,
        todo: todo.unwrap_or(matches!(action, Action::Transfer(_))),
        action,
    })
}

struct RuleParser<'a, 't> {
    entry: Entry<'a, 't>,
    typos: Typos,
    files: &'a LocalFiles,
}

impl RuleParser<'_, '_> {
    fn about(&mut self) -> Option<About> {
        match (
            self.entry.table.contains_key("message"),
            self.entry.table.contains_key("event"),
        ) {
            (true, true) => {
                self.entry.fail(
                    "event",
                    "a rule is about messages or about events, not both; write two rules",
                );
                None
            }
            (false, false) if self.typos.take(&["message", "event"]) => None,
            (false, false) => {
                self.entry
                    .fail("", "says neither `message` nor `event`: what is it about?");
                None
            }
            (true, false) => {
                let names = self.entry.optional("message", value::one_or_more)?;
                for name in &names {
                    let known = MESSAGE_TYPES.iter().chain(&["any"]);
                    if !known.clone().any(|known| known.eq_ignore_ascii_case(name)) {
                        let advice = match nearest(name, known.copied()) {
                            Some(near) => format!("did you mean {near:?}?"),
                            None => format!("it can be {} or any", MESSAGE_TYPES.join(", ")),
                        };
                        self.entry
                            .fail("message", format!("{name:?} is not a MsgType; {advice}"));
                    }
                }
                Some(About::Messages(kinds(&names)))
            }
            (false, true) => {
                let names = self.entry.optional("event", value::one_or_more)?;
                if names.iter().any(|name| name.trim().is_empty()) {
                    self.entry.fail("event", "an Event name cannot be empty");
                }
                Some(About::Events(kinds(&names)))
            }
        }
    }

    fn aim(&mut self, about: Option<&About>) -> Aim {
        let read = |value: &Value| {
            match value::string(value)?.as_str() {
            "key" => Ok(Aim::Key),
            "scan" => match about {
                Some(About::Messages(_)) => Err(
                    "only events have something scanned; give the rule an event such as \"scancode_waitmsg\"".to_owned(),
                ),
                Some(About::Events(_)) | None => Ok(Aim::Scan),
            },
            other => Err(format!("{other:?} is not a subject; it is \"key\" or \"scan\"")),
        }
        };
        self.entry.optional("subject", read).unwrap_or(Aim::Key)
    }

    /// `folding` is `None` if the rule does not say what it is about.
    fn tests(&mut self, case: bool, folding: Option<Folding>) -> Vec<Test> {
        let folding = folding.filter(|_| !case);
        let mut tests = Vec::new();
        type Wrap = fn(Vec<String>) -> Test;
        let wrap: [(&str, Wrap); 3] = [
            ("equals", Test::Equals),
            ("prefix", Test::Prefix),
            ("contains", Test::Contains),
        ];
        let folded = |pattern: String| match folding.map(|folding| fold(&pattern, folding)) {
            Some(folded) if folded.is_empty() && !pattern.is_empty() => Err(format!(
                "nothing is left of {pattern:?} without its spaces and invisible characters; with case = true they count"
            )),
            Some(folded) => Ok(folded),
            None => Ok(pattern),
        };
        for (key, test) in wrap {
            let read = |value: &Value| {
                let patterns = value::one_or_more(value)?.into_iter();
                patterns.map(folded).collect::<Parsed<Vec<_>>>()
            };
            if let Some(patterns) = self.entry.optional(key, read) {
                tests.push(test(patterns));
            }
        }
        let read = |value: &Value| {
            let compile = |pattern: String| {
                value::no_control(&pattern, &['\n', '\r', '\t'])?;
                Pattern::new(&pattern, folding).map_err(|error| regex_mistake(&error))
            };
            let patterns = value::one_or_more(value)?.into_iter();
            patterns.map(compile).collect::<Parsed<Vec<_>>>()
        };
        if let Some(patterns) = self.entry.optional("regex", read) {
            tests.push(Test::Regex(patterns));
        }
        tests
    }

    fn action(&mut self) -> Option<Action> {
        let names = |keys: &[ActionKey], separator: &str| {
            let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
            names.join(separator)
        };
        let mut given = ActionKey::ALL.to_vec();
        given.retain(|key| self.entry.table.contains_key(key.name()));
        let forward = ActionKey::Forward;
        if self.entry.table.contains_key(OTHERWISE)
            && !given.contains(&forward)
            && !self.typos.has(&[forward.name()])
        {
            let lacks = "is shown when a service fails; name that with `forward`";
            self.entry.fail(OTHERWISE, lacks);
            if given.is_empty() {
                return None;
            }
        }
        match given.as_slice() {
            [] if self.typos.take(&ActionKey::ALL.map(ActionKey::name)) => None,
            [] => {
                let all = names(&ActionKey::ALL, ", ");
                self.entry
                    .fail("", format!("has no answer; give it one of {all}"));
                None
            }
            [key] => self.action_of(*key),
            [_, second, ..] => {
                let all = names(&given, " and ");
                self.entry.fail(
                    second.name(),
                    format!("a rule has one answer, this one has {all}"),
                );
                None
            }
        }
    }

    fn action_of(&mut self, kind: ActionKey) -> Option<Action> {
        let key = kind.name();
        let files = self.files;
        let media = |media_type| move |value: &Value| files.media(value, media_type);
        match kind {
            ActionKey::Text => self
                .entry
                .optional(key, |value| text(value, "write silent = true"))
                .map(Action::Text),
            ActionKey::Image => self
                .entry
                .optional(key, media(MediaType::Image))
                .map(Action::Image),
            ActionKey::Voice => self
                .entry
                .optional(key, media(MediaType::Voice))
                .map(Action::Voice),
            ActionKey::Video => {
                let mut fields = self.fields(key, &["media_id", "title", "description"])?;
                Some(Action::Video {
                    media: fields.required("media_id", media(MediaType::Video))?,
                    title: fields.optional("title", template)?,
                    description: fields.optional("description", template)?,
                })
            }
            ActionKey::Music => {
                let mut fields = self.fields(
                    key,
                    &["title", "description", "url", "hq_url", "thumb_media_id"],
                )?;
                Some(Action::Music {
                    title: fields.optional("title", template)?,
                    description: fields.optional("description", template)?,
                    url: fields.optional("url", url)?,
                    hq_url: fields.optional("hq_url", url)?,
                    thumb: fields.required("thumb_media_id", media(MediaType::Thumb))?,
                })
            }
            ActionKey::News => self.news(key),
            ActionKey::Transfer => {
                self.entry
                    .optional(key, |value| match value.get_ref().as_bool() {
                        Some(true) => Ok(Action::Transfer(None)),
                        Some(false) => Err("leave it out instead of false".to_owned()),
                        None => identifier(value).map(|agent| Action::Transfer(Some(agent))),
                    })
            }
            ActionKey::Forward => Some(Action::Forward {
                service: self.entry.optional(key, identifier)?,
                otherwise: self
                    .entry
                    .optional(OTHERWISE, |value| text(value, "leave it out")),
            }),
            ActionKey::Silent => self
                .entry
                .optional(key, |value| match value::boolean(value)? {
                    true => Ok(Action::Silent),
                    false => Err("leave it out instead of false".to_owned()),
                }),
        }
    }

    fn check_service(&mut self, name: &str, services: &[String]) {
        if services.iter().any(|service| service == name) {
            return;
        }
        let advice = match services.is_empty() {
            true => "add a [[service]] of this name".to_owned(),
            false => suggestion(name, services.iter().map(String::as_str)),
        };
        self.entry.fail(
            ActionKey::Forward.name(),
            format!("there is no service {name:?}; {advice}"),
        );
    }

    fn news(&mut self, key: &'static str) -> Option<Action> {
        let (table, files) = (self.entry.table, self.files);
        let value = table.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.entry.fail(
                key,
                value::expected("a list of { title, description, pic_url, url }", value),
            );
            return None;
        };
        if items.is_empty() || items.len() > MAX_ARTICLES {
            self.entry.fail(
                key,
                format!(
                    "has {} articles; it can have 1 to {MAX_ARTICLES}",
                    items.len()
                ),
            );
            return None;
        }
        let mut articles = Vec::new();
        for item in items.iter() {
            let mut fields =
                self.fields_of(key, item, &["title", "description", "pic_url", "url"])?;
            articles.push(NewsItem {
                title: fields.required("title", template)?,
                description: fields
                    .optional("description", template)?
                    .unwrap_or_else(|| Template::parse("")),
                pic_url: fields
                    .optional("pic_url", |value| picture(value, files))?
                    .unwrap_or_else(|| Template::url("")),
                url: fields.required("url", url)?,
            });
        }
        Some(Action::News(articles))
    }

    fn fields<'s>(&'s mut self, key: &'static str, known: &[&str]) -> Option<Fields<'s>> {
        let table = self.entry.table;
        self.fields_of(key, table.get(key)?, known)
    }

    fn fields_of<'s>(
        &'s mut self,
        key: &'static str,
        value: &'s Value,
        known: &[&str],
    ) -> Option<Fields<'s>> {
        let Some(table) = value.get_ref().as_table() else {
            self.entry.fail(
                key,
                value::expected(&format!("a table {{ {} }}", known.join(", ")), value),
            );
            return None;
        };
        let typos = self.entry.refuse_unknown_keys(table, known, key);
        Some(Fields {
            number: self.entry.number,
            key,
            at: value.span().start,
            table,
            report: self.entry.report,
            valid: &mut self.entry.valid,
            typos,
        })
    }

    /// A group that no regex of the rule has would always be empty: a mistake worth reporting.
    fn check_groups(&mut self, action: &Action, tests: &[Test]) {
        let Some(highest) = action.templates().filter_map(Template::highest_group).max() else {
            return;
        };
        let has_regex = self.entry.table.contains_key("regex") || self.typos.has(&["regex"]);
        let available = tests.iter().find_map(|test| match test {
            Test::Regex(patterns) => {
                let groups = |pattern: &Pattern| pattern.written.captures_len() - 1;
                patterns.iter().map(groups).max()
            }
            Test::Equals(_) | Test::Prefix(_) | Test::Contains(_) => None,
        });
        let key = match matches!(action, Action::Forward { .. }) {
            true => OTHERWISE,
            false => action.key(),
        };
        match available {
            // Its mistake has been reported.
            None if has_regex => {}
            None => self.entry.fail(
                key,
                format!("{{{highest}}} is a group of a regex, and this rule has no `regex`"),
            ),
            Some(available) if highest > available => {
                self.entry.fail(
                    key,
                    format!(
                        "{{{highest}}}: the regex has only {}",
                        counted(available, "group")
                    ),
                );
            }
            Some(_) => {}
        }
    }
}

/// The inner keys of `video`, `music` and an article of `news`.
struct Fields<'s> {
    number: usize,
    key: &'static str,
    at: usize,
    table: &'s DeTable<'s>,
    report: Report<'s>,
    valid: &'s mut bool,
    typos: Typos,
}

impl Fields<'_> {
    fn required<T>(&mut self, name: &str, read: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        match self.table.get(name) {
            Some(value) => self.read(name, value, read),
            None if self.typos.take(&[name]) => None,
            None => {
                *self.valid = false;
                (self.report)(
                    self.at,
                    format!("rule #{}: {}", self.number, self.key),
                    format!("needs {name}"),
                );
                None
            }
        }
    }

    /// The outer `None` means that the value is present and wrong.
    #[expect(
        clippy::option_option,
        reason = "absent and wrong differ: the caller gives up only on the second"
    )]
    fn optional<T>(&mut self, name: &str, read: impl Fn(&Value) -> Parsed<T>) -> Option<Option<T>> {
        match self.table.get(name) {
            Some(value) => self.read(name, value, read).map(Some),
            None => Some(None),
        }
    }

    fn read<T>(
        &mut self,
        name: &str,
        value: &Value,
        read: impl Fn(&Value) -> Parsed<T>,
    ) -> Option<T> {
        read(value)
            .map_err(|what| {
                *self.valid = false;
                (self.report)(
                    value.span().start,
                    format!("rule #{}: {}.{name}", self.number, self.key),
                    what,
                );
            })
            .ok()
    }
}

fn kinds(names: &[String]) -> Kinds {
    let names: Vec<String> = names
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    match names.iter().any(|name| name == "any") {
        true => Kinds::Any,
        false => Kinds::Listed(names),
    }
}

/// `instead`: what to do for no answer.
fn text(value: &Value, instead: &str) -> Parsed<Template> {
    let text = value::string(value)?;
    match text.trim().is_empty() {
        true => Err(format!(
            "an empty text cannot be sent; for no answer {instead}"
        )),
        false => Ok(Template::parse(&text)),
    }
}

fn template(value: &Value) -> Parsed<Template> {
    Ok(Template::parse(&value::string(value)?))
}

fn url(value: &Value) -> Parsed<Template> {
    Ok(Template::url(&value::string(value)?))
}

/// A URL, or a file whose URL is made here. What has a placeholder is a URL, whatever it becomes.
fn picture(value: &Value, files: &LocalFiles) -> Parsed<Template> {
    let url = url(value)?;
    match url.literal() {
        Some(name) if !name.is_empty() && !name.contains("://") => {
            Ok(Template::url(&files.picture(name)?))
        }
        Some(_) | None => Ok(url),
    }
}

fn identifier(value: &Value) -> Parsed<String> {
    let text = value::string(value)?.trim().to_owned();
    match text.is_empty() {
        true => Err("cannot be empty".to_owned()),
        false => Ok(text),
    }
}

/// The last line of a regex error is the cause; the lines before it show the pattern.
fn regex_mistake(error: &regex::Error) -> String {
    let text = error.to_string();
    let cause = text
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    format!("not a regular expression: {cause}")
}
