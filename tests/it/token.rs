//! `wechatd token`: one access token for the server, the commands and the owner's other programs.

use crate::support::store::change;
use crate::support::*;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;

const TOKENS: &str = "/cgi-bin/stable_token";

#[test]
fn a_token_is_fetched_once_and_then_shared() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let ran = account.command(&["token"]);
    ran.ok();
    assert_eq!(ran.stdout, format!("{}\n", platform.token()));
    let json = account.command(&["token", "--json"]).json();
    assert_eq!(json["access_token"], platform.token());
    let left = json["expires_at"].as_i64().unwrap() - now();
    assert!((7000..=7200).contains(&left), "{left} seconds left");
    assert_eq!(platform.token_calls(), 1);
}

#[test]
fn two_processes_that_need_a_token_at_once_make_one_call() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    // The store exists beforehand, so that they race for the token only.
    account.command(&["token"]).ok();
    platform.retire_token();
    let old = account.command(&["token"]).stdout.trim().to_owned();
    platform.fault(TOKENS, Fault::Hang);
    let before = platform.token_calls();
    std::thread::scope(|scope| {
        let run = || account.command(&["token", "--refused", &old]);
        let both = [scope.spawn(run), scope.spawn(run)];
        eventually("the call", account.log(), || {
            platform.token_calls() > before
        });
        // Time for a second call, if there were one.
        std::thread::sleep(std::time::Duration::from_millis(500));
        platform.release();
        for one in both {
            let ran = one.join().unwrap();
            ran.ok();
            assert_eq!(ran.stdout.trim(), platform.token());
        }
    });
    assert_eq!(platform.token_calls(), before + 1);
}

#[test]
fn a_refused_token_is_replaced_only_once() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout.trim().to_owned();
    platform.retire_token();
    for _ in 0..2 {
        let ran = account.command(&["token", "--refused", &first]);
        ran.ok();
        assert_eq!(ran.stdout.trim(), platform.token());
        assert_ne!(ran.stdout.trim(), first);
    }
    assert_eq!(platform.token_calls(), 2);
}

#[test]
fn a_refused_token_may_come_from_standard_input() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout;
    platform.retire_token();
    let ran = Ran::of(account.program(&["token", "--refused", "-"]), &first);
    ran.ok();
    assert_eq!(ran.stdout.trim(), platform.token());
    assert_ne!(ran.stdout, first);
}

#[test]
fn a_refused_token_that_the_platform_still_returns_is_force_refreshed() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout.trim().to_owned();
    let second = account
        .command(&["token", "--refused", &first])
        .stdout
        .trim()
        .to_owned();
    assert_ne!(first, second);
    assert_eq!(second, platform.token());
    let forced = platform.calls().last().unwrap().body.clone();
    assert!(forced.contains("\"force_refresh\":true"), "one forced call");
}

#[test]
fn the_jsapi_ticket_is_fetched_once_and_shared_too() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token", "--jsapi-ticket"]);
    first.ok().says("SYN_JSAPI_TICKET");
    let json = account
        .command(&["token", "--jsapi-ticket", "--json"])
        .json();
    assert_eq!(json["jsapi_ticket"], first.stdout.trim());
    assert_eq!(platform.count("/cgi-bin/ticket/getticket"), 1);
}

#[test]
fn without_an_app_id_the_command_says_what_is_missing() {
    let account = Setup::new().stopped();
    account
        .command(&["token"])
        .refused()
        .complains("account.app_secret");
}

