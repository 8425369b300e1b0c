//! One step of an installation: what it does, and whether it is needed.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Serialize, Serializer};

use crate::cli::terminal::Failure;
use crate::config::{SERVICE_USER, ServiceUser};
use crate::store;

/// A step.
#[derive(Debug)]
pub(super) struct Step(Act);

/// What a step does. Paths are of the system that is changed.
#[derive(Debug)]
pub(super) enum Act {
    /// Makes the user that the service runs as.
    MakeUser,
    /// Makes a folder that only root and the service can look into.
    MakeFolder(PathBuf),
    /// Lets the service read a file in the folder, which is there already.
    Admit {
        folder: PathBuf,
        file: PathBuf,
    },
    /// Writes a file, in the place of one that is there.
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
        mode: u32,
        /// The group of the service may read it.
        for_service: bool,
    },
    /// Copies a store of an earlier version.
    CopyStore {
        from: PathBuf,
        to: PathBuf,
    },
    Systemctl(Vec<&'static str>),
    Remove(PathBuf),
}

impl Step {
    pub(super) const fn new(act: Act) -> Step {
        Step(act)
    }

    /// Whether it would change anything.
    pub(super) fn is_needed(&self) -> bool {
        match &self.0 {
            Act::MakeUser | Act::Systemctl(_) => true,
            Act::MakeFolder(path) => !path.is_dir(),
            Act::Admit { file, .. } => ServiceUser::find().blocked_by(file).is_some(),
            Act::Write {
                path, bytes, mode, ..
            } => {
                let mode_is = |found: fs::Metadata| found.mode() & 0o7777 == *mode;
                let is_same = fs::read(path).is_ok_and(|there| there == *bytes);
                !is_same || !fs::metadata(path).is_ok_and(mode_is)
            }
            Act::CopyStore { to, .. } => !to.exists(),
            Act::Remove(path) => fs::symlink_metadata(path).is_ok(),
        }
    }

    /// What it does, for people.
    pub(super) fn text(&self) -> String {
        self.to_string()
    }

    /// Does it.
    ///
    /// # Errors
    /// Says what failed; the step can be done again.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let at = |path: &Path, done: io::Result<()>| {
            done.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
        };
        match &self.0 {
            Act::MakeUser => execute(
                "useradd",
                &[
                    "--system",
                    "--user-group",
                    "--no-create-home",
                    "--home-dir=/var/lib/wechatd",
                    "--shell=/usr/sbin/nologin",
                    SERVICE_USER,
                ],
            ),
            Act::MakeFolder(path) => at(path, make_folder(path)),
            Act::Admit { folder, file } => at(file, admit(folder, file)),
            Act::Write {
                path,
                bytes,
                mode,
                for_service,
            } => at(path, replace(path, bytes, *mode, *for_service)),
            Act::CopyStore { from, to } => {
                store::copy_any_version(from, to)?;
                let owner = fs::metadata(from);
                let owned = owner.and_then(|owner| chown(to, Some(owner.uid()), Some(owner.gid())));
                at(to, owned)
            }
            Act::Systemctl(arguments) => execute("systemctl", arguments),
            Act::Remove(path) => at(path, fs::remove_file(path)),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Act::MakeUser => write!(f, "create the user {SERVICE_USER}"),
            Act::MakeFolder(path) => write!(f, "make {}", path.display()),
            Act::Admit { file, .. } => write!(f, "let {SERVICE_USER} read {}", file.display()),
            Act::Write { path, .. } if path.exists() => write!(f, "replace {}", path.display()),
            Act::Write { path, .. } => write!(f, "write {}", path.display()),
            Act::CopyStore { from, to } => {
                write!(f, "copy {} to {}", from.display(), to.display())
            }
            Act::Systemctl(arguments) => write!(f, "systemctl {}", arguments.join(" ")),
            Act::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The group of the service; `None` where the user does not exist, as in the files of another system.
fn group() -> Option<u32> {
    match ServiceUser::find() {
        ServiceUser::Static { gids, .. } => gids.first().copied(),
        ServiceUser::Dynamic => None,
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => match group() {
            Some(group) => chown(path, None, Some(group)),
            None => Ok(()),
        },
    }
}

/// Gives a file, and what it lies in up to the folder, to the group of the service.
fn admit(folder: &Path, file: &Path) -> io::Result<()> {
    for path in file.ancestors().take_while(|path| path.starts_with(folder)) {
        let found = fs::metadata(path)?;
        let bits = if found.is_dir() { 0o050 } else { 0o040 };
        chown(path, None, group())?;
        fs::set_permissions(path, fs::Permissions::from_mode(found.mode() | bits))?;
    }
    Ok(())
}

/// Puts a file in its place as a whole, so that a program that runs keeps its old one.
fn replace(path: &Path, bytes: &[u8], mode: u32, for_service: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // The leftover of an interrupted attempt; it is never written to.
    fs::remove_file(&new).ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let written = (|| {
        file.write_all(bytes)?;
        if let Some(group) = group().filter(|_| for_service) {
            chown(&new, None, Some(group))?;
        }
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    })();
    written.inspect_err(|_| {
        fs::remove_file(&new).ok();
    })
}

/// Whether a unit of systemd runs.
pub(super) fn runs(unit: &str) -> bool {
    execute("systemctl", &["is-active", unit]).is_ok()
}

/// Runs a program of the system and shows what it says only where it fails.
fn execute(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let line = format!("{program} {}", arguments.join(" "));
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.map_err(|error| Failure::Failed(format!("{program}: {error}")))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let said = said.trim();
    Err(match program {
        "systemctl" => Failure::failed(
            format!("{line}: {said}"),
            "`journalctl -u wechatd -n 20` shows why",
        ),
        _ => Failure::Failed(format!("{line}: {said}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_let_in_can_be_read_by_its_group_and_nothing_outside_the_folder_is_changed() {
        let outside = tempfile::tempdir().expect("a folder");
        let folder = outside.path().join("wechatd");
        let file = folder.join("pictures/menu.png");
        fs::create_dir_all(folder.join("pictures")).expect("made");
        fs::write(&file, "").expect("written");
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        };
        set(&file, 0o600);
        set(&folder, 0o700);
        set(&folder.join("pictures"), 0o700);
        let before = fs::metadata(outside.path()).expect("there").mode();
        admit(&folder, &file).expect("let in");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(&file), 0o640);
        assert_eq!(mode(&folder.join("pictures")), 0o750);
        assert_eq!(mode(&folder), 0o750);
        assert_eq!(fs::metadata(outside.path()).expect("there").mode(), before);
    }
}
