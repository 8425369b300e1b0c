//! Running under systemd: readiness, the watchdog, reload and stop, exit codes, and the AppSecret as a credential.

use crate::support::account::{APP_ID, APP_SECRET};
use crate::support::*;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager's end of `$NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
    path: String,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify").display().to_string();
        Self::at(SocketAddr::from_pathname(&path).unwrap(), path, folder)
    }

    /// In Linux's abstract namespace.
    fn abstract_socket() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().display().to_string();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::at(address, format!("@{name}"), folder)
    }

    fn at(address: SocketAddr, path: String, folder: tempfile::TempDir) -> Self {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            _folder: folder,
            path,
        }
    }

    /// Waits for this line and returns everything up to it.
    #[track_caller]
    fn hears(&self, line: &str, log: &Log) -> Vec<String> {
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        while !said.iter().any(|heard| heard == line) {
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("waiting for {line}: {error}; heard {said:?}\n{log}")
            });
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            said.extend(text.lines().map(str::to_owned));
        }
        said
    }

    /// Whether there is another message; takes it.
    fn has_more(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        self.socket.recv(&mut [0; 4096]).is_ok()
    }
}

#[test]
fn systemd_is_notified_when_the_server_is_ready_alive_and_stopping() {
    let manager = Manager::new();
    let mut account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "500000")
        .start();
    manager.hears("READY=1", account.log());
    account.get("/healthz").is(200, "ok");
    // Twice, so not only at the start.
    manager.hears("WATCHDOG=1", account.log());
    manager.hears("WATCHDOG=1", account.log());
    assert_eq!(account.stop().code, Some(0));
    let last = manager.hears("STOPPING=1", account.log());
    assert!(!last.contains(&"READY=1".to_owned()), "{last:?}");
}

#[test]
fn the_watchdog_gets_no_ping_while_the_store_cannot_be_written() {
    let manager = Manager::new();
    let account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "500000")
        .start();
    manager.hears("WATCHDOG=1", account.log());
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // From now on the writer fails, and every ping from before has been sent.
    account.log().says("503 until it works again");
    while manager.has_more() {}
    // Six times the interval between two pings.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!manager.has_more(), "a ping while nothing can be written");
    locked.execute_batch("ROLLBACK").unwrap();
    eventually("a ping again", account.log(), || manager.has_more());
}

#[test]
fn without_a_watchdog_there_are_no_pings() {
    let manager = Manager::new();
    let mut account = Setup::new().env("NOTIFY_SOCKET", &manager.path).start();
    manager.hears("READY=1", account.log());
    assert_eq!(account.stop().code, Some(0));
    let last = manager.hears("STOPPING=1", account.log());
    assert!(!last.contains(&"WATCHDOG=1".to_owned()), "{last:?}");
}

#[test]
fn an_abstract_notify_socket_works_too() {
    let manager = Manager::abstract_socket();
    let mut account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "500000")
        .start();
    manager.hears("READY=1", account.log());
    manager.hears("WATCHDOG=1", account.log());
    account.reload();
    manager.hears("RELOADING=1", account.log());
    manager.hears("READY=1", account.log());
    assert_eq!(account.stop().code, Some(0));
    manager.hears("STOPPING=1", account.log());
    assert!(!account.log().has("NOTIFY_SOCKET"), "{}", account.log());
}

#[test]
fn a_watchdog_of_another_process_gets_no_ping() {
    let manager = Manager::new();
    let mut account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "300000")
        .env("WATCHDOG_PID", "1")
        .start();
    manager.hears("READY=1", account.log());
    // Long enough for several pings.
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(account.stop().code, Some(0));
    let last = manager.hears("STOPPING=1", account.log());
    assert!(!last.contains(&"WATCHDOG=1".to_owned()), "{last:?}");
}