#[test]
fn a_refusal_is_explained_with_advice_and_without_the_secret() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let refusal = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist";
    for (fault, text) in [
        (Fault::Errcode(40164, refusal), "enter 203.0.113.9"),
        (Fault::Errcode(40125, "invalid appsecret"), "AppSecret"),
        (Fault::Errcode(50007, "account frozen"), "mp.weixin.qq.com"),
    ] {
        platform.fault(TOKENS, fault);
        let ran = account.command(&["token"]);
        ran.failed().complains(text);
        ran.expect(
            !ran.stderr.contains(account::APP_SECRET),
            "no secret on stderr",
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn an_invalid_token_in_the_store_is_replaced() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    account.command(&["token"]).ok();
    for wrong in [
        "value = 'SYN_DEAD', expires_at = 2100000000",
        "value = NULL",
        "value = ''",
        "expires_at = NULL",
    ] {
        let before = platform.token_calls();
        change(&account.store_path(), &format!("UPDATE tokens SET {wrong}"));
        let json = account.command(&["token", "--json"]).json();
        assert_eq!(json["access_token"], platform.token(), "{wrong}");
        let left = json["expires_at"].as_i64().unwrap() - now();
        assert!(
            (7000..=7200).contains(&left),
            "{wrong}: {left} seconds left"
        );
        assert_eq!(platform.token_calls(), before + 1, "{wrong}");
    }
}

/// An account whose AppSecret is in a file, and whose server keeps the access token in the file `access_token`.
fn with_a_token_file(platform: &Platform) -> Account {
    let setup = Setup::new()
        .platform(platform)
        .unset("account.app_secret")
        .set("account.app_secret_file", "\"secret\"")
        .set("api.token_file", "\"access_token\"");
    let secret = setup.folder().join("secret");
    std::fs::write(&secret, account::APP_SECRET).unwrap();
    set_mode(&secret, 0o600);
    setup.stopped()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Waits until the file contains the platform's current token.
#[track_caller]
fn is_in_the_file(platform: &Platform, account: &Account) {
    let file = account.folder().join("access_token");
    eventually("the token in its file", account.log(), || {
        std::fs::read_to_string(&file).is_ok_and(|held| held == platform.token())
    });
}

#[test]
fn the_server_keeps_the_token_in_a_file_readable_by_its_group() {
    let platform = Platform::start();
    let mut account = with_a_token_file(&platform);
    account.begin();
    is_in_the_file(&platform, &account);
    let file = account.folder().join("access_token");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // A token that another process replaced is soon in the file.
    let old = platform.token();
    platform.retire_token();
    account.command(&["token", "--refused", &old]).ok();
    is_in_the_file(&platform, &account);
    account.stop();
    assert!(!account.log().has(&platform.token()), "{}", account.log());
}

#[test]
fn a_user_without_access_to_the_secret_gets_the_token_from_the_file() {
    let platform = Platform::start();
    let mut account = with_a_token_file(&platform);
    account.begin();
    is_in_the_file(&platform, &account);
    let binary = account.folder().join("wechatd");
    // By another process: a command that another test starts meanwhile would inherit the file that is being written,
    // and a file open for writing cannot be executed (ETXTBSY).
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_wechatd")).arg(&binary);
    assert!(copy.status().unwrap().success());
    let root = permissions_do_not_bind(account.folder());
    if root {
        set_mode(account.folder(), 0o755);
        set_mode(&account.config_path(), 0o640);
    } else {
        set_mode(&account.folder().join("secret"), 0);
    }
    // A member of the server's group without other rights.
    let group = std::fs::metadata(account.folder().join("access_token"))
        .unwrap()
        .gid();
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&binary);
        command
            .arg("--config")
            .arg(account.config_path())
            .args(arguments);
        if root {
            command.uid(65_534).gid(group);
        }
        Ran::of(command, "")
    };
    let ran = command(&["token"]);
    assert_eq!(ran.ok().stdout.trim(), platform.token());
    assert_eq!(
        command(&["token", "--json"]).json()["access_token"],
        platform.token()
    );
    command(&["token", "--refused", &platform.token()])
        .failed()
        .complains("access_token only");
    command(&["tags", "list"]).refused();
    std::fs::remove_file(account.folder().join("access_token")).unwrap();
    let gone = command(&["token"]);
    gone.failed().complains("there is no token");
}

#[test]
fn the_server_does_not_overwrite_a_file_that_is_not_a_token() {
    let platform = Platform::start();
    let start = |put: &dyn Fn(&Path), says: &str| {
        let setup = Setup::new()
            .platform(&platform)
            .set("api.token_file", "\"access_token\"");
        let file = setup.folder().join("access_token");
        put(&file);
        let mut account = setup.start();
        eventually("a warning", account.log(), || account.log().has(says));
        account.stop();
        (account, file)
    };
    let (_account, link) = start(
        &|file| std::os::unix::fs::symlink("/dev/null", file).unwrap(),
        "access_token: is no regular file",
    );
    assert!(std::fs::symlink_metadata(link).is_ok_and(|there| there.is_symlink()));
    let text = "the owner's own notes\n";
    let (_account, notes) = start(
        &|file| std::fs::write(file, text).unwrap(),
        "access_token: holds something else",
    );
    assert_eq!(std::fs::read_to_string(notes).unwrap(), text);
}

#[test]
fn a_store_that_is_a_fifo_is_refused_at_once() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("store.path", "\"fifo\"")
        .stopped();
    let fifo = account.folder().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    account
        .command(&["token"])
        .failed()
        .complains("is no regular file");
}

#[test]
fn the_token_file_must_not_be_a_file_of_the_program() {
    for taken in [
        "wechat.db",
        "wechat.conf",
        "./wechat.db",
        "folder/../wechat.conf",
        "wechat.db-wal",
        "wechat.db-shm",
        "secret",
        "./secret",
    ] {
        let taken = format!("\"{taken}\"");
        let account = Setup::new()
            .unset("account.app_secret")
            .set("account.app_secret_file", "\"secret\"")
            .set("api.token_file", &taken)
            .stopped();
        std::fs::create_dir(account.folder().join("folder")).unwrap();
        std::fs::write(account.folder().join("secret"), account::APP_SECRET).unwrap();
        account
            .command(&["check"])
            .refused()
            .complains("api.token_file");
    }
}
