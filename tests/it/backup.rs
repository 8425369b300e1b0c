//! Backups: several in one folder, interrupted ones, repeated restores; and what commands do where something is already
//! at the path of the file that they write.

use crate::support::account::{self, HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn keep_leaves_the_newest_backups_in_a_folder_and_all_other_files() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    let folder = account.folder().join("copies");
    let name = folder.display().to_string();
    let check = || account.command(&["check", "--json"]).json();
    assert!(check()["last_backup"].is_null());
    // The folder is created, and backups made in the same second get different names.
    for _ in 0..3 {
        account.command(&["backup", "--keep", "5", &name]).ok();
    }
    assert_eq!(names(&folder).len(), 3, "{:?}", names(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let others = [
        "notes.txt",
        "wechat-2020-01-01.db",
        "wechat-2020-01-01-000000-before-the-move.db",
        "wechat.db",
    ];
    let old = [
        "wechat-2020-01-01-000000.db",
        "wechat-2020-01-02-000000-2.db",
    ];
    for name in others.iter().chain(&old) {
        fs::write(folder.join(name), "x").unwrap();
    }
    fs::create_dir(folder.join("wechat-2019-01-01-000000.db")).unwrap();
    account.command(&["backup", "--keep", "2", &name]).ok();
    let left = names(&folder);
    assert_eq!(left.len(), 2 + 1 + others.len(), "{left:?}");
    for name in others {
        assert!(left.iter().any(|left| left == name), "{left:?}");
    }
    let newest = left.iter().rfind(|name| {
        name.starts_with("wechat-20") && fs::metadata(folder.join(name)).unwrap().len() > 1
    });
    let copy = Store::open(&folder.join(newest.unwrap()), account.log());
    copy.is("PRAGMA integrity_check", &["ok"]);
    copy.is("SELECT count(*) FROM messages", &["1"]);

    let last = check()["last_backup"].clone();
    assert!((now() - last["at"].as_i64().unwrap()).abs() < 600, "{last}");
    let file = last["file"].as_str().unwrap();
    assert!(
        Path::new(file).is_file() && file.starts_with(&name),
        "{last}"
    );
    account.command(&["check"]).ok().says(file);
    account
        .command(&["backup", "--keep", "0", &name])
        .is_code(2);
}

#[test]
fn keep_leaves_the_last_of_the_backups_made_in_one_second() {
    let account = Account::start();
    let folder = account.folder().join("copies");
    let name = folder.display().to_string();
    let mut before = String::new();
    for _ in 0..6 {
        account.command(&["backup", "--keep", "2", &name]).ok();
        let made = account.command(&["check", "--json"]).json()["last_backup"]["file"].clone();
        let made = made
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        let left = names(&folder);
        assert!(left.contains(&made), "{made}: {left:?}");
        assert!(
            before.is_empty() || left.contains(&before),
            "{before}: {left:?}"
        );
        before = made;
    }
}

#[test]
fn the_backup_just_made_is_kept_even_next_to_backups_from_the_future() {
    let account = Account::start();
    let folder = account.folder().join("copies");
    fs::create_dir(&folder).unwrap();
    for year in 2091..2095 {
        fs::write(folder.join(format!("wechat-{year}-01-01-000000.db")), "x").unwrap();
    }
    let name = folder.display().to_string();
    account.command(&["backup", "--keep", "2", &name]).ok();
    let left = names(&folder);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(left[1], "wechat-2094-01-01-000000.db");
    assert!(fs::metadata(folder.join(&left[0])).unwrap().len() > 1);
}

#[test]
fn a_failed_backup_leaves_no_file() {
    let mut account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    let target = account.folder().join("copy.db");
    let name = target.display().to_string();
    // Files are limited to 20 kB, and the signal that comes with the limit is ignored, as on a full disk.
    let program = account.program(&["backup", &name]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 40; exec \"$@\"", "sh"]);
    limited.arg(program.get_program()).args(program.get_args());
    Ran::of(limited, "").failed();
    assert!(!target.exists());
    let left: Vec<String> = names(account.folder());
    assert!(
        !left.iter().any(|name| name.starts_with("copy")),
        "{left:?}"
    );
    // Left by a killed backup, with a journal that SQLite would roll back into the next one.
    let part = account.folder().join("copy.db.part");
    fs::write(&part, "half a copy").unwrap();
    fs::write(account.folder().join("copy.db.part-journal"), "of it").unwrap();
    account.command(&["backup", &name]).ok();
    let left: Vec<String> = names(account.folder());
    let copies: Vec<&String> = left
        .iter()
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert_eq!(copies, ["copy.db"]);
    Store::open(&target, account.log()).is("PRAGMA integrity_check", &["ok"]);
}

#[test]
fn ctrl_c_during_a_backup_leaves_no_file_and_says_so() {
    let mut account = Account::start();
    account.stop();
    change(
        &account.store_path(),
        "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 8000)
         INSERT INTO settings (name, value) SELECT 'x' || id, hex(zeroblob(2000)) FROM n",
    );
    let target = account.folder().join("copy.db");
    let part = account.folder().join("copy.db.part");
    // Repeated, because a fast copy may finish before the signal arrives.
    let interrupt = || {
        let mut program = account.program(&["backup", &target.display().to_string()]);
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        while !part.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        account::send_signal(child.id(), "INT");
        let out = child.wait_with_output().unwrap();
        let interrupted = out.status.code() == Some(130) && !target.exists();
        if interrupted {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(
                said.ends_with("copy.db: not written: interrupted\n"),
                "{said}"
            );
        }
        fs::remove_file(&target).ok();
        interrupted
    };
    assert!((0..50).any(|_| interrupt()));
    let left = names(account.folder());
    assert!(
        !left.iter().any(|name| name.starts_with("copy")),
        "{left:?}"
    );
}

#[test]
fn every_restore_keeps_what_it_replaced_and_follows_a_symbolic_link() {
    let setup = Setup::new();
    let real = setup.folder().join("real");
    fs::create_dir(&real).unwrap();
    symlink("real/fans.db", setup.folder().join("wechat.db")).unwrap();
    let mut account = setup.start();
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    for followers in 1..=3 {
        for _ in 0..followers {
            account
                .post(&subscribe().from(&another_fan()))
                .is_text(WELCOME);
        }
        account.stop();
        account.command(&["restore", &copy, "--yes"]).ok();
        account.begin();
        account.store().is("SELECT count(*) FROM followers", &["0"]);
    }
    let link = fs::symlink_metadata(account.store_path()).unwrap();
    assert!(link.file_type().is_symlink());
    for (name, followers) in [("before", "1"), ("before-2", "2"), ("before-3", "3")] {
        let before = Store::open(&real.join(format!("fans.db.{name}")), account.log());
        before.is("SELECT count(*) FROM followers", &[followers]);
    }
}

#[test]
fn a_path_that_is_not_a_regular_file_is_refused_untouched() {
    let setup = Setup::new();
    let folder = setup.folder().to_owned();
    let copy = folder.join("copy.db");
    let fifo = folder.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let socket = folder.join("socket");
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    symlink(&fifo, folder.join("link")).unwrap();
    let account = setup.start();
    account
        .command(&["backup", &copy.display().to_string()])
        .ok();
    let copy = copy.display().to_string();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    for place in ["fifo", "socket", "folder", "link", "/dev/null"] {
        let place = folder.join(place);
        let before = mode(&place);
        let other = folder.join("other.conf");
        let config = format!("store.path = \"{}\"\n", place.display());
        fs::write(
            &other,
            format!(
                "{config}{}",
                fs::read_to_string(account.config_path()).unwrap()
            ),
        )
        .unwrap();
        let run = |arguments: &[&str]| {
            let mut program = wechatd_with(&other);
            program.args(arguments);
            Ran::of(program, "")
        };
        for arguments in [
            &["serve"][..],
            &["messages", "list"],
            &["backup", "new.db"],
            &["restore", &copy, "--yes"],
        ] {
            run(arguments)
                .failed()
                .complains(&place.display().to_string());
        }
        run(&["check"])
            .is_code(1)
            .says(&place.display().to_string());
        run(&["check", "--quiet"]).failed();
        let name = place.display().to_string();
        account.command(&["backup", &name]).failed();
        account.command(&["restore", &name, "--yes"]).failed();
        assert_eq!(mode(&place), before, "{name}");
    }
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    let left = names(&folder);
    assert!(
        !left.iter().any(|name| name.contains("-journal")
            || name.contains(".restoring")
            || name.contains(".part")),
        "{left:?}"
    );
}

/// The program with this configuration instead of the account's.
fn wechatd_with(config: &Path) -> Command {
    let mut program = command::program();
    program.arg("--config").arg(config);
    program
}

#[test]
fn a_download_replaces_regular_files_only() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let folder = account.folder().to_owned();
    let fifo = folder.join("fifo.png");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let create = ["qrcode", "create", "7", "--out"];
    let out = |name: &str| folder.join(name).display().to_string();
    let made = platform.calls().len();
    account
        .command(&[&create[..], &[&out("fifo.png")]].concat())
        .failed()
        .complains("no regular file");
    assert_eq!(platform.calls().len(), made, "nothing was created");
    // A symbolic link stays one, and what a killed command left is overwritten.
    fs::create_dir(folder.join("real")).unwrap();
    fs::write(folder.join("real/code.png"), "old").unwrap();
    fs::write(folder.join("real/code.png.part"), "half").unwrap();
    symlink("real/code.png", folder.join("code.png")).unwrap();
    account
        .command(&[&create[..], &[&out("code.png")]].concat())
        .ok();
    assert!(
        fs::read(folder.join("real/code.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    assert_eq!(names(&folder.join("real")), ["code.png"]);
    assert!(
        fs::symlink_metadata(folder.join("code.png"))
            .unwrap()
            .file_type()
            .is_symlink()
    );
}
