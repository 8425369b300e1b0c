//! One `[[rule]]` or `[[hook]]` while it is parsed: its keys, and the reports of what is wrong with them.

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