#[test]
fn a_notify_socket_that_cannot_be_reached_or_is_full_delays_nothing() {
    for name in [
        "nonsense",
        "/nowhere/notify",
        "@wechatd-nobody-is-here",
        "vsock:99:1",
    ] {
        let mut account = Setup::new().env("NOTIFY_SOCKET", name).start();
        account.log().says(&format!("NOTIFY_SOCKET={name:?}"));
        account.get("/healthz").is(200, "ok");
        assert_eq!(account.stop().code, Some(0), "{}", account.log());
    }
    let manager = Manager::new();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"STATUS=full", &manager.path).is_ok() {}
    let mut account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "300000")
        .start();
    account.get("/healthz").is(200, "ok");
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
    assert!(ended.took < IN_TIME, "{ended:?}");
}

#[test]
fn a_reload_is_notified_with_its_time_and_ends_with_ready() {
    let manager = Manager::new();
    let account = Setup::new().env("NOTIFY_SOCKET", &manager.path).start();
    manager.hears("READY=1", account.log());
    account.reload();
    let said = manager.hears("RELOADING=1", account.log());
    // systemd 253 and later require the time at which the reload began.
    let said = [said, manager.hears("READY=1", account.log())].concat();
    assert!(said.iter().any(|line| line.starts_with("MONOTONIC_USEC=")));
    account.get("/healthz").is(200, "ok");
}

#[test]
fn a_wrong_configuration_is_never_ready_and_exits_with_a_code_that_prevents_a_restart() {
    let manager = Manager::new();
    let account = Setup::new()
        .env("NOTIFY_SOCKET", &manager.path)
        .set("server.path", "17")
        .stopped();
    let ran = account.command(&["serve"]);
    ran.expect(ran.code == 2, "exit code 2");
    assert!(!manager.has_more());
    let unit = Setup::new().stopped().command(&["unit"]);
    unit.ok().says("RestartPreventExitStatus=2\n");
}

#[test]
fn an_app_secret_credential_wins_over_the_file_in_the_configuration() {
    let platform = Platform::start();
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(
        credentials.path().join("app_secret"),
        format!("{APP_SECRET}\n"),
    )
    .unwrap();
    // The service cannot read root's file, so naming it must not be a mistake.
    let account = Setup::new()
        .platform(&platform)
        .unset("account.app_secret")
        .set(
            "account.app_secret_file",
            "\"/nowhere/only-root-may-read-this\"",
        )
        .env(
            "CREDENTIALS_DIRECTORY",
            &credentials.path().display().to_string(),
        )
        .start();
    account.post(&subscribe());
    eventually("a token for the profile", account.log(), || {
        platform.token_calls() > 0
    });
    let calls = platform.calls();
    let token = calls
        .iter()
        .find(|call| call.path == "/cgi-bin/stable_token");
    assert!(
        token.is_some_and(|call| call.body.contains(APP_SECRET) && call.body.contains(APP_ID)),
        "the credential is sent"
    );
    assert!(!account.log().has(APP_SECRET));

    let unit = account.command(&["unit"]);
    unit.ok()
        .says("\nLoadCredential=app_secret:/nowhere/only-root-may-read-this\n");
}

#[test]
fn the_check_before_a_reload_finds_mistakes_without_the_secret() {
    let account = Setup::new()
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .set(
            "account.app_secret_file",
            "\"/nowhere/only-root-may-read-this\"",
        )
        .stopped();
    // There systemd provides no credential, and root's file cannot be read.
    account.command(&["check", "--quiet"]).refused();
    let check = || {
        let mut command = account.program(&["check", "--quiet"]);
        command.env("WECHATD_APP_SECRET", "NotNeededHere");
        Ran::of(command, "")
    };
    check().ok();
    account.rewrite_config(|config| format!("server.nonsense = 1\n{config}"));
    check().refused().complains("nonsense");
}

#[test]
fn a_server_dumps_no_core() {
    let account = Account::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", account.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file"));
    let numbers = core.unwrap_or_default().split_whitespace().skip(4);
    assert_eq!(numbers.take(2).collect::<Vec<_>>(), ["0", "0"], "{limits}");
}
