//! Keeps the access_token in the file of `api.token_file`, for programs of other users that are in the server's group.
//!
//! The file holds a valid token or does not exist. It is replaced as a whole.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failing::{Backoff, Failing};
use crate::app::App;
use crate::notifier::Woken;

/// How often the token is compared: a command may have replaced it because the platform refused it.
const ROUND: Duration = Duration::from_secs(10);

/// While there is no token, or it cannot be written.
const BACKOFF: Backoff = Backoff::seconds(10, 60);

/// For the server's user and its group.
const MODE: u32 = 0o640;

/// Runs until the notifier is closed.
pub(super) fn run(app: &App) {
    let file = app.live().config.api.token_file.clone();
    let (Some(api), Some(file)) = (app.api.as_ref().map(|api| api.once()), file) else {
        return;
    };
    let mut failing = Failing::default();
    loop {
        let kept = match api.token() {
            Ok(token) => keep(&file, &token).map_err(|error| error.to_string()),
            Err(error) => {
                // The token in it may have expired.
                remove(&file);
                Err(error.to_string())
            }
        };
        let pause = match kept {
            Ok(()) => {
                if failing.succeeded() {
                    log::info!("api.token_file: {} holds a token again", file.display());
                }
                ROUND
            }
            Err(text) => failing.failed(&text, BACKOFF, |_| {
                log::warn!("api.token_file: {}: {text}", file.display());
            }),
        };
        if app.notifiers.token_file.wait(pause) == Woken::Closing {
            remove(&file);
            return;
        }
    }
}

/// The longest token, in bytes. A longer file, or one with blanks or line ends, was named by mistake and is neither
/// replaced nor removed.
const LONGEST: u64 = 4_096;

/// The token in the file, and the file's mode; `None`: there is no file.
fn read(file: &Path) -> io::Result<Option<(Vec<u8>, u32)>> {
    let metadata = match fs::symlink_metadata(file) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Err(io::Error::other("is no regular file; name another one")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let other = || io::Error::other("holds something else than a token; name another file");
    if metadata.len() > LONGEST {
        return Err(other());
    }
    let token = fs::read(file)?;
    match token.iter().all(u8::is_ascii_graphic) {
        true => Ok(Some((token, metadata.permissions().mode() & 0o777))),
        false => Err(other()),
    }
}

fn remove(file: &Path) {
    if matches!(read(file), Ok(Some(_))) {
        fs::remove_file(file).ok();
    }
}

/// Writes the token to the file, unless it is there already.
fn keep(file: &Path, token: &str) -> io::Result<()> {
    if read(file)?.is_some_and(|(old, mode)| old == token.as_bytes() && mode == MODE) {
        // Shows readers that the server is running.
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
    // Regardless of the service's umask.
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
