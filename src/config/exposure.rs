//! Files with secrets in them that everybody on the machine may read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Config;

/// The permission bit that lets everybody read.
const OTHERS_READ: u32 = 0o004;

impl Config {
    /// A warning for each file that holds a secret and that everybody on this machine may read.
    ///
    /// A file that a group may read is no mistake: that is how a service without rights of its own gets it.
    #[must_use]
    pub fn exposures(&self) -> Vec<String> {
        let mut exposures = Vec::new();
        if !self.secrets.is_empty() && others_may_read(&self.file) {
            exposures.push(warning(&self.file, &self.secrets.join(", ")));
        }
        if let Some(file) = &self.account.app_secret_file
            && others_may_read(file)
        {
            exposures.push(warning(file, "the AppSecret"));
        }
        exposures
    }
}

fn others_may_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
}

fn warning(file: &Path, what: &str) -> String {
    let file = file.display();
    format!("{file} holds {what}, and everybody on this machine may read it: `chmod o= {file}`")
}
