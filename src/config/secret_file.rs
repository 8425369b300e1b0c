//! Files that hold one secret.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The copy of a secret that systemd hands to the service, which may not be able to read the file itself.
pub(super) fn credential(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(Path::new(&folder).join(name)).filter(|credential| credential.exists())
}

/// The start of a file: all of a secret, but never an endless device.
pub(super) fn start_of(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(4_096).read_to_string(&mut text)?;
    Ok(text)
}
