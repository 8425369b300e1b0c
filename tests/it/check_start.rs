//! `check` fails wherever `serve` could not start, so that nobody restarts into an outage.

use crate::support::http::Address;
use crate::support::*;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// `check --quiet` and `serve` fail with these words, and `check` shows them.
#[track_caller]
fn cannot_start(account: &Account, words: &str) {
    let quiet = account.command(&["check", "--quiet"]);
    quiet.failed().complains(words);
    quiet.expect(quiet.stdout.is_empty(), "nothing on stdout");
    account
        .command(&["check"])
        .is_code(1)
        .says("the server cannot start: ")
        .says(words);
    let json = account.command(&["check", "--json"]);
    json.is_code(1).says("\"obstacles\": [").says(words);
    account.command(&["serve"]).failed().complains(words);
}

#[track_caller]
fn can_start(account: &Account) {
    account.command(&["check", "--quiet"]).ok();
}

/// A port that another program listens on, and an account set up to use it.
fn taken_port() -> (TcpListener, Setup) {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("\"{}\"", other.local_addr().unwrap());
    let setup = Setup::new().set("server.listen", &listen);
    (other, setup)
}

#[test]
fn check_reports_a_port_in_use_unless_by_its_own_server() {
    let (other, setup) = taken_port();
    let mut account = setup.stopped();
    cannot_start(&account, "already in use");
    let address = other.local_addr().unwrap();
    drop(other);
    can_start(&account);
    account.begin();
    eventually("the server notes where it listens", account.log(), || {
        account.store().count("settings WHERE name = 'listening'") == 1
    });
    can_start(&account);
    // After the server was killed, the port may be free or taken by another program.
    account.kill();
    can_start(&account);
    let other = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || other.incoming().for_each(drop));
    cannot_start(&account, "already in use");
}

#[test]
fn check_reports_a_port_in_use_by_another_accounts_server() {
    let running = Account::start();
    let Address::Tcp(address) = running.address() else {
        panic!("it listens on a port");
    };
    let listen = format!("\"{address}\"");
    let other = Setup::new().set("server.listen", &listen).stopped();
    cannot_start(&other, "already in use");
    // Also while this account's server runs on another port.
    let mut other = Setup::new().start();
    other.rewrite_config(|config| config.replace("127.0.0.1:0", &address.to_string()));
    other
        .command(&["check", "--quiet"])
        .failed()
        .complains("already in use");
    other.stop();
}

#[test]
fn a_server_that_stopped_leaves_no_claim_to_its_port() {
    let mut account = Account::start();
    eventually("the server notes where it listens", account.log(), || {
        account.store().count("settings WHERE name = 'listening'") == 1
    });
    account.stop();
    account.store().is(
        "SELECT count(*) FROM settings WHERE name = 'listening'",
        &["0"],
    );
}

#[test]
fn check_reports_a_socket_that_cannot_be_created() {
    let folder = tempfile::tempdir().unwrap();
    let account = |path: &str| {
        let path = folder.path().join(path);
        let listen = format!("\"unix:{}\"", path.display());
        Setup::new().set("server.listen", &listen).stopped()
    };
    std::fs::write(folder.path().join("notes.txt"), "precious").unwrap();
    cannot_start(&account("notes.txt"), "not a socket");
    cannot_start(&account("missing/s.sock"), "No such file");
    let live = UnixListener::bind(folder.path().join("live.sock")).unwrap();
    std::thread::spawn(move || live.incoming().for_each(drop));
    cannot_start(&account("live.sock"), "already in use");
    drop(UnixListener::bind(folder.path().join("stale.sock")).unwrap());
    can_start(&account("stale.sock"));
    assert!(
        folder.path().join("stale.sock").exists(),
        "check changes nothing"
    );
    can_start(&account("new.sock"));
}

#[test]
fn check_reports_a_store_that_cannot_be_opened_and_leaves_it_alone() {
    let account = |path: &str| {
        Setup::new()
            .set("store.path", &format!("\"{path}\""))
            .stopped()
    };
    let missing = account("data/wechat.db");
    cannot_start(&missing, "/data");
    std::fs::write(missing.folder().join("data"), "a file").unwrap();
    cannot_start(&missing, "wechat.db");

    let linked = account("link.db");
    let link = linked.folder().join("link.db");
    std::os::unix::fs::symlink("unmounted/wechat.db", link).unwrap();
    linked
        .command(&["check", "--quiet"])
        .failed()
        .complains("/unmounted does not exist");
    linked.command(&["serve"]).failed();

    let folder = account("data");
    std::fs::create_dir(folder.folder().join("data")).unwrap();
    cannot_start(&folder, "is a folder");

    let fifo = account("fifo");
    let made = Command::new("mkfifo")
        .arg(fifo.folder().join("fifo"))
        .status();
    assert!(made.unwrap().success());
    fifo.command(&["check", "--quiet"])
        .failed()
        .complains("is no regular file");

    let text = account("text.db");
    std::fs::write(text.folder().join("text.db"), "not a database ".repeat(100)).unwrap();
    cannot_start(&text, "not an SQLite database");

    let foreign = account("foreign.db");
    store::change(&foreign.folder().join("foreign.db"), "CREATE TABLE t (x)");
    cannot_start(&foreign, "another program");

    let mut newer = Account::start();
    newer.stop();
    can_start(&newer);
    store::change(&newer.store_path(), "PRAGMA user_version = 99");
    cannot_start(&newer, "of version 99");
}

#[test]
fn check_accepts_a_store_of_an_older_version_and_leaves_it_alone() {
    let account = Setup::new().stopped();
    store::change(&account.store_path(), &sample("store/version_5.sql"));
    can_start(&account);
    account.command(&["check"]).ok();
    account.store().is("PRAGMA user_version", &["5"]);
}

#[test]
fn check_reports_root_certificates_that_cannot_be_read() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .env("SSL_CERT_FILE", "missing.pem")
        .stopped();
    cannot_start(&account, "missing.pem");
}
