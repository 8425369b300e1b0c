//! Links that sign in, once; who is signed in, and until when.

use super::with_page;
use crate::support::account::APP_SECRET;
use crate::support::operator::{Operator, PAGE, ask, link, page};
use crate::support::*;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

#[test]
fn a_link_survives_those_who_look_at_it_and_works_once() {
    let account = with_page();
    let (key, at) = (link(&account), page(&account));
    for _ in 0..5 {
        let looked = ask(&account, &at, Request::new("GET", &key));
        looked.is_status(200);
        assert_eq!(looked.header("set-cookie"), None);
    }
    let post = || ask(&account, &at, Request::new("POST", &key));
    let answer = post();
    answer.is_status(303).has_header("location", "/");
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
        answer.has_header("set-cookie", flag);
    }
    let again = post();
    again.is_status(410);
    again.expect(again.body().contains("wechatd admin link"), "what to do");
    account.log().says("owner signed in from 127.0.0.1");
    account.log().says("with a link that does not work");
}

#[test]
fn a_link_ends_after_ten_minutes() {
    let account = with_page();
    let (key, at) = (link(&account), page(&account));
    let left: i64 = account
        .store()
        .one("SELECT expires_at - unixepoch() FROM admin_keys");
    assert!((590..=600).contains(&left), "{left}");
    store::change(
        &account.store_path(),
        "UPDATE admin_keys SET expires_at = unixepoch()",
    );
    ask(&account, &at, Request::new("POST", &key)).is_status(410);
    assert_eq!(account.store().count("admin_sessions"), 0);
}

#[test]
fn ten_wrong_tries_from_one_address_are_enough() {
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("server.trusted_proxies", "[\"127.0.0.1\"]")
        .start();
    let (key, at) = (link(&account), page(&account));
    let guess = |path: &str, from: &str| {
        let request = Request::new("POST", path).header("X-Forwarded-For", from);
        ask(&account, &at, request)
    };
    for number in 0..10 {
        guess(&format!("/login/{number}"), "203.0.113.9").is_status(410);
    }
    let refused = guess(&key, "203.0.113.9");
    refused.is_status(429).has_header("retry-after", "60");
    // Nobody else is kept out, and looking is free.
    let request = Request::new("GET", &key).header("X-Forwarded-For", "203.0.113.9");
    ask(&account, &at, request).is_status(200);
    guess(&key, "203.0.113.10").is_status(303);
}

