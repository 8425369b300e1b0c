//! Moving a store from its file to a database and back.

use crate::support::cluster::{Cluster, keep_secret};
use crate::support::engine::PASSWORD;
use crate::support::*;

/// `wechatd store copy` with what the database needs.
#[track_caller]
fn copy(account: &Account, from: &str, to: &str, more: &[&str]) -> Ran {
    let password = account.folder().join("password");
    keep_secret(&password, PASSWORD);
    let password = password.display().to_string();
    let arguments = [
        "store",
        "copy",
        from,
        to,
        "--password-file",
        &password,
        "--tls",
        "off",
    ];
    account.command(&[&arguments, more].concat())
}

/// All followers and messages, byte by byte.
fn exported(account: &Account) -> String {
    let followers = account.command(&["followers", "export"]);
    let messages = account.command(&["messages", "export"]);
    format!("{}{}", followers.ok().stdout, messages.ok().stdout)
}

/// The server, `check` and commands that write refuse the store, and say where it is now; it can still be read.
#[track_caller]
fn was_moved(account: &Account, to: &str) {
    account
        .command(&["serve"])
        .is_code(2)
        .complains(to)
        .complains("wechatd store copy");
    account.command(&["check"]).is_code(1).says(to);
    account
        .command(&["messages", "done", "1"])
        .failed()
        .complains(to);
    account.command(&["followers", "list"]).ok().says("oAnna");
}

#[test]
fn a_store_moves_to_a_database_and_back_and_no_server_goes_on_with_the_one_that_it_left() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let (mut account, mut node) = (Account::start(), cluster.setup().stopped());
    account.post(&subscribe().from("oAnna")).is_status(200);
    for number in 0..40 {
        account
            .post(&text(&format!("hello {number}")).from("oAnna"))
            .is_status(200);
    }
    let file = account
        .store_path()
        .canonicalize()
        .unwrap()
        .display()
        .to_string();
    let database = cluster.engine.url(&cluster.database);

    // A run that is killed does no harm.
    let mut killed = account
        .program(&["store", "copy", &file, &database, "--tls", "off"])
        .env("WECHATD_STORE_PASSWORD", PASSWORD)
        .spawn()
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    copy(&account, &file, &database, &[]).ok().says("--finish");
    account
        .post(&text("while it was copied").from("oAnna"))
        .is_status(200);
    copy(&account, &file, &database, &["--finish"])
        .failed()
        .complains("stop the server first");
    node.command(&["serve"])
        .is_code(2)
        .complains("unfinished copy");
    account.stop();
    let before = exported(&account);
    let done = copy(&account, &file, &database, &["--finish", "--json"]);
    let done = done.json();
    assert_eq!(done["finished"], true);
    let messages = done["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["name"] == "messages");
    assert_eq!(messages.unwrap()["rows"], 42, "{done}");
    was_moved(&account, &database);
    assert_eq!(exported(&account), before);
    assert_eq!(exported(&node), before);

    node.begin();
    node.post(&text("to the database").from("oAnna"))
        .is_status(200);
    copy(&account, &database, &file, &[]).ok().says("--finish");
    node.post(&text("while it was copied back").from("oAnna"))
        .is_status(200);
    copy(&account, &database, &file, &["--finish"])
        .failed()
        .complains("a server runs on");
    node.stop();
    let before = exported(&node);
    copy(&account, &database, &file, &["--finish"])
        .ok()
        .says("store.path");
    was_moved(&node, &file);
    assert_eq!(exported(&account), before);
    account.begin();
    account
        .post(&text("at home again").from("oAnna"))
        .is_status(200);
    let texts = account.command(&["messages", "list", "--from", "oAnna"]);
    texts
        .ok()
        .says("hello 39")
        .says("to the database")
        .says("at home again");
}

#[test]
fn a_backup_of_a_database_is_a_file_that_is_restored_into_an_empty_one() {
    let (Some(cluster), Some(empty)) = (Cluster::new(), Cluster::new()) else {
        return;
    };
    let node = cluster.node();
    node.post(&subscribe().from("oAnna")).is_status(200);
    node.post(&text("hello").from("oAnna")).is_status(200);
    let copy = node.folder().join("copy.db");
    let name = copy.display().to_string();
    node.command(&["backup", &name])
        .ok()
        .says("is a copy of mysql://");
    Store::open(&copy, node.log()).is("SELECT count(*) FROM messages", &["2"]);
    node.command(&["restore", &name])
        .failed()
        .complains("a server runs on");
    let other = empty.setup().stopped();
    other
        .command(&["restore", &name])
        .ok()
        .says("Restored mysql://");
    assert_eq!(exported(&other), exported(&node));
    other
        .command(&["restore", &name])
        .failed()
        .complains("there is something in the database");
}
