//! Commands as an owner types them.

use crate::support::account::{HELP, THANKS, WELCOME};
use crate::support::command::json_holds;
use crate::support::*;
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_help_of_every_command_has_an_example() {
    let mut commands: Vec<String> = wechatd::cli::commands()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
    commands.push(String::new());
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let ran = wechatd(&arguments);
        ran.ok();
        ran.says("Usage:");
        let typed = format!("  wechatd {command}");
        let examples = ran.stdout.lines();
        let examples = examples.filter(|line| line.contains(typed.trim_end()));
        ran.expect(examples.count() > 0, &format!("an example of {typed:?}"));
    }
}

#[test]
fn version_prints_the_version_of_the_package() {
    wechatd(&["--version"]).ok().says(env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_wrong_command_line_is_refused() {
    let account = Setup::new().stopped();
    for arguments in [
        &["serv"][..],
        &["--nonsense"],
        &["check", "--nonsense"],
        &["check", "extra"],
        &["simulate"],
        &["explain"],
        &["explain", "--event", "CLICK", "--message", "image"],
        &["followers"],
        &["followers", "show"],
        &["followers", "forget"],
        &["followers", "list", "--limit", "many"],
        &["messages"],
        &["backup"],
        &["completions"],
        &["completions", "cmd.exe"],
    ] {
        account.command(arguments).refused();
    }
}

#[test]
fn check_shows_what_the_configuration_means() {
    let account = Setup::new().set("server.path", "\"/mp\"").stopped();
    let ran = account.command(&["check"]);
    ran.ok();
    for part in [
        "127.0.0.1:0",
        "/mp",
        "plain",
        "wechat.db",
        "welcome",
        "suggestion",
        "help",
    ] {
        ran.says(part);
    }
    let json = account.command(&["check", "--json"]).json();
    assert!(json_holds(&json, "plain"), "{json}");
    assert!(json_holds(&json, "/mp"), "{json}");
}

#[test]
fn check_fails_if_the_folder_of_the_store_does_not_exist() {
    let account = Setup::new()
        .set("store.path", "\"data/wechat.db\"")
        .stopped();
    let ran = account.command(&["check"]);
    ran.is_code(1)
        .says("the server cannot start: store.path: the folder ")
        .says("data does not exist")
        .says("mkdir -p ");
    std::fs::create_dir(account.folder().join("data")).unwrap();
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("does not exist");
}

#[test]
fn check_quiet_prints_mistakes_only() {
    let account = Setup::new().stopped();
    let ran = account.command(&["check", "--quiet"]);
    ran.ok()
        .expect(ran.stdout.is_empty() && ran.stderr.is_empty(), "nothing");
    account.rewrite_config(|config| format!("server.nonsense = 1\n{config}"));
    account
        .command(&["check", "--quiet"])
        .refused()
        .complains("nonsense");
}

#[test]
fn check_shows_the_token_on_a_terminal_and_as_json_only() {
    let account = Setup::new().stopped();
    account.on_a_terminal(&["check"]).ok().says(TOKEN);
    let json = account.command(&["check", "--json"]).json();
    assert_eq!(json["token"], TOKEN);
    // Other output may end up in a log.
    account.command(&["check"]).ok().says_nothing_of(TOKEN);
}

#[test]
fn check_hides_the_secret() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    for arguments in [&["check"][..], &["check", "--json"]] {
        let ran = account.command(arguments);
        ran.ok().says(account::APP_ID);
        ran.says_nothing_of(account::APP_SECRET);
        ran.expect(
            !ran.stderr.contains(account::APP_SECRET),
            "no secret on stderr",
        );
    }
}

#[test]
fn explain_names_the_rule_and_why_the_others_do_not_match() {
    let account = Setup::new().stopped();
    let ran = account.command(&["explain", "hello"]);
    ran.ok()
        .says("help")
        .says(HELP)
        .says("suggestion")
        .says("welcome");
    let ran = account.command(&["explain", "@tea"]);
    ran.ok().says("suggestion").says(THANKS);
    let ran = account.command(&["explain", "--event", "subscribe"]);
    ran.ok().says(WELCOME);
    account
        .command(&["explain", "--event", "CLICK", "--key", "K"])
        .ok()
        .says("success");
    assert!(
        !account.store_path().exists(),
        "explain needs no store and creates none"
    );
}

#[test]
fn followers_are_listed_shown_and_forgotten() {
    let account = Account::start();
    let (stays, goes) = (another_fan(), another_fan());
    for fan in [&stays, &goes] {
        account
            .post(&subscribe_by("door").from(fan))
            .is_text(WELCOME);
        account
            .post(&text(&format!("from {fan}")).from(fan))
            .is_text(HELP);
    }
    account
        .command(&["followers", "list"])
        .ok()
        .says(&stays)
        .says(&goes);
    let list = account.command(&["followers", "list", "--json"]).json();
    let people = list.as_array().map_or(0, Vec::len);
    assert_eq!(people, 2, "one JSON array with two followers: {list}");
    assert!(
        json_holds(&list, &stays) && json_holds(&list, &goes),
        "{list}"
    );

    account
        .command(&["followers", "show", &goes])
        .ok()
        .says(&goes);
    let shown = account
        .command(&["followers", "show", &goes, "--json"])
        .json();
    assert!(
        json_holds(&shown, &goes) && !json_holds(&shown, &stays),
        "{shown}"
    );
    let ran = account.command(&["followers", "show", "oNobody"]);
    ran.failed().complains("oNobody");

    account
        .command(&["followers", "forget", &goes, "--yes"])
        .ok();
    let dump = account.store().dump();
    assert!(!dump.contains(&goes), "{dump}");
    account
        .store()
        .is("SELECT openid FROM followers", &[&stays]);
    account.store().is("SELECT count(*) FROM messages", &["2"]);
    let again = account.command(&["followers", "forget", &goes, "--yes"]);
    again.failed().complains(&goes);
    account
        .post(&text("still served").from(&stays))
        .is_text(HELP);
}

#[test]
fn messages_are_listed_newest_first() {
    let account = Account::start();
    for word in ["alpha", "beta", "gamma"] {
        account.post(&text(word)).is_text(HELP);
    }
    let ran = account.command(&["messages", "list"]);
    ran.ok();
    let place = |word: &str| ran.stdout.find(word).unwrap_or(usize::MAX);
    ran.expect(
        place("gamma") < place("beta") && place("beta") < place("alpha"),
        "gamma, beta, alpha",
    );
    let list = account.command(&["messages", "list", "--json"]).json();
    assert_eq!(list.as_array().map_or(0, Vec::len), 3, "{list}");
    assert!(json_holds(&list, "alpha"), "{list}");
}

#[test]
fn lists_of_an_empty_store_are_empty() {
    let account = Account::start();
    for family in ["followers", "messages"] {
        account.command(&[family, "list"]).ok();
        let list = account.command(&[family, "list", "--json"]).json();
        assert_eq!(list, serde_json::json!([]));
    }
}

#[test]
fn control_characters_in_messages_do_not_reach_the_terminal() {
    let account = Account::start();
    account
        .post(&text("red \u{9b}31m or \u{202e}reversed\nnext line"))
        .is_text(HELP);
    let ran = account.command(&["messages", "list"]);
    ran.ok();
    ran.expect(
        !ran.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
        "no control characters",
    );
}

#[test]
fn a_backup_made_while_the_server_is_busy_is_complete_and_private() {
    let account = Account::start();
    for _ in 0..50 {
        account.post(&text("hello")).is_text(HELP);
    }
    let target = account.folder().join("backup.db");
    let name = target.display().to_string();
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for _ in 0..50 {
                account.post(&text("meanwhile")).is_text(HELP);
            }
        });
        account.command(&["backup", &name]).ok();
        busy.join().unwrap();
    });
    let mode = std::fs::metadata(&target).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "mode {mode:o}");
    let copy = Store::open(&target, account.log());
    copy.is("PRAGMA integrity_check", &["ok"]);
    assert!(copy.count("messages") >= 50);
    account
        .command(&["backup", "/no/such/folder/backup.db"])
        .failed()
        .complains("/no/such/folder");
}

