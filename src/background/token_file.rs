//! Keeps the access_token in the file of `api.token_file`, for programs of other users that are in the server's group.
//!
//! The file holds a token that works, or is not there. It takes the place of the one before whole.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::trouble::{Pauses, Trouble};
use crate::app::App;
use crate::notifier::Woken;

/// Between two looks whether the token is another one: a command may have replaced it, because the platform refused it.
const ROUND: Duration = Duration::from_secs(10);

/// Pauses while there is no token, or it cannot be written.
const PAUSES: Pauses = Pauses::seconds(10, 60);

/// For the server's user and its group.
const MODE: u32 = 0o640;

/// Runs until the notifier is closed.
pub(super) fn run(app: &App) {
    let file = app.live().config.api.token_file.clone();
    let (Some(api), Some(file)) = (app.api.as_ref().map(|api| api.once()), file) else {
        return;
    };
    let mut trouble = Trouble::default();
    loop {
        let kept = match api.token() {
            Ok(token) => keep(&file, &token).map_err(|error| error.to_string()),
            Err(error) => {
                // What it holds may have ended.
                remove(&file);
                Err(error.to_string())
            }
        };
        let pause = match kept {
            Ok(()) => {
                if trouble.over() {
                    log::info!("api.token_file: {} holds a token again", file.display());
                }
                ROUND
            }
            Err(text) => trouble.again(&text, PAUSES, |_| {
                log::warn!("api.token_file: {}: {text}", file.display());
            }),
        };
        if app.notifiers.token_file.wait(pause) == Woken::Closing {
            remove(&file);
            return;
        }
    }
}

/// A file that the configuration names by mistake is neither replaced nor removed: no token is longer, in bytes, and
/// none has a blank or the end of a line in it.
const LONGEST: u64 = 4_096;

/// What a file that holds a token holds, and its mode; `None`: there is no file.
fn held(file: &Path) -> io::Result<Option<(Vec<u8>, u32)>> {
    let there = match fs::symlink_metadata(file) {
        Ok(there) if there.is_file() => there,
        Ok(_) => return Err(io::Error::other("is no regular file; name another one")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let other = || io::Error::other("holds something else than a token; name another file");
    if there.len() > LONGEST {
        return Err(other());
    }
    let held = fs::read(file)?;
    match held.iter().all(u8::is_ascii_graphic) {
        true => Ok(Some((held, there.permissions().mode() & 0o777))),
        false => Err(other()),
    }
}

fn remove(file: &Path) {
    if matches!(held(file), Ok(Some(_))) {
        fs::remove_file(file).ok();
    }
}

/// Lets the file hold the token, and nothing else.
fn keep(file: &Path, token: &str) -> io::Result<()> {
    if held(file)?.is_some_and(|(held, mode)| held == token.as_bytes() && mode == MODE) {
        // Shows those who read it that the server is at work.
        return fs::File::open(file)?.set_modified(std::time::SystemTime::now());
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    written.write_all(token.as_bytes())?;
    // Whatever the umask of the service.
    written.set_permissions(Permissions::from_mode(MODE))?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_file_holds_the_newest_token_and_nothing_else_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("access_token");
        for token in ["a-long-first-token", "second", "second"] {
            keep(&file, token).expect("a write");
            assert_eq!(fs::read_to_string(&file).expect("a token"), token);
            let mode = fs::metadata(&file).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
        fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("a mode");
        keep(&file, "second").expect("a write");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let link = folder.path().join("link");
        symlink(&file, &link).expect("a link");
        for other in [folder.path(), link.as_path()] {
            keep(other, "third").expect_err("it is no file");
            remove(other);
            assert!(fs::symlink_metadata(other).is_ok());
        }
        assert_eq!(fs::read_to_string(&file).expect("a token"), "second");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }
}
