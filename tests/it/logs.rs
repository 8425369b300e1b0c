//! The log: one line for each push, never a secret, and never a reason to wait.

use crate::support::account::{APP_SECRET, WELCOME};
use crate::support::*;
use std::io::BufRead;

#[test]
fn every_push_is_logged_with_kind_sender_rule_and_duration() {
    let account = Account::start();
    for (push, kind, rule) in [
        (text("hello"), "text", "help"),
        (text("@tea"), "text", "suggestion"),
        (subscribe(), "subscribe", "welcome"),
        (image(), "image", ""),
        (click("K"), "CLICK", ""),
        (unknown_message("hologram"), "hologram", ""),
    ] {
        let fan = another_fan();
        account.post(&push.from(&fan)).is_status(200);
        let what = format!("a line about {fan}");
        eventually(&what, account.log(), || account.log().has(&fan));
        let lines = account.log().lines();
        let lines: Vec<&String> = lines.iter().filter(|line| line.contains(&fan)).collect();
        assert_eq!(lines.len(), 1, "{}", account.log());
        for part in [kind, rule, "ms"] {
            assert!(lines[0].contains(part), "{part:?} is not in {:?}", lines[0]);
        }
    }
}

#[test]
fn a_push_cannot_inject_lines_into_the_log() {
    let account = Account::start();
    let strange = "oL\n[2026-11-21T00:00:00Z ERROR] made up\u{1b}[31m";
    let push = event("a\nERROR b").from(strange).body();
    account.post(&raw(push)).is_status(200);
    account.log().says("made up");
    let lines = account.log().lines();
    let about: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("made up"))
        .collect();
    assert_eq!(about.len(), 1, "{}", account.log());
    assert!(about[0].contains("a ERROR b from oL "), "{}", about[0]);
    assert!(!about[0].contains('\u{1b}'), "{:?}", about[0]);
}

/// Runs a server through everything that could leak a secret; returns the secrets and the log.
fn busy_session(level: &str) -> (Vec<String>, Log) {
    let platform = Platform::start();
    platform.fault(
        "/cgi-bin/user/info",
        Fault::Errcode(40001, "invalid credential"),
    );
    platform.fault("/cgi-bin/stable_token", Fault::Truncated);
    let mut account = Setup::new()
        .platform(&platform)
        .set("account.previous_token", "\"formerToken2025\"")
        .env("RUST_LOG", level)
        .start();
    let mut secrets = vec![
        TOKEN.to_owned(),
        "formerToken2025".into(),
        APP_SECRET.into(),
    ];
    let pushes = [
        text("hello"),
        subscribe(),
        text("@tea").signed_with("formerToken2025"),
        text("hello").signed_with("someOtherToken"),
        text("hello").stamped(now() - 100_000),
        raw("<xml><broken>"),
        unsubscribe(),
        text("hello")
            .query("&encrypt_type=aes&msg_signature=0123456789abcdef0123456789abcdef01234567"),
    ];
    for push in &pushes {
        let request = push.request("/wechat", TOKEN);
        let signature = request.target.split("signature=").nth(1).unwrap();
        secrets.push(signature[..40].to_owned());
        account.send(&request);
    }
    let query = account.signed();
    secrets.push(query["signature=".len()..][..40].to_owned());
    account
        .get(&format!("/wechat?{query}&echostr=1"))
        .is(200, "1");
    let fan = another_fan();
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    eventually("the profile", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_at IS NOT NULL")
            == 1
    });
    platform.down();
    account
        .post(&subscribe().from(&another_fan()))
        .is_text(WELCOME);
    account.stop();
    secrets.push("SYN_ACCESS_TOKEN".into());
    secrets.push("SYN_cut".into());
    (secrets, account.log().clone())
}

#[test]
fn no_secret_and_no_message_text_is_logged() {
    let (secrets, log) = busy_session("info");
    for secret in secrets {
        assert!(!log.has(&secret), "{secret} is in the log\n{log}");
    }
    for words in ["hello", "@tea", WELCOME] {
        assert!(!log.has(words), "{words:?} is in the log\n{log}");
    }
}

#[test]
fn no_secret_is_logged_even_at_trace() {
    let (secrets, log) = busy_session("trace");
    for secret in secrets {
        assert!(!log.has(&secret), "{secret} is in the log\n{log}");
    }
}

#[test]
fn rust_log_sets_the_level() {
    // At `error` no line says that it listens, so wait for its socket file.
    let setup = Setup::new().env("RUST_LOG", "error");
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let account = setup.set("server.listen", &listen).stopped();
    let mut child = account
        .program(&["serve"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the socket", account.log(), || socket.exists());
    account::send_signal(child.id(), "TERM");
    let output = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    assert_eq!(output, "");
}

#[test]
fn a_rust_log_without_a_level_is_reported_once_and_means_the_default() {
    let mut account = Setup::new().env("RUST_LOG", "foo").start();
    account.log().says("in the console");
    account.stop();
    assert_eq!(account.log().count("RUST_LOG=\"foo\" names no level"), 1);
}

#[test]
fn libraries_log_nothing_at_debug() {
    let mut account = Setup::new().env("RUST_LOG", "debug").start();
    account.post(&text("hello")).is_status(200);
    account.stop();
    for library in ["accept thread", "tiny_http"] {
        assert!(!account.log().has(library), "{}", account.log());
    }
}

#[test]
fn a_log_that_nobody_reads_delays_neither_answers_nor_the_stop() {
    // At `debug` texts are logged: a hundred pushes overflow the pipe and the queue.
    let setup = Setup::new().env("RUST_LOG", "debug");
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let account = setup.set("server.listen", &listen).stopped();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = account
        .program(&["serve"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    eventually("the socket", account.log(), || socket.exists());
    let address = http::Address::Unix(socket);
    let push_many = || {
        for _ in 0..100 {
            let request = text(&"long ".repeat(4_000)).request("/wechat", TOKEN);
            let answer = http::exchange(&address, &request, account.log());
            answer.is_status(200);
            answer.expect(answer.took < IN_TIME, "an answer in time");
        }
        let healthz = Request::new("GET", "/healthz");
        http::exchange(&address, &healthz, account.log()).is(200, "ok");
    };
    push_many();

    // A reader that resumes sees how many lines are missing, and the lines from then on.
    let mut lines = std::io::BufReader::new(reader).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let note =
        std::iter::from_fn(|| Some(next())).find(|line| line.contains("nobody reads stderr"));
    let note = note.unwrap();
    let dropped = note.split_once(" lines were not logged").unwrap().0;
    let dropped = dropped.rsplit(' ').next().unwrap();
    assert!(dropped.parse::<usize>().unwrap() > 10, "{note}");

    push_many();
    let begun = std::time::Instant::now();
    account::send_signal(child.id(), "TERM");
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    account
        .store()
        .is("SELECT count(*) FROM messages", &["200"]);
}

#[test]
fn the_last_lines_are_written_before_the_process_ends() {
    let mut account = Account::start();
    account.post(&text("hello")).is_status(200);
    account.stop();
    let lines = account.log().lines();
    assert!(
        lines.last().unwrap().ends_with("stopped"),
        "{}",
        account.log()
    );
    // A server that cannot start because its port is taken says so in one line.
    account.begin();
    let http::Address::Tcp(taken) = account.address() else {
        panic!("not a TCP address");
    };
    let other = Setup::new().set("server.listen", &format!("\"{taken}\""));
    let ran = other.stopped().command(&["serve"]);
    ran.failed().complains("already in use");
    let lines = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("wechatd: "));
    assert_eq!(lines.count(), 1, "{}", ran.stderr);
}
