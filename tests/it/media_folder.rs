//! The folder `store.media`: what followers send is fetched to it, and stays as long as its message.

use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const GET: &str = "/cgi-bin/media/get";

/// An account with a folder for media beside its store.
fn setup(platform: &Platform) -> (Setup, PathBuf) {
    let setup = Setup::new()
        .platform(platform)
        .set("store.media", "\"media\"");
    let folder = setup.folder().join("media");
    (setup, folder)
}

/// The names in the folder, sorted, without that of its owner.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".wechatd").collect();
    names.sort();
    names
}

fn has(account: &Account, folder: &Path, names: &[&str]) {
    eventually(
        &format!("{names:?} in {}", folder.display()),
        account.log(),
        || files(folder) == names,
    );
}

/// Nothing is left to be fetched.
fn is_done(account: &Account) {
    eventually("nothing is left to fetch", account.log(), || {
        account
            .store()
            .count("media_files WHERE next_at IS NOT NULL")
            == 0
    });
}

#[test]
fn what_followers_send_is_fetched_and_named_by_its_message() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    let account = setup.start();
    account.post(&text("hello")).is_status(200);
    account.post(&image()).is_status(200);
    has(&account, &folder, &["2.gif"]);
    is_done(&account);
    assert_eq!(
        std::fs::read_to_string(folder.join("2.gif")).unwrap(),
        "GIF89a of SYN_image"
    );
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("2.gif"))), (0o700, 0o600));
    account.store().is(
        "SELECT message_id, file, type, error FROM media_files",
        &["2|2.gif|image/gif|NULL"],
    );
    account
        .command(&["check"])
        .ok()
        .says("1 fetched, 0 to be fetched, 0 given up");
    let copy = account.folder().join("copy.db");
    account
        .command(&["backup", copy.to_str().unwrap()])
        .ok()
        .says("media (store.media) are not in it");
}

#[test]
fn without_a_folder_nothing_is_fetched_and_no_thread_runs_for_it() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account.post(&image()).is_status(200);
    account
        .store()
        .is("SELECT count(*) FROM media_files", &["0"]);
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", account.pid())).unwrap();
        let name = |task: std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).unwrap_or_default()
        };
        tasks.flatten().map(name).any(|name| name.trim() == "media")
    };
    assert!(!threads());
    // With a reload it begins, also with what came before; and ends.
    account.rewrite_config(|config| config + "\n[store]\nmedia = \"media\"\n");
    account.reload();
    let folder = account.folder().join("media");
    has(&account, &folder, &["1.gif"]);
    assert!(threads());
    account.rewrite_config(|config| config.replace("\n[store]\nmedia = \"media\"\n", ""));
    account.reload();
    eventually("the thread ends", account.log(), || !threads());
    account.post(&image()).is_status(200);
    is_done(&account);
    assert_eq!(files(&folder), ["1.gif"]);
    assert_eq!(platform.count(GET), 1);
}

#[test]
fn an_error_is_no_file_and_an_expired_one_is_given_up() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    platform.fault(GET, Fault::Errcode(40007, "invalid media_id"));
    let mut account = setup.start();
    account.post(&image()).is_status(200);
    account.log().says("the file of message 1 is given up");
    account.store().is(
        "SELECT message_id, file, next_at, error LIKE '%40007%' FROM media_files",
        &["1|NULL|NULL|1"],
    );
    // A page of some proxy with the status 200, and one that calls itself a picture.
    platform.fault(GET, Fault::Body("<html>busy</html>".into()));
    account.post(&image()).is_status(200);
    account.log().says("store.media: nothing is fetched");
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
    account.store().is(
        "SELECT attempts, next_at > unixepoch(), type FROM media_files WHERE message_id = 2",
        &["1|1|NULL"],
    );
    // It is tried again after a restart; here at once.
    account.stop();
    store::change(
        &account.store_path(),
        "UPDATE media_files SET next_at = 0 WHERE message_id = 2",
    );
    account.begin();
    has(&account, &folder, &["2.gif"]);
    is_done(&account);
    account.store().is(
        "SELECT type, error FROM media_files WHERE message_id = 2",
        &["image/gif|NULL"],
    );
}

