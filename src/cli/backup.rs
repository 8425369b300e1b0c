//! `wechatd backup`: makes a consistent copy while the server runs, as a file or as one of several in a folder.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::terminal::{Failure, Output, complain, interrupt};
use crate::clock;
use crate::config::Config;
use crate::local_time;
use crate::store::{self, KeptBackup, Reader, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the copy goes; must not exist yet. With --keep, the folder for copies
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// FILE is a folder: make wechat-DATE-TIME.db in it and remove all but the newest N of these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let now = clock::unix_seconds();
    let file = match arguments.keep {
        None => arguments.file.clone(),
        Some(_) => {
            make_folder(&arguments.file)?;
            free_name(&arguments.file, &local_time::format(now))
        }
    };
    let unfinished = file.clone();
    interrupt::on_interrupt(move || {
        if store::remove_part_of(&unfinished) {
            let line = match io::stderr().is_terminal() {
                true => "\r\x1b[K",
                false => "",
            };
            write!(io::stderr(), "{line}").ok();
            complain(&format!(
                "{}: not written: interrupted",
                unfinished.display()
            ));
        }
    })
    .map_err(|error| failed(&file, &error))?;
    let mut percentage = Percentage::of(match config.store.file() {
        Some(_) => "pages",
        None => "rows",
    });
    let copied = reader.backup(&file, |copied, total| {
        percentage.show(copied, total);
    });
    percentage.end();
    copied?;
    let mut out = Output::for_reading();
    out.line(&format!("{} is a copy of {}", file.display(), config.store))?;
    if let Some(media) = &config.store.media {
        out.line(&format!(
            "The files of {} (store.media) are not in it: copy the folder too",
            media.display()
        ))?;
    }
    out.done()?;
    // The copy is made, whatever happens to the rest.
    if let Err(error) = note(config, now, &file) {
        complain(&format!(
            "`wechatd check` will not know of the copy: {error}"
        ));
    }
    match arguments.keep {
        Some(keep) => remove_old(&arguments.file, &file, usize::from(keep)),
        None => Ok(()),
    }
}

/// Records in the store when the copy was made, and where it is.
fn note(config: &Config, at: i64, file: &Path) -> Result<(), Failure> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let kept = KeptBackup {
        at,
        file: file.display().to_string(),
    };
    Ok(Store::open(&config.store)?.keep_backup(&kept)?)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

/// Creates the folder for copies, private to its owner, if it does not exist.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(folder, &error)),
        Ok(()) | Err(_) if folder.is_dir() => Ok(()),
        Ok(()) | Err(_) => Err(Failure::Failed(format!(
            "{}: is no folder; with --keep name a folder for copies",
            folder.display()
        ))),
    }
}

/// The copy's path: `wechat-2026-11-21-041500.db`, with the next number if there are copies from this second.
fn free_name(folder: &Path, local_time: &str) -> PathBuf {
    let time = local_time.replace(' ', "-").replace(':', "");
    let path = |number: u32| match number {
        1 => folder.join(format!("wechat-{time}.db")),
        number => folder.join(format!("wechat-{time}-{number}.db")),
    };
    let is_taken = |number: &u32| fs::symlink_metadata(path(*number)).is_ok();
    let last = (1..1_000).rev().find(is_taken);
    path(last.map_or(1, |last| last + 1))
}

/// Parses a copy's name: its date and time, and its number within that second. `None` for any other name.
fn read_name(name: &str) -> Option<(&str, u32)> {
    const FORM: &[u8] = b"dddd-dd-dd-dddddd";
    let name = name.strip_prefix("wechat-")?.strip_suffix(".db")?;
    let (time, more) = name.split_at_checked(FORM.len())?;
    let fits = |(c, form): (u8, &u8)| match form {
        b'd' => c.is_ascii_digit(),
        form => c == *form,
    };
    let number = match more.strip_prefix('-') {
        Some(number) => number.parse().ok().filter(|n| *n > 1)?,
        None if more.is_empty() => 1,
        None => return None,
    };
    time.bytes().zip(FORM).all(fits).then_some((time, number))
}

/// After this time, a `.part` file is the leftover of a killed command.
const ABANDONED: Duration = Duration::from_secs(86_400);

/// Removes all but the newest copies in the folder, and the leftovers of killed commands. `made` stays even if the clock
/// was wrong for other copies; files with other names are not touched.
fn remove_old(folder: &Path, made: &Path, keep: usize) -> Result<(), Failure> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| path != made) else {
            continue;
        };
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some((time, number)) = read_name(name) {
            copies.push((time.to_owned(), number, path));
        } else if name.strip_suffix(".part").and_then(read_name).is_some() && is_abandoned(&entry) {
            fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    copies.sort();
    let surplus = copies.len().saturating_sub(keep - 1);
    for (_, _, path) in copies.drain(..surplus) {
        fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn is_abandoned(entry: &fs::DirEntry) -> bool {
    let changed = entry.metadata().and_then(|found| found.modified());
    let age = changed.map(|changed| SystemTime::now().duration_since(changed));
    matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

/// The progress of a copy, in one line that is overwritten; only on a terminal.
pub(super) struct Percentage {
    /// What is copied.
    unit: &'static str,
    shown: bool,
    terminal: bool,
}

impl Percentage {
    pub(super) fn of(unit: &'static str) -> Percentage {
        Percentage {
            unit,
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    pub(super) fn show(&mut self, copied: u64, total: u64) {
        if self.terminal && total > 0 {
            self.shown = true;
            write!(
                io::stderr(),
                "\r{} % of {total} {}",
                copied * 100 / total,
                self.unit
            )
            .ok();
        }
    }

    pub(super) fn end(&self) {
        if self.shown {
            writeln!(io::stderr()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_name;

    #[test]
    fn only_files_named_like_copies_are_copies() {
        assert_eq!(
            read_name("wechat-2026-11-21-041500.db"),
            Some(("2026-11-21-041500", 1))
        );
        assert_eq!(
            read_name("wechat-2026-11-21-041500-12.db"),
            Some(("2026-11-21-041500", 12))
        );
        for other in [
            "wechat-2026-11-21.db",
            "wechat.db",
            "wechat-2026-11-21-041500.db.part",
            "wechat-2026-11-21-041500-.db",
            "wechat-2026-11-21-041500-1.db",
            "wechat-2026-11-21-0415000.db",
            "wechat-2026-11-21-041500-before-the-move.db",
            "my-wechat-2026-11-21-041500.db",
            "wechat-2026-11-2é-041500.db",
        ] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }
}
