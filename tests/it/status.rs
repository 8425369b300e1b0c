//! `wechatd status`: whether the server runs and what is wrong, also beside a broken configuration.

use crate::support::account::HELP;
use crate::support::store::change;
use crate::support::*;
use serde_json::Value;

/// The lines of `status` that begin with this name.
fn lines(shown: &str, name: &str) -> Vec<String> {
    let lines = shown.lines().filter_map(|line| line.strip_prefix(name));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// Waits until the server has noted that it runs.
#[track_caller]
fn runs(account: &Account) {
    eventually("the start is noted", account.log(), || {
        account.store().count("settings WHERE name = 'started_at'") == 1
    });
}

/// The JSON of a `status` that may say that something is wrong.
#[track_caller]
fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_server_that_runs_well_is_exit_code_0() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    runs(&account);
    let ran = account.command(&["status"]);
    ran.is_code(0);
    let server = lines(&ran.stdout, "server");
    assert!(
        server[0].starts_with("running at 127.0.0.1:"),
        "{}",
        ran.stdout
    );
    assert!(server[0].contains(" since 20"), "{}", ran.stdout);
    assert_eq!(lines(&ran.stdout, "trouble"), ["none"]);
    assert_eq!(lines(&ran.stdout, "waiting"), ["nothing"]);
    assert!(
        lines(&ran.stdout, "last push")[0].ends_with(" ago)"),
        "{}",
        ran.stdout
    );
    let json = json(&account.command(&["status", "--json"]));
    assert_eq!(json["running"], true);
    assert_eq!(json["takes_writes"], true);
    assert_eq!(json["troubles"], serde_json::json!([]));
    assert!(
        json["last_push"].as_i64() >= json["since"].as_i64(),
        "{json}"
    );
    assert_eq!(json["queues"]["profiles"], 0);
}

#[test]
fn a_server_that_is_stopped_or_was_killed_is_exit_code_1() {
    let mut account = Account::start();
    runs(&account);
    account.kill();
    for _ in 0..2 {
        let ran = account.command(&["status"]);
        ran.is_code(1);
        assert_eq!(lines(&ran.stdout, "server"), ["not running"]);
        assert_eq!(lines(&ran.stdout, "trouble"), ["nobody watches"]);
        assert_eq!(ran.stderr, "");
        account.begin();
        account.stop();
    }
    let ran = Setup::new().stopped().command(&["status", "--json"]);
    ran.is_code(1);
    assert_eq!(json(&ran)["running"], false);
    assert_eq!(json(&ran)["store_error"], Value::Null);
}

#[test]
fn a_broken_configuration_is_told_beside_the_server_that_still_runs() {
    let account = Account::start();
    runs(&account);
    let path = account.folder().join("wechat.conf");
    let whole = std::fs::read_to_string(&path).unwrap();
    for broken in [
        format!("{whole}\n[[rule]]\nname = \"none\"\n"),
        format!("{whole}\nthis is no TOML ["),
        whole.replace("server.listen", "server.lisen"),
    ] {
        std::fs::write(&path, broken).unwrap();
        let ran = account.command(&["status"]);
        ran.is_code(1);
        assert!(
            lines(&ran.stdout, "server")[0].starts_with("running at "),
            "{}",
            ran.stdout
        );
        assert!(
            lines(&ran.stdout, "configuration")[0].contains("mistake"),
            "{}",
            ran.stdout
        );
        let json = json(&account.command(&["status", "--json"]));
        assert_eq!(json["running"], true);
        assert_ne!(json["mistakes"], serde_json::json!([]));
    }
}

#[test]
fn a_store_that_takes_no_writes_is_trouble_although_it_has_no_row() {
    let account = Account::start();
    runs(&account);
    let lock = rusqlite::Connection::open(account.store_path()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = account.command(&["status"]);
    ran.is_code(1);
    assert!(
        lines(&ran.stdout, "trouble")[0].starts_with("store: it takes no writes"),
        "{}",
        ran.stdout
    );
    lock.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn what_waits_is_counted() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    account
        .post(&subscribe().from(&another_fan()))
        .is_status(200);
    change(
        &account.store_path(),
        "UPDATE messages SET todo = 1 WHERE msg_type = 'text'",
    );
    let ran = account.command(&["status"]);
    assert_eq!(
        lines(&ran.stdout, "waiting"),
        ["1 message to do, 1 profile"]
    );
    let json = json(&account.command(&["status", "--json"]));
    assert_eq!(json["todo"], 1);
    assert_eq!(json["queues"]["profiles"], 1);
    assert_eq!(json["followers"], 1);
}