#[test]
fn a_file_goes_with_its_message() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    let mut account = setup.start();
    let (forgotten, closed, other) = (another_fan(), another_fan(), another_fan());
    for fan in [&forgotten, &closed, &other, &other] {
        account.post(&image().from(fan)).is_status(200);
    }
    has(&account, &folder, &["1.gif", "2.gif", "3.gif", "4.gif"]);
    is_done(&account);
    account
        .command(&["followers", "forget", &forgotten, "--yes"])
        .ok();
    assert_eq!(files(&folder), ["2.gif", "3.gif", "4.gif"]);
    let close = event("user_authorization_cancellation").element("OpenID", &closed);
    account.post(&close).is_status(200);
    has(&account, &folder, &["3.gif", "4.gif"]);
    // Whatever was left behind goes at the start, and nothing that is not ours.
    account.stop();
    store::change(&account.store_path(), "DELETE FROM messages WHERE id = 3");
    for name in ["9.jpg", "9.part", "mine.jpg", "4.jpg"] {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    account.begin();
    has(&account, &folder, &["4.gif", "mine.jpg"]);
}

#[test]
fn messages_that_are_old_take_their_files_along() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    let mut account = setup.set("store.keep_messages", "\"1h\"").start();
    account.post(&image()).is_status(200);
    has(&account, &folder, &["1.gif"]);
    is_done(&account);
    account.stop();
    store::change(
        &account.store_path(),
        "UPDATE messages SET received_at = received_at - 7200, created_at = created_at - 7200",
    );
    account.begin();
    account.log().says("removed 1 message older");
    has(&account, &folder, &[]);
}

#[test]
fn a_folder_of_others_is_left_alone_and_check_says_so() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("1.jpg"), "a picture of the owner").unwrap();
    let account = setup.start();
    account.log().says("the folder is not empty");
    account.post(&image()).is_status(200);
    let ran = account.command(&["check"]);
    ran.is_code(1)
        .says("wrong: store.media: ")
        .says("name an empty or a new one");
    // The server runs all the same.
    account.command(&["check", "--quiet"]).ok();
    assert_eq!(files(&folder), ["1.jpg"]);
    assert_eq!(platform.count(GET), 0);
}

#[test]
fn what_cannot_be_written_is_said_and_asks_the_platform_for_nothing() {
    let platform = Platform::start();
    let (setup, folder) = setup(&platform);
    let account = setup.start();
    eventually("the folder is taken", account.log(), || {
        folder.join(".wechatd").exists()
    });
    // Where the file is to be written is a folder.
    std::fs::create_dir(folder.join("1.part")).unwrap();
    account.post(&image()).is_status(200);
    account
        .log()
        .says("store.media: nothing is fetched: the folder: ");
    account.post(&text("hello")).is_status(200);
    assert_eq!(platform.count(GET), 0);
    account
        .store()
        .is("SELECT attempts FROM media_files", &["0"]);
}

#[test]
fn a_full_disk_is_said_and_leaves_no_part() {
    let Some(script) = with_a_full_folder() else {
        return;
    };
    let platform = Platform::start();
    let (setup, _) = setup(&platform);
    platform.fault(GET, Fault::Body(format!("GIF89a{}", "x".repeat(200_000))));
    let mut account = setup.stopped().wrapped_in(&script);
    account.begin();
    account.post(&image()).is_status(200);
    account.log().says("No space left on device");
    account.log().says("make room on the disk");
    // As the server sees it.
    let inside = |account: &Account| {
        let root = PathBuf::from(format!("/proc/{}/root", account.pid()));
        root.join(account.folder().strip_prefix("/").unwrap())
            .join("media")
    };
    assert_eq!(files(&inside(&account)), [""; 0]);
    account.post(&text("hello")).is_status(200);
    account.restart();
    has(&account, &inside(&account), &["1.gif"]);
}

/// A script that starts the server with a folder `media` of 16 KiB; needs root or user namespaces.
fn with_a_full_folder() -> Option<String> {
    let mount = "mkdir -p media && mount -t tmpfs -o size=16k,mode=700 tmpfs media";
    let folder = tempfile::tempdir().unwrap();
    let probe = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", mount])
        .current_dir(folder.path())
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("cannot mount here, skipped");
        return None;
    }
    let script = format!("{mount} && exec \"$@\"");
    Some(format!(
        "exec unshare --mount --map-root-user sh -c '{script}' sh \"$@\""
    ))
}
