//! A store belongs to one account: under another AppID it cannot be changed, and nothing in it is lost.

use crate::support::account::{APP_ID, WELCOME};
use crate::support::*;

/// Another account, unknown to the platform.
const OTHER: &str = "wx00112233445566ff";

/// Changes only the AppID.
fn change_app_id(account: &Account, app_id: &str) {
    account.rewrite_config(|config| {
        let others = config
            .lines()
            .filter(|line| !line.starts_with("account.app_id"));
        let others: Vec<&str> = others.collect();
        format!("account.app_id = \"{app_id}\"\n{}\n", others.join("\n"))
    });
}

/// An account whose AppID was changed after its store was bound to the first one.
fn with_foreign_store(platform: &Platform) -> Account {
    let account = Setup::new().platform(platform).stopped();
    account.command(&["token"]).ok();
    change_app_id(&account, OTHER);
    account
}

/// A refusal in one line that says whose store it is and what to do.
#[track_caller]
fn is_refused(ran: &Ran) {
    ran.failed()
        .complains(APP_ID)
        .complains(OTHER)
        .complains("store.path");
    ran.expect(ran.stderr.lines().count() == 1, "one line");
    ran.expect(ran.stdout.is_empty(), "nothing on stdout");
}

#[test]
fn the_server_and_check_refuse_a_store_of_another_account() {
    let platform = Platform::start();
    let account = with_foreign_store(&platform);
    for command in [
        &["serve"][..],
        &["check"],
        &["check", "--json"],
        &["check", "--quiet"],
        &["check", "--online"],
    ] {
        is_refused(&account.command(command));
    }
}

#[test]
fn no_command_calls_the_platform_with_a_store_of_another_account() {
    let platform = Platform::start();
    let account = with_foreign_store(&platform);
    let before = platform.calls().len();
    for command in [
        &["token"][..],
        &["token", "--jsapi-ticket"],
        &["followers", "sync"],
        &["followers", "list", "--tag", "regulars"],
        &["menu", "pull"],
        &["menu", "rollback", "--yes"],
        &["menu", "delete", "--yes"],
        &["mass", "send", "hello", "--all", "--yes"],
        &["mass", "send", "hello", "--all", "--dry-run"],
        &["send", FAN, "hello"],
        &["tags", "list"],
        &["quota"],
        &["quota", "clear", "--yes"],
        &["qrcode", "create", "poster-7"],
        &["login", "code", "SYNCODE"],
        &["kf", "list"],
    ] {
        is_refused(&account.command(command));
    }
    // Exit code 1 would mean that the menus differ.
    account
        .command(&["menu", "diff"])
        .is_code(2)
        .complains("store.path");
    assert_eq!(platform.calls().len(), before, "no call went out");
}

#[test]
fn commands_that_only_read_the_store_and_backup_still_work() {
    let platform = Platform::start();
    let account = with_foreign_store(&platform);
    let copy = account.folder().join("copy.db");
    for command in [
        &["followers", "list"][..],
        &["followers", "export"],
        &["messages", "list"],
        &["mass", "status"],
        &["qrcode", "stats"],
        &["menu", "show"],
        &["backup", copy.to_str().unwrap()],
    ] {
        account.command(command).ok();
    }
}

#[test]
fn another_account_works_with_a_store_of_its_own() {
    let platform = Platform::start();
    let account = with_foreign_store(&platform);
    account.rewrite_config(|config| format!("store.path = \"other.db\"\n{config}"));
    account.command(&["check"]).ok().says(OTHER);
    // A token is fetched for the new account; the old one's is not used.
    let before = platform.token_calls();
    account.command(&["token"]).failed().complains("40013");
    assert!(platform.token_calls() > before);
}

#[test]
fn check_and_lists_do_not_bind_a_store_to_an_account() {
    let account = Setup::new().start();
    account.post(&subscribe()).is_text(WELCOME);
    for app_id in [OTHER, APP_ID] {
        change_app_id(&account, app_id);
        account.command(&["check"]).ok();
        account.command(&["followers", "list"]).ok();
    }
    let owner = "settings WHERE name = 'app_id'";
    assert_eq!(account.store().count(owner), 0);
}

#[test]
fn the_server_binds_a_store_to_its_first_app_id_and_still_runs_without_one() {
    let platform = Platform::start();
    // A store from before the account had API rights.
    let mut account = Setup::new().start();
    account.post(&subscribe()).is_text(WELCOME);
    account.stop();
    let config = std::fs::read_to_string(account.config_path()).unwrap();
    account.rewrite_config(|config| {
        let url = platform.url();
        let secret = account::APP_SECRET;
        format!(
            "account.app_id = \"{APP_ID}\"\naccount.app_secret = \"{secret}\"\napi.base_url = \"{url}\"\napi.sync = \"off\"\n{config}"
        )
    });
    account.begin();
    account.stop();
    change_app_id(&account, OTHER);
    is_refused(&account.command(&["serve"]));
    // Without an AppID there are no calls, so the store can be used.
    account.rewrite_config(|_| config);
    account.begin();
    account.post(&text("hello")).is_status(200);
}

#[test]
fn an_app_id_binds_the_store_even_without_a_secret() {
    let secure = |app_id: &str| {
        Setup::new()
            .set("account.app_id", &format!("\"{app_id}\""))
            .set("account.mode", "\"secure\"")
            .set("account.aes_key", &format!("\"{}\"", console::AES_KEY))
    };
    let mut account = secure(APP_ID).start();
    account.stop();
    change_app_id(&account, OTHER);
    is_refused(&account.command(&["serve"]));
}

#[test]
fn a_reload_with_another_app_id_changes_nothing() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    change_app_id(&account, OTHER);
    account.rewrite_config(|config| config.replace("Welcome!", "Welcome elsewhere!"));
    account.reload();
    let refusal = |line: &String| line.contains(OTHER) && line.contains("the old one stays");
    assert!(
        account.log().lines().iter().any(refusal),
        "{}",
        account.log()
    );
    account.post(&subscribe()).is_text(WELCOME);
}

#[test]
fn of_two_accounts_that_open_a_new_store_at_once_one_gets_it() {
    let platform = Platform::start();
    for _ in 0..5 {
        let account = Setup::new().platform(&platform).stopped();
        let other = account.folder().join("other.conf");
        let config = std::fs::read_to_string(account.config_path()).unwrap();
        std::fs::write(&other, config.replace(APP_ID, OTHER)).unwrap();
        let mut second = command::program();
        second.arg("--config").arg(&other).arg("token");
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| account.command(&["token"]));
            let second = scope.spawn(|| Ran::of(second, ""));
            (first.join().unwrap(), second.join().unwrap())
        });
        let owner: String = account
            .store()
            .one("SELECT value FROM settings WHERE name = 'app_id'");
        if owner == APP_ID {
            first.ok();
            is_refused(&second);
        } else {
            is_refused(&first);
            second.failed().complains("40013");
        }
    }
}

#[test]
fn restore_refuses_a_backup_of_another_accounts_store() {
    let platform = Platform::start();
    let account = with_foreign_store(&platform);
    let copy = account.folder().join("copy.db");
    let copy = copy.to_str().unwrap();
    account.command(&["backup", copy]).ok();
    account.rewrite_config(|config| format!("store.path = \"other.db\"\n{config}"));
    let ran = account.command(&["restore", copy, "--yes"]);
    ran.failed().complains(APP_ID).complains(OTHER);
    assert!(!account.folder().join("other.db").exists());
    change_app_id(&account, APP_ID);
    account.command(&["restore", copy, "--yes"]).ok();
}
