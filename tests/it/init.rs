//! `wechatd init`: what it asks, tries and writes, and what it never overwrites.

use crate::support::account::APP_ID;
use crate::support::command::program;
use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use wechatd::config::{Config, Mode};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKENS: &str = "/cgi-bin/stable_token";

/// Runs `init` in the folder with this standard input.
#[track_caller]
fn init(folder: &TempDir, arguments: &[&str], input: &str) -> Ran {
    let mut command = program();
    command.arg("init").args(arguments).current_dir(folder);
    Ran::of(command, input)
}

/// An address that nobody listens on, and the platform that takes the account.
fn options(platform: &Platform) -> Vec<String> {
    let options = [
        "--app-id",
        APP_ID,
        "--app-secret-file",
        "-",
        "--listen",
        "127.0.0.1:0",
        "--base-url",
        &platform.url(),
    ];
    options.map(str::to_owned).to_vec()
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode_of(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_given_is_tried_and_written_into_two_private_files() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&platform);
    options.push("--yes".to_owned());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let ran = init(&folder, &options, SECRET);
    ran.ok()
        .says("access_token")
        .says("Wrote wechat.conf and app_secret")
        .says("sudo wechatd install");
    assert_eq!(names(&folder), ["app_secret", "wechat.conf"]);
    let file = folder.path().join("wechat.conf");
    assert_eq!(mode_of(&file), 0o600);
    assert_eq!(mode_of(&folder.path().join("app_secret")), 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("\napp_secret = "));
    assert!(text.contains("# The AppID and AppSecret of the console."));
    let config = Config::load(&file).unwrap();
    assert_eq!(config.account.app_id.as_deref(), Some(APP_ID));
    assert_eq!(config.account.app_secret.unwrap().expose(), SECRET);
    assert!(matches!(config.account.mode, Mode::Secure(_)));
    assert_eq!(config.rules.len(), 3);
    // Two accounts never get the same key.
    let other = tempfile::tempdir().unwrap();
    init(&other, &options, SECRET).ok();
    assert_ne!(
        text,
        std::fs::read_to_string(other.path().join("wechat.conf")).unwrap()
    );
}

#[test]
fn the_written_configuration_serves_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ran = init(&folder, &["--listen", "127.0.0.1:0", "--yes"], "");
    ran.ok().says("Wrote wechat.conf;");
    assert_eq!(names(&folder), ["wechat.conf"]);
    let mut check = program();
    check.args(["check", "--quiet"]).current_dir(&folder);
    Ran::of(check, "").ok();
}

#[test]
fn an_account_that_wechat_refuses_leaves_nothing_behind_unless_forced() {
    let platform = Platform::start();
    platform.always(TOKENS, Fault::Errcode(40125, "invalid appsecret"));
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&platform);
    options.push("--yes".to_owned());
    let mut words: Vec<&str> = options.iter().map(String::as_str).collect();
    let ran = init(&folder, &words, SECRET);
    ran.is_code(1)
        .complains("40125")
        .complains("nothing was written")
        .complains("--force");
    assert!(names(&folder).is_empty());
    words.push("--force");
    init(&folder, &words, SECRET).ok();
    assert_eq!(names(&folder), ["app_secret", "wechat.conf"]);
}

#[test]
fn a_port_in_use_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    init(&folder, &["--listen", &address, "--yes"], "")
        .is_code(1)
        .complains("in use");
    assert!(names(&folder).is_empty());
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["wechat.conf", "app_secret"] {
        std::fs::write(folder.path().join(name), "mine").unwrap();
        let platform = Platform::start();
        let mut options = options(&platform);
        options.push("--yes".to_owned());
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        init(&folder, &options, SECRET)
            .is_code(2)
            .complains(&format!("{name} exists already"));
        assert_eq!(names(&folder), [name]);
        let left = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(left, "mine");
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
}

#[test]
fn a_secret_that_lies_beside_the_configuration_stays_as_it_is() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("app_secret");
    std::fs::write(&secret, SECRET).unwrap();
    let mut options = options(&platform);
    options[3] = "app_secret".to_owned();
    options.push("--yes".to_owned());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    init(&folder, &options, "").ok();
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET);
}

#[test]
fn without_a_terminal_the_missing_options_are_named() {
    let folder = tempfile::tempdir().unwrap();
    init(&folder, &[], "")
        .is_code(2)
        .complains("--app-id, --mode, --path, --listen, or --yes");
    init(&folder, &["--app-id", APP_ID, "--yes"], "")
        .is_code(2)
        .complains("--app-secret-file");
    assert!(names(&folder).is_empty());
}

#[test]
fn a_wrong_answer_names_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(200);
    for (arguments, input, part) in [
        (
            &["--app-id", "gh_1"][..],
            "",
            "--app-id: \"gh_1\" is not an AppID",
        ),
        (
            &["--app-id", APP_ID, "--app-secret-file", "-"],
            "two words",
            "--app-secret-file: an AppSecret",
        ),
        (
            &["--app-id", APP_ID, "--app-secret-file", "-"],
            &long,
            "--app-secret-file: an AppSecret",
        ),
        (
            &["--app-id", APP_ID, "--app-secret-file", "nowhere"],
            "",
            "nowhere: No such file",
        ),
        (
            &["--path", "wechat"],
            "",
            "--path: \"wechat\" is not a path",
        ),
        (&["--path", "/healthz"], "", "--path: /healthz is taken"),
        (&["--listen", "8080"], "", "--listen: \"8080\""),
        (&["--base-url", "example"], "", "--base-url: \"example\""),
        (&["--mode", "secure"], "", "needs an AppID"),
        (&["--mode", "open"], "", "plain"),
    ] {
        let mut arguments = arguments.to_vec();
        arguments.push("--yes");
        init(&folder, &arguments, input).is_code(2).complains(part);
        assert!(names(&folder).is_empty());
    }
}

#[test]
fn on_a_terminal_it_asks_again_until_an_answer_is_right_and_never_shows_the_secret() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .args(["init", "new.conf", "--base-url", &platform.url()])
        .current_dir(&folder);
    let answers = format!("gh_0\n{APP_ID}\nnot a secret\n{SECRET}\n\n\n\n127.0.0.1:0\n");
    let ran = at_a_terminal(command, &answers);
    ran.ok();
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    for part in [
        "AppID (empty: try it without an account): ",
        "\"gh_0\" is not an AppID",
        "AppSecret (not shown): ",
        "plain, compatible or secure [secure]: ",
        "[/wechat]: ",
        "wechatd --config new.conf check",
    ] {
        ran.expect(shown.contains(part), part);
    }
    ran.expect(!shown.contains(SECRET), "no secret");
    let config = Config::load(&folder.path().join("new.conf")).unwrap();
    assert_eq!(config.account.app_secret.unwrap().expose(), SECRET);
}

#[test]
fn a_refusal_with_json_is_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let ran = init(&folder, &["--json"], "");
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert!(
        error["error"]["what_to_do"]
            .as_str()
            .unwrap()
            .contains("--yes")
    );
    let written = init(&folder, &["--json", "--yes", "--listen", "127.0.0.1:0"], "").json();
    assert_eq!(written["configuration"], "wechat.conf");
    assert_eq!(written["mode"], "plain");
}
