//! Syntax errors of a configuration, in an owner's words; repairs the text as it was probably meant, so that its other
//! mistakes are found, too.

mod line;

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::gate::GATE_KEYS;
use super::hook::HOOK_KEYS;
use super::menu::MENU_KEYS;
use super::rule::RULE_KEYS;
use super::service::SERVICE_KEYS;
use super::{KEYS, nearest};
use crate::visible::Visible;

/// How often the text is parsed again after a repair. Nobody needs a list of more errors than that.
const MAX_ROUNDS: usize = 30;

/// Parser messages whose cause is on the same line.
const OWN_ERRORS: [&str; 5] = [
    "duplicate key",
    "key with no value",
    "quote",
    "invalid",
    "unexpected key or value",
];

/// Headers in double brackets: each starts one more item of a list.
const LISTS: [&str; 7] = [
    "rule",
    "hook",
    "service",
    "gate",
    "menu.button",
    "menu.conditional",
    "menu.conditional.button",
];

/// Sections without secrets.
const OPEN_SECTIONS: [&str; 8] = [
    "rule", "menu", "gate", "server", "store", "api", "web", "login",
];

/// A line that is not TOML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// Counted from 1.
    pub(super) line: usize,
    /// The line itself, without possible secrets.
    pub(super) shown: String,
    /// What is wrong and what to do.
    pub(super) what: String,
}

/// A text with syntax errors, repaired.
#[derive(Debug)]
pub(super) struct Repaired {
    /// As it was probably meant, with the same number of lines; `None` if that is unclear.
    pub(super) text: Option<String>,
    /// Sorted by line; one per line.
    pub(super) errors: Vec<SyntaxError>,
}

/// Finds the syntax errors of a text; `None` if it is TOML.
pub(super) fn repair(text: &str) -> Option<Repaired> {
    if DeTable::parse_recoverable(text).1.is_empty() {
        return None;
    }
    let mut repairer = Repairer::new(text);
    let mut clear = false;
    for _ in 0..MAX_ROUNDS {
        let errors = repairer.errors();
        if errors.is_empty() {
            clear = true;
            break;
        }
        if !repairer.repair_characters(&errors) && !repairer.repair_by_message(&errors) {
            break;
        }
    }
    if let (true, Some((n, message))) = (repairer.found.is_empty(), repairer.errors().pop()) {
        repairer.note(n, message);
    }
    let Repairer { lines, found, .. } = repairer;
    Some(Repaired {
        text: clear.then(|| lines.join("\n")),
        errors: found.into_values().collect(),
    })
}

/// An error of the parser: its line, counted from 0, and its message.
type ParserError = (usize, String);

struct Repairer {
    lines: Vec<String>,
    /// The section of each line as written.
    sections: Vec<String>,
    found: BTreeMap<usize, SyntaxError>,
    /// Lines that could not be repaired.
    given_up: BTreeSet<usize>,
    /// Lines where lists start that a repair has closed.
    closed: BTreeSet<usize>,
}

impl Repairer {
    fn new(text: &str) -> Repairer {
        let lines: Vec<String> = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned())
            .collect();
        let mut section = String::new();
        let sections = lines.iter().map(|line| {
            if let Some(name) = header(line) {
                section = name.to_owned();
            }
            section.clone()
        });
        Repairer {
            sections: sections.collect(),
            lines,
            found: BTreeMap::new(),
            given_up: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }

    /// Sorted by position.
    fn errors(&self) -> Vec<ParserError> {
        let text = self.lines.join("\n");
        let (_, errors) = DeTable::parse_recoverable(&text);
        let mut places: Vec<(usize, String)> = errors
            .iter()
            .map(|error| {
                let at = error.span().map_or(0, |span| span.start).min(text.len());
                (at, error.message().replace('\n', ", "))
            })
            .collect();
        places.sort_by_key(|(at, _)| *at);
        let line = |at: usize| {
            text.as_bytes()[..at]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
        };
        places
            .into_iter()
            .map(|(at, message)| (line(at), message))
            .collect()
    }

