//! What is wrong with a configuration: every mistake with its line, its key and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, counted from 1; `None` where the mistake is not in the file itself.
    pub line: Option<usize>,
    /// The key, for instance `server.listen` or `rule #2: text`; of a line that is no TOML the line itself.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// All mistakes of one configuration, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file they are in; empty where none was found.
    pub file: PathBuf,
    /// The mistakes; never empty.
    pub list: Vec<Problem>,
}

/// Takes a mistake: byte offset, key, what is wrong.
pub(super) type Wrong<'w> = &'w mut dyn FnMut(usize, String, String);

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

/// The nearest of `known` to a mistyped `name`, in any case, if one is near enough to be meant.
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

/// What the unknown keys of a table were meant to be: where one is missing, it is not missed a second time.
#[derive(Debug, Default)]
pub(super) struct Meant {
    keys: Vec<String>,
    /// How many keys are like none that is known.
    strays: usize,
}

impl Meant {
    pub(super) fn note(&mut self, near: Option<&str>) {
        match near {
            Some(near) => self.keys.push(near.to_owned()),
            None => self.strays += 1,
        }
    }

    /// Whether one of these keys is there under another name.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        self.keys.iter().any(|meant| keys.contains(&meant.as_str()))
    }

    /// Whether some key was meant to be nobody knows which.
    pub(super) fn is_unclear(&self) -> bool {
        self.strays > 0
    }

    /// As [`Meant::has`], and each stray stands for one of them.
    pub(super) fn take(&mut self, keys: &[&str]) -> bool {
        let has = self.has(keys);
        if !has && self.strays > 0 {
            self.strays -= 1;
            return true;
        }
        has
    }
}

/// Tells of every key of a table that is not `known`. `place` is what stands before its name.
pub(super) fn refuse_unknown(table: &DeTable, known: &[&str], place: &str, wrong: Wrong) -> Meant {
    let mut meant = Meant::default();
    for key in table.keys() {
        let name = key.get_ref();
        if !known.contains(&name.as_ref()) {
            let near = nearest(name, known.iter().copied());
            meant.note(near);
            let advice = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it can be {}", known.join(", ")),
            };
            wrong(
                key.span().start,
                format!("{place}{name}"),
                format!("unknown key; {advice}"),
            );
        }
    }
    meant
}
