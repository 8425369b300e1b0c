//! The mistakes in a configuration, each with its line, its key and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line in the file, counted from 1; `None` if the mistake is not in the file itself.
    pub line: Option<usize>,
    /// The key, such as `server.listen` or `rule #2: text`; for a line that is not TOML, the line itself.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// All mistakes of one configuration, sorted by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file; empty if none was found.
    pub file: PathBuf,
    /// The mistakes; never empty.
    pub list: Vec<Problem>,
}

/// Reports a mistake: byte offset, key, what is wrong.
pub(super) type Report<'w> = &'w mut dyn FnMut(usize, String, String);

impl Problems {
    pub(super) fn one(file: &Path, what: impl Into<String>) -> Problems {
        let problem = Problem {
            line: None,
            key: String::new(),
            what: what.into(),
        };
        Problems {
            file: file.to_owned(),
            list: vec![problem],
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            if !self.file.as_os_str().is_empty() {
                write!(f, "{}:", self.file.display())?;
                if let Some(line) = problem.line {
                    write!(f, "{line}:")?;
                }
                write!(f, " ")?;
            }
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The closest of `known` to a mistyped `name`, ignoring case, if one is close enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&name, &candidate.to_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What to write instead of an unknown `name`: the nearest of those known, or any.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("it can be {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The known keys that unknown keys of a table resemble: if one of them is missing, that is not reported as well.
#[derive(Debug, Default)]
pub(super) struct Typos {
    keys: Vec<String>,
    /// The number of unknown keys that resemble no known one.
    strays: usize,
}

impl Typos {
    pub(super) fn note(&mut self, near: Option<&str>) {
        match near {
            Some(near) => self.keys.push(near.to_owned()),
            None => self.strays += 1,
        }
    }

    /// Whether one of these keys is present, but misspelt.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        self.keys.iter().any(|meant| keys.contains(&meant.as_str()))
    }

    /// Whether there is an unknown key that resembles no known one.
    pub(super) fn is_unclear(&self) -> bool {
        self.strays > 0
    }

    /// Like [`Typos::has`], but each stray counts as one of them, once.
    pub(super) fn take(&mut self, keys: &[&str]) -> bool {
        let has = self.has(keys);
        if !has && self.strays > 0 {
            self.strays -= 1;
            return true;
        }
        has
    }
}

/// Reports every key of a table that is not `known`. `place` is the prefix of its name.
pub(super) fn refuse_unknown(
    table: &DeTable,
    known: &[&str],
    place: &str,
    report: Report,
) -> Typos {
    let mut typos = Typos::default();
    for key in table.keys() {
        let name = key.get_ref();
        if !known.contains(&name.as_ref()) {
            let near = nearest(name, known.iter().copied());
            typos.note(near);
            let advice = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it can be {}", known.join(", ")),
            };
            report(
                key.span().start,
                format!("{place}{name}"),
                format!("unknown key; {advice}"),
            );
        }
    }
    typos
}