#[test]
fn a_backup_never_overwrites_the_store_or_another_file() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    let store = account.store_path().display().to_string();
    account.command(&["backup", &store]).failed();
    let precious = account.folder().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    account
        .command(&["backup", &precious.display().to_string()])
        .failed();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn restore_after_a_crash_ignores_the_write_ahead_log_that_was_left() {
    let mut account = Account::start();
    account.post(&subscribe()).is_text(WELCOME);
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    for _ in 0..20 {
        account
            .post(&subscribe().from(&another_fan()))
            .is_text(WELCOME);
    }
    account.kill();
    let log = account.folder().join("wechat.db-wal");
    assert!(log.exists(), "the kill left no write-ahead log");
    account.command(&["restore", &copy]).is_code(2);
    account.command(&["restore", &copy, "--yes"]).ok();
    assert!(!log.exists(), "it would be replayed over the copy");
    let mode = std::fs::metadata(account.store_path())
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    account.begin();
    assert_eq!(account.store().count("followers"), 1);
    // The old store is kept, including what was only in its log.
    let before = Store::open(&account.folder().join("wechat.db.before"), account.log());
    assert_eq!(before.count("followers"), 21);
    account
        .post(&subscribe().from(&another_fan()))
        .is_text(WELCOME);
    assert_eq!(account.store().count("followers"), 2);
}

