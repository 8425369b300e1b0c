//! The operator's page: where it is, who may sign in, and what no request can do to it.

mod browser;
mod forms;
mod inbox;
mod metrics;
mod no_writes;
mod owners;
mod pages;
mod rules;
mod signing_in;
mod talk;
mod texts;
mod wire;

use crate::support::http::Answer;
use crate::support::operator::{Operator, PAGE, ask, page};
use crate::support::*;
use std::time::Duration;

fn with_page() -> Account {
    Setup::new().set(PAGE.0, PAGE.1).start()
}

/// The ports on which a process listens.
fn ports(pid: u32) -> usize {
    let mut inodes = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" {
                inodes.push(format!("socket:[{}]", fields[9]));
            }
        }
    }
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter(|file| inodes.contains(&file.display().to_string()))
        .count()
}

#[test]
fn off_means_one_port_and_no_thread_more_and_on_means_few() {
    let off = Account::start();
    off.log()
        .says("operator page: off; \"wechatd admin\" shows it");
    let without = Vitals::of(off.pid());
    assert_eq!(ports(off.pid()), 1);
    let on = with_page();
    Operator::of(&on).get("/").is_status(200);
    let with = Vitals::of(on.pid());
    assert_eq!(ports(on.pid()), 2);
    assert!(
        with.threads <= without.threads + 16,
        "{without} without, {with} with"
    );
}

#[test]
fn the_page_survives_a_reload_and_ends_with_the_server() {
    let mut account = with_page();
    let operator = Operator::of(&account);
    account.reload();
    operator.get("/").is_status(200);
    drop(operator);
    let at = page(&account);
    let ended = account.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < Duration::from_secs(5), "{ended:?}");
    assert!(Wire::connect(&at).is_err());
}

#[test]
fn a_unix_socket_shows_the_page_and_goes_with_the_server() {
    let setup = Setup::new();
    let socket = setup.folder().join("admin.sock");
    let mut account = setup
        .set("admin.listen", &format!("\"unix:{}\"", socket.display()))
        .start();
    let operator = Operator::of(&account);
    operator.get("/").is_status(200);
    drop(operator);
    account
        .command(&["admin", "link"])
        .ok()
        .says(&format!("ssh -N -L 8081:{}", socket.display()));
    account.stop();
    assert!(!socket.exists());
}

#[test]
fn an_address_in_use_is_named_with_its_key() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let account = Setup::new()
        .set("admin.listen", &format!("\"{taken}\""))
        .stopped();
    account
        .command(&["serve"])
        .failed()
        .complains("already in use; stop the other program or change admin.listen");
}

#[test]
fn every_name_but_loopback_and_that_of_the_url_is_misdirected() {
    let account = with_page();
    let operator = Operator::of(&account);
    let at = page(&account);
    for host in [
        "evil.test",
        "127.0.0.1.evil.test",
        "10.0.0.1:80",
        "example.com",
    ] {
        for path in ["/", "/login", "/style.css", "/nowhere"] {
            let request = Request::new("GET", path).header("Host", host);
            operator.send(request).is_status(421);
        }
    }
    for host in ["localhost", "LOCALHOST:9", "[::1]:8081", "127.0.0.7"] {
        let request = Request::new("GET", "/").header("Host", host);
        operator.send(request).is_status(200);
    }
    account.log().says("by another name than localhost");
    // Without any name.
    let mut wire = Wire::connect(&at).unwrap();
    wire.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(wire.response().unwrap().status, 421);
}

#[test]
fn everything_is_below_the_path_of_the_url() {
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("admin.url", "\"https://example.com/admin\"")
        .start();
    let operator = Operator::of(&account);
    assert!(
        operator.cookie.starts_with("__Host-wechatd-admin="),
        "{}",
        operator.cookie
    );
    let body = operator.get("/").is_status(200).body();
    for (at, _) in body.match_indices("=\"/") {
        let rest = &body[at + 2..];
        let is_back = body[..at].ends_with("name=\"back\" value");
        assert!(rest.starts_with("/admin/") || is_back, "{rest:.60}");
    }
    operator.get("").is_status(200);
    let named = |path: &str| Request::new("GET", path).header("Host", "example.com:8443");
    operator.send(named("/admin/")).is_status(200);
    for elsewhere in ["/", "/login", "/adminx", "/administration/"] {
        operator.send(named(elsewhere)).is_status(404);
    }
    let log_in = ask(&account, &page(&account), Request::new("GET", "/admin/"));
    log_in.is_status(303).has_header("location", "/admin/login");
}

#[test]
fn every_answer_has_the_headers_that_keep_other_sites_out() {
    let account = with_page();
    let operator = Operator::of(&account);
    let at = page(&account);
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut seen = Vec::new();
    let mut check = |answer: &Answer| {
        answer.has_header("content-security-policy", policy);
        answer.has_header("x-content-type-options", "nosniff");
        answer.has_header("referrer-policy", "same-origin");
        if answer.header("content-type").unwrap().contains("html") {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let body = answer.body();
            for inline in [
                "<style",
                " style=",
                " onclick",
                " onload",
                "<script>",
                "javascript:",
            ] {
                answer.expect(!body.contains(inline), &format!("no {inline}"));
            }
        }
        seen.push(answer.response.status);
    };
    let mut targets = vec!["/nowhere".to_owned()];
    targets.extend(
        wechatd::server::admin_routes()
            .iter()
            .map(|route| route.path.replace('*', "x")),
    );
    for target in targets {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            // More tries to sign in than one address has.
            for _ in 0..if method == "POST" && target == "/login/x" {
                10
            } else {
                0
            } {
                check(&ask(&account, &at, Request::new(method, &target)));
            }
            check(&ask(&account, &at, Request::new(method, &target)));
            if method != "POST" {
                check(&operator.send(Request::new(method, &target)));
            }
            let foreign = Request::new(method, &target).header("Host", "evil.test");
            check(&operator.send(foreign));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    for status in [200, 303, 401, 403, 404, 405, 410, 421, 429] {
        assert!(seen.contains(&status), "{status} in {seen:?}");
    }
}

#[test]
fn news_are_counted_and_do_not_prolong_the_sign_in() {
    let account = with_page();
    let operator = Operator::of(&account);
    operator
        .get("/news?after=0")
        .is(200, "{\"new\":0,\"todo\":0,\"trouble\":0}");
    account.post(&text("hello"));
    account.post(&text("again"));
    operator
        .get("/news?after=0")
        .is(200, "{\"new\":2,\"todo\":0,\"trouble\":0}");
    operator
        .get("/news?after=1")
        .is(200, "{\"new\":1,\"todo\":0,\"trouble\":0}");
    operator
        .get("/news?after=x")
        .is(200, "{\"new\":0,\"todo\":0,\"trouble\":0}");
    let seen = "UPDATE admin_sessions SET seen_at = seen_at - 1000";
    store::change(&account.store_path(), seen);
    let before: i64 = account.store().one("SELECT seen_at FROM admin_sessions");
    operator.get("/news?after=0").is_status(200);
    let later = operator.get("/");
    later
        .is_status(200)
        .has_header("set-cookie", "Max-Age=2592000");
    eventually("the use is noted", account.log(), || {
        account
            .store()
            .one::<i64>("SELECT seen_at FROM admin_sessions")
            >= before + 1_000
    });
    assert_eq!(operator.get("/").header("set-cookie"), None);
    let at = page(&account);
    ask(&account, &at, Request::new("GET", "/news?after=0"))
        .is(401, "{\"error\":\"not_signed_in\"}");
}
