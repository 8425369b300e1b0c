//! `wechatd install` and `uninstall`, into the folder of another system: no service of this machine is touched.

use crate::support::command::program;
use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with what an owner has, and the root folder of a system.
struct Machine {
    own: TempDir,
    system: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            own: tempfile::tempdir().unwrap(),
            system: tempfile::tempdir().unwrap(),
        }
    }

    fn owns(self, name: &str, content: &str) -> Self {
        let path = self.own.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Runs the command against the system.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = program();
        command
            .args(arguments)
            .arg("--root")
            .arg(self.system.path())
            .current_dir(&self.own);
        Ran::of(command, "")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.system.path().join(path.trim_start_matches('/'))
    }

    #[track_caller]
    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }

    #[track_caller]
    fn mode(&self, path: &str) -> u32 {
        self.at(path).metadata().unwrap().permissions().mode() & 0o777
    }

    /// All files of the system, below its root.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, list: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, list),
                    false => list.push(path),
                }
            }
        }
        let mut list = Vec::new();
        walk(self.system.path(), &mut list);
        let root = self.system.path();
        let below = list.iter().map(|path| path.strip_prefix(root).unwrap());
        let mut names: Vec<String> = below.map(|path| format!("/{}", path.display())).collect();
        names.sort();
        names
    }
}

const ALWAYS: [&str; 7] = [
    "/etc/systemd/system/wechatd-backup.service",
    "/etc/systemd/system/wechatd-backup.timer",
    "/etc/systemd/system/wechatd.service",
    "/usr/local/bin/wechatd",
    "/usr/local/share/bash-completion/completions/wechatd",
    "/usr/local/share/fish/vendor_completions.d/wechatd.fish",
    "/usr/local/share/zsh/site-functions/_wechatd",
];

#[test]
fn with_nothing_but_the_binary_the_shipped_configuration_is_installed() {
    let machine = Machine::new();
    let shown = machine.run(&["install", "--dry-run"]);
    shown.ok().says("write ").says("/etc/wechatd/wechat.conf");
    assert!(machine.files().is_empty());
    machine.run(&["install", "--yes"]).ok();
    let mut files = ALWAYS.to_vec();
    files.insert(3, "/etc/wechatd/wechat.conf");
    assert_eq!(machine.files(), files);
    assert_eq!(machine.mode("/etc/wechatd"), 0o750);
    assert_eq!(machine.mode("/etc/wechatd/wechat.conf"), 0o640);
    assert_eq!(machine.mode("/usr/local/bin/wechatd"), 0o755);
    let config = machine.text("/etc/wechatd/wechat.conf");
    assert!(config.contains("\npath = \"/var/lib/wechatd/wechat.db\"\n"));
    let unit = machine.text("/etc/systemd/system/wechatd.service");
    let start = "ExecStart=/usr/local/bin/wechatd --config /etc/wechatd/wechat.conf serve";
    assert!(unit.contains(start), "{unit}");
    // What `unit` prints for the same places is the same.
    let binary = std::fs::read(env!("CARGO_BIN_EXE_wechatd")).unwrap();
    assert!(std::fs::read(machine.at("/usr/local/bin/wechatd")).unwrap() == binary);
}

#[test]
fn the_owners_configuration_goes_with_all_files_that_it_names() {
    let machine = Machine::new()
        .owns("secret.txt", "0123456789abcdef0123456789abcdef")
        .owns("MP_verify_a1.txt", "a1")
        .owns("pictures/menu.png", "\u{89}PNG")
        .owns(
            "wechat.conf",
            r#"# mine
account.app_id = "wx7a9c0e1f2b3d4c5e"
account.app_secret_file = "secret.txt"
store.media = "media"
web.url = "https://example.com"
web.verify_files = ["MP_verify_a1.txt"]
[[rule]]
message = "text"
text = "hello"
"#,
        );
    machine.run(&["install", "--yes"]).ok();
    assert_eq!(
        machine.text("/etc/wechatd/app_secret"),
        "0123456789abcdef0123456789abcdef"
    );
    assert_eq!(machine.mode("/etc/wechatd/app_secret"), 0o600);
    assert_eq!(machine.text("/etc/wechatd/MP_verify_a1.txt"), "a1");
    assert_eq!(machine.mode("/etc/wechatd/MP_verify_a1.txt"), 0o640);
    let config = machine.text("/etc/wechatd/wechat.conf");
    for line in [
        "# mine",
        "account.app_secret_file = \"/etc/wechatd/app_secret\"",
        "store.path = \"/var/lib/wechatd/wechat.db\"",
        "store.media = \"/var/lib/wechatd/media\"",
        "text = \"hello\"",
    ] {
        assert!(config.lines().any(|own| own == line), "{line}\n{config}");
    }
    let unit = machine.text("/etc/systemd/system/wechatd.service");
    assert!(unit.contains("LoadCredential=app_secret:/etc/wechatd/app_secret"));
    assert!(unit.contains("StateDirectory=wechatd"));
    // What is the owner's stays as it was.
    let own = std::fs::read_to_string(machine.own.path().join("wechat.conf")).unwrap();
    assert!(!own.contains("/var/lib"));
}