    /// Repairs all lines with an error that have a character of another keyboard, a missing quote or the like, which is
    /// then the reason. False if there is none.
    fn repair_characters(&mut self, errors: &[ParserError]) -> bool {
        let insides = line::insides(&self.lines).0;
        let wrong: BTreeSet<usize> = errors.iter().map(|(line, _)| *line).collect();
        let mut any = false;
        for n in wrong {
            let found = match insides[n] {
                line::Inside::Nothing => line::characters(&self.lines[n]),
                line::Inside::Basic => line::escapes(&self.lines[n]),
                line::Inside::Literal => None,
            };
            if let Some((what, repaired)) = found
                && !self.found.contains_key(&n)
            {
                let what = match what.ends_with(line::UNCLEAR) {
                    true => what,
                    false => self.with_example(n, what, &repaired),
                };
                self.note(n, what);
                self.lines[n] = repaired;
                any = true;
            }
        }
        any
    }

    /// Repairs by the parser's messages: all lines with errors of their own, up to the first line whose error may come
    /// from another line, or that one. False if nothing could be repaired.
    fn repair_by_message(&mut self, errors: &[ParserError]) -> bool {
        if errors
            .iter()
            .any(|(_, message)| message.contains("multi-line"))
        {
            return self.close_text();
        }
        let unclosed = ["unclosed array,", "unclosed inline table"];
        if errors
            .iter()
            .any(|(_, message)| unclosed.iter().any(|word| message.contains(word)))
            && self.close_list()
        {
            return true;
        }
        let mut any = false;
        let mut before = None;
        for (n, message) in errors {
            if before.replace(n) == Some(n) {
                continue;
            }
            let line = &self.lines[*n];
            let own =
                header(line).is_none() && OWN_ERRORS.iter().any(|word| message.contains(word));
            if own && !(message.contains("array") || message.contains("inline table")) {
                any |= self.repair_line(*n, message);
                continue;
            }
            return any || self.repair_other(*n, message);
        }
        any
    }

    fn repair_other(&mut self, n: usize, message: &str) -> bool {
        let is_new = !self.found.contains_key(&n) && !self.continues_lost_line(n);
        if let (true, Some(name)) = (is_new, header(&self.lines[n])) {
            let name = name.to_owned();
            return self.repair_header(n, &name, message);
        }
        self.repair_line(n, message)
    }