#[test]
fn who_is_signed_in_is_listed_and_signed_out_by_commands() {
    let account = with_page();
    account
        .command(&["admin", "sessions"])
        .ok()
        .says("nobody is signed in");
    let one = Operator::of(&account);
    let two = Operator::of(&account);
    let list = account.command(&["admin", "sessions", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert_eq!(
        (&list[0]["id"], &list[0]["name"]),
        (&2.into(), &"owner".into())
    );
    assert_eq!(list[0]["address"], "127.0.0.1");
    account
        .command(&["admin", "logout", "1"])
        .ok()
        .says("1 session ended");
    account
        .command(&["admin", "logout", "1"])
        .failed()
        .complains("`wechatd admin sessions` shows who is signed in");
    one.get("/").is_status(303);
    two.get("/").is_status(200);
    let unused = link(&account);
    account.command(&["admin", "logout", "--all"]).refused();
    account.command(&["admin", "logout", "--all", "--yes"]).ok();
    two.get("/").is_status(303);
    let at = page(&account);
    ask(&account, &at, Request::new("POST", &unused)).is_status(410);
    for name in ["cli", "service", "", " ", "a\u{7}b", &"x".repeat(41)] {
        account
            .command(&["admin", "link", "--name", name])
            .refused();
    }
}

#[test]
fn a_sign_in_ends_when_it_is_not_used() {
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("admin.session", "\"1h\"")
        .start();
    let operator = Operator::of(&account);
    let set = |ago: u32| {
        let sql = format!("UPDATE admin_sessions SET seen_at = unixepoch() - {ago}");
        store::change(&account.store_path(), &sql);
    };
    set(3_590);
    operator.get("/").is_status(200);
    eventually("the use is noted", account.log(), || {
        account
            .store()
            .count("admin_sessions WHERE seen_at > unixepoch() - 100")
            == 1
    });
    set(3_601);
    operator
        .get("/")
        .is_status(303)
        .has_header("location", "/login");
    account
        .command(&["admin", "sessions"])
        .ok()
        .says("nobody is signed in");
}

#[test]
fn the_store_and_the_log_have_no_key_no_cookie_and_no_token() {
    let mut account = with_page();
    let unused = link(&account);
    let operator = Operator::of(&account);
    let (_, cookie) = operator.cookie.split_once('=').unwrap();
    let secrets = [
        unused.trim_start_matches("/login/").to_owned(),
        cookie.to_owned(),
        operator.token.clone(),
    ];
    drop(operator);
    let check = |account: &Account| {
        for secret in &secrets {
            assert!(secret.len() >= 43, "{secret}");
            let files = account.files_with(secret);
            assert!(files.is_empty(), "{secret} in {files:?}");
            assert!(!account.log().has(secret), "{}", account.log());
        }
    };
    check(&account);
    account.stop();
    check(&account);
}

#[test]
fn no_answer_shows_a_secret() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set(PAGE.0, PAGE.1)
        .set("account.previous_token", "\"previousToken2026\"")
        .start();
    account.post(&subscribe());
    let operator = Operator::of(&account);
    let access_token = account.command(&["token"]).ok().stdout.trim().to_owned();
    for route in wechatd::server::admin_routes() {
        if !route.methods.contains(&"GET") {
            continue;
        }
        let path = route.path.replace('*', "oSyn1aAQe7rT0uXk3mPzLc9WvBh4");
        let answer = operator.get(&path);
        for secret in [TOKEN, APP_SECRET, "previousToken2026", &access_token] {
            answer.expect(!answer.body().contains(secret), &format!("no {secret}"));
        }
    }
}

#[test]
fn a_person_who_is_forgotten_is_signed_out_and_leaves_no_trace() {
    let mut account = with_page();
    let operator = Operator::of(&account);
    let person = another_fan();
    account.post(&subscribe().from(&person));
    store::change(
        &account.store_path(),
        &format!(
            "INSERT INTO admin_sessions (token_hash, name, openid, created_at, seen_at) VALUES (randomblob(32), 'Li of {person}', '{person}', 1, unixepoch())"
        ),
    );
    account
        .command(&["followers", "forget", &person, "--yes"])
        .ok();
    operator.get("/").is_status(200);
    drop(operator);
    account.stop();
    assert_eq!(account.files_with(&person), [""; 0]);
}

/// `wechatd admin` in a folder, until it is dropped.
struct Shown {
    child: std::process::Child,
    link: String,
}

impl Shown {
    #[track_caller]
    fn by(mut command: std::process::Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut link)
            .unwrap();
        Self { child, link }
    }

    /// Its address and the path of its link.
    fn at(&self) -> (http::Address, String) {
        let rest = self.link.trim().strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        (
            http::Address::Tcp(address.parse().unwrap()),
            format!("/{path}"),
        )
    }

    /// Ctrl-C.
    #[track_caller]
    fn interrupt(mut self) -> Option<i32> {
        account::send_signal(self.child.id(), "INT");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn in_an_empty_folder_the_page_is_shown_until_ctrl_c_and_leaves_the_store_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command::program();
    command.arg("admin").current_dir(folder.path());
    let begun = Instant::now();
    let shown = Shown::by(command);
    let account = Setup::new().stopped();
    let (at, key) = shown.at();
    let answer = ask(&account, &at, Request::new("POST", &key));
    answer.is_status(303);
    let overview = Request::new("GET", "/").header("Cookie", &operator::cookie(&answer));
    ask(&account, &at, overview).is_status(200);
    assert!(
        begun.elapsed() < IN_TIME,
        "five seconds on a machine with nothing else to do"
    );
    assert_eq!(shown.interrupt(), Some(0));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["wechat.db"]);
    // A file that is named must be there.
    wechatd(&["--config", "/nonexistent/wechat.conf", "admin"]).refused();
}

#[test]
fn beside_a_running_server_the_page_shows_its_store() {
    let account = Account::start();
    account
        .command(&["admin", "link"])
        .failed()
        .complains("`wechatd admin` shows it until Ctrl-C");
    let shown = Shown::by(account.program(&["admin"]));
    let (at, key) = shown.at();
    let answer = ask(&account, &at, Request::new("POST", &key));
    let cookie = operator::cookie(&answer);
    account.post(&subscribe().from(&another_fan()));
    let overview = Request::new("GET", "/").header("Cookie", &cookie);
    let answer = ask(&account, &at, overview);
    answer.expect(
        answer.body().contains("<b>1</b><span>Followers</span>"),
        "one follower",
    );
    assert_eq!(shown.interrupt(), Some(0));
    account.post(&text("hello")).is_status(200);
    // Where the server shows it, there is nothing to wait for.
    let account = with_page();
    account.command(&["admin"]).ok().says("/login/");
}
