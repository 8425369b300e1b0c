//! Secrets: never in the log or the output of a command, and never in a file that others may read.

use crate::support::account::{APP_ID, APP_SECRET, WELCOME};
use crate::support::*;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const TOKENS: &str = "/cgi-bin/stable_token";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// An account with every secret set.
fn full(platform: &Platform) -> Setup {
    Setup::new()
        .platform(platform)
        .set("account.previous_token", "\"formerToken2025\"")
        .set("account.mode", "\"compatible\"")
        .set("account.aes_key", &format!("\"{AES_KEY}\""))
        .set(
            "account.previous_aes_key",
            &format!("\"{}\"", AES_KEY.replace('a', "z")),
        )
        .set("server.allow_ips", "\"wechat\"")
}

/// Everything that must never be shown.
fn secrets(platform: &Platform) -> Vec<String> {
    vec![
        TOKEN.into(),
        "formerToken2025".into(),
        APP_SECRET.into(),
        AES_KEY.into(),
        AES_KEY.replace('a', "z"),
        platform.token(),
    ]
}

#[test]
fn no_command_and_no_level_of_the_log_shows_a_secret() {
    let platform = Platform::start();
    platform.callback_ips(&["127.0.0.1"]);
    // The platform's error repeats what it was sent.
    let repeated = "invalid appsecret 0123456789abcdef0123456789abcdef";
    platform.fault(TOKENS, Fault::Errcode(-1, repeated));
    let account = full(&platform).env("RUST_LOG", "trace").start();
    let encrypted = account.simulate(&["text", "hello", "--json"]);
    encrypted.ok();
    let fan = another_fan();
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    account
        .post(&text("hello").signed_with("someOtherToken"))
        .is_refused();
    eventually("the profile", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_at IS NOT NULL")
            == 1
    });
    account.rewrite_config(|config| config.replace("[[rule]]", "[[rulle]]"));
    account.reload();
    account.rewrite_config(|config| config.replace("[[rulle]]", "[[rule]]"));
    account.reload();
    let mut said = account.log().to_string();
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["simulate", "verify", "--url", &account.url()],
        &["simulate", "subscribe", "--json", "--url", &account.url()],
        &["explain", "hello"],
        &["explain", "hello", "--json"],
        &["followers", "list", "--json"],
        &["followers", "show", &fan, "--json"],
        &["messages", "list", "--json"],
        &["unit"],
        &["backup", "copy.db"],
        &["backup", "copy.db"],
        &["followers", "show", "nobody"],
        &[
            "simulate",
            "text",
            "x",
            "--url",
            "http://127.0.0.1:1/wechat",
        ],
    ] {
        let ran = account.command(arguments);
        // Shows the Token on purpose, for the owner's programs.
        let stdout = match arguments {
            ["check", "--json"] => ran.stdout.replace(TOKEN, "the Token"),
            _ => ran.stdout.clone(),
        };
        said += &format!("$ {}\n{stdout}{}\n", ran.line, ran.stderr);
    }
    account.rewrite_config(|config| format!("server.nonsense = 1\n{config}"));
    let ran = account.command(&["check"]);
    said += &ran.refused().stderr;
    for secret in secrets(&platform) {
        let line = said.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} is shown: {line:?}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_world_readable_configuration_with_secrets_causes_a_warning() {
    let mut account = Setup::new().stopped();
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
        set_mode(&account.config_path(), mode);
        let before = account.log().count("may read it: `");
        account.begin();
        account.log().says("in the console");
        account.stop();
        let after = account.log().count("may read it: `");
        assert_eq!(after > before, warned, "{mode:o}\n{}", account.log());
        let ran = account.command(&["check"]);
        let says = ran
            .ok()
            .stdout
            .contains("account.token, and everybody on this machine may read it");
        ran.expect(says == warned, &format!("mode {mode:o}: warned {warned}"));
    }
    // Without a secret there is no warning.
    let account = Setup::new().unset("account.token").stopped();
    set_mode(&account.config_path(), 0o644);
    account.command(&["check"]).ok().says_nothing_of("chmod");
}

#[test]
fn without_a_service_user_the_advice_is_chmod_600() {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let has_service =
        passwd.contains("wechatd:") || Path::new("/etc/systemd/system/wechatd.service").exists();
    if has_service {
        return;
    }
    let setup = Setup::new()
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .set("account.app_secret_file", "\"app_secret\"");
    let secret = setup.folder().join("app_secret");
    std::fs::write(&secret, APP_SECRET).unwrap();
    let account = setup.stopped();
    for file in [&secret, &account.config_path()] {
        set_mode(file, 0o644);
        account
            .command(&["check"])
            .ok()
            .says(&format!("`chmod 600 {}`", file.display()))
            .says_nothing_of("useradd");
        set_mode(file, 0o600);
        account.command(&["check"]).ok().says_nothing_of("chmod");
    }
}

#[test]
fn unit_warns_about_a_configuration_that_the_service_cannot_read() {
    let account = Setup::new().stopped();
    let folder = account.config_path().parent().unwrap().to_owned();
    set_mode(&folder, 0o700);
    let ran = account.command(&["unit"]);
    ran.ok()
        .complains("cannot be read by the user wechatd")
        .complains("chmod o+x ");
    set_mode(&folder, 0o755);
    set_mode(&account.config_path(), 0o600);
    account.command(&["unit"]).ok().complains("chgrp wechatd ");
    set_mode(&account.config_path(), 0o644);
    let ran = account.command(&["unit"]);
    ran.ok()
        .expect(!ran.stderr.contains("cannot be read"), "no warning");
}

#[test]
fn a_world_readable_secret_file_causes_a_warning() {
    let setup = Setup::new()
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .set("account.app_secret_file", "\"app_secret\"");
    let file = setup.folder().join("app_secret");
    std::fs::write(&file, APP_SECRET).unwrap();
    let account = setup.stopped();
    set_mode(&file, 0o644);
    account
        .command(&["check"])
        .ok()
        .says("app_secret holds the AppSecret");
    set_mode(&file, 0o600);
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("holds the AppSecret");
}

#[test]
fn the_store_its_log_and_backups_are_private_whatever_the_umask() {
    let mut account = Setup::new().stopped().wrapped_in("umask 000; exec \"$@\"");
    account.begin();
    account.post(&subscribe()).is_text(WELCOME);
    account.command(&["backup", "copy.db"]).ok();
    for name in ["wechat.db", "wechat.db-wal", "wechat.db-shm", "copy.db"] {
        let metadata = std::fs::metadata(account.folder().join(name)).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
    }
}
