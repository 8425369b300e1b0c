//! Where accounts live; a disk that can be stalled: a preloaded library makes every sync of the server hang; and one that
//! is small.

use super::{Account, Setup, eventually, text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the accounts of a run may need, in bytes, with what `watch.disk` wants to see free.
const ROOM: u64 = 4 << 30;

/// Where accounts and their temporary files are: in memory, where there is enough. Beside other work a machine's disk can
/// stand still for longer than an answer may take (4.8 s were seen); what that does is tested with [`Disk`].
pub fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let room = rustix::fs::statvfs(&memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    match room >= ROOM {
        true => memory,
        false => std::env::temp_dir(),
    }
}

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

/// Starts the account on a disk of 1.5 MiB, with what the folder `data` holds of it; the disk is mounted for the server
/// only, which needs root or user namespaces.
pub fn small(account: Account) -> Option<Account> {
    let script = "mkdir -p data seed && cp -p data/* seed 2>/dev/null; mount -t tmpfs -o size=1536k tmpfs data && \
        { cp -p seed/* data 2>/dev/null; head -c 670000 /dev/zero >data/ballast; } && exec \"$@\"";
    let script = format!("exec unshare --mount --map-root-user sh -c '{script}' sh \"$@\"");
    let probe = Command::new("unshare")
        .args([
            "--mount",
            "--map-root-user",
            "mount",
            "-t",
            "tmpfs",
            "tmpfs",
            "/mnt",
        ])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("cannot mount here, skipped");
        return None;
    }
    let mut account = account.wrapped_in(&script);
    account.begin();
    // What the start notes takes room, too.
    account.log().says("less than watch.disk");
    for thread in ["watch", "configuration", "chores"] {
        account.await_rest_of(thread);
    }
    Some(account)
}

/// A file on the small disk of a running account.
fn on_it(account: &Account, file: &str) -> PathBuf {
    let folder = account.folder().display();
    format!("/proc/{}/root{folder}/data/{file}", account.pid()).into()
}

/// Fills a small disk until no commit fits, and none will before there is room.
pub fn fill_up(account: &Account) {
    let mut filler = std::fs::File::create(on_it(account, "filler")).unwrap();
    let log = std::fs::File::options()
        .write(true)
        .open(on_it(account, "wechat.db-wal"))
        .unwrap();
    let length = || log.metadata().unwrap().len();
    eventually("no push is taken any more", account.log(), || {
        // A refused commit leaves room in the log, where a smaller one would fit: cut it off.
        if length() > end_of_log(account) {
            log.set_len(end_of_log(account)).unwrap();
        }
        while filler.write_all(&[0; 1_024]).is_ok() {}
        let refused = account.post(&text("hello")).response.status == 503;
        // The first push tells the time, after which the log is emptied: that makes room.
        account.await_rest_of("chores");
        // Of a refused commit, a part of a page is in the log.
        refused && (1..PAGE_IN_LOG).contains(&length().saturating_sub(end_of_log(account)))
    });
}

/// Bytes of a page in the log, with its header.
const PAGE_IN_LOG: u64 = 24 + 4_096;

/// Where the next commit goes in the log, in bytes: SQLite keeps the number of its pages in the index of the log.
fn end_of_log(account: &Account) -> u64 {
    let index = std::fs::read(on_it(account, "wechat.db-shm")).unwrap();
    let pages = u32::from_ne_bytes(index[16..20].try_into().unwrap());
    32 + u64::from(pages) * PAGE_IN_LOG
}

/// Makes room on a small disk for small pushes, and not for all large ones.
pub fn make_some_room(account: &Account) {
    let ballast = std::fs::File::options()
        .write(true)
        .open(on_it(account, "ballast"));
    ballast.unwrap().set_len(450_000).unwrap();
}

/// Makes room on a small disk.
pub fn make_room(account: &Account) {
    std::fs::remove_file(on_it(account, "ballast")).unwrap();
}