    fn repair_line(&mut self, n: usize, message: &str) -> bool {
        if self.found.contains_key(&n) || self.continues_lost_line(n) {
            return self.give_up(n);
        }
        let line = self.lines[n].clone();
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key.trim(), line::without_comment(value).trim()),
            None => (line.trim(), ""),
        };
        let mut repaired = None;
        let what = if message == "duplicate key" {
            // Under an unknown name it is not a duplicate.
            repaired = line
                .split_once('=')
                .map(|(_, value)| format!("line-{n} ={value}"));
            format!(
                "{} is here a second time; remove one of the two",
                Visible(key)
            )
        } else if message.contains("missing comma") {
            "a comma is missing between two values".to_owned()
        } else if message.contains("key with no value") {
            repaired = line::with_equals(&line);
            match repaired {
                Some(_) => "an = is missing between the key and its value".to_owned(),
                None => "this is no key = value; a comment begins with #".to_owned(),
            }
        } else if message.contains("unexpected key or value") {
            "there is something after the value: a line has one key and one value, and a quote within a text in double quotes is written \\\"".to_owned()
        } else if message.contains("carriage return") {
            "a line ends in a way that only old Macs know; save the file with the line ends of Unix or Windows".to_owned()
        } else if value.is_empty() && line.contains('=') {
            "there is no value after the =".to_owned()
        } else if message.contains("quote") || message.starts_with("invalid") {
            match value.to_lowercase().as_str() {
                word @ ("true" | "false" | "yes" | "no" | "on" | "off") => {
                    let word = ["true", "yes", "on"].contains(&word);
                    repaired = Some(format!("{key} = {word}"));
                    "yes and no are written true and false".to_owned()
                }
                _ if value.contains(['"', '\'', '[', '{', '\\']) => message.to_owned(),
                _ => {
                    repaired = Some(format!("{key} = {}", line::quoted(value)));
                    "a text needs quotes around it".to_owned()
                }
            }
        } else {
            message.to_owned()
        };
        match repaired {
            Some(repaired) => {
                let what = match message == "duplicate key" {
                    true => what,
                    false => self.with_example(n, what, &repaired),
                };
                self.note(n, what);
                self.lines[n] = repaired;
                true
            }
            None => {
                self.note(n, what);
                self.give_up(n)
            }
        }
    }

    fn repair_header(&mut self, n: usize, name: &str, message: &str) -> bool {
        let right = match LISTS.contains(&name) {
            true => format!("[[{name}]]"),
            false => format!("[{name}]"),
        };
        // A list that started as a section makes its correct headers wrong.
        let single = format!("[{name}]");
        let first = (0..=n).find(|n| self.lines[*n].trim().starts_with(&single));
        if let (true, Some(first)) = (LISTS.contains(&name), first) {
            self.note(first, format!("is a list; begin each item with {right}"));
            self.lines[first] = right;
            return true;
        }
        if message == "duplicate key" {
            self.note(
                n,
                format!(
                    "{name} has begun above already; put these keys below the others of {name}"
                ),
            );
            let next = (n + 1..self.lines.len()).find(|n| header(&self.lines[*n]).is_some());
            for line in &mut self.lines[n..next.unwrap_or(usize::MAX).min(self.sections.len())] {
                line.clear();
            }
            return true;
        }
        self.note(n, format!("a bracket is missing or one too many: {right}"));
        let changes = self.lines[n] != right;
        self.lines[n] = right;
        changes || self.give_up(n)
    }

    /// Closes the first multi-line text without an end, before what looks like the next key or section.
    fn close_text(&mut self) -> bool {
        let (insides, unclosed) = line::insides(&self.lines);
        let Some((opened, quotes)) = unclosed else {
            return false;
        };
        let next = (opened + 1..self.lines.len())
            .find(|n| insides[*n] != line::Inside::Nothing && is_statement(&self.lines[*n]));
        let what = format!("the text that begins here with {quotes} has no {quotes} at its end");
        self.note(opened, what);
        let last = next.unwrap_or(self.lines.len()) - 1;
        let last = (opened..=last)
            .rev()
            .find(|n| !self.lines[*n].trim().is_empty());
        self.lines[last.unwrap_or(opened)].push_str(quotes);
        true
    }

    /// Closes the first list or table that is still open where the next key or section starts.
    fn close_list(&mut self) -> bool {
        let starts = (0..self.lines.len()).filter(|n| is_statement(&self.lines[*n]));
        let starts: Vec<usize> = starts.chain([self.lines.len()]).collect();
        let found = starts.windows(2).find_map(|block| {
            let [first, next] = *block else { return None };
            let closers = line::open_brackets(&self.lines[first..next]);
            let is_open = !closers.is_empty() && header(&self.lines[first]).is_none();
            (is_open && !self.closed.contains(&first)).then_some((first, next, closers))
        });
        let Some((first, next, closers)) = found else {
            return false;
        };
        self.closed.insert(first);
        self.note(
            first,
            format!("what begins here is not closed: {closers} is missing"),
        );
        let code = |n: &usize| line::without_comment(&self.lines[*n]).trim().len();
        let last = (first..next).rev().find(|n| code(n) > 0).unwrap_or(first);
        let end = line::without_comment(&self.lines[last]).len();
        self.lines[last].insert_str(end, &closers);
        true
    }

    /// Replaces a line whose error was reported by a stand-in: its key stays, so that it is not reported as missing.
    fn give_up(&mut self, n: usize) -> bool {
        let line = &self.lines[n];
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let stand_in = match key.filter(|key| is_key(key)) {
            // A text may use any of its groups.
            Some("regex") => format!("regex = '{}'", "()".repeat(99)),
            Some(key) => format!("{key} = \"\""),
            None => String::new(),
        };
        let stand_in = match self.given_up.insert(n) {
            true => stand_in,
            false => String::new(),
        };
        let changes = *line != stand_in;
        self.lines[n] = stand_in;
        changes
    }

    /// Whether this line continues one that was given up.
    fn continues_lost_line(&self, n: usize) -> bool {
        n > 0 && self.given_up.contains(&(n - 1)) && !is_statement(&self.lines[n])
    }

    fn note(&mut self, n: usize, what: String) {
        let error = SyntaxError {
            line: n + 1,
            shown: self.shown(n),
            what,
        };
        self.found.entry(n).or_insert(error);
    }

    /// Adds the repaired line as an example, unless it may be secret.
    fn with_example(&self, n: usize, what: String, repaired: &str) -> String {
        let repaired = repaired.trim();
        match self.may_be_secret(n) || repaired.chars().count() > 100 {
            true => what,
            false => format!("{what}: {}", Visible(repaired)),
        }
    }

    /// The line as shown to people.
    fn shown(&self, n: usize) -> String {
        let line = self.lines[n].trim();
        if self.may_be_secret(n) && header(line).is_none() {
            let end = line.find(['=', '＝', ':', '：']).unwrap_or(0);
            let key = line[..end].trim();
            return match is_key(key) {
                true => format!("{key} = …"),
                false => "…".to_owned(),
            };
        }
        match line.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", Visible(&line[..end])),
            None => Visible(line).to_string(),
        }
    }

    /// Whether the line may contain a secret: in the section `account`, in an unknown one, or by its key.
    fn may_be_secret(&self, n: usize) -> bool {
        let line = self.lines[n].trim();
        let end = line.find(['=', '＝', ':', '：', ' ']).unwrap_or(line.len());
        let full = match self.sections[n].as_str() {
            "" => line[..end].to_owned(),
            section => format!("{section}.{}", &line[..end]),
        };
        let own = full.rsplit('.').next().unwrap_or_default();
        let secrets = KEYS.iter().filter(|key| key.secret);
        let secrets = secrets.filter_map(|key| key.name.rsplit('.').next());
        let section = full.split('.').next().unwrap_or_default();
        !OPEN_SECTIONS.contains(&section) || nearest(own, secrets).is_some()
    }
}