#[test]
fn a_second_time_it_is_an_upgrade_that_leaves_the_configuration_alone() {
    let machine = Machine::new();
    machine.run(&["install", "--yes"]).ok();
    machine
        .run(&["install", "--yes"])
        .ok()
        .says("Everything is up to date; nothing to do.");
    let config = machine.at("/etc/wechatd/wechat.conf");
    let changed = format!("{}# changed\n", std::fs::read_to_string(&config).unwrap());
    std::fs::write(&config, &changed).unwrap();
    std::fs::write(machine.at("/usr/local/bin/wechatd"), "an old binary").unwrap();
    // An attempt that was interrupted left this.
    std::fs::write(machine.at("/usr/local/bin/wechatd.new"), "half").unwrap();
    machine
        .run(&["install", "--yes"])
        .ok()
        .says("replace ")
        .says("Kept: /etc/wechatd/wechat.conf");
    assert_eq!(machine.text("/etc/wechatd/wechat.conf"), changed);
    assert_eq!(machine.mode("/usr/local/bin/wechatd"), 0o755);
    assert!(!machine.at("/usr/local/bin/wechatd.new").exists());
}

#[test]
fn a_store_that_the_new_version_changes_is_copied_first() {
    let machine = Machine::new();
    machine.run(&["install", "--yes"]).ok();
    let store = machine.at("/var/lib/wechatd/wechat.db");
    std::fs::create_dir_all(store.parent().unwrap()).unwrap();
    let old = rusqlite::Connection::open(&store).unwrap();
    let begin = "CREATE TABLE t (a); INSERT INTO t VALUES (7);
        PRAGMA application_id = 0x57434844; PRAGMA user_version = 3;";
    old.execute_batch(begin).unwrap();
    drop(old);
    std::fs::write(machine.at("/usr/local/bin/wechatd"), "an old binary").unwrap();
    let ran = machine.run(&["install", "--yes", "--json"]).json();
    assert_eq!(ran["done"], true);
    let steps: Vec<&str> = ran["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s.as_str().unwrap())
        .collect();
    assert!(steps[0].starts_with("copy "), "{steps:?}");
    let copy = machine.at("/var/lib/wechatd/wechat.db.before-upgrade");
    let copy = rusqlite::Connection::open(copy).unwrap();
    let kept: i64 = copy
        .query_row("SELECT a FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 7);
}

#[test]
fn nothing_is_written_before_the_configuration_is_known_to_be_right() {
    let machine = Machine::new().owns("wechat.conf", "server.listen = 8080\n");
    machine
        .run(&["install", "--yes"])
        .is_code(2)
        .complains("wechat.conf:1");
    let missing = Machine::new().owns(
        "wechat.conf",
        "account.app_id = \"wx7a9c0e1f2b3d4c5e\"\naccount.app_secret_file = \"nowhere\"\n",
    );
    missing
        .run(&["install", "--yes"])
        .is_code(2)
        .complains("nowhere");
    // Without a terminal nobody can agree.
    let unasked = Machine::new();
    unasked.run(&["install"]).is_code(2).complains("--yes");
    for machine in [machine, missing, unasked] {
        assert!(machine.files().is_empty(), "{:?}", machine.files());
    }
}

#[test]
fn uninstall_takes_away_all_but_the_configuration_and_the_store() {
    let machine = Machine::new();
    machine.run(&["install", "--yes"]).ok();
    let store = machine.at("/var/lib/wechatd/wechat.db");
    std::fs::create_dir_all(store.parent().unwrap()).unwrap();
    std::fs::write(&store, "the store").unwrap();
    machine
        .run(&["uninstall", "--dry-run"])
        .ok()
        .says("remove ");
    assert_eq!(machine.files().len(), ALWAYS.len() + 2);
    machine.run(&["uninstall", "--yes"]).ok().says("Kept: ");
    let left = ["/etc/wechatd/wechat.conf", "/var/lib/wechatd/wechat.db"];
    assert_eq!(machine.files(), left);
    machine
        .run(&["uninstall", "--yes"])
        .ok()
        .says("nothing to do");
}

#[test]
fn what_needs_systemd_or_root_says_so_before_anything_is_done() {
    let mut command = program();
    let folder = tempfile::tempdir().unwrap();
    command.args(["uninstall", "--yes"]).current_dir(&folder);
    let is_root = rustix::process::geteuid().is_root();
    let has_systemd = Path::new("/run/systemd/system").exists();
    match (is_root, has_systemd) {
        (false, _) => drop(Ran::of(command, "").is_code(1).complains("needs root")),
        (true, false) => drop(Ran::of(command, "").is_code(1).complains("--root")),
        // Not on a machine where it would do it.
        (true, true) => {}
    }
}
