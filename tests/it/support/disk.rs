//! A disk that can be stalled: a preloaded library makes every sync of the server hang.

use super::Setup;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The disk under one account.
pub struct Disk {
    /// While this file exists, syncs hang.
    stalled: PathBuf,
}

impl Disk {
    /// Puts the account on such a disk.
    pub fn under(setup: Setup) -> (Setup, Self) {
        let stalled = setup.folder().join("the-disk-is-stalled");
        let setup = setup
            .env("LD_PRELOAD", &library().display().to_string())
            .env("SLOW_SYNC_WHILE", &stalled.display().to_string());
        (setup, Self { stalled })
    }

    /// From now on every sync hangs.
    pub fn stall(&self) {
        std::fs::write(&self.stalled, "").unwrap();
    }

    /// Lets all syncs continue.
    pub fn recover(&self) {
        std::fs::remove_file(&self.stalled).ok();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.recover();
    }
}

/// Built once per run, with the C compiler that SQLite needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("slow_sync.so");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/bench/callback/slow_sync.c"
        );
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let built = Command::new(compiler)
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .args([source, "-ldl"])
            .status();
        assert!(built.unwrap().success(), "the C compiler failed");
        (folder, library)
    });
    library
}