#[test]
fn restore_refuses_a_running_server_and_a_damaged_copy() {
    let mut account = Account::start();
    account.post(&subscribe()).is_text(WELCOME);
    let copy = account.folder().join("copy.db");
    let name = copy.display().to_string();
    account.command(&["backup", &name]).ok();
    account
        .command(&["restore", &name, "--yes"])
        .complains("stop the server first");
    account.stop();
    let bytes = std::fs::read(&copy).unwrap();
    let mut torn = bytes.clone();
    torn.truncate(bytes.len() / 2);
    let mut other = bytes;
    other[..16].copy_from_slice(b"no database file");
    for wrong in [torn, other, Vec::new()] {
        std::fs::write(&copy, wrong).unwrap();
        account.command(&["restore", &name, "--yes"]).failed();
    }
    account
        .command(&["restore", "/no/such/copy.db", "--yes"])
        .complains("no such file");
    account.begin();
    assert_eq!(account.store().count("followers"), 1);
    assert!(!account.folder().join("wechat.db.before").exists());
}

#[test]
fn restore_replaces_a_damaged_store() {
    let mut account = Account::start();
    account.post(&subscribe()).is_text(WELCOME);
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    account.stop();
    std::fs::write(
        account.store_path(),
        "no database at all, but a text of some length",
    )
    .unwrap();
    account.command(&["restore", &copy, "--yes"]).ok();
    account.begin();
    assert_eq!(account.store().count("followers"), 1);
}

#[test]
fn a_server_can_run_on_a_backup() {
    let mut account = Setup::new().unset("account.token").start();
    let target = account.folder().join("backup.db");
    account.simulate(&["subscribe"]).ok().says(WELCOME);
    account
        .command(&["backup", &target.display().to_string()])
        .ok();
    account.stop();
    account.rewrite_config(|config| format!("store.path = \"backup.db\"\n{config}"));
    account.begin();
    account.simulate(&["text", "hello"]).ok().says(HELP);
    let store = Store::open(&target, account.log());
    store.is("SELECT count(*) FROM followers", &["1"]);
}

#[test]
fn unit_prints_a_unit_that_systemd_accepts() {
    let account = Setup::new().stopped();
    let ran = account.command(&["unit"]);
    ran.ok();
    for part in [
        "[Unit]",
        "[Service]",
        "Type=notify",
        "ExecStart=",
        "Restart=on-failure",
        "StateDirectory=",
        "[Install]",
        "wechat.conf",
    ] {
        ran.says(part);
    }
    ran.says_nothing_of(TOKEN);
    let file = account.folder().join("wechatd.service");
    std::fs::write(&file, &ran.stdout).unwrap();
    let verify = std::process::Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output();
    // Only where systemd's tools are installed; systemd need not run.
    let Ok(verify) = verify else { return };
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    ran.expect(
        verify.status.success() && !said.contains("wechatd.service:"),
        &format!("nothing to complain about, but: {said}"),
    );
    let security = std::process::Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&security.stdout);
    let rating = said.lines().last().unwrap_or_default().to_owned();
    ran.expect(
        security.status.success(),
        &format!("a rating of at most 2.0: {rating}"),
    );
}

#[test]
fn completions_exist_for_bash_zsh_and_fish() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = wechatd(&["completions", shell]);
        ran.ok().says("wechatd").says("simulate").says("followers");
    }
    let ran = wechatd(&["completions", "bash"]);
    let (_, after) = ran.stdout.split_once("--event)").unwrap();
    let offered = after.lines().nth(1).unwrap_or_default();
    ran.expect(offered.contains("scancode_waitmsg"), "events for --event");
}

#[test]
fn commands_work_with_and_without_a_running_server() {
    let mut account = Account::start();
    account.post(&subscribe()).is_text(WELCOME);
    account.command(&["followers", "list"]).ok().says(FAN);
    account.stop();
    account.command(&["followers", "list"]).ok().says(FAN);
    account.command(&["messages", "list", "--json"]).json();
    account.command(&["followers", "forget", FAN, "--yes"]).ok();
    account.begin();
    account.store().is("SELECT count(*) FROM followers", &["0"]);
}

#[test]
fn a_closed_pipe_causes_no_panic() {
    let account = Account::start();
    for _ in 0..50 {
        account.post(&text(&"long ".repeat(300))).is_text(HELP);
    }
    let mut child = account
        .program(&["messages", "list", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    child.wait().unwrap();
    assert!(!said.contains("panicked"), "{said}");
}