/// The name of a section that starts on this line, with any brackets.
fn header(line: &str) -> Option<&str> {
    let line = line::without_comment(line).trim();
    let brackets = ['[', ']', '［', '］', '【', '】', '〔', '〕'];
    let name = line.strip_prefix(brackets)?;
    let name = name.trim_matches(|c| brackets.contains(&c) || c == ' ');
    (is_key(name) && !line.contains('=')).then_some(name)
}

/// Whether this is a key, perhaps with dots.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Whether a line starts with a known key and `=`, or is the header of a known section.
fn is_statement(line: &str) -> bool {
    // This is an entry of a multi-line table.
    if line.trim_end().ends_with(',') {
        return false;
    }
    let names = || KEYS.iter().map(|key| key.name);
    if let Some(name) = header(line) {
        let sections = names().filter_map(|name| name.split('.').next());
        return LISTS.contains(&name) || sections.into_iter().any(|section| section == name);
    }
    let Some((key, _)) = line.split_once('=') else {
        return false;
    };
    let key = key.trim();
    let lists = RULE_KEYS
        .iter()
        .chain(HOOK_KEYS)
        .chain(SERVICE_KEYS)
        .chain(GATE_KEYS)
        .chain(MENU_KEYS)
        .map(|(key, _)| *key);
    names()
        .chain(names().filter_map(|name| name.rsplit('.').next()))
        .chain(lists)
        .any(|known| known == key)
}
