//! Starting and stopping: what is logged, what is refused, and what is left behind.

use crate::support::account::HELP;
use crate::support::http::Address;
use crate::support::*;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

#[test]
fn the_log_shows_the_address_the_store_and_what_to_do_next() {
    let account = Account::start();
    let log = account.log();
    let store = account.store_path().display().to_string();
    for part in ["/wechat", &store, "wechatd check"] {
        log.says(part);
    }
    assert!(!log.has(TOKEN), "{log}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let account = Setup::new()
        .set("server.listen", &format!("\"{address}\""))
        .stopped();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains(&address);
    ran.complains("use");
}

#[test]
fn a_store_that_is_a_folder_is_refused() {
    let account = Setup::new().stopped();
    std::fs::create_dir(account.store_path()).unwrap();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains("wechat.db");
}

#[test]
fn a_store_whose_folder_is_missing_is_refused() {
    let account = Setup::new()
        .set("store.path", "\"no/such/folder/wechat.db\"")
        .stopped();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains("no/such/folder");
}

#[test]
fn a_store_that_is_not_a_database_is_refused_and_left_alone() {
    let account = Setup::new().stopped();
    let precious = "these are my notes, not a database\n".repeat(100);
    std::fs::write(account.store_path(), &precious).unwrap();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains("wechat.db");
    assert_eq!(
        std::fs::read_to_string(account.store_path()).unwrap(),
        precious
    );
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let account = Setup::new().stopped();
    let theirs = rusqlite::Connection::open(account.store_path()).unwrap();
    theirs
        .execute_batch("CREATE TABLE messages (id INTEGER, precious TEXT); INSERT INTO messages VALUES (1, 'x')")
        .unwrap();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains("wechat.db");
    let store = account.store();
    store.is("SELECT name FROM sqlite_schema", &["messages"]);
    store.is("SELECT * FROM messages", &["1|x"]);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let mut account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    let newer = rusqlite::Connection::open(account.store_path()).unwrap();
    newer.pragma_update(None, "user_version", 9999).unwrap();
    drop(newer);
    for arguments in [
        &["serve"][..],
        &["followers", "list"],
        &["messages", "list"],
    ] {
        let ran = account.command(arguments);
        ran.failed();
        ran.complains("9999");
        ran.complains("wechat.db");
    }
    account.store().is("PRAGMA user_version", &["9999"]);
    account.store().is("SELECT count(*) FROM messages", &["1"]);
}

#[test]
fn a_store_that_cannot_be_written_is_refused() {
    let account = Setup::new().stopped();
    if permissions_do_not_bind(account.folder()) {
        return;
    }
    let mut permissions = std::fs::metadata(account.folder()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(account.folder(), permissions).unwrap();
    let ran = account.command(&["serve"]);
    ran.failed();
    ran.complains("wechat.db");
}

#[test]
fn the_server_can_listen_on_a_unix_socket() {
    let setup = Setup::new();
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let mut account = setup.set("server.listen", &listen).start();
    assert!(matches!(account.address(), Address::Unix(path) if *path == socket));
    account.post(&text("hello")).is_text(HELP);
    account
        .get(&format!("/wechat?{}&echostr=3", account.signed()))
        .is(200, "3");
    // A killed server leaves its socket file behind.
    account.kill();
    assert!(socket.exists());
    account.begin();
    account.post(&text("hello")).is_text(HELP);
    assert_eq!(account.stop().code, Some(0));
    account.begin();
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn a_stale_socket_file_is_replaced_but_nothing_else_is() {
    let setup = Setup::new();
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    drop(UnixListener::bind(&socket).unwrap());
    let mut account = setup.set("server.listen", &listen).start();
    account.post(&text("hello")).is_text(HELP);
    account.stop();
    std::fs::remove_file(&socket).ok();
    std::fs::write(&socket, "a file that somebody needs").unwrap();
    account
        .command(&["serve"])
        .failed()
        .complains("wechatd.sock");
    assert_eq!(
        std::fs::read_to_string(&socket).unwrap(),
        "a file that somebody needs"
    );
}

#[test]
fn a_second_server_on_the_same_socket_is_refused() {
    let setup = Setup::new();
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let account = setup.set("server.listen", &listen).start();
    account
        .command(&["serve"])
        .failed()
        .complains("wechatd.sock");
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn a_second_server_on_the_same_port_is_refused() {
    let account = Account::start();
    let Address::Tcp(address) = account.address() else {
        panic!("a port");
    };
    let listen = format!("server.listen = \"{address}\"");
    account.rewrite_config(|config| config.replace("server.listen = \"127.0.0.1:0\"", &listen));
    account
        .command(&["serve"])
        .failed()
        .complains(&address.to_string());
    account.post(&text("hello")).is_text(HELP);
}

/// Stops the server, after which it is enough to copy the one file of its store.
#[track_caller]
fn stops_and_leaves_one_file(account: &mut Account, signal: &str) {
    for _ in 0..20 {
        account.post(&text("hello")).is_text(HELP);
    }
    let ended = account.signal(signal);
    assert_eq!(ended.code, Some(0), "SIG{signal}\n{}", account.log());
    let copy = account.folder().join("copy.db");
    std::fs::copy(account.store_path(), &copy).unwrap();
    let copy = Store::open(&copy, account.log());
    copy.is("SELECT count(*) FROM messages", &["20"]);
    copy.is("PRAGMA integrity_check", &["ok"]);
}

#[test]
fn sigterm_and_sigint_stop_the_server_and_leave_the_store_in_one_file() {
    for signal in ["TERM", "INT"] {
        stops_and_leaves_one_file(&mut Account::start(), signal);
    }
}

#[test]
fn a_stop_leaves_the_store_in_one_file_while_another_program_has_it_open() {
    let mut account = Account::start();
    let other = rusqlite::Connection::open(account.store_path()).unwrap();
    let count = "SELECT count(*) FROM messages";
    assert_eq!(other.query_row(count, [], |row| row.get(0)), Ok(0));
    stops_and_leaves_one_file(&mut account, "TERM");
    assert_eq!(other.query_row(count, [], |row| row.get(0)), Ok(20));
}

#[test]
fn idle_connections_do_not_delay_a_stop() {
    let mut account = Account::start();
    let address = account.address().clone();
    let idle: Vec<Wire> = (0..10).map(|_| Wire::connect(&address).unwrap()).collect();
    let request = text("hello").request("/wechat", TOKEN).keep_alive();
    let mut kept = Wire::connect(&address).unwrap();
    kept.send(&request.bytes()).unwrap();
    assert_eq!(kept.response().map(|response| response.status), Ok(200));
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
    // It would wait up to 5 s for pending answers.
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    drop(idle);
}

#[test]
fn a_hanging_platform_does_not_delay_a_stop() {
    let platform = Platform::start();
    platform.always("/cgi-bin/stable_token", Fault::Hang);
    // Longer than this test waits for the stop.
    let patient = Setup::new().platform(&platform);
    let mut account = patient.set("api.timeout", "\"300s\"").start();
    account.post(&subscribe()).is_text(account::WELCOME);
    eventually("the hanging call", account.log(), || {
        platform.token_calls() > 0
    });
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
}

#[test]
fn serve_is_the_default_command() {
    let account = Setup::new().stopped();
    let mut command = account.program(&[]);
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let listens = lines.any(|line| line.is_ok_and(|line| line.contains("listening on ")));
    account::send_signal(child.id(), "TERM");
    // The rest of the output needs a reader.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(listens, "{rest:?}");
    assert!(child.wait().unwrap().success(), "{rest:?}");
}
