//! One `[[rule]]`, `[[hook]]` or `[[service]]` while it is parsed: its keys, and the reports of what is wrong with them.

use toml::de::DeTable;

use super::problem::{Report, Typos, refuse_unknown};
use super::value::{Parsed, Value};

/// One table of a list of tables.
pub(super) struct Entry<'a, 't> {
    /// What the list is called, such as `rule`.
    pub(super) list: &'static str,
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) table: &'a DeTable<'t>,
    /// The byte at which it starts.
    pub(super) start: usize,
    pub(super) report: Report<'a>,
    /// `false`: a mistake was reported.
    pub(super) valid: bool,
}

/// Parses the tables of a list whose items have names and URLs, each table with the byte and the line at which it
/// starts. There can be `most`. Mistakes go to `report`.
pub(super) fn named<T>(
    list: &'static str,
    most: usize,
    tables: &[(&DeTable, usize, usize)],
    report: Report,
    read: impl Fn(&mut Entry, usize) -> Option<(String, T)>,
) -> Vec<T> {
    let mut names = Vec::new();
    let mut items = Vec::new();
    for (number, (table, start, line)) in (1..).zip(tables) {
        let mut entry = Entry {
            list,
            number,
            table,
            start: *start,
            report: &mut *report,
            valid: true,
        };
        if number == most + 1 {
            entry.fail("", format!("there can be {most} {list}s"));
        }
        let Some((name, item)) = read(&mut entry, *line) else {
            continue;
        };
        if names.contains(&name) {
            entry.fail("name", format!("{name:?} is the name of an earlier {list}"));
            continue;
        }
        names.push(name);
        items.push(item);
    }
    items
}

impl Entry<'_, '_> {
    /// Reports a mistake at this key, or at the start where the entry does not have it.
    pub(super) fn fail(&mut self, key: &str, what: impl Into<String>) {
        let value = self.table.get(key);
        let at = value.map_or(self.start, |value| value.span().start);
        self.fail_at(at, key, what);
    }

    /// Reports a mistake of this key at this byte; an empty key stands for the whole entry.
    pub(super) fn fail_at(&mut self, at: usize, key: &str, what: impl Into<String>) {
        self.valid = false;
        let separator = if key.is_empty() { "" } else { ": " };
        let place = format!("{} #{}{separator}{key}", self.list, self.number);
        (self.report)(at, place, what.into());
    }

    /// The value of a key; `None` also where it is wrong, which is reported.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        read: impl Fn(&Value) -> Parsed<T>,
    ) -> Option<T> {
        match read(self.table.get(key)?) {
            Ok(value) => Some(value),
            Err(what) => {
                self.fail(key, what);
                None
            }
        }
    }

    /// Reports each of these keys that is missing, unless it is there misspelt. The text says what it is needed for.
    pub(super) fn require(&mut self, keys: &[(&str, &str)], typos: &mut Typos) {
        for (key, why) in keys {
            if !self.table.contains_key(*key) && !typos.take(&[key]) {
                self.fail("", *why);
            }
        }
    }

    /// Reports the keys of `table` that are not `known`. `inside` is the key of that table; empty for the entry's own.
    pub(super) fn refuse_unknown_keys(
        &mut self,
        table: &DeTable,
        known: &[&str],
        inside: &str,
    ) -> Typos {
        let separator = if inside.is_empty() { "" } else { "." };
        let place = format!("{} #{}: {inside}{separator}", self.list, self.number);
        refuse_unknown(table, known, &place, &mut |at, key, what| {
            self.valid = false;
            (self.report)(at, key, what);
        })
    }
}
